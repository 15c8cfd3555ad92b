package bindings

import (
	"context"

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
// What is for a sink that has never been ready waits; the sources read nevertheless, unless they are told to await it.
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
