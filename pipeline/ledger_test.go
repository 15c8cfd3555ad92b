package pipeline

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// TestLedgerBalancesUnderRandomFaults checks the promise as a whole: whatever fails, every event is confirmed by each
// of its sinks or by the dead letter before it is acknowledged, the figures balance, and nothing is invented.
func TestLedgerBalancesUnderRandomFaults(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			var mu sync.Mutex
			faulty := func(e *envelope.Event, _ int) error {
				mu.Lock()
				defer mu.Unlock()
				switch n := rng.IntN(10); {
				case n < 3:
					return errDown
				case n == 3:
					return bindings.Permanent(bindings.ReasonRejected, "", errors.New("no"))
				case n == 4:
					return bindings.RetryAfter(errDown, time.Duration(rng.IntN(1000))*time.Millisecond)
				}
				return nil
			}
			flaky := func(*envelope.Event, int) error {
				mu.Lock()
				defer mu.Unlock()
				if rng.IntN(2) == 0 {
					return errDown
				}
				return nil
			}
			a, b := &bindingtest.MemorySink{Fail: faulty}, &bindingtest.MemorySink{Fail: faulty, Ordered: true}
			dead := &bindingtest.MemorySink{Fail: flaky}
			toDead := Policy{Action: ToSink, Sink: "dead"}
			rules := []routing.Rule{
				{Name: "both", When: when(t, "type", "both"), To: []string{"a", "b"}},
				{Name: "one", When: when(t, "type", "one"), To: []string{"b"}},
			}
			var batches [][]*envelope.Event
			total := map[string]int{}
			for range 40 {
				var batch []*envelope.Event
				for range 1 + rng.IntN(30) {
					typ := []string{"both", "one", "none"}[rng.IntN(3)]
					e := event(time.Now().Format("150405")+string(rune('a'+len(batches)))+string(rune('a'+len(batch))), typ, "")
					if k := rng.IntN(5); k > 0 {
						e.Key = []byte{byte(k)}
					}
					total[typ]++
					batch = append(batch, e)
				}
				batches = append(batches, batch)
			}
			r := newRig(t, rules, []Sink{
				{Name: "a", Sink: a, BatchEvents: 8, Concurrency: 2, DeadLetter: toDead},
				{Name: "b", Sink: b, BatchEvents: 16, DeadLetter: toDead},
				{Name: "dead", Sink: dead},
			}, batches...)
			r.settings.DeadLetter, r.settings.Unmatched = toDead, Policy{Action: ToDead}
			if err := r.run(1000 * time.Hour); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			l := r.p.Ledger()
			legsA, legsB := int64(total["both"]), int64(total["both"]+total["one"])
			check := func(name string, got Legs, legs int64) {
				if got.Legs != legs || got.Delivered+got.DeadLettered != legs || got.InFlight != 0 {
					t.Errorf("seed %d: %s: %+v, want %d legs, all delivered or dead-lettered", seed, name, got, legs)
				}
			}
			check("a", l.Sinks[0].Legs, legsA)
			check("b", l.Sinks[1].Legs, legsB)
			check("policies", l.Policies, int64(total["none"]))
			letters := l.Sinks[0].DeadLettered + l.Sinks[1].DeadLettered + l.Policies.DeadLettered
			if got := int64(len(dead.Confirmed())); got != letters || l.DeadLetters != letters {
				t.Errorf("seed %d: %d dead letters arrived, %d counted, %d expected", seed, got, l.DeadLetters, letters)
			}
			if got := int64(len(a.Confirmed())); got != l.Sinks[0].Delivered {
				t.Errorf("seed %d: a confirmed %d, the ledger says %d", seed, got, l.Sinks[0].Delivered)
			}
			if n := failures(r.source.Outcomes()); n != 0 {
				t.Errorf("seed %d: %d events failed at the source", seed, n)
			}
		})
	}
}

// countingSink confirms everything.
type countingSink struct{ n atomic.Int64 }

func (s *countingSink) Send(_ context.Context, events []*envelope.Event) error {
	s.n.Add(int64(len(events)))
	return nil
}
func (*countingSink) Close(context.Context) error { return nil }

// loopSource emits one recycled batch again and again.
type loopSource struct {
	batch *bindings.Batch
	home  chan struct{}
}

func (s *loopSource) Settle(*bindings.Batch) { s.home <- struct{}{} }

func loop(tb testing.TB, events, keys int) (*Pipeline, *loopSource, func()) {
	tb.Helper()
	sink := &countingSink{}
	table, problems := routing.Compile([]routing.Rule{
		{Name: "no", When: when(tb, "type", "other"), To: []string{"s"}},
		{Name: "yes", When: when(tb, "type", "t"), To: []string{"s"}},
	}, []string{"in"}, []string{"s"})
	if len(problems) > 0 {
		tb.Fatal(problems)
	}
	p, err := New(Settings{Sources: []Source{{Name: "in"}}, Sinks: []Sink{{Name: "s", Sink: sink, Concurrency: 2}}, Table: table})
	if err != nil {
		tb.Fatal(err)
	}
	src := &loopSource{home: make(chan struct{}, 1)}
	src.batch = bindings.NewBatch(src, events)
	for i := range events {
		e := src.batch.Add()
		e.ID, e.Source, e.Type, e.Data = "1", "/s", "t", make([]byte, 1024)
		if keys > 0 {
			e.Key = []byte{byte(i % keys)}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, s := range p.lanes[0].shards {
		wg.Go(func() { s.work(ctx) })
	}
	return p, src, func() {
		cancel()
		p.lanes[0].close()
		wg.Wait()
	}
}

func TestHandOffDoesNotAllocate(t *testing.T) {
	for _, keys := range []int{0, 50} {
		p, src, stop := loop(t, 256, keys)
		once := func() {
			p.dispatch(src.batch, 0)
			<-src.home
		}
		for range 20 {
			once()
		}
		if got := testing.AllocsPerRun(100, once); got > 64 { // the race detector makes pools forget
			t.Errorf("%d keys: %.0f allocations for a batch of 256, want none per event", keys, got)
		}
		stop()
	}
}

func BenchmarkWorkload_HandOff(b *testing.B) {
	for name, keys := range map[string]int{"unordered": 0, "50 keys": 50} {
		b.Run(name, func(b *testing.B) {
			p, src, stop := loop(b, 256, keys)
			defer stop()
			b.ReportAllocs()
			for n := 0; n < b.N; n += 256 {
				p.dispatch(src.batch, 0)
				<-src.home
			}
		})
	}
}
