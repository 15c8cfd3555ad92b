package pipeline

import (
	"errors"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// DataRef is what becomes of the data of an event whose dataref names a place where the same data is. It is a sink's own
// choice: the extension lets an intermediary drop data where the parties have agreed on that. Data is never fetched, since
// an address that a sender chooses would make the router call whom the sender likes.
type DataRef uint8

// The choices. ForwardData sends the data; DropData sends the event without it; DropTooLarge does so only after the sink
// has refused the event for its size.
const (
	ForwardData DataRef = iota
	DropData
	DropTooLarge
)

// droppable reports whether an event has data that its dataref names as well.
func droppable(e *envelope.Event) bool {
	if e.Data == nil {
		return false
	}
	a := e.FindExtension("dataref")
	return a != nil && a.Value != ""
}

// WithoutData returns the event without its data where a dataref names the same data, and whether it does. The event
// itself is not changed.
func WithoutData(e *envelope.Event) (*envelope.Event, bool) {
	if !droppable(e) {
		return e, false
	}
	dst := new(envelope.Event)
	copyWithoutData(dst, e)
	return dst, true
}

func copyWithoutData(dst, e *envelope.Event) {
	e.CopyTo(dst)
	stripData(dst)
}

func stripData(e *envelope.Event) {
	e.Touch()
	e.Data, e.DataKind = nil, envelope.DataUnknown
}

// dropData takes the data out of a delivery, if its dataref names it. The batch's own event stays whole: other sinks and
// a dead letter may need it.
func (p *Pipeline) dropData(d *delivery) bool {
	switch {
	case !droppable(d.event):
		return false
	case d.own:
		stripData(d.event)
	default:
		whole := d.event
		d.event, d.own = p.newEvent(), true
		copyWithoutData(d.event, whole)
	}
	return true
}

// mayShrink reports whether a delivery may have to be sent a second time, without its data. What follows of its key must
// not be in the same Send then: it could be confirmed before.
func (l *lane) mayShrink(d *delivery) bool {
	return l.sink.DataRef == DropTooLarge && !d.dead && droppable(d.event)
}

// shrink puts a delivery that was refused for its size back without its data, and reports whether it could. A dead letter
// is always whole.
func (s *shard) shrink(d *delivery, cause error) bool {
	if s.lane.sink.DataRef != DropTooLarge || d.dead || !TooLarge(cause) || !s.lane.p.dropData(d) {
		return false
	}
	d.counts.withoutData.Add(1)
	// It is another message to the target, which may have kept its answer to the first one by that one's id.
	d.event.Variant += " without data"
	d.attempts++
	d.next = 0
	s.lines.putBack(*d)
	return true
}

// TooLarge reports whether a sink refused an event for its size.
func TooLarge(err error) bool {
	permanent, ok := errors.AsType[*bindings.PermanentError](err)
	return ok && permanent.Reason == bindings.ReasonTooLarge
}
