package bindingtest

import (
	"errors"
	"sync"
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// TestSink_Memory holds the in-memory sink, against which the pipeline is tested, to the contract of the real ones.
func TestSink_Memory(t *testing.T) {
	Sink(t, SinkCase{
		Modes: []SinkMode{{Name: "memory"}},
		Open: func(*testing.T) *SinkRig {
			var mu sync.Mutex // guards failing and block
			failing := ""
			down := false
			refused := series("refused", 1, 0)[0]
			var all []*MemorySink
			return &SinkRig{
				New: func(bindings.SinkSettings) (bindings.Sink, error) {
					k := &MemorySink{Ordered: true, Fail: func(e *envelope.Event, _ int) error {
						mu.Lock()
						defer mu.Unlock()
						if e.ID == failing || down {
							failing = ""
							return errDown
						}
						if e.ID == refused.ID {
							return bindings.Permanent(bindings.ReasonRejected, "", errors.New("no"))
						}
						return nil
					}}
					all = append(all, k)
					return k, nil
				},
				Arrived: func(*testing.T) (out []Arrival) {
					for _, k := range all {
						for _, e := range k.Confirmed() {
							out = append(out, Arrival{Event: e, Mode: "memory"})
						}
					}
					return out
				},
				Refused:  []RefusedEvent{{"rejected", refused, bindings.ReasonRejected}},
				FailOnce: func(id string) { mu.Lock(); failing = id; mu.Unlock() },
				Down:     func() { mu.Lock(); down = true; mu.Unlock() },
				Up:       func() { mu.Lock(); down = false; mu.Unlock() },
			}
		},
	})
}

// A key that failed in a Send stays failed in it, whatever befalls the events between: one that fails for good does not
// let those behind it pass the one that is to be repeated.
func TestMemorySinkFailsAllOfAKeyBehindATransientFailure(t *testing.T) {
	k := &MemorySink{Ordered: true, Fail: func(e *envelope.Event, _ int) error {
		switch e.ID {
		case "1":
			return errDown
		case "2":
			return bindings.Permanent(bindings.ReasonRejected, "", errors.New("no"))
		}
		return nil
	}}
	var events []*envelope.Event
	for _, id := range []string{"0", "1", "2", "3", "other"} {
		events = append(events, &envelope.Event{ID: id, Key: []byte("k")})
	}
	events[4].Key = []byte("another")
	each := outcomes(t, k.Send(t.Context(), events), 5)
	for i, confirmed := range []bool{true, false, false, false, true} {
		if (each[i] == nil) != confirmed {
			t.Errorf("event %s: %v", events[i].ID, each[i])
		}
	}
}
