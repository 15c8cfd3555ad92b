package http

import (
	"bufio"
	"bytes"
	"io"
	"net"
	nethttp "net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/envelope"
)

// headerMeter is a server that counts the bytes of each request's header as they come, its first line among them.
type headerMeter struct {
	url string

	mu    sync.Mutex // guards what follows
	sizes []int
	modes []string // binary or structured
}

func meter(t *testing.T) *headerMeter {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &headerMeter{url: "http://" + ln.Addr().String() + "/in?token=abc"}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				m.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	return m
}

// serve answers one request and ends the connection.
func (m *headerMeter) serve(c net.Conn) {
	var head bytes.Buffer
	r := bufio.NewReader(c)
	for !bytes.HasSuffix(head.Bytes(), []byte("\r\n\r\n")) {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		head.Write(line)
	}
	size, mode := head.Len(), "binary"
	req, err := nethttp.ReadRequest(bufio.NewReader(io.MultiReader(&head, r)))
	if err != nil {
		return
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return
	}
	if strings.HasPrefix(req.Header.Get("Content-Type"), "application/cloudevents") {
		mode = "structured"
	}
	m.mu.Lock()
	m.sizes, m.modes = append(m.sizes, size), append(m.modes, mode)
	m.mu.Unlock()
	_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n") // a test's target
}

func (m *headerMeter) last() (size int, mode string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sizes) == 0 {
		return 0, ""
	}
	return m.sizes[len(m.sizes)-1], m.modes[len(m.modes)-1]
}

// TestLargeHeaderLeavesStructured: no binary request has more header than max_header, and none leaves structured whose
// header would have fitted.
func TestLargeHeaderLeavesStructured(t *testing.T) {
	secret := map[string]security.Secret{"X-Key": security.NewSecret(strings.Repeat("k", 1000))}
	sign := &Sign{Secrets: []security.Secret{security.NewSecret("whsec_" + strings.Repeat("YWFh", 11)), security.NewSecret("whsec_" + strings.Repeat("YmJi", 11))}}
	for _, tt := range []struct {
		name string
		cfg  SinkConfig
		max  int
	}{
		{"default", SinkConfig{}, 8 << 10},
		{"configured", SinkConfig{MaxHeader: 3000}, 3000},
		{"with headers of its own", SinkConfig{Headers: secret, Sign: sign}, 8 << 10},
		{"generous", SinkConfig{MaxHeader: 1 << 20}, 1 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := meter(t)
			tt.cfg.URL = m.url
			s := startSink(t, tt.cfg, nil)
			fits := 0
			for _, n := range []int{0, 1000, 2000, 2400, 2600, 6000, 6500, 7000, 7400, 7600, 7900, 9000, 40_000} {
				e := parse(t, minimalJSON)
				e.Set("note", strings.Repeat("x", n), envelope.KindString)
				if n > 40 {
					e.Set("note", strings.Repeat("é", n/6), envelope.KindString)
				}
				p, err := s.Preview(e)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Send(t.Context(), list(e)); err != nil {
					t.Fatalf("%d bytes: %v", n, err)
				}
				size, mode := m.last()
				if size > tt.max {
					t.Errorf("%d bytes of attribute: a header of %d bytes, want at most %d", n, size, tt.max)
				}
				if mode != p.Mode {
					t.Errorf("%d bytes: %s, and Preview said %s", n, mode, p.Mode)
				}
				if mode == "binary" {
					fits = max(fits, size)
				}
			}
			if fits < min(tt.max, 40_000)-ownHeader-600 {
				t.Errorf("the largest binary header has %d bytes of %d", fits, tt.max)
			}
		})
	}
}

// TestLargeHeaderWithoutWayOut: what the structured format cannot hold leaves binary nevertheless, for the target may
// take it.
func TestLargeHeaderWithoutWayOut(t *testing.T) {
	m := meter(t)
	s := startSink(t, SinkConfig{URL: m.url}, func(s *bindings.SinkSettings) { s.Format = envelope.FormatXML })
	e := parse(t, minimalJSON)
	e.Set("1digit", strings.Repeat("x", 9000), envelope.KindString) // no XML name
	if err := s.Send(t.Context(), list(e)); err != nil {
		t.Fatal(err)
	}
	if size, mode := m.last(); mode != "binary" || size < 9000 {
		t.Errorf("left %s with a header of %d bytes", mode, size)
	}
}

// TestTooLargeNamesTheSizes: the target's limit is its own, so that the error has the sizes to compare it with.
func TestTooLargeNamesTheSizes(t *testing.T) {
	for _, status := range []int{nethttp.StatusRequestEntityTooLarge, nethttp.StatusRequestHeaderFieldsTooLarge} {
		v := receive(t, func(_ int, w nethttp.ResponseWriter, _ receipt) { w.WriteHeader(status) })
		s := startSink(t, SinkConfig{URL: v.URL}, nil)
		e := parse(t, minimalJSON)
		e.Data, e.DataContentType = make([]byte, 4321), "application/octet-stream"
		err := s.Send(t.Context(), list(e))
		if want := "permanent too_large " + strconv.Itoa(status); class(err) != want || !strings.HasSuffix(err.Error(), " of body") ||
			!strings.Contains(err.Error(), "bytes of header and 4321") || !strings.HasPrefix(err.Error(), "http: "+v.URL) {
			t.Errorf("got %s: %v", class(err), err)
		}
	}
}
