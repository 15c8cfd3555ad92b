package nats

import (
	"context"
	"errors"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
)

// streamReader is one Run of a JetStream source.
//
// Four goroutines: the client's, which takes leases and gathers; run, which decodes, waits for room and emits; the acker,
// which answers what was settled; and the one that extends leases. The last two outlive the reading, because what was
// emitted has to be answered.
type streamReader struct {
	*Source
	nc       *natsgo.Conn
	leases   *leases
	acker    *acker
	inFlight sync.WaitGroup
	free     chan *streamBatch
	again    chan struct{} // capacity 1: connected again

	mu   sync.Mutex // guards pull
	pull *puller    // the present one, nil between two
}

// streamBatch is a batch with what its messages have to be answered by.
type streamBatch struct {
	bindings.Batch
	r      *streamReader
	tokens []token       // of each message
	spans  adapter.Spans // which events came from which message
}

// Settle hands the batch to the acker.
func (b *streamBatch) Settle(*bindings.Batch) {
	b.r.acker.push(b)
	b.r.inFlight.Done()
}

// release gives the batch back when its outcomes were read.
func (b *streamBatch) release() {
	r := b.r
	b.Free()
	b.Reset()
	b.tokens, b.spans = b.tokens[:0], b.spans[:0]
	select {
	case r.free <- b:
	default:
	}
}

func (s *Source) runStream(ctx context.Context, emit func(*bindings.Batch)) error {
	r := &streamReader{Source: s, leases: newLeases(), free: make(chan *streamBatch, 64), again: make(chan struct{}, 1)}
	r.acker = &acker{
		leases: r.leases, ackWait: s.cfg.AckWait, log: s.log, wake: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	r.nc = s.connect(ctx, hooks{lost: r.lost, back: r.back})
	if r.nc == nil {
		return nil
	}
	defer r.nc.Close()
	r.acker.nc = r.nc
	var helpers sync.WaitGroup
	extending, stop := context.WithCancel(context.WithoutCancel(ctx))
	helpers.Go(r.acker.run)
	helpers.Go(func() {
		r.leases.extend(extending, s.cfg.AckWait, func(reply string) { _ = r.nc.Publish(reply, []byte("+WPI")) })
	})
	r.run(ctx, emit)
	// Everything that was emitted comes home before the acker may go, and its last acknowledgements before the
	// leases end.
	r.inFlight.Wait()
	close(r.acker.quit)
	stop()
	helpers.Wait()
	r.flush()
	return nil
}

func (r *streamReader) flush() {
	if err := r.nc.FlushTimeout(drainWait); err != nil {
		r.log.Warn("nats: not everything was given back before the connection closed; it comes again after ack_wait", zap.Error(err))
	}
}

// run reads until ctx is done, beginning anew whenever the pull breaks.
func (r *streamReader) run(ctx context.Context, emit func(*bindings.Batch)) {
	var b backOff
	for {
		began := time.Now()
		err := r.read(ctx, emit)
		if ctx.Err() != nil {
			return
		}
		r.report(err)
		if time.Since(began) > longestBackOff {
			b.reset()
		}
		if !b.wait(ctx, r.again) {
			return
		}
	}
}

// read makes sure of the consumer and pulls from it until ctx is done or the pull breaks.
func (r *streamReader) read(ctx context.Context, emit func(*bindings.Batch)) error {
	if err := r.ensureStream(ctx, r.nc); err != nil {
		return err
	}
	if err := r.ensureConsumer(ctx, r.nc); err != nil {
		return err
	}
	p := &puller{
		nc: r.nc, leases: r.leases, events: r.cfg.Prefetch, bytes: int(r.cfg.PrefetchBytes), wake: make(chan struct{}, 1),
		subject:  "$JS.API.CONSUMER.MSG.NEXT." + r.cfg.Stream + "." + r.cfg.Durable,
		giveBack: func(m *natsgo.Msg) { _ = r.nc.Publish(m.Reply, []byte("-NAK")) },
	}
	if err := p.open(); err != nil {
		return err
	}
	r.present(p)
	defer func() {
		r.present(nil)
		p.stop()
	}()
	r.report(nil)
	return r.loop(ctx, p, emit)
}

func (r *streamReader) present(p *puller) {
	r.mu.Lock()
	r.pull = p
	r.mu.Unlock()
}

// lost makes everything that waits for an answer begin anew.
func (r *streamReader) lost() {
	r.mu.Lock()
	p := r.pull
	r.mu.Unlock()
	if p != nil {
		p.breakOff(errDisconnected)
	}
	r.acker.interrupt()
}

func (r *streamReader) back(*natsgo.Conn) {
	select {
	case r.again <- struct{}{}:
	default:
	}
}

func (r *streamReader) loop(ctx context.Context, p *puller, emit func(*bindings.Batch)) error {
	watch := time.NewTicker(pullSilence)
	defer watch.Stop()
	var msgs []*natsgo.Msg
	for {
		if err := p.ask(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-watch.C:
			if p.silent() {
				return errors.New("nats: pull: no heartbeat from the server")
			}
		case <-p.wake:
		}
		var broken error
		msgs, broken = p.swap(msgs)
		if !r.emit(ctx, msgs, emit) {
			return nil
		}
		if broken != nil {
			return broken
		}
	}
}

// emit hands msgs on in batches, waiting for room. It is false if ctx was done first; the rest is given back then.
func (r *streamReader) emit(ctx context.Context, msgs []*natsgo.Msg, emit func(*bindings.Batch)) bool {
	for len(msgs) > 0 {
		n := r.cut(msgs)
		b := r.batch()
		for i, m := range msgs[:n] {
			r.add(b, m)
			if len(b.Events) >= r.maxEvents() {
				n = i + 1
				break
			}
		}
		size := b.Size()
		if r.settings.Window.Acquire(ctx, len(b.Events), size) != nil {
			r.returnAll(msgs)
			return false
		}
		b.Hold(r.settings.Window, size)
		r.inFlight.Add(1)
		emit(&b.Batch)
		msgs = msgs[n:]
	}
	return true
}

func (r *streamReader) batch() *streamBatch {
	select {
	case b := <-r.free:
		return b
	default:
	}
	b := &streamBatch{r: r}
	b.Init(b)
	return b
}

func (r *streamReader) add(b *streamBatch, m *natsgo.Msg) {
	e := r.fill(&b.Batch, m)
	tok, delivered, _ := parseReply(m.Reply) // it was parsed when m was taken
	e.Meta.Stream, e.Meta.Position, e.Meta.Deliveries = r.cfg.Stream, int64(tok.seq), delivered
	r.decoder.read(&b.Batch, m, &r.settings)
	b.spans = b.spans.Add(len(b.tokens), len(b.Events))
	b.tokens = append(b.tokens, tok)
}

// returnAll gives messages back that were never emitted, so that another instance gets them at once.
func (r *streamReader) returnAll(msgs []*natsgo.Msg) {
	for _, m := range msgs {
		tok, _, _ := parseReply(m.Reply)
		r.leases.drop(tok)
		_ = r.nc.Publish(m.Reply, []byte("-NAK"))
	}
}
