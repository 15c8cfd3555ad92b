package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

func sampled(n int, to ...string) []routing.Rule {
	return []routing.Rule{{Name: "some", To: to, Sample: n}}
}

// TestSampleIsTheSameInEveryRelease holds the choice to fixed events: a redelivery after an upgrade must be decided as
// the first delivery was.
func TestSampleIsTheSameInEveryRelease(t *testing.T) {
	for _, c := range []struct {
		source, id, rate string
		want             uint64
	}{
		{"/test", "1", "", 0xe6f76a47f749b36},
		{"/test", "2", "", 0xfad27f7c4e76f562},
		{"/test", "1", "10", 0xb62f721e59ce508b},
		{"/test1", "", "", 0x7f4de6707c89632e},
	} {
		e := event(c.id, "t", "")
		e.Source = c.source
		if c.rate != "" {
			e.AddExtension("sampledrate", c.rate, envelope.KindInteger)
		}
		if got := sampleHash(e); got != c.want {
			t.Errorf("%+v: hash %#x", c, got)
		}
	}
}

// TestSampleTakesOneInN counts what is chosen: of many events about one in n, and of those, sampled again by a second
// router, one in n once more.
func TestSampleTakesOneInN(t *testing.T) {
	const events = 100_000
	for _, n := range []uint64{2, 3, 10, 64, 1000} {
		first, second := 0, 0
		for i := range events {
			e := event(strconv.Itoa(i), "t", "")
			if sampledOut(e, n) {
				continue
			}
			first++
			e.AddExtension("sampledrate", strconv.FormatUint(n, 10), envelope.KindInteger)
			if !sampledOut(e, n) {
				second++
			}
		}
		near := func(got int, want float64) bool { return float64(got) > want*0.6-20 && float64(got) < want*1.4+20 }
		if !near(first, events/float64(n)) || !near(second, events/float64(n*n)) {
			t.Errorf("1 in %d: %d of %d, then %d of them", n, first, events, second)
		}
	}
}

func TestSample(t *testing.T) {
	for _, c := range []struct {
		sample    int
		delivered int
		rate      string
	}{{0, 400, ""}, {1, 400, ""}, {4, 0, "4"}} {
		synctest.Test(t, func(t *testing.T) {
			in := events(400, "t", 3)
			want := 0
			for _, e := range in {
				if c.sample < 2 || !sampledOut(e, uint64(c.sample)) {
					want++
				}
			}
			sink, other := &bindingtest.MemorySink{}, &bindingtest.MemorySink{}
			rules := append(sampled(c.sample, "s"), routing.Rule{Name: "whole", When: when(t, "id", in[0].ID), To: []string{"other"}})
			r := newRig(t, rules, []Sink{{Name: "s", Sink: sink}, {Name: "other", Sink: other}}, in, in)
			r.settings.Unmatched = Policy{Action: ToSink, Sink: "other"}
			if err := r.run(time.Minute); err != nil {
				t.Fatal(err)
			}
			got := sink.Confirmed()
			if len(got) != 2*want || want == 0 || c.sample > 1 && want > 200 {
				t.Errorf("1 in %d: %d delivered, want %d twice", c.sample, len(got), want)
			}
			times := map[string]int{}
			for _, e := range got {
				times[e.ID]++
				if a := e.FindExtension("sampledrate"); (a != nil) != (c.rate != "") || a != nil && (a.Value != c.rate || a.Kind != envelope.KindInteger) {
					t.Fatalf("1 in %d: sampledrate %v, want %q", c.sample, a, c.rate)
				}
			}
			for id, n := range times {
				if n != 2 {
					t.Errorf("event %s was delivered %d times of 2: a redelivery must be decided alike", id, n)
				}
			}
			l := r.p.Ledger()
			out := int64(2 * (400 - want))
			if l.Routes[0].Matched != 800 || l.Sources[0].Unmatched != 0 || l.Drops["route some sampled"] != out {
				t.Errorf("1 in %d: ledger %+v, want 800 matched and %d sampled out", c.sample, l, out)
			}
			if s := l.Sinks[0]; s.Legs.Legs != int64(2*want) || s.Delivered != s.Legs.Legs {
				t.Errorf("1 in %d: sink %+v", c.sample, s)
			}
			if n := failures(r.source.Outcomes()); n != 0 || len(r.source.Outcomes()) != 800 {
				t.Errorf("1 in %d: %d failures of %d outcomes", c.sample, n, len(r.source.Outcomes()))
			}
		})
	}
}

// TestSampleStops: a sampled-out event has matched, so stop ends its list all the same.
func TestSampleStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{}
		rules := []routing.Rule{{Name: "some", To: []string{"s"}, Sample: 1 << 30, Stop: true}, {Name: "rest", To: []string{"s"}}}
		r := newRig(t, rules, []Sink{{Name: "s", Sink: sink}}, events(20, "t", 0))
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if l := r.p.Ledger(); len(sink.Confirmed()) != 0 || l.Drops["route some sampled"] != 20 || l.Routes[1].Matched != 0 {
			t.Errorf("%d delivered, ledger %+v", len(sink.Confirmed()), l)
		}
	})
}

func TestSampledRateIsMultiplied(t *testing.T) {
	for _, c := range []struct {
		rate, want, err string
		n               int
	}{
		{"", "10", "", 10},
		{"3", "30", "", 10},
		{"1", "2147483647", "", 2147483647},
		{"214748364", "2147483640", "", 10},
		{"214748365", "", "sample: sampledrate: 214748365 times 10 is more than an Integer holds", 10},
		{"0", "", `sample: sampledrate: a value of the shape "9" is no Integer above 0`, 10},
		{"-0", "", `"-9"`, 10},
		{"-5", "", `"-9"`, 10},
		{"many", "", `"aaaa"`, 10},
		{"+5", "", `"+9"`, 10},
		{"2147483648", "", `"9999999999"`, 10},
	} {
		e := event("1", "t", "")
		if c.rate != "" {
			e.AddExtension("sampledrate", c.rate, envelope.KindUntyped)
		}
		err := multiplyRate(e, c.n)
		got := attribute(e, "sampledrate")
		if c.err == "" && (err != nil || got != c.want) {
			t.Errorf("%q times %d: %q, %v; want %q", c.rate, c.n, got, err, c.want)
		}
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q times %d: error %v, want %s", c.rate, c.n, err, c.err)
		}
	}
}

// TestSampledRateThatCannotBeMultiplied is a permanent failure of the delivery, and only of what is delivered.
func TestSampledRateThatCannotBeMultiplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := events(50, "t", 0)
		chosen := int64(0)
		for _, e := range in {
			e.AddExtension("sampledrate", "often", envelope.KindString)
			if !sampledOut(e, 2) {
				chosen++
			}
		}
		dead := &bindingtest.MemorySink{}
		r := newRig(t, sampled(2, "s"), []Sink{
			{Name: "s", Sink: &bindingtest.MemorySink{}, DeadLetter: Policy{Action: ToSink, Sink: "dead"}}, {Name: "dead", Sink: dead},
		}, in)
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		for _, d := range dead.Confirmed() {
			if attribute(d, "dlqreason") != "bad_set" || attribute(d, "sampledrate") != "often" || attribute(d, "dlqroute") != "some" {
				t.Errorf("dead letter %+v", d)
			}
		}
		l := r.p.Ledger()
		if s := l.Sinks[0]; s.Legs.Legs != chosen || s.DeadLettered != chosen || l.Drops["route some sampled"] != 50-chosen {
			t.Errorf("ledger %+v, want %d dead-lettered and the rest sampled out", l, chosen)
		}
	})
}

// TestEqualSamplesShareADelivery: what two routes sample alike goes once to a sink that both name.
func TestEqualSamplesShareADelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{}
		rules := []routing.Rule{
			{Name: "a", To: []string{"s"}, Sample: 2},
			{Name: "b", To: []string{"s"}, Sample: 2},
			{Name: "c", To: []string{"s"}, Sample: 4},
			{Name: "d", To: []string{"s"}},
		}
		in := events(100, "t", 0)
		want := map[string]int{"": 100}
		for _, e := range in {
			for _, n := range []uint64{2, 4} {
				if !sampledOut(e, n) {
					want[fmt.Sprint(n)]++
				}
			}
		}
		r := newRig(t, rules, []Sink{{Name: "s", Sink: sink}}, in)
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, e := range sink.Confirmed() {
			got[attribute(e, "sampledrate")]++
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("delivered by rate %v, want %v: one for each different change", got, want)
		}
	})
}

// TestSetRoutesSwapsSamples: samples and types belong to the routes, which a running pipeline exchanges.
func TestSetRoutesSwapsSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bindingtest.MemorySink{}
		r := newRig(t, sampled(1<<30, "s"), []Sink{{Name: "s", Sink: sink}}, events(5, "t", 0))
		rules := []routing.Rule{{Name: "some", To: []string{"s"}, Types: []routing.Typing{{Name: "n", Kind: envelope.KindInteger}}}}
		table, problems := routing.Compile(rules, []string{"in"}, []string{"s"})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		p, err := New(r.settings)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		synctest.Wait()
		if err := p.SetRoutes(table, Policy{}); err != nil {
			t.Fatal(err)
		}
		e := event("typed", "t", "")
		e.AddExtension("n", "7", envelope.KindUntyped)
		r.source.Add([]*envelope.Event{e})
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		got := sink.Confirmed()
		if len(got) != 1 || got[0].FindExtension("n").Kind != envelope.KindInteger || got[0].FindExtension("sampledrate") != nil {
			t.Errorf("delivered %v, want the typed event alone", ids(got))
		}
		if n := p.Ledger().Drops["route some sampled"]; n != 5 {
			t.Errorf("%d sampled out, want 5: counters outlive the routes", n)
		}
	})
}

func reasonOf(err error) bindings.Reason {
	if p, ok := errors.AsType[*bindings.PermanentError](err); ok {
		return p.Reason
	}
	return ""
}
