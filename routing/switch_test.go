package routing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// switchRules makes rules that compare a few paths with many values, behind several kinds of access.
func switchRules(t testing.TB, n int, rng *rand.Rand) (rules []Rule, whens []Value) {
	values := []string{"1", "1.0", "10e-1", "'1'", "-0", "0", "true", "'true'", "a", "b", "''", "100", "1e2", "[a, 1]", "{ in: [b, 100, c] }"}
	access := []string{"type: t", "source: /s", "type: { prefix: t }", "type: t, source: /s", "subject: { not: x }", ""}
	for i := range n {
		when := access[rng.IntN(len(access))]
		if when != "" {
			when += ", "
		}
		when += fmt.Sprintf("data: { %s: %s", []string{"p", "q.r"}[rng.IntN(2)], values[rng.IntN(len(values))])
		if rng.IntN(4) == 0 {
			when += ", s: { exists: true }"
		}
		when = "{ " + when + " } }"
		r := Rule{Name: fmt.Sprint(i), When: condition(t, when), Stop: rng.IntN(20) == 0}
		if rng.IntN(3) == 0 {
			r.From = []string{allSources[rng.IntN(len(allSources))]}
		}
		rules, whens = append(rules, r), append(whens, parseYAML(t, when))
	}
	return rules, whens
}

// TestSwitchEqualsReference compares tables with switches with the naive evaluation.
func TestSwitchEqualsReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	scalars := []string{`1`, `1.0`, `"1"`, `0`, `-0.0`, `true`, `"true"`, `"a"`, `"b"`, `""`, `100`, `1E+2`, `null`, `[1]`, `{}`, `"c"`}
	switches, matched := 0, 0
	for range 60 {
		rules, whens := switchRules(t, 1+rng.IntN(120), rng)
		table, _ := newTable(rules, allSources, nil)
		switches += len(table.index.switches)
		s := table.NewScratch()
		for range 40 {
			e := event("type="+[]string{"t", "u"}[rng.IntN(2)], "source="+[]string{"/s", "/z"}[rng.IntN(2)])
			data := fmt.Sprintf(`{"p":%s,"q":{"r":%s}`, scalars[rng.IntN(len(scalars))], scalars[rng.IntN(len(scalars))])
			if rng.IntN(2) == 0 {
				data += `,"s":1`
			}
			e.Data = []byte(data + "}")
			source := rng.IntN(len(allSources))
			got, want := table.Match(s, source, e), refMatch(rules, whens, allSources[source], e)
			matched += len(got)
			if !slices.Equal(got, want) {
				t.Fatalf("%s from %d: got %v, want %v", data, source, got, want)
			}
		}
	}
	if switches < 100 || matched < 1000 {
		t.Errorf("only %d switches and %d matches: the comparison says little", switches, matched)
	}
}

// TestSwitchTriesOnlyWhatTheValueLeadsTo holds that the number of rules for other customers costs nothing.
func TestSwitchTriesOnlyWhatTheValueLeadsTo(t *testing.T) {
	var rules []Rule
	for i := range 1000 {
		rules = append(rules, Rule{Name: fmt.Sprint(i), When: condition(t, fmt.Sprintf("{ type: t, data: { customer: c%d } }", i))})
	}
	table := compile(t, rules)
	s := table.NewScratch()
	e := event("type=t", `data={"customer":"c7"}`)
	if got := table.Match(s, AnySource, e); !slices.Equal(got, []int32{7}) {
		t.Errorf("got %v, want [7]", got)
	}
	if len(s.deferred) != 2 { // the switch and the one rule behind it
		t.Errorf("%d entries were put off, want 2", len(s.deferred))
	}
}

func BenchmarkMatchData(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rules := make([]Rule, n)
			for i := range rules {
				rules[i] = Rule{When: condition(b, fmt.Sprintf("{ type: t, data: { customer: c%d } }", i))}
			}
			table := compile(b, rules)
			e := event("type=t", `data={"amount":5,"customer":"c7"}`)
			s := table.NewScratch()
			b.ReportAllocs()
			for b.Loop() {
				table.Match(s, AnySource, e)
			}
		})
	}
}
