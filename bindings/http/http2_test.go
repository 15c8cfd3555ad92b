package http

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	nethttp "net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// startHTTP2 starts a source with TLS and returns a client that speaks HTTP/2 to it, with a certificate for name.
func startHTTP2(t *testing.T, cfg SourceConfig, name string) (*ingress, *nethttp.Client) {
	t.Helper()
	a := newAuthority(t)
	a.make(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	a.make(t, "client", &x509.Certificate{DNSNames: []string{name}})
	cfg.TLS = a.tls("server")
	config, err := a.tls("client").Client()
	if err != nil {
		t.Fatal(err)
	}
	tr := &nethttp.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	p := startSource(t, cfg)
	t.Cleanup(tr.CloseIdleConnections) // before the source ends, which waits for them
	return p, &nethttp.Client{Transport: tr, Timeout: 20 * time.Second}
}

// pieces is a body that is read in pieces of one size, each of which the client sends as a frame.
type pieces struct{ count, size int }

func (p *pieces) Read(b []byte) (int, error) {
	if p.count == 0 {
		return 0, io.EOF
	}
	p.count--
	n := min(p.size, len(b))
	clear(b[:n])
	return n, nil
}

// A body in small frames ended its connection: more than 512 of less than 256 bytes came before net/http, which answers every
// 4 KiB, had anything to write.
func TestBodyInSmallFramesIsTaken(t *testing.T) {
	p, c := startHTTP2(t, SourceConfig{}, "a")
	for _, tt := range []pieces{{3000, 1}, {3000, 7}, {5000, 10}, {3000, 255}, {3000, 300}, {60, 16 << 10}} {
		body := tt
		req := request(t, nethttp.MethodPost, "https://"+p.Addr(), minimal, &body)
		req.Trailer = nethttp.Header{"Ce-Id": {"2"}}
		got := do(t, c, req)
		events := p.events()
		if got.status != 204 || len(events[len(events)-1].Data) != tt.count*tt.size || events[len(events)-1].ID != "1" {
			t.Errorf("%d pieces of %d bytes: got %d %s", tt.count, tt.size, got.status, got.body)
		}
	}
}

// A client that sends pings and small frames of nothing, and reads no answers, loses its connection as before.
func TestUnreadAnswersEndTheConnection(t *testing.T) {
	f := &frameGuard{}
	for range maxUnanswered {
		if !f.mayAnswer(framePing, 0) {
			t.Fatal("refused too early")
		}
	}
	if f.mayAnswer(frameData, 0) {
		t.Error("data on top of as many frames as may be passed")
	}
	f.wrote()
	for range maxUnanswered * dataShare {
		if !f.mayAnswer(frameData, 0) {
			t.Fatal("data is refused too early")
		}
	}
	if f.mayAnswer(frameData, flagEndStream) {
		t.Error("as much data as may be, and more, passed")
	}
}

// Every request over HTTP/2 needs some of the memory for headers while its header is decoded. 7 MiB of headers that did not
// end, over HTTP/1 and on any port, took all of it: each HTTP/2 connection ended at its next request.
func TestUnfinishedHeadersLeaveHTTP2Alone(t *testing.T) {
	p, c := startHTTP2(t, SourceConfig{}, "a")
	for _, text := range []string{"10.0.0.1/32", "10.0.0.2/32"} {
		who := sender{netip.MustParsePrefix(text)}
		if !p.server.pool.memory.take(who, headerMemory/2) {
			t.Fatal("there is no such room")
		}
		defer p.server.pool.memory.give(who, headerMemory/2)
	}
	for range 3 {
		if got := do(t, c, request(t, nethttp.MethodPost, "https://"+p.Addr(), minimal, strings.NewReader("x"))); got.status != 204 {
			t.Errorf("got %d", got.status)
		}
	}
}

// The headers of one address have half of the memory, and leave the rest to others.
func TestHeadersOfOneAddressAreBounded(t *testing.T) {
	p := startSource(t, SourceConfig{})
	head := "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n") + "a: " + strings.Repeat("x", 100<<10)
	for range 200 {
		io.WriteString(connect(t, p.Addr()), head)
	}
	used := func() int {
		q := p.server.pool.memory
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.used
	}
	for end := time.Now().Add(3 * time.Second); used() < headerMemory/4; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are used", used())
		}
	}
	if got := dialFrom(t, "127.0.0.2", p.Addr(), head+"\r\n\r\n", 5*time.Second); !strings.Contains(got, "204") {
		t.Errorf("another address got %.100q", got)
	}
}

// The port makes the handshake itself. What it found out about the client holds for requests of either version.
func TestClientNamesOverEachVersion(t *testing.T) {
	for name, want := range map[string]int{"sender.example": 204, "other.example": 403} {
		cfg := SourceConfig{Auth: &SourceAuth{ClientNames: []string{"sender.example"}}}
		p, c := startHTTP2(t, cfg, name)
		tr := c.Transport.(*nethttp.Transport)
		one := &nethttp.Transport{TLSClientConfig: tr.TLSClientConfig.Clone(), TLSNextProto: map[string]func(string, *tls.Conn) nethttp.RoundTripper{}}
		t.Cleanup(one.CloseIdleConnections)
		for proto, c := range map[string]*nethttp.Client{"HTTP/2.0": c, "HTTP/1.1": {Transport: one}} {
			resp, err := c.Do(request(t, nethttp.MethodPost, "https://"+p.Addr(), minimal, strings.NewReader("x")))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != want || resp.Proto != proto {
				t.Errorf("%s over %s: got %d over %s, want %d", name, proto, resp.StatusCode, resp.Proto, want)
			}
		}
	}
}

// A client resets the stream of a body that is refused before its end. A hundred at a time that got 429 were more resets than
// a peer may send, and their connection ended with all that was under way on it.
func TestRefusedBodiesKeepTheirConnection(t *testing.T) {
	p, c := startHTTP2(t, SourceConfig{}, "a")
	bound, _ := p.window.Bounds()
	if !p.window.TryAcquire(bound, 0) {
		t.Fatal("no room")
	}
	defer p.window.Release(bound, 0)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 20 {
				resp, err := c.Do(request(t, nethttp.MethodPost, "https://"+p.Addr(), minimal, &pieces{1000, 1000}))
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				if resp.StatusCode != 429 {
					t.Errorf("got %d", resp.StatusCode)
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	wg.Wait()
}
