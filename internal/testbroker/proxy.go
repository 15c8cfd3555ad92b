package testbroker

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between clients and a server on TCP and makes go wrong what goes wrong with networks.
type Proxy struct {
	tb     testing.TB
	addr   net.Addr
	target string
	// answers, if not nil, wraps what is read from the server.
	answers func(own net.Addr, from io.Reader) io.Reader
	closed  chan struct{}
	wg      sync.WaitGroup

	mu sync.Mutex   // guards what follows
	ln net.Listener // nil while cut
	// release gives up the port that is held while cut.
	release func()
	mode    mode
	lose    int // answers to lose yet
	delay   time.Duration
	conns   map[net.Conn]struct{}
}

type mode uint8

const (
	passing mode = iota
	cut
	blackHole
)

// NewProxy starts a proxy to the address of a server, on a free port of the loopback interface. It is closed when the
// test ends.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	return newProxy(tb, target, nil)
}

func newProxy(tb testing.TB, target string, answers func(net.Addr, io.Reader) io.Reader) *Proxy {
	tb.Helper()
	p := &Proxy{
		tb: tb, target: target, answers: answers, closed: make(chan struct{}), conns: map[net.Conn]struct{}{},
		release: func() {},
	}
	p.listen("127.0.0.1:0")
	tb.Cleanup(func() {
		close(p.closed)
		p.set(cut)
		p.release()
		p.wg.Wait()
	})
	return p
}

// listen opens the port; p.mu is held, or nobody knows p yet.
func (p *Proxy) listen(addr string) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		p.tb.Errorf("proxy: %v", err)
		return
	}
	p.ln = ln
	if p.addr == nil {
		p.addr = ln.Addr()
	}
	p.wg.Go(func() { p.accept(ln) })
}

// Addr is where clients connect to.
func (p *Proxy) Addr() net.Addr { return p.addr }

// Pass lets everything through again. Connections that missed something are cut.
func (p *Proxy) Pass() { p.set(passing) }

// Cut ends all connections and closes the port.
func (p *Proxy) Cut() { p.set(cut) }

// BlackHole accepts connections and bytes from now on and hands on none, in either direction.
func (p *Proxy) BlackHole() { p.set(blackHole) }

// Delay makes everything that is handed on from now on wait.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// LoseResponse lets the next bytes that come back from the server get lost, together with their connection.
func (p *Proxy) LoseResponse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose++
}

func (p *Proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m == cut || m == passing && p.mode == blackHole {
		for c := range p.conns {
			_ = c.Close() // the pumps take note
		}
	}
	p.mode = m
	if m == passing {
		p.lose, p.delay = 0, 0
	}
	switch {
	case m == cut && p.ln != nil:
		_ = p.ln.Close() // which ends accept
		p.ln = nil
		p.release = reserve(p.addr.(*net.TCPAddr))
	case m != cut && p.ln == nil:
		p.release()
		p.listen(p.addr.String())
	}
}

func (p *Proxy) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(c) })
	}
}

// serve carries one connection to its end.
func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	if !p.keep(client) {
		return
	}
	defer p.forget(client)
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.keep(server) {
		return
	}
	defer p.forget(server)
	var back sync.WaitGroup
	back.Go(func() { p.pump(client, server, true) })
	p.pump(server, client, false)
	back.Wait()
}

// keep notes an open connection; it is false if there are to be none.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == cut {
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) forget(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// pump hands bytes on until one side ends, and then ends the other.
func (p *Proxy) pump(dst, src net.Conn, response bool) {
	defer dst.Close()
	defer src.Close()
	from := io.Reader(src)
	if response && p.answers != nil {
		from = p.answers(p.addr, src)
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			pass, ok := p.judge(response)
			if !ok {
				return
			}
			if pass {
				if _, err := dst.Write(buf[:n]); err != nil {
					return
				}
			}
		}
		if err != nil {
			return
		}
	}
}

// judge says whether bytes pass; it is false if their connection ends instead.
func (p *Proxy) judge(response bool) (pass, ok bool) {
	p.mu.Lock()
	delay, m := p.delay, p.mode
	if response && p.lose > 0 && m == passing {
		p.lose--
		p.mu.Unlock()
		return false, false
	}
	p.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.closed:
		}
	}
	return m == passing, m != cut
}
