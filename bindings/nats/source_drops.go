package nats

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// watchDrops looks for drops as long as the source reads: the client tells of the first one only, until a message fits
// into the buffer again.
func (r *coreReader) watchDrops(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.countDropped(0)
		}
	}
}

// countDropped adds what the client dropped since the last look. It says so unless it did less than quiet ago; whoever
// keeps quiet leaves it to the next look, of which the last one is drain's.
func (r *coreReader) countDropped(quiet time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, sub := range r.subs {
		n, err := sub.Dropped()
		if err != nil {
			continue // it has ended, and drain has counted
		}
		fresh := n - r.seen[sub]
		r.seen[sub] = n
		r.unsaid += fresh
		r.dropped.Add(int64(fresh))
	}
	if r.unsaid == 0 || time.Since(r.warned) < quiet {
		return
	}
	r.log.Warn("nats: messages were dropped because the router fell behind; core NATS is at most once",
		zap.Int("dropped", r.unsaid), zap.Int64("dropped_total", r.dropped.Load()))
	r.warned, r.unsaid = time.Now(), 0
}
