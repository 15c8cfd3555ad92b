package pipeline

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
)

// outcomes is what a Send says of its sink. An event that is refused for its own sake says nothing of it.
type outcomes struct {
	delivered, transient int
	notSent              int   // of the transient failures
	fresh                bool  // one of the transient failures that were sent had not failed before
	repeated             bool  // one of those that were delivered had failed before
	cause                error // of one of the transient failures
}

// failed counts a transient failure; fresh says whether it is the event's first. One that was only not sent, because of
// another, explains less than the other.
func (o *outcomes) failed(cause error, fresh bool) {
	o.transient++
	follows := notSent(cause)
	if follows {
		o.notSent++
	} else if fresh {
		o.fresh = true
	}
	if o.cause == nil || !follows {
		o.cause = cause
	}
}

// refusals are events that failed for good and say nothing of the sink.
type refusals struct {
	events int
	cause  error // the last one's
}

// add counts an event that was given up, unless it was for want of an answer: that is the sink's failure.
func (r *refusals) add(cause error) {
	if p, ok := errors.AsType[*bindings.PermanentError](cause); ok && p.Reason == bindings.ReasonExhausted {
		return
	}
	r.events++
	r.cause = cause
}

// sinkReport tells the operator of a sink that fails and of events that it refuses: of each a line at once and then one
// now and then, and one line when the sink delivers after a line that it failed. A sink that fails for some events only
// flips with every Send; the lines do not.
type sinkReport struct {
	// told is true from a line that the sink failed to the one that it delivers again. It is set with mu held, and read
	// without it, because a Send that went well is the rule.
	told atomic.Bool
	// bad is true while last is set, read without mu for the same reason.
	bad atomic.Bool

	mu                 sync.Mutex // guards what follows
	last               error      // of the last Send, nil unless it failed as a whole
	failures, refusals logThrottle
	unsaid             int // refused events since the last line of them
}

// sent reports what a Send said of the sink.
func (r *sinkReport) sent(l *lane, o *outcomes) {
	if o.delivered > 0 && r.bad.Load() {
		r.note(nil)
	}
	if o.transient == 0 && (o.delivered == 0 || !r.told.Load()) {
		return
	}
	if o.delivered == 0 {
		r.note(o.cause)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case o.transient == 0:
		if r.told.CompareAndSwap(true, false) {
			l.p.log.Info("sink delivers again", zap.String("sink", l.sink.Name))
		}
	case r.failures.allow(time.Now()):
		r.told.Store(true)
		l.p.log.Warn("sink failed", zap.String("sink", l.sink.Name), zap.Int("events", o.transient), zap.Error(o.cause))
	}
}

// note keeps why the sink fails.
func (r *sinkReport) note(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = cause
	r.bad.Store(cause != nil)
}

// failing returns why the sink's last Send failed as a whole, nil if it did not.
func (r *sinkReport) failing() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// refused reports refused events and empties the count of them.
func (r *sinkReport) refused(l *lane, n *refusals) {
	if n.events == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsaid += n.events
	if r.refusals.allow(time.Now()) {
		l.p.log.Warn("events refused", zap.String("sink", l.sink.Name), zap.Int("events", r.unsaid),
			zap.String("reason", string(reasonFor(n.cause))), zap.Error(n.cause))
		r.unsaid = 0
	}
	*n = refusals{}
}

// reasonFor is the reason that a dead letter carries for an error.
func reasonFor(cause error) bindings.Reason {
	if permanent, ok := errors.AsType[*bindings.PermanentError](cause); ok {
		return permanent.Reason
	}
	return bindings.ReasonRejected
}
