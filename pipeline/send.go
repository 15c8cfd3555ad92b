package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/eventrouter/router/bindings"
)

// work sends until the shard is closed and empty. When ctx is done every delivery fails at once, and the worker goes
// on until it is closed: two signals, because batches of a source that still runs can arrive in between.
func (s *shard) work(ctx context.Context) {
	for {
		closed := s.take()
		switch {
		case ctx.Err() != nil:
			s.abandon()
		case !s.lane.p.draining.Load():
		case !s.lane.open.Load():
			s.abandon() // nobody waits at a stop for a sink that was never there
		default:
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
				began := time.Now().UnixNano()
				s.settle(ctx, s.send(ctx, began), began)
			}
			s.lines.settle()
			continue
		}
		s.lines.settle() // of what had to wait for nothing but its turn
		if closed && !s.waits() {
			return
		}
		s.wait(ctx, wakeAt)
	}
}

// fill returns until when the shard should wait for its batch to fill up, 0 if it should not.
func (s *shard) fill(now int64, closed bool) int64 {
	sink := &s.lane.sink
	if sink.Linger <= 0 || closed || !s.waits() || len(s.queue)-s.head >= sink.BatchEvents {
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
func (s *shard) send(ctx context.Context, now int64) error {
	l := s.lane
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

// settle gives every delivery of the batch, whose Send began then, its outcome. It walks backwards, so that those to
// repeat return to the front of their lines in their order.
func (s *shard) settle(ctx context.Context, err error, began int64) {
	var each bindings.BatchError
	if errors.As(err, &each) && len(each) != len(s.batch) {
		each = nil // a sink that miscounts confirms nothing (invariant 8)
	}
	now := time.Now().UnixNano()
	var sent outcomes
	for i := len(s.batch) - 1; i >= 0; i-- {
		d := &s.batch[i]
		cause := err
		if each != nil {
			cause = each[i]
		}
		fresh := d.attempts == 0
		switch {
		case cause == nil:
			sent.delivered++
			sent.repeated = sent.repeated || !fresh
			s.ends.delivered(d)
		case s.shrink(d, cause): // goes again without its data
		case s.fail(ctx, d, cause, now):
			sent.failed(cause, fresh)
		}
	}
	s.ends.flush()
	s.sendLetters()
	s.target.observe(verdict{
		answered: sent.transient < len(s.batch), repeated: sent.repeated,
		fresh: sent.fresh || sent.notSent == len(s.batch), began: began, ended: now,
	}, s.lane.sink.Retry)
	s.lane.report.sent(s.lane, &sent)
	s.lane.report.refused(s.lane, &s.refused)
	clear(s.batch)
	clear(s.events)
}

// fail decides what becomes of a delivery whose Send failed, and reports whether that may be the target's fault.
func (s *shard) fail(ctx context.Context, d *delivery, cause error, now int64) bool {
	l := s.lane
	if ctx.Err() != nil {
		s.ends.returned(d, cause)
		return false
	}
	if notSent(cause) {
		if d.attempts == 0 {
			d.first = 0
		}
		s.repeat(d, cause, now)
		return true
	}
	d.attempts++
	if _, ok := errors.AsType[*bindings.PermanentError](cause); ok {
		s.giveUp(d, cause, now)
		return false
	}
	if !d.dead && l.sink.Retry.exhausted(d.attempts, time.Duration(now-d.first)) {
		s.giveUp(d, bindings.Permanent(bindings.ReasonExhausted, codeOf(cause), cause), now)
		return true
	}
	s.repeat(d, cause, now)
	return true
}

// notSent reports whether the sink did not even try.
func notSent(cause error) bool {
	_, ok := errors.AsType[*bindings.NotSentError](cause)
	return ok
}

// repeat puts a delivery back until its time has come: its back-off, or when the sink says.
func (s *shard) repeat(d *delivery, cause error, now int64) {
	d.next = now + int64(backoff(s.lane.sink.Retry, int(d.attempts)))
	if after, ok := errors.AsType[*bindings.RetryAfterError](cause); ok {
		d.next = now + int64(s.lane.sink.Retry.after(after.After))
		// An event that failed before may be the only one that the target answers like this: it holds back repetitions of
		// its own shard, and not what is sent for the first time.
		switch {
		case !after.Target:
		case d.attempts <= 1:
			s.lane.pause(d.next)
		default:
			s.target.repeatAt = max(s.target.repeatAt, d.next)
		}
	}
	s.lines.putBack(*d)
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
func (s *shard) giveUp(d *delivery, cause error, now int64) {
	l := s.lane
	action := l.dead.action
	if d.dead {
		action = Hold // the dead letter has no dead letter: it waits, and with it its event (rule: nothing is dropped)
	}
	switch action {
	case Drop:
		s.refused.add(cause)
		s.ends.dropped(d)
	case ToSink:
		s.refused.add(cause)
		s.letters = append(s.letters, deadLetter(l.p, *d, l, cause))
	default:
		if handsBack(d) {
			s.refused.add(cause)
			s.ends.returned(d, cause)
			return
		}
		if !d.held {
			l.p.reportHeld(l, d, cause)
		}
		d.held = true
		d.next = now + int64(l.sink.Retry.Max)
		s.lines.putBack(*d)
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
