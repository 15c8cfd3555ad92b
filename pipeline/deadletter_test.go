package pipeline

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

func refuse(e *envelope.Event, _ int) error {
	if e.Type == "bad" {
		return bindings.Permanent(bindings.ReasonRejected, "422", errors.New("unprocessable \x01 thing"))
	}
	return nil
}

func attribute(e *envelope.Event, name string) string {
	v, _ := e.Get(name)
	return v
}

func TestDeadLetterSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &bindingtest.MemorySink{}
		in := []*envelope.Event{event("1", "good", "k"), event("2", "bad", "k"), event("3", "good", "k")}
		in[1].Raw, in[1].RawFormat = []byte("{}"), envelope.FormatJSON
		in[1].Meta = envelope.Meta{Transport: "kafka", Channel: "orders", Partition: 3, Position: 4711, Timestamp: 1}
		sink := &bindingtest.MemorySink{Fail: refuse}
		r := newRig(t, all("s"), []Sink{
			{Name: "s", Sink: sink, DeadLetter: Policy{Action: ToSink, Sink: "dead"}}, {Name: "dead", Sink: dead},
		}, in)
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := ids(sink.Confirmed()); got != "1 3" {
			t.Errorf("sink got %q, want 1 3", got)
		}
		letters := dead.Confirmed()
		if len(letters) != 1 {
			t.Fatalf("%d dead letters, want 1", len(letters))
		}
		d := letters[0]
		for name, want := range map[string]string{
			"id": "2", "source": "/test", "type": "bad", "dlqreason": "rejected", "dlqcode": "422",
			"dlqerror": "unprocessable   thing", "dlqattempts": "1", "dlqroute": "all", "dlqsink": "s",
			"dlqorigin": "kafka:orders/3@4711",
		} {
			if got := attribute(d, name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		if string(d.Data) != "2" || d.Raw != nil || d.Meta.Timestamp != 0 {
			t.Errorf("data %q, raw %q, timestamp %d; want the original data and neither stale raw bytes nor the old time", d.Data, d.Raw, d.Meta.Timestamp)
		}
		if err := d.Validate(envelope.Options{}); err != nil {
			t.Errorf("dead letter is not a valid event: %v", err)
		}
		l := r.p.Ledger()
		if s := l.Sinks[0]; s.Legs.Legs != 3 || s.Delivered != 2 || s.DeadLettered != 1 {
			t.Errorf("ledger of s: %+v, want 3 legs, 2 delivered, 1 dead-lettered", s)
		}
		if s := l.Sinks[1]; s.Legs.Legs != 0 {
			t.Errorf("ledger of dead: %+v, want no ordinary legs", s)
		}
	})
}

func TestMalformedMessageIsKeptByteForByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &bindingtest.MemorySink{}
		raw := "\xff\x00 not an event"
		m := &envelope.Event{
			Malformed: errors.New("id: is required"), Data: []byte(raw), DataContentType: "text/weird",
			Meta: envelope.Meta{Transport: "sqs", SourceName: "in", Channel: "jobs", MessageID: "m-1"},
		}
		r := newRig(t, all("dead"), []Sink{{Name: "dead", Sink: dead}}, []*envelope.Event{m, event("2", "t", "")})
		r.settings.DeadLetter = Policy{Action: ToSink, Sink: "dead"}
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		got := dead.Confirmed()
		if len(got) != 2 {
			t.Fatalf("%d events, want the dead letter and the next good event", len(got))
		}
		d := got[0]
		if d.ID == "2" {
			d = got[1]
		}
		if string(d.Data) != raw || d.DataContentType != "text/weird" || attribute(d, "dlqreason") != "malformed" ||
			d.ID != "jobs/m-1" || attribute(d, "dlqerror") != "id: is required" || attribute(d, "dlqorigin") != "sqs:jobs/m-1" {
			t.Errorf("dead letter: %+v", d)
		}
		if err := d.Validate(envelope.Options{}); err != nil {
			t.Errorf("dead letter is not a valid event: %v", err)
		}
	})
}

func TestExhaustedRetriesGoToTheDeadLetter(t *testing.T) {
	for name, retry := range map[string]Retry{"attempts": {Attempts: 4}, "for": {For: 10 * time.Second, Max: time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dead := &bindingtest.MemorySink{}
				down := &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error {
					return &bindings.CodeError{Code: "503", Err: errDown}
				}}
				r := newRig(t, all("s"), []Sink{
					{Name: "s", Sink: down, Retry: retry, DeadLetter: Policy{Action: ToSink, Sink: "dead"}}, {Name: "dead", Sink: dead},
				}, events(1, "t", 0))
				if err := r.run(time.Hour); err != nil {
					t.Fatal(err)
				}
				letters := dead.Confirmed()
				if len(letters) != 1 {
					t.Fatalf("%d dead letters, want 1", len(letters))
				}
				d := letters[0]
				if attribute(d, "dlqreason") != "exhausted" || attribute(d, "dlqcode") != "503" {
					t.Errorf("reason %q code %q, want exhausted 503", attribute(d, "dlqreason"), attribute(d, "dlqcode"))
				}
				if name == "attempts" && attribute(d, "dlqattempts") != "4" {
					t.Errorf("%s attempts, want 4", attribute(d, "dlqattempts"))
				}
			})
		})
	}
}

func TestDeadLetterDownHoldsTheEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		dead := &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error {
			if up.Load() {
				return nil
			}
			return errDown
		}}
		r := newRig(t, all("s"), []Sink{
			{Name: "s", Sink: &bindingtest.MemorySink{Fail: refuse}, DeadLetter: Policy{Action: ToSink, Sink: "dead"}},
			{Name: "dead", Sink: dead, Retry: Retry{Attempts: 1}},
		}, []*envelope.Event{event("1", "bad", "")})
		go func() {
			time.Sleep(time.Hour)
			if n := len(r.source.Outcomes()); n != 0 {
				t.Errorf("%d outcomes while the dead letter is down, want 0", n)
			}
			up.Store(true)
		}()
		if err := r.run(2 * time.Hour); err != nil {
			t.Fatal(err)
		}
		if n := failures(r.source.Outcomes()); n != 0 || len(dead.Confirmed()) != 1 {
			t.Errorf("%d failures, %d dead letters; want 0, 1", n, len(dead.Confirmed()))
		}
	})
}

func TestHoldKeepsTheEventAtItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{Fail: refuse}
		malformed := &envelope.Event{Malformed: errors.New("broken"), ID: "m"}
		badSet := event("5", "set", "")
		rules := []routing.Rule{
			{
				Name: "set", When: when(t, "type", "set"), To: []string{"s"}, Stop: true,
				Set: []routing.Assignment{{Name: "subject", Template: "{nosuch}"}},
			},
			{Name: "all", To: []string{"s"}},
		}
		r := newRig(t, rules, []Sink{{Name: "s", Sink: sink, DeadLetter: Policy{Action: Hold}}},
			[]*envelope.Event{event("1", "good", "k"), event("2", "bad", "k"), event("3", "good", "k"), event("4", "good", "j"), badSet},
			[]*envelope.Event{malformed})
		r.settings.DeadLetter = Policy{Action: Hold}
		start := time.Now()
		if err := r.run(time.Hour); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > time.Hour+time.Second {
			t.Errorf("held events delayed the stop by %s", d-time.Hour)
		}
		if got := ids(sink.Confirmed()); got != "1 4" {
			t.Errorf("sink got %q, want 1 4: what follows a held event of its key waits", got)
		}
		failed := map[string]bool{}
		for _, o := range r.source.Outcomes() {
			failed[o.ID] = o.Err != nil
		}
		for id, want := range map[string]bool{"1": false, "2": true, "4": false, "5": true, "m": true} {
			if failed[id] != want {
				t.Errorf("event %s failed: %t, want %t", id, failed[id], want)
			}
		}
	})
}

func TestDropPolicyCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, append(all("s"), routing.Rule{Name: "noise", Drop: true}), []Sink{
			{Name: "s", Sink: &bindingtest.MemorySink{Fail: refuse}, DeadLetter: Policy{Action: Drop}},
		}, []*envelope.Event{event("1", "bad", ""), event("2", "good", "")})
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		l := r.p.Ledger()
		if l.Drops["dead_letter"] != 1 || l.Drops["route noise"] != 2 || l.Sinks[0].Dropped != 1 || l.Sinks[0].Delivered != 1 {
			t.Errorf("ledger %+v", l)
		}
	})
}

func TestCleanTextFitsAnAttribute(t *testing.T) {
	long := strings.Repeat("ü", 1000)
	for in, want := range map[string]string{
		"plain": "plain", "a\nb\x00c": "a b c", "bad \xff byte": "bad   byte", long: long[:1024], "\ufffe": " ",
	} {
		if got := cleanText(in); got != want {
			t.Errorf("cleanText(%.20q) = %.20q, want %.20q", in, got, want)
		}
	}
}
