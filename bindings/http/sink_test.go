package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/envelope"
)

// receipt is a request as a target saw it.
type receipt struct {
	method, path string
	header       nethttp.Header
	body         string
}

// receiver is a target that keeps what it gets and answers as told.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []receipt
	answer func(n int, w nethttp.ResponseWriter, r receipt) // n counts from 0
}

func receive(t testing.TB, answer func(n int, w nethttp.ResponseWriter, r receipt)) *receiver {
	t.Helper()
	v := &receiver{answer: answer}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

func (v *receiver) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	body, _ := io.ReadAll(r.Body)
	got := receipt{r.Method, r.URL.RequestURI(), r.Header.Clone(), string(body)}
	v.mu.Lock()
	n := len(v.got)
	v.got = append(v.got, got)
	v.mu.Unlock()
	if v.answer == nil {
		w.WriteHeader(nethttp.StatusNoContent)
		return
	}
	v.answer(n, w, got)
}

func (v *receiver) receipts() []receipt {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.got
}

func status(code int, header ...string) func(int, nethttp.ResponseWriter, receipt) {
	return func(_ int, w nethttp.ResponseWriter, _ receipt) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func startSink(t testing.TB, cfg SinkConfig, change func(*bindings.SinkSettings)) *Sink {
	t.Helper()
	settings := bindings.SinkSettings{Name: "out", Log: zap.NewNop(), Timeout: 2 * time.Second, Concurrency: 4}
	if change != nil {
		change(&settings)
	}
	s, err := NewSink(cfg, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func list(events ...*envelope.Event) []*envelope.Event { return events }

// class names the class of an error: "ok", "transient", "later DURATION" or "permanent REASON CODE".
func class(err error) string {
	var permanent *bindings.PermanentError
	var later *bindings.RetryAfterError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &permanent):
		return strings.TrimSpace(fmt.Sprintf("permanent %s %s", permanent.Reason, permanent.Code))
	case errors.As(err, &later):
		return "later " + later.After.Round(time.Second).String()
	}
	return "transient"
}

func TestClassifyStatus(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	date := now.Add(90 * time.Second).Format(nethttp.TimeFormat)
	for _, tt := range []struct {
		status int
		retry  string
		want   string
	}{
		{200, "", "ok"},
		{201, "", "ok"},
		{202, "", "ok"},
		{204, "", "ok"},
		{299, "", "ok"},
		{300, "", "permanent rejected 300"},
		{301, "", "permanent rejected 301"},
		{304, "", "permanent rejected 304"},
		{307, "9", "permanent rejected 307"},
		{308, "", "permanent rejected 308"},
		{400, "", "permanent rejected 400"},
		{401, "", "later 30s"},
		{403, "", "later 30s"},
		{401, "60", "later 1m0s"},
		{404, "", "transient"},
		{405, "", "permanent rejected 405"},
		{408, "", "transient"},
		{409, "", "transient"},
		{410, "", "permanent rejected 410"},
		{413, "", "permanent too_large 413"},
		{431, "", "permanent too_large 431"},
		{415, "", "permanent rejected 415"},
		{422, "", "permanent rejected 422"},
		{425, "", "transient"},
		{429, "", "transient"},
		{429, "120", "later 2m0s"},
		{429, date, "later 1m30s"},
		{429, "86400", "later 1h0m0s"},
		{429, "junk", "transient"},
		{429, "-1", "transient"},
		{429, "99999999999999999999", "transient"},
		{429, "Fri, 02 Jan 1970 00:00:00 GMT", "later 0s"},
		{500, "", "transient"},
		{503, "7", "later 7s"},
		{599, "", "transient"},
	} {
		h := nethttp.Header{}
		if tt.retry != "" {
			h.Set("Retry-After", tt.retry)
		}
		if got := class(classify(tt.status, h, "", now)); got != tt.want {
			t.Errorf("%d with Retry-After %q is %s, want %s", tt.status, tt.retry, got, tt.want)
		}
	}
	var code *bindings.CodeError
	if err := classify(503, nethttp.Header{"Retry-After": {"1"}}, "", now); !errors.As(err, &code) || code.Code != "503" {
		t.Errorf("the code is lost in %v", err)
	}
}

func TestSendModes(t *testing.T) {
	v := receive(t, nil)
	e := parse(t, `{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"a b","data":{"x":1}}`)
	e.Meta = envelope.Meta{Transport: "http", Headers: []envelope.Header{{Name: "traceparent", Value: []byte("00-1")}, {Name: "cookie", Value: []byte("c")}}}
	second := parse(t, strings.Replace(minimalJSON, `"1",`, `"2",`, 1))
	for _, mode := range []bindings.Mode{bindings.ModeDefault, bindings.ModeStructured, bindings.ModeBatch} {
		s := startSink(t, SinkConfig{URL: v.URL + "/in", Headers: map[string]security.Secret{"x-key": security.NewSecret("k")}},
			func(s *bindings.SinkSettings) { s.Mode = mode })
		if err := s.Send(t.Context(), list(e, second)); err != nil {
			t.Fatal(err)
		}
	}
	got := v.receipts()
	if len(got) != 5 {
		t.Fatalf("%d requests, want 2 binary, 2 structured and 1 batch", len(got))
	}
	for i, r := range got {
		if r.method != "POST" || r.path != "/in" || r.header.Get("X-Key") != "k" || r.header.Get("User-Agent") != userAgent {
			t.Errorf("request %d: %+v", i, r)
		}
		if id := r.header.Get("Idempotency-Key"); len(id) != 32 || id != r.header.Get("webhook-id") {
			t.Errorf("request %d: delivery id %q", i, id)
		}
		if r.header.Get("Cookie") != "" {
			t.Error("a header of the source was passed on")
		}
	}
	if r := got[0]; r.body != `{"x":1}` || r.header.Get("ce-subject") != "a%20b" || r.header.Get("Content-Type") != "application/json" || r.header.Get("traceparent") != "00-1" {
		t.Errorf("binary: %+v", r)
	}
	if r := got[1]; r.body != "" || len(r.header["Content-Type"]) != 0 {
		t.Errorf("binary without data: %+v", r)
	}
	if r := got[2]; r.body != string(e.Raw) || r.header.Get("Content-Type") != jsonType || r.header.Get("ce-id") != "" {
		t.Errorf("structured: %+v", r)
	}
	if r := got[4]; r.body != "["+string(e.Raw)+","+string(second.Raw)+"]" || r.header.Get("Content-Type") != batchType {
		t.Errorf("batch: %+v", r)
	}
	if got[0].header.Get("webhook-id") != got[2].header.Get("webhook-id") || got[0].header.Get("webhook-id") == got[1].header.Get("webhook-id") {
		t.Error("the delivery id is not that of the event")
	}
}

func TestSendTellsEventsApart(t *testing.T) {
	v := receive(t, func(_ int, w nethttp.ResponseWriter, r receipt) {
		w.WriteHeader(map[string]int{"1": 204, "2": 400, "3": 500}[r.header.Get("ce-id")])
	})
	s := startSink(t, SinkConfig{URL: v.URL}, nil)
	var events []*envelope.Event
	for _, id := range []string{"1", "2", "3"} {
		e := parse(t, minimalJSON)
		e.ID = id
		events = append(events, e)
	}
	var errs bindings.BatchError
	if err := s.Send(t.Context(), events); !errors.As(err, &errs) || len(errs) != 3 {
		t.Fatalf("got %v", err)
	}
	for i, want := range []string{"ok", "permanent rejected 400", "transient"} {
		if got := class(errs[i]); got != want {
			t.Errorf("event %d: %s, want %s", i, got, want)
		}
	}
}

// T-33, 94 and G4: a redirect is a refusal; its target is never asked.
func TestT33RedirectIsNeverFollowed(t *testing.T) {
	for _, code := range []int{300, 301, 302, 303, 304, 305, 307, 308} {
		v := receive(t, status(code, "Location", "/elsewhere"))
		s := startSink(t, SinkConfig{URL: v.URL + "/in"}, nil)
		if got, want := class(s.Send(t.Context(), list(parse(t, minimalJSON)))), fmt.Sprintf("permanent rejected %d", code); got != want {
			t.Errorf("%d: %s, want %s", code, got, want)
		}
		if n := len(v.receipts()); n != 1 {
			t.Errorf("%d: %d requests", code, n)
		}
	}
}

// T-31: every attempt carries the whole body and the same id.
func TestT31BodyIsIdenticalOnEachAttempt(t *testing.T) {
	v := receive(t, func(n int, w nethttp.ResponseWriter, _ receipt) {
		w.WriteHeader(map[bool]int{true: 500, false: 204}[n < 4])
	})
	body := strings.Repeat("0123456789", 10_000)
	for _, mode := range []bindings.Mode{bindings.ModeBinary, bindings.ModeStructured, bindings.ModeBatch} {
		s := startSink(t, SinkConfig{URL: v.URL}, func(s *bindings.SinkSettings) { s.Mode = mode })
		e := parse(t, `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"`+body+`"}`)
		from := len(v.receipts())
		for range 3 {
			_ = s.Send(t.Context(), list(e))
		}
		got := v.receipts()[from:]
		for _, r := range got {
			if r.body != got[0].body || len(r.body) < len(body) || r.header.Get("webhook-id") != got[0].header.Get("webhook-id") {
				t.Errorf("mode %d: an attempt carried %d bytes, the first %d", mode, len(r.body), len(got[0].body))
			}
		}
	}
}

// T-30: a target that closes idle connections costs no event: net/http repeats on a new connection because the
// request is marked as repeatable and its body can be read again, or the attempt is reported as transient.
func TestT30IdleConnectionsAreClosed(t *testing.T) {
	v := receive(t, nil)
	s := startSink(t, SinkConfig{URL: v.URL}, nil)
	lost := 0
	for i := range 60 {
		e := parse(t, minimalJSON)
		e.ID = fmt.Sprint(i)
		for attempt := 0; s.Send(t.Context(), list(e)) != nil; attempt++ {
			if lost++; attempt > 3 {
				t.Fatal("the target is never reached again")
			}
		}
		if i%3 == 0 {
			v.CloseClientConnections()
		}
	}
	seen := map[string]bool{}
	for _, r := range v.receipts() {
		seen[r.header.Get("ce-id")] = true
	}
	if len(seen) != 60 {
		t.Errorf("%d of 60 events arrived (%d attempts were repeated)", len(seen), lost)
	}
}

func TestGetBodyIsSet(t *testing.T) {
	s := startSink(t, SinkConfig{URL: "http://x"}, nil)
	req, err := s.request(t.Context(), s.target.fixed, &message{Header: nethttp.Header{}, Body: []byte("abc")}, "id")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := req.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(r); string(b) != "abc" {
			t.Errorf("got %q", b)
		}
	}
}

// Invariant 8: what is not answered is not known.
func TestUnknownOutcomesAreTransient(t *testing.T) {
	release := make(chan struct{})
	slow := receive(t, func(_ int, w nethttp.ResponseWriter, _ receipt) { <-release })
	t.Cleanup(func() { close(release) })
	refused := receive(t, nil)
	refused.Close()
	reset, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer reset.Close()
	go func() {
		for {
			c, err := reset.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1000))
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}()
	for name, url := range map[string]string{"time-out": slow.URL, "refused": refused.URL, "T-09 reset": "http://" + reset.Addr().String()} {
		s := startSink(t, SinkConfig{URL: url + "/p?token=hidden"}, func(s *bindings.SinkSettings) { s.Timeout = 100 * time.Millisecond })
		err := s.Send(t.Context(), list(parse(t, minimalJSON)))
		if class(err) != "transient" || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := startSink(t, SinkConfig{URL: slow.URL}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	began := time.Now()
	err = s.Send(ctx, list(parse(t, minimalJSON), parse(t, minimalJSON)))
	if err == nil || class(err) != "transient" || time.Since(began) > time.Second {
		t.Errorf("after cancelling: %v in %v", err, time.Since(began))
	}
}

// 95 and 96: what a target sends back is read within bounds.
func TestHostileResponses(t *testing.T) {
	endless := func(first string, rest string) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		t.Cleanup(func() { ln.Close(); wg.Wait() })
		wg.Go(func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				wg.Go(func() {
					defer c.Close()
					_, _ = c.Read(make([]byte, 4096))
					if _, err := io.WriteString(c, first); err != nil {
						return
					}
					for rest != "" {
						if _, err := io.WriteString(c, rest); err != nil {
							return
						}
					}
					_, _ = c.Read(make([]byte, 1)) // until the sink closes
				})
			}
		})
		return "http://" + ln.Addr().String()
	}
	for _, tt := range []struct{ name, url, want string }{
		{"endless body", endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1000\r\n"+strings.Repeat("x", 0x1000)+"\r\n"), "ok"},
		{"10 GiB announced", endless("HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n", strings.Repeat("x", 4096)), "ok"},
		{"stalled body", endless("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", ""), "ok"},
		{"endless headers", endless("HTTP/1.1 200 OK\r\n", "X-A: "+strings.Repeat("x", 1000)+"\r\n"), "transient"},
		{"flood of 1xx", endless("", "HTTP/1.1 103 Early Hints\r\n\r\n"), "transient"},
		{"204 with a body", endless("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", ""), "ok"},
		{"endless refusal", endless("HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n", "1000\r\n"+strings.Repeat("x\x00\n\x1b", 0x400)+"\r\n"), "permanent rejected 400"},
		{"not HTTP", endless("hello\r\n\r\n", ""), "transient"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := startSink(t, SinkConfig{URL: tt.url}, func(s *bindings.SinkSettings) { s.Timeout = 500 * time.Millisecond })
			began := time.Now()
			err := s.Send(t.Context(), list(parse(t, minimalJSON)))
			if got := class(err); got != tt.want || time.Since(began) > 3*time.Second {
				t.Errorf("%s in %v: %v", got, time.Since(began), err)
			}
			if err != nil && (len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\x00\n\x1b")) {
				t.Errorf("the error repeats too much: %q", err)
			}
		})
	}
}

// G5: Retry-After holds for the whole target.
func TestG5PausesTheTarget(t *testing.T) {
	v := receive(t, status(429, "Retry-After", "120"))
	s := startSink(t, SinkConfig{URL: v.URL}, nil)
	for range 3 {
		if got := class(s.Send(t.Context(), list(parse(t, minimalJSON)))); got != "later 2m0s" {
			t.Errorf("got %s", got)
		}
	}
	if n := len(v.receipts()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestTemplatedPath(t *testing.T) {
	v := receive(t, nil)
	s := startSink(t, SinkConfig{URL: v.URL + "/in/{subject}?t={type}"}, nil)
	for _, tt := range []struct{ subject, want string }{ // 90
		{"plain", "/in/plain?t=t"},
		{"../../admin", "/in/..%2F..%2Fadmin?t=t"},
		{"?x=1", "/in/%3Fx%3D1?t=t"},
		{"#", "/in/%23?t=t"},
		{"@evil", "/in/%40evil?t=t"},
		{"//evil", "/in/%2F%2Fevil?t=t"},
		{"..", "permanent bad_address"},
		{"", "permanent bad_address"},
	} {
		e := parse(t, minimalJSON)
		e.Subject = tt.subject
		from := len(v.receipts())
		err := s.Send(t.Context(), list(e))
		if err != nil {
			if got := class(err); got != tt.want {
				t.Errorf("%q: %s (%v), want %s", tt.subject, got, err, tt.want)
			}
			continue
		}
		if got := v.receipts()[from].path; got != tt.want {
			t.Errorf("%q was sent to %s, want %s", tt.subject, got, tt.want)
		}
	}
}

// In batched mode events that go to different places, or nowhere, do not fail each other.
func TestBatchModeWithDifferentAddresses(t *testing.T) {
	v := receive(t, nil)
	s := startSink(t, SinkConfig{URL: v.URL + "/{subject}"}, func(s *bindings.SinkSettings) { s.Mode = bindings.ModeBatch })
	var events []*envelope.Event
	for _, subject := range []string{"a", "", "b"} {
		e := parse(t, minimalJSON)
		e.Set("subject", subject, 0)
		events = append(events, e)
	}
	var errs bindings.BatchError
	if err := s.Send(t.Context(), events); !errors.As(err, &errs) {
		t.Fatalf("got %v", err)
	}
	if errs[0] != nil || class(errs[1]) != "permanent bad_address" || errs[2] != nil {
		t.Errorf("got %v", []error(errs))
	}
	if got := v.receipts(); len(got) != 2 || got[0].path != "/a" || got[1].path != "/b" || got[0].body[0] != '[' {
		t.Errorf("got %+v", got)
	}
}

func TestTransportIsReplaced(t *testing.T) {
	v := receive(t, nil)
	s := startSink(t, SinkConfig{URL: v.URL}, nil)
	first := s.transport()
	if s.transport() != first {
		t.Error("a young transport was replaced")
	}
	s.born = time.Now().Add(-2 * transportMaxAge)
	if s.transport() == first {
		t.Error("an old transport was kept")
	}
	if err := s.Send(t.Context(), list(parse(t, minimalJSON))); err != nil {
		t.Error(err)
	}
}

func TestConcurrentSends(t *testing.T) {
	var most, now atomic.Int32
	v := receive(t, func(_ int, w nethttp.ResponseWriter, _ receipt) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Millisecond)
		w.WriteHeader(200)
	})
	s := startSink(t, SinkConfig{URL: v.URL}, func(s *bindings.SinkSettings) { s.Concurrency = 3 })
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			for range 10 {
				if err := s.Send(t.Context(), list(parse(t, minimalJSON))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(v.receipts()) != 120 || most.Load() > 3 {
		t.Errorf("%d requests, %d at once", len(v.receipts()), most.Load())
	}
}

func TestPreview(t *testing.T) {
	for _, tt := range []struct {
		mode bindings.Mode
		want string
	}{{0, "binary"}, {bindings.ModeStructured, "structured"}, {bindings.ModeBatch, "batch"}} {
		s := startSink(t, SinkConfig{URL: "https://x/{type}"}, func(s *bindings.SinkSettings) { s.Mode = tt.mode })
		p, err := s.Preview(parse(t, minimalJSON))
		if err != nil || p.Mode != tt.want || p.Address != "url https://x/t" || p.Bytes < 40 {
			t.Errorf("%+v, %v", p, err)
		}
	}
}

// A target that refuses a batch for one of its events gets the others alone; only the bad one fails.
func TestRefusedBatchIsTakenApart(t *testing.T) {
	for code, requests := range map[int]int{400: 4, 422: 4, 410: 1, 500: 1} {
		v := receive(t, func(_ int, w nethttp.ResponseWriter, r receipt) {
			if strings.Contains(r.body, "poison") {
				w.WriteHeader(code)
			}
		})
		s := startSink(t, SinkConfig{URL: v.URL}, func(s *bindings.SinkSettings) { s.Mode = bindings.ModeBatch })
		poison := parse(t, strings.Replace(minimalJSON, `"t"`, `"poison"`, 1))
		err := s.Send(t.Context(), list(parse(t, minimalJSON), poison, parse(t, minimalJSON)))
		var errs bindings.BatchError
		if errors.As(err, &errs) != (requests == 4) || len(v.receipts()) != requests {
			t.Errorf("%d: %v after %d requests", code, err, len(v.receipts()))
		}
		if errs != nil && (errs[0] != nil || errs[1] == nil || errs[2] != nil) {
			t.Errorf("%d: %v", code, []error(errs))
		}
	}
}
