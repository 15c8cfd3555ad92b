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
