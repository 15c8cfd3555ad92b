package http

import (
	"crypto/rand"
	nethttp "net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// requestID returns the sender's own name for the message, which a repetition keeps, or a random one. X-Request-Id is
// not among them: callers hand it on to all requests of a chain, and messages that share a name count as repetitions.
func requestID(h nethttp.Header) string {
	for _, key := range [...]string{webhookID, "Idempotency-Key"} {
		if id := single(h, key); id != "" && len(id) <= 128 && headerSafe(id) && !strings.ContainsAny(id, " \t\"\\") {
			return id
		}
	}
	return rand.Text()
}

// exchange is a request on its way: its batch, the room it takes in the window, and its outcome. It is recycled by
// whoever leaves last, the handler or the settlement.
type exchange struct {
	source   *Source
	batch    bindings.Batch
	request  string
	events   int // taken of the window, until the batch has them
	bytes    int
	headers  int                 // bytes of the header that the events keep
	bodySize int                 // bytes that hold the body
	finish   func(accepted bool) // nil where no signature was checked, see verifier.admit
	from     sender
	arriving bool           // counted among the requests of from
	arrive   int            // bytes that are counted for from
	full     *answer        // there was no room for an event of the batch
	spare    envelope.Event // for what is decoded in vain
	left     atomic.Bool    // the first of the two has left
	done     chan *answer
}

func newExchange(s *Source) *exchange {
	x := &exchange{source: s, done: make(chan *answer, 1)}
	x.batch.Init(x)
	return x
}

// eventSize is what an event has in memory beside the bytes of its message.
var eventSize = int(reflect.TypeFor[envelope.Event]().Size())

// reserve takes room for the request before its body is read. What the body needs is taken as it comes.
func (x *exchange) reserve(r *nethttp.Request) *answer {
	x.headers, x.full = 0, nil
	for _, values := range r.Header {
		for _, v := range values {
			x.headers += len(v)
		}
	}
	x.from = sender{}
	if c := connOf(r); c != nil {
		x.from = c.from
	}
	if !x.source.events.take(x.from, 1) {
		return answerShare
	}
	if !x.source.settings.Window.TryAcquire(1, x.headers) {
		x.source.events.give(x.from, 1)
		return answerOverload
	}
	x.events, x.bytes, x.arriving = 1, x.headers, true
	return nil
}

// widen takes n bytes more.
func (x *exchange) widen(n int) *answer {
	s := x.source
	if !s.bytes.more(x.from, x.arrive, n) {
		return answerShare
	}
	x.arrive += n
	if !x.enlarge(0, n) {
		return answerOverload
	}
	return nil
}

// enlarge takes more room in the window. It holds none where there is not as much.
func (x *exchange) enlarge(events, bytes int) bool {
	w := x.source.settings.Window
	if !w.TryAcquire(events, bytes) {
		// Given back and taken anew: beside its own reservation a large request would never count as fitting into an empty
		// window.
		w.Release(x.events, x.bytes)
		if !w.TryAcquire(x.events+events, x.bytes+bytes) {
			x.events, x.bytes = 0, 0
			return false
		}
	}
	x.events, x.bytes = x.events+events, x.bytes+bytes
	return true
}

// arrived gives back the sender's share: the request has been read, or refused.
func (x *exchange) arrived() {
	if x.arriving {
		x.source.events.give(x.from, 1)
		x.source.bytes.give(x.from, x.arrive)
	}
	x.arriving, x.arrive = false, 0
}

// add appends an event to the batch, and takes room for many at a time. Where there is none the rest of the message is
// decoded in vain: a parser cannot be stopped, but it can be given nothing to keep.
func (x *exchange) add() *envelope.Event {
	b := &x.batch
	if n := len(b.Events); n > 0 && n == cap(b.Events) && x.full == nil {
		if x.full = x.widen(n * eventSize); x.full == nil {
			b.Events = append(make([]envelope.Event, 0, 2*n), b.Events...)
		}
	}
	if x.full != nil {
		x.spare.Reset()
		return &x.spare
	}
	return b.Add()
}

// settleSize corrects the room to what the events really take, and leaves it to the batch: the room of an event comes back
// when the event has ended, that of the message when all have.
func (x *exchange) settleSize() bool {
	n := len(x.batch.Events)
	size := x.bodySize + x.headers + n*eventSize
	if n > maxPooledEvents {
		size += (cap(x.batch.Events) - n) * eventSize
	}
	for i := range x.batch.Events {
		if e := &x.batch.Events[i]; e.DataKind == envelope.DataBinary && e.Raw != nil {
			size += len(e.Data) // decoded beside the message
		}
	}
	if less := x.bytes - size; less > 0 {
		x.source.settings.Window.Release(0, less)
		x.bytes = size
	}
	if !x.enlarge(n-x.events, size-x.bytes) {
		return false
	}
	x.batch.HoldAll(x.source.settings.Window, x.bytes)
	x.events, x.bytes = 0, 0
	return true
}

// wait returns the outcome, or the answer for a pending one when the time is over or the sender has gone. The batch stays
// with the pipeline then, and with it the room it takes.
func (x *exchange) wait(gone <-chan struct{}, d time.Duration) *answer {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case a := <-x.done:
		x.leave()
		return a
	case <-timer.C:
	case <-gone:
	}
	x.leave()
	return answerPending
}

// Settle takes the outcome of the batch (invariants 1 and 3).
func (x *exchange) Settle(b *bindings.Batch) {
	s := x.source
	x.batch.Free()
	x.done <- outcome(b)
	x.leave()
	s.active.Done()
}

// leave recycles the exchange when both the handler and the settlement are through with it.
func (x *exchange) leave() {
	if x.left.CompareAndSwap(false, true) {
		return
	}
	x.recycle()
}

// cancel gives back the room of a request that is not emitted, and recycles it.
func (x *exchange) cancel() {
	x.source.settings.Window.Release(x.events, x.bytes)
	x.recycle()
}

// drop recycles a request that holds no room.
func (x *exchange) drop() { x.recycle() }

// maxPooledEvents bounds the batches that are kept for reuse.
const maxPooledEvents = 64

// recycle empties the exchange for the next request. The events are emptied too: they hold the request's body.
func (x *exchange) recycle() {
	s := x.source
	if cap(x.batch.Events) > maxPooledEvents {
		return
	}
	x.batch.Reset()
	x.request, x.events, x.bytes, x.bodySize, x.finish, x.full = "", 0, 0, 0, nil, nil
	x.spare.Reset()
	x.left.Store(false)
	select { // the answer of a request that had gone
	case <-x.done: //nolint:errcheck // nobody waits for it any more
	default:
	}
	s.pool.Put(x)
}
