package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// acker answers messages: what is done or failed goes in, acknowledgements go out, in runs. A run is everything that was
// done while the last one was on its way.
type acker struct {
	leases  *leases
	ackWait time.Duration
	log     *zap.Logger
	wake    chan struct{} // capacity 1
	quit    chan struct{} // closed when nothing will come any more

	mu      sync.Mutex // guards what follows
	ready   []token    // done
	failed  []failure
	waiting context.CancelFunc // ends the wait for an answer, nil without one

	// turn is held while acknowledgements are under way. A reset of the durable holds it, because an acknowledgement that
	// meets it would never be answered.
	turn     sync.Mutex // guards what follows
	nc       *natsgo.Conn
	done     *doneSet
	open     []token // to be acknowledged, or not confirmed yet
	sent     []token // of them, those of the present run
	lostAt   time.Time
	lastLook time.Time
}

// failure is a message that goes back to the server.
type failure struct {
	token
	nak []byte
}

// use says in which set messages are noted from now on.
func (a *acker) use(d *doneSet) {
	a.turn.Lock()
	defer a.turn.Unlock()
	a.done = d
}

// acknowledge takes messages that are done, and fail those that go back. Neither blocks.
func (a *acker) acknowledge(done ...token) {
	if len(done) == 0 {
		return
	}
	a.mu.Lock()
	a.ready = append(a.ready, done...)
	a.mu.Unlock()
	a.poke()
}

func (a *acker) fail(t token, nak []byte) {
	a.mu.Lock()
	a.failed = append(a.failed, failure{t, nak})
	a.mu.Unlock()
	a.poke()
}

func (a *acker) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// run works until quit is closed and everything is confirmed or lastConfirms has passed.
func (a *acker) run() {
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	var deadline time.Time
	quit := a.quit
	for {
		select {
		case <-a.wake:
		case <-retry.C:
		case <-quit:
			quit, deadline = nil, time.Now().Add(lastConfirms)
		}
		open := a.step()
		if quit == nil && (open == 0 || time.Now().After(deadline)) {
			return
		}
		retry.Stop()
		if open > 0 {
			retry.Reset(confirmRetry)
		}
	}
}

// step answers what has come in and returns how many acknowledgements are not confirmed.
func (a *acker) step() int {
	a.turn.Lock()
	defer a.turn.Unlock()
	a.mu.Lock()
	a.open = append(a.open, a.ready...)
	a.ready = a.ready[:0]
	failed := a.failed
	a.failed = nil
	a.mu.Unlock()
	for _, f := range failed {
		if reply, ok := a.leases.reply(f.token); ok && reply != "" {
			// A nak that is lost costs ack_wait, no more.
			_ = a.nc.Publish(reply, f.nak)
		}
		a.leases.drop(f.token)
	}
	a.confirm()
	return len(a.open)
}

// left forgets what could not be confirmed, so that it is not given back: it is done.
func (a *acker) left() {
	a.turn.Lock()
	defer a.turn.Unlock()
	for _, t := range a.open {
		a.leases.drop(t)
	}
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

// forget ends the leases of the present run, which is confirmed.
func (a *acker) forget() {
	for _, t := range a.sent {
		if after, ok := a.leases.drop(t); ok {
			a.done.add(t, after)
		}
	}
	a.sent, a.lostAt = a.sent[:0], time.Time{}
	a.open = slices.DeleteFunc(a.open, func(t token) bool { _, held := a.leases.reply(t); return !held })
}

// publish acknowledges what is open and has a place to answer to, and waits for the answer.
func (a *acker) publish() error {
	ack := []byte("+ACK")
	last := ""
	a.sent = a.sent[:0]
	for _, t := range a.open {
		reply, ok := a.leases.reply(t)
		if !ok {
			continue
		}
		if reply == "" {
			if a.done.passed(t.seq) {
				a.leases.drop(t) // the stream has deleted it
			}
			continue
		}
		if last != "" {
			if err := a.nc.Publish(last, ack); err != nil {
				return err
			}
		}
		last = reply
		a.sent = append(a.sent, t)
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
