package http

import (
	"bytes"
	"context"
	nethttp "net/http"
	"net/url"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// defaultMaxHeader is the least that common servers and proxies take. Some take 8 KiB for all lines together, others for
// each line, and none of them says so beforehand.
const defaultMaxHeader = 8 << 10

// leastEvent is what the smallest binary event has of header.
const leastEvent = len("Ce-Specversion: 1.0\r\nCe-Id: 1\r\nCe-Source: /\r\nCe-Type: t\r\n")

// reserve finds out what of max_header is left to an event. It writes a request without one as net/http writes it: the
// delivery's ids and the signatures always have the same length.
func (s *Sink) reserve(limit *bindings.Size) error {
	most := defaultMaxHeader
	if limit != nil {
		most = int(*limit)
	}
	u := s.target.fixed
	if u == nil {
		u = &url.URL{Host: s.target.host, Path: "/"}
	}
	m := message{Header: nethttp.Header{}}
	req, err := s.request(context.Background(), u, &m, s.deliveryID(&envelope.Event{}))
	if err != nil {
		return bindings.Invalid("url", "%w", err)
	}
	var head bytes.Buffer
	if err := req.Write(&head); err != nil {
		return bindings.Invalid("url", "%w", err)
	}
	s.bare, s.room = head.Len()-headerSize(m.Header), most-head.Len()
	if binary := s.settings.Mode == bindings.ModeDefault || s.settings.Mode == bindings.ModeBinary; binary && s.room < leastEvent {
		return bindings.Invalid("max_header", "%d bytes leave no room for an event: every request has %d, "+
			"and the smallest event %d; raise it, send fewer headers, or write mode: structured", most, head.Len(), leastEvent)
	}
	return nil
}

// fits reports whether a request to u with m, which has the event's header only, keeps max_header.
func (s *Sink) fits(u *url.URL, m *message) bool {
	left := s.room - headerSize(m.Header) - bodyDigits(m)
	if s.target.fixed == nil && left < 3*len(u.Path)+len(u.RawQuery) { // at most that, and to know better takes memory
		left -= s.rendered(u)
	}
	return left >= 0
}

// headerBytes is what the header of a whole request has on the wire in HTTP/1.1, its first line and its end included.
func (s *Sink) headerBytes(u *url.URL, m *message) int {
	return s.bare + headerSize(m.Header) + bodyDigits(m) + s.rendered(u)
}

// rendered is by how much the target in the first line is longer than what reserve has written there.
func (s *Sink) rendered(u *url.URL) int {
	if s.target.fixed != nil {
		return 0
	}
	return len(u.RequestURI()) - len("/")
}

// bodyDigits is by how much Content-Length is longer than that of no body.
func bodyDigits(m *message) int {
	more := 0
	for n := len(m.Body); n >= 10; n /= 10 {
		more++
	}
	return more
}

// headerSize is what a header has on the wire.
func headerSize(h nethttp.Header) int {
	n := 0
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}
