package http

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
)

// The guard lost step with net/http, so that a later request of the connection passed with two lengths: after a line end
// between two requests, which net/http skips; and after a length in more than 64 characters, of which it kept the
// beginning alone.
func TestGuardKeepsStep(t *testing.T) {
	p := startSource(t, SourceConfig{})
	head := "POST / HTTP/1.1\r\nHost: x\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n")
	good := head + "Content-Length: 1\r\n\r\nx"
	smuggled := head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	pad := strings.Repeat(" ", 70)
	zeros := strings.Repeat("0", 70)
	for _, tt := range []struct{ name, text, want string }{
		{"nothing between", good + smuggled, "204 400"},
		{"a line end between", good + "\r\n" + smuggled, "204 400"},
		{"two line ends between", good + "\r\n\r\n" + smuggled, "204 400"},
		{"a bare line feed between", good + "\n" + smuggled, "204 400"},
		{"a line end between two good ones", good + "\r\n" + strings.Replace(good, "Host", "Connection: close\r\nHost", 1), "204 204"},
		{"a length after blanks", head + "Content-Length:" + pad + "1\r\n\r\nx" + smuggled, "400"},
		{"a length after zeros", head + "Content-Length: " + zeros + "1\r\n\r\nx" + smuggled, "400"},
		{"a length before blanks", head + "Content-Length: 1" + pad + "\r\n\r\nx" + smuggled, "400"},
		{"a coding after blanks", head + "Transfer-Encoding:" + pad + "chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" + smuggled, "400"},
		{"a chunk's size after zeros", head + "Transfer-Encoding: chunked\r\n\r\n" + zeros + "1\r\nx\r\n0\r\n\r\n" + smuggled, "400"},
		{"a chunk with an extension", head + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", 100) + "\r\nx\r\n0\r\n\r\n" + smuggled, "204 400"},
		{"trailers", head + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\na: b\r\nTransfer-Encoding: x\r\n\r\n" + smuggled, "204 400"},
		{"100-continue", head + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx" + smuggled, "100 204 400"},
	} {
		if got := strings.Join(statuses(raw(t, p.Addr(), tt.text, 5*time.Second)), " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// A refusal comes in its turn, after the answers to the requests before it, says why, and ends the connection; whatever the
// pieces are in which the bytes come.
func TestRefusedHeadersAreAnsweredInTurn(t *testing.T) {
	p := startSource(t, SourceConfig{})
	good := "POST / HTTP/1.1\r\nHost: x\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n") + "Content-Length: 1\r\n\r\nx"
	for _, tt := range []struct{ name, text, status, why string }{
		{"folded", "POST / HTTP/1.1\r\nHost: x\r\na: b\r\n c\r\n\r\n", "400", "folded"},
		{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400", "more than one"},
		{"257 lines", "POST / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", 257) + "\r\n", "431", "256"},
		{"too large", "POST / HTTP/1.1\r\na: " + strings.Repeat("x", maxHeaderBytes) + "\r\n\r\n", "431", "262144"},
		{"another version", "POST / HTTP/3.0\r\n\r\n", "505", "HTTP/1.1"},
		{"no version", "POST /\r\n\r\n", "400", "HTTP/1.1"},
	} {
		whole := good + good + tt.text + good // what comes after is not read any more
		for _, step := range []int{1, 7, 4096, len(whole)} {
			if step < 7 && len(whole) > 10_000 {
				continue
			}
			got := inSteps(t, p.Addr(), whole, step)
			if s := strings.Join(statuses(got), " "); s != "204 204 "+tt.status || !strings.Contains(got, tt.why) {
				t.Errorf("%s in steps of %d: got %s, want 204 204 %s and %q", tt.name, step, s, tt.status, tt.why)
			}
		}
	}
}

func inSteps(t *testing.T, addr, text string, step int) string {
	t.Helper()
	c := connect(t, addr)
	go func() {
		for len(text) > 0 {
			n := min(step, len(text))
			if _, err := fmt.Fprint(c, text[:n]); err != nil {
				return
			}
			text = text[n:]
		}
	}()
	return readAll(t, c, 10*time.Second)
}

// The beginning of a header may come with the end of the request before, whose answer may take as long as reply_timeout. Its
// time ran meanwhile, although nobody read, so that one who pipelined requests to a slow target got 408 after five seconds.
func TestPipelinedHeaderHasItsTimeWhileItIsRead(t *testing.T) {
	p := build(t, SourceConfig{}, nil)
	p.server.ln.headerTime = 300 * time.Millisecond
	p.settle = func(b *bindings.Batch) {
		b.Expect(1)
		time.AfterFunc(600*time.Millisecond, func() { b.Done(1) })
	}
	p.start(t)
	one := "POST / HTTP/1.1\r\nHost: x\r\na: " + strings.Repeat("x", 3000) + "\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n") +
		"Content-Length: 1\r\n\r\nx"
	all := strings.Repeat(one, 3) + strings.Replace(one, "Host", "Connection: close\r\nHost", 1)
	if got := strings.Join(statuses(raw(t, p.Addr(), all, 20*time.Second)), " "); got != "204 204 204 204" {
		t.Errorf("got %s", got)
	}
	// One that does not end has that time still, from the first read that waits for it.
	began := time.Now()
	got := statuses(raw(t, p.Addr(), one+one[:2000], 20*time.Second))
	if s, took := strings.Join(got, " "), time.Since(began); s != "204 408" || took > 10*time.Second {
		t.Errorf("got %s after %v, want 204 408", s, took)
	}
}

// A header that comes byte by byte has no more time than another one.
func TestDrippingHeaderIsEnded(t *testing.T) {
	p := build(t, SourceConfig{}, nil)
	p.server.ln.headerTime = 300 * time.Millisecond
	p.start(t)
	c := connect(t, p.Addr())
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\na: ")
	stop := time.AfterFunc(3*time.Second, func() { fmt.Fprint(c, "\r\n\r\n") })
	defer stop.Stop()
	go func() {
		for {
			if _, err := fmt.Fprint(c, "x"); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	if got := strings.Join(statuses(readAll(t, c, 10*time.Second)), " "); got != "408" {
		t.Errorf("got %s, want 408", got)
	}
}
