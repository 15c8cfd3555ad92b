package sqs

import (
	"errors"
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
}

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
	b.msgs, b.spans, b.failed = b.msgs[:0], b.spans[:0], b.failed[:0]
	b.run.pool.Put(b)
}

// Settle hands each message to the deleters or to the keeper. A message is confirmed when all its events are
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
