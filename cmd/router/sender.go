package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/pipeline"
)

// awaitSink repeats Ready until it succeeds or ctx is done.
func awaitSink(ctx context.Context, sink bindings.Sink) error {
	for {
		err := readySoon(ctx, sink, 5*time.Second)
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

// sender delivers events to one sink as a router would that has nothing else to do: what the sink does not accept is
// refused, and data goes by its dataref.
type sender struct {
	sink     pipeline.Sink
	progress *progress
	failed   []error
}

// send sends the events in batches and returns what failed in the end.
func (s *sender) send(ctx context.Context, events []*envelope.Event) []error {
	const batch = 256
	pending := make([]*envelope.Event, 0, batch)
	for i, e := range events {
		if s.sink.DataRef == pipeline.DropData {
			e, _ = pipeline.WithoutData(e)
		}
		if err := s.sink.Accepts.Check(e); err != nil {
			s.fail(e, err)
			s.progress.step(1)
		} else {
			pending = append(pending, e)
		}
		if len(pending) == batch || i == len(events)-1 {
			s.insist(ctx, pending)
			s.progress.step(len(pending))
			pending = pending[:0]
		}
	}
	return s.failed
}

// insist repeats what failed and may be repeated.
func (s *sender) insist(ctx context.Context, pending []*envelope.Event) {
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
func (s *sender) attempt(ctx context.Context, events []*envelope.Event) (again []*envelope.Event) {
	if len(events) == 0 {
		return nil
	}
	err := s.sink.Sink.Send(ctx, events)
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
func (s *sender) shrink(e *envelope.Event, cause error) (smaller *envelope.Event, ok bool) {
	if s.sink.DataRef != pipeline.DropTooLarge || !pipeline.TooLarge(cause) {
		return nil, false
	}
	return pipeline.WithoutData(e)
}

func (s *sender) fail(e *envelope.Event, cause error) {
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
