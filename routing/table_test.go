package routing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventrouter/router/envelope"
)

func TestStopAndFrom(t *testing.T) {
	rules := []Rule{
		{Name: "0", When: condition(t, "{ type: t }"), From: []string{"s2"}},
		{Name: "1", When: condition(t, "{ type: t }"), From: []string{"s1", "s2"}},
		{Name: "2", When: condition(t, "{ subject: x }"), Stop: true},
		{Name: "3", From: []string{"s1"}},
		{Name: "4", When: condition(t, "{ data: { a: { exists: true } } }"), Stop: true},
		{Name: "5"},
	}
	table := compile(t, rules, allSources...)
	tests := []struct {
		source int
		event  *envelope.Event
		want   []int32
	}{
		{0, event(), []int32{1, 3, 5}},
		{1, event(), []int32{0, 1, 5}},
		{2, event(), []int32{5}},
		{AnySource, event(), []int32{0, 1, 3, 5}},
		{0, event("subject=x"), []int32{1, 2}},
		{2, event("subject=x"), []int32{2}},
		{2, event(`data={"a":1}`), []int32{4}},
		{0, event("type=u"), []int32{3, 5}},
		{99, event("type=u"), []int32{5}},
	}
	s := table.NewScratch()
	for _, tt := range tests {
		if got := table.Match(s, tt.source, tt.event); !slices.Equal(got, tt.want) {
			t.Errorf("source %d: got %v, want %v", tt.source, got, tt.want)
		}
	}
	if id, ok := table.Source("s2"); id != 1 || !ok {
		t.Errorf("source s2: got %d %v", id, ok)
	}
	if _, ok := table.Source("s9"); ok {
		t.Error("source s9 exists")
	}
	if len(table.Rules()) != len(rules) {
		t.Errorf("got %d rules", len(table.Rules()))
	}
}

// TestPayloadIsReadLazily holds that a path is looked up only if a rule that can still match asks for it.
func TestPayloadIsReadLazily(t *testing.T) {
	table := compile(t, []Rule{
		{When: condition(t, "{ type: a, data: { p: x } }")},
		{When: condition(t, "{ type: t, data: { q: x } }")},
		{When: condition(t, "{ subject: s }"), Stop: true},
		{When: condition(t, "{ type: t, data: { r: x } }")},
		{When: condition(t, "{ type: t, any: [{ source: /s }, { data: { u: x } }] }")},
	})
	tests := []struct {
		event *envelope.Event
		want  []string
	}{
		{event("type=other", "data={}"), nil},
		{event("type=a", "data={}"), []string{"p"}},
		{event("subject=s", "data={}"), []string{"q"}},
		{event("data={}"), []string{"q", "r"}},
		{event("source=/o", "data={}"), []string{"q", "r", "u"}},
	}
	s := table.NewScratch()
	names := []string{"p", "q", "r", "u"}
	for _, tt := range tests {
		table.Match(s, AnySource, tt.event)
		var got []string
		for i := range s.data {
			if s.data[i].stamp == s.now {
				got = append(got, names[i])
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: read %v, want %v", describeEvent(tt.event), got, tt.want)
		}
	}
}

func TestScratchMovesToAnotherTable(t *testing.T) {
	a := compile(t, []Rule{{When: condition(t, "{ type: t }")}})
	b := compile(t, []Rule{{When: condition(t, "{ type: x }")}, {When: condition(t, "{ exta: y, data: { p: z } }")}})
	s := a.NewScratch()
	if got := a.Match(s, AnySource, event()); len(got) != 1 {
		t.Errorf("first table: got %v", got)
	}
	if got := b.Match(s, AnySource, event("exta=y", `data={"p":"z"}`)); !slices.Equal(got, []int32{1}) {
		t.Errorf("second table: got %v", got)
	}
}

func TestStampsWrapRound(t *testing.T) {
	table := compile(t, []Rule{{When: condition(t, "{ subject: x }")}})
	for first := range 2 { // at the wrap comes an event that matches, or one that does not
		s := table.NewScratch()
		s.now = 1<<32 - 2
		for i := first; i < first+4; i++ {
			e, want := event("subject=x"), 1
			if i%2 == 1 {
				e, want = event(), 0
			}
			if got := table.Match(s, AnySource, e); len(got) != want {
				t.Errorf("round %d of %d: got %v", i, first, got)
			}
		}
	}
}

func TestFirstOfDuplicateExtensionsCounts(t *testing.T) {
	table := compile(t, []Rule{{When: condition(t, "{ exta: a }")}, {When: condition(t, "{ exta: b }")}})
	e := event()
	e.AddExtension("exta", "a", envelope.KindString)
	e.AddExtension("exta", "b", envelope.KindString)
	if got := table.Match(table.NewScratch(), AnySource, e); !slices.Equal(got, []int32{0}) {
		t.Errorf("got %v", got)
	}
}

func TestManyExtensionNames(t *testing.T) {
	var rules []Rule
	for i := range 50 {
		rules = append(rules, Rule{When: condition(t, fmt.Sprintf("{ ext%d: a }", i))})
	}
	table := compile(t, rules)
	got := table.Match(table.NewScratch(), AnySource, event("ext3=a", "ext49=a", "ext7=b", "other=a"))
	if !slices.Equal(got, []int32{3, 49}) {
		t.Errorf("got %v", got)
	}
}

// TestMatchAllocatesNothing holds the ceiling of the hot path, over all kinds of rules.
func TestMatchAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("RACE DETECTOR ON: the allocations of Match are not checked")
	}
	rng := rand.New(rand.NewPCG(1, 1))
	rules := mixedRules(t, 1000, rng)
	for _, when := range []string{
		`{ subject: { equals_ignore_case: ORDER-1.JPG } }`, `{ subject: { glob: "o*1*" } }`, `{ subject: { regex: "order-[0-9]+.*" } }`,
		`{ subject: { exists: true } }`, `{ partitionkey: { not: x } }`, `{ any: [{ subject: { suffix: .jpg } }, { data: { a: 1 } }] }`,
		`{ data: { a: { gt: 5 } } }`, `{ cesql: "EXISTS subject AND type LIKE 'com.%'" }`,
	} {
		rules = append(rules, Rule{When: condition(t, when)})
	}
	table, events := compile(t, rules), mixedEvents(1000, rng)
	for i := range events {
		events[i].Data = []byte(`{"a": 7}`)
	}
	s := table.NewScratch()
	i := 0
	run := func() { table.Match(s, AnySource, &events[i&1023]); i++ }
	for range 2048 {
		run()
	}
	if allocs := testing.AllocsPerRun(2000, run); allocs != 0 {
		t.Errorf("got %v allocations per event", allocs)
	}
}

// TestConcurrentMatching shares one table between goroutines, for the race detector.
func TestConcurrentMatching(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	table, events := compile(t, mixedRules(t, 200, rng)), mixedEvents(200, rng)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s := table.NewScratch()
			for i := range events {
				table.Match(s, AnySource, &events[i])
				table.Explain(AnySource, &events[i&7])
			}
		})
	}
	wg.Wait()
}

// TestHostileTables holds that tables made to be slow still compile and match in bounded time.
func TestHostileTables(t *testing.T) {
	if testing.Short() {
		t.Skip("SHORT: hostile tables of 100,000 rules are not compiled")
	}
	const n = 100_000
	long := strings.Repeat("a", 60_000)
	text := func(format string, args ...any) Value {
		return Value{Kind: Scalar, Scalar: fmt.Sprintf(format, args...)}
	}
	of := func(key string, v Value) Field { return Field{Key: key, Value: v} }
	fields := func(fields ...Field) Value { return Value{Kind: Map, Fields: fields} }
	prefix := func(v Value) Value { return fields(of("prefix", v)) }
	tests := map[string]func(i int) Value{
		"same key":        func(i int) Value { return fields(of("type", text("t")), of("subject", text("s%d", i))) },
		"nested prefixes": func(i int) Value { return fields(of("subject", prefix(text("%s", long[:1+i%300])))) },
		"wide choices": func(i int) Value {
			return fields(of("any", Value{Kind: List, Items: []Value{
				fields(of("type", text("a%d", i))), fields(of("source", text("b%d", i))), fields(of("subject", text("c"))),
			}}))
		},
		"all stop":        func(i int) Value { return fields(of("type", prefix(text("p%d.", i)))) },
		"many attributes": func(i int) Value { return fields(of(fmt.Sprintf("ext%d", i), text("x"))) },
	}
	for name, when := range tests {
		rules := make([]Rule, n)
		for i := range rules {
			c, problems := ParseWhen(when(i))
			if c == nil {
				t.Fatal(problems)
			}
			rules[i] = Rule{Name: "r", When: c, Stop: name == "all stop"}
		}
		start := time.Now()
		table := compile(t, rules)
		built := time.Since(start)
		s, e := table.NewScratch(), event("subject="+long)
		table.Match(s, AnySource, e)
		start = time.Now()
		matched := len(table.Match(s, AnySource, e))
		took := time.Since(start)
		t.Logf("%s: built in %v, %d matches in %v", name, built, matched, took)
		if built > 20*time.Second || took > time.Second {
			t.Errorf("%s: built in %v, matched in %v", name, built, took)
		}
	}
}
