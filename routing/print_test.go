package routing

import (
	"math/rand/v2"
	"testing"
)

func TestConditionString(t *testing.T) {
	tests := []struct{ when, want string }{
		{`{ type: a, source: /b }`, `{source: /b, type: a}`},
		{`{ source: /b, type: a }`, `{source: /b, type: a}`},
		{`{ type: { in: [b, a, b] } }`, `{type: [a, b]}`},
		{`{ type: { suffix: z, prefix: [b, a] } }`, `{type: {prefix: [a, b], suffix: z}}`},
		{`{ seq: 5 }`, `{seq: "5"}`},
		{`{ data: { num: 5, text: "5" } }`, `{data: {num: 5, text: "5"}}`},
		{`{ flag: true }`, `{flag: "true"}`},
		{`{ type: "a b" }`, `{type: "a b"}`},
		{`{ type: { exists: false } }`, `{type: {exists: false}}`},
		{`{ type: { any: [b, { not: a }] } }`, `{type: {any: [b, {not: a}]}}`},
		{`{ any: [{ type: b }, { type: a }] }`, `{any: [{type: a}, {type: b}]}`},
		{`{ attributes: { any: x } }`, `{attributes: {any: x}}`},
		{`{ filters: [{ exact: { type: a } }, { not: { prefix: { source: / } } }] }`, `{not: {source: {prefix: /}}, type: a}`},
		{`{ all: [{ type: { prefix: a } }, { type: { suffix: b } }] }`, `{all: [{type: {prefix: a}}, {type: {suffix: b}}]}`},
		{`{ cesql: "type = 'x'" }`, `{cesql: "type = 'x'"}`},
		{`{ data: { a: null } }`, `{data: {a: null}}`},
		{`{ seq: { gte: 5, lt: 1e3 } }`, `{seq: {gte: 5, lt: 1e3}}`},
		{`{ filters: [] }`, `{filters: []}`},
		{`{ not: { filters: [] } }`, `{not: {filters: []}}`},
	}
	for _, tt := range tests {
		if got := condition(t, tt.when).String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.when, got, tt.want)
		}
	}
	if got := (*Condition)(nil).String(); got != "{}" {
		t.Errorf("nil: got %s", got)
	}
}

// TestStringReadsBack holds that a printed condition is a condition again, prints the same, and means the same.
func TestStringReadsBack(t *testing.T) {
	g := generator{chooser: rand.New(rand.NewPCG(5, 5))}
	for range 2000 {
		text := g.when(0)
		c := condition(t, text)
		back := condition(t, c.String())
		if back.String() != c.String() {
			t.Fatalf("%s\nprints %s\nreads  %s", text, c, back)
		}
		for range 20 {
			e := g.event()
			if got, want := back.root.holds(e), c.root.holds(e); got != want {
				t.Fatalf("%s printed as %s: %v instead of %v on %v", text, c, got, want, describeEvent(e))
			}
		}
	}
}
