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

// firstRead bounds what is allocated on a sender's word before a byte of the body has come.
const firstRead = 1 << 20

// timedBody sets a deadline before each read, so that a sender that stalls is let go.
type timedBody struct {
	rc   *nethttp.ResponseController
	body io.Reader
	read time.Duration
	end  time.Time
}

func (t *timedBody) Read(p []byte) (int, error) {
	deadline := time.Now().Add(t.read)
	if t.end.Before(deadline) {
		deadline = t.end
	}
	if err := t.rc.SetReadDeadline(deadline); err != nil && !errors.Is(err, nethttp.ErrNotSupported) {
		return 0, err
	}
	return t.body.Read(p)
}

// readBody reads the whole body into a slice of its own, which the events of the request will alias.
func (s *Source) readBody(w nethttp.ResponseWriter, r *nethttp.Request) ([]byte, *answer) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	rc := nethttp.NewResponseController(w)
	body := &timedBody{
		rc: rc, body: nethttp.MaxBytesReader(w, r.Body, int64(s.maxBody)),
		read: s.limits.bodyRead, end: time.Now().Add(s.limits.bodyTotal),
	}
	size := min(r.ContentLength, firstRead)
	if size < 0 {
		size = 512
	}
	buf := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead)) // MinRead spares ReadFrom its last growth
	if _, err := buf.ReadFrom(body); err != nil {
		return nil, bodyAnswer(err)
	}
	// With the deadline left standing net/http would take it for a lost connection while the events are delivered.
	if err := rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, nethttp.ErrNotSupported) {
		return nil, bodyAnswer(err)
	}
	return buf.Bytes(), nil
}

// bodyAnswer says what a body that could not be read gets. What follows on the connection is unknown then.
func bodyAnswer(err error) *answer {
	var large *nethttp.MaxBytesError
	var a *answer
	switch {
	case errors.As(err, &large):
		a = tooLarge(large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		a = refuse(nethttp.StatusRequestTimeout, "the body did not arrive in time")
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

// inflate decompresses a body, to at most limit bytes.
func inflate(body []byte, limit int) ([]byte, *answer) {
	broken := refuse(nethttp.StatusBadRequest, "Content-Encoding: the body is not a whole gzip stream")
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, broken
	}
	out, err := io.ReadAll(io.LimitReader(z, int64(limit)+1))
	switch {
	case len(out) > limit:
		return nil, tooLarge(int64(limit))
	case err != nil:
		return nil, broken
	}
	return out, nil
}
