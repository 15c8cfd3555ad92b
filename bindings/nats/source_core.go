package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
)

// coreReader is one Run of a core source.
//
// The client calls take on one goroutine per subscription; run swaps what has gathered and emits it. When the window is
// full, run waits, gathered fills up, take waits, and the client's bounded buffer does what core NATS does: it drops,
// and counts.
type coreReader struct {
	*Source
	nc       *natsgo.Conn
	subs     []*natsgo.Subscription
	inFlight sync.WaitGroup
	free     chan *coreBatch
	wake     chan struct{} // capacity 1: something has gathered

	telling sync.Mutex // held by whoever finds out and reports whether the source reads
	gap     time.Time  // when the connection went; zero while there is one; under telling

	mu       sync.Mutex // guards what follows
	refused  error      // what the server refused on this connection; see deny
	room     *sync.Cond
	gathered []*natsgo.Msg
	seen     map[*natsgo.Subscription]int // drops already counted
	warned   time.Time
	unsaid   int // drops that the log does not know of
}

// errGap is what a core source waits with: unlike a stream, the server keeps nothing for it.
var errGap = errors.New("nats: the connection was lost; core NATS is at most once, " +
	"and what is published until the source reads again is lost uncounted")

// coreBatch is a batch whose outcome changes nothing: there is nobody to tell.
type coreBatch struct {
	bindings.Batch
	r *coreReader
}

// Settle gives the batch back.
func (b *coreBatch) Settle(*bindings.Batch) {
	r := b.r
	b.Free()
	b.Reset()
	select {
	case r.free <- b:
	default:
	}
	r.inFlight.Done()
}

func (s *Source) runCore(ctx context.Context, emit func(*bindings.Batch)) error {
	r := &coreReader{
		Source: s, free: make(chan *coreBatch, 16), wake: make(chan struct{}, 1), seen: map[*natsgo.Subscription]int{},
	}
	r.room = sync.NewCond(&r.mu)
	r.nc = s.connect(ctx, hooks{
		lost: r.lost,
		back: func(nc *natsgo.Conn) {
			r.setRefused(nil) // the subscriptions were made anew
			r.confirm(ctx, nc)
		},
		slow:   func(*natsgo.Subscription) { r.countDropped(s.dropsEvery) },
		denied: r.deny,
	})
	if r.nc == nil {
		return nil
	}
	defer r.nc.Close()
	if err := r.subscribe(); err != nil {
		return err
	}
	s.core.Store(r)
	defer s.core.Store(nil)
	var beside sync.WaitGroup
	beside.Go(func() { r.confirm(ctx, r.nc) })
	beside.Go(func() { r.watchDrops(ctx, s.dropsEvery) })
	defer beside.Wait()
	r.run(ctx, emit)
	r.drain(ctx, emit)
	r.inFlight.Wait()
	return nil
}

func (r *coreReader) subscribe() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, subject := range r.cfg.Subjects {
		var sub *natsgo.Subscription
		var err error
		if r.cfg.Queue != "" {
			sub, err = r.nc.QueueSubscribe(subject, r.cfg.Queue, r.take)
		} else {
			sub, err = r.nc.Subscribe(subject, r.take)
		}
		if err == nil {
			err = sub.SetPendingLimits(r.cfg.Pending, int(r.cfg.PendingBytes))
		}
		if err != nil {
			return fmt.Errorf("nats: subject %s: %w", subject, err)
		}
		r.subs = append(r.subs, sub)
	}
	return nil
}

// lost runs when the connection went.
func (r *coreReader) lost() {
	r.telling.Lock()
	defer r.telling.Unlock()
	if r.gap.IsZero() {
		r.gap = time.Now()
	}
	r.report(errGap)
}

// confirm reports that the source reads, once the server has answered a request that follows the subscriptions. Being
// connected is not enough: what others publish until the server has read the subscriptions is lost. The connection's
// next end or beginning goes on where this gives up.
func (r *coreReader) confirm(ctx context.Context, nc *natsgo.Conn) {
	r.telling.Lock()
	defer r.telling.Unlock()
	for nc.IsConnected() && r.subscribed() && ctx.Err() == nil {
		flush, cancel := context.WithTimeout(ctx, r.confirmWait)
		err := nc.FlushWithContext(flush)
		cancel()
		if err == nil {
			r.confirmed(nc.LastError())
			return
		}
		if ctx.Err() == nil {
			r.report(fmt.Errorf("nats: the server has not confirmed the subscriptions yet: %w", err))
		}
	}
}

// deny runs when the server refuses a subscription: as it is made, or later, when a permission was withdrawn. Only a new
// connection makes it anew. It is kept before the wait for telling, so that a confirm that is under way sees it.
func (r *coreReader) deny(err error) {
	r.setRefused(err)
	r.telling.Lock()
	defer r.telling.Unlock()
	r.report(err)
}

func (r *coreReader) setRefused(err error) {
	r.mu.Lock()
	r.refused = err
	r.mu.Unlock()
}

// refusedWith returns what the server refused on this connection, nil if nothing. The connection's last error, in which
// a refusal shows first, is overwritten by any later one, such as that of a full buffer.
func (r *coreReader) refusedWith(last error) error {
	if refusal(last) {
		return last
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// confirmed reports what the server made of the subscriptions; last is the connection's last error.
func (r *coreReader) confirmed(last error) {
	if err := r.refusedWith(last); err != nil {
		r.report(err)
		return
	}
	if !r.gap.IsZero() {
		r.log.Warn("nats: the source reads again; what was published since the connection went is lost",
			zap.Duration("gap", time.Since(r.gap)))
		r.gap = time.Time{}
	}
	r.report(nil)
}

// subscribed reports whether the subscriptions were made; the connection may be lost and back before they are.
func (r *coreReader) subscribed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.subs) == len(r.cfg.Subjects)
}

// take runs on the client's goroutines. It never answers a message: a reply subject belongs to whoever serves the
// requests, and an answer from us would be taken for theirs.
func (r *coreReader) take(m *natsgo.Msg) {
	r.mu.Lock()
	for len(r.gathered) >= batchEvents {
		r.room.Wait()
	}
	r.gathered = append(r.gathered, m)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// swap takes what has gathered and leaves the emptied spare.
func (r *coreReader) swap(spare []*natsgo.Msg) []*natsgo.Msg {
	clear(spare)
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.gathered
	r.gathered = spare[:0]
	r.room.Broadcast()
	return got
}

func (r *coreReader) run(ctx context.Context, emit func(*bindings.Batch)) {
	var msgs []*natsgo.Msg
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		msgs = r.swap(msgs)
		r.emit(ctx, msgs, emit)
	}
}

// emit hands msgs on once there is room. They have left the client's buffer, so they are emitted even if ctx is done;
// room comes when the pipeline settles what it has, which it does on every way of stopping.
func (r *coreReader) emit(ctx context.Context, msgs []*natsgo.Msg, emit func(*bindings.Batch)) {
	ctx = context.WithoutCancel(ctx) // never done, so that waiting for room has no error
	for len(msgs) > 0 {
		n, most, _ := r.cut(ctx, msgs)
		b := r.batch()
		for i, m := range msgs[:n] {
			r.fill(&b.Batch, m)
			r.decoder.read(&b.Batch, m, &r.settings)
			if len(b.Events) >= most {
				n = i + 1
				break
			}
		}
		size := b.Size()
		_ = r.settings.Window.Acquire(ctx, len(b.Events), size)
		b.Hold(r.settings.Window, size)
		r.inFlight.Add(1)
		emit(&b.Batch)
		msgs = msgs[n:]
	}
}

func (r *coreReader) batch() *coreBatch {
	select {
	case b := <-r.free:
		return b
	default:
	}
	b := &coreBatch{r: r}
	b.Init(b)
	return b
}

// drain stops the subscriptions and emits what the client has received already. From here on the client drops nothing:
// a subscription that has ended does not tell how many it dropped, and what comes until the server has read the end is
// not much.
func (r *coreReader) drain(ctx context.Context, emit func(*bindings.Batch)) {
	var open sync.WaitGroup
	for _, sub := range r.subs {
		// This fails only without a connection, where nothing comes.
		_ = sub.SetPendingLimits(-1, -1)
	}
	r.countDropped(0)
	for _, sub := range r.subs {
		open.Add(1)
		done := sync.OnceFunc(open.Done)
		sub.SetClosedHandler(func(string) { done() })
		if err := sub.Drain(); err != nil {
			// The connection is gone for good and its subscriptions with it.
			done()
		}
	}
	closed := make(chan struct{})
	go func() {
		open.Wait()
		close(closed)
	}()
	var msgs []*natsgo.Msg
	for done := false; !done; {
		select {
		case <-closed:
			done = true
		case <-r.wake:
		}
		msgs = r.swap(msgs)
		r.emit(ctx, msgs, emit)
	}
}
