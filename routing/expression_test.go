package routing

import (
	"fmt"
	"slices"
	"testing"
)

// TestExpressionIsCheckedBeforeItIsEvaluated: what an expression asks of a type or source refuses an event before the
// rest of it is evaluated, and what it asks of an attribute that may be missing does not, so that the error is counted.
// The subject, which fewest rules share, leads to all of these rules.
func TestExpressionIsCheckedBeforeItIsEvaluated(t *testing.T) {
	const same = 20 // rules that share the type, so that the subject tells more
	var rules []Rule
	for i := range same {
		rules = append(rules, Rule{When: condition(t, fmt.Sprintf(`{ subject: other%d, cesql: "INT(region) > 3 AND type = 'a'" }`, i))})
	}
	for subject, expression := range map[string]string{
		"equal": "INT(region) > 3 AND type = 'a'",
		"list":  "INT(region) > 3 AND type IN ('a', 'b')",
		"or":    "INT(region) > 3 AND (type = 'a' OR type = 'b')",
		"like":  "INT(region) > 3 AND source LIKE '/x%' AND type = 'a'",
		"open":  "INT(region) > 3 AND region = 'eu'",
	} {
		rules = append(rules, Rule{Name: subject, When: condition(t, fmt.Sprintf(`{ subject: %s, cesql: "%s" }`, subject, expression))})
	}
	table := compile(t, rules)
	s := table.NewScratch()
	for _, tc := range []struct {
		subject, typ, source string
		errors               int
	}{
		{"equal", "a", "/x", 1},
		{"equal", "c", "/x", 0},
		{"list", "a", "/x", 1},
		{"list", "c", "/x", 0},
		{"or", "b", "/x", 1},
		{"or", "c", "/x", 0},
		{"like", "a", "/x/1", 1},
		{"like", "a", "/y", 0},
		{"like", "b", "/x", 0},
	} {
		got := table.Match(s, AnySource, event("subject="+tc.subject, "type="+tc.typ, "source="+tc.source))
		if len(got) > 0 || s.Errors() != tc.errors {
			t.Errorf("%s: %s from %s: rules %v and %d errors, want none and %d", tc.subject, tc.typ, tc.source, got, s.Errors(), tc.errors)
		}
	}
	for _, tc := range []struct {
		when   string
		errors int
	}{
		{`{ cesql: "type = 'a' AND subject = 'x'" }`, 1}, // the missing subject is an error
		{`{ cesql: "type = 'b' AND subject = 'x'" }`, 0},
	} {
		table := compile(t, []Rule{{When: condition(t, tc.when)}})
		s := table.NewScratch()
		if got := table.Match(s, AnySource, event("type=a")); len(got) > 0 || s.Errors() != tc.errors {
			t.Errorf("%s: rules %v and %d errors, want none and %d", tc.when, got, s.Errors(), tc.errors)
		}
	}
}

// TestExpressionsAreIndexedAsPairs: a type and a source that expressions compare are looked up together.
func TestExpressionsAreIndexedAsPairs(t *testing.T) {
	table := compile(t, []Rule{{When: condition(t, `{ cesql: "type = 'a' AND source = '/x' AND region = 'eu'" }`)}})
	if n := len(table.index.pairs); n != 1 {
		t.Errorf("%d pairs, want 1", n)
	}
}

// An expression was evaluated for every key that led to its rule, and for rules that do not listen to the source, and
// its error counted each time.
func TestErrorOfAnExpressionCountsOnce(t *testing.T) {
	for _, tc := range []struct {
		when string
		from []string
		want int
	}{
		{`{ type: { prefix: [a, ab] }, cesql: "INT(region) > 3" }`, nil, 1},
		{`{ any: [{ type: abc }, { source: /x }], cesql: "INT(region) > 3" }`, nil, 1},
		{`{ any: [{ type: abc, cesql: "INT(region) > 3" }, { source: /x, cesql: "INT(region) > 4" }] }`, nil, 2},
		{`{ cesql: "INT(region) > 3" }`, []string{"s1", "s2"}, 0},
		{`{ type: abc, cesql: "INT(region) > 3" }`, []string{"s1", "s2"}, 0},
		{`{ type: abc, cesql: "INT(region) > 3" }`, []string{"s1", "s3"}, 1},
		{`{ type: abc, cesql: "INT(region) > 3" }`, []string{"s1"}, 0},
		{`{ type: abc, not: { cesql: "INT(region) > 3" } }`, nil, 1},
	} {
		table := compileAnyway(t, []Rule{{When: condition(t, tc.when), From: tc.from}})
		s := table.NewScratch()
		source := slices.Index(allSources, "s3")
		for range 2 {
			table.Match(s, source, event("type=abc", "source=/x", "region=x"))
			if s.Errors() != tc.want {
				t.Errorf("%s from %v: %d errors, want %d", tc.when, tc.from, s.Errors(), tc.want)
			}
		}
	}
}

// TestErrorOfAMisspeltAttributeIsCounted: the index looked rules up by the attribute that no event has, because fewer
// shared it than the type, and so no expression was evaluated and no error counted.
func TestErrorOfAMisspeltAttributeIsCounted(t *testing.T) {
	rules := make([]Rule, 5)
	for i := range rules {
		rules[i] = Rule{When: condition(t, fmt.Sprintf(`{ cesql: "type = 'abc' AND regoin = 'eu-%d'" }`, i))}
	}
	table := compile(t, rules)
	s := table.NewScratch()
	if got := table.Match(s, AnySource, event("type=abc", "region=eu-1")); len(got) > 0 || s.Errors() != len(rules) {
		t.Errorf("rules %v and %d errors, want none and %d", got, s.Errors(), len(rules))
	}
}
