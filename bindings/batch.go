package bindings

import (
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/eventrouter/router/envelope"
)

// slotBytes is the memory of one event in a batch, beside what it refers to. The batch keeps it until it is settled, also
// for an event that has ended before.
const slotBytes = int(unsafe.Sizeof(envelope.Event{}))

// Batch is a run of events that a source read together and acknowledges together, with an outcome for each.
// The source fills it with Add and hands it over; from then on it belongs to the pipeline until Settle.
type Batch struct {
	// Events are the batch's events; slots are reused after Settle.
	Events []envelope.Event
	// Source is the pipeline's number of the source; the pipeline sets it.
	Source int
	// Routes is the fingerprint of the routes that the events were dispatched by; the pipeline sets it.
	Routes uint64

	origin   Settler
	observer LegObserver // origin, if it follows legs
	pending  atomic.Int64
	left     []int32          // legs of each event that have not ended; atomic after Staged
	done     map[int][]SinkID // sinks that had an event before, nil if none had any
	doneBy   uint64           // the routes that done holds for, 0 for any
	window   *Window          // what the batch has taken room from, nil if it has not
	bytes    int              // taken from window
	slot     int              // bytes that are taken for the slot of an event when it has ended
	returned atomic.Int64     // events whose room went back before the batch was settled

	mu   sync.Mutex // guards errs
	errs []error    // nil unless something failed
}

// NewBatch returns an empty batch with room for capacity events whose outcome goes to origin.
func NewBatch(origin Settler, capacity int) *Batch {
	b := &Batch{Events: make([]envelope.Event, 0, capacity)}
	b.Init(origin)
	return b
}

// Init sets where the outcome goes; for batches that are a field of a source's own batch type.
func (b *Batch) Init(origin Settler) {
	b.origin = origin
	b.observer, _ = origin.(LegObserver)
}

// Add appends an empty event and returns it. The pointer is valid until the next Add.
func (b *Batch) Add() *envelope.Event {
	if len(b.Events) < cap(b.Events) {
		b.Events = b.Events[:len(b.Events)+1]
		return &b.Events[len(b.Events)-1]
	}
	b.Events = append(b.Events, envelope.Event{})
	return &b.Events[len(b.Events)-1]
}

// Reset empties the batch for reuse. Events keep their capacity and let go of the messages they came from, which a
// batch that waits in a pool would otherwise keep alive outside of any window.
func (b *Batch) Reset() {
	for i := range b.Events {
		b.Events[i].Reset()
	}
	b.Events = b.Events[:0]
	b.errs, b.done, b.doneBy, b.Routes, b.left = nil, nil, 0, 0, b.left[:0]
	b.pending.Store(0)
}

// Size returns roughly how many bytes the batch's events hold.
func (b *Batch) Size() int {
	n := 0
	for i := range b.Events {
		n += b.Events[i].Size()
	}
	return n
}

// Hold notes that room for the batch's events and that many bytes was taken from w. The room of an event goes back as
// soon as the event has ended, that of its bytes with Free: the batch keeps them until then.
func (b *Batch) Hold(w *Window, bytes int) { b.window, b.bytes, b.slot = w, bytes, slotBytes }

// HoldAll is Hold where bytes has the slots of the events in it already.
func (b *Batch) HoldAll(w *Window, bytes int) { b.window, b.bytes, b.slot = w, bytes, 0 }

// Free gives back the room that the batch still has. A source calls it when it has settled the batch and does not need
// the events any more.
func (b *Batch) Free() {
	if b.window == nil {
		return
	}
	early := int(b.returned.Swap(0))
	b.window.Release(len(b.Events)-early, b.bytes+early*b.slot)
	b.window, b.bytes = nil, 0
}

// giveRoom returns the room of n events that have ended. Their slots stay, and count as bytes from now on.
func (b *Batch) giveRoom(n int) {
	if n > 0 && b.window != nil {
		b.returned.Add(int64(n))
		b.window.Release(n, -n*b.slot)
	}
}

// SkipSinks says that these sinks had event i before the source last began: they do not get it again. The source calls
// it before it emits the batch.
func (b *Batch) SkipSinks(i int, sinks []SinkID) {
	if len(sinks) == 0 {
		return
	}
	if b.done == nil {
		b.done = map[int][]SinkID{}
	}
	b.done[i] = sinks
}

// SkipBy says that what SkipSinks says holds for the routes with that fingerprint alone: sinks that were to get nothing of
// an event count there as those that had it, and other routes may mean them. The batch may wait for room between.
func (b *Batch) SkipBy(routes uint64) { b.doneBy = routes }

// Skips reports whether the sink had event i before.
func (b *Batch) Skips(i int, sink SinkID) bool {
	return b.done != nil && (b.doneBy == 0 || b.doneBy == b.Routes) && slices.Contains(b.done[i], sink)
}

// Err returns why event i failed, nil if it did not. Only the settler of a settled batch may call it.
func (b *Batch) Err(i int) error {
	if b.errs == nil {
		return nil
	}
	return b.errs[i]
}

// Failed reports whether any event of the settled batch failed.
func (b *Batch) Failed() bool { return b.errs != nil }

// Fail records why event i failed. The first error of an event stays. It does not count the event as done.
func (b *Batch) Fail(i int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.errs == nil {
		b.errs = make([]error, len(b.Events))
	}
	if b.errs[i] == nil {
		b.errs[i] = err
	}
}

// Stage says which legs the batch's events have, ordered by event. The pipeline calls it once, before Expect. Events
// without a leg that did not fail have ended. One that has failed already never ends, whatever becomes of its other legs.
func (b *Batch) Stage(legs []Leg) {
	if cap(b.left) < len(b.Events) {
		b.left = make([]int32, len(b.Events))
	}
	b.left = b.left[:len(b.Events)]
	clear(b.left)
	for i := range legs {
		b.left[legs[i].Event]++
	}
	ended := 0
	for i := range b.left {
		if b.Err(i) != nil {
			b.left[i]++ // for the leg that failed before it was one
		}
		if b.left[i] == 0 {
			ended++
		}
	}
	if b.observer != nil {
		b.observer.Staged(b, legs)
	}
	b.giveRoom(ended)
}

// Ended says that these legs have ended as they should: confirmed, as a confirmed dead letter, or dropped by a stated
// policy. The pipeline calls it before it counts them with Done; it sets Last of each. Several goroutines may call it at
// once.
func (b *Batch) Ended(legs []Leg) {
	ended := 0
	for i := range legs {
		// The last leg is alone with the count, and most events have one leg.
		left := &b.left[legs[i].Event]
		if legs[i].Last = atomic.LoadInt32(left) == 1 || atomic.AddInt32(left, -1) == 0; legs[i].Last {
			ended++
		}
	}
	if b.observer != nil {
		b.observer.Ended(b, legs)
	}
	b.giveRoom(ended)
}

// Expect says how many outcomes the batch waits for. The pipeline calls it once, before the first hand-off; with 0
// the batch is settled at once.
func (b *Batch) Expect(n int) {
	b.pending.Store(int64(n))
	if n == 0 {
		b.origin.Settle(b)
	}
}

// Done counts n outcomes; the last one settles the batch (invariant 1), after which it must not be touched
// (invariant 3).
func (b *Batch) Done(n int) {
	switch left := b.pending.Add(-int64(n)); {
	case left == 0:
		b.origin.Settle(b)
	case left < 0:
		panic("bindings: batch counted more outcomes than it expected")
	}
}
