package kafka

import (
	"sort"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
	"github.com/eventrouter/router/envelope"
)

// batch is the settler of its own events.
type batch struct {
	bindings.Batch
	run     *run
	tracker *tracker
	first   uint64        // delivery number of the first record
	spans   adapter.Spans // which events came from which record
	bytes   int           // taken from the window

	// The tracker's mu guards what it needs to follow the legs.
	left   []int32            // events of each record that are not done, with spans only
	more   map[sinkLegs]int32 // legs beyond the first
	failed []int              // records that failed before they had all their legs
}

// sinkLegs are the legs of a record for a sink, by its bit.
type sinkLegs struct {
	record int
	bit    uint64
}

// addLeg counts a leg of record i for a sink that has one already.
func (b *batch) addLeg(i int, bit uint64) {
	if b.more == nil {
		b.more = map[sinkLegs]int32{}
	}
	b.more[sinkLegs{i, bit}]++
}

// takeLeg counts one off again and reports whether there was one.
func (b *batch) takeLeg(i int, bit uint64) bool {
	if len(b.more) == 0 {
		return false
	}
	n := b.more[sinkLegs{i, bit}]
	if n > 0 {
		b.more[sinkLegs{i, bit}] = n - 1
	}
	return n > 0
}

// batch returns an empty batch.
func (r *run) batch() *batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.free); n > 0 {
		b := r.free[n-1]
		r.free = r.free[:n-1]
		return b
	}
	b := &batch{run: r}
	b.Events = make([]envelope.Event, 0, 64)
	b.Init(b)
	return b
}

// Staged takes note of which sinks the events are for. See bindings.LegObserver.
func (b *batch) Staged(_ *bindings.Batch, legs []bindings.Leg) { b.tracker.stage(b, legs) }

// Ended takes note of which sinks have their events. See bindings.LegObserver.
func (b *batch) Ended(_ *bindings.Batch, legs []bindings.Leg) { b.tracker.ended(b, legs) }

// Settle takes the batch home. The events' memory is the collector's; their structs are used again.
func (b *batch) Settle(*bindings.Batch) {
	r := b.run
	b.tracker.settle(b.first, &b.Batch, b.spans)
	b.Free()
	r.recycle(b)
	r.home.Done()
}

// recycle empties a batch and keeps it for reuse.
func (r *run) recycle(b *batch) {
	b.tracker, b.spans, b.left, b.failed = nil, b.spans[:0], b.left[:0], b.failed[:0]
	clear(b.more)
	b.Reset()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.free) < freeBatches {
		r.free = append(r.free, b)
	}
}

// end returns the number of the event behind those of record i.
func (b *batch) end(i int) int32 {
	if len(b.spans) == 0 {
		return int32(i + 1)
	}
	return b.spans[i]
}

// record returns the record that an event came from.
func (b *batch) record(event int32) int {
	if len(b.spans) == 0 {
		return int(event)
	}
	return sort.Search(len(b.spans), func(i int) bool { return b.spans[i] > event })
}

// lastOf counts an event of record i as done and reports whether it was the last one. The caller holds the tracker's mu.
func (b *batch) lastOf(i int) bool {
	if len(b.spans) == 0 {
		return true
	}
	b.left[i]--
	return b.left[i] == 0
}
