package http

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// Every answer of an ingress, and that its body is a problem document which names what is at fault.
func TestAnswers(t *testing.T) {
	const batch = "Content-Type: application/cloudevents-batch+json"
	permanent := func(r bindings.Reason) func(*bindings.Batch) {
		return failing(bindings.Permanent(r, "x", errors.New("secret-host refused")))
	}
	for _, tt := range []struct {
		name, method, headers, body string
		settle                      func(*bindings.Batch)
		status, events              int
		detail                      string
	}{
		{name: "binary", headers: minimal, body: "x", status: 204, events: 1},
		{name: "structured", headers: structuredType, body: minimalJSON, status: 204, events: 1},
		{name: "batch", headers: batch, body: "[" + minimalJSON + "," + minimalJSON + "]", status: 204, events: 2},
		{name: "66 empty batch", headers: batch, body: "[]", status: 204},
		{name: "67 one bad event in a batch", headers: batch, body: "[" + minimalJSON + `,{"specversion":"1.0","id":"2","source":"/s"}]`, status: 400, detail: "type"},
		{name: "66 nested batch", headers: batch, body: "[[" + minimalJSON + "]]", status: 400},
		{name: "B19", method: "GET", status: 405, detail: "POST"},
		{name: "PUT", method: "PUT", headers: minimal, status: 405},
		{name: "OPTIONS without web hooks", method: "OPTIONS", status: 405},
		{name: "B3", headers: minimal + "Content-Type: application/cloudevents", status: 415, detail: "Content-Type"},
		{name: "B4", headers: minimal + "Content-Type: application/cloudevents+cbor", status: 415},
		{name: "70", headers: "Content-Type: application/cloudevents+json; charset=utf-16", body: minimalJSON, status: 415, detail: "charset"},
		{name: "B10 and 22", headers: minimal + "ce-id: 2", status: 400, detail: "ce-id"},
		{name: "B11", headers: minimal + "ce-: x", status: 400, detail: "ce-"},
		{name: "not an event", headers: "Content-Type: application/json", body: "{}", status: 400, detail: "not a CloudEvent"},
		{name: "42", headers: structuredType, status: 400},
		{name: "39", headers: minimal + "Content-Encoding: br", body: "x", status: 415, detail: "Content-Encoding"},
		{name: "39 twice", headers: minimal + "Content-Encoding: gzip, gzip", body: "x", status: 415},
		{name: "38", headers: minimal + "Content-Encoding: gzip", body: "\x1f\x8b\x08", status: 400, detail: "gzip"},
		{name: "40 at the limit", headers: minimal, body: strings.Repeat("x", 4096), status: 204, events: 1},
		{name: "40 above", headers: minimal, body: strings.Repeat("x", 4097), status: 413, detail: "4096"},
		{name: "unmatched: reject", headers: minimal, settle: permanent(bindings.ReasonUnmatched), status: 422, events: 1, detail: "route"},
		{name: "too large for a target", headers: minimal, settle: permanent(bindings.ReasonTooLarge), status: 413, events: 1},
		{name: "refused for good", headers: minimal, settle: permanent(bindings.ReasonRejected), status: 422, events: 1, detail: "rejected"},
		{name: "transient", headers: minimal, settle: failing(errors.New("secret-host is down")), status: 503, events: 1},
		{name: "stopped", headers: minimal, settle: failing(fmt.Errorf("x: %w", bindings.ErrStopped)), status: 503, events: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := build(t, SourceConfig{Path: "/events", MaxBody: new(bindings.Size(4096))}, nil)
			p.settle = tt.settle
			p.start(t)
			if tt.method == "" {
				tt.method = "POST"
			}
			got := do(t, client(t), request(t, tt.method, p.url(), tt.headers, strings.NewReader(tt.body)))
			if got.status != tt.status {
				t.Fatalf("status %d, want %d: %s", got.status, tt.status, got.body)
			}
			if n := len(p.events()); n != tt.events {
				t.Errorf("%d events were emitted, want %d", n, tt.events)
			}
			if (tt.status == 405) != (got.header.Get("Allow") == "POST") {
				t.Errorf("Allow is %q", got.header.Get("Allow"))
			}
			if (tt.status == 503) != (got.header.Get("Retry-After") != "") {
				t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
			}
			checkProblem(t, got, tt.detail)
		})
	}
}

func checkProblem(t *testing.T, r reply, detail string) {
	t.Helper()
	if r.status == 204 {
		if r.body != "" || r.header.Get(contentType) != "" {
			t.Errorf("204 with content %q", r.body)
		}
		return
	}
	var p struct {
		Title, Detail, Instance string
		Status                  int
	}
	if err := json.Unmarshal([]byte(r.body), &p); err != nil || r.header.Get(contentType) != "application/problem+json" {
		t.Fatalf("not a problem document: %q, %v", r.body, err)
	}
	if p.Status != r.status || p.Title == "" || p.Detail == "" || !strings.Contains(p.Detail, detail) {
		t.Errorf("problem %+v, want %q in its detail", p, detail)
	}
	if strings.Contains(r.body, "secret-host") {
		t.Error("the answer tells the sender of a target")
	}
}

func TestBatchOutcomes(t *testing.T) {
	reject := bindings.Permanent(bindings.ReasonUnmatched, "", errors.New("x"))
	for _, tt := range []struct {
		name string
		errs []error
		want int
	}{
		{"refusal after success", []error{nil, reject, nil}, 422},
		{"a pending event wins", []error{reject, nil, errors.New("down")}, 503},
	} {
		p := build(t, SourceConfig{}, nil)
		p.settle = func(b *bindings.Batch) {
			b.Expect(len(b.Events))
			for i, err := range tt.errs {
				if err != nil {
					b.Fail(i, err)
				}
			}
			b.Done(len(b.Events))
		}
		p.start(t)
		got := post(t, p.url(), "Content-Type: application/cloudevents-batch+json", "["+strings.Repeat(minimalJSON+",", 2)+minimalJSON+"]")
		if got.status != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got.status, tt.want)
		}
		if tt.want == 422 && !strings.Contains(got.body, "event 1 of the batch") {
			t.Errorf("%s: %s", tt.name, got.body)
		}
	}
}

func TestMeta(t *testing.T) {
	p := startSource(t, SourceConfig{Path: "/in"})
	post(t, p.url()+"?access=secret", minimal+"traceparent: 00-a-b-01\nauthorization: Bearer secret\nIdempotency-Key: k-1", "x")
	m := p.events()[0].Meta
	if m.Transport != "http" || m.SourceName != "in" || m.Channel != "/in" || m.MessageID != "k-1" {
		t.Errorf("got %+v", m)
	}
	if len(m.Headers) != 1 || m.Headers[0].Name != "traceparent" || string(m.Headers[0].Value) != "00-a-b-01" {
		t.Errorf("headers %q", m.Headers)
	}
	post(t, p.url(), minimal, "x")
	if id := p.events()[1].Meta.MessageID; len(id) < 20 {
		t.Errorf("request id %q", id)
	}
}

func TestWrap(t *testing.T) {
	var wrapErr error
	p := build(t, SourceConfig{Path: "/in"}, func(s *bindings.SourceSettings) {
		s.Wrap = func(e *envelope.Event) error {
			e.ID, e.Source, e.Type = e.Meta.MessageID, e.Meta.Channel, "wrapped"
			return wrapErr
		}
	}).start(t)
	got := post(t, p.url(), "Content-Type: application/json\nwebhook-id: w1", `{"a":1}`)
	if got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	e := p.events()[0]
	if e.ID != "w1" || e.Source != "/in" || string(e.Data) != `{"a":1}` || e.DataContentType != "application/json" {
		t.Errorf("got %s", show(e))
	}
	if got := post(t, p.url(), "ce-id: 1", ""); got.status != 400 {
		t.Errorf("a bad event was wrapped: %d", got.status)
	}
	wrapErr = &envelope.AttributeError{Attribute: "subject", Rule: "must not be empty"}
	if got := post(t, p.url(), "", "x"); got.status != 400 || !strings.Contains(got.body, "subject") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// 429 comes before the body is read: the body never arrives here.
func TestOverloadBeforeBody(t *testing.T) {
	p := build(t, SourceConfig{}, func(s *bindings.SourceSettings) { s.Window = bindings.NewWindow(1, 1000) })
	p.limits.refuse = 50 * time.Millisecond
	held := make(chan *bindings.Batch, 1)
	p.settle = func(b *bindings.Batch) { b.Expect(1); held <- b }
	p.start(t)
	first := make(chan reply, 1)
	go func() { first <- post(t, p.url(), minimal, "x") }()
	b := <-held
	text := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nce-id: 1\r\n\r\n"
	got := raw(t, p.Addr(), text, 5*time.Second)
	if !strings.HasPrefix(got, "HTTP/1.1 429") || !strings.Contains(got, "Retry-After: 1\r\n") {
		t.Errorf("got %q", got)
	}
	b.Done(1)
	if got := <-first; got.status != 204 {
		t.Errorf("the first request got %d", got.status)
	}
}

// A request takes room as its body arrives, and what its events need is kept afterwards: their bytes, and what an event
// has in memory beside them.
func TestWindowCountsBytes(t *testing.T) {
	p := build(t, SourceConfig{MaxBody: new(bindings.Size(1000))}, nil)
	held := make(chan *bindings.Batch, 1)
	p.settle = func(b *bindings.Batch) { b.Expect(len(b.Events)); held <- b }
	p.start(t)
	for _, body := range []struct {
		r      io.Reader
		header string
		events int
	}{
		{io.MultiReader(strings.NewReader("0123456789")), minimal, 1},
		{strings.NewReader("[" + minimalJSON + "," + minimalJSON + "]"), "Content-Type: application/cloudevents-batch+json", 2},
	} {
		done := make(chan reply, 1)
		req := request(t, "POST", p.url(), body.header, body.r)
		c := client(t)
		go func() { done <- do(t, c, req) }()
		b := <-held
		if n, size := p.window.InFlight(); n != body.events || size < 10+n*eventSize || size > 300+n*eventSize {
			t.Errorf("%d events and %d bytes in flight", n, size)
		}
		b.Done(len(b.Events))
		<-done
	}
}

// A batch larger than the whole window fits into an empty one; beside others it does not.
func TestBatchLargerThanWindow(t *testing.T) {
	p := build(t, SourceConfig{}, func(s *bindings.SourceSettings) { s.Window = bindings.NewWindow(2, 0) }).start(t)
	got := post(t, p.url(), "Content-Type: application/cloudevents-batch+json", "["+strings.Repeat(minimalJSON+",", 4)+minimalJSON+"]")
	if got.status != 204 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestTooManyEventsInBatch(t *testing.T) {
	p := startSource(t, SourceConfig{MaxBody: new(bindings.Size(16 << 20))})
	body := "[" + strings.Repeat(minimalJSON+",", 100_000) + minimalJSON + "]"
	if got := post(t, p.url(), "Content-Type: application/cloudevents-batch+json", body); got.status != 413 {
		t.Errorf("66: %d %s", got.status, got.body)
	}
	if len(p.events()) != 0 {
		t.Error("events of the batch were emitted")
	}
}

// A leg that is pending at reply_timeout is 503; the room stays taken until the batch is settled, and only then does
// Run return.
func TestReplyTimeout(t *testing.T) {
	p := build(t, SourceConfig{ReplyTimeout: 30 * time.Millisecond}, nil)
	held := make(chan *bindings.Batch, 1)
	p.settle = func(b *bindings.Batch) { b.Expect(1); held <- b }
	p.start(t)
	got := post(t, p.url(), minimal, "x")
	if got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if n, _ := p.window.InFlight(); n != 1 {
		t.Errorf("%d events in flight, want 1", n)
	}
	b := <-held
	if b.Events[0].ID != "1" {
		t.Error("the batch was recycled while it was pending")
	}
	p.stop()
	select {
	case <-p.done:
		t.Fatal("Run returned before its batch was settled (invariant 1)")
	case <-time.After(50 * time.Millisecond):
	}
	b.Done(1)
	if err := <-p.done; err != nil {
		t.Fatal(err)
	}
	p.done <- nil
}

// While it stops, the source answers what is under way, refuses what is new, and closes the port.
func TestDrain(t *testing.T) {
	p := build(t, SourceConfig{}, nil)
	held := make(chan *bindings.Batch, 1)
	p.settle = func(b *bindings.Batch) { b.Expect(1); held <- b }
	p.start(t)
	keptAlive, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer keptAlive.Close()
	// Half of a request's header keeps this connection from being closed as idle.
	fmt.Fprintf(keptAlive, "POST / HTTP/1.1\r\nHost: x\r\n")
	first := make(chan reply, 1)
	go func() { first <- post(t, p.url(), minimal, "x") }()
	b := <-held
	p.stop()
	for !p.isDraining() {
		time.Sleep(time.Millisecond)
	}
	fmt.Fprintf(keptAlive, "Content-Length: 0\r\n\r\n")
	keptAlive.SetReadDeadline(time.Now().Add(5 * time.Second))
	answer, _ := io.ReadAll(keptAlive)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 503") || !strings.Contains(string(answer), "Connection: close") {
		t.Errorf("a new request got %q", answer)
	}
	b.Done(1)
	if got := <-first; got.status != 204 {
		t.Errorf("the request under way got %d", got.status)
	}
	if err := <-p.done; err != nil {
		t.Fatal(err)
	}
	p.done <- nil
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

func TestPortIsBoundEarlyAndGivenBack(t *testing.T) {
	p := build(t, SourceConfig{}, nil)
	_, err := NewSource(SourceConfig{Listen: p.Addr()}, p.settings)
	var field *bindings.FieldError
	if !errors.As(err, &field) || !field.Environment || field.Field != "listen" {
		t.Errorf("a port in use gave %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := NewSource(SourceConfig{Listen: p.Addr()}, p.settings)
	if err != nil {
		t.Fatalf("the port was not given back: %v", err)
	}
	again.Close()
	if err := again.Run(t.Context(), nil); err == nil {
		t.Error("a closed source ran")
	}
}

// A source said to be ready whose path was not served yet would answer 503 to the first requests.
func TestReadsFromTheMomentItSaysSo(t *testing.T) {
	pool := NewServerPool()
	defer pool.Close()
	settings := bindings.SourceSettings{Name: "x", Log: zap.NewNop(), Window: bindings.NewWindow(10, 0)}
	for range 20 {
		src, err := pool.NewSource(SourceConfig{Listen: "127.0.0.1:0"}, settings)
		if err != nil {
			t.Fatal(err)
		}
		pool.Serve()
		url := "http://" + src.Addr()
		if got := post(t, url, minimal, "{}"); got.status != 503 {
			t.Fatalf("before it runs it answers %d, want 503", got.status)
		}
		ctx, cancel := context.WithCancel(context.Background())
		reading, posted, done := make(chan error), make(chan struct{}), make(chan error, 1)
		src.OnReading(func(err error) {
			reading <- err
			<-posted // so that Run does nothing meanwhile that it should have done before
		})
		go func() { done <- src.Run(ctx, confirm) }()
		if err := <-reading; err != nil {
			t.Error(err)
		}
		if got := post(t, url, minimal, "{}"); got.status/100 != 2 {
			t.Errorf("it reads and answers %d", got.status)
		}
		close(posted)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestSharedPort(t *testing.T) {
	pool := NewServerPool()
	settings := bindings.SourceSettings{Log: zap.NewNop(), Window: bindings.NewWindow(10, 0)}
	var wg sync.WaitGroup
	counts := map[string]int{}
	var mu sync.Mutex
	start := func(path string) (*Source, context.CancelFunc) {
		settings.Name = path
		s, err := pool.NewSource(SourceConfig{Listen: "127.0.0.1:0", Path: path}, settings)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		wg.Go(func() {
			if err := s.Run(ctx, func(b *bindings.Batch) {
				mu.Lock()
				counts[path]++
				mu.Unlock()
				confirm(b)
			}); err != nil {
				t.Error(err)
			}
		})
		return s, cancel
	}
	a, stopA := start("/a")
	b, stopB := start("/b")
	if a.Addr() != b.Addr() {
		t.Fatalf("two ports: %s and %s", a.Addr(), b.Addr())
	}
	until := func(path string, want int) {
		t.Helper()
		for range 200 {
			if post(t, "http://"+a.Addr()+path, minimal, "").status == want {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Fatalf("%s does not answer %d", path, want)
	}
	until("/a", 204)
	until("/b", 204)
	until("/c", 404)

	// A successor claims the path while its predecessor still runs, and takes it when that one stops.
	settings.Name = "next"
	next, err := pool.NewSource(SourceConfig{Listen: "127.0.0.1:0", Path: "/a"}, settings)
	if err != nil {
		t.Fatal(err)
	}
	stopA()
	until("/a", 503)
	ctx, stopNext := context.WithCancel(context.Background())
	wg.Go(func() {
		if err := next.Run(ctx, confirm); err != nil {
			t.Error(err)
		}
	})
	until("/a", 204)
	stopNext()
	until("/a", 404)
	until("/b", 204)
	stopB()
	wg.Wait()
	if counts["/a"] == 0 || counts["/b"] == 0 {
		t.Errorf("got %v", counts)
	}
	if len(pool.servers) != 0 {
		t.Error("the pool holds a port that nobody uses")
	}
	if n, _ := settings.Window.InFlight(); n != 0 {
		t.Errorf("%d events in flight", n)
	}
}

func TestSharedPortRefusesTwoSourcesOnOnePath(t *testing.T) {
	pool := NewServerPool()
	settings := bindings.SourceSettings{Name: "x", Log: zap.NewNop(), Window: bindings.NewWindow(10, 0)}
	a, err := pool.NewSource(SourceConfig{Listen: "127.0.0.1:0"}, settings)
	if err != nil {
		t.Fatal(err)
	}
	b, err := pool.NewSource(SourceConfig{Listen: "127.0.0.1:0"}, settings)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, confirm) }()
	for (&ingress{Source: a}).waiting() {
		time.Sleep(time.Millisecond)
	}
	if err := b.Run(ctx, confirm); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("got %v", err)
	}
	if _, err := pool.NewSource(SourceConfig{Listen: "127.0.0.1:0", MaxConnections: 1}, settings); err == nil {
		t.Error("a different connection limit on the same port was taken")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestConcurrentRequestsSettleOnce(t *testing.T) {
	p := build(t, SourceConfig{ReplyTimeout: 2 * time.Millisecond}, nil)
	var wg sync.WaitGroup
	p.settle = func(b *bindings.Batch) {
		b.Expect(len(b.Events))
		n := len(p.got)
		id := b.Events[0].ID
		wg.Go(func() { // settle around the time-out, so that both orders of leaving happen
			time.Sleep(time.Duration(n%5) * time.Millisecond)
			if b.Events[0].ID != id {
				t.Error("a pending batch was overwritten")
			}
			b.Done(len(b.Events))
		})
	}
	p.start(t)
	c := client(t)
	var senders sync.WaitGroup
	for i := range 8 {
		senders.Go(func() {
			for j := range 100 {
				h := strings.Replace(minimal, "ce-id: 1", fmt.Sprintf("ce-id: %d-%d", i, j), 1)
				resp, err := c.Do(request(t, nethttp.MethodPost, p.url(), h, strings.NewReader("x")))
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 204 && resp.StatusCode != 503 {
					t.Errorf("status %d", resp.StatusCode)
				}
			}
		})
	}
	senders.Wait()
	p.stop()
	if err := <-p.done; err != nil {
		t.Fatal(err)
	}
	p.done <- nil
	wg.Wait()
	if n := len(p.events()); n != 800 {
		t.Errorf("%d events, want 800", n)
	}
}

// max_body bounds a request and limits.event an event: a batch may be larger than one event may.
func TestEventLimitHoldsWithinBatch(t *testing.T) {
	p := build(t, SourceConfig{MaxBody: new(bindings.Size(10_000))}, func(s *bindings.SourceSettings) { s.MaxEvent = 200 }).start(t)
	const batch = "Content-Type: application/cloudevents-batch+json"
	small := "[" + strings.Repeat(minimalJSON+",", 20) + minimalJSON
	if got := post(t, p.url(), batch, small+"]"); got.status != 204 {
		t.Errorf("%d %s", got.status, got.body)
	}
	large := strings.Replace(minimalJSON, `"t"`, `"`+strings.Repeat("t", 200)+`"`, 1)
	if got := post(t, p.url(), batch, small+","+large+"]"); got.status != 413 || len(p.events()) != 21 {
		t.Errorf("%d %s, %d events", got.status, got.body, len(p.events()))
	}
	p = build(t, SourceConfig{}, func(s *bindings.SourceSettings) { s.MaxEvent = 200 }).start(t)
	if got := post(t, p.url(), minimal, strings.Repeat("x", 201)); got.status != 413 || !strings.Contains(got.body, "200") {
		t.Errorf("%d %s", got.status, got.body)
	}
}
