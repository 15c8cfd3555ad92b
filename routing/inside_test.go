package routing

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRepeatedPieceIsFollowedOnce: a value that repeats a piece led to the same rules once for each time, so that one
// event of 64 KiB took minutes, and what reads the payload was put off millions of times.
func TestRepeatedPieceIsFollowedOnce(t *testing.T) {
	var rules []Rule
	for i := range 2 * fewPieces {
		rules = append(rules,
			Rule{When: condition(t, fmt.Sprintf("{ subject: { glob: '*aaa*b?c%d*' } }", i))},
			Rule{When: condition(t, fmt.Sprintf("{ subject: { glob: '*aaa*' }, data: { x: { gt: %d } } }", i))},
			Rule{When: condition(t, fmt.Sprintf("{ subject: { regex: '.*aaaaaaaaaaaa.*[0-9]x' }, data: { x: %d } }", i))},
		)
	}
	table := compile(t, rules)
	s := table.NewScratch()
	e := event("type=t", "subject="+strings.Repeat("a", 64<<10), "data={}")
	start := time.Now()
	for range 3 {
		if got := table.Match(s, AnySource, e); len(got) > 0 {
			t.Fatalf("matched %v", got)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("three matches took %s", took)
	}
	if n := cap(s.deferred); n > 10*len(rules) {
		t.Errorf("%d entries were put off, of %d rules", n, len(rules))
	}
	if n := testing.AllocsPerRun(2, func() { table.Match(s, AnySource, e) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestFewPatternsAreTried: for a handful of patterns it is quicker to try them than to look up every piece of a value.
func TestFewPatternsAreTried(t *testing.T) {
	for n, want := range map[int]int{1: 0, fewPieces - 1: 0, fewPieces: fewPieces, 100: 100} {
		rules := make([]Rule, n)
		for i := range rules {
			rules[i] = Rule{When: condition(t, fmt.Sprintf("{ type: { glob: '*.com.acme.orders.created.eu-%03d.*' } }", i))}
		}
		if got := len(compile(t, rules).index.inside.keys); got != want {
			t.Errorf("%d patterns: %d pieces, want %d", n, got, want)
		}
	}
}

// TestChoicesAreIndexedByTheirRarestParts: an OR was indexed by one part of each operand, whatever other rules shared it.
func TestChoicesAreIndexedByTheirRarestParts(t *testing.T) {
	for _, form := range []string{
		"type LIKE '%%acme.t%[1]d.created%%' OR source = 's%[1]d'",
		"(type = 'a' AND source = 's%[1]d') OR subject = 'z%[1]d'",
		"(type LIKE 'com%%' AND source LIKE '%%s%04[1]d') OR subject = 'z%[1]d'",
		"(type = 'a' OR type = 'b') AND (source = 's%[1]d' OR subject = 's%[1]d') AND INT(size) > 3",
	} {
		rules := make([]Rule, 2*manyTried)
		for i := range rules {
			rules[i] = Rule{Name: fmt.Sprint(i), When: condition(t, fmt.Sprintf(`{ cesql: "%s" }`, fmt.Sprintf(form, i)))}
		}
		_, problems := Compile(rules, nil, nil)
		for _, p := range problems {
			t.Errorf("%s: %s", form, p.Message)
		}
	}
}
