package http

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// guardConn is a connection of a port. Over HTTP/1 it gives net/http a header only when all of it is there: net/http makes
// a map of what it reads, many times as large, and has no bound over all connections. Over TLS it stands above the
// decrypted bytes, so that the same holds there; frames.go does it for HTTP/2.
//
// A request that is refused here is replaced by one with the method refusedMethod, for which the handler gives the answer:
// so it comes after the answers to the requests before it.
type guardConn struct {
	net.Conn // the bytes of requests and answers
	raw      net.Conn
	tls      *tls.Conn // nil on a plain port
	state    *tls.ConnectionState
	ports    *listener
	from     sender
	http2    bool // it has one of the places for HTTP/2; guarded by the listener's mu

	scan   guard
	frames *frameGuard // of an HTTP/2 connection
	begun  bool        // the handshake is over
	buf    []byte      // buf[read:pass] is to be read, the rest is a header that is not whole
	read   int
	pass   int
	end    error // after buf

	refused atomic.Pointer[answer]

	// What the listener looks at to find out which connection is idle.
	active  atomic.Int32 // requests under way: over HTTP/1 from the end of a header, over HTTP/2 from the handler
	idle    atomic.Int64 // since when there is none, in nanoseconds
	served  atomic.Bool  // there was one
	evicted atomic.Bool

	mu       sync.Mutex // guards what follows
	closed   bool
	until    time.Time // when net/http wants a read to end
	late     time.Time // when the header that is being read has to be whole, zero if none is
	charged  int       // taken from the memory for the header that is being read
	passed   int       // taken for those that net/http has
	decoding int       // taken for the header block that net/http decodes
}

// refusedMethod is the method of the request that stands for one that was refused.
const refusedMethod = "REFUSED"

const refusedRequest = refusedMethod + " / HTTP/1.1\r\nHost: refused\r\n\r\n"

var (
	refusedLate = last(nethttp.StatusRequestTimeout, "the header did not arrive in time")
	refusedCut  = last(nethttp.StatusBadRequest, "the connection ended within a header")
	refusedRoom = &answer{
		status: nethttp.StatusServiceUnavailable, retry: retryOverload, close: true,
		detail: "the headers of all connections take as much memory as they may",
	}
)

type connKey struct{}

// connOf returns the connection of a request, nil in a test without one.
func connOf(r *nethttp.Request) *guardConn {
	c, _ := r.Context().Value(connKey{}).(*guardConn)
	return c
}

// Read passes on what may pass.
func (c *guardConn) Read(p []byte) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	if c.frames != nil {
		return c.frames.read(p)
	}
	for len(p) > 0 {
		if n := copy(p, c.buf[c.read:c.pass]); n > 0 {
			c.took(n)
			return n, nil
		}
		if c.end != nil {
			return 0, c.end
		}
		if n, err := c.fill(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

// took moves on in buf, and lets go of it where all was read. A header that has begun after that has a buffer of its own:
// the one before was charged to a request that ends.
func (c *guardConn) took(n int) {
	if c.read += n; c.read < c.pass {
		return
	}
	rest := c.buf[c.pass:]
	c.buf, c.read, c.pass = nil, 0, 0
	if !c.hold(rest) {
		c.refuse(refusedRoom)
	}
}

// fill reads once: into p while no header is held, into buf otherwise. It returns how much of p was filled.
func (c *guardConn) fill(p []byte) (int, error) {
	held := len(c.buf)
	if held > 0 {
		if !c.grow() {
			c.refuse(refusedRoom)
			return 0, nil
		}
		c.beginHeader()
		p = c.buf[held:cap(c.buf)]
	}
	n, err := c.Conn.Read(p)
	if n == 0 {
		return 0, c.broken(err)
	}
	start, ok := c.look(p[:n])
	refused := c.scan.state == inVain && c.scan.inHeader()
	if n = start; held > 0 {
		n, c.buf = 0, c.buf[:held+ok]
		if start >= 0 {
			c.pass = held + start
		}
	} else if !refused && !c.hold(p[start:ok]) {
		c.refuse(refusedRoom)
	}
	if refused {
		c.refuse(c.scan.refused)
	}
	return n, nil
}

// look lets the guard see p. It returns where in p a header begins that is not whole, the end of what may pass if there is
// none, and -1 if it began before; and how much may pass.
func (c *guardConn) look(p []byte) (start, ok int) {
	headers := c.scan.headers
	ok = c.scan.feed(p)
	if start = ok; c.scan.inHeader() {
		start = c.scan.from
	} else if c.scan.state == inVain { // in a body, which net/http is reading
		c.end = io.ErrUnexpectedEOF
	}
	if n := c.scan.headers - headers; n > 0 {
		c.active.Add(int32(n))
		c.endHeader()
	}
	return start, ok
}

// hold keeps the beginning of a header.
func (c *guardConn) hold(p []byte) bool {
	for len(p) > 0 {
		if !c.grow() {
			return false
		}
		n := min(len(p), cap(c.buf)-len(c.buf))
		c.buf, p = append(c.buf, p[:n]...), p[n:]
	}
	return true
}

// grow makes room in buf, if the memory has it.
func (c *guardConn) grow() bool {
	if cap(c.buf)-len(c.buf) >= 256 {
		return true
	}
	size := max(1<<10, 2*cap(c.buf))
	if more := headerFactor * (size - max(cap(c.buf), freeHeader)); more > 0 && !c.charge(more) {
		return false
	}
	c.buf = append(make([]byte, 0, size), c.buf...)
	return true
}

// charge takes memory for the header that is being read.
func (c *guardConn) charge(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || !c.ports.memory.take(c.from, n) {
		return false
	}
	c.charged += n
	return true
}

// chargeDecoding takes memory for a header block that net/http is going to decode.
func (c *guardConn) chargeDecoding(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || !c.ports.decode.take(c.from, n) {
		return false
	}
	c.decoding += n
	return true
}

// release gives back what was taken for what is being read.
func (c *guardConn) release() {
	c.mu.Lock()
	n, m := c.charged, c.decoding
	c.charged, c.decoding = 0, 0
	c.mu.Unlock()
	c.ports.memory.give(c.from, n)
	c.ports.decode.give(c.from, m)
}

// broken says what the end of a read means: within a header an answer, otherwise what it is.
func (c *guardConn) broken(err error) error {
	if !c.scan.inHeader() || c.scan.state == inVain {
		return err
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.aborted():
		c.refuse(refusedLate)
	case errors.Is(err, io.EOF):
		c.refuse(refusedCut)
	default:
		return err
	}
	return nil
}

// refuse puts a request in the place of the one that is being read, and ends the connection for reading.
func (c *guardConn) refuse(a *answer) {
	c.refused.Store(a)
	c.scan.refuse(a)
	c.buf = append(c.buf[:c.pass:c.pass], refusedRequest...)
	c.pass, c.end = len(c.buf), io.EOF
	c.active.Add(1)
}

// SetReadDeadline sets when a read ends. A header has a time of its own beside that, because net/http, which gets it as a
// whole, does not see that it began.
func (c *guardConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.setDeadline()
}

// SetDeadline is both deadlines.
func (c *guardConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *guardConn) setDeadline() error {
	t := c.until
	if !c.late.IsZero() && (t.IsZero() || c.late.Before(t)) {
		t = c.late
	}
	return c.Conn.SetReadDeadline(t)
}

// beginHeader begins the time that a header has, if it has not begun: with the first read that waits for the rest of it, and
// not with its first byte, which may have come with the end of the request before. Until that has its answer nobody reads.
func (c *guardConn) beginHeader() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.late.IsZero() {
		c.late = time.Now().Add(c.ports.headerTime)
		_ = c.setDeadline() // a connection that is closed says so at the next read
	}
}

// endHeader ends that time, and leaves what the header was charged to its request.
func (c *guardConn) endHeader() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed, c.charged = c.passed+c.charged, 0
	if !c.late.IsZero() {
		c.late = time.Time{}
		_ = c.setDeadline()
	}
}

// aborted reports whether net/http has ended a read by a time long ago, to have the connection for itself.
func (c *guardConn) aborted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.until.IsZero() && c.until.Before(time.Unix(1e6, 0))
}

// leave notes the end of a request.
func (c *guardConn) leave() {
	c.settle()
	c.served.Store(true)
	c.idle.Store(time.Now().UnixNano())
	if c.active.Add(-1) == 0 {
		c.ports.wake()
	}
}

// Write passes on answers.
func (c *guardConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err == nil && c.frames != nil {
		c.frames.wrote()
	}
	return n, err
}

// settle gives back what the headers that net/http has were charged: the request is over, or the window counts it.
func (c *guardConn) settle() {
	c.mu.Lock()
	n := c.passed
	c.passed = 0
	c.mu.Unlock()
	c.ports.memory.give(c.from, n)
}

// lingerTime is how long a connection whose request was refused is read on, so that the answer is not lost to a reset.
const lingerTime = 500 * time.Millisecond

// linger ends the sending side, and reads away what the sender had under way.
func (c *guardConn) linger() {
	if c.CloseWrite() != nil || c.raw.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	var waste [2 << 10]byte
	for {
		if _, err := c.raw.Read(waste[:]); err != nil {
			return
		}
	}
}

// CloseWrite ends the sending side alone. net/http asks for it where it answers a request that it has not read to its end:
// closed as a whole, the connection would be reset, and the answer lost with it.
func (c *guardConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close ends the connection and gives back what it has taken.
func (c *guardConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.release()
	c.settle()
	c.ports.remove(c)
	if c.tls != nil && c.evicted.Load() {
		return c.raw.Close() // without a farewell, which could wait for the peer
	}
	return c.Conn.Close()
}

// withConn is a server's ConnContext.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}
