package bindings

import (
	"context"
	"math"
	"sync"
	"time"
)

// Window bounds what a source has in flight, in events and in bytes (invariant 6). It is the router's only
// back-pressure: a source takes room before it emits and stops reading while there is none.
type Window struct {
	maxEvents, maxBytes int

	mu     sync.Mutex // guards what follows
	events int
	bytes  int
	freed  chan struct{} // closed and replaced when room was given back while somebody waits

	waiters int       // how many wait
	since   time.Time // when the first of them began to
	refused time.Time // since when TryAcquire has been refused, for want of what Await asks for too
}

// Usage is how full a window is. A bound of 0 is none.
type Usage struct {
	Events, MaxEvents int
	Bytes, MaxBytes   int
	// Waiting is since when the source has waited for room, or has refused what came for want of it; zero if it does not.
	Waiting time.Time
}

// Usage returns how full the window is now.
func (w *Window) Usage() Usage {
	w.mu.Lock()
	defer w.mu.Unlock()
	waiting := w.since
	if waiting.IsZero() || !w.refused.IsZero() && w.refused.Before(waiting) {
		waiting = w.refused
	}
	return Usage{
		Events: w.events, MaxEvents: max(w.maxEvents, 0), Bytes: w.bytes, MaxBytes: max(w.maxBytes, 0), Waiting: waiting,
	}
}

// NewWindow returns a window of that many events and bytes; a bound of 0 or less is no bound.
func NewWindow(events, bytes int) *Window {
	return &Window{maxEvents: events, maxBytes: bytes}
}

// Bounds returns the most events and bytes, 0 for no bound. A source makes no batch larger than that, because a
// request above the bound is only held back while something else is in flight.
func (w *Window) Bounds() (events, bytes int) { return max(w.maxEvents, 0), max(w.maxBytes, 0) }

// TryAcquire takes room if there is some. A request larger than the whole window fits only into an empty one, so
// that an event above the bound cannot wait forever.
func (w *Window) TryAcquire(events, bytes int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tryLocked(events, bytes) {
		return true
	}
	if w.refused.IsZero() && !w.roomyLocked() {
		w.refused = time.Now()
	}
	return false
}

func (w *Window) tryLocked(events, bytes int) bool {
	if w.events > 0 {
		if w.maxEvents > 0 && w.events+events > w.maxEvents {
			return false
		}
		if w.maxBytes > 0 && w.bytes+bytes > w.maxBytes {
			return false
		}
	}
	w.events += events
	w.bytes += bytes
	return true
}

// What must be free before a source makes its next batch: a share of each bound, and no more than this, so that a window
// that is nearly full does not make batches of one event.
const (
	leastShare  = 16
	leastEvents = 64
	leastBytes  = 64 << 10
)

// Await waits until there is room for a batch and returns how much: a source that has more to read makes its next batch no
// larger, so that the window fills up to its bounds whatever the size of a batch. No bound is math.MaxInt. What else the
// source waits for is the first event's own size: Acquire waits for that.
func (w *Window) Await(ctx context.Context) (events, bytes int, err error) {
	err = w.wait(ctx, func() bool {
		events, bytes = free(w.maxEvents, w.events), free(w.maxBytes, w.bytes)
		return w.roomyLocked()
	})
	return max(events, 1), max(bytes, 1), err
}

// roomyLocked reports whether there is room for a batch.
func (w *Window) roomyLocked() bool {
	return w.events == 0 || free(w.maxEvents, w.events) >= least(w.maxEvents, leastEvents) &&
		free(w.maxBytes, w.bytes) >= least(w.maxBytes, leastBytes)
}

// least returns how much of a bound must be free.
func least(bound, most int) int { return max(1, min(bound/leastShare, most)) }

// free returns what a bound leaves.
func free(bound, used int) int {
	if bound <= 0 {
		return math.MaxInt
	}
	return bound - used
}

// Acquire takes room, waiting for it until ctx is done.
func (w *Window) Acquire(ctx context.Context, events, bytes int) error {
	return w.wait(ctx, func() bool { return w.tryLocked(events, bytes) })
}

// wait returns nil once done, which is called with mu held, returns true. It returns the error of ctx if that is done first,
// or was before: room that a stop gives back is not for what comes after it.
func (w *Window) wait(ctx context.Context, done func() bool) error {
	waits := false
	for {
		w.mu.Lock()
		if ctx.Err() == nil && done() {
			w.waitLocked(&waits, false)
			w.mu.Unlock()
			return nil
		}
		w.waitLocked(&waits, true)
		if w.freed == nil {
			w.freed = make(chan struct{})
		}
		freed := w.freed
		w.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			w.mu.Lock()
			w.waitLocked(&waits, false)
			w.mu.Unlock()
			return ctx.Err()
		}
	}
}

// waitLocked notes that a caller of wait begins or ends to wait.
func (w *Window) waitLocked(waits *bool, now bool) {
	switch {
	case now && !*waits:
		if w.waiters++; w.waiters == 1 {
			w.since = time.Now()
		}
	case *waits && !now:
		if w.waiters--; w.waiters == 0 {
			w.since = time.Time{}
		}
	}
	*waits = now
}

// Release gives room back.
func (w *Window) Release(events, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events -= events
	w.bytes -= bytes
	if !w.refused.IsZero() && w.roomyLocked() {
		w.refused = time.Time{}
	}
	if w.freed != nil {
		close(w.freed)
		w.freed = nil
	}
}

// InFlight returns what is taken now.
func (w *Window) InFlight() (events, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events, w.bytes
}
