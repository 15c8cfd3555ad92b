package bindingtest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// badVariable names the violation that the child process of TestSuitesFindViolations is to commit.
const badVariable = "BINDINGTEST_VIOLATION"

// violations are what a source or sink may do wrong, each with the case that has to notice.
var violations = map[string]string{
	"hasty":      "TestBad_Source/waits_for_its_batches", // Run does not wait for its batches
	"greedy":     "TestBad_Source/window",                // the window is not asked
	"busy":       "TestBad_Source/hands_off",             // the batch is written to while it is out
	"leaky":      "TestBad_Source/no_goroutines",
	"changing":   "TestBad_Source/golden",
	"optimistic": "TestBad_Sink/confirmed_means_arrived",
	"harsh":      "TestBad_Sink/refused_alone",
	"editing":    "TestBad_Sink/events_unchanged",
	"disorderly": "TestBad_Sink/order_in_one_Send",
	"keeping":    "TestBad_Sink/keeps_no_event",
}

// TestSuitesFindViolations: a suite that lets a bad binding pass is worth nothing.
func TestSuitesFindViolations(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Skipf("NOT TESTED: the suites on bad bindings: %v", err)
	}
	for violation, noticed := range violations {
		t.Run(violation, func(t *testing.T) {
			t.Parallel()
			parts := strings.Split(noticed, "/")
			cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.run", "^"+parts[0]+"$/^"+parts[1]+"$")
			cmd.Env = append(os.Environ(), badVariable+"="+violation)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: "+noticed) {
				t.Errorf("%s let it pass (%v):\n%s", noticed, err, out)
			}
		})
	}
}

// badSource is the in-memory source with one thing wrong.
type badSource struct {
	*MemorySource
	violation string
}

func (s *badSource) Run(ctx context.Context, emit func(*bindings.Batch)) error {
	outer := emit
	switch s.violation {
	case "greedy":
		s.Window = bindings.NewWindow(0, 0)
	case "leaky":
		go func() { select {} }()
	case "changing":
		emit = func(b *bindings.Batch) {
			b.Events[0].Time = strings.ToUpper(b.Events[0].Time)
			outer(b)
		}
	case "busy":
		emit = func(b *bindings.Batch) {
			outer(b)
			held := b.Events
			go func() {
				for range 200 {
					held[0].Type = "com.example.mine!"
					time.Sleep(time.Millisecond)
				}
			}()
		}
	case "hasty":
		done := make(chan error, 1)
		go func() { done <- s.MemorySource.Run(ctx, emit) }()
		<-ctx.Done()
		return nil
	}
	return s.MemorySource.Run(ctx, emit)
}

func TestBad_Source(t *testing.T) {
	violation := os.Getenv(badVariable)
	if violation == "" {
		t.Skip("runs as a child of TestSuitesFindViolations only")
	}
	Source(t, SourceCase{
		Features: Features{HasKeys: true, Ordered: true},
		Open: func(*testing.T) *SourceRig {
			var source *badSource
			return &SourceRig{
				New: func(s bindings.SourceSettings) (bindings.Source, error) {
					source = &badSource{NewMemorySource(s.Window), violation}
					return source, nil
				},
				Send: func(_ context.Context, events []*envelope.Event) error {
					for _, e := range events {
						c := e.Clone()
						c.Meta.Transport = "memory"
						source.Add([]*envelope.Event{c})
					}
					return nil
				},
			}
		},
	})
}

// badSink is the in-memory sink with one thing wrong.
type badSink struct {
	*MemorySink
	violation string
	kept      []*envelope.Event
}

func (s *badSink) Send(ctx context.Context, events []*envelope.Event) error {
	switch s.violation {
	case "optimistic":
		return s.MemorySink.Send(ctx, events[:len(events)/2])
	case "harsh":
		for _, e := range events {
			if err := s.Fail(e, 0); err != nil {
				return err // for all of them
			}
		}
	case "editing":
		events[0].Subject += "!"
	case "disorderly":
		if len(events) > 4 {
			swapped := append([]*envelope.Event(nil), events...)
			swapped[0], swapped[4] = swapped[4], swapped[0]
			events = swapped
		}
	case "keeping":
		before := s.kept
		s.kept = events
		events = before
	}
	return s.MemorySink.Send(ctx, events)
}

func TestBad_Sink(t *testing.T) {
	violation := os.Getenv(badVariable)
	if violation == "" {
		t.Skip("runs as a child of TestSuitesFindViolations only")
	}
	Sink(t, SinkCase{
		Modes: []SinkMode{{Name: "memory"}},
		Open: func(*testing.T) *SinkRig {
			k := &badSink{violation: violation, MemorySink: &MemorySink{Ordered: true}}
			refused := series("refused", 1, 0)[0]
			k.Fail = func(e *envelope.Event, _ int) error {
				if e.ID == refused.ID {
					return bindings.Permanent(bindings.ReasonRejected, "", errDown)
				}
				return nil
			}
			return &SinkRig{
				New: func(bindings.SinkSettings) (bindings.Sink, error) { return k, nil },
				Arrived: func(*testing.T) (out []Arrival) {
					for _, e := range k.Confirmed() {
						out = append(out, Arrival{Event: e, Mode: "memory"})
					}
					return out
				},
				Refused: []RefusedEvent{{"rejected", refused, bindings.ReasonRejected}},
			}
		},
	})
}
