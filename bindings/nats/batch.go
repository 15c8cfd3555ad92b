package nats

import (
	"context"
	"errors"
	"sort"
	"sync"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
)

// streamBatch is a batch with what its messages have to be answered by. A message is acknowledged as soon as its own
// events have ended; it does not wait for the others of the batch.
type streamBatch struct {
	bindings.Batch
	r      *streamReader
	tokens []token       // of each message
	spans  adapter.Spans // which events came from which message

	mu    sync.Mutex     // guards what follows
	open  []int          // events of each message that have not ended
	ended []bindings.Leg // legs of events that may have others left
	twice []bindings.Leg // of events that a sink may get more than once, for which one leg does not say that it had all
	ready []token        // of messages whose last event has just ended
}

// Staged implements bindings.LegObserver.
func (b *streamBatch) Staged(_ *bindings.Batch, legs []bindings.Leg) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := 0
	for i := range b.Events {
		if next == len(legs) || int(legs[next].Event) != i {
			if b.Err(i) == nil {
				b.eventEnded(i)
			}
			continue
		}
		first := next
		for ; next < len(legs) && int(legs[next].Event) == i; next++ {
			// Of an event that has failed already it is not known for which sink: it may be one that a leg is for too.
			if b.Err(i) != nil || hasLeg(legs[first:next], legs[next]) {
				b.twice = append(b.twice, legs[next])
			}
		}
	}
	b.acknowledge()
}

// Ended implements bindings.LegObserver.
func (b *streamBatch) Ended(_ *bindings.Batch, legs []bindings.Leg) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range legs {
		if legs[i].Last {
			b.eventEnded(int(legs[i].Event))
		} else if !hasLeg(b.twice, legs[i]) {
			b.ended = append(b.ended, legs[i])
			b.r.legs.Store(true)
		}
	}
	b.acknowledge()
}

func hasLeg(legs []bindings.Leg, l bindings.Leg) bool {
	for i := range legs {
		if legs[i].Event == l.Event && legs[i].Sink == l.Sink {
			return true
		}
	}
	return false
}

func (b *streamBatch) eventEnded(event int) {
	m := b.message(event)
	if b.open[m]--; b.open[m] == 0 {
		b.ready = append(b.ready, b.tokens[m])
	}
}

func (b *streamBatch) acknowledge() {
	b.r.acker.acknowledge(b.ready...)
	b.ready = b.ready[:0]
}

// message returns the number of the message that an event came from.
func (b *streamBatch) message(event int) int {
	if len(b.spans) == 0 {
		return event
	}
	return sort.Search(len(b.spans), func(m int) bool { return int(b.spans[m]) > event })
}

// Settle answers what is left of the batch. What failed because the router stops stays with the server, which end gives
// back or the next start reads again.
func (b *streamBatch) Settle(*bindings.Batch) {
	r := b.r
	r.settled(b)
	b.mu.Lock()
	for i, t := range b.tokens {
		if b.open[i] == 0 {
			continue
		}
		err := b.spans.Err(&b.Batch, i)
		switch {
		case err == nil:
			b.ready = append(b.ready, t)
		case r.ctx.Err() != nil && (errors.Is(err, bindings.ErrStopped) || errors.Is(err, context.Canceled)):
		default:
			r.acker.fail(t, nak(err, b.Events[b.spans.First(i)].Meta.Deliveries))
		}
	}
	b.acknowledge()
	b.mu.Unlock()
	b.release()
	r.inFlight.Done()
}

// release lets the next batch have this one's memory.
func (b *streamBatch) release() {
	b.Free()
	b.Reset()
	b.tokens, b.spans, b.open, b.ended, b.twice = b.tokens[:0], b.spans[:0], b.open[:0], b.ended[:0], b.twice[:0]
	select {
	case b.r.free <- b:
	default:
	}
}

// partly calls note with each sink that has had a message which is not done.
func (b *streamBatch) partly(note func(token, bindings.SinkID)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.ended {
		m := b.message(int(b.ended[i].Event))
		if b.open[m] == 0 || len(b.spans) > 0 {
			continue // of a message that is several events, all come again
		}
		if _, held := b.r.leases.reply(b.tokens[m]); held { // otherwise its sequence is another message now
			note(b.tokens[m], b.ended[i].Sink)
		}
	}
}
