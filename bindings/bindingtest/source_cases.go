package bindingtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// errDown is a transient failure.
var errDown = errors.New("the target is down")

// sourceCases are the cases of Source, in the order of an instance's life.
var sourceCases = []caseOf[*sourceSuite]{
	{
		name: "ready", run: readyCase,
		why: "The router asks Ready again and again before it starts a source; one that never says yes keeps the router from starting.",
	},
	{
		name: "cancelled before the first message", run: idleCase,
		why: "A router that is stopped right after its start would hang until it is killed.",
	},
	{
		name: "golden", run: goldenCase,
		why: "An event that arrives changed is worse than one that does not arrive: nobody notices.",
	},
	{
		name: "acknowledged", run: acknowledgedCase,
		why: "Without the acknowledgement every restart delivers everything again.",
	},
	{
		name: "settled elsewhere", run: elsewhereCase,
		why: "The pipeline settles on the goroutine of whichever sink was last, and batches come home in any order.",
	},
	{
		name: "failed", run: failedCase,
		why: "An event acknowledged although it failed is lost; one that its transport cannot keep must not come up again as if it could.",
	},
	{
		name: "failed alone", run: failedAloneCase,
		why:  "Invariant 4: an acknowledgement that goes past an event which failed loses it.",
		skip: need("the transport delivers nothing again", func(s *sourceSuite) bool { return s.Redelivers }),
	},
	{
		name: "not settled", run: unsettledCase,
		why:  "Acknowledging at receipt loses what is in the router when it dies.",
		skip: need("the transport delivers nothing again", func(s *sourceSuite) bool { return s.Redelivers }),
	},
	{
		name: "waits for its batches", run: waitsCase,
		why: "A Run that returns early acknowledges too little or too much, and its batches come home to a source that is gone.",
	},
	{
		name: "window", run: windowCase,
		why: "Invariant 6: the window is the only bound of the router's memory when a sink stands still.",
	},
	{
		name: "window of bytes", run: windowBytesCase,
		why: "Invariant 6: events count, and so do their bytes, each as often taken as given back.",
	},
	{
		name: "malformed", run: malformedCase,
		why: "A message that is no event must reach the dead letter as it came and must not block those behind it.",
	},
	{
		name: "order", run: orderCase,
		why:  "Invariant 5: consumers of one key rely on its order, and nothing behind the source can restore it.",
		skip: need("the transport promises no order", func(s *sourceSuite) bool { return s.Ordered && s.HasKeys }),
	},
	{
		name: "hands off", run: handsOffCase,
		why: "The pipeline and its sinks work on an emitted batch; a source that touches it meanwhile corrupts events under load only.",
	},
	{
		name: "outage", run: outageCase,
		why: "Brokers are restarted. A source that gives up takes the whole router down with it.",
	},
	{
		name: "no goroutines", run: sourceLeakCase, alone: true,
		why: "Every reload runs sources anew; what one leaves behind adds up until the router dies.",
	},
}

func readyCase(t *testing.T, s *sourceSuite) {
	rig := s.Open(t)
	i := s.build(t, rig, &standIn{}, nil)
	r, ok := i.source.(bindings.Readier)
	if !ok {
		t.Skip("NOT TESTED: this source has nothing to reach")
	}
	var err error
	if !within(patience, func() bool { err = r.Ready(t.Context()); return err == nil }) {
		t.Fatalf("not ready within %s: %v", patience, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	_ = r.Ready(gone) // what it knows already it may say
	if took := time.Since(began); took > prompt {
		t.Errorf("Ready took %s although its context was done", took)
	}
	i.start()
	s.send(t, rig, series("one", 1, 1))
	i.arrive(1)
}

func idleCase(t *testing.T, s *sourceSuite) {
	t.Run("at once", func(t *testing.T) {
		i := s.build(t, s.Open(t), &standIn{}, nil)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		go func() { i.done <- i.source.Run(ctx, i.pipe.emit) }()
		i.wait(prompt)
	})
	t.Run("while it waits", func(t *testing.T) {
		i := s.build(t, s.Open(t), &standIn{}, nil).start()
		time.Sleep(50 * time.Millisecond)
		began := time.Now()
		i.stop()
		if took := time.Since(began); took > prompt {
			t.Errorf("Run took %s to return with nothing under way", took)
		}
		if n := len(i.pipe.events()); n != 0 {
			t.Errorf("%d events of an empty place", n)
		}
	})
}

func goldenCase(t *testing.T, s *sourceSuite) {
	golden := Events()
	var sent []*envelope.Event
	for _, n := range golden {
		if _, ok := s.Refuses[n.Name]; !ok {
			sent = append(sent, n.Event)
		}
	}
	i, result := s.run(t, s.Open(t), &standIn{}, sent)
	if err := result(); err != nil {
		t.Errorf("a sender was refused: %v", err)
	}
	i.arrive(len(sent))
	for _, n := range golden {
		t.Run(n.Name, func(t *testing.T) {
			if reason, ok := s.Refuses[n.Name]; ok {
				t.Skip("NOT TESTED: " + reason)
			}
			got := i.pipe.find(n.Event.ID)
			if got == nil {
				t.Fatalf("did not arrive. %s", n.Why)
			}
			if diff := Equal(n.Event, got, s.Loss); diff != "" {
				t.Errorf("%s\n%s", diff, n.Why)
			}
			if got.Meta.Transport == "" && s.HasKeys {
				t.Error("the event does not say which transport it came by")
			}
		})
	}
	if n := len(i.pipe.events()); n != len(sent) {
		t.Errorf("%d events arrived of %d", n, len(sent))
	}
}

func acknowledgedCase(t *testing.T, s *sourceSuite) {
	rig := s.Open(t)
	sent := series("first", 25, 3)
	i, result := s.run(t, rig, &standIn{}, sent)
	i.arrive(len(sent))
	if err := result(); err != nil {
		t.Errorf("everything was confirmed, and a sender was told: %v", err)
	}
	i.stop()
	s.wantNothingAgain(t, s.after(t, rig), sent)
}

// wantNothingAgain fails the test if one of those events was emitted.
func (s *sourceSuite) wantNothingAgain(t *testing.T, p *standIn, sent []*envelope.Event) {
	t.Helper()
	times := p.times()
	for _, e := range sent {
		if times[e.ID] > 0 {
			t.Errorf("%s came again", e.ID)
		}
	}
}

func elsewhereCase(t *testing.T, s *sourceSuite) {
	rig := s.Open(t)
	pipe := &standIn{async: true, late: 10 * time.Millisecond}
	sent := series("elsewhere", 60, 4)
	i := s.build(t, rig, pipe, bindings.NewWindow(20, 0)).start()
	for part := range slices.Chunk(sent, 15) {
		if err := s.send(t, rig, part)(); err != nil {
			t.Errorf("a sender was refused: %v", err)
		}
	}
	i.arrive(len(sent))
	i.stop()
	s.wantNothingAgain(t, s.after(t, rig), sent)
}

func failedCase(t *testing.T, s *sourceSuite) {
	rig := s.Open(t)
	sent := series("failing", 4, 2)
	i, result := s.run(t, rig, &standIn{decide: func(*envelope.Event) error { return errDown }}, sent)
	i.arrive(len(sent))
	if s.Replies && result() == nil {
		t.Error("every event failed, and its sender was told that all is well")
	}
	i.stop()
	if !s.Redelivers {
		s.wantNothingAgain(t, s.after(t, rig), sent)
		return
	}
	s.wantAgain(t, rig, sent)
}

// wantAgain starts another instance and waits until it got all of these events.
func (s *sourceSuite) wantAgain(t *testing.T, rig *SourceRig, sent []*envelope.Event) *standIn {
	t.Helper()
	if rig.Later != nil {
		rig.Later()
	}
	pipe := &standIn{}
	next := s.build(t, rig, pipe, nil).start()
	var missing []string
	if !within(patience, func() bool {
		missing = missing[:0]
		times := pipe.times()
		for _, e := range sent {
			if times[e.ID] == 0 {
				missing = append(missing, e.ID)
			}
		}
		return len(missing) == 0
	}) {
		t.Errorf("lost: %q did not come to a second instance within %s", missing, patience)
	}
	time.Sleep(silence)
	next.stop()
	return pipe
}

func failedAloneCase(t *testing.T, s *sourceSuite) {
	rig := s.Open(t)
	sent := series("alone", 6, 0)
	if s.HasKeys { // of different keys: behind a failure of its own key an event may have to wait
		sent = series("alone", 6, 6)
	}
	i, _ := s.run(t, rig, &standIn{decide: func(e *envelope.Event) error {
		if e.ID == "alone-2" {
			return errDown
		}
		return nil
	}}, sent)
	i.arrive(len(sent))
	i.stop()
	again := s.wantAgain(t, rig, sent[2:3])
	if s.SettlesIndividually {
		s.wantNothingAgain(t, again, append(slices.Clone(sent[:2]), sent[3:]...))
	} else {
		s.wantNothingAgain(t, again, sent[:2])
	}
}

// unsettledCase holds everything back and ends the way a drain that took too long does: the batches come home failed.
func unsettledCase(t *testing.T, s *sourceSuite) {
	rig := s.Open(t)
	sent := series("pending", 5, 2)
	pipe := &standIn{hold: true, decide: func(*envelope.Event) error { return bindings.ErrStopped }}
	i, _ := s.run(t, rig, pipe, sent)
	if s.Ordered && s.SettlesIndividually {
		i.arrive(2) // a queue with groups holds back what follows in one
	} else {
		i.arrive(len(sent))
	}
	i.stop()
	s.wantAgain(t, rig, sent)
}

func malformedCase(t *testing.T, s *sourceSuite) {
	rig := s.Open(t)
	if rig.SendRaw == nil {
		t.Skip("NOT TESTED: this transport has no malformed messages")
	}
	body := []byte("{\"not\": an event \u00e9")
	pipe := &standIn{}
	i := s.build(t, rig, pipe, nil).start()
	err := rig.SendRaw(t.Context(), body)
	if s.Replies {
		if err == nil {
			t.Error("a malformed message was not refused to its sender")
		}
	} else if err != nil {
		t.Fatalf("the independent writer: %v", err)
	}
	good := s.send(t, rig, series("good", 1, 1))
	eventually(t, "the good event behind the malformed one arrives", func() bool { return pipe.times()["good-0"] > 0 })
	if err := good(); err != nil {
		t.Errorf("the good event was refused: %v", err)
	}
	if s.Replies {
		if n := len(pipe.events()); n != 1 {
			t.Errorf("%d events were emitted, want only the good one", n)
		}
		return
	}
	i.arrive(2)
	for _, e := range pipe.events() {
		if e.ID == "good-0" {
			continue
		}
		if e.Malformed == nil {
			t.Error("the malformed message was emitted as an event")
		}
		if !bytes.Equal(e.Data, body) {
			t.Errorf("the malformed message carries %q, want its raw body %q", e.Data, body)
		}
	}
	i.stop()
	if again := s.after(t, rig); len(again.events()) != 1 {
		t.Errorf("the malformed message was settled and came again: %q", ids(again.events()))
	}
}

func orderCase(t *testing.T, s *sourceSuite) {
	const keys = 5
	sent := series("order", 150, keys)
	rig := s.Open(t)
	i := s.build(t, rig, &standIn{async: true}, bindings.NewWindow(40, 0)).start()
	s.send(t, rig, sent)
	i.arrive(len(sent))
	last, keyOf := map[string]int{}, map[int]string{}
	for _, e := range i.pipe.events() {
		var n int
		if _, err := fmt.Sscanf(e.ID, "order-%d", &n); err != nil {
			t.Fatalf("%q: %v", e.ID, err)
		}
		if e.Key == nil {
			t.Fatalf("%s has no key", e.ID)
		}
		key := string(e.Key)
		if before, ok := last[key]; ok && before >= n {
			t.Errorf("key %s: %d came after %d", key, n, before)
		}
		last[key] = n
		if other, ok := keyOf[n%keys]; ok && other != key {
			t.Errorf("events of one key came with the keys %q and %q", other, key)
		}
		keyOf[n%keys] = key
	}
	if len(last) != keys {
		t.Errorf("%d keys arrived, %d were sent", len(last), keys)
	}
}

// handsOffCase writes to what was emitted for as long as it is held. With the race detector, any touch by the source
// is a failure; without, one that changes something.
func handsOffCase(t *testing.T, s *sourceSuite) {
	rig, pipe := s.Open(t), &standIn{hold: true}
	i, _ := s.run(t, rig, pipe, series("mine", 6, 6))
	eventually(t, "a batch is emitted", func() bool { n, _, _ := pipe.batches(); return n > 0 })
	pipe.mu.Lock()
	mine := slices.Clone(pipe.held)
	pipe.mu.Unlock()
	s.send(t, rig, series("more", 6, 6)) // keeps the source busy meanwhile
	const written = "com.example.touch"  // as long as what was there, so that no size changes
	touched := map[string]bool{}
	for end := time.Now().Add(2 * silence); time.Now().Before(end); {
		for _, b := range mine {
			b.Events = b.Events[:len(b.Events):cap(b.Events)]
			for n := range b.Events {
				b.Events[n].Type = written
			}
		}
		time.Sleep(time.Millisecond)
		for _, b := range mine {
			for n := range b.Events {
				if e := &b.Events[n]; e.Type != written {
					touched[e.ID] = true
				}
			}
		}
	}
	for id := range touched {
		t.Errorf("the source wrote to event %s while it was out", id)
	}
	i.stop()
}

func outageCase(t *testing.T, s *sourceSuite) {
	rig := s.Open(t)
	if rig.Down == nil {
		t.Skip("NOT TESTED: the broker of this test cannot be taken away")
	}
	pipe := &standIn{}
	i, _ := s.run(t, rig, pipe, series("before", 3, 1))
	i.arrive(3)
	rig.Down()
	select {
	case err := <-i.done:
		i.done <- err // for stop
		t.Fatalf("Run returned when the broker went away: %v", err)
	case <-time.After(2 * silence):
	}
	rig.Up()
	if rig.Reading != nil {
		eventually(t, "the source reads again", rig.Reading)
	}
	s.send(t, rig, series("behind", 3, 1))
	eventually(t, "events arrive after the outage", func() bool { return pipe.times()["behind-2"] > 0 })
	i.stop()
}

func sourceLeakCase(t *testing.T, s *sourceSuite) {
	rig := s.Open(t)
	warm, result := s.run(t, rig, &standIn{}, series("warm", 1, 1)) // the writer connects
	warm.arrive(1)
	_ = result() // confirmed or not, the writer is through
	warm.stop()
	check := watchGoroutines(s.Foreign)
	i, result := s.run(t, rig, &standIn{async: true}, series("leak", 5, 2))
	i.arrive(5)
	_ = result() // as above
	i.stop()
	check(t)
}
