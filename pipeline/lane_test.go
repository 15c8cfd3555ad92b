package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

func TestBlockedKeyDoesNotHideOthersFromASinkThatTakesOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{Fail: func(e *envelope.Event, _ int) error {
			if string(e.Key) == "blocked" {
				return errDown
			}
			return nil
		}}
		in := events(100, "t", 50)
		for i := range 10 {
			in = append([]*envelope.Event{event(fmt.Sprintf("b%d", i), "t", "blocked")}, in...)
		}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, BatchEvents: 1}}, in)
		_ = r.run(time.Hour)
		if n := len(sink.Confirmed()); n != 100 {
			t.Errorf("%d of 100 events of other keys delivered", n)
		}
	})
}

func TestRetryAfterOfOneEventDelaysOnlyThatEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{Fail: func(e *envelope.Event, _ int) error {
			if e.ID == "e00000" {
				return bindings.RetryAfter(errDown, time.Hour)
			}
			return nil
		}}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, BatchEvents: 10}}, events(1000, "t", 0))
		_ = r.run(time.Minute)
		if n := len(sink.Confirmed()); n != 999 {
			t.Errorf("%d of 999 others delivered within a minute", n)
		}
	})
}

func TestRateSpreadsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		sink := &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error {
			at = append(at, time.Since(start))
			return nil
		}}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, Rate: 10}}, events(50, "t", 0))
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if len(at) != 50 || at[0] > 100*time.Millisecond {
			t.Fatalf("%d events, the first after %s", len(at), at[0])
		}
		for i := 10; i < len(at); i++ {
			if d := at[i] - at[i-10]; d < 900*time.Millisecond || d > 1100*time.Millisecond {
				t.Errorf("ten events from %d on took %s, want 1s at 10/s", i-10, d)
			}
		}
	})
}

func TestDeadLettersKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &bindingtest.MemorySink{}
		sink := &bindingtest.MemorySink{Ordered: true, Fail: refuse}
		var in []*envelope.Event
		for i := range 4 {
			in = append(in, event(fmt.Sprint(i), "bad", "k"))
		}
		r := newRig(t, all("s"), []Sink{
			{Name: "s", Sink: sink, DeadLetter: Policy{Action: ToSink, Sink: "dead"}}, {Name: "dead", Sink: dead},
		}, in)
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := ids(dead.Confirmed()); got != "0 1 2 3" {
			t.Errorf("dead letters arrived as %s", got)
		}
	})
}

func TestHoldKeepsOrderInAnOrderedSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		refusing := true
		sink := &bindingtest.MemorySink{Ordered: true, Fail: func(e *envelope.Event, _ int) error {
			mu.Lock()
			defer mu.Unlock()
			if refusing && e.ID == "1" {
				return bindings.Permanent(bindings.ReasonTooLarge, "", errDown)
			}
			return nil
		}}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, DeadLetter: Policy{Action: Hold}}},
			[]*envelope.Event{event("1", "t", "k"), event("2", "t", "k"), event("3", "t", "k")})
		go func() {
			time.Sleep(time.Hour)
			mu.Lock()
			refusing = false // the operator raises the limit
			mu.Unlock()
		}()
		if err := r.run(2 * time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := ids(sink.Confirmed()); got != "1 2 3" {
			t.Errorf("delivered %s, want 1 2 3", got)
		}
	})
}

func TestHoldWhileDrainingKeepsFollowersBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		sink := &bindingtest.MemorySink{Block: release, Fail: refuse}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, DeadLetter: Policy{Action: Hold}}},
			[]*envelope.Event{event("1", "bad", "k"), event("2", "good", "k")})
		go func() {
			time.Sleep(time.Minute + 100*time.Millisecond) // the stop has begun
			close(release)
		}()
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := ids(sink.Confirmed()); got != "" {
			t.Errorf("%s was delivered past the event that is held", got)
		}
	})
}

func TestHoldGivesAnHTTPEventBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := event("1", "bad", "")
		e.Meta.Transport = "http"
		r := newRig(t, all("s"), []Sink{
			{Name: "s", Sink: &bindingtest.MemorySink{Fail: refuse}, DeadLetter: Policy{Action: Hold}},
		}, []*envelope.Event{e})
		go func() {
			time.Sleep(time.Minute)
			out := r.source.Outcomes()
			if len(out) != 1 {
				t.Errorf("the sender still waits")
				return
			}
			if _, ok := errors.AsType[*bindings.PermanentError](out[0].Err); !ok {
				t.Errorf("outcome %v, want the permanent failure", out[0].Err)
			}
		}()
		if err := r.run(time.Hour); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEventThatWasNotSentCountsNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &bindingtest.MemorySink{}
		sink := &bindingtest.MemorySink{Ordered: true, Fail: func(e *envelope.Event, attempt int) error {
			if e.ID == "1" {
				return errDown
			}
			return nil
		}}
		r := newRig(t, all("s"), []Sink{
			{Name: "s", Sink: sink, Retry: Retry{Attempts: 3}, DeadLetter: Policy{Action: ToSink, Sink: "dead"}},
			{Name: "dead", Sink: dead},
		}, []*envelope.Event{event("1", "t", "k"), event("2", "t", "k")})
		if err := r.run(time.Hour); err != nil {
			t.Fatal(err)
		}
		if ids(dead.Confirmed()) != "1" || ids(sink.Confirmed()) != "2" {
			t.Errorf("dead letters %q, delivered %q; want 1, 2", ids(dead.Confirmed()), ids(sink.Confirmed()))
		}
	})
}

// failingSource emits one batch, then fails for good, and returns when its batch has come home.
type failingSource struct {
	*bindingtest.MemorySource
	report func(error)
}

var errGone = errors.New("the position is gone")

func (s *failingSource) OnFailure(report func(error)) { s.report = report }

func (s *failingSource) Run(ctx context.Context, emit func(*bindings.Batch)) error {
	reading, stop := context.WithCancel(ctx)
	go func() {
		time.Sleep(time.Second)
		s.report(errGone)
		stop()
	}()
	return errors.Join(errGone, s.MemorySource.Run(reading, emit))
}

func TestSourceThatFailsForGoodStopsTheRouterAlthoughAnEventIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: &bindingtest.MemorySink{Fail: refuse}, DeadLetter: Policy{Action: Hold}}},
			[]*envelope.Event{event("1", "bad", "")})
		r.settings.Sources[0].Source = &failingSource{MemorySource: r.source}
		start := time.Now()
		p, err := New(r.settings)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Run(t.Context())
		if !errors.Is(err, errGone) || time.Since(start) > time.Minute {
			t.Errorf("stopped with %v after %s", err, time.Since(start))
		}
		if h := p.Health(); h[1].Err == nil {
			t.Error("readyz does not name the source")
		}
	})
}

func TestPoliciesThatLeadNowhereAreRefused(t *testing.T) {
	for _, bad := range []Action{Reject, ToDead} {
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: &bindingtest.MemorySink{}}})
		r.settings.DeadLetter = Policy{Action: bad}
		if _, err := New(r.settings); err == nil || !strings.Contains(err.Error(), "dead_letter") {
			t.Errorf("dead_letter action %d: %v", bad, err)
		}
	}
}

func TestTwoVariantsHaveTwoDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &bindingtest.MemorySink{}
		rules := all("s")
		rules = append(rules, rules[0])
		rules[1].Name, rules[1].Set = "changed", []routing.Assignment{{Name: "region", Template: "eu"}}
		r := newRig(t, rules, []Sink{
			{Name: "s", Sink: &bindingtest.MemorySink{Fail: refuse}, DeadLetter: Policy{Action: ToSink, Sink: "dead"}},
			{Name: "dead", Sink: dead},
		}, []*envelope.Event{event("1", "bad", "")})
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		got := dead.Confirmed()
		if len(got) != 2 || string(bindings.AppendDeliveryID(nil, "dead", got[0])) == string(bindings.AppendDeliveryID(nil, "dead", got[1])) {
			t.Errorf("%d dead letters; a target that removes duplicates must see two", len(got))
		}
	})
}

func TestDeadLetterThatIsHeldLetsOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &bindingtest.MemorySink{Fail: func(e *envelope.Event, _ int) error {
			if e.ID == "big" {
				return bindings.Permanent(bindings.ReasonTooLarge, "", errDown)
			}
			return nil
		}}
		r := newRig(t, all("s"), []Sink{
			{Name: "s", Sink: &bindingtest.MemorySink{Fail: refuse}, DeadLetter: Policy{Action: ToSink, Sink: "dead"}},
			{Name: "dead", Sink: dead},
		}, []*envelope.Event{event("big", "bad", "k")}, []*envelope.Event{event("2", "bad", "k"), event("3", "bad", "k")})
		if err := r.run(time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := ids(dead.Confirmed()); got != "2 3" {
			t.Errorf("dead letters %q, want 2 3", got)
		}
		for _, o := range r.source.Outcomes() {
			if (o.Err != nil) != (o.ID == "big") {
				t.Errorf("event %s: %v", o.ID, o.Err)
			}
		}
	})
}

func TestRejectedBatchDeliversNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{}
		batch := []*envelope.Event{event("1", "known", ""), event("2", "unknown", ""), event("3", "known", "")}
		for _, e := range batch {
			e.Meta.Transport = "http"
		}
		r := newRig(t, []routing.Rule{{Name: "known", When: when(t, "type", "known"), To: []string{"s"}}}, []Sink{{Name: "s", Sink: sink}}, batch)
		r.settings.Unmatched = Policy{Action: Reject}
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if n := failures(r.source.Outcomes()); n != 3 || len(sink.Confirmed()) != 0 {
			t.Errorf("%d refused, %d delivered; want 3, 0", n, len(sink.Confirmed()))
		}
		if l := r.p.Ledger().Policies; l.Legs != 3 || l.Rejected != 3 {
			t.Errorf("ledger %+v", l)
		}
	})
}

// brokenSink reports after its first Send that it will never work again.
type brokenSink struct{ report func(error) }

func (s *brokenSink) OnFailure(report func(error)) { s.report = report }

func (s *brokenSink) Send(context.Context, []*envelope.Event) error {
	s.report(errGone)
	return errGone
}
func (*brokenSink) Close(context.Context) error { return nil }

func TestSinkThatIsBrokenForGoodStopsTheRouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: &brokenSink{}}}, events(3, "t", 0))
		p, err := New(r.settings)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := p.Run(t.Context()); !errors.Is(err, errGone) || time.Since(start) > time.Second {
			t.Errorf("stopped with %v after %s", err, time.Since(start))
		}
		if n := failures(r.source.Outcomes()); n != 3 {
			t.Errorf("%d events stay at the source, want 3", n)
		}
	})
}

// TestHeldDeliveriesHideNothing: a cut looks past everything that a policy holds, and past what waits behind it for the
// sake of order, however much that is. It once looked at 1024 deliveries, and what came behind was never sent.
func TestHeldDeliveriesHideNothing(t *testing.T) {
	const many = 2048
	for name, c := range map[string]struct {
		key   string // of what is held
		sinks func(*bindingtest.MemorySink) []Sink
	}{
		"dead letters": {"", func(to *bindingtest.MemorySink) []Sink {
			return []Sink{
				{Name: "s", Sink: &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error { return errBatchRefused }}, DeadLetter: Policy{Action: ToSink, Sink: "dead"}},
				{Name: "dead", Sink: to, Accepts: &Accepts{Levels: []string{"public"}}},
			}
		}},
		"events": {"", func(to *bindingtest.MemorySink) []Sink {
			return []Sink{{Name: "s", Sink: to, DeadLetter: Policy{Action: Hold}, Accepts: &Accepts{Levels: []string{"public"}}}}
		}},
		"one key": {"k", func(to *bindingtest.MemorySink) []Sink {
			return []Sink{{Name: "s", Sink: to, DeadLetter: Policy{Action: Hold}, Accepts: &Accepts{Levels: []string{"public"}}}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var mu sync.Mutex
				var at time.Duration
				to := &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error {
					mu.Lock()
					defer mu.Unlock()
					at = time.Since(start)
					return nil
				}}
				var in []*envelope.Event
				for i := range many {
					e := classified(fmt.Sprint(i), "restricted", "-")
					if e.Key = nil; c.key != "" {
						e.Key = []byte(c.key)
					}
					in = append(in, e)
				}
				plain := classified("plain", "public", "-")
				plain.Key = []byte("another")
				r := newRig(t, all("s"), c.sinks(to), append(in, plain))
				if err := r.run(10 * time.Minute); err != nil {
					t.Fatal(err)
				}
				if got := ids(to.Confirmed()); got != "plain" || at > time.Second {
					t.Errorf("%q was delivered after %s, want plain at once", got, at)
				}
			})
		})
	}
}
