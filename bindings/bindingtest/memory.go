package bindingtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// MemorySource is a source without a transport: it emits the batches it was given, once, and keeps their outcomes.
// It takes window like any other source and settles batches it never sees again, so that a test of the pipeline has
// the real contract under it.
type MemorySource struct {
	Window *bindings.Window
	more   chan struct{} // capacity 1: batches were added

	mu       sync.Mutex // guards what follows
	batches  [][]*envelope.Event
	outcomes []Outcome
	emitted  sync.WaitGroup
	settled  int
}

// Outcome is what became of one event.
type Outcome struct {
	ID  string
	Err error
}

// NewMemorySource returns a source of these batches. The events are copied at emission.
func NewMemorySource(window *bindings.Window, batches ...[]*envelope.Event) *MemorySource {
	return &MemorySource{Window: window, batches: batches, more: make(chan struct{}, 1)}
}

// Add gives the source another batch, which it emits when it runs. It may be called while it does.
func (s *MemorySource) Add(events []*envelope.Event) {
	s.mu.Lock()
	s.batches = append(s.batches, events)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// Run emits every batch until ctx is done, and waits for the outcomes.
func (s *MemorySource) Run(ctx context.Context, emit func(*bindings.Batch)) error {
	for ctx.Err() == nil {
		events, ok := s.next()
		if !ok {
			select {
			case <-s.more:
			case <-ctx.Done():
			}
			continue
		}
		b := bindings.NewBatch(s, len(events))
		for _, e := range events {
			e.CopyTo(b.Add())
		}
		if s.Window.Acquire(ctx, len(b.Events), b.Size()) != nil {
			break
		}
		b.Hold(s.Window, b.Size())
		s.emitted.Add(1)
		emit(b)
	}
	s.emitted.Wait()
	return nil //nolint:nilerr // the end that was asked for is no failure
}

// next takes the next batch; it is false if there is none.
func (s *MemorySource) next() ([]*envelope.Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.batches) == 0 {
		return nil, false
	}
	events := s.batches[0]
	s.batches = s.batches[1:]
	return events, true
}

// Settle keeps the outcomes and gives the window back. Settling a batch a second time panics (invariant 1).
func (s *MemorySource) Settle(b *bindings.Batch) {
	s.mu.Lock()
	if len(b.Events) == 0 {
		panic("bindingtest: batch settled twice")
	}
	for i := range b.Events {
		s.outcomes = append(s.outcomes, Outcome{b.Events[i].ID, b.Err(i)})
	}
	s.settled++
	s.mu.Unlock()
	b.Free()
	b.Reset()
	s.emitted.Done()
}

// Outcomes returns what is known so far, in the order of settlement.
func (s *MemorySource) Outcomes() []Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Outcome(nil), s.outcomes...)
}

// MemorySink is a sink without a transport. Fail, when set, decides the outcome of every event of every Send; what it
// answers nil for counts as confirmed and is kept.
type MemorySink struct {
	// Fail is called with the event and how often it was sent before. It may be called from several goroutines.
	Fail func(e *envelope.Event, attempt int) error
	// Block, when set, is received from before a Send does anything, or until its context is done.
	Block chan struct{}
	// Ordered says that the sink keeps order itself.
	Ordered bool

	mu        sync.Mutex // guards what follows
	attempts  map[string]int
	confirmed []*envelope.Event
	sends     int
	closed    bool
}

// Send confirms or fails the events as Fail says. With Ordered it fails what follows a transient failure of a key.
func (s *MemorySink) Send(ctx context.Context, events []*envelope.Event) error {
	if s.Block != nil {
		select {
		case <-s.Block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		panic("bindingtest: Send after Close")
	}
	if s.attempts == nil {
		s.attempts = map[string]int{}
	}
	s.sends++
	errs := make(bindings.BatchError, len(events))
	failed := false
	broken := map[string]bool{}
	for i, e := range events {
		if s.Fail != nil {
			errs[i] = s.Fail(e, s.attempts[e.ID])
		}
		s.attempts[e.ID]++
		if s.Ordered && e.Key != nil {
			if errs[i] == nil && broken[string(e.Key)] {
				errs[i] = bindings.NotSent(fmt.Errorf("an earlier event of key %s failed", e.Key))
			}
			if _, permanent := errors.AsType[*bindings.PermanentError](errs[i]); errs[i] != nil && !permanent {
				broken[string(e.Key)] = true
			}
		}
		if errs[i] == nil {
			s.confirmed = append(s.confirmed, e.Clone())
		} else {
			failed = true
		}
	}
	if !failed {
		return nil
	}
	return errs
}

// Close marks the sink closed; a later Send panics.
func (s *MemorySink) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// KeepsOrder returns Ordered.
func (s *MemorySink) KeepsOrder() bool { return s.Ordered }

// Confirmed returns copies of the events confirmed so far, in the order of confirmation.
func (s *MemorySink) Confirmed() []*envelope.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*envelope.Event(nil), s.confirmed...)
}

// Sends returns how often Send ran.
func (s *MemorySink) Sends() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sends
}
