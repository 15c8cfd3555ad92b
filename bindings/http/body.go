package http

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	nethttp "net/http"
	"os"
	"strings"
	"time"
)

const (
	// firstRead is what a body gets room for before a byte of it has come. More is taken as it arrives, each time growth times
	// as much: what a sender promises costs it nothing. Where no length is promised, what is too much stays taken.
	firstRead     = 4 << 10
	growth        = 4
	growthUnknown = 2
	// minRate is how many bytes of a body have to come each second, once the grace is over.
	minRate = 1 << 10
)

// timedBody sets a deadline before each read, so that a sender that stalls or is too slow is let go.
type timedBody struct {
	rc     *nethttp.ResponseController
	body   io.Reader
	limits *limits
	began  time.Time
	n      int
}

func (t *timedBody) Read(p []byte) (int, error) {
	deadline := time.Now().Add(t.limits.bodyRead)
	sooner := func(d time.Duration) {
		if at := t.began.Add(d); at.Before(deadline) {
			deadline = at
		}
	}
	sooner(t.limits.bodyTotal)
	if t.limits.bodyGrace > 0 {
		sooner(t.limits.bodyGrace + time.Duration(t.n)*time.Second/minRate)
	}
	if err := t.rc.SetReadDeadline(deadline); err != nil && !errors.Is(err, nethttp.ErrNotSupported) {
		return 0, err
	}
	n, err := t.body.Read(p)
	t.n += n
	return n, err
}

// readBody reads the whole body into a slice of its own, which the events of the request will alias.
func (s *Source) readBody(w nethttp.ResponseWriter, r *nethttp.Request, x *exchange) ([]byte, *answer) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	rc := nethttp.NewResponseController(w)
	body := &timedBody{rc: rc, body: nethttp.MaxBytesReader(w, r.Body, int64(s.maxBody)), limits: &s.limits, began: time.Now()}
	most, grow := s.maxBody, growthUnknown
	if r.ContentLength > 0 {
		most, grow = int(r.ContentLength), growth
	}
	buf, err := x.collect(body, most, grow)
	if err != nil {
		return nil, bodyAnswer(err)
	}
	// With the deadline left standing net/http would take it for a lost connection while the events are delivered.
	if err := rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, nethttp.ErrNotSupported) {
		return nil, bodyAnswer(err)
	}
	return buf, nil
}

// collect reads to the end, and takes room as it does. most is how much can come.
func (x *exchange) collect(from io.Reader, most, grow int) ([]byte, error) {
	var buf []byte
	for {
		if len(buf) == cap(buf) {
			next := min(max(firstRead, grow*cap(buf)), most+1)
			if next <= len(buf) {
				next = len(buf) + bytes.MinRead
			}
			if a := x.widen(next - cap(buf)); a != nil {
				return nil, a
			}
			buf = append(make([]byte, 0, next), buf...)
		}
		n, err := from.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			if cap(buf) > 2*len(buf)+bytes.MinRead { // a few bytes in all of the first room
				buf = append(make([]byte, 0, len(buf)), buf...)
			}
			return buf, nil
		case err != nil:
			return nil, err
		}
	}
}

// bodyAnswer says what a body that could not be read gets. What follows on the connection is unknown then.
func bodyAnswer(err error) *answer {
	var large *nethttp.MaxBytesError
	var a *answer
	switch {
	case errors.As(err, &a):
		a = &answer{status: a.status, retry: a.retry, detail: a.detail}
	case errors.As(err, &large):
		a = tooLarge(large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		a = refuse(nethttp.StatusRequestTimeout, "the body did not arrive in time, or at less than %d bytes a second", minRate)
	default:
		a = refuse(nethttp.StatusBadRequest, "the body could not be read: its framing is broken or it ended early")
	}
	a.close = true
	return a
}

func tooLarge(limit int64) *answer {
	return refuse(nethttp.StatusRequestEntityTooLarge, "the body is larger than %d bytes", limit)
}

// compression says whether the body is compressed. Only gzip, once, is understood: nothing compressed may ever pass as
// an event's data.
func compression(h nethttp.Header) (zipped bool, refused *answer) {
	values := h["Content-Encoding"]
	switch {
	case len(values) == 0 || len(values) == 1 && strings.EqualFold(values[0], "identity"):
		return false, nil
	case len(values) == 1 && strings.EqualFold(values[0], "gzip"):
		return true, nil
	}
	return false, refuse(nethttp.StatusUnsupportedMediaType, "Content-Encoding: only gzip is understood")
}

var brokenZip = refuse(nethttp.StatusBadRequest, "Content-Encoding: the body is not a whole gzip stream")

// inflate decompresses a body, to at most limit bytes, and takes room for it.
func (x *exchange) inflate(body []byte, limit int) ([]byte, *answer) {
	var full *answer
	out, a := inflate(body, limit, func(z io.Reader) ([]byte, error) {
		out, err := x.collect(z, limit, growthUnknown)
		errors.As(err, &full)
		return out, err
	})
	if full != nil {
		return nil, full
	}
	return out, a
}

// inflate decompresses a body, to at most limit bytes, which read reads.
func inflate(body []byte, limit int, read func(io.Reader) ([]byte, error)) ([]byte, *answer) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, brokenZip
	}
	out, err := read(io.LimitReader(z, int64(limit)+1))
	switch {
	case len(out) > limit:
		return nil, tooLarge(int64(limit))
	case err != nil:
		return nil, brokenZip
	}
	return out, nil
}
