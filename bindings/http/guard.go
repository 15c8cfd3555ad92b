package http

import (
	"bytes"
	"net"
	"strconv"
	"strings"
)

// guardConn follows the framing of the HTTP/1 requests on a plain connection and breaks the ones that a proxy in front
// could understand differently: two headers that say how long the body is, and header lines that are folded. net/http
// removes Content-Length beside Transfer-Encoding and joins folded lines before a handler sees them, so the check has
// to be made on the bytes.
//
// A request is broken by cutting it off and putting a malformed header line in the place of the rest. net/http then
// answers it with 400, after the answers to the requests before it, and closes the connection.
type guardConn struct {
	*limitConn
	scan guard
	tail []byte // what is still to be read of the malformed line
	cut  bool
}

// malformed follows what was let through: within a header line it is a name with a NUL, after one a line of its own.
const malformed = "\x00:\r\n\r\n"

// Read passes on what the connection delivers, up to where the guard objects.
func (c *guardConn) Read(p []byte) (int, error) {
	if c.cut {
		n := copy(p, c.tail)
		if c.tail = c.tail[n:]; n == 0 && len(p) > 0 {
			return 0, net.ErrClosed
		}
		return n, nil
	}
	n, err := c.limitConn.Read(p)
	if ok := c.scan.feed(p[:n]); ok < n {
		c.cut, c.tail = true, []byte(malformed)
		if ok == 0 {
			return c.Read(p)
		}
		return ok, nil
	}
	return n, err
}

// guardState is where in a request the guard is.
type guardState uint8

const (
	inRequestLine guardState = iota
	atLine                   // the first byte of a header line
	inName
	inValue
	inBody      // left bytes of it
	inChunkSize // the line of it
	inChunkEnd  // the line end behind a chunk
	inTrailer
	opaque // net/http refuses this request by itself and closes the connection
)

// guard is the state machine. It keeps in step with what net/http accepts; where net/http refuses a request it may
// lose step, because nothing of the connection is read as a request after that.
type guard struct {
	state   guardState
	line    []byte // the current line or the part that matters, at most maxGuardLine bytes
	name    string // framing header whose value is being read, "" for others
	http11  bool
	framed  bool // a framing header was seen
	chunked bool
	first   bool // no header line has been seen yet
	left    uint64
}

const maxGuardLine = 64

// feed takes the next bytes and returns how many of them may pass.
func (g *guard) feed(p []byte) int {
	for i := 0; i < len(p); i++ {
		switch g.state {
		case opaque:
			return len(p)
		case inBody:
			n := min(uint64(len(p)-i), g.left)
			g.left -= n
			i += int(n) - 1
			if g.left == 0 {
				g.endBody()
			}
		case inValue:
			// Values are most of a header; those of no interest are skipped at once.
			if g.name == "" {
				n := bytes.IndexByte(p[i:], '\n')
				if n < 0 {
					return len(p)
				}
				i += n
			}
			fallthrough
		default:
			if !g.step(p[i]) {
				return i
			}
		}
	}
	return len(p)
}

// step takes one byte outside of a body; false means that it must not pass.
func (g *guard) step(c byte) bool {
	switch g.state {
	case atLine:
		if c == ' ' || c == '\t' {
			return g.first // net/http refuses a first line like that by itself
		}
		g.state, g.line = inName, g.line[:0]
		return g.step(c)
	case inName:
		return g.stepName(c)
	default:
	}
	if c != '\n' {
		g.keep(c)
		return true
	}
	g.endLine(strings.TrimRight(string(g.line), "\r"))
	g.line = g.line[:0]
	return true
}

// keep remembers a byte of the line. Of a request line the end matters, of all others the beginning.
func (g *guard) keep(c byte) {
	if len(g.line) == maxGuardLine {
		if g.state != inRequestLine {
			return
		}
		g.line = append(g.line[:0], g.line[maxGuardLine/2:]...)
	}
	g.line = append(g.line, c)
}

// stepName takes one byte of a header's name, or of the empty line behind the header.
func (g *guard) stepName(c byte) bool {
	switch c {
	case ':':
		g.first = false
		g.state, g.name = inValue, framing(string(g.line))
		g.line = g.line[:0]
		if g.name == "" {
			return true
		}
		if g.framed || g.name == transferEncoding && !g.http11 {
			return false
		}
		g.framed = true
	case '\n':
		if len(bytes.TrimRight(g.line, "\r")) > 0 {
			g.state = opaque // a line without a colon
			return true
		}
		g.endHeader()
	default:
		g.keep(c)
	}
	return true
}

const (
	contentLength    = "content-length"
	transferEncoding = "transfer-encoding"
)

// framing returns the lower-case name of a header that says how long the body is, and "" for others.
func framing(name string) string {
	switch {
	case strings.EqualFold(name, contentLength):
		return contentLength
	case strings.EqualFold(name, transferEncoding):
		return transferEncoding
	}
	return ""
}

// endLine ends a request line, a value, a chunk's size, a chunk or a trailer line.
func (g *guard) endLine(line string) {
	switch g.state {
	case inRequestLine:
		*g = guard{state: atLine, line: g.line, first: true, http11: strings.HasSuffix(line, "HTTP/1.1")}
	case inValue:
		g.state = atLine
		g.endValue(strings.Trim(line, " \t"))
	case inChunkSize:
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimRight(size, " \t"), 16, 64)
		switch {
		case err != nil:
			g.state = opaque
		case n == 0:
			g.state = inTrailer
		default:
			g.state, g.left = inBody, n
		}
	case inChunkEnd:
		g.state = inChunkSize
	case inTrailer:
		if line == "" {
			g.state = inRequestLine
		}
	}
}

// endValue takes the value of a framing header.
func (g *guard) endValue(value string) {
	switch g.name {
	case contentLength:
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			g.state = opaque
		}
		g.left = n
	case transferEncoding:
		if g.chunked = strings.EqualFold(value, "chunked"); !g.chunked {
			g.state = opaque
		}
	}
	g.name = ""
}

// endHeader goes on to the body, or to the next request where there is none.
func (g *guard) endHeader() {
	g.line = g.line[:0]
	switch {
	case g.chunked:
		g.state = inChunkSize
	case g.left > 0:
		g.state = inBody
	default:
		g.state = inRequestLine
	}
}

// endBody goes on behind a body or a chunk of one.
func (g *guard) endBody() {
	g.state = inRequestLine
	if g.chunked {
		g.state = inChunkEnd
	}
}
