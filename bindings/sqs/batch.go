package sqs

import (
	"errors"
	"sort"
	"sync"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
	"github.com/eventrouter/router/envelope"
)

const (
	// firstRelease and lastRelease bound the back-off of failed messages, which doubles with every delivery.
	firstRelease = time.Second
	lastRelease  = 5 * time.Minute
)

// batch is what one receive brought.
type batch struct {
	bindings.Batch
	run    *run
	msgs   []*held
	spans  adapter.Spans // which events came from which of msgs
	failed []error

	mu   sync.Mutex // guards what follows
	open []int      // events of each message that have not ended; confirmed when its delete was asked for
}

// confirmed is what batch.open has for a message that needs nothing more.
const confirmed = -1

func (r *run) newBatch() *batch {
	b, ok := r.pool.Get().(*batch)
	if !ok {
		b = &batch{run: r, msgs: make([]*held, 0, maxBatch)}
		b.Init(b)
		b.Events = make([]envelope.Event, 0, maxBatch)
	}
	return b
}

// recycle empties the batch and lets the next receive have it.
func (b *batch) recycle() {
	b.Reset()
	clear(b.msgs)
	clear(b.failed)
	b.msgs, b.spans, b.failed, b.open = b.msgs[:0], b.spans[:0], b.failed[:0], b.open[:0]
	b.run.pool.Put(b)
}

// Staged implements bindings.LegObserver.
func (b *batch) Staged(_ *bindings.Batch, legs []bindings.Leg) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := 0
	for i := range b.Events {
		if (next == len(legs) || int(legs[next].Event) != i) && b.Err(i) == nil {
			b.open[b.message(i)]--
		}
		for next < len(legs) && int(legs[next].Event) == i {
			next++
		}
	}
	b.confirm()
}

// Ended implements bindings.LegObserver.
func (b *batch) Ended(_ *bindings.Batch, legs []bindings.Leg) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ended := false
	for i := range legs {
		if legs[i].Last {
			b.open[b.message(int(legs[i].Event))]--
			ended = true
		}
	}
	if ended {
		b.confirm()
	}
}

// message returns the number of the message that an event came from.
func (b *batch) message(event int) int {
	if len(b.spans) == 0 {
		return event
	}
	return sort.Search(len(b.spans), func(m int) bool { return int(b.spans[m]) > event })
}

// confirm asks for the delete of every message whose events have ended, so that a crash does not repeat it because another
// one of the receive is still being delivered. In a FIFO queue a message waits for those before it in its group, because
// it has to be given back with them if they fail.
func (b *batch) confirm() {
	now := time.Now()
	for i, h := range b.msgs {
		if b.open[i] == 0 && !b.follows(i) {
			b.run.ledger.confirm(h, now)
			b.open[i] = confirmed
		}
	}
}

// follows reports whether a message before this one in its group is not done.
func (b *batch) follows(i int) bool {
	if !b.run.ref.fifo() {
		return false
	}
	for j := range i {
		if b.open[j] > 0 && b.msgs[j].group == b.msgs[i].group {
			return true
		}
	}
	return false
}

// Settle hands each message that is left to the deleters or to the keeper. A message is confirmed when all its events are
// (invariant 2). In a FIFO queue a message that follows a failed one of its group is given back with it and with the
// same delay, for the queue would deliver the failed one after it otherwise (invariant 5).
func (b *batch) Settle(*bindings.Batch) {
	r, now := b.run, time.Now()
	if !b.Failed() {
		for _, h := range b.msgs {
			r.ledger.confirm(h, now)
		}
	} else {
		b.collect()
		for i, h := range b.msgs {
			if err := b.failed[i]; err != nil {
				r.ledger.release(h, r.releaseAfter(h, err), now)
			} else {
				r.ledger.confirm(h, now)
			}
		}
	}
	b.Free()
	b.recycle()
	r.batches.Done()
}

// collect finds the error of each message.
func (b *batch) collect() {
	for i := range b.msgs {
		b.failed = append(b.failed, b.spans.Err(&b.Batch, i))
	}
	if !b.run.ref.fifo() {
		return
	}
	for i, h := range b.msgs {
		for j := range i {
			if b.failed[j] != nil && b.msgs[j].group == h.group {
				b.failed[i] = b.failed[j]
				h.deliveries = b.msgs[j].deliveries // so that the delay is the same
				break
			}
		}
	}
}

// releaseAfter returns how long a failed message stays hidden: what the target asked for, else the back-off. When the
// router stops, nothing is waited for: another instance may take the message at once.
func (r *run) releaseAfter(h *held, err error) time.Duration {
	if errors.Is(err, bindings.ErrStopped) {
		return 0
	}
	select {
	case <-r.stopping:
		return 0
	default:
	}
	if after := new(bindings.RetryAfterError); errors.As(err, &after) && after.After > 0 {
		return after.After
	}
	return backoff(h.deliveries, firstRelease, lastRelease)
}

// isJSON reports whether a body is a JSON object or array, however deep. Numbers and words are text rather than documents.
func isJSON(body string) bool {
	s := envelope.NewJSONScanner(envelope.Bytes(body))
	if c := s.Peek(); c != '{' && c != '[' {
		return false
	}
	_, err := s.Value()
	return err == nil && s.End()
}
