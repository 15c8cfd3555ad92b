package wire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/pipeline"
)

// AwaitSink repeats Ready until it succeeds or ctx is done.
func AwaitSink(ctx context.Context, sink bindings.Sink) error {
	for {
		err := Ready(ctx, sink, 5*time.Second)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.NewTimer(250 * time.Millisecond).C:
		}
	}
}

// Sender delivers events to one sink as a router would that has nothing else to do: what the sink does not accept is
// refused, and data goes by its dataref.
type Sender struct {
	Sink pipeline.Sink
	// Step, where it is not nil, is told how many more events are done.
	Step   func(n int)
	failed []error
}

// Send sends the events in batches and returns what failed in the end.
func (s *Sender) Send(ctx context.Context, events []*envelope.Event) []error {
	const batch = 256
	pending := make([]*envelope.Event, 0, batch)
	for i, e := range events {
		if s.Sink.DataRef == pipeline.DropData {
			e, _ = pipeline.WithoutData(e)
		}
		if err := s.Sink.Accepts.Check(e); err != nil {
			s.fail(e, err)
			s.step(1)
		} else {
			pending = append(pending, e)
		}
		if len(pending) == batch || i == len(events)-1 {
			s.insist(ctx, pending)
			s.step(len(pending))
			pending = pending[:0]
		}
	}
	return s.failed
}

func (s *Sender) step(n int) {
	if s.Step != nil {
		s.Step(n)
	}
}

// insist repeats what failed and may be repeated.
func (s *Sender) insist(ctx context.Context, pending []*envelope.Event) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if pending = s.attempt(ctx, pending); len(pending) == 0 {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.NewTimer(wait).C:
		}
	}
}

// attempt sends events once and returns those to be sent again, in their order.
func (s *Sender) attempt(ctx context.Context, events []*envelope.Event) (again []*envelope.Event) {
	if len(events) == 0 {
		return nil
	}
	err := s.Sink.Sink.Send(ctx, events)
	for i, e := range events {
		cause := eventError(err, i, len(events))
		if cause == nil {
			continue
		}
		if smaller, ok := s.shrink(e, cause); ok {
			e, cause = smaller, nil
		}
		var permanent *bindings.PermanentError
		if cause != nil && (ctx.Err() != nil || errors.As(cause, &permanent)) {
			s.fail(e, cause)
		} else {
			again = append(again, e)
		}
	}
	return again
}

// shrink returns an event without its data, if it was too large and the sink says so.
func (s *Sender) shrink(e *envelope.Event, cause error) (smaller *envelope.Event, ok bool) {
	if s.Sink.DataRef != pipeline.DropTooLarge || !pipeline.TooLarge(cause) {
		return nil, false
	}
	return pipeline.WithoutData(e)
}

func (s *Sender) fail(e *envelope.Event, cause error) {
	s.failed = append(s.failed, fmt.Errorf("event %s: %w", e.ID, cause))
}

// eventError returns the error of the i-th of n events of a Send.
func eventError(err error, i, n int) error {
	var each bindings.BatchError
	if errors.As(err, &each) && len(each) == n {
		return each[i]
	}
	return err
}
