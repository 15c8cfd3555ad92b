package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
)

const (
	confirmWait  = 5 * time.Second // for the answer to a run of acknowledgements
	confirmRetry = 250 * time.Millisecond
	lastConfirms = 5 * time.Second // for all of them, once the source stops
	firstNak     = time.Second
	longestNak   = 30 * time.Second
)

// acker answers messages: settled batches go in, acknowledgements go out, in runs. A run is everything that was settled
// while the last one was on its way.
type acker struct {
	leases  *leases
	ackWait time.Duration
	log     *zap.Logger
	wake    chan struct{} // capacity 1
	quit    chan struct{} // closed when no batch will come any more

	mu      sync.Mutex // guards what follows
	settled []*streamBatch
	waiting context.CancelFunc // ends the wait for an answer, nil without one

	// What follows belongs to run.
	nc       *natsgo.Conn
	open     []token // acknowledged, not confirmed
	lostAt   time.Time
	lastLook time.Time
}

// push takes a settled batch; it does not block.
func (a *acker) push(b *streamBatch) {
	a.mu.Lock()
	a.settled = append(a.settled, b)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *acker) swap(spare []*streamBatch) []*streamBatch {
	clear(spare)
	a.mu.Lock()
	defer a.mu.Unlock()
	got := a.settled
	a.settled = spare[:0]
	return got
}

// run works until quit is closed and everything is confirmed or lastConfirms has passed.
func (a *acker) run() {
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	var batches []*streamBatch
	var deadline time.Time
	quit := a.quit
	for {
		select {
		case <-a.wake:
		case <-retry.C:
		case <-quit:
			quit, deadline = nil, time.Now().Add(lastConfirms)
		}
		batches = a.swap(batches)
		for _, b := range batches {
			a.answer(b)
		}
		a.confirm()
		if quit == nil && (len(a.open) == 0 || time.Now().After(deadline)) {
			return
		}
		retry.Stop()
		if len(a.open) > 0 {
			retry.Reset(confirmRetry)
		}
	}
}

// answer sorts the outcomes of a batch and gives it back. A message is acknowledged when all its events are done.
func (a *acker) answer(b *streamBatch) {
	for i, t := range b.tokens {
		err := b.spans.Err(&b.Batch, i)
		if err == nil {
			a.open = append(a.open, t)
			continue
		}
		if reply, ok := a.leases.reply(t); ok {
			// A nak that is lost costs ack_wait, no more.
			_ = a.nc.Publish(reply, nak(err, b.Events[b.spans.First(i)].Meta.Deliveries))
		}
		a.leases.drop(t)
	}
	b.release()
}

// nak is the message that gives an event back. Delivered to nobody because the router stops, it goes to another
// instance at once; anything else comes back after a time that doubles with its deliveries, because a bare
// nak makes the server deliver it again thousands of times a second.
func nak(err error, deliveries int) []byte {
	if errors.Is(err, bindings.ErrStopped) || errors.Is(err, context.Canceled) {
		return []byte("-NAK")
	}
	delay := min(firstNak<<min(max(deliveries-1, 0), 10), longestNak)
	if after, ok := errors.AsType[*bindings.RetryAfterError](err); ok {
		delay = max(delay, after.After)
	}
	return fmt.Appendf(nil, `-NAK {"delay": %d}`, delay.Nanoseconds())
}

// confirm acknowledges everything open. The last acknowledgement asks for an answer; the server handles those of a
// consumer in their order, so that one answer stands for all. What is not confirmed stays open and is repeated, which is
// harmless.
func (a *acker) confirm() {
	if len(a.open) == 0 {
		return
	}
	err := a.publish()
	switch {
	case err == nil:
		a.forget()
	case errors.Is(err, natsgo.ErrNoResponders):
		// Nobody takes acknowledgements: the consumer is gone, or moves. If it stays away, so do its messages.
		if a.lostAt.IsZero() {
			a.lostAt = time.Now()
		} else if time.Since(a.lostAt) > a.ackWait {
			a.log.Warn("nats: the consumer is gone, its acknowledgements are given up", zap.Int("messages", len(a.open)))
			a.forget()
		}
	default:
		a.lostAt = time.Time{}
		if time.Since(a.lastLook) > logSlowEvery {
			a.lastLook = time.Now()
			a.log.Warn("nats: acknowledgements are not confirmed yet", zap.Int("messages", len(a.open)), zap.Error(err))
		}
	}
}

func (a *acker) forget() {
	a.leases.drop(a.open...)
	a.open, a.lostAt = a.open[:0], time.Time{}
}

func (a *acker) publish() error {
	ack := []byte("+ACK")
	last := ""
	for _, t := range a.open {
		reply, ok := a.leases.reply(t)
		if !ok {
			continue
		}
		if last != "" {
			if err := a.nc.Publish(last, ack); err != nil {
				return err
			}
		}
		last = reply
	}
	if last == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), confirmWait)
	defer cancel()
	a.await(cancel)
	defer a.await(nil)
	_, err := a.nc.RequestWithContext(ctx, last, ack)
	return err
}

func (a *acker) await(cancel context.CancelFunc) {
	a.mu.Lock()
	a.waiting = cancel
	a.mu.Unlock()
}

// interrupt ends the wait for an answer that will not come, because the connection was lost.
func (a *acker) interrupt() {
	a.mu.Lock()
	cancel := a.waiting
	a.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}
