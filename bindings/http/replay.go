package http

import (
	"sync"
	"time"
)

// maxRemembered bounds one generation of remembered messages: with the one before it, they take some 25 MiB at most.
const maxRemembered = 1 << 18

// fingerprint stands for one signed message: its id, its time and its body.
type fingerprint [16]byte

// replays remembers the signed messages that were accepted, for as long as their time would let them pass again. Beyond
// maxRemembered the oldest are forgotten first. A message that was not accepted is not remembered, so that its sender
// can repeat it.
type replays struct {
	period time.Duration // twice the tolerance: a time ahead by that much passes that long

	mu       sync.Mutex // guards what follows
	rotated  time.Time
	current  map[fingerprint]struct{}
	previous map[fingerprint]struct{}
	pending  map[fingerprint]struct{} // messages that have no answer yet
}

func newReplays(tolerance time.Duration) *replays {
	return &replays{
		period: 2 * tolerance, current: map[fingerprint]struct{}{}, pending: map[fingerprint]struct{}{},
	}
}

// begin reports whether a message is new; finish has to be called for it then.
func (r *replays) begin(f fingerprint, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.rotated) > r.period || len(r.current) >= maxRemembered {
		r.rotated, r.previous, r.current = now, r.current, map[fingerprint]struct{}{}
	}
	for _, known := range [...]map[fingerprint]struct{}{r.current, r.previous, r.pending} {
		if _, ok := known[f]; ok {
			return false
		}
	}
	r.pending[f] = struct{}{}
	return true
}

// finish remembers the message if it was accepted.
func (r *replays) finish(f fingerprint, accepted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, f)
	if accepted {
		r.current[f] = struct{}{}
	}
}
