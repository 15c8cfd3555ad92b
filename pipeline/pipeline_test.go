package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("target is down")

// downFor is the Fail of a sink whose target is down for that long from now on.
func downFor(d time.Duration) func(*envelope.Event, int) error {
	start := time.Now()
	return func(*envelope.Event, int) error {
		if time.Since(start) < d {
			return errDown
		}
		return nil
	}
}

// event returns a valid event; an empty key means that it has no order to keep.
func event(id, typ, key string) *envelope.Event {
	e := &envelope.Event{ID: id, Source: "/test", Type: typ, Data: []byte(id)}
	if key != "" {
		e.Key = []byte(key)
	}
	return e
}

func events(n int, typ string, keys int) []*envelope.Event {
	out := make([]*envelope.Event, n)
	for i := range out {
		key := ""
		if keys > 0 {
			key = fmt.Sprintf("k%d", i%keys)
		}
		out[i] = event(fmt.Sprintf("e%05d", i), typ, key)
	}
	return out
}

// when parses a condition that compares attributes with texts.
func when(t testing.TB, attributes ...string) *routing.Condition {
	t.Helper()
	v := routing.Value{Kind: routing.Map}
	for i := 0; i < len(attributes); i += 2 {
		v.Fields = append(v.Fields, routing.Field{
			Key: attributes[i], Value: routing.Value{Kind: routing.Scalar, Scalar: attributes[i+1]},
		})
	}
	c, problems := routing.ParseWhen(v)
	if len(problems) > 0 {
		t.Fatalf("condition: %v", problems)
	}
	return c
}

// rig is a pipeline under test with one source.
type rig struct {
	t        testing.TB
	settings Settings
	source   *bindingtest.MemorySource
	p        *Pipeline
}

func newRig(t testing.TB, rules []routing.Rule, sinks []Sink, batches ...[]*envelope.Event) *rig {
	t.Helper()
	var names []string
	for _, s := range sinks {
		names = append(names, s.Name)
	}
	table, problems := routing.Compile(rules, []string{"in"}, names)
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("rules: %v", problems)
		}
	}
	src := bindingtest.NewMemorySource(bindings.NewWindow(0, 0), batches...)
	return &rig{t: t, source: src, settings: Settings{
		Sources: []Source{{Name: "in", Source: src}}, Sinks: sinks, Table: table, Drain: time.Second, Log: zap.NewNop(),
	}}
}

// run runs the pipeline in virtual time for d and stops it.
func (r *rig) run(d time.Duration) error {
	r.t.Helper()
	p, err := New(r.settings)
	if err != nil {
		r.t.Fatal(err)
	}
	r.p = p
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	time.Sleep(d)
	cancel()
	err = <-done
	for _, s := range p.Ledger().Sinks {
		if s.InFlight != 0 {
			r.t.Errorf("sink %s: %d in flight after the stop", s.Name, s.InFlight)
		}
	}
	return err
}

func all(to ...string) []routing.Rule { return []routing.Rule{{Name: "all", To: to}} }

func ids(events []*envelope.Event) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString(e.ID + " ")
	}
	return strings.TrimSpace(b.String())
}

func failures(out []bindingtest.Outcome) int {
	n := 0
	for _, o := range out {
		if o.Err != nil {
			n++
		}
	}
	return n
}

func TestInvariant1EveryBatchIsSettledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &bindingtest.MemorySink{}, &bindingtest.MemorySink{Fail: func(_ *envelope.Event, attempt int) error {
			if attempt < 3 {
				return errDown
			}
			return nil
		}}
		r := newRig(t, all("a", "b"), []Sink{{Name: "a", Sink: a, Concurrency: 3}, {Name: "b", Sink: b, BatchEvents: 7}},
			events(100, "t", 5), events(1, "t", 0), events(50, "t", 0))
		if err := r.run(time.Hour); err != nil {
			t.Fatal(err)
		}
		out := r.source.Outcomes() // Settle panics on a second settlement
		if len(out) != 151 || failures(out) != 0 {
			t.Fatalf("%d outcomes, %d failures; want 151, 0", len(out), failures(out))
		}
		if len(a.Confirmed()) != 151 || len(b.Confirmed()) != 151 {
			t.Fatalf("confirmed %d and %d, want 151 each", len(a.Confirmed()), len(b.Confirmed()))
		}
	})
}

func TestInvariant2FailedEventIsNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := &bindingtest.MemorySink{}
		bad := &bindingtest.MemorySink{Fail: func(e *envelope.Event, _ int) error {
			if e.ID == "e00003" {
				return errDown
			}
			return nil
		}}
		r := newRig(t, all("good", "bad"), []Sink{{Name: "good", Sink: good}, {Name: "bad", Sink: bad}}, events(10, "t", 10))
		if err := r.run(time.Hour); err == nil {
			t.Error("a stop that gave deliveries up returned nil")
		}
		for _, o := range r.source.Outcomes() {
			if (o.Err != nil) != (o.ID == "e00003") {
				t.Errorf("event %s: outcome %v", o.ID, o.Err)
			}
		}
		if n := len(bad.Confirmed()); n != 9 {
			t.Errorf("%d others confirmed, want 9: one failing key must not stop the rest", n)
		}
	})
}

func TestInvariant5OrderPerKeySurvivesRetries(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		for seed := range uint64(20) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				sink := &bindingtest.MemorySink{Ordered: ordered, Fail: func(*envelope.Event, int) error {
					if rng.IntN(3) == 0 {
						return errDown
					}
					return nil
				}}
				const n, keys = 400, 7
				in := events(n, "t", keys)
				r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, Concurrency: 1 + int(seed%3), BatchEvents: 16}},
					in[:100], in[100:130], in[130:])
				if err := r.run(24 * time.Hour); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				got := sink.Confirmed()
				if len(got) != n {
					t.Fatalf("seed %d: %d confirmed, want %d", seed, len(got), n)
				}
				last := map[string]string{}
				for _, e := range got {
					if e.ID <= last[string(e.Key)] {
						t.Fatalf("seed %d: key %s: %s after %s", seed, e.Key, e.ID, last[string(e.Key)])
					}
					last[string(e.Key)] = e.ID
				}
			})
		}
	}
}

func TestInvariant7HardStopFailsWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{Block: make(chan struct{})}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, BatchEvents: 10}}, events(30, "t", 0))
		start := time.Now()
		if err := r.run(time.Minute); err == nil || !strings.Contains(err.Error(), ": 30;") {
			t.Errorf("got %v, want an error that names 30 deliveries", err)
		}
		if took := time.Since(start) - time.Minute; took != time.Second {
			t.Errorf("the stop took %s, want the drain time of 1s", took)
		}
		if n := failures(r.source.Outcomes()); n != 30 {
			t.Errorf("%d events failed, want 30", n)
		}
	})
}

func TestInvariant8MiscountedBatchErrorConfirmsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &shortSink{}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink}}, events(4, "t", 0))
		_ = r.run(time.Minute)
		if n := failures(r.source.Outcomes()); n != 4 {
			t.Errorf("%d of 4 events failed; a sink that answers for 3 of 4 confirms none", n)
		}
	})
}

// shortSink answers with one entry too few.
type shortSink struct{}

func (*shortSink) Send(_ context.Context, events []*envelope.Event) error {
	return make(bindings.BatchError, len(events)-1)
}
func (*shortSink) Close(context.Context) error { return nil }

func TestDrainFinishesWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began time.Time
		sink := &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error {
			if time.Since(began) < time.Minute+200*time.Millisecond {
				return errDown
			}
			return nil
		}}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, Retry: Retry{Max: 50 * time.Millisecond}}}, events(5, "t", 0))
		began = time.Now()
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if n := failures(r.source.Outcomes()); n != 0 || len(sink.Confirmed()) != 5 {
			t.Errorf("%d failed, %d confirmed; want 0, 5", n, len(sink.Confirmed()))
		}
	})
}

func TestRetryAfterPausesTheWholeTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first time.Time
		sink := &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error {
			if first.IsZero() {
				first = time.Now()
				return bindings.PauseTarget(errDown, 90*time.Second)
			}
			if since := time.Since(first); since > 0 && since < 90*time.Second {
				t.Errorf("called again after %s, want not before 90s", since)
			}
			return nil
		}}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, BatchEvents: 1}}, events(3, "t", 0))
		if err := r.run(time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := len(sink.Confirmed()); got != 3 {
			t.Errorf("%d confirmed, want 3", got)
		}
	})
}

func TestOutageBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error { return errDown }}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, BatchEvents: 10, Retry: Retry{Max: 10 * time.Second}}},
			events(1000, "t", 0))
		_ = r.run(time.Hour)
		if n := sink.Sends(); n > 2000 {
			t.Errorf("%d sends to a dead target within an hour; the pause of a shard does not work", n)
		}
	})
}

func TestFanOutDeliversOncePerSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &bindingtest.MemorySink{}, &bindingtest.MemorySink{}
		rules := []routing.Rule{
			{Name: "one", To: []string{"a"}},
			{Name: "two", To: []string{"a", "b"}},
			{Name: "three", To: []string{"b"}, Set: []routing.Assignment{{Name: "region", Template: "eu-{type}"}}},
			{Name: "four", To: []string{"b"}, Set: []routing.Assignment{{Name: "region", Template: "eu-{type}"}}},
		}
		r := newRig(t, rules, []Sink{{Name: "a", Sink: a}, {Name: "b", Sink: b}}, events(1, "t", 0))
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := ids(a.Confirmed()); got != "e00000" {
			t.Errorf("a got %q, want the event once", got)
		}
		var regions []string
		for _, e := range b.Confirmed() {
			v, _ := e.Get("region")
			regions = append(regions, v)
		}
		if got := strings.Join(regions, ","); got != ",eu-t" {
			t.Errorf("b got regions %q, want the plain event and one changed copy", got)
		}
	})
}

func TestUnmatchedPolicies(t *testing.T) {
	tests := map[string]struct {
		policy    Policy
		delivered string
		failed    int
		drops     int64
	}{
		"drop":                            {Policy{Action: Drop}, "", 0, 1},
		"sink":                            {Policy{Action: ToSink, Sink: "s"}, "e00000", 0, 0},
		"dead letter":                     {Policy{Action: ToDead}, "e00000", 0, 0},
		"reject, which the source cannot": {Policy{Action: Reject}, "e00000", 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := &bindingtest.MemorySink{}
				rules := []routing.Rule{{Name: "other", When: when(t, "type", "other"), To: []string{"s"}}}
				r := newRig(t, rules, []Sink{{Name: "s", Sink: sink}}, events(1, "t", 0))
				r.settings.Unmatched = tt.policy
				r.settings.DeadLetter = Policy{Action: ToSink, Sink: "s"}
				if err := r.run(time.Minute); err != nil {
					t.Fatal(err)
				}
				if got := ids(sink.Confirmed()); got != tt.delivered {
					t.Errorf("delivered %q, want %q", got, tt.delivered)
				}
				if got := r.p.Ledger().Drops["unmatched"]; got != tt.drops {
					t.Errorf("%d drops counted, want %d", got, tt.drops)
				}
			})
		})
	}
}

func TestRejectLetsHTTPRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := event("1", "t", "")
		e.Meta.Transport = "http"
		r := newRig(t, []routing.Rule{{Name: "other", When: when(t, "type", "other"), To: []string{"s"}}},
			[]Sink{{Name: "s", Sink: &bindingtest.MemorySink{}}}, []*envelope.Event{e})
		r.settings.Unmatched = Policy{Action: Reject}
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		var p *bindings.PermanentError
		if out := r.source.Outcomes(); len(out) != 1 || !errors.As(out[0].Err, &p) || p.Reason != bindings.ReasonUnmatched {
			t.Errorf("outcomes %v, want one that says unmatched", out)
		}
	})
}

// A sink that keeps the order of keys says nothing about events that are ordered by an attribute.
func TestOrderByAttributeDoesNotTrustTheSinksOwnOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{Ordered: true, Fail: func(e *envelope.Event, attempt int) error {
			if e.ID == "e00001" && attempt == 0 {
				return errDown
			}
			return nil
		}}
		in := events(5, "t", 0)
		for i, e := range in {
			e.Subject, e.Key = "one", []byte{byte(i)}
		}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, Order: OrderSubject}}, in)
		if err := r.run(time.Hour); err != nil {
			t.Fatal(err)
		}
		if got, want := ids(sink.Confirmed()), "e00000 e00001 e00002 e00003 e00004"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestExpressionErrorsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := []routing.Rule{
			{Name: "odd", When: when(t, "cesql", "INT(subject) > 5"), To: []string{"s"}},
			{Name: "all", To: []string{"s"}},
		}
		in := events(3, "t", 0)
		in[0].Subject, in[1].Subject = "9", "many"
		r := newRig(t, rules, []Sink{{Name: "s", Sink: &bindingtest.MemorySink{}}}, in)
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		l := r.p.Ledger()
		if got := l.Sources[0].ExpressionErrors; got != 2 || l.Routes[0].Matched != 1 {
			t.Errorf("%d errors, %d matched; want 2, 1", got, l.Routes[0].Matched)
		}
	})
}
