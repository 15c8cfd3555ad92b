package routing

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eventrouter/router/envelope"
)

var seed = flag.Uint64("routing.seed", 0, "seed of the random comparison with the reference; 0 takes the time")

var allSources = []string{"s1", "s2", "s3"}

// TestMatchEqualsReference compares the index with the reference over more than a million pairs of rule and event.
func TestMatchEqualsReference(t *testing.T) {
	pairs := 1_000_000
	if testing.Short() {
		pairs = 100_000
	}
	from := *seed
	if from == 0 {
		from = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with -routing.seed=%d", from)
	g := generator{chooser: rand.New(rand.NewPCG(from, 1))}
	s, matched := new(Scratch), 0
	var withPairs, withPieces int
	for done := 0; done < pairs && !t.Failed(); {
		g.dense = g.IntN(4) == 0
		rules, whens := g.rules(1+g.IntN(60), func(text string) (*Condition, Value) {
			return condition(t, text), parseYAML(t, text)
		})
		table := compileAnyway(t, rules)
		withPairs += min(1, len(table.index.pairs))
		withPieces += min(1, len(table.index.inside.keys))
		for range 100 {
			matched += compareOnce(t, g, table, whens, s)
			done += len(rules)
		}
	}
	if matched < pairs/100 {
		t.Errorf("only %d of %d pairs matched: the comparison says little", matched, pairs)
	}
	if min(withPairs, withPieces) < pairs/300_000 {
		t.Errorf("only %d tables with pairs and %d with pieces: the comparison says little of these", withPairs, withPieces)
	}
	t.Logf("%d matches; %d tables with pairs, %d with pieces", matched, withPairs, withPieces)
}

// compileAnyway compiles rules that may contradict themselves, as random rules do.
func compileAnyway(t testing.TB, rules []Rule) *Table {
	t.Helper()
	table, problems := newTable(rules, allSources, nil)
	if len(problems) > 0 {
		t.Fatalf("compile: %v", problems)
	}
	return table
}

type failer interface {
	Helper()
	Errorf(format string, args ...any)
}

func compareOnce(t failer, g generator, table *Table, whens []Value, s *Scratch) int {
	t.Helper()
	e := g.event()
	source, name := AnySource, ""
	if k := g.IntN(4); k < 3 {
		source, name = k, allSources[k]
	}
	got := table.Match(s, source, e)
	want := refMatch(table.Rules(), whens, name, e)
	if !slices.Equal(got, want) {
		t.Errorf("event %+v from %q: got %v, want %v", describeEvent(e), name, got, want)
		for _, n := range append(slices.Clone(got), want...) {
			t.Errorf("rule %d: %v", n, table.Rules()[n].When)
		}
	}
	if most := refErrors(table, source, e); s.Errors() > most {
		t.Errorf("event %+v from %q: %d errors counted, and %d expressions have one", describeEvent(e), name, s.Errors(), most)
	}
	var explained []int32
	for _, v := range table.Explain(source, e) {
		if v.Outcome == Matched {
			explained = append(explained, int32(v.Rule))
		}
		if v.Holds != (v.Failure == nil) || v.Failure != nil && v.Failure.Predicate == "" {
			t.Errorf("rule %d: verdict %+v", v.Rule, v)
		}
	}
	if !slices.Equal(explained, want) {
		t.Errorf("event %v from %q: explained %v, want %v", describeEvent(e), name, explained, want)
	}
	return len(want)
}

// refErrors returns how many expressions of the rules that listen to a source end in an error.
func refErrors(table *Table, source int, e *envelope.Event) (failed int) {
	for i := range table.Rules() {
		if c := table.Rules()[i].When; c != nil && table.from[i].admits(int32(source)) {
			failed += nodeErrors(c.root, e)
		}
	}
	return failed
}

func nodeErrors(n *node, e *envelope.Event) (failed int) {
	if n.op == opCESQL {
		if _, wrong := n.test.expr.Test(e); wrong {
			failed++
		}
	}
	for _, k := range n.kids {
		failed += nodeErrors(k, e)
	}
	return failed
}

func describeEvent(e *envelope.Event) map[string]string {
	m := map[string]string{"data": string(e.Data)}
	for _, name := range []string{"id", "type", "source", "subject", "exta", "extb"} {
		if v, ok := e.Get(name); ok {
			m[name] = v
		}
	}
	return m
}

// rapidChooser lets rapid make the choices, so that it can shrink a counterexample.
type rapidChooser struct{ t *rapid.T }

func (c rapidChooser) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(c.t, "n") }

func TestMatchEqualsReferenceShrinking(t *testing.T) {
	s := new(Scratch)
	rapid.Check(t, func(rt *rapid.T) {
		g := generator{chooser: rapidChooser{rt}}
		rules, whens := g.rules(1+g.IntN(4), func(text string) (*Condition, Value) {
			return condition(t, text), parseYAML(t, text)
		})
		table := compileAnyway(t, rules)
		for range 3 {
			compareOnce(rt, g, table, whens, s)
		}
	})
}

// TestRulesAreIndependent holds that adding a rule never changes whether another one matches.
func TestRulesAreIndependent(t *testing.T) {
	g := generator{chooser: rand.New(rand.NewPCG(7, 7))}
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for range rounds {
		rules, _ := g.rules(20, func(text string) (*Condition, Value) { return condition(t, text), Value{} })
		for i := range rules {
			rules[i].Stop = false
		}
		whole, part := compileAnyway(t, rules), compileAnyway(t, rules[:19])
		a, b := whole.NewScratch(), part.NewScratch()
		for range 20 {
			e := g.event()
			got := slices.DeleteFunc(slices.Clone(whole.Match(a, 0, e)), func(n int32) bool { return n == 19 })
			if want := part.Match(b, 0, e); !slices.Equal(got, want) {
				t.Fatalf("rule 19, %v, changes the others on %v: %v, without it %v",
					rules[19].When, describeEvent(e), got, want)
			}
		}
	}
}
