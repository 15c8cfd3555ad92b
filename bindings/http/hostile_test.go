package http

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
)

// The numbers are those of the hostile-input list. Each case goes over a connection of its own, and after each a good
// event must pass.
func TestHostileFraming(t *testing.T) {
	p := build(t, SourceConfig{Path: "/e", MaxBody: new(bindings.Size(4096))}, nil)
	p.limits = limits{bodyRead: 100 * time.Millisecond, bodyTotal: 300 * time.Millisecond, answer: time.Second, refuse: 100 * time.Millisecond}
	p.server.http.ReadHeaderTimeout = 2 * time.Second
	p.start(t)
	const (
		line    = "POST /e HTTP/1.1\r\n"
		head    = line + "Host: x\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n"
		closing = head + "Connection: close\r\n"
	)
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, text string
		want       string // statuses that are allowed, "" for a connection that is closed without an answer
	}{
		{"1 no Host", line + "ce-id: 1\r\n\r\n", "400"},
		{"2 two Host", line + "Host: x\r\nHost: y\r\n\r\n", "400"},
		{"3 CL then TE", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /e HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"3 TE then CL", head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "400"},
		{"3 in other case", head + "transfer-ENCODING: chunked\r\ncontent-LENGTH: 5\r\n\r\n0\r\n\r\n", "400"},
		{"TE in HTTP/1.0", "POST /e HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{"4 two equal CL", head + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", "400"},
		{"5 two different CL", head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy", "400"},
		{"6 CL +3", head + "Content-Length: +3\r\n\r\nxyz", "400"},
		{"7 CL -1", head + "Content-Length: -1\r\n\r\n", "400"},
		{"8 CL overflow", head + "Content-Length: 99999999999999999999\r\n\r\n", "400"},
		{"9 TE xchunked", head + "Transfer-Encoding: xchunked\r\n\r\n", "501"},
		{"10 TE twice", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 501"},
		{"11 TE list", head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "501"},
		{"12 bare LF in chunk", head + "Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n", "400 408"},
		{"13 chunk size overflow", head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx", "400"},
		{"14 missing final chunk", head + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", "408"},
		{"15 trailers", head + "Transfer-Encoding: chunked\r\nTrailer: ce-id\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\nce-id: 2\r\nce-evil: 1\r\n\r\n", "204"},
		{"16 space before colon", head + "ce-x : 1\r\n\r\n", "400"},
		{"17 NUL in header", head + "ce-x: a\x00b\r\n\r\n", "400"},
		{"18 bare CR", head + "ce-x: a\rb\r\n\r\n", "400"},
		{"19 obs-fold blank", head + "ce-x: a\r\n b\r\n\r\n", "400"},
		{"19 obs-fold tab", head + "ce-x: a\r\n\tce-id: 2\r\n\r\n", "400"},
		{"19 before the first line", line + " Host: x\r\nHost: x\r\n\r\n", "400"},
		{"20 header of 1.1 MB", head + "ce-x: " + strings.Repeat("a", 1_100_000) + "\r\n\r\n", "431 "},
		{"21 40,000 headers", head + many(40_000, "ce-x%d: 1\r\n") + "\r\n", "431 "},
		{"21 200 attributes", closing + many(200, "ce-x%d: 1\r\n") + "\r\n", "431"},
		{"21 66 attributes", closing + many(66, "ce-x%d: 1\r\n") + "\r\n", "400"},
		{"21 300 other headers", closing + many(300, "x-%d: 1\r\n") + "\r\n", "431"},
		{"22 ce-id twice", closing + "CE-ID: 2\r\n\r\n", "400"},
		{"23 headers never finished", line + "Host: x\r\nce-id", "408"},
		{"25 body stalls", head + "Content-Length: 10\r\n\r\nabc", "408"},
		{"26 Expect and nothing", head + "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n", "100408"},
		{"27 PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 405 505"},
		{"28 CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", "405"},
		{"28 TRACE", "TRACE /e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405"},
		{"28 GET", "GET /e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405"},
		{"29 absolute form", "POST http://x/e HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"29 asterisk", "POST * HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"41 chunked above the limit", head + "Transfer-Encoding: chunked\r\n\r\n2000\r\n" + strings.Repeat("x", 0x2000) + "\r\n0\r\n\r\n", "413"},
		{"empty request line", "\r\n\r\n", "400"},
		{"not HTTP", "\x16\x03\x01\x02\x00\x01", "400"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(p.events())
			answer := raw(t, p.Addr(), tt.text, 6*time.Second)
			got := strings.Join(statuses(answer), "")
			// A peer that is still sending may lose the answer to a reset; that is what the blank at the end allows.
			if !strings.Contains(" "+tt.want+" ", " "+got+" ") {
				t.Errorf("got %q, want %q: %.300q", got, tt.want, answer)
			}
			if accepted := len(p.events()) - before; (accepted > 0) != (tt.want == "204") {
				t.Errorf("%d events were accepted", accepted)
			}
			if e := p.events(); tt.want == "204" && (e[before].ID != "1" || e[before].NumExtensions() != 0) {
				t.Errorf("trailers changed the event: %s", show(e[before]))
			}
			if got := post(t, p.url(), minimal, "x"); got.status != 204 {
				t.Fatalf("the next good event got %d %s", got.status, got.body)
			}
		})
	}
}

// 24: a body that comes in single bytes is ended by the limit on the whole.
func TestHostileDrippingBody(t *testing.T) {
	p := build(t, SourceConfig{}, nil)
	p.limits = limits{bodyRead: 200 * time.Millisecond, bodyTotal: 300 * time.Millisecond, answer: time.Second, refuse: 100 * time.Millisecond}
	p.start(t)
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
	began := time.Now()
	done := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(c)
		done <- string(b)
	}()
	for {
		select {
		case got := <-done:
			if d := time.Since(began); d > 3*time.Second || !strings.Contains(got, "408") {
				t.Errorf("after %v: %q", d, got)
			}
			return
		case <-time.After(50 * time.Millisecond):
			_, _ = c.Write([]byte("x"))
		}
	}
}

// 30: requests that come without waiting for answers are answered one after the other, and nothing in their bodies is
// taken for a request or for a header.
func TestHostilePipelining(t *testing.T) {
	p := startSource(t, SourceConfig{})
	const n = 1000
	var b strings.Builder
	body := "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n folded\r\n\r\n"
	for i := range n {
		b.WriteString("POST / HTTP/1.1\r\nHost: x\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n"))
		if i == n-1 {
			b.WriteString("Connection: close\r\n")
		}
		if i%2 == 0 {
			fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
			continue
		}
		fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\n\r\n%x;ext=1\r\n%s\r\n3\r\nabc\r\n0\r\n\r\n", len(body), body)
	}
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, b.String())
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	got := statuses(string(answer))
	if len(got) != n || len(p.events()) != n {
		t.Fatalf("%d answers and %d events, want %d: …%.200q", len(got), len(p.events()), n, answer[max(0, len(answer)-200):])
	}
	for i, e := range p.events() {
		want := body
		if i%2 == 1 {
			want += "abc"
		}
		if string(e.Data) != want {
			t.Fatalf("event %d holds %q", i, e.Data)
		}
	}
}

// 31: connections beyond the limit wait while all others are in use, and get their turn when one closes.
func TestHostileIdleConnections(t *testing.T) {
	p := startSource(t, SourceConfig{MaxConnections: 2, MaxConnectionsPerAddress: 2})
	var busy []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n%s\r\n", strings.ReplaceAll(minimal, "\n", "\r\n"))
		busy = append(busy, c)
	}
	for n := 0; n < 2; n, _ = p.window.InFlight() {
		time.Sleep(time.Millisecond)
	}
	text := "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	if got := dialFrom(t, "127.0.0.2", p.Addr(), text, 300*time.Millisecond); got != "" {
		t.Errorf("a third connection was served: %q", got)
	}
	busy[0].Close()
	if got := dialFrom(t, "127.0.0.2", p.Addr(), text, 5*time.Second); !strings.Contains(got, "405") {
		t.Errorf("after one closed: %q", got)
	}
}

// dialFrom is raw from another address of the loopback network.
func dialFrom(t *testing.T, from, addr, text string, wait time.Duration) string {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Skipf("NOT TESTED: this machine has no address %s: %v", from, err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		return ""
	}
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(c)
	return string(got)
}

// B20: 64 KiB of two-byte characters in one attribute are 192 KiB of header.
func TestLargestEventFitsIntoHeaders(t *testing.T) {
	p := startSource(t, SourceConfig{})
	value := strings.Repeat("é", 32<<10)
	e := parse(t, minimalJSON)
	e.Set("big", value, 0)
	m := message{Header: nethttp.Header{}}
	if err := encode(&m, e, bindings.ModeBinary, 0); err != nil {
		t.Fatal(err)
	}
	req := request(t, nethttp.MethodPost, p.url(), "", nil)
	req.Header = m.Header
	if got := do(t, client(t), req); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got, _ := p.events()[0].Get("big"); got != value {
		t.Errorf("the value arrived with %d bytes, want %d", len(got), len(value))
	}
}

func zip(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGzip(t *testing.T) {
	p := startSource(t, SourceConfig{MaxBody: new(bindings.Size(1 << 20))})
	good := zip(t, []byte(minimalJSON))
	for _, tt := range []struct {
		name   string
		body   []byte
		status int
	}{
		{"good", good, 204},
		{"37 gzip of gzip", zip(t, good), 400},
		{"38 truncated", good[:len(good)-5], 400},
		{"trailing garbage", append(bytes.Clone(good), "garbage"...), 400},
		{"at the limit", zip(t, append([]byte(minimalJSON), bytes.Repeat([]byte(" "), 1<<20-len(minimalJSON))...)), 204},
		{"above the limit", zip(t, append([]byte(minimalJSON), bytes.Repeat([]byte(" "), 1<<20+1-len(minimalJSON))...)), 413},
	} {
		if got := post(t, p.url(), structuredType+"Content-Encoding: gzip", string(tt.body)); got.status != tt.status {
			t.Errorf("%s: %d %s", tt.name, got.status, got.body)
		}
	}
}

// 36: 200 MiB that came as 200 KiB must not be inflated further than the limit.
func TestHostileGzipBomb(t *testing.T) {
	p := startSource(t, SourceConfig{MaxBody: new(bindings.Size(1 << 20))})
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 200 {
		_, _ = w.Write(zeros)
	}
	w.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := post(t, p.url(), minimal+"Content-Encoding: gzip", b.String())
	runtime.ReadMemStats(&after)
	if got.status != 413 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d MiB were allocated for it", used>>20)
	}
}

// A sender that goes away does not take its event with it, nor the room the event has in the window.
func TestSenderThatLeaves(t *testing.T) {
	p := build(t, SourceConfig{}, nil)
	held := make(chan *bindings.Batch, 1)
	p.settle = func(b *bindings.Batch) { b.Expect(1); held <- b }
	p.start(t)
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n%s\r\nx", strings.ReplaceAll(minimal, "\n", "\r\n"))
	b := <-held
	c.Close()
	time.Sleep(20 * time.Millisecond)
	if n, _ := p.window.InFlight(); n != 1 || string(b.Events[0].Data) != "x" {
		t.Errorf("%d events in flight, data %q", n, b.Events[0].Data)
	}
	b.Done(1)
}

// Whatever way the bytes are cut, the guard sees the same.
func FuzzGuard(f *testing.F) {
	head := "POST / HTTP/1.1\r\nHost: x\r\n"
	f.Add(head+"Content-Length: 5\r\n\r\nabcdePOST / HTTP/1.1\r\n folded\r\n\r\n", 3)
	f.Add(head+"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n"+head+"Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 7)
	f.Add(head+"Content-Length: 18446744073709551615\r\n\r\nabc", 1)
	f.Add(head+"x: y\r\n z\r\n\r\n", 2)
	f.Fuzz(func(t *testing.T, text string, step int) {
		var whole, cut guard
		want := whole.feed([]byte(text))
		step = max(1, min(step, len(text)))
		got := 0
		for got < len(text) {
			p := []byte(text[got:min(got+step, len(text))])
			n := cut.feed(p)
			got += n
			if n < len(p) {
				break
			}
		}
		if got != want {
			t.Fatalf("%q: %d bytes pass at once, %d in steps of %d", text, want, got, step)
		}
	})
}
