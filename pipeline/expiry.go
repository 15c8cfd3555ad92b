package pipeline

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// Expired is what becomes of an event whose expirytime has passed when it is its turn. It is a sink's own choice: the
// extension binds nobody who did not ask for it.
type Expired uint8

// The choices. DeliverExpired leaves the attribute to whoever reads it; DropExpired discards and counts the event;
// LetterExpired makes it a permanent failure, which the sink's dead-letter policy decides about.
const (
	DeliverExpired Expired = iota
	DropExpired
	LetterExpired
)

var errExpired = errors.New("the event's expirytime has passed")

// screen takes what may not be sent out of the batch that is about to be: what has expired, and what the sink does not
// accept. It runs before every attempt, so that an event that expires while its target is down is not delivered late.
// Dead letters do not expire, they are for people; what a sink accepts holds for them as for all events.
func (s *shard) screen(now time.Time) {
	sink := &s.lane.sink
	if sink.Expired == DeliverExpired && sink.Accepts == nil {
		return
	}
	// Backwards, as settle does it: what is put back or handed on keeps its order then.
	for i := len(s.batch) - 1; i >= 0; i-- {
		d := &s.batch[i]
		cause := sink.Accepts.Check(d.event)
		if sink.Expired != DeliverExpired && !d.dead && hasExpired(d.event, now) {
			if sink.Expired == DropExpired {
				s.ends.expired(d)
				*d = delivery{} // taken out
				continue
			}
			cause = bindings.Permanent(bindings.ReasonExpired, "", errExpired)
		}
		if cause != nil {
			s.giveUp(d, cause, now.UnixNano())
			*d = delivery{}
		}
	}
	s.ends.flush()
	s.sendLetters()
	s.lane.report.refused(s.lane, &s.refused)
	s.batch = slices.DeleteFunc(s.batch, func(d delivery) bool { return d.batch == nil })
}

// hasExpired reports whether the event has an expirytime that is not in the future. One that is no timestamp says
// nothing.
func hasExpired(e *envelope.Event, now time.Time) bool {
	a := e.FindExtension("expirytime")
	if a == nil {
		return false
	}
	// RFC 3339 allows lower-case letters and leap seconds, which time.Parse does not; a second does not matter here.
	at, err := time.Parse(time.RFC3339, strings.Replace(strings.ToUpper(a.Value), ":60", ":59", 1))
	return err == nil && !at.After(now)
}

// expired ends a delivery that its sink discards because it came too late.
