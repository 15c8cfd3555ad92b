package bindingtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

func cancelledCase(t *testing.T, s *sinkSuite) {
	rig := s.Open(t)
	k, _ := s.sink(t, rig)
	mustSend(t, k, series("warm", 1, 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	events := series("cancelled", 5, 0)
	began := time.Now()
	err := k.Send(ctx, events)
	if took := time.Since(began); took > prompt {
		t.Errorf("Send took %s although its context was done", took)
	}
	each := outcomes(t, err, len(events))
	wantTransient(t, events, each)
	rig.wantClaimsTrue(t, events, each)
	repeat(t, k, series("afterwards", 3, 0))
}

func stalledCase(t *testing.T, s *sinkSuite) {
	rig := s.Open(t)
	if rig.Stall == nil {
		t.Skip("NOT TESTED: the target of this test cannot be made to stall")
	}
	k, _ := s.sink(t, rig)
	mustSend(t, k, series("warm", 3, 0))
	rig.Stall()
	events := series("stalled", 5, 0)
	f := freeze(events)
	ctx, cancel := context.WithTimeout(t.Context(), 2*silence)
	defer cancel()
	began := time.Now()
	err := k.Send(ctx, events)
	if took := time.Since(began); took > 2*silence+prompt {
		t.Errorf("Send took %s with a context of %s", took, 2*silence)
	}
	each := outcomes(t, err, len(events))
	for i, e := range events {
		if each[i] == nil {
			t.Errorf("%s was confirmed by a target that answered nothing", e.ID)
		}
	}
	wantTransient(t, events, each)
	f.check(t)
	rig.Up()
	repeat(t, k, events)
	rig.wantClaimsTrue(t, events, make([]error, len(events)))
}

func refusedCase(t *testing.T, s *sinkSuite) {
	rig := s.Open(t)
	if len(rig.Refused) == 0 {
		t.Skip("NOT TESTED: this target takes every event")
	}
	k, _ := s.sink(t, rig)
	for _, r := range rig.Refused {
		t.Run(r.Name, func(t *testing.T) {
			good := series("near-"+r.Name, 4, 0)
			events := []*envelope.Event{good[0], good[1], r.Event, good[2], good[3]}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			each := outcomes(t, k.Send(ctx, events), len(events))
			if reason, ok := isPermanent(each[2]); !ok || reason != r.Reason {
				t.Errorf("got %v (%q), want a PermanentError with the reason %s", each[2], reason, r.Reason)
			}
			arrived := rig.arrivals(t)
			for i, e := range events {
				if i == 2 {
					continue
				}
				if each[i] != nil {
					t.Errorf("%s failed because of its neighbour: %v", e.ID, each[i])
				}
				if arrived[e.ID] != 1 {
					t.Errorf("%s arrived %d times", e.ID, arrived[e.ID])
				}
			}
			if arrived[r.Event.ID] > 0 {
				t.Error("the refused event arrived all the same")
			}
			if err := k.Send(ctx, events[2:3]); err == nil {
				t.Error("alone in a Send the event was taken")
			} else if _, ok := isPermanent(outcomes(t, err, 1)[0]); !ok {
				t.Errorf("alone in a Send: got %v, want a PermanentError", err)
			}
		})
	}
}

// keepsOrder skips the test for sinks that do not promise order.
func keepsOrder(t *testing.T, k bindings.Sink) {
	t.Helper()
	if o, ok := k.(bindings.OrderKeeper); !ok || !o.KeepsOrder() {
		t.Skip("NOT TESTED: the sink promises no order within a Send, so it is never given two events of a key at once")
	}
}

// wantInOrder fails the test where first arrivals of a key are not in the order of their numbers.
func (r *SinkRig) wantInOrder(t *testing.T, events []*envelope.Event, keys int) {
	t.Helper()
	place := map[string]int{}
	for i, e := range events {
		place[e.ID] = i
	}
	last, seen := map[int]int{}, map[string]bool{}
	for _, a := range r.Arrived(t) {
		n, ok := place[a.Event.ID]
		if !ok || seen[a.Event.ID] {
			continue
		}
		seen[a.Event.ID] = true
		if before, ok := last[n%keys]; ok && before > n {
			t.Errorf("key %d: event %d arrived after %d", n%keys, n, before)
		}
		last[n%keys] = n
	}
	if len(seen) != len(events) {
		t.Errorf("%d events arrived of %d", len(seen), len(events))
	}
}

func sinkOrderCase(t *testing.T, s *sinkSuite) {
	const keys = 4
	rig := s.Open(t)
	k, _ := s.sink(t, rig)
	keepsOrder(t, k)
	events := rig.own(series("ordered", 200, keys))
	for part := range slices.Chunk(events, 50) {
		mustSend(t, k, part)
	}
	rig.wantInOrder(t, events, keys)
}

func brokenOrderCase(t *testing.T, s *sinkSuite) {
	const keys = 3
	rig := s.Open(t)
	k, _ := s.sink(t, rig)
	keepsOrder(t, k)
	if rig.FailOnce == nil {
		t.Skip("NOT TESTED: the target of this test cannot fail a single event")
	}
	events := rig.own(series("broken", 60, keys))
	mustSend(t, k, events[:6])
	rig.FailOnce(events[24].ID)
	each := outcomes(t, k.Send(t.Context(), events[6:]), 54)
	for key := range keys {
		failed := ""
		for i, e := range events[6:] {
			if (i+6)%keys != key {
				continue
			}
			if each[i] == nil && failed != "" {
				t.Errorf("%s was confirmed behind %s of the same key, which failed", e.ID, failed)
			}
			if each[i] != nil {
				failed = e.ID
			}
		}
	}
	var left []*envelope.Event
	for i, err := range each {
		if err != nil {
			left = append(left, events[6+i])
		}
	}
	t.Logf("%d of 54 failed", len(left))
	repeat(t, k, left)
	rig.wantInOrder(t, events, keys)
}

func goneCase(t *testing.T, s *sinkSuite) {
	rig := s.Open(t)
	if rig.Down == nil {
		t.Skip("NOT TESTED: the target of this test cannot be taken away")
	}
	k, _ := s.sink(t, rig)
	mustSend(t, k, series("warm", 3, 0))
	rig.Down()
	events := series("gone", 5, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	err := k.Send(ctx, events)
	if took := time.Since(began); took > 2*time.Second+prompt {
		t.Errorf("Send took %s with a context of 2s", took)
	}
	each := outcomes(t, err, len(events))
	for i, e := range events {
		if each[i] == nil {
			t.Errorf("%s was confirmed by a target that is not there", e.ID)
		}
	}
	wantTransient(t, events, each)
	rig.Up()
	repeat(t, k, events)
	rig.wantClaimsTrue(t, events, make([]error, len(events)))
}

func lostAnswerCase(t *testing.T, s *sinkSuite) {
	rig := s.Open(t)
	if rig.LoseAnswer == nil {
		t.Skip("NOT TESTED: answers of this target cannot get lost")
	}
	k, _ := s.sink(t, rig)
	mustSend(t, k, series("warm", 3, 0))
	for round := range 3 {
		events := series(fmt.Sprintf("unanswered%d", round), 5, 0)
		rig.LoseAnswer()
		ctx, cancel := context.WithTimeout(t.Context(), prompt)
		each := outcomes(t, k.Send(ctx, events), len(events))
		cancel()
		wantTransient(t, events, each)
		rig.wantClaimsTrue(t, events, each)
		repeat(t, k, events)
		rig.wantClaimsTrue(t, events, make([]error, len(events)))
	}
}
