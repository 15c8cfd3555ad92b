package http

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"slices"

	"github.com/eventrouter/router/envelope"
)

// Capture is a raw request that somebody keeps in a file, read as a source would read it from a connection: its body has
// neither transfer nor content codings any more.
type Capture struct {
	Header nethttp.Header
	Body   []byte
}

// maxCapture bounds what the compressed body of a capture may become, in bytes.
const maxCapture = 64 << 20

// ReadCapture reads the text of one request. What a capture may have other than a connection: lines may end in a bare line
// feed, the empty line behind the header may be missing, a request that does not say how long its body is has all of the
// rest as its body, and blank lines may follow a body whose end is known.
func ReadCapture(text []byte) (*Capture, error) {
	text = bytes.TrimLeft(text, " \t\r\n")
	req, rest, err := readHead(text)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		text = slices.Concat(bytes.TrimRight(text, "\r\n"), []byte("\r\n\r\n"))
		req, rest, err = readHead(text)
	}
	if err != nil {
		return nil, fmt.Errorf("not an HTTP request: %w", err)
	}
	zipped, refused := compression(req.Header)
	if refused != nil {
		return nil, refused
	}
	c := &Capture{Header: req.Header}
	if c.Body, err = captured(req, rest); err != nil {
		return nil, err
	}
	if zipped {
		if c.Body, refused = inflate(c.Body, maxCapture, io.ReadAll); refused != nil {
			return nil, refused
		}
	}
	return c, nil
}

// readHead reads a request up to its body, which rest reads on with.
func readHead(text []byte) (req *nethttp.Request, rest *bufio.Reader, err error) {
	in := bytes.NewReader(text)
	rest = bufio.NewReader(in)
	if req, err = nethttp.ReadRequest(rest); err != nil {
		return nil, nil, err
	}
	head := text[:len(text)-in.Len()-rest.Buffered()]
	var g guard
	if g.feed(head) < len(head) {
		return nil, nil, g.refused
	}
	return req, rest, nil
}

// captured reads the body of a request and holds that it is as long as the header says.
func captured(req *nethttp.Request, rest *bufio.Reader) ([]byte, error) {
	if _, stated := req.Header["Content-Length"]; !stated && len(req.TransferEncoding) == 0 {
		return io.ReadAll(rest)
	}
	body, err := io.ReadAll(req.Body)
	switch {
	case err != nil && len(req.TransferEncoding) > 0:
		return nil, fmt.Errorf("Transfer-Encoding: the body is not a whole chunked one: %w; remove the header if the body "+
			"was joined already", err)
	case err != nil:
		return nil, fmt.Errorf("Content-Length: it says %d bytes, and the body has %d", req.ContentLength, len(body))
	}
	more, err := io.ReadAll(rest)
	if err != nil {
		return nil, err
	}
	if more = bytes.TrimSpace(more); len(more) > 0 {
		return nil, fmt.Errorf("the body ends after %d bytes, as the header says, and %d more follow it; one file holds one request",
			len(body), len(more))
	}
	return body, nil
}

// Events decodes the events as a source does that neither adapts nor wraps, and calls add for each. batch reports whether
// they came in batched mode.
func (c *Capture) Events(o envelope.Options, add func() *envelope.Event) (batch bool, err error) {
	d := decoder{options: o, coding: envelope.HeaderStrict}
	m := message{c.Header, c.Body}
	if _, batch, _, err = mode(m.Header); err == nil && batch {
		return true, d.decodeBatch(m, add)
	}
	return false, d.decode(add(), m)
}
