package bindingtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// SinkCase is what [Sink] needs to know of a binding's sink.
type SinkCase struct {
	// Modes are the content modes the sink has. The cases that are about something else use the first.
	Modes []SinkMode
	// Open makes an empty target that one case has to itself.
	Open func(t *testing.T) *SinkRig
	// Foreign are parts of the stacks of goroutines that belong to a target inside the test's process.
	Foreign []string
	// Uninterruptible says why a Send under way cannot be ended by its context, where that is so.
	Uninterruptible string
}

// SinkMode is one content mode of a sink.
type SinkMode struct {
	// Name is what Preview calls the mode.
	Name string
	// Mode is what the user asks for.
	Mode bindings.Mode
	// Loss is what the way to the independent reader may lose.
	Loss Loss
	// Otherwise names golden events that fall back to another mode, with that mode's name.
	Otherwise map[string]string
	// Bends names golden events whose data a documented convention of the target changes, each with the reason.
	Bends map[string]string
	// Refuses names golden events that the target cannot carry in this mode, each with the reason.
	Refuses map[string]string
}

// SinkRig is one target with the means to look at it.
type SinkRig struct {
	// New returns a sink of this target.
	New func(s bindings.SinkSettings) (bindings.Sink, error)
	// Arrived returns everything the target has taken so far, in the order of arrival, as another program reads it.
	Arrived func(t *testing.T) []Arrival
	// Transport is the kind of source whose keys the target orders by; empty if that of any source will do.
	Transport string
	// Refused are events that the target or the binding cannot take however often they are sent.
	Refused []RefusedEvent
	// FailOnce makes the target fail the event with that id once, for a reason that passes; nil if it cannot.
	FailOnce func(id string)
	// Down makes the target unreachable, Stall lets it accept and never answer, and Up ends both; nil if that cannot
	// be done.
	Down, Stall, Up func()
	// LoseAnswer lets the next answer of the target get lost together with its connection; nil if that cannot be done.
	LoseAnswer func()
}

// Arrival is an event at the target.
type Arrival struct {
	Event *envelope.Event
	// Mode is the content mode it came in, Address and Key what [bindings.Preview] calls so.
	Mode, Address, Key string
}

// RefusedEvent is an event that is refused for good.
type RefusedEvent struct {
	Name   string
	Event  *envelope.Event
	Reason bindings.Reason
}

// Sink holds a sink to the contract of package bindings.
func Sink(t *testing.T, c SinkCase) {
	t.Helper()
	if c.Open == nil || len(c.Modes) == 0 {
		t.Fatal("bindingtest: a sink case needs Open and Modes")
	}
	runCases(t, &sinkSuite{c}, sinkCases)
}

// sinkSuite runs the cases of one sink.
type sinkSuite struct{ SinkCase }

// sink makes a sink in the first mode; the returned function closes it, at the latest at the end of the test.
func (s *sinkSuite) sink(t *testing.T, rig *SinkRig) (bindings.Sink, func()) {
	t.Helper()
	return s.sinkIn(t, rig, s.Modes[0].Mode)
}

func (s *sinkSuite) sinkIn(t *testing.T, rig *SinkRig, mode bindings.Mode) (bindings.Sink, func()) {
	t.Helper()
	k, err := rig.New(bindings.SinkSettings{
		Name: "out", Log: zap.NewNop(), Mode: mode, Format: envelope.FormatJSON, Timeout: 10 * time.Second, Concurrency: 8,
	})
	if err != nil {
		t.Fatal(err)
	}
	shut := sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := k.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Cleanup(shut)
	return k, shut
}

// mustSend wants every event confirmed.
func mustSend(t *testing.T, k bindings.Sink, events []*envelope.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := k.Send(ctx, events); err != nil {
		t.Fatalf("Send of %d events: %v", len(events), err)
	}
}

// outcomes spreads the result of a Send over its events, as the pipeline does, and fails the test where it breaks the
// form that Send's documentation gives it.
func outcomes(t *testing.T, err error, n int) []error {
	t.Helper()
	each := make([]error, n)
	var batch bindings.BatchError
	switch {
	case err == nil:
	case errors.As(err, &batch):
		if len(batch) != n {
			t.Fatalf("a BatchError of %d entries for %d events", len(batch), n)
		}
		failed := false
		for i := range batch {
			each[i] = batch[i]
			failed = failed || batch[i] != nil
		}
		if !failed {
			t.Error("a BatchError in which nothing failed: the caller takes it for a failure")
		}
	default:
		for i := range each {
			each[i] = err
		}
	}
	return each
}

// isPermanent reports whether err is permanent and for which reason.
func isPermanent(err error) (bindings.Reason, bool) {
	if p, ok := errors.AsType[*bindings.PermanentError](err); ok {
		return p.Reason, true
	}
	return "", false
}

// own makes events look as if they came by the target's own transport.
func (r *SinkRig) own(events []*envelope.Event) []*envelope.Event {
	for _, e := range events {
		e.Meta.Transport = r.Transport
	}
	return events
}

// arrivals returns how often each id arrived.
func (r *SinkRig) arrivals(t *testing.T) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, a := range r.Arrived(t) {
		n[a.Event.ID]++
	}
	return n
}

// wantClaimsTrue fails the test if an event was confirmed that the target does not have (invariant 8).
func (r *SinkRig) wantClaimsTrue(t *testing.T, events []*envelope.Event, each []error) {
	t.Helper()
	arrived := r.arrivals(t)
	for i, e := range events {
		if each[i] == nil && arrived[e.ID] == 0 {
			t.Errorf("%s was reported as delivered and is not at the target", e.ID)
		}
	}
}

// wantTransient fails the test if an event of an outage was confirmed without having arrived, or failed for good.
func wantTransient(t *testing.T, events []*envelope.Event, each []error) {
	t.Helper()
	for i, e := range events {
		if reason, ok := isPermanent(each[i]); ok {
			t.Errorf("%s failed for good (%s) although a repetition would help: %v", e.ID, reason, each[i])
		}
	}
}

// repeat sends events until all are confirmed, only those again that were not, as the pipeline does.
func repeat(t *testing.T, k bindings.Sink, events []*envelope.Event) {
	t.Helper()
	var last error
	for end := time.Now().Add(patience); len(events) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d events not delivered within %s: %v", len(events), patience, last)
		}
		ctx, cancel := context.WithTimeout(t.Context(), prompt)
		last = k.Send(ctx, events)
		cancel()
		each := outcomes(t, last, len(events))
		wantTransient(t, events, each)
		var left []*envelope.Event
		for i, err := range each {
			if err != nil {
				left = append(left, events[i])
			}
		}
		events = left
	}
}

// frozen is a set of events with what they were before a Send.
type frozen struct{ events, before []*envelope.Event }

func freeze(events []*envelope.Event) frozen {
	f := frozen{events: events}
	for _, e := range events {
		f.before = append(f.before, e.Clone())
	}
	return f
}

// check fails the test if an event is not what it was.
func (f frozen) check(t *testing.T) {
	t.Helper()
	for i, e := range f.events {
		if now := e.Clone(); !reflect.DeepEqual(now, f.before[i]) {
			t.Errorf("Send changed event %s:\n got %s\nwant %s", f.before[i].ID, describe(now), describe(f.before[i]))
		}
	}
}

func describe(e *envelope.Event) string { return short(fmt.Sprintf("%+v", *e)) }
