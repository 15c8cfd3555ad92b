package pipeline

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

func classified(id, level, regulation string) *envelope.Event {
	e := event(id, "t", "k")
	if level != "-" {
		e.AddExtension("dataclassification", level, envelope.KindUntyped)
	}
	if regulation != "-" {
		e.AddExtension("dataregulation", regulation, envelope.KindUntyped)
	}
	e.AddExtension("datacategory", "health", envelope.KindUntyped)
	return e
}

func TestAcceptsCheck(t *testing.T) {
	a := &Accepts{Levels: []string{"public", "internal"}, Regulations: []string{"gdpr", "hipaa"}}
	for _, c := range []struct{ level, regulation, want string }{
		{"-", "-", ""},
		{"-", "itar", ""}, // no classification: the extension is not in use
		{"public", "-", ""},
		{"internal", "", ""},
		{"internal", "gdpr", ""},
		{"internal", " hipaa , gdpr,", ""},
		{"restricted", "-", `the sink does not accept dataclassification "restricted"`},
		{"Public", "-", `dataclassification "Public"`},
		{"", "-", `dataclassification ""`},
		{"public", "gdpr, itar", `dataregulation "itar"`},
		{"public", "gdpr;hipaa", `dataregulation "gdpr;hipaa"`},
	} {
		err := a.Check(classified("1", c.level, c.regulation))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || reasonOf(err) != bindings.ReasonClassification) {
			t.Errorf("%q, %q: %v, want %q", c.level, c.regulation, err, c.want)
		}
	}
	if err := (*Accepts)(nil).Check(classified("1", "restricted", "-")); err != nil {
		t.Errorf("a sink that asks nothing refuses: %v", err)
	}
	if (&Accepts{}).Check(classified("1", "public", "-")) == nil {
		t.Error("a sink that accepts no level took one")
	}
	e := classified("1", "public", "gdpr, hipaa")
	if n := testing.AllocsPerRun(100, func() { _ = a.Check(e) }); n != 0 {
		t.Errorf("%v allocations for an event that passes", n)
	}
}

func TestAccepts(t *testing.T) {
	for name, c := range map[string]struct {
		dead                  Policy
		letters               string
		dropped, deadLettered int64
	}{
		"dead letter": {Policy{Action: ToSink, Sink: "dead"}, "2 4", 0, 2},
		"drop":        {Policy{Action: Drop}, "", 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink, other, dead := &bindingtest.MemorySink{}, &bindingtest.MemorySink{}, &bindingtest.MemorySink{}
				in := []*envelope.Event{
					classified("1", "public", "-"), classified("2", "restricted", "-"), classified("3", "-", "-"),
					classified("4", "public", "itar"), classified("5", "public", "gdpr"),
				}
				r := newRig(t, all("s", "other"), []Sink{
					{Name: "s", Sink: sink, DeadLetter: c.dead, Accepts: &Accepts{Levels: []string{"public"}, Regulations: []string{"gdpr"}}},
					{Name: "other", Sink: other},
					{Name: "dead", Sink: dead},
				}, in)
				if err := r.run(time.Minute); err != nil {
					t.Fatal(err)
				}
				if got := ids(sink.Confirmed()); got != "1 3 5" {
					t.Errorf("the sink got %q", got)
				}
				if got := ids(other.Confirmed()); got != "1 2 3 4 5" {
					t.Errorf("a sink that asks nothing got %q", got)
				}
				if got := ids(dead.Confirmed()); got != c.letters {
					t.Errorf("dead letters %q, want %q", got, c.letters)
				}
				for _, d := range dead.Confirmed() {
					if attribute(d, "dlqreason") != "classification" || attribute(d, "dlqsink") != "s" || attribute(d, "dlqattempts") != "0" ||
						!strings.Contains(attribute(d, "dlqerror"), "does not accept data") || attribute(d, "dataclassification") == "" {
						t.Errorf("dead letter %+v", d)
					}
				}
				l := r.p.Ledger()
				if s := l.Sinks[0]; s.Legs.Legs != 5 || s.Delivered != 3 || s.Dropped != c.dropped || s.DeadLettered != c.deadLettered || s.InFlight != 0 {
					t.Errorf("ledger %+v", s)
				}
			})
		})
	}
}

// TestHTTPSenderIsToldOfAClassification: with dead_letter: hold, the sender of a request gets the refusal.
func TestHTTPSenderIsToldOfAClassification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := classified("1", "restricted", "-")
		e.Meta.Transport = "http"
		r := newRig(t, all("s"), []Sink{
			{Name: "s", Sink: &bindingtest.MemorySink{}, DeadLetter: Policy{Action: Hold}, Accepts: &Accepts{Levels: []string{"public"}}},
		}, []*envelope.Event{e})
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if out := r.source.Outcomes(); len(out) != 1 || reasonOf(out[0].Err) != bindings.ReasonClassification {
			t.Errorf("outcomes %v", out)
		}
		if s := r.p.Ledger().Sinks[0]; s.Returned != 1 {
			t.Errorf("ledger %+v", s)
		}
	})
}

// TestDeadLettersAreGated: what a sink accepts holds for dead letters too. One that it may not have is held; the others
// go on, and so do they when the router stops.
func TestDeadLettersAreGated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &bindingtest.MemorySink{}
		secret, plain := classified("1", "restricted", "-"), classified("2", "public", "-")
		secret.Type, plain.Type = "bad", "bad"
		r := newRig(t, all("s"), []Sink{
			{Name: "s", Sink: &bindingtest.MemorySink{Fail: refuse}, DeadLetter: Policy{Action: ToSink, Sink: "dead"}},
			{Name: "dead", Sink: dead, Accepts: &Accepts{Levels: []string{"public"}}},
		}, []*envelope.Event{secret}, []*envelope.Event{plain})
		if err := r.run(time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := ids(dead.Confirmed()); got != "2" {
			t.Errorf("dead letters %q, want 2 alone", got)
		}
		for _, o := range r.source.Outcomes() {
			if (o.Err != nil) != (o.ID == "1") {
				t.Errorf("event %s: %v; what is held stays at its source", o.ID, o.Err)
			}
		}
		if s := r.p.Ledger().Sinks[0]; s.DeadLettered != 1 || s.Returned != 1 || s.InFlight != 0 {
			t.Errorf("ledger %+v", s)
		}
	})
}

// TestSinkJudgesWhatItWouldGet: accepts looks at the copy that a route's set made, and a dead letter has the original
// labels again.
func TestSinkJudgesWhatItWouldGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink, dead := &bindingtest.MemorySink{}, &bindingtest.MemorySink{}
		rules := []routing.Rule{
			{Name: "lowers", To: []string{"s"}, Set: []routing.Assignment{{Name: "dataclassification", Template: "public"}}},
			{Name: "raises", To: []string{"s"}, Set: []routing.Assignment{{Name: "dataclassification", Template: "secret"}}},
		}
		r := newRig(t, rules, []Sink{
			{Name: "s", Sink: sink, DeadLetter: Policy{Action: ToSink, Sink: "dead"}, Accepts: &Accepts{Levels: []string{"public"}}},
			{Name: "dead", Sink: dead},
		}, []*envelope.Event{classified("1", "restricted", "-")})
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := sink.Confirmed(); len(got) != 1 || attribute(got[0], "dataclassification") != "public" {
			t.Errorf("delivered %v, want the lowered one", got)
		}
		if got := dead.Confirmed(); len(got) != 1 || attribute(got[0], "dataclassification") != "restricted" || attribute(got[0], "dlqroute") != "raises" {
			t.Errorf("dead letters %v, want the raised one with its original level", got)
		}
	})
}
