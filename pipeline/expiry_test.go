package pipeline

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
)

// expiring returns an event of one key that expires after a time from now.
func expiring(id string, after time.Duration) *envelope.Event {
	e := event(id, "t", "k")
	e.AddExtension("expirytime", time.Now().Add(after).UTC().Format(time.RFC3339Nano), envelope.KindUntyped)
	return e
}

func TestExpired(t *testing.T) {
	for _, c := range []struct {
		name                  string
		expired               Expired
		confirmed, letters    string
		dropped, deadLettered int64
	}{
		{"deliver", DeliverExpired, "1 2 3 4 5", "", 0, 0},
		{"drop", DropExpired, "2 4 5", "", 2, 0},
		{"dead letter", LetterExpired, "2 4 5", "1 3", 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink, dead := &bindingtest.MemorySink{}, &bindingtest.MemorySink{}
				odd := event("5", "t", "k")
				odd.AddExtension("expirytime", "lunchtime", envelope.KindUntyped)
				in := []*envelope.Event{expiring("1", -time.Second), expiring("2", time.Hour), expiring("3", 0), event("4", "t", "k"), odd}
				r := newRig(t, all("s"), []Sink{
					{Name: "s", Sink: sink, Expired: c.expired, DeadLetter: Policy{Action: ToSink, Sink: "dead"}}, {Name: "dead", Sink: dead},
				}, in)
				if err := r.run(time.Minute); err != nil {
					t.Fatal(err)
				}
				if got := ids(sink.Confirmed()); got != c.confirmed {
					t.Errorf("the sink got %q, want %q", got, c.confirmed)
				}
				if got := ids(dead.Confirmed()); got != c.letters {
					t.Errorf("dead letters %q, want %q", got, c.letters)
				}
				for _, d := range dead.Confirmed() {
					if attribute(d, "dlqreason") != string(bindings.ReasonExpired) || attribute(d, "expirytime") == "" {
						t.Errorf("dead letter %s: %s", d.ID, attribute(d, "dlqreason"))
					}
				}
				l := r.p.Ledger()
				if s := l.Sinks[0]; s.Dropped != c.dropped || s.DeadLettered != c.deadLettered || s.InFlight != 0 || l.Drops["expired"] != c.dropped {
					t.Errorf("ledger: %+v, drops %v", s, l.Drops)
				}
			})
		})
	}
}

// TestExpiresWhileTheTargetIsDown: the time is looked at before every attempt, not only before the first.
func TestExpiresWhileTheTargetIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{Fail: downFor(time.Minute)}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, Expired: DropExpired, Retry: Retry{Initial: time.Second, Max: 5 * time.Second}}},
			[]*envelope.Event{expiring("1", 30*time.Second), expiring("2", time.Hour)})
		if err := r.run(time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := ids(sink.Confirmed()); got != "2" {
			t.Errorf("the sink got %q, want 2 alone", got)
		}
		if n := failures(r.source.Outcomes()); n != 0 {
			t.Errorf("%d events failed at their source: an expired event is done", n)
		}
	})
}

func TestHasExpired(t *testing.T) {
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]bool{
		"2026-03-01T10:00:00Z": true, "2026-03-01T10:00:00.000000001Z": false, "2026-03-01t09:59:59z": true,
		"2026-03-01T11:00:00+01:00": true, "2026-03-01T09:30:00-01:00": false, "1990-12-31T23:59:60Z": true, "": false, "soon": false,
	} {
		e := &envelope.Event{}
		e.AddExtension("expirytime", value, envelope.KindUntyped)
		if got := hasExpired(e, now); got != want {
			t.Error(fmt.Sprintf("%q", value), got)
		}
	}
	if hasExpired(&envelope.Event{}, now) {
		t.Error("an event without expirytime has expired")
	}
}
