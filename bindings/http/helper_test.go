package http

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(serverProcess); folder != "" {
		os.Exit(runServerProcess(folder))
	}
	goleak.VerifyTestMain(m)
}

// ingress is a source that runs, with what would be the pipeline behind it.
type ingress struct {
	*Source
	window *bindings.Window
	stop   context.CancelFunc
	done   chan error

	mu     sync.Mutex
	settle func(b *bindings.Batch) // nil confirms everything at once
	got    []*envelope.Event
}

func (p *ingress) emit(b *bindings.Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range b.Events {
		p.got = append(p.got, b.Events[i].Clone())
	}
	if p.settle != nil {
		p.settle(b)
		return
	}
	confirm(b)
}

func (p *ingress) events() []*envelope.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got
}

func confirm(b *bindings.Batch) {
	b.Expect(len(b.Events))
	b.Done(len(b.Events))
}

// failing settles every event with err.
func failing(err error) func(*bindings.Batch) {
	return func(b *bindings.Batch) {
		b.Expect(len(b.Events))
		for i := range b.Events {
			b.Fail(i, err)
		}
		b.Done(len(b.Events))
	}
}

// build makes an ingress that does not run yet.
func build(t testing.TB, cfg SourceConfig, change func(*bindings.SourceSettings)) *ingress {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	p := &ingress{window: bindings.NewWindow(1000, 64<<20), done: make(chan error, 1)}
	settings := bindings.SourceSettings{Name: "in", Log: zap.NewNop(), Window: p.window}
	if change != nil {
		change(&settings)
		p.window = settings.Window
	}
	var err error
	if p.Source, err = NewSource(cfg, settings); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *ingress) start(t testing.TB) *ingress {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() { p.done <- p.Run(ctx, p.emit) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-p.done:
			if err != nil {
				t.Error(err)
			}
			p.done <- err
		case <-time.After(20 * time.Second):
			t.Error("Run did not return")
		}
		if n, size := p.window.InFlight(); n != 0 || size != 0 {
			t.Errorf("%d events and %d bytes of the window were not given back", n, size)
		}
		p.settled(t)
	})
	for p.waiting() {
		time.Sleep(time.Millisecond)
	}
	return p
}

// settled holds that every bound has back what was taken from it, as soon as the connections have ended.
func (p *ingress) settled(t testing.TB) {
	t.Helper()
	pool := p.server.pool
	for name, q := range map[string]*quota{
		"header memory": pool.memory, "decoding memory": pool.decode, "streams": pool.streams, "arriving requests": p.Source.events, "arriving bytes": p.bytes,
	} {
		used, senders := 1, 0
		for end := time.Now().Add(5 * time.Second); (used != 0 || senders != 0) && time.Now().Before(end); time.Sleep(time.Millisecond) {
			q.mu.Lock()
			used, senders = q.used, len(q.by)
			q.mu.Unlock()
		}
		if used != 0 || senders != 0 {
			t.Errorf("%s: %d of %d senders were not given back", name, used, senders)
		}
	}
}

// waiting reports whether the source does not take requests yet.
func (p *ingress) waiting() bool {
	p.server.pool.mu.Lock()
	defer p.server.pool.mu.Unlock()
	ep := p.server.paths[p.path]
	return ep != nil && ep.source == nil
}

func (p *ingress) url() string { return "http://" + p.Addr() + p.path }

func startSource(t testing.TB, cfg SourceConfig) *ingress {
	t.Helper()
	return build(t, cfg, nil).start(t)
}

// reply is a response, read.
type reply struct {
	status int
	header nethttp.Header
	body   string
	last   bool // Connection: close
}

// client makes a client that keeps no connection beyond the test.
func client(t testing.TB) *nethttp.Client {
	tr := &nethttp.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &nethttp.Client{Transport: tr, Timeout: 20 * time.Second}
}

// post sends headers, given as "Name: value" lines, and a body.
func post(t testing.TB, url, headers, body string) reply {
	t.Helper()
	return do(t, client(t), request(t, nethttp.MethodPost, url, headers, strings.NewReader(body)))
}

func request(t testing.TB, method, url, headers string, body io.Reader) *nethttp.Request {
	t.Helper()
	req, err := nethttp.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(headers, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			req.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return req
}

func do(t testing.TB, c *nethttp.Client, req *nethttp.Request) reply {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body), resp.Close}
}

// minimal are the headers of the smallest event in binary mode.
const minimal = "ce-specversion: 1.0\nce-id: 1\nce-source: /s\nce-type: t\n"

// minimalJSON is the same event, structured.
const minimalJSON = `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`

const structuredType = "Content-Type: application/cloudevents+json\n"

// raw sends bytes over a connection of its own and returns everything that comes back until the peer closes, or for
// as long as wait.
func raw(t testing.TB, addr, text string, wait time.Duration) string {
	t.Helper()
	c := connect(t, addr)
	if _, err := io.WriteString(c, text); err != nil {
		return "" // refused while it was being sent
	}
	return readAll(t, c, wait)
}

func connect(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// readAll returns what comes until the peer closes, or for as long as wait, and closes the connection.
func readAll(t testing.TB, c net.Conn, wait time.Duration) string {
	t.Helper()
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(bufio.NewReader(c))
	return string(got)
}

// statuses returns the status codes of the responses in a raw answer.
func statuses(answer string) []string {
	var out []string
	for part := range strings.SplitSeq(answer, "HTTP/1.1 ") {
		if len(part) >= 3 && part[0] >= '1' && part[0] <= '5' {
			out = append(out, part[:3])
		}
	}
	return out
}

// headerOf makes a header of "Name: value" lines.
func headerOf(lines string) nethttp.Header {
	h := nethttp.Header{}
	for line := range strings.SplitSeq(lines, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			h.Add(strings.TrimSpace(name), strings.TrimPrefix(value, " "))
		}
	}
	return h
}

// parse makes an event of structured JSON.
func parse(t testing.TB, text string) *envelope.Event {
	t.Helper()
	e := new(envelope.Event)
	if err := envelope.ParseJSON(e, []byte(text), envelope.Options{}); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return e
}

// show writes an event for comparison.
func show(e *envelope.Event) string {
	var b strings.Builder
	for name, value := range e.Attributes {
		fmt.Fprintf(&b, "%s=%q ", name, value)
	}
	fmt.Fprintf(&b, "dct=%q data=%q nil=%v", e.DataContentType, e.Data, e.Data == nil)
	return b.String()
}
