package pipeline

import (
	"math/rand/v2"
	"time"
)

// The default retry: forever, because an outage of a sink should become back-pressure and not dead letters.
const (
	defaultInitial = 100 * time.Millisecond
	defaultMax     = 30 * time.Second
)

func (r Retry) withDefaults() Retry {
	if r.Initial <= 0 {
		r.Initial = defaultInitial
	}
	if r.Max <= 0 {
		r.Max = defaultMax
	}
	r.Max = max(r.Max, r.Initial)
	return r
}

// backoff returns how long to wait after the attempt-th failure, counted from 1: a random time up to Initial doubled
// with every further attempt and at most Max. Randomness over the whole range keeps the workers of several routers
// from coming back together; a tenth of the range is its floor so that it is always a pause.
func backoff(r Retry, attempt int) time.Duration {
	limit := r.Max
	if shift := max(attempt, 1) - 1; shift < 32 && r.Initial<<shift > 0 {
		limit = min(limit, r.Initial<<shift)
	}
	floor := limit / 10
	return floor + rand.N(limit-floor+1)
}

// after returns how long to wait when a target asks for d.
func (r Retry) after(d time.Duration) time.Duration {
	if r.MaxAfter > 0 {
		return min(d, r.MaxAfter)
	}
	return d
}

// exhausted reports whether a delivery that failed may not be tried again.
func (r Retry) exhausted(attempts int32, since time.Duration) bool {
	return r.Attempts > 0 && int(attempts) >= r.Attempts || r.For > 0 && since >= r.For
}

// logThrottle lets a repeated line through at once and then every ten seconds, so that an outage does not become a
// flood of lines.
type logThrottle struct{ next time.Time }

func (t *logThrottle) allow(now time.Time) bool {
	if now.Before(t.next) {
		return false
	}
	t.next = now.Add(10 * time.Second)
	return true
}
