package bindings

import "hash/fnv"

// SinkID names a sink to sources. It is made of the sink's name and of what the sink is, so that it is the same in every
// process and what a source has stored of it means something after a restart, and nothing after the name was given to
// another target. It is never 0.
type SinkID uint32

// PolicySink stands for what ends events that have no sink of their own: the general dead-letter policy. It is not the
// id of any sink.
const PolicySink SinkID = 1

// NewSinkID returns the id of the sink with that name, and whatever else tells it from another one.
func NewSinkID(name string, identity ...string) SinkID {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	for _, part := range identity {
		_, _ = h.Write([]byte("\x00" + part))
	}
	return max(SinkID(h.Sum32()), PolicySink+1)
}

// Leg is one event of a batch on its way to one sink.
type Leg struct {
	// Event is the event's index in the batch.
	Event int32
	// Sink is the sink that it is for, also when it ends as a dead letter in another one.
	Sink SinkID
	// Last is set where a leg has ended and its event has no other one left: the event is done.
	Last bool
}

// LegObserver is a Settler that wants to know of each event, and of each of its sinks, before the whole batch is settled:
// to acknowledge or note it at once.
type LegObserver interface {
	Settler
	// Staged is called once per batch, within emit and before any leg can end. legs are ordered by event; an event that
	// has none, and no error, is done. An event may have several legs with the same sink.
	Staged(b *Batch, legs []Leg)
	// Ended is called when legs have ended as they should, on any goroutine, also at once from several. It neither
	// blocks nor keeps legs. All calls for a batch return before its Settle begins. A leg that failed is in no call.
	Ended(b *Batch, legs []Leg)
}

// Plan is what routes an event, as a source needs to know it that stores what became of events.
type Plan struct {
	// Fingerprint changes with everything that decides to which sinks an event goes.
	Fingerprint uint64
	// Sinks are all sinks that events can be for.
	Sinks []SinkID
}

// PlanFollower is a Source that wants to know the plan by which its events are routed.
type PlanFollower interface {
	// OnPlan is called before Run, and again whenever the plan has changed. It does not block.
	OnPlan(p Plan)
}
