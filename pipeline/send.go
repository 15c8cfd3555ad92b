package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/eventrouter/router/bindings"
)

// breakAfter is how many Sends in a row may fail as a whole before a shard stops trying other events: until then a
// failure delays only the key it hit, from then on the target is taken to be down.
const breakAfter = 3

// work sends until the shard is closed and empty. When ctx is done every delivery fails at once, and the worker goes
// on until it is closed: two signals, because batches of a source that still runs can arrive in between.
func (s *shard) work(ctx context.Context) {
	for {
		closed := s.take()
		if ctx.Err() != nil {
			s.abandon()
		} else if s.lane.p.draining.Load() {
			s.failHeld()
		}
		now := time.Now().UnixNano()
		if until := s.fill(now, closed); until > 0 {
			s.wait(ctx, until)
			continue
		}
		wakeAt := s.cut(now)
		if len(s.batch) > 0 {
			s.screen(time.Now())
			if len(s.batch) > 0 {
				s.settle(ctx, s.send(ctx))
			}
			continue
		}
		if closed && !s.pending() {
			return
		}
		s.wait(ctx, wakeAt)
	}
}

// fill returns until when the shard should wait for its batch to fill up, 0 if it should not.
func (s *shard) fill(now int64, closed bool) int64 {
	sink := &s.lane.sink
	if sink.Linger <= 0 || closed || !s.pending() || len(s.queue)-s.head >= sink.BatchEvents {
		s.lingers = 0
		return 0
	}
	if s.lingers == 0 {
		s.lingers = now
	}
	if until := s.lingers + int64(sink.Linger); until > now {
		return until
	}
	s.lingers = 0
	return 0
}

// wait returns when something was pushed, the shard was closed, ctx was done, or the time has come; a time of 0 never
// comes.
func (s *shard) wait(ctx context.Context, until int64) {
	done := ctx.Done()
	if ctx.Err() != nil {
		done = nil // known already: only a push or the close is news
	}
	var due <-chan time.Time
	if until > 0 {
		s.timer.Reset(time.Duration(until - time.Now().UnixNano()))
		defer s.timer.Stop()
		due = s.timer.C
	}
	select {
	case <-s.wake:
	case <-done:
	case <-due:
	}
}

// send hands the batch to the sink.
func (s *shard) send(ctx context.Context) error {
	l := s.lane
	now := time.Now().UnixNano()
	s.events = s.events[:0]
	for i := range s.batch {
		if s.batch[i].first == 0 {
			s.batch[i].first = now
		}
		s.events = append(s.events, s.batch[i].event)
	}
	if err := l.throttle(ctx, len(s.events)); err != nil {
		return err
	}
	if l.sink.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.sink.Timeout)
		defer cancel()
	}
	return l.sink.Sink.Send(ctx, s.events)
}

// throttle waits for the sink's rate. No batch is larger than the limiter's burst.
func (l *lane) throttle(ctx context.Context, n int) error {
	if l.limiter == nil {
		return nil
	}
	return l.limiter.WaitN(ctx, n)
}

// settle gives every delivery of the batch its outcome. It walks backwards, so that those to repeat return to the
// front of the queue in their order.
func (s *shard) settle(ctx context.Context, err error) {
	var each bindings.BatchError
	if errors.As(err, &each) && len(each) != len(s.batch) {
		each = nil // a sink that miscounts confirms nothing (invariant 8)
	}
	now := time.Now().UnixNano()
	ends := ender{p: s.lane.p}
	var sent outcomes
	for i := len(s.batch) - 1; i >= 0; i-- {
		d := &s.batch[i]
		cause := err
		if each != nil {
			cause = each[i]
		}
		switch {
		case cause == nil:
			sent.delivered++
			ends.delivered(d)
		case s.shrink(d, cause): // goes again without its data
		case s.fail(ctx, d, cause, now, &ends):
			sent.failed(cause)
		}
	}
	ends.flush()
	s.sendLetters()
	s.observe(sent.transient, now)
	s.lane.report.sent(s.lane, &sent)
	s.lane.report.refused(s.lane, &s.refused)
	clear(s.batch)
	clear(s.events)
}

// observe keeps track of a target that is down and pauses the shard then.
func (s *shard) observe(transient int, now int64) {
	if transient < len(s.batch) {
		s.failures, s.paused = 0, 0
		return
	}
	s.failures++
	if s.failures >= breakAfter {
		s.paused = now + int64(backoff(s.lane.sink.Retry, s.failures-breakAfter+1))
	}
}

// fail decides what becomes of a delivery whose Send failed, and reports whether it is to be repeated because its
// target may be down.
func (s *shard) fail(ctx context.Context, d *delivery, cause error, now int64, ends *ender) bool {
	l := s.lane
	if ctx.Err() != nil {
		ends.returned(d, cause)
		return false
	}
	if _, ok := errors.AsType[*bindings.NotSentError](cause); ok {
		if d.attempts == 0 {
			d.first = 0
		}
		s.repeat(d, cause, now)
		return true
	}
	d.attempts++
	if _, ok := errors.AsType[*bindings.PermanentError](cause); ok {
		s.giveUp(d, cause, now, ends)
		return false
	}
	if !d.dead && l.sink.Retry.exhausted(d.attempts, time.Duration(now-d.first)) {
		s.giveUp(d, bindings.Permanent(bindings.ReasonExhausted, codeOf(cause), cause), now, ends)
		return true
	}
	s.repeat(d, cause, now)
	return true
}

// repeat puts a delivery back until its time has come: its back-off, or when the sink says.
func (s *shard) repeat(d *delivery, cause error, now int64) {
	d.next = now + int64(backoff(s.lane.sink.Retry, int(d.attempts)))
	if after, ok := errors.AsType[*bindings.RetryAfterError](cause); ok {
		d.next = now + int64(after.After)
		if after.Target {
			s.lane.pause(d.next)
		}
	}
	s.putBack(*d)
}

// pause keeps every shard from sending before that time.
func (l *lane) pause(until int64) {
	for {
		old := l.pausedUntil.Load()
		if until <= old || l.pausedUntil.CompareAndSwap(old, until) {
			return
		}
	}
}

// giveUp applies the dead-letter policy to a delivery that failed for good.
func (s *shard) giveUp(d *delivery, cause error, now int64, ends *ender) {
	l := s.lane
	action := l.dead.action
	if d.dead {
		action = Hold // the dead letter has no dead letter: it waits, and with it its event (rule: nothing is dropped)
	}
	switch action {
	case Drop:
		s.refused.add(cause)
		ends.dropped(d)
	case ToSink:
		s.refused.add(cause)
		s.letters = append(s.letters, deadLetter(l.p, *d, l, cause))
	default:
		if handsBack(d) {
			s.refused.add(cause)
			ends.returned(d, cause)
			return
		}
		if !d.held {
			l.p.reportHeld(l, d, cause)
		}
		d.held = true
		d.next = now + int64(l.sink.Retry.Max)
		s.putBack(*d)
	}
}

// sendLetters hands the dead letters of a Send on, in the order of their events.
func (s *shard) sendLetters() {
	to := s.lane.dead.lane
	for i := len(s.letters) - 1; i >= 0; i-- {
		s.letters[i].key = to.orderKey(s.letters[i].event)
		to.shards[to.pick(s.letters[i].key)].push(s.letters[i : i+1])
	}
	clear(s.letters)
	s.letters = s.letters[:0]
}

// abandon fails everything that is pending (invariant 7).
func (s *shard) abandon() {
	ends := ender{p: s.lane.p}
	for i := s.head; i < len(s.queue); i++ {
		ends.returned(&s.queue[i], bindings.ErrStopped)
	}
	ends.flush()
	clear(s.queue)
	s.queue, s.head = s.queue[:0], 0
}

// failHeld gives back what a policy held, so that a stop need not wait for it, and with it whatever waits behind it
// for the sake of order (invariant 5).
func (s *shard) failHeld() {
	ends := ender{p: s.lane.p}
	kept := s.queue[s.head:s.head]
	s.busy.reset()
	for i := s.head; i < len(s.queue); i++ {
		d := &s.queue[i]
		if !d.held && (d.key == 0 || !s.busy.has(d.key)) {
			kept = append(kept, *d)
			continue
		}
		if d.blocks() {
			s.busy.add(d.key)
		}
		ends.returned(d, bindings.ErrStopped)
	}
	ends.flush()
	clear(s.queue[s.head+len(kept):])
	s.queue = s.queue[:s.head+len(kept)]
}

// ender counts outcomes and tells the batches, a run of deliveries of one batch at a time.
type ender struct {
	p     *Pipeline
	batch *bindings.Batch
	n     int

	counts    *sinkCounts
	confirmed int64
}

func (e *ender) delivered(d *delivery) {
	if d.dead {
		d.counts.deadLettered.Add(1)
		e.p.stats.deadLetters.Add(1)
	} else {
		if e.counts != d.counts {
			e.flushCounts()
			e.counts = d.counts
		}
		e.confirmed++
	}
	e.end(d)
}

func (e *ender) dropped(d *delivery) {
	d.counts.dropped.Add(1)
	e.p.stats.dead.Add(1)
	e.end(d)
}

// returned ends a delivery that stays the source's: its event counts as failed (invariant 2).
func (e *ender) returned(d *delivery, cause error) {
	d.batch.Fail(int(d.index), cause)
	d.counts.returned.Add(1)
	e.end(d)
}

func (e *ender) end(d *delivery) {
	e.p.release(d)
	if e.batch != d.batch {
		e.flush()
		e.batch = d.batch
	}
	e.n++
}

func (e *ender) flushCounts() {
	if e.confirmed > 0 {
		e.counts.delivered.Add(e.confirmed)
		e.confirmed = 0
	}
}

// flush tells the batch; the figures come first, because the batch may be gone afterwards.
func (e *ender) flush() {
	e.flushCounts()
	if e.n > 0 {
		e.batch.Done(e.n)
		e.batch, e.n = nil, 0
	}
}

// codeOf returns the target's own code in an error, if it has one.
func codeOf(err error) string {
	if coded, ok := errors.AsType[*bindings.CodeError](err); ok {
		return coded.Code
	}
	if permanent, ok := errors.AsType[*bindings.PermanentError](err); ok {
		return permanent.Code
	}
	return ""
}
