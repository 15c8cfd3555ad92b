package pipeline

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// referred returns an event of one key whose data is elsewhere too.
func referred(id, data string) *envelope.Event {
	e := event(id, "t", "k")
	e.Data = []byte(data)
	e.AddExtension("dataref", "https://store.acme.example/"+id, envelope.KindURIRef)
	e.Raw, e.RawFormat = []byte("{}"), envelope.FormatJSON
	return e
}

// limited refuses events with more than five bytes of data, as a target with a limit does.
func limited(e *envelope.Event, _ int) error {
	if len(e.Data) > 5 {
		return bindings.Permanent(bindings.ReasonTooLarge, "413", errors.New("too large"))
	}
	return nil
}

// seen says of each event how much data it had.
func seen(events []*envelope.Event) string {
	text := ""
	for _, e := range events {
		size := fmt.Sprint(len(e.Data))
		if e.Data == nil {
			size = "-"
		}
		text += e.ID + ":" + size + " "
	}
	return text
}

func TestDataRef(t *testing.T) {
	for _, c := range []struct {
		name            string
		choice          DataRef
		ordered         bool
		confirmed, dead string
		lettered, lean  int64
	}{
		{"forward", ForwardData, false, "1:5 3:- ", "2:10 4:10 5:6 ", 3, 0},
		{"drop", DropData, false, "1:- 2:- 3:- ", "4:10 5:6 ", 2, 2},
		{"when too large", DropTooLarge, false, "1:5 2:- 3:- ", "4:10 5:6 ", 2, 1},
		{"when too large, of a sink that keeps order", DropTooLarge, true, "1:5 2:- 3:- ", "4:10 5:6 ", 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bare, empty := event("4", "t", "k"), referred("5", "longer")
				bare.Data = []byte("0123456789")
				empty.Set("dataref", "", envelope.KindURIRef)
				none := referred("3", "")
				none.Data = nil
				in := []*envelope.Event{referred("1", "short"), referred("2", "0123456789"), none, bare, empty}
				sink, other, dead := &bindingtest.MemorySink{Fail: limited, Ordered: c.ordered}, &bindingtest.MemorySink{}, &bindingtest.MemorySink{}
				r := newRig(t, all("s", "other"), []Sink{
					{Name: "s", Sink: sink, DataRef: c.choice, DeadLetter: Policy{Action: ToSink, Sink: "dead"}},
					{Name: "other", Sink: other},
					{Name: "dead", Sink: dead, DataRef: DropData},
				}, in)
				if err := r.run(time.Minute); err != nil {
					t.Fatal(err)
				}
				if got := seen(sink.Confirmed()); got != c.confirmed {
					t.Errorf("the sink got %q, want %q in order", got, c.confirmed)
				}
				if got := seen(other.Confirmed()); got != "1:5 2:10 3:- 4:10 5:6 " {
					t.Errorf("another sink got %q, want the whole events", got)
				}
				if got := seen(dead.Confirmed()); got != c.dead {
					t.Errorf("dead letters %q, want %q", got, c.dead)
				}
				for _, e := range sink.Confirmed() {
					if again := c.choice == DropTooLarge && e.ID == "2"; again != (e.Variant != "") {
						t.Errorf("event %s has the variant %q: a delivery id stands for one message", e.ID, e.Variant)
					}
				}
				for _, e := range other.Confirmed() {
					if e.ID == "1" && string(e.Raw) != "{}" {
						t.Error("the original lost its bytes")
					}
				}
				for _, e := range sink.Confirmed() {
					if e.Data == nil && e.ID != "3" && e.Raw != nil || attribute(e, "dataref") == "" {
						t.Errorf("event %s: %+v", e.ID, e)
					}
				}
				if s := r.p.Ledger().Sinks[0]; s.Legs.Legs != 5 || s.DeadLettered != c.lettered || s.Delivered != 5-c.lettered || s.InFlight != 0 || s.WithoutData != c.lean {
					t.Errorf("ledger %+v", s)
				}
			})
		})
	}
}

// TestRefusedWithoutDataToo: what is too large even so is given up, and its dead letter is whole.
func TestRefusedWithoutDataToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &bindingtest.MemorySink{}
		sink := &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error {
			return bindings.Permanent(bindings.ReasonTooLarge, "", errors.New("too large"))
		}}
		rules := []routing.Rule{{Name: "set", To: []string{"s"}, Set: []routing.Assignment{{Name: "a", Template: "b"}}}}
		r := newRig(t, rules, []Sink{
			{Name: "s", Sink: sink, DataRef: DropTooLarge, DeadLetter: Policy{Action: ToSink, Sink: "dead"}}, {Name: "dead", Sink: dead},
		}, []*envelope.Event{referred("1", "whole")})
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		letters := dead.Confirmed()
		if len(letters) != 1 || string(letters[0].Data) != "whole" || attribute(letters[0], "dlqreason") != "too_large" ||
			attribute(letters[0], "dlqattempts") != "2" || // one of them without data
			attribute(letters[0], "a") != "" {
			t.Errorf("dead letters %+v, want the original after two attempts", letters)
		}
	})
}

// TestDeadLettersAreWhole: a sink of dead letters gets them with their data, whatever it says of dataref.
func TestDeadLettersAreWhole(t *testing.T) {
	for _, choice := range []DataRef{DropData, DropTooLarge} {
		synctest.Test(t, func(t *testing.T) {
			long, short := referred("1", "0123456789"), referred("2", "short")
			dead := &bindingtest.MemorySink{Fail: limited}
			rules := []routing.Rule{{Name: "set", To: []string{"s"}, Set: []routing.Assignment{{Name: "a", Template: "{none}"}}}}
			r := newRig(t, rules, []Sink{
				{Name: "s", Sink: &bindingtest.MemorySink{}, DeadLetter: Policy{Action: ToSink, Sink: "dead"}},
				{Name: "dead", Sink: dead, DataRef: choice},
			}, []*envelope.Event{long}, []*envelope.Event{short})
			if err := r.run(time.Hour); err != nil {
				t.Fatal(err)
			}
			if got := seen(dead.Confirmed()); got != "2:5 " {
				t.Errorf("%d: dead letters %q, want the one that the sink can take, whole", choice, got)
			}
			if s := r.p.Ledger().Sinks[0]; s.DeadLettered != 1 || s.Returned != 1 {
				t.Errorf("%d: ledger %+v, want the other one held", choice, s)
			}
		})
	}
}

// TestShrinkingKeepsOrderBehindAnOutage: an event that is sent a second time without its data stays before those of its
// key that follow, and behind those that wait.
func TestShrinkingKeepsOrderBehindAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{Ordered: true, Fail: func(e *envelope.Event, attempt int) error {
			if e.ID == "0" && attempt < 3 {
				return errDown
			}
			return limited(e, attempt)
		}}
		in := []*envelope.Event{event("0", "t", "k"), referred("1", "0123456789"), event("2", "t", "k"), referred("3", "0123456789"), event("4", "t", "k")}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, DataRef: DropTooLarge}}, in)
		if err := r.run(time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := ids(sink.Confirmed()); got != "0 1 2 3 4" {
			t.Errorf("got %s", got)
		}
	})
}

func TestWithoutDataLeavesTheEventWhole(t *testing.T) {
	e := referred("1", "data")
	less, ok := WithoutData(e)
	if !ok || less == e || less.Data != nil || less.Raw != nil || string(e.Data) != "data" || e.Raw == nil || less.ID != "1" {
		t.Errorf("%+v of %+v", less, e)
	}
	if same, ok := WithoutData(event("1", "t", "")); ok || same.Data == nil {
		t.Error("data that is nowhere else was dropped")
	}
}
