package http

import (
	"bufio"
	"bytes"
	"fmt"
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
	url    string
	status int // of the answers

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
	m := &headerMeter{url: "http://" + ln.Addr().String(), status: nethttp.StatusNoContent}
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
	_, _ = io.WriteString(c, "HTTP/1.1 "+strconv.Itoa(m.status)+" x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") // a test's target
}

func (m *headerMeter) last() (size int, mode string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sizes) == 0 {
		return 0, ""
	}
	return m.sizes[len(m.sizes)-1], m.modes[len(m.modes)-1]
}

// noted returns an event with an attribute of n bytes.
func noted(t *testing.T, n int) *envelope.Event {
	e := parse(t, `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":12345}}`)
	e.Set("note", strings.Repeat("x", n), envelope.KindString)
	return e
}

// Only a fixed 512 bytes were set aside for the first line, Host, ids and signatures: a path made by a template, or many
// keys, led to more header than max_header says, and without them an event left structured that would have fitted. An
// event whose header has max_header bytes to the last one leaves binary, and with one more structured.
func TestMaxHeaderIsKeptToTheByte(t *testing.T) {
	secret := map[string]security.Secret{"X-Key": security.NewSecret(strings.Repeat("k", 1000))}
	var keys []security.Secret
	for i := range 11 {
		keys = append(keys, security.NewSecret("key "+strconv.Itoa(i)))
	}
	long := func(e *envelope.Event) { e.Subject = strings.Repeat("s/ é", 200) }
	for _, tt := range []struct {
		name, path string
		cfg        SinkConfig
		max        int
		change     func(*envelope.Event)
	}{
		{"default", "/in?token=abc", SinkConfig{}, 8 << 10, nil},
		{"no path", "", SinkConfig{}, 8 << 10, nil},
		{"configured", "/", SinkConfig{MaxHeader: new(bindings.Size(3000))}, 3000, nil},
		{"headers of its own", "/", SinkConfig{Headers: secret, Auth: &SinkAuth{Basic: &Basic{Username: "u", Password: keys[0]}}}, 8 << 10, nil},
		{"one key", "/", SinkConfig{Sign: &Sign{Secret: keys[0]}}, 8 << 10, nil},
		{"eleven keys", "/", SinkConfig{Sign: &Sign{Secret: keys[0], Secrets: keys[1:]}}, 8 << 10, nil},
		{"a path from the event", "/in/{id}/{type}?at={source}", SinkConfig{}, 8 << 10, nil},
		{"a long path from the event", "/in/{subject}?at={subject}", SinkConfig{MaxHeader: new(bindings.Size(64 << 10))}, 64 << 10, long},
		{"no data", "/", SinkConfig{}, 8 << 10, func(e *envelope.Event) { e.Data = nil }},
		{"much data", "/", SinkConfig{}, 8 << 10, func(e *envelope.Event) {
			e.Data, e.DataContentType = make([]byte, 123_456), "application/octet-stream"
		}},
		{"a trace", "/", SinkConfig{}, 8 << 10, func(e *envelope.Event) {
			e.Meta.Transport = "http"
			e.Meta.Headers = []envelope.Header{{Name: "traceparent", Value: []byte("00-1")}, {Name: "tracestate", Value: bytes.Repeat([]byte("a"), 300)}}
		}},
		{"a trace that the configuration has", "/", SinkConfig{Headers: map[string]security.Secret{"traceparent": keys[0]}}, 8 << 10, func(e *envelope.Event) {
			e.Meta.Transport, e.Meta.Headers = "http", []envelope.Header{{Name: "traceparent", Value: []byte("00-1")}}
		}},
		{"generous", "/", SinkConfig{MaxHeader: new(bindings.Size(1 << 20))}, 1 << 20, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := meter(t)
			tt.cfg.URL = m.url + tt.path
			s := startSink(t, tt.cfg, nil)
			send := func(n int) (size int, mode string) {
				t.Helper()
				e := noted(t, n)
				if tt.change != nil {
					tt.change(e)
				}
				p, err := s.Preview(e)
				if err == nil {
					err = s.Send(t.Context(), list(e))
				}
				if err != nil {
					t.Fatalf("%d bytes: %v", n, err)
				}
				if size, mode = m.last(); mode != p.Mode {
					t.Errorf("%d bytes: %s, and Preview said %s", n, mode, p.Mode)
				}
				return size, mode
			}
			size, mode := send(1)
			if mode != "binary" {
				t.Fatalf("one byte of attribute leaves %s", mode)
			}
			most := 1 + tt.max - size
			if size, mode := send(most); mode != "binary" || size != tt.max {
				t.Errorf("left %s with a header of %d bytes, want binary with %d", mode, size, tt.max)
			}
			if size, mode := send(most + 1); mode != "structured" {
				t.Errorf("left %s with a header of %d bytes, want structured", mode, size)
			}
		})
	}
}

// An attribute that is in the path too counts twice. Such an event had 10 KB of header at a limit of 8 KiB, where the
// structured request keeps it.
func TestPathOfTheEventCountsAsHeader(t *testing.T) {
	m := meter(t)
	s := startSink(t, SinkConfig{URL: m.url + "/p/{subject}"}, nil)
	e := noted(t, 1)
	e.Subject = strings.Repeat("s", 5000)
	if err := s.Send(t.Context(), list(e)); err != nil {
		t.Fatal(err)
	}
	if size, mode := m.last(); mode != "structured" || size > 8<<10 {
		t.Errorf("left %s with a header of %d bytes", mode, size)
	}
}

// A sink whose own headers left no room for an event's sent every one of them structured and did not say so.
func TestMaxHeaderWithoutRoomIsRefused(t *testing.T) {
	key := map[string]security.Secret{"X-Key": security.NewSecret(strings.Repeat("k", 9000))}
	for _, tt := range []struct {
		name string
		cfg  SinkConfig
		mode bindings.Mode
		ok   bool
	}{
		{"the limit is small", SinkConfig{MaxHeader: new(bindings.Size(100))}, bindings.ModeBinary, false},
		{"a header is large", SinkConfig{Headers: key}, bindings.ModeDefault, false},
		{"a header is large and so is the limit", SinkConfig{Headers: key, MaxHeader: new(bindings.Size(10_000))}, bindings.ModeDefault, true},
		{"no request is binary", SinkConfig{Headers: key}, bindings.ModeStructured, true},
		{"no request is binary, in batches", SinkConfig{Headers: key}, bindings.ModeBatch, true},
	} {
		tt.cfg.URL = "http://127.0.0.1:1/{type}"
		_, err := NewSink(tt.cfg, bindings.SinkSettings{Mode: tt.mode})
		if (err == nil) != tt.ok || err != nil && (fields(err) != "max_header" || !strings.Contains(err.Error(), "raise it")) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// What a header takes is counted for each event, so that has to cost nothing.
func TestFitsAllocations(t *testing.T) {
	s := startSink(t, SinkConfig{URL: "http://127.0.0.1:1/p/{subject}?at={id}"}, nil)
	e := noted(t, 100)
	e.Subject = "a b/é"
	u, err := s.address(e)
	if err != nil {
		t.Fatal(err)
	}
	m := message{Header: nethttp.Header{}}
	if err := encode(&m, e, bindings.ModeBinary, envelope.FormatJSON); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(200, func() {
		if !s.fits(u, &m) {
			t.Fatal("does not fit")
		}
	}); n > 0 {
		t.Errorf("counting allocates %v times, want 0", n)
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
		m := meter(t)
		m.status = status
		s := startSink(t, SinkConfig{URL: m.url + "/{type}"}, nil)
		e := parse(t, minimalJSON)
		e.Data, e.DataContentType = make([]byte, 4321), "application/octet-stream"
		err := s.Send(t.Context(), list(e))
		size, _ := m.last()
		sizes := fmt.Sprintf("the request had %d bytes of header and 4321 of body", size)
		if want := "permanent too_large " + strconv.Itoa(status); class(err) != want || !strings.HasSuffix(err.Error(), sizes) ||
			!strings.HasPrefix(err.Error(), "http: "+m.url) {
			t.Errorf("got %s: %v, want %s", class(err), err, sizes)
		}
	}
}
