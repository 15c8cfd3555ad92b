package http

import (
	"crypto/rand"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/eventrouter/router/bindings"
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
	events   int // taken of the window
	bytes    int
	headers  int // bytes of the header that the events keep
	bodySize int
	finish   func(accepted bool) // nil where no signature was checked, see verifier.admit
	left     atomic.Bool         // the first of the two has left
	done     chan *answer
}

func newExchange(s *Source) *exchange {
	x := &exchange{source: s, done: make(chan *answer, 1)}
	x.batch.Init(x)
	return x
}

// reserve takes room for the request before its body is read. A body of unknown length may need all it is allowed.
func (x *exchange) reserve(r *nethttp.Request, zipped bool) bool {
	x.headers = 0
	for _, values := range r.Header {
		for _, v := range values {
			x.headers += len(v)
		}
	}
	size := int(r.ContentLength)
	if size < 0 {
		size = x.source.maxBody
	}
	if zipped {
		size += x.source.maxBody
	}
	x.events, x.bytes = 1, size+x.headers
	if !x.source.settings.Window.TryAcquire(x.events, x.bytes) {
		x.events, x.bytes = 0, 0
		return false
	}
	return true
}

// settleSize corrects the room to what the events really take.
func (x *exchange) settleSize() bool {
	w, n, size := x.source.settings.Window, len(x.batch.Events), x.bodySize+x.headers
	if n == 1 && size <= x.bytes {
		w.Release(0, x.bytes-size)
		x.bytes = size
		return true
	}
	// Given back and taken anew: beside its own first reservation a large batch would never count as fitting into an
	// empty window.
	w.Release(x.events, x.bytes)
	x.events, x.bytes = 0, 0
	if !w.TryAcquire(n, size) {
		return false
	}
	x.events, x.bytes = n, size
	return true
}

// wait returns the outcome, or the answer for a pending one when the time is over. The batch stays with the pipeline
// then, and with it the room it takes.
func (x *exchange) wait(d time.Duration) *answer {
	timer := time.NewTimer(d)
	defer timer.Stop()
	var a *answer
	select {
	case a = <-x.done:
		x.leave()
		return a
	case <-timer.C:
		x.leave()
		return answerPending
	}
}

// Settle takes the outcome of the batch (invariants 1 and 3).
func (x *exchange) Settle(b *bindings.Batch) {
	s := x.source
	s.settings.Window.Release(x.events, x.bytes)
	x.events, x.bytes = 0, 0
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
	x.request, x.events, x.bytes, x.bodySize, x.finish = "", 0, 0, 0, nil
	x.left.Store(false)
	select { // the answer of a request that had gone
	case <-x.done: //nolint:errcheck // nobody waits for it any more
	default:
	}
	s.pool.Put(x)
}
