package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// oddEvent is an event that meets the opt-ins by chance.
func oddEvent(rng *rand.Rand, id string) *envelope.Event {
	e := event(id, "t", "")
	if k := rng.IntN(4); k > 0 {
		e.Key = []byte{byte(k)}
	}
	if rng.IntN(2) == 0 {
		e.AddExtension("n", []string{"1", "one"}[rng.IntN(2)], envelope.KindUntyped)
	}
	if rng.IntN(3) == 0 {
		e.AddExtension("sampledrate", []string{"2", "-2"}[rng.IntN(2)], envelope.KindUntyped)
	}
	if rng.IntN(2) == 0 {
		e.AddExtension("dataref", "/x", envelope.KindUntyped)
	}
	if rng.IntN(2) == 0 {
		e.AddExtension("dataclassification", []string{"public", "secret"}[rng.IntN(2)], envelope.KindUntyped)
	}
	if rng.IntN(2) == 0 {
		e.Data = make([]byte, 100)
	}
	return e
}

// keeper is a sink that keeps the order of keys within a Send, whatever else of the key failed for good in between.
type keeper struct{ *bindingtest.MemorySink }

func (k keeper) Send(ctx context.Context, events []*envelope.Event) error {
	errs, broken := make(bindings.BatchError, len(events)), map[string]bool{}
	for i, e := range events {
		if e.Key != nil && broken[string(e.Key)] {
			errs[i] = bindings.NotSent(errDown)
			continue
		}
		if err, ok := k.MemorySink.Send(ctx, events[i:i+1]).(bindings.BatchError); ok {
			errs[i] = err[0]
			broken[string(e.Key)] = reasonOf(err[0]) == ""
		}
	}
	return errs
}

// TestLedgerBalancesWithOptIns: with every opt-in at once and a sink that fails at random, each matched event of a
// sampled route is a leg or is counted as sampled out, each leg ends once, the order of keys holds, and every event is
// acknowledged.
func TestLedgerBalancesWithOptIns(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 11))
			var mu sync.Mutex
			flaky := func(e *envelope.Event, _ int) error {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case rng.IntN(3) == 0:
					return errDown
				case len(e.Data) > 50:
					return bindings.Permanent(bindings.ReasonTooLarge, "", errors.New("large"))
				}
				return nil
			}
			const n = 300
			var in []*envelope.Event
			for i := range n {
				in = append(in, oddEvent(rng, fmt.Sprintf("%04d", i)))
			}
			s, dead := &bindingtest.MemorySink{Fail: flaky, Ordered: seed%2 == 0}, &bindingtest.MemorySink{}
			rules := []routing.Rule{{
				Name: "some", To: []string{"s"}, Sample: 2, Types: []routing.Typing{{Name: "n", Kind: envelope.KindInteger}},
			}}
			r := newRig(t, rules, []Sink{
				{
					Name: "s", Sink: keeper{s}, BatchEvents: 8, Concurrency: 2, DeadLetter: Policy{Action: ToSink, Sink: "dead"},
					DataRef: DropTooLarge, Accepts: &Accepts{Levels: []string{"public"}}, Retry: Retry{Max: time.Second},
				},
				{Name: "dead", Sink: dead},
			}, in[:100], in[100:])
			if err := r.run(1000 * time.Hour); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			l := r.p.Ledger()
			legs, out := l.Sinks[0], l.Drops["route some sampled"]
			if l.Routes[0].Matched != n || legs.Legs.Legs+out != n || out == 0 {
				t.Errorf("seed %d: %d matched, %d legs, %d sampled out", seed, l.Routes[0].Matched, legs.Legs.Legs, out)
			}
			if legs.Delivered+legs.DeadLettered != legs.Legs.Legs || legs.InFlight != 0 || l.DeadLetters != legs.DeadLettered {
				t.Errorf("seed %d: %+v", seed, legs)
			}
			if got := len(s.Confirmed()); int64(got) != legs.Delivered || failures(r.source.Outcomes()) != 0 {
				t.Errorf("seed %d: %d confirmed, %d failures, %+v", seed, got, failures(r.source.Outcomes()), legs)
			}
			reasons := map[string]int{}
			for _, e := range dead.Confirmed() {
				reasons[attribute(e, "dlqreason")]++
			}
			if reasons["classification"] == 0 || reasons["bad_set"] == 0 || reasons["too_large"] == 0 || len(reasons) != 3 {
				t.Errorf("seed %d: dead letters %v", seed, reasons)
			}
			last, shrunk := map[string]string{}, 0
			for _, e := range s.Confirmed() {
				if e.Key != nil && e.ID <= last[string(e.Key)] {
					t.Fatalf("seed %d: key %v: %s after %s", seed, e.Key, e.ID, last[string(e.Key)])
				}
				last[string(e.Key)] = e.ID
				if e.Data == nil {
					shrunk++
				}
				if a := e.FindExtension("dataclassification"); a != nil && a.Value != "public" || e.FindExtension("sampledrate") == nil {
					t.Fatalf("seed %d: delivered %+v", seed, e)
				}
			}
			if shrunk == 0 {
				t.Errorf("seed %d: nothing was sent without data", seed)
			}
		})
	}
}

// TestReloadsWhileEventsFlow: samples and types are exchanged while events flow; each event is dispatched by one of the
// plans as a whole, and none is lost.
func TestReloadsWhileEventsFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const batches, each = 300, 7
		sink := &bindingtest.MemorySink{}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, DataRef: DropData}})
		var tables []*routing.Table
		for _, rule := range []routing.Rule{
			{Sample: 2},
			{Sample: 3, Types: []routing.Typing{{Name: "n", Kind: envelope.KindInteger}}},
			{Types: []routing.Typing{{Name: "n", Kind: envelope.KindString}}},
		} {
			rule.Name, rule.To = "all", []string{"s"}
			table, problems := routing.Compile([]routing.Rule{rule}, []string{"in"}, []string{"s"})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			tables = append(tables, table)
		}
		p, err := New(r.settings)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := p.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for i := range batches {
				var in []*envelope.Event
				for j := range each {
					e := referred(fmt.Sprintf("%d-%d", i, j), "data")
					e.AddExtension("n", "7", envelope.KindUntyped)
					in = append(in, e)
				}
				r.source.Add(in)
				time.Sleep(7 * time.Microsecond)
			}
		})
		wg.Go(func() {
			for i := range batches {
				if err := p.SetRoutes(tables[i%len(tables)], Policy{}); err != nil {
					t.Error(err)
				}
				time.Sleep(5 * time.Microsecond)
			}
		})
		time.Sleep(time.Minute)
		stop()
		wg.Wait()
		l := p.Ledger()
		out, legs := l.Drops["route all sampled"], l.Sinks[0]
		if legs.Legs.Legs+out != batches*each || legs.Delivered != legs.Legs.Legs || failures(r.source.Outcomes()) != 0 || out == 0 {
			t.Errorf("%+v, %d sampled out", legs, out)
		}
		kinds := map[string]bool{}
		for _, e := range sink.Confirmed() {
			kinds[fmt.Sprint(routing.TypeName(e.FindExtension("n").Kind), attribute(e, "sampledrate"))] = true
			if e.Data != nil {
				t.Fatalf("delivered %+v", e)
			}
		}
		for _, want := range []string{"2", "Integer3", "String"} {
			if !kinds[want] {
				t.Errorf("no event was delivered as %q: %v", want, kinds)
			}
		}
	})
}
