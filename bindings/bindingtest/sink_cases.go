package bindingtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// sinkCases are the cases of Sink.
var sinkCases = []caseOf[*sinkSuite]{
	{
		name: "golden", run: sinkGoldenCase,
		why: "An event that arrives changed, or that a sink cannot carry and does not say so, is lost without a trace.",
	},
	{
		name: "confirmed means arrived", run: confirmedCase,
		why: "The source acknowledges on the word of the sink: what is confirmed and not there yet is lost by the next crash.",
	},
	{
		name: "nothing to send", run: emptyCase,
		why: "A sink that panics or waits on no events takes its lane with it.",
	},
	{
		name: "concurrent Sends", run: concurrentCase,
		why: "A lane sends on several goroutines; what they share mixes up their events or their outcomes.",
	},
	{
		name: "cancelled before", run: cancelledCase,
		why: "Invariants 7 and 8: the hard stop has to end every Send, and what it ends is unknown, never done.",
	},
	{
		name: "cancelled under way", run: stalledCase,
		why:  "Invariants 7 and 8: a target that accepts and never answers must neither hold up the stop nor count as delivered.",
		skip: func(s *sinkSuite) string { return s.Uninterruptible },
	},
	{
		name: "refused alone", run: refusedCase,
		why: "One poisonous event must go to the dead letter by itself: failing its neighbours loses them, repeating it blocks them.",
	},
	{
		name: "order in one Send", run: sinkOrderCase,
		why: "Invariant 5: a sink that says it keeps order gets several events of a key at once.",
	},
	{
		name: "order after a failure", run: brokenOrderCase,
		why: "Invariant 5: an event delivered after a failed one of its key arrives before the repetition of that.",
	},
	{
		name: "target gone", run: goneCase,
		why: "An outage taken for a refusal sends everything to the dead letter; one that is never got over needs a restart.",
	},
	{
		name: "answer lost", run: lostAnswerCase,
		why: "Invariant 8: without an answer the outcome is unknown, and only a repetition can make it known.",
	},
	{
		name: "events unchanged", run: unchangedCase,
		why: "Several sinks get the same event at the same time, and a failed one is sent again.",
	},
	{
		name: "keeps no event", run: keepsNothingCase,
		why: "Event structs are used again as soon as Send returns; a sink that still reads them sends one event as another.",
	},
	{
		name: "preview", run: previewCase,
		why: "check and explain promise an operator what will be sent where; a promise that is not kept is worse than none.",
	},
	{
		name: "ready", run: sinkReadyCase,
		why: "Sources start when every sink is ready: a sink that never is stops the router, one that always is lets it start blind.",
	},
	{
		name: "no goroutines", run: sinkLeakCase, alone: true,
		why: "Every reload closes sinks; what they leave behind adds up until the router dies.",
	},
}

func sinkGoldenCase(t *testing.T, s *sinkSuite) {
	for _, mode := range s.Modes {
		t.Run(mode.Name, func(t *testing.T) {
			rig := s.Open(t)
			k, _ := s.sinkIn(t, rig, mode.Mode)
			golden := Events()
			var sent []*envelope.Event
			for _, n := range golden {
				if reason, ok := mode.Refuses[n.Name]; ok {
					err := k.Send(t.Context(), []*envelope.Event{n.Event})
					if _, ok := isPermanent(outcomes(t, err, 1)[0]); !ok {
						t.Errorf("%s: got %v, want a PermanentError: %s", n.Name, err, reason)
					}
					continue
				}
				sent = append(sent, n.Event)
			}
			for part := range slices.Chunk(sent, 16) {
				mustSend(t, k, part)
			}
			arrived := map[string]Arrival{}
			for _, a := range rig.Arrived(t) {
				if _, twice := arrived[a.Event.ID]; twice {
					t.Errorf("%s arrived twice", a.Event.ID)
				}
				arrived[a.Event.ID] = a
			}
			if len(arrived) != len(sent) {
				t.Errorf("%d events arrived of %d", len(arrived), len(sent))
			}
			for _, n := range golden {
				t.Run(n.Name, func(t *testing.T) { mode.checkArrival(t, n, arrived) })
			}
		})
	}
}

func (m *SinkMode) checkArrival(t *testing.T, n NamedEvent, arrived map[string]Arrival) {
	if _, ok := m.Refuses[n.Name]; ok {
		return // it was looked at when it was sent
	}
	a, ok := arrived[n.Event.ID]
	if !ok {
		t.Fatalf("confirmed, and it did not arrive. %s", n.Why)
	}
	want, loss := m.Name, m.Loss
	if other, ok := m.Otherwise[n.Name]; ok {
		want, loss = other, loss|Structured
	}
	if a.Mode != want {
		t.Errorf("arrived in %s mode, want %s", a.Mode, want)
	}
	if reason, ok := m.Bends[n.Name]; ok {
		t.Skip("NOT TESTED: " + reason)
	}
	if diff := Equal(n.Event, a.Event, loss); diff != "" {
		t.Errorf("%s\n%s", diff, n.Why)
	}
}

func confirmedCase(t *testing.T, s *sinkSuite) {
	rig := s.Open(t)
	k, _ := s.sink(t, rig)
	for round := range 10 {
		events := series(fmt.Sprintf("round%d", round), 1+3*round, 0)
		mustSend(t, k, events)
		arrived := rig.arrivals(t)
		for _, e := range events {
			if arrived[e.ID] != 1 {
				t.Errorf("when Send returned, %s had arrived %d times", e.ID, arrived[e.ID])
			}
		}
	}
}

func emptyCase(t *testing.T, s *sinkSuite) {
	rig := s.Open(t)
	k, _ := s.sink(t, rig)
	began := time.Now()
	mustSend(t, k, nil)
	if took := time.Since(began); took > prompt {
		t.Errorf("Send took %s for no events", took)
	}
	if n := len(rig.Arrived(t)); n != 0 {
		t.Errorf("%d events arrived, none was sent", n)
	}
}

func concurrentCase(t *testing.T, s *sinkSuite) {
	const senders, sends, size = 8, 5, 7
	rig := s.Open(t)
	k, _ := s.sink(t, rig)
	var wg sync.WaitGroup
	errs := make(chan error, senders*sends)
	var all []*envelope.Event
	for n := range senders {
		mine := series(fmt.Sprintf("sender%d", n), sends*size, 0)
		all = append(all, mine...)
		wg.Go(func() {
			for part := range slices.Chunk(mine, size) {
				errs <- k.Send(t.Context(), part)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Errorf("Send: %v", err)
		}
	}
	want := map[string]*envelope.Event{}
	for _, e := range all {
		want[e.ID] = e
	}
	arrived := rig.Arrived(t)
	if len(arrived) != len(all) {
		t.Errorf("%d events arrived of %d", len(arrived), len(all))
	}
	for _, a := range arrived {
		e := want[a.Event.ID]
		if e == nil {
			t.Errorf("%q arrived, which nobody sent, or twice", a.Event.ID)
			continue
		}
		if diff := Equal(e, a.Event, s.Modes[0].Loss); diff != "" {
			t.Errorf("%s: %s", e.ID, diff)
		}
		delete(want, a.Event.ID)
	}
}

func unchangedCase(t *testing.T, s *sinkSuite) {
	for _, mode := range s.Modes {
		t.Run(mode.Name, func(t *testing.T) {
			rig := s.Open(t)
			k, _ := s.sinkIn(t, rig, mode.Mode)
			var events []*envelope.Event
			for _, n := range Events() {
				if _, ok := mode.Refuses[n.Name]; !ok {
					e := n.Event
					e.Key, e.Meta.Transport, e.Variant = []byte("key"), "memory", "route"
					e.Meta.Headers = append(e.Meta.Headers, envelope.Header{Name: "x-other", Value: []byte("v")})
					events = append(events, e)
				}
			}
			raw := new(envelope.Event)
			if err := envelope.ParseJSON(raw, []byte(foreign), envelope.Options{}); err != nil {
				t.Fatal(err)
			}
			events = append(events, raw)
			f := freeze(events)
			for part := range slices.Chunk(events, 16) {
				mustSend(t, k, part)
			}
			f.check(t)
		})
	}
}

// keepsNothingCase uses the structs again as soon as Send returned. With the race detector, a sink that still reads
// them is a failure; without, one that sends something else.
func keepsNothingCase(t *testing.T, s *sinkSuite) {
	rig := s.Open(t)
	k, _ := s.sink(t, rig)
	structs := make([]envelope.Event, 10)
	var want []*envelope.Event
	for round := range 10 {
		var events []*envelope.Event
		for i, e := range series(fmt.Sprintf("reused%d", round), len(structs), 0) {
			want = append(want, e.Clone())
			structs[i].Reset()
			e.CopyTo(&structs[i])
			events = append(events, &structs[i])
		}
		mustSend(t, k, events)
		for i := range structs {
			structs[i].Reset()
			structs[i].ID, structs[i].Source, structs[i].Type = "scribble", "scribble", "scribble"
		}
	}
	arrived := map[string]*envelope.Event{}
	for _, a := range rig.Arrived(t) {
		arrived[a.Event.ID] = a.Event
	}
	for _, e := range want {
		got := arrived[e.ID]
		if got == nil {
			t.Errorf("%s did not arrive", e.ID)
			continue
		}
		if diff := Equal(e, got, s.Modes[0].Loss); diff != "" {
			t.Errorf("%s: %s", e.ID, diff)
		}
	}
	if arrived["scribble"] != nil {
		t.Error("what was written after Send returned arrived")
	}
	s.abandonStructs(t, rig, k, structs)
}

// abandonStructs does the same with a Send that was given up.
func (s *sinkSuite) abandonStructs(t *testing.T, rig *SinkRig, k bindings.Sink, structs []envelope.Event) {
	t.Helper()
	if rig.Stall == nil || s.Uninterruptible != "" {
		return
	}
	rig.Stall()
	var events []*envelope.Event
	for i, e := range series("abandoned", len(structs), 0) {
		structs[i].Reset()
		e.CopyTo(&structs[i])
		events = append(events, &structs[i])
	}
	ctx, cancel := context.WithTimeout(t.Context(), silence)
	defer cancel()
	_ = k.Send(ctx, events) // another case looks at the outcome
	for end := time.Now().Add(silence); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for i := range structs {
			structs[i].Reset()
			structs[i].ID, structs[i].Source, structs[i].Type = "scribble", "scribble", "scribble"
		}
	}
	rig.Up()
	repeat(t, k, series("revived", 3, 0))
	if rig.arrivals(t)["scribble"] > 0 {
		t.Error("what was written after a Send was given up arrived")
	}
}

func previewCase(t *testing.T, s *sinkSuite) {
	for _, mode := range s.Modes {
		t.Run(mode.Name, func(t *testing.T) {
			rig := s.Open(t)
			k, _ := s.sinkIn(t, rig, mode.Mode)
			p, ok := k.(bindings.Previewer)
			if !ok {
				t.Skip("NOT TESTED: the sink has no Preview")
			}
			if rig.Down != nil {
				rig.Down() // it needs no network
			}
			promised := map[string]bindings.Preview{}
			var sent []*envelope.Event
			began := time.Now()
			for _, n := range Events() {
				f := freeze([]*envelope.Event{n.Event})
				preview, err := p.Preview(n.Event)
				f.check(t)
				if _, refuses := mode.Refuses[n.Name]; refuses != (err != nil) {
					t.Errorf("%s: Preview says %v, want an error: %t", n.Name, err, refuses)
				}
				if err == nil {
					promised[n.Event.ID] = preview
					sent = append(sent, n.Event)
				}
			}
			if took := time.Since(began); took > prompt {
				t.Errorf("%d previews took %s", len(promised), took)
			}
			if rig.Down != nil {
				rig.Up()
			}
			for part := range slices.Chunk(sent, 16) {
				repeat(t, k, part)
			}
			for _, a := range rig.Arrived(t) {
				checkPromise(t, promised[a.Event.ID], a)
			}
			s.checkRefusals(t, rig, p)
		})
	}
}

func checkPromise(t *testing.T, p bindings.Preview, a Arrival) {
	t.Helper()
	if p.Mode != a.Mode || p.Address != a.Address || p.Key != a.Key {
		t.Errorf("%s: Preview promised %s mode, %q, key %q; it arrived in %s mode at %q with key %q",
			a.Event.ID, p.Mode, p.Address, p.Key, a.Mode, a.Address, a.Key)
	}
	if p.Bytes < len(a.Event.Data) {
		t.Errorf("%s: Preview promised %d bytes, and the data alone has %d", a.Event.ID, p.Bytes, len(a.Event.Data))
	}
	if p.Limit > 0 && p.Bytes > p.Limit {
		t.Errorf("%s: Preview promised %d bytes with a limit of %d and no error", a.Event.ID, p.Bytes, p.Limit)
	}
}

// checkRefusals wants Preview to foretell what the binding itself refuses; what only the target knows it may not.
func (s *sinkSuite) checkRefusals(t *testing.T, rig *SinkRig, p bindings.Previewer) {
	t.Helper()
	for _, r := range rig.Refused {
		_, err := p.Preview(r.Event)
		if err == nil && r.Reason != bindings.ReasonTooLarge && r.Reason != bindings.ReasonRejected {
			t.Errorf("%s: Preview foretells nothing of the refusal (%s)", r.Name, r.Reason)
		}
		if reason, ok := isPermanent(err); err != nil && (!ok || reason != r.Reason) {
			t.Errorf("%s: Preview says %v, and Send refuses with %s", r.Name, err, r.Reason)
		}
	}
}

func sinkReadyCase(t *testing.T, s *sinkSuite) {
	rig := s.Open(t)
	k, _ := s.sink(t, rig)
	r, ok := k.(bindings.Readier)
	if !ok {
		t.Skip("NOT TESTED: this sink has nothing to reach")
	}
	if rig.Down != nil {
		rig.Down()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if err := r.Ready(ctx); err == nil {
			t.Error("Ready says yes while the target is gone")
		} else if errors.As(err, new(*bindings.FieldError)) {
			t.Errorf("Ready says %v: an outage is no mistake in the configuration", err)
		}
		cancel()
		rig.Up()
	}
	var err error
	if !within(patience, func() bool { err = r.Ready(t.Context()); return err == nil }) {
		t.Fatalf("not ready within %s: %v", patience, err)
	}
	mustSend(t, k, series("ready", 1, 0))
}

func sinkLeakCase(t *testing.T, s *sinkSuite) {
	rig := s.Open(t)
	warm, shut := s.sink(t, rig)
	mustSend(t, warm, series("warm", 1, 0))
	_ = rig.Arrived(t) // the reader connects
	shut()
	check := watchGoroutines(s.Foreign)
	k, shut := s.sink(t, rig)
	mustSend(t, k, series("leak", 5, 0))
	if rig.Stall != nil && s.Uninterruptible == "" {
		rig.Stall()
		ctx, cancel := context.WithTimeout(t.Context(), silence)
		_ = k.Send(ctx, series("stuck", 5, 0)) // another case looks at the outcome
		cancel()
		rig.Up()
	}
	shut()
	check(t)
}
