package http

import (
	"bytes"
	nethttp "net/http"
	"strconv"
	"strings"
)

// guardState is where in a request the guard is.
type guardState uint8

const (
	inRequestLine guardState = iota
	atLine                   // the first byte of a header line
	inName
	inValue
	inBody      // left bytes of it
	inChunkSize // the line of it
	inChunkEnd  // the line end after a chunk
	inTrailer
	inVain // the request is refused, nothing of the connection is read any more
)

// guard follows the framing of the HTTP/1 requests of a connection and refuses the ones that a proxy in front could
// understand differently: two headers that say how long the body is, and header lines that are folded. net/http removes
// Content-Length beside Transfer-Encoding and joins folded lines before a handler sees them, so the check has to be made
// on the bytes. It refuses a header with too many lines or bytes too, before net/http makes a map of it.
//
// It keeps in step with what net/http accepts: what it cannot read itself it refuses. Within a body net/http refuses the
// same by itself.
type guard struct {
	state   guardState
	line    []byte // the current line or the part that matters, at most maxGuardLine bytes
	name    string // framing header whose value is being read, "" for others
	http11  bool
	framed  bool // a framing header was seen
	chunked bool
	left    uint64
	head    int     // bytes of the header that is being read, 0 outside of one
	from    int     // where in the bytes of the last feed that header begins, -1 if before them
	lines   int     // of that header
	headers uint    // that have ended
	refused *answer // why the request is refused, in inVain
}

const maxGuardLine = 64

// What the guard refuses. The connection ends with the answer.
var (
	refusedFolded  = last(nethttp.StatusBadRequest, "a header line is folded")
	refusedTwice   = last(nethttp.StatusBadRequest, "of the header lines, more than one says how long the body is")
	refusedLength  = last(nethttp.StatusBadRequest, "Content-Length: this is not a length")
	refusedOld     = last(nethttp.StatusBadRequest, "Transfer-Encoding: HTTP/1.0 has none")
	refusedColon   = last(nethttp.StatusBadRequest, "a header line has no colon")
	refusedCoding  = last(nethttp.StatusNotImplemented, "Transfer-Encoding: only chunked is understood")
	refusedLine    = last(nethttp.StatusBadRequest, "this is not an HTTP/1.1 request")
	refusedVersion = last(nethttp.StatusHTTPVersionNotSupported, "only HTTP/1.1 and HTTP/1.0 are understood here")
	refusedLines   = last(nethttp.StatusRequestHeaderFieldsTooLarge, "more than %d header lines", maxHeaderFields)
	refusedBytes   = last(nethttp.StatusRequestHeaderFieldsTooLarge, "the header is larger than %d bytes", maxHeaderBytes)
	refusedChunk   = last(nethttp.StatusBadRequest, "a chunk has no valid size")
)

// last is an answer that ends the connection.
func last(status int, format string, args ...any) *answer {
	a := refuse(status, format, args...)
	a.close = true
	return a
}

// feed takes the next bytes and returns how many of them may pass.
func (g *guard) feed(p []byte) int {
	g.from = -1
	for i := 0; i < len(p); i++ {
		switch {
		case g.state == inVain:
			return i
		case g.state == inBody:
			n := min(uint64(len(p)-i), g.left)
			g.left -= n
			i += int(n) - 1
			if g.left == 0 {
				g.endBody()
			}
			continue
		case g.state > inBody:
			g.step(p[i])
		default:
			if g.head == 0 {
				g.from = i
			}
			// Values are most of a header; those of no interest are skipped at once.
			if n := g.skip(p[i:]); n > 0 {
				i += n - 1
				continue
			}
			if g.head++; g.head > maxHeaderBytes {
				g.refuse(refusedBytes)
				return i
			}
			g.step(p[i])
		}
		if g.state == inVain {
			return i
		}
	}
	return len(p)
}

// skip passes over the part of p that belongs to a value that does not matter, and returns how long it is.
func (g *guard) skip(p []byte) int {
	if g.state != inValue || g.name != "" {
		return 0
	}
	n := bytes.IndexByte(p, '\n')
	if n < 0 {
		n = len(p)
	}
	n = min(n, maxHeaderBytes-g.head)
	g.head += n
	return n
}

// refuse ends what the guard reads.
func (g *guard) refuse(a *answer) { g.state, g.refused = inVain, a }

// inHeader reports whether a header was begun and has not ended.
func (g *guard) inHeader() bool { return g.head > 0 }

// step takes one byte outside of a body.
func (g *guard) step(c byte) {
	switch g.state {
	case atLine:
		if c == ' ' || c == '\t' {
			g.refuse(refusedFolded)
			return
		}
		g.state, g.line = inName, g.line[:0]
		g.stepName(c)
		return
	case inName:
		g.stepName(c)
		return
	case inRequestLine:
		// net/http takes empty lines between two requests for nothing.
		if g.head == 1 && (c == '\r' || c == '\n') {
			g.head = 0
			return
		}
		if g.head == 1 && (c <= ' ' || c >= 0x7f) {
			g.refuse(refusedLine)
			return
		}
	default:
	}
	if c != '\n' {
		g.keep(c)
		return
	}
	g.endLine(strings.TrimRight(string(g.line), "\r"))
	g.line = g.line[:0]
}

// keep remembers a byte of the line. Of a request line the end matters, of all others the beginning; the value of a
// framing header has to be short enough to be kept as a whole.
func (g *guard) keep(c byte) {
	if len(g.line) == maxGuardLine {
		switch g.state {
		case inRequestLine:
			g.line = append(g.line[:0], g.line[maxGuardLine/2:]...)
		case inValue:
			g.refuse(refusedLength)
			return
		default:
			return
		}
	}
	g.line = append(g.line, c)
}

// stepName takes one byte of a header's name, or of the empty line after the header.
func (g *guard) stepName(c byte) {
	switch c {
	case ':':
		g.state, g.name = inValue, framing(string(g.line))
		g.line = g.line[:0]
		if g.name == "" {
			return
		}
		switch {
		case g.framed:
			g.refuse(refusedTwice)
		case g.name == transferEncoding && !g.http11:
			g.refuse(refusedOld)
		}
		g.framed = true
	case '\n':
		if len(bytes.TrimRight(g.line, "\r")) > 0 {
			g.refuse(refusedColon)
			return
		}
		g.endHeader()
	default:
		g.keep(c)
	}
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
		g.endRequestLine(line)
	case inValue:
		g.state = atLine
		if g.lines++; g.lines > maxHeaderFields {
			g.refuse(refusedLines)
			return
		}
		g.endValue(strings.Trim(line, " \t"))
	case inChunkSize:
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimRight(size, " \t"), 16, 64)
		switch {
		case err != nil:
			g.refuse(refusedChunk)
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
	default:
	}
}

// endRequestLine begins the header of a request.
func (g *guard) endRequestLine(line string) {
	*g = guard{state: atLine, line: g.line, head: g.head, from: g.from, headers: g.headers, http11: strings.HasSuffix(line, " HTTP/1.1")}
	switch {
	case g.http11 || strings.HasSuffix(line, " HTTP/1.0"):
	case strings.Contains(line, " HTTP/"):
		g.refuse(refusedVersion)
	default:
		g.refuse(refusedLine)
	}
}

// endValue takes the value of a framing header.
func (g *guard) endValue(value string) {
	switch g.name {
	case contentLength:
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			g.refuse(refusedLength)
			return
		}
		g.left = n
	case transferEncoding:
		if g.chunked = strings.EqualFold(value, "chunked"); !g.chunked {
			g.refuse(refusedCoding)
		}
	}
	g.name = ""
}

// endHeader goes on to the body, or to the next request where there is none.
func (g *guard) endHeader() {
	g.line, g.head = g.line[:0], 0
	g.headers++
	switch {
	case g.chunked:
		g.state = inChunkSize
	case g.left > 0:
		g.state = inBody
	default:
		g.state = inRequestLine
	}
}

// endBody goes on after a body or a chunk of one.
func (g *guard) endBody() {
	g.state = inRequestLine
	if g.chunked {
		g.state = inChunkEnd
	}
}
