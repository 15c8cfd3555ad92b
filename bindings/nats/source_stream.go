package nats

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
)

// streamReader is one Run of a JetStream source.
//
// Five goroutines: the client's, which takes leases and gathers; run, which decodes, waits for room and emits; the acker,
// which answers what is done; the one that extends leases; and the one that writes the ledger. The last three outlive
// the reading, because what was emitted has to be answered.
type streamReader struct {
	*Source
	ctx      context.Context // done when the source is to stop
	nc       *natsgo.Conn
	leases   *leases
	done     *doneSet // of the present stream; set with mu held
	acker    *acker
	presence *presence
	ledger   *ledger
	created  time.Time     // when the stream was
	loaded   bool          // the ledger has been read
	late     []*natsgo.Msg // see puller.late
	gapped   time.Time     // when the last gap was closed
	legs     atomic.Bool   // some sinks have had messages that are not done, since the ledger was written
	inFlight sync.WaitGroup
	free     chan *streamBatch
	again    chan struct{} // capacity 1: connected again

	mu        sync.Mutex              // guards what follows
	pull      *puller                 // the present one, nil between two
	preparing context.CancelCauseFunc // ends prepare, nil outside of it
	live      map[*streamBatch]struct{}
	had       map[uint64]earlier // messages to come that some sinks had already
	wiped     int                // see doneSet.times
	identity  uint64             // of the stream and the durable, for the ledger
	replicas  int                // of the stream
}

// earlier is which sinks had a message before, if that was stored at the latest then: a later one is another message.
type earlier struct {
	sinks []bindings.SinkID
	until int64
}

// note says that a sink had a message. The caller holds mu.
func (r *streamReader) note(t token, sink bindings.SinkID) {
	h := r.had[t.seq]
	if t.stored > h.until {
		h = earlier{until: t.stored}
	}
	h.sinks = append(h.sinks, sink)
	r.had[t.seq] = h
}

func (s *Source) runStream(ctx context.Context, emit func(*bindings.Batch)) error {
	r := &streamReader{
		Source: s, ctx: ctx, leases: newLeases(), done: newDoneSet(), free: make(chan *streamBatch, 64), again: make(chan struct{}, 1),
		presence: newPresence(s.cfg.Stream, s.cfg.Durable), ledger: newLedger(s.cfg.Stream, s.cfg.Durable, s.log),
		live: map[*streamBatch]struct{}{}, had: map[uint64]earlier{},
	}
	r.acker = &acker{
		leases: r.leases, done: r.done, ackWait: s.cfg.AckWait, log: s.log, wake: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	r.nc = s.connect(ctx, hooks{lost: r.lost, back: r.back})
	if r.nc == nil {
		return nil
	}
	defer r.nc.Close()
	r.acker.nc = r.nc
	var helpers sync.WaitGroup
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	helpers.Go(r.acker.run)
	helpers.Go(func() {
		r.leases.extend(working, s.cfg.AckWait, func(reply string) { _ = r.nc.Publish(reply, []byte("+WPI")) })
	})
	helpers.Go(func() { r.keep(working) })
	r.run(ctx, emit)
	// Everything that was emitted comes home before the acker may go, and its last acknowledgements before the
	// leases end.
	r.inFlight.Wait()
	close(r.acker.quit)
	stop()
	helpers.Wait()
	r.end(context.WithoutCancel(ctx))
	return nil
}

// end leaves the durable so that its next reader can go on: the ledger is up to date, and others get at once what was
// fetched and not delivered. With nobody else there it stays unacknowledged, and the next start resets the durable: what
// is given back is delivered in the order in which the server comes across it.
func (r *streamReader) end(ctx context.Context) {
	if !r.nc.IsConnected() {
		return
	}
	r.save(ctx)
	r.acker.left()
	r.presence.hide()
	if rest := r.leases.rest(); len(rest) > 0 && (!resets(r.nc.ConnectedServerVersion()) || r.presence.othersLeft(r.nc)) {
		// The server forgets our pulls when it is asked for the durable; a message that it tries them with goes to the end
		// of those to deliver again.
		_, _ = r.consumer(ctx)
		for _, reply := range rest {
			_ = r.nc.Publish(reply, []byte("-NAK"))
		}
	}
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
		if time.Since(began) > longestBackOff || errors.Is(err, errDisconnected) {
			b.reset()
		}
		if !b.wait(ctx, r.again) {
			return
		}
	}
}

// read makes sure of the consumer and pulls from it until ctx is done or the pull breaks.
func (r *streamReader) read(ctx context.Context, emit func(*bindings.Batch)) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	late := r.late
	r.late = nil
	if !r.emit(ctx, late, emit) {
		return nil
	}
	p := &puller{
		nc: r.nc, leases: r.leases, done: r.done, again: func(t token) { r.acker.acknowledge(t) },
		events: r.cfg.Prefetch, bytes: int(r.cfg.PrefetchBytes), wake: make(chan struct{}, 1),
		subject: "$JS.API.CONSUMER.MSG.NEXT." + r.cfg.Stream + "." + r.cfg.Durable,
	}
	if err := p.open(); err != nil {
		return err
	}
	r.present(p)
	r.report(nil)
	err := r.loop(ctx, p, emit)
	gathered, late := p.stop()
	r.present(nil)
	r.late = append(r.late, late...)
	r.emit(ctx, gathered, emit)
	return err
}

// prepare makes sure of the stream and the durable, and that the durable delivers in order.
func (r *streamReader) prepare(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.mu.Lock()
	r.preparing = cancel
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.preparing = nil
		if err != nil && errors.Is(context.Cause(ctx), errDisconnected) {
			err = errDisconnected
		}
	}()
	stream, err := r.ensureStream(ctx, r.nc)
	if err != nil {
		return err
	}
	if !r.created.Equal(stream.Created) { // sequences of another stream mean other messages
		r.mu.Lock()
		r.created, r.done = stream.Created, newDoneSet()
		r.mu.Unlock()
		r.acker.use(r.done)
	}
	if err := r.ensureConsumer(ctx, r.nc, r.done.doneUpTo()); err != nil {
		return err
	}
	info, err := r.consumer(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	identity := identityOf(stream.Created, info)
	another := r.identity != 0 && r.identity != identity
	r.identity, r.replicas = identity, stream.Config.Replicas
	if another { // somebody has deleted it, or changed its subjects: what lies between ours may be others' now
		r.done = newDoneSet()
	}
	r.mu.Unlock()
	if another {
		r.leases.part()
		r.acker.use(r.done)
	}
	if err := r.presence.show(r.nc); err != nil {
		return err
	}
	return r.restore(ctx, info)
}

func (r *streamReader) present(p *puller) {
	r.mu.Lock()
	r.pull = p
	r.mu.Unlock()
}

// lost makes everything that waits for an answer begin anew.
func (r *streamReader) lost() {
	r.mu.Lock()
	p, cancel := r.pull, r.preparing
	r.mu.Unlock()
	if p != nil {
		p.disconnected()
	}
	if cancel != nil {
		cancel(errDisconnected)
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
	full := time.NewTicker(r.tellEvery)
	defer full.Stop()
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
		case <-full.C:
			r.tellFull()
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

// tellFull says that the durable's own bound stops the source, which the window does not show. 1 is a wish for order.
func (r *streamReader) tellFull() {
	if held := r.leases.count(); held >= r.cfg.MaxAckPending && held > 1 {
		r.log.Warn("nats: the durable delivers nothing more until messages are acknowledged; max_ack_pending is less than the window takes",
			zap.String("durable", r.cfg.Durable), zap.Int("max_ack_pending", r.cfg.MaxAckPending), zap.Int("held", held))
	}
}

// emit hands msgs on in batches, waiting for room. It is false if ctx was done first; the rest stays with the server then.
func (r *streamReader) emit(ctx context.Context, msgs []*natsgo.Msg, emit func(*bindings.Batch)) bool {
	for len(msgs) > 0 {
		if ctx.Err() != nil {
			return false // room that was given back since would let later messages pass those that had none
		}
		n, most, err := r.cut(ctx, msgs)
		if err != nil {
			return false
		}
		b := r.batch()
		for i, m := range msgs[:n] {
			r.add(b, m)
			if len(b.Events) >= most {
				n = i + 1
				break
			}
		}
		size := b.Size()
		if r.settings.Window.Acquire(ctx, len(b.Events), size) != nil {
			return false
		}
		b.Hold(r.settings.Window, size)
		r.inFlight.Add(1)
		r.remember(b)
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
	first := len(b.Events)
	e := r.fill(&b.Batch, m)
	got, _ := parseReply(m.Reply) // it was parsed when m was taken
	e.Meta.Stream, e.Meta.Position, e.Meta.Deliveries = r.cfg.Stream, int64(got.seq), got.deliveries
	r.decoder.read(&b.Batch, m, &r.settings)
	b.spans = b.spans.Add(len(b.tokens), len(b.Events))
	b.tokens = append(b.tokens, got.token)
	b.open = append(b.open, len(b.Events)-first)
}

// remember keeps the batch among those in flight, and tells it which sinks had its events before the last start.
func (r *streamReader) remember(b *streamBatch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live[b] = struct{}{}
	if len(r.had) == 0 {
		return
	}
	for i, t := range b.tokens {
		sinks, until := r.had[t.seq].sinks, r.had[t.seq].until
		delete(r.had, t.seq)
		if len(b.spans) > 0 || t.stored > until {
			continue
		}
		b.SkipSinks(i, sinks)
		for _, sink := range sinks {
			b.ended = append(b.ended, bindings.Leg{Event: int32(i), Sink: sink})
		}
	}
}

// settled ends what remember began. Sinks that had events which come again do not get them again.
func (r *streamReader) settled(b *streamBatch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, b)
	b.partly(r.note)
}
