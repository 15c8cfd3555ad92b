package http

import (
	"context"
	"crypto/x509"
	"net"
	nethttp "net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
)

// draining starts a source, over TLS where tls is true, brings one request under way and stops it. release lets the
// request end.
func draining(t *testing.T, secure bool) (p *ingress, c *nethttp.Client, first <-chan reply, release func()) {
	t.Helper()
	cfg, tr := SourceConfig{}, &nethttp.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	if secure {
		a := newAuthority(t)
		a.make(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
		cfg.TLS = a.tls("server")
		cfg.TLS.CA = ""
		client, err := a.tls("").Client()
		if err != nil {
			t.Fatal(err)
		}
		tr.TLSClientConfig, tr.ForceAttemptHTTP2 = client, true
	}
	p = build(t, cfg, nil)
	held := make(chan *bindings.Batch, 1)
	p.settle = func(b *bindings.Batch) { b.Expect(1); held <- b }
	p.start(t)
	c = &nethttp.Client{Transport: tr, Timeout: 20 * time.Second}
	answered := make(chan reply, 1)
	go func() {
		answered <- do(t, c, request(t, nethttp.MethodPost, scheme(secure)+p.Addr(), minimal, strings.NewReader("x")))
	}()
	b := <-held
	p.stop()
	for !p.isDraining() {
		time.Sleep(time.Millisecond)
	}
	return p, c, answered, func() { b.Done(1) }
}

func scheme(secure bool) string {
	if secure {
		return "https://"
	}
	return "http://"
}

// The port was closed at once, so that new requests were refused a connection for the whole drain, where 503 is promised.
func TestPortAnswersWhileItDrains(t *testing.T) {
	p, _, first, release := draining(t, false)
	for range 3 {
		got := post(t, p.url(), minimal, "x") // over a new connection each
		if got.status != 503 || !got.last || got.header.Get("Retry-After") == "" {
			t.Errorf("a new request got %d %v", got.status, got.header)
		}
	}
	release()
	if got := <-first; got.status != 204 || !got.last {
		t.Errorf("the request under way got %d %v", got.status, got.header)
	}
	ended(t, p)
}

// Over HTTP/2 a new stream gets 503, and the connection GOAWAY with it; what was under way on it ends well.
func TestPortAnswersWhileItDrainsOverHTTP2(t *testing.T) {
	p, c, first, release := draining(t, true)
	for i := range 3 { // over the connection of the request under way first, then over new ones
		reused := false
		r := request(t, nethttp.MethodPost, "https://"+p.Addr(), minimal, strings.NewReader("x"))
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused },
		}))
		got := do(t, c, r)
		if got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("request %d got %d %v", i, got.status, got.header)
		}
		if reused != (i == 0) {
			t.Errorf("request %d is on the connection of the one before: %v, want GOAWAY after the first", i, reused)
		}
	}
	release()
	if got := <-first; got.status != 204 {
		t.Errorf("the request under way got %d", got.status)
	}
	ended(t, p)
}

// ended waits for Run and holds that the port is closed after it.
func ended(t *testing.T, p *ingress) {
	t.Helper()
	if err := <-p.done; err != nil {
		t.Error(err)
	}
	p.done <- nil
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

// A port of the router answers for as long as any source drains: on a path whose source has ended, and where every
// source of the port has.
func TestKeptPortAnswersUntilThePoolIsClosed(t *testing.T) {
	pool := NewServerPool()
	settings := bindings.SourceSettings{Log: zap.NewNop(), Window: bindings.NewWindow(10, 0)}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	addr := ""
	for _, path := range []string{"/a", "/b"} {
		settings.Name = path
		s, err := pool.NewSource(SourceConfig{Listen: "127.0.0.1:0", Path: path}, settings)
		if err != nil {
			t.Fatal(err)
		}
		addr = s.Addr()
		wg.Go(func() {
			if err := s.Run(ctx, confirm); err != nil {
				t.Error(err)
			}
		})
	}
	pool.Serve()
	for post(t, "http://"+addr+"/a", minimal, "").status != 204 || post(t, "http://"+addr+"/b", minimal, "").status != 204 {
		time.Sleep(time.Millisecond)
	}
	stop()
	wg.Wait()
	for path, want := range map[string]int{"/a": 503, "/b": 503, "/c": 404} {
		if got := post(t, "http://"+addr+path, minimal, ""); got.status != want {
			t.Errorf("%s got %d, want %d", path, got.status, want)
		}
	}
	pool.Close()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
	if len(pool.servers) != 0 {
		t.Error("the pool holds a port")
	}
}
