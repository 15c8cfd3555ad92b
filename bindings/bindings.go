package bindings

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/eventrouter/router/envelope"
)

// Source reads events from a transport.
type Source interface {
	// Run reads until ctx is done, hands every batch to emit, and returns once every batch it emitted has been
	// settled. emit never blocks and takes ownership of the batch until Settle gives it back. Run returns nil after
	// ctx was done; any other return is a failure that the source cannot mend by waiting.
	Run(ctx context.Context, emit func(*Batch)) error
}

// Sink writes events to a transport.
type Sink interface {
	// Send blocks until each event is confirmed or has failed. A nil error confirms all, a BatchError tells them
	// apart, any other error fails all. Send returns promptly when ctx is done, and keeps no event after that.
	// Several goroutines may call Send at once. Send does not modify the events.
	Send(ctx context.Context, events []*envelope.Event) error
	// Close releases what the sink holds. It is called once, after the last Send returned.
	Close(ctx context.Context) error
}

// Readier is a Source or Sink that can tell whether its broker or target is there. Ready returns nil once it is,
// connecting if need be; the caller repeats it with back-off and shows the error to the operator meanwhile.
// Sources start to read only when every sink is ready.
type Readier interface {
	Ready(ctx context.Context) error
}

// ReadReporter is a Source that begins to read some time after its Run has begun, and never gets what is sent before: a
// subscription, or a path that is served. It is ready once it has reported nil, and not when Ready returns nil.
type ReadReporter interface {
	// OnReading is called once, before Run. Run and what it starts call report with nil each time that the source begins
	// to read. Before the first time they call it with what the source waits for; after it, with an error only if the
	// server refuses the source what it reads: that does not pass by itself, as the loss of a connection does. The
	// source is not ready from an error to the next nil. Calls follow each other; report does not block.
	OnReading(report func(error))
}

// DropCounter is a Source whose transport cannot wait, so that what it has no room for is lost.
type DropCounter interface {
	// Dropped returns how many messages were lost so far.
	Dropped() int64
}

// FailureReporter is a Source or Sink that can fail for good while batches are still in the pipeline. It calls report
// at once, so that the router stops and the batches come home. A source returns the same error from Run when they have.
type FailureReporter interface {
	// OnFailure is called once, before Run or the first Send.
	OnFailure(report func(error))
}

// OrderKeeper is a Sink that keeps the order of several events of one ordering key within one Send: when it fails
// one of them with a transient error, it fails all later ones of that key in the same Send too. Without it the
// pipeline never has two events of one key in flight to an ordered sink. The promise is about Event.Key only.
type OrderKeeper interface {
	KeepsOrder() bool
}

// Preview is what a sink would put on the wire for an event.
type Preview struct {
	// Mode is "binary", "structured" or "batch", after any automatic fall-back.
	Mode string
	// Address is the rendered topic, subject, queue or URL, with its label: "topic orders".
	Address string
	// Key is the record key, message group or empty.
	Key string
	// Bytes is the size on the wire as the target counts it; Limit is the target's limit, 0 if unknown.
	Bytes, Limit int
}

// Previewer is a Sink that can say, without any network, what it would send for an event. The error is the one that
// Send would fail with.
type Previewer interface {
	Preview(e *envelope.Event) (Preview, error)
}

// Settler is told when a batch has its outcome.
type Settler interface {
	// Settle runs once per batch, on any goroutine; it must not block and must not emit.
	Settle(b *Batch)
}

// Batch is a run of events that a source read together and acknowledges together, with an outcome for each.
// The source fills it with Add and hands it over; from then on it belongs to the pipeline until Settle.
type Batch struct {
	// Events are the batch's events; slots are reused after Settle.
	Events []envelope.Event

	origin  Settler
	pending atomic.Int64
	mu      sync.Mutex // guards errs
	errs    []error    // nil unless something failed
}

// NewBatch returns an empty batch with room for capacity events whose outcome goes to origin.
func NewBatch(origin Settler, capacity int) *Batch {
	b := &Batch{Events: make([]envelope.Event, 0, capacity)}
	b.Init(origin)
	return b
}

// Init sets where the outcome goes; for batches that are a field of a source's own batch type.
func (b *Batch) Init(origin Settler) { b.origin = origin }

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
	b.errs = nil
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
