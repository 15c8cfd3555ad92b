package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
)

const (
	// repeatAtMost is how many acknowledged messages a reset may bring again that the ledger does not know of. With more
	// of them the durable is not reset.
	repeatAtMost = 65_536
	// pullsGone is how long the server may take to forget the pulls of a process that is gone.
	pullsGone = 3 * time.Second
	// gapAgain is how soon messages that went elsewhere mean that something else reads the durable all the time.
	gapAgain = time.Minute
)

// restore makes the server deliver in the order of the stream what was delivered before and is not acknowledged: what a
// process held that died, and what was on its way when a connection was lost. By itself the server delivers it after
// ack_wait, and after newer messages. The durable is reset to its ack floor for that, which only the durable's one reader
// may do.
func (r *streamReader) restore(ctx context.Context, info *jetstream.ConsumerInfo) (err error) {
	defer r.presence.set(stageReading)
	if info.NumAckPending == 0 || r.holdsAll(info) {
		r.done.resume(info.AckFloor.Stream, info.Delivered.Stream, info.Delivered.Consumer)
		return nil
	}
	r.load(ctx, info)
	why := r.mayReset(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if info, err = r.consumer(ctx); err != nil { // it may have changed while we asked
		return err
	}
	if why == "" {
		why, err = r.reset(ctx, info)
	}
	if why != "" {
		r.done.resume(info.AckFloor.Stream, info.Delivered.Stream, info.Delivered.Consumer)
		r.done.share()
		if info.NumAckPending > r.leases.count() {
			r.log.Warn("nats: messages that a reader held which is gone come again after ack_wait, and after newer ones of their subject",
				zap.String("durable", r.cfg.Durable), zap.Int("messages", info.NumAckPending), zap.Duration("ack_wait", r.cfg.AckWait),
				zap.String("why", why))
		}
	}
	return err
}

// consumer returns the durable's state.
func (r *streamReader) consumer(ctx context.Context) (*jetstream.ConsumerInfo, error) {
	js, err := jetStream(r.nc)
	if err != nil {
		return nil, err
	}
	c, err := js.Consumer(ctx, r.cfg.Stream, r.cfg.Durable)
	if err != nil {
		return nil, r.consumerError(err)
	}
	return c.CachedInfo(), nil
}

// holdsAll reports whether everything that is pending at the server is with us.
func (r *streamReader) holdsAll(info *jetstream.ConsumerInfo) bool {
	r.acker.turn.Lock()
	defer r.acker.turn.Unlock()
	return len(r.acker.open) == 0 && r.leases.count() == info.NumAckPending
}

// mayReset returns why the durable must not be reset, empty if it may be.
func (r *streamReader) mayReset(ctx context.Context) string {
	if !resets(r.nc.ConnectedServerVersion()) {
		return "the server is older than 2.15 and cannot reset a durable"
	}
	mine, err := r.presence.claim(ctx, r.nc)
	switch {
	case err != nil:
		return err.Error()
	case !mine:
		return "others read the durable as well"
	case len(r.late) > 0 && time.Since(r.gapped) < gapAgain:
		return "something else than a router pulls from the durable"
	case len(r.late) > 0:
		r.gapped = time.Now()
	}
	for end := time.Now().Add(pullsGone); ; {
		info, err := r.consumer(ctx)
		switch {
		case err != nil:
			return err.Error()
		case info.NumWaiting == 0:
			return ""
		case time.Now().After(end):
			return "something else than a router pulls from the durable"
		}
		if err := pause(ctx, presenceGrace); err != nil {
			return err.Error()
		}
	}
}

// resets reports whether a server of that version can reset a consumer.
func resets(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 2 || major == 2 && minor >= 15
}

// reset makes the server deliver everything above the ack floor again, or says why not. What we hold is known when it
// comes, and what was acknowledged above the floor is acknowledged again.
func (r *streamReader) reset(ctx context.Context, info *jetstream.ConsumerInfo) (why string, err error) {
	r.acker.turn.Lock()
	defer r.acker.turn.Unlock()
	_, done, _ := r.done.snapshot()
	r.legs.Store(true) // the ledger has not seen it
	acknowledged := int(info.Delivered.Consumer) - int(info.AckFloor.Consumer) - info.NumAckPending
	if unknown := acknowledged - messages(done); unknown > repeatAtMost {
		return fmt.Sprintf("a reset would repeat %d messages that are acknowledged", unknown), nil
	}
	js, err := jetStream(r.nc)
	if err != nil {
		return "", err
	}
	resp, err := js.ResetConsumer(ctx, r.cfg.Stream, r.cfg.Durable)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, natsgo.ErrNoResponders):
		if ctx.Err() != nil || !r.nc.IsConnected() {
			return "", errDisconnected
		}
		return "the server does not answer to a reset of the durable; may the user publish to $JS.API.CONSUMER.RESET?", nil
	case err != nil:
		return "", r.consumerError(err)
	}
	for _, m := range r.late { // they come again, in order
		got, _ := parseReply(m.Reply)
		r.leases.drop(got.token)
	}
	r.late = nil
	r.leases.void()
	r.done.reset(resp.ResetSeq - 1)
	r.log.Info("nats: the durable was reset to its ack floor, so that what was not acknowledged comes first",
		zap.String("durable", r.cfg.Durable), zap.Uint64("sequence", resp.ResetSeq), zap.Int("unacknowledged", info.NumAckPending),
		zap.Int("acknowledged", acknowledged))
	return "", nil
}

// load reads the ledger, once: later the process knows more. Which sinks had an event holds without a reset too.
func (r *streamReader) load(ctx context.Context, info *jetstream.ConsumerInfo) {
	if r.loaded {
		return
	}
	rec, err := r.ledger.load(ctx, r.nc, r.identity)
	if err != nil {
		r.log.Warn("nats: what was acknowledged above the durable's ack floor is not known, and comes again", zap.Error(err))
		return
	}
	r.loaded = true
	if rec == nil || rec.floor > info.AckFloor.Stream {
		return // somebody has set the durable back, to read it again
	}
	r.legs.Store(true) // it is written anew as soon as the floor has passed it
	r.done.learn(rec.done, rec.newest)
	r.mu.Lock()
	defer r.mu.Unlock()
	for sink, seqs := range rec.partly {
		for _, seq := range seqs {
			r.note(token{seq, rec.newest}, sink)
		}
	}
}

// keep writes the ledger until ctx is done.
func (r *streamReader) keep(ctx context.Context) {
	tick := time.NewTicker(ledgerEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.save(ctx)
		}
	}
}

func (r *streamReader) save(ctx context.Context) {
	if !r.ledger.writable(r.nc) {
		return
	}
	r.mu.Lock()
	identity, replicas, set := r.identity, r.replicas, r.done
	r.mu.Unlock()
	_, before := set.times()
	floor, done, changed := set.snapshot()
	if legs := r.legs.Swap(false); identity == 0 || !changed && !legs && !r.ledger.passed(floor) {
		return
	}
	rec := &record{identity: identity, floor: floor, done: done}
	rec.newest, rec.partly = r.partly(set)
	if _, wiped := set.times(); wiped != before {
		r.legs.Store(true) // done may be of before
		return
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if !r.ledger.save(ctx, r.nc, rec, replicas) {
		r.legs.Store(true) // so that the next try has it
	}
}

// partly returns which sinks had messages that are not done, and when the newest of all messages in the ledger was stored.
func (r *streamReader) partly(set *doneSet) (newest int64, partly map[bindings.SinkID][]uint64) {
	partly = map[bindings.SinkID][]uint64{}
	newest, wiped := set.times()
	note := func(t token, sink bindings.SinkID) {
		partly[sink] = append(partly[sink], t.seq)
		newest = max(newest, t.stored)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if wiped != r.wiped {
		clear(r.had)
		r.wiped = wiped
	}
	for b := range r.live {
		b.partly(note)
	}
	for seq, h := range r.had {
		for _, sink := range h.sinks {
			note(token{seq, h.until}, sink)
		}
	}
	return newest, partly
}
