package pipeline

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
)

// logLines runs a rig with its log kept and returns how often each line came; it also checks that sinks recover once at
// most for each line that they failed.
func logLines(t *testing.T, r *rig, d time.Duration) (*observer.ObservedLogs, map[string]int) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	r.settings.Log = zap.New(core)
	if err := r.run(d); err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	failing := false
	for _, l := range logs.All() {
		n[l.Message]++
		switch l.Message {
		case "sink failed":
			failing = true
		case "sink delivers again":
			if !failing {
				t.Error("a sink delivers again that was not said to fail")
			}
			failing = false
		}
	}
	if failing {
		t.Error("a sink failed and was not said to deliver again")
	}
	return logs, n
}

// TestFlappingSinkDoesNotFloodTheLog: a target that failed one event in twenty got a line of recovery for nearly each.
func TestFlappingSinkDoesNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		sink := &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error {
			if n++; n%20 == 0 {
				return errDown
			}
			return nil
		}}
		// 20 events a second keep the sink busy, and failing, for a hundred seconds.
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, BatchEvents: 1, Rate: 20}}, events(2000, "t", 0))
		_, got := logLines(t, r, time.Hour)
		if len(sink.Confirmed()) != 2000 {
			t.Fatalf("%d delivered", len(sink.Confirmed()))
		}
		if failed := got["sink failed"]; failed < 9 || failed > 12 {
			t.Errorf("%d lines that the sink failed in 105 seconds", failed)
		}
		if got["sink delivers again"] != got["sink failed"] || got["events refused"] != 0 {
			t.Errorf("lines %v", got)
		}
	})
}

// TestOutageHasOneRecovery: however many lines say that a sink fails, one says that it is over.
func TestOutageHasOneRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{Fail: downFor(time.Minute)}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, Concurrency: 4, Retry: Retry{Max: time.Second}}}, events(100, "t", 10))
		_, got := logLines(t, r, time.Hour)
		if got["sink failed"] != 6 || got["sink delivers again"] != 1 {
			t.Errorf("lines %v", got)
		}
	})
}

// TestRefusedEventIsNoFailingSink: events that fail for their own sake were reported as failures of a healthy sink.
func TestRefusedEventIsNoFailingSink(t *testing.T) {
	refuse := func(reason bindings.Reason) func(*envelope.Event, int) error {
		n := 0
		return func(*envelope.Event, int) error {
			if n++; n%2 == 0 {
				return bindings.Permanent(reason, "", errors.New("no"))
			}
			return nil
		}
	}
	for reason, s := range map[bindings.Reason]Sink{
		bindings.ReasonTooLarge:       {Sink: &bindingtest.MemorySink{Fail: refuse(bindings.ReasonTooLarge)}},
		bindings.ReasonRejected:       {Sink: &bindingtest.MemorySink{Fail: refuse(bindings.ReasonRejected)}, DeadLetter: Policy{Action: ToSink, Sink: "dead"}},
		bindings.ReasonClassification: {Sink: &bindingtest.MemorySink{}, Accepts: &Accepts{}},
	} {
		t.Run(string(reason), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s.Name, s.BatchEvents, s.Rate = "s", 2, 20
				in := events(600, "t", 0)
				for i := range in {
					if reason == bindings.ReasonClassification && i%2 == 0 {
						in[i] = classified(in[i].ID, "secret", "-")
					}
				}
				r := newRig(t, all("s"), []Sink{s, {Name: "dead", Sink: &bindingtest.MemorySink{}}}, in)
				logs, got := logLines(t, r, time.Hour)
				if got["sink failed"] != 0 || got["sink delivers again"] != 0 || got["events refused"] < 2 || got["events refused"] > 3 {
					t.Errorf("lines %v in half a minute", got)
				}
				refused := logs.FilterMessage("events refused").All()
				total := int64(0)
				for _, l := range refused {
					f := l.ContextMap()
					total += f["events"].(int64)
					if f["reason"] != string(reason) || f["sink"] != "s" || f["error"] == "" {
						t.Errorf("fields %v", f)
					}
				}
				if total < 180 || total > 300 {
					t.Errorf("the lines speak of %d events; the last ten seconds may be missing of 300", total)
				}
			})
		})
	}
}

// TestRescuedEventIsNoFailingSink: an event that goes without its data after it was too large is neither refused nor a
// failure of its sink.
func TestRescuedEventIsNoFailingSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{Fail: func(e *envelope.Event, _ int) error {
			if e.Data != nil {
				return bindings.Permanent(bindings.ReasonTooLarge, "", errors.New("too large"))
			}
			return nil
		}}
		in := events(10, "t", 0)
		for _, e := range in {
			e.AddExtension("dataref", "https://store.example/1", envelope.KindUntyped)
		}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, DataRef: DropTooLarge}}, in)
		if _, got := logLines(t, r, time.Minute); len(got) != 0 || len(sink.Confirmed()) != 10 {
			t.Errorf("%d delivered; lines %v", len(sink.Confirmed()), got)
		}
	})
}

// TestHeldEventIsReportedOnce: a held event is tried again and again; each time it was a failure of its sink.
func TestHeldEventIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error {
			return bindings.Permanent(bindings.ReasonRejected, "", errors.New("no"))
		}}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, DeadLetter: Policy{Action: Hold}}}, events(1, "t", 0))
		_, got := logLines(t, r, time.Hour)
		if len(got) != 1 || got["event is held: it failed for good and the dead-letter policy says hold"] != 1 {
			t.Errorf("lines %v", got)
		}
	})
}

// TestExhaustedRetriesAreAFailingSink: what is given up for want of an answer is the sink's failure, not the event's.
func TestExhaustedRetriesAreAFailingSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{Fail: func(e *envelope.Event, _ int) error {
			if e.ID == "e00000" {
				return errDown
			}
			return nil
		}}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, BatchEvents: 1, Retry: Retry{Attempts: 2}}}, events(3, "t", 0))
		_, got := logLines(t, r, time.Minute)
		if got["sink failed"] != 1 || got["sink delivers again"] != 1 || got["events refused"] != 0 {
			t.Errorf("lines %v", got)
		}
	})
}
