package http

import (
	"bufio"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
)

// 93 connections that declared 1 MiB and sent a byte every 4 s took the whole window of 64 MiB: 98 of 98 good events got 429.
// Room is taken for what has arrived.
func TestPromisedBodiesTakeNoRoom(t *testing.T) {
	p := build(t, SourceConfig{}, nil)
	p.limits.refuse = 50 * time.Millisecond
	p.start(t)
	for range 93 {
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n%s\r\nx", strings.ReplaceAll(minimal, "\n", "\r\n"))
	}
	for n := 0; n < 93; n, _ = p.window.InFlight() {
		time.Sleep(time.Millisecond)
	}
	for time.Sleep(20 * time.Millisecond); ; time.Sleep(time.Millisecond) { // until every body has its first room
		if _, size := p.window.InFlight(); size >= 93*firstRead {
			break
		}
	}
	if _, size := p.window.InFlight(); size > 93*2*firstRead {
		t.Errorf("%d bytes are taken for 93 bytes", size)
	}
	for i := range 98 {
		if got := post(t, p.url(), minimal, strings.Repeat("x", 1000)); got.status != 204 {
			t.Fatalf("good event %d got %d", i, got.status)
		}
	}
}

// A body that came in single bytes held its room for 30 s. Now it needs a kilobyte a second after a grace, from the first byte
// on: who sends fast and then stalls has what it sent as its time.
func TestSlowBodyIsCut(t *testing.T) {
	p := build(t, SourceConfig{}, nil)
	p.limits.bodyGrace, p.limits.refuse = 300*time.Millisecond, 50*time.Millisecond
	p.start(t)
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n%s\r\n", strings.ReplaceAll(minimal, "\n", "\r\n"))
	began := time.Now()
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			_, _ = c.Write([]byte("x"))
			time.Sleep(20 * time.Millisecond)
		}
	})
	line, err := bufio.NewReader(c).ReadString('\n')
	stop.Store(true)
	wg.Wait()
	if took := time.Since(began); !strings.Contains(line, "408") || took > 5*time.Second || took < 300*time.Millisecond {
		t.Errorf("after %v: %q, %v", took, line, err)
	}
	// Fast enough, a body may take longer than the grace.
	d := net.Dialer{}
	good, err := d.DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	fmt.Fprintf(good, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n%s\r\n", strings.ReplaceAll(minimal, "\n", "\r\n"))
	for range 10 {
		_, _ = good.Write(make([]byte, 1000)) // the answer says whether it got there
		time.Sleep(50 * time.Millisecond)
	}
	if line, _ := bufio.NewReader(good).ReadString('\n'); !strings.Contains(line, "204") {
		t.Errorf("a body of 20,000 bytes a second got %q", line)
	}
}

// One address could take the whole window with bodies that it did not end.
func TestBodiesOfOneAddressAreBounded(t *testing.T) {
	p := build(t, SourceConfig{MaxBody: new(bindings.Size(100 << 10))}, func(s *bindings.SourceSettings) { s.Window = bindings.NewWindow(1000, 2<<20) })
	p.limits.refuse = 50 * time.Millisecond
	p.start(t)
	share := p.bytes.share
	if share != 1<<20 {
		t.Fatalf("one address has %d bytes, want half of the window", share)
	}
	for range 40 {
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n%s\r\n%s", strings.ReplaceAll(minimal, "\n", "\r\n"), strings.Repeat("x", 90_000))
	}
	time.Sleep(100 * time.Millisecond)
	if _, size := p.window.InFlight(); size > share+40*1000 {
		t.Errorf("%d bytes are taken by one address, want %d at most", size, share)
	}
	text := "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 50000\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n") + "\r\n" + strings.Repeat("x", 50_000)
	for range 20 {
		if got := dialFrom(t, "127.0.0.2", p.Addr(), text, 5*time.Second); !strings.Contains(got, " 204 ") {
			t.Fatalf("a good event from another address got %.100q", got)
		}
	}
}

// A batch was counted by its bytes alone: 60 at once of 642 KiB in small events took 328 MiB with a window of 64 MiB.
func TestBatchesCountTheirEvents(t *testing.T) {
	body := "[" + strings.Repeat(minimalJSON+",", 4000) + minimalJSON + "]"
	body += strings.Repeat(" ", 642<<10-len(body))
	v := newVictim(t, false)
	var ok, full atomic.Int32
	v.attack(60, func(c net.Conn) {
		c.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/cloudevents-batch+json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		switch line, _ := bufio.NewReader(c).ReadString('\n'); {
		case strings.Contains(line, " 204 "):
			ok.Add(1)
		case strings.Contains(line, " 429 "):
			full.Add(1)
		}
	})
	t.Logf("%d batches were taken, %d got 429", ok.Load(), full.Load())
	if ok.Load() == 0 || ok.Load()+full.Load() != 60 {
		t.Errorf("%d batches were taken and %d got 429, of 60", ok.Load(), full.Load())
	}
	v.cost("60 batches", mostMemory)
}

// Connections that had made one request kept everybody out: with as many as there may be, no answer came for 20 s. The one
// that was idle the longest makes room.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	p := startSource(t, SourceConfig{MaxConnections: 8, MaxConnectionsPerAddress: 8})
	keep := func() net.Conn {
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n%s\r\nx", strings.ReplaceAll(minimal, "\n", "\r\n"))
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "204") {
			t.Fatalf("got %q, %v", line, err)
		}
		return c
	}
	var idle []net.Conn
	for range 8 {
		idle = append(idle, keep())
	}
	for i := range 3 {
		if got := post(t, p.url(), minimal, "x"); got.status != 204 {
			t.Errorf("event %d got %d", i, got.status)
		}
		p.server.ln.mu.Lock()
		n := len(p.server.ln.open)
		p.server.ln.mu.Unlock()
		if n > 8 {
			t.Errorf("%d connections are open", n)
		}
	}
	// The first of them was closed for the first request; the last is as it was.
	idle[0].SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(idle[0]); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection that was idle the longest is open: %v", err)
	}
	last := idle[7]
	fmt.Fprintf(last, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n%s\r\nx", strings.ReplaceAll(minimal, "\n", "\r\n"))
	if answer, err := io.ReadAll(last); err != nil || !strings.Contains(string(answer), "204") {
		t.Errorf("the connection that was idle the shortest got %q, %v", answer, err)
	}
}

// OPTIONS * was answered by net/http itself, so that its connection counted as in use for as long as it was open: as many as
// there may be kept everybody out again.
func TestConnectionsWithOptionsMakeRoom(t *testing.T) {
	p := startSource(t, SourceConfig{MaxConnections: 4, MaxConnectionsPerAddress: 4})
	for range 4 {
		c := connect(t, p.Addr())
		io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
		if line, err := bufio.NewReader(c).ReadString('\n'); !strings.Contains(line, "204") {
			t.Errorf("got %q, %v", line, err)
		}
	}
	got := raw(t, p.Addr(), "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+strings.ReplaceAll(minimal, "\n", "\r\n")+"\r\n", 5*time.Second)
	if !strings.Contains(got, "204") {
		t.Errorf("a good event got %q", got)
	}
}

// Between two pipelined requests a connection counted as idle, although the second was here already.
func TestPipelinedRequestIsNotIdle(t *testing.T) {
	p := build(t, SourceConfig{}, nil)
	held := make(chan *bindings.Batch, 2)
	p.settle = func(b *bindings.Batch) { b.Expect(1); held <- b }
	p.start(t)
	c := connect(t, p.Addr())
	one := "POST / HTTP/1.1\r\nHost: x\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n") + "Content-Length: 1\r\n\r\nx"
	io.WriteString(c, one+one)
	first := <-held
	p.server.ln.mu.Lock()
	var conn *guardConn
	for conn = range p.server.ln.open {
	}
	p.server.ln.mu.Unlock()
	for end := time.Now().Add(10 * time.Second); conn.active.Load() != 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests are under way, want 2", conn.active.Load())
		}
	}
	first.Done(1)
	second := <-held
	if n := conn.active.Load(); n != 1 || conn.evictable(time.Now().Add(time.Hour)) {
		t.Errorf("%d requests are under way, want 1", n)
	}
	second.Done(1)
	for end := time.Now().Add(10 * time.Second); !conn.evictable(time.Now()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the connection is in use although both requests have their answers")
		}
	}
}

// The same with 4,096 connections of four addresses and a real limit.
func TestManyIdleConnectionsKeepNobodyOut(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"one request each", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n") + "\r\nx"},
		{"nothing", ""},
		{"a header that does not end", "POST / HTTP/1.1\r\nHost: x\r\n"},
		{"an empty line", "\r\n"},
		{"a request and an empty line", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n") + "\r\nx\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVictim(t, false)
			v.attack(defaultMaxConnections+100, func(c net.Conn) { io.WriteString(c, tt.text) })
			began := time.Now()
			v.cost(tt.name, mostMemory)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("a good event took %v", took)
			}
		})
	}
}

// One address had every connection of a port. It has its share, and the log says how to change that.
func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	p := build(t, SourceConfig{MaxConnections: 8}, func(s *bindings.SourceSettings) { s.Log = zap.New(core) }).start(t)
	body := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n") + "\r\n"
	for range 8 { // all of them are in use, so that none makes room
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, body)
	}
	for n := 0; n < 4; n, _ = p.window.InFlight() {
		time.Sleep(time.Millisecond)
	}
	if got := dialFrom(t, "127.0.0.2", p.Addr(), body+"x", 2*time.Second); !strings.Contains(got, "204") {
		t.Errorf("another address got %q", got)
	}
	if n, _ := p.window.InFlight(); n != 4 {
		t.Errorf("one address has %d requests, want half of the connections", n)
	}
	if logs.FilterMessageSnippet("max_connections_per_address").Len() != 1 {
		t.Errorf("the log says %v", logs.All())
	}
}

// An answer without a source (404, 405) had no time limit: a peer that read nothing held its connection for good.
func TestEveryAnswerHasATime(t *testing.T) {
	a := newAuthority(t)
	a.make(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	tls := a.tls("server")
	tls.CA = ""
	old := defaultLimits
	defaultLimits.answer = 300 * time.Millisecond
	defer func() { defaultLimits = old }()
	p := startSource(t, SourceConfig{TLS: tls, Path: "/e"})
	v := &victim{t: t, addr: p.Addr(), h2: true}
	var err error
	if v.tls, err = a.tls("").Client(); err != nil {
		t.Fatal(err)
	}
	c, err := v.dial("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write(append(hello(), frame(frameHeaders, flagEndStream|flagEndHeaders, 1, block(hpackGET))...))
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	// What the server sends: SETTINGS, an acknowledgement, HEADERS of the answer, and as its body does not fit RST_STREAM.
	for r := bufio.NewReader(c); ; {
		head := make([]byte, frameHeader)
		if _, err := io.ReadFull(r, head); err != nil {
			t.Fatalf("the stream was not reset: %v", err)
		}
		if _, err := r.Discard(int(head[1])<<8 | int(head[2])); err != nil {
			t.Fatal(err)
		}
		if head[3] == frameReset {
			break
		}
	}
	waits := func() int {
		p.server.pool.streams.mu.Lock()
		defer p.server.pool.streams.mu.Unlock()
		return p.server.pool.streams.used
	}
	for end := time.Now().Add(5 * time.Second); waits() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the answer still waits")
		}
	}
}
