package http

import (
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// headerTime is how long a handshake may take, and a header from its first byte to its last.
	headerTime = 5 * time.Second
	// newTime is how long a connection may be without a request before another may take its place.
	newTime = time.Second
	// fullLog is how often at most a port says that it refuses connections.
	fullLog = 10 * time.Second
)

// sender is an address that connections come from: all of a network of IPv6 that one customer has counts as one.
type sender struct{ netip.Prefix }

func senderOf(c net.Conn) sender {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return sender{}
	}
	a := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return sender{}
	}
	return sender{p}
}

// listener bounds the open connections of a port, in all and for each sender. Where there are as many as there may be, the
// one that has been idle the longest makes room; where none is idle, new ones wait in the kernel, and of a sender that has
// its share they are closed.
type listener struct {
	net.Listener
	tls        *tls.Config // nil on a plain port
	limit      int
	share      int
	headerTime time.Duration
	memory     *quota
	decode     *quota
	log        *zap.Logger
	closed     chan struct{}
	freed      chan struct{} // capacity 1: a connection was closed, or has become idle

	mu    sync.Mutex // guards what follows
	ended bool
	http2 int // connections that speak HTTP/2
	open  map[*guardConn]struct{}
	count map[sender]int
	said  time.Time
}

func newListener(ln net.Listener, limit, share int, log *zap.Logger) *listener {
	return &listener{
		Listener: ln, limit: limit, share: share, headerTime: headerTime, log: log,
		closed: make(chan struct{}), freed: make(chan struct{}, 1),
		open: map[*guardConn]struct{}{}, count: map[sender]int{},
	}
}

// Accept returns the next connection that there is room for.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := l.guard(raw)
		ok, err := l.admit(c)
		if err != nil {
			raw.Close()
			return nil, err
		}
		if ok {
			return c, nil
		}
		raw.Close()
	}
}

// http2Share is which part of a port's connections may speak HTTP/2: one takes several times what one with HTTP/1.1 does,
// and carries a hundred requests.
const http2Share = 4

// secure makes a port speak TLS. Where as many connections as may speak HTTP/2 already, it offers HTTP/1.1 alone.
func (l *listener) secure(config *tls.Config) {
	l.tls = config.Clone()
	l.tls.NextProtos = []string{"h2", "http/1.1"}
	plain := config.Clone()
	plain.NextProtos = []string{"http/1.1"}
	l.tls.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, ok := hello.Conn.(*handshakeConn)
		if !slices.Contains(hello.SupportedProtos, "h2") || ok && l.mayHTTP2(c.guard) {
			return nil, nil
		}
		return plain, nil
	}
}

// mayHTTP2 takes a place for a connection that speaks HTTP/2.
func (l *listener) mayHTTP2(c *guardConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, open := l.open[c]; !open || l.http2 >= max(1, l.limit/http2Share) {
		return false
	}
	if !c.http2 {
		c.http2 = true
		l.http2++
	}
	return true
}

// guard makes a connection of the port.
func (l *listener) guard(raw net.Conn) *guardConn {
	c := &guardConn{Conn: raw, raw: raw, ports: l, from: senderOf(raw)}
	if l.tls != nil {
		c.tls = tls.Server(&handshakeConn{Conn: raw, guard: c}, l.tls)
		c.Conn = c.tls
	}
	c.idle.Store(time.Now().UnixNano())
	return c
}

// admit waits for room for a connection. It is false where the connection's sender has its share, all of it in use.
func (l *listener) admit(c *guardConn) (bool, error) {
	for {
		switch victim, full, over := l.place(c); {
		case victim != nil:
			victim.evict()
		case over:
			return false, nil
		case !full:
			return true, nil
		default:
			// A connection that is new is idle for no eviction yet, and nobody says when it has become old.
			timer := time.NewTimer(newTime / 4)
			select {
			case <-l.freed:
			case <-timer.C:
			case <-l.closed:
				return false, net.ErrClosed
			}
			timer.Stop()
		}
	}
}

// place takes a place for a connection. Where there is none it returns the connection that may be closed for it, if any,
// and whether the port is full or the sender over its share.
func (l *listener) place(c *guardConn) (victim *guardConn, full, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	over, full = l.count[c.from] >= l.share, len(l.open) >= l.limit
	if !over && !full {
		l.open[c] = struct{}{}
		l.count[c.from]++
		return nil, false, false
	}
	now := time.Now()
	for other := range l.open {
		if over && other.from != c.from || !other.evictable(now) {
			continue
		}
		if victim == nil || l.before(other, victim) {
			victim = other
		}
	}
	if victim != nil {
		l.drop(victim)
	} else if over && now.Sub(l.said) > fullLog {
		l.said = now
		l.log.Warn("connections are refused: one address has as many as max_connections_per_address allows, all in use",
			zap.Stringer("address", c.from), zap.Int("connections", l.share))
	}
	return victim, full, over
}

// before reports whether a makes room before b: the sender with the most connections first, then who is idle the longest.
func (l *listener) before(a, b *guardConn) bool {
	if m, n := l.count[a.from], l.count[b.from]; m != n {
		return m > n
	}
	return a.idle.Load() < b.idle.Load()
}

// remove gives a connection's place back.
func (l *listener) remove(c *guardConn) {
	l.mu.Lock()
	l.drop(c)
	l.mu.Unlock()
	l.wake()
}

func (l *listener) drop(c *guardConn) {
	if _, ok := l.open[c]; !ok {
		return
	}
	delete(l.open, c)
	if c.http2 {
		l.http2--
	}
	if l.count[c.from]--; l.count[c.from] == 0 {
		delete(l.count, c.from)
	}
}

// wake lets an Accept that waits look again.
func (l *listener) wake() {
	select {
	case l.freed <- struct{}{}:
	default:
	}
}

// Close ends the listener and an Accept that waits.
func (l *listener) Close() error {
	l.mu.Lock()
	if !l.ended {
		l.ended = true
		close(l.closed)
	}
	l.mu.Unlock()
	return l.Listener.Close()
}

// evictable reports whether a connection may be closed for another one.
func (c *guardConn) evictable(now time.Time) bool {
	if c.active.Load() > 0 {
		return false
	}
	return c.served.Load() || now.UnixNano()-c.idle.Load() > int64(newTime)
}

// evict closes a connection.
func (c *guardConn) evict() {
	c.evicted.Store(true)
	c.raw.Close()
}
