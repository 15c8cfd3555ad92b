package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// address renders the URL for an event.
func (s *Sink) address(e *envelope.Event) (*url.URL, error) {
	if s.target.fixed != nil {
		return s.target.fixed, nil
	}
	text, err := s.target.path.Append([]byte(s.target.origin), e)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(string(text))
	if err != nil || u.Host != s.target.host || dotted(u.EscapedPath()) {
		return nil, bindings.Permanent(bindings.ReasonAddress, "", errors.New("http: the rendered url is not one of the target"))
	}
	return u, nil
}

// dotted reports whether a path has a segment "." or "..", which servers resolve to somewhere else.
func dotted(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		text, err := url.PathUnescape(segment)
		if err != nil || text == "." || text == ".." {
			return true
		}
	}
	return false
}

// post makes one attempt.
func (s *Sink) post(ctx context.Context, u *url.URL, m *message, id string) error {
	if err := s.admitted(ctx); err != nil {
		return s.wrap(err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := s.request(ctx, u, m, id)
	if err != nil {
		return bindings.Permanent(bindings.ReasonUnencodable, "", s.wrap(err))
	}
	// A transport is used without the client around it: what would follow redirects is not there at all.
	resp, err := s.transport().RoundTrip(req)
	if err != nil {
		return s.wrap(err)
	}
	text := finish(resp, cancel)
	err = classify(resp.StatusCode, resp.Header, text, time.Now())
	if p, ok := errors.AsType[*bindings.PermanentError](err); ok && p.Reason == bindings.ReasonTooLarge {
		p.Err = fmt.Errorf("%w; the request had %d bytes of header and %d of body", p.Err, s.headerBytes(u, m), len(m.Body))
	}
	var later *bindings.RetryAfterError
	if errors.As(err, &later) && pausesAll(resp.StatusCode) {
		s.pausedTo.Store(int64(time.Since(s.began) + later.After))
	}
	return s.wrap(err)
}

// request builds the request. Its body can be read again from the start, by GetBody, and is never used for anything
// else: net/http may still read it after the attempt is over.
func (s *Sink) request(ctx context.Context, u *url.URL, m *message, id string) (*nethttp.Request, error) {
	var body io.Reader = nethttp.NoBody
	if len(m.Body) > 0 {
		body = bytes.NewReader(m.Body)
	}
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodPost, s.target.origin, body)
	if err != nil {
		return nil, err
	}
	// The whole URL was parsed before; a second time could only change it.
	req.URL, req.Host, req.Header = u, u.Host, m.Header
	s.identify(req.Header)
	idValue := []string{id}
	req.Header["Idempotency-Key"], req.Header[webhookID] = idValue, idValue
	if s.keys != nil {
		timestamp := strconv.FormatInt(time.Now().Unix(), 10)
		req.Header[webhookTimestamp] = []string{timestamp}
		req.Header[webhookSignature] = []string{sign(s.keys, id, timestamp, m.Body)}
	}
	return req, nil
}

// admitted waits for the granted rate, and refuses while the target asked for a pause.
func (s *Sink) admitted(ctx context.Context) error {
	if left := time.Duration(s.pausedTo.Load()) - time.Since(s.began); left > 0 && s.pausedTo.Load() > 0 {
		return bindings.NotSent(bindings.PauseTarget(errors.New("the target asked for a pause"), left))
	}
	if limiter := s.granted.Load(); limiter != nil {
		return limiter.Wait(ctx)
	}
	return nil
}

// finish reads and closes a response's body within bounds, cancelling the attempt if that takes too long, and returns
// the beginning of a refusal's text.
func finish(resp *nethttp.Response, cancel context.CancelFunc) string {
	slow := time.AfterFunc(drainTime, cancel)
	defer slow.Stop()
	var quote []byte
	if resp.StatusCode >= 300 {
		quote, _ = io.ReadAll(io.LimitReader(resp.Body, maxQuote))
	}
	// What goes wrong from here on concerns the connection, not the event: the status has been read.
	_, _ = io.CopyN(io.Discard, resp.Body, maxResponse)
	_ = resp.Body.Close()
	return printable(quote)
}

// printable returns text as one line without control characters.
func printable(text []byte) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(text), ""))
	return strings.Join(strings.Fields(s), " ")
}

// wrap names the target in err and keeps its class. The path and the query are left out: they may hold a token, as the
// addresses of chat hooks do.
func (s *Sink) wrap(err error) error {
	if err == nil {
		return nil
	}
	name := func(err error) error { return fmt.Errorf("http: %s: %w", s.target.origin, err) }
	switch e := err.(type) { //nolint:errorlint // only the outermost class is taken apart, and put back around the name
	case *bindings.PermanentError:
		return bindings.Permanent(e.Reason, e.Code, name(e.Err))
	case *bindings.RetryAfterError:
		return &bindings.RetryAfterError{After: e.After, Target: e.Target, Err: name(e.Err)}
	}
	return name(err)
}
