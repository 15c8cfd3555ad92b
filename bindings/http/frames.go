package http

import (
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"time"
)

// The frames of HTTP/2 that matter here (RFC 9113 §6).
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameContinuation = 0x9
	flagEndStream     = 0x1
	flagEndHeaders    = 0x4
	frameHeader       = 9
)

const clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const (
	// maxUnanswered is how many frames that may need an answer are read while nothing could be written. net/http queues
	// thousands of answers for a peer that does not read them.
	maxUnanswered = 512
	// dataShare is how many frames of data count as one of them. Data for a stream that has ended needs an answer each; of a
	// body that a sender writes in single bytes net/http answers every 4 KiB.
	dataShare = 10
	// maxResets is how many streams a peer may reset at once, and resetsPerSecond how many more as time goes by. A stream that
	// is reset is no longer one of the hundred that it may have, and its request may still be at work here. Clients also reset
	// the streams of bodies that were refused before their end, a hundred of them again and again.
	maxResets       = 200
	resetsPerSecond = 500
	// blockCost is what decoding a header block may take, as a multiple of its size and at most: one byte can stand for a
	// header field that the connection has seen before.
	blockCost    = 64
	maxBlockCost = 1 << 20
	// patience is how long a connection waits for what it needs: memory for a block, or a write that ends.
	patience     = time.Second
	patienceStep = 5 * time.Millisecond
)

var (
	errResets  = errors.New("http: the peer resets too many streams")
	errFlood   = errors.New("http: more HTTP/2 frames than the peer reads answers")
	errBlock   = errors.New("http: a header block is larger than a header may be, or is interrupted")
	errPreface = errors.New("http: not the preface of HTTP/2")
	errRoom    = errors.New("http: the headers of all connections take as much memory as they may")
)

// frameGuard stands between a connection and net/http's HTTP/2. It gives out a header block only when all of it is there,
// within the memory of all connections, and breaks a connection that sends frames and reads no answers.
type frameGuard struct {
	conn       *guardConn
	preface    int // bytes of the preface that came
	left       int // bytes of the frame's payload that pass as they come
	out        []byte
	head       [frameHeader]byte
	got        int          // bytes of head
	unanswered atomic.Int32 // in frames of data
	resets     float64      // that the peer has left
	counted    time.Time
}

func newFrameGuard(c *guardConn) *frameGuard {
	return &frameGuard{conn: c, resets: maxResets, counted: time.Now()}
}

// read passes on what may pass.
func (f *frameGuard) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if f.preface < len(clientPreface) {
		n, err := f.conn.Conn.Read(p[:min(len(p), len(clientPreface)-f.preface)])
		if string(p[:n]) != clientPreface[f.preface:f.preface+n] {
			return 0, errPreface
		}
		f.preface += n
		return n, err
	}
	if len(f.out) == 0 && f.left == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if len(f.out) > 0 {
		n := copy(p, f.out)
		f.out = f.out[n:]
		return n, nil
	}
	n, err := f.conn.Conn.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}

// next reads the header of the next frame, and where it begins a header block, all of that.
func (f *frameGuard) next() error {
	f.conn.release()  // net/http asks for more, so it is through with the last block
	runtime.Gosched() // the request that it began goes first: a goroutine that waits for its turn takes what one at work does
	if err := f.frame(); err != nil {
		return err
	}
	size, kind, flags := f.parse()
	if !f.mayAnswer(kind, flags) {
		return errFlood
	}
	if kind == frameReset && !f.mayReset(time.Now()) {
		return errResets
	}
	if kind != frameHeaders {
		f.out, f.left = f.head[:], size
		return nil
	}
	return f.block()
}

// mayAnswer counts a frame. A peer that is only faster than the handlers of its requests is made to wait for them.
func (f *frameGuard) mayAnswer(kind, flags byte) bool {
	n := int32(dataShare)
	if kind == frameData && flags&flagEndStream == 0 {
		n = 1
	}
	f.unanswered.Add(n)
	return soon(func() bool { return f.unanswered.Load() <= maxUnanswered*dataShare })
}

// soon reports whether ok is true now or within a short time.
func soon(ok func() bool) bool {
	if ok() {
		return true
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if time.Sleep(patienceStep); ok() {
			return true
		}
	}
	return false
}

// mayReset counts a reset.
func (f *frameGuard) mayReset(now time.Time) bool {
	f.resets = min(maxResets, f.resets+now.Sub(f.counted).Seconds()*resetsPerSecond) - 1
	f.counted = now
	return f.resets >= 0
}

// frame reads the header of a frame.
func (f *frameGuard) frame() error {
	for f.got < frameHeader {
		n, err := f.conn.Conn.Read(f.head[f.got:])
		if f.got += n; err != nil && f.got < frameHeader {
			return err
		}
	}
	f.got = 0
	return nil
}

func (f *frameGuard) parse() (size int, kind, flags byte) {
	return int(binary.BigEndian.Uint32(f.head[:]) >> 8), f.head[3], f.head[4]
}

// block reads a header block from its HEADERS frame to the last CONTINUATION.
func (f *frameGuard) block() error {
	c := f.conn
	if err := c.Conn.SetReadDeadline(time.Now().Add(c.ports.headerTime)); err != nil {
		return err
	}
	for {
		size, _, flags := f.parse()
		if len(c.buf)+frameHeader+size > maxHeaderBytes {
			return errBlock
		}
		if err := f.payload(size); err != nil {
			return err
		}
		if flags&flagEndHeaders != 0 {
			break
		}
		if err := f.frame(); err != nil {
			return err
		}
		if _, kind, _ := f.parse(); kind != frameContinuation {
			return errBlock
		}
	}
	f.out, c.buf = c.buf, nil
	if err := f.decode(len(f.out)); err != nil {
		return err
	}
	return c.Conn.SetReadDeadline(time.Time{})
}

// payload appends the frame to what is held.
func (f *frameGuard) payload(size int) error {
	c := f.conn
	if !c.hold(f.head[:]) {
		return errRoom
	}
	for size > 0 {
		if !c.grow() {
			return errRoom
		}
		held := len(c.buf)
		n, err := io.ReadFull(c.Conn, c.buf[held:min(cap(c.buf), held+size)])
		c.buf, size = c.buf[:held+n], size-n
		if err != nil {
			return err
		}
	}
	return nil
}

// decode takes what decoding a block of n bytes may need, and waits for it a short time: others give it back soon.
func (f *frameGuard) decode(n int) error {
	need := min(n*blockCost, maxBlockCost)
	if !soon(func() bool { return f.conn.chargeDecoding(need) }) {
		return errRoom
	}
	return nil
}

// wrote notes that the peer takes answers.
func (f *frameGuard) wrote() { f.unanswered.Store(0) }
