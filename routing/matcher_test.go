package routing

import "testing"

// TestMatchers holds for every matcher one value it accepts, one it refuses, and the missing attribute, each also
// negated.
func TestMatchers(t *testing.T) {
	tests := []struct {
		matcher   string
		yes, no   string
		onMissing bool
	}{
		{`com.acme.x`, "com.acme.x", "com.acme.X", false},
		{`true`, "true", "TRUE", false},
		{`5`, "5", "5.0", false},
		{`"5"`, "5", "6", false},
		{`2018-04-05T17:31:00Z`, "2018-04-05T17:31:00Z", "2018-04-05T17:31:00.0Z", false},
		{`[a, b]`, "b", "c", false},
		{`{ in: [a, b] }`, "a", "ab", false},
		{`{ in: [a, b, c, d, e, f, g, h, i, j] }`, "j", "k", false},
		{`{ prefix: com. }`, "com.x", "co", false},
		{`{ prefix: [x, com.] }`, "com.x", "org.x", false},
		{`{ suffix: .jpg }`, "a.jpg", "a.jpg.txt", false},
		{`{ suffix: [.png, .jpg] }`, "a.jpg", "jpg", false},
		{`{ glob: "com.*.created" }`, "com.a.b.created", "com.created", false},
		{`{ glob: "a?c" }`, "aéc", "ac", false},
		{`{ glob: "*" }`, "x", "", false},
		{`{ glob: "a*b*?" }`, "a-b-b-", "ab", false},
		{`{ regex: "a+|b" }`, "aaa", "aab", false},
		{`{ regex: "(?i)x.y" }`, "X-Y", "x-y-", false},
		{`{ exists: true }`, "x", "", false},
		{`{ exists: false }`, "", "x", true},
		{`{ gt: 5, lte: 9 }`, "9", "5", false},
		{`{ gte: 5 }`, "5.0", "4.999999999999999999999", false},
		{`{ lt: 1e3 }`, "-7", "1000", false},
		{`{ gt: 9007199254740992 }`, "9007199254740993", "9007199254740992.0", false},
		{`{ gt: 5 }`, "6", "six", false},
		{`{ equals_ignore_case: straSSe }`, "STRAsse", "straße", false},
		{`{ equals_ignore_case: k }`, "\u212A", "kk", false},
		{`{ not: a }`, "b", "a", true},
		{`{ not: { prefix: a } }`, "b", "ab", true},
		{`{ not: [a, b] }`, "c", "b", true},
		{`{ not: { exists: true } }`, "", "a", true},
		{`{ not: { not: a } }`, "a", "b", false},
		{`{ any: [{ prefix: a }, b] }`, "b", "bb", false},
		{`{ any: [{ not: a }, { prefix: a }] }`, "a", "", true},
		{`{ prefix: a, suffix: z }`, "a-z", "a-", false},
		{`{ prefix: a, not: { suffix: z } }`, "a-", "a-z", false},
		{`{ in: [a, b], not: a }`, "b", "a", false},
	}
	for _, attr := range []string{"subject", "comexample"} {
		for _, tt := range tests {
			when := "{ " + attr + ": " + tt.matcher + " }"
			negated := "{ not: " + when + " }"
			check := func(value string, want bool) {
				t.Helper()
				e := event(attr + "=" + value)
				if got := matches(t, when, e); got != want {
					t.Errorf("%s on %q: got %v, want %v", when, value, got, want)
				}
				if got := matches(t, negated, e); got == want {
					t.Errorf("%s on %q: got %v, want %v", negated, value, got, !want)
				}
			}
			if tt.yes != "" {
				check(tt.yes, true)
			}
			if tt.no != "" {
				check(tt.no, false)
			}
			check("", tt.onMissing)
		}
	}
}

func TestConditions(t *testing.T) {
	tests := []struct {
		when  string
		event []string
		want  bool
	}{
		{`{ type: t, source: /s }`, nil, true},
		{`{ type: t, source: /x }`, nil, false},
		{`{ all: [{ type: t }, { source: /s }] }`, nil, true},
		{`{ any: [{ type: x }, { source: /s }] }`, nil, true},
		{`{ any: [{ type: x }, { source: /x }] }`, nil, false},
		{`{ not: { type: t, source: /x } }`, nil, true},
		{`{ not: { any: [{ type: t }, { source: /x }] } }`, nil, false},
		{`{ specversion: "1.0" }`, nil, true},
		{`{ attributes: { any: x, not: y } }`, []string{"any=x", "not=y"}, true},
		{`{ attributes: { any: x } }`, nil, false},
		{`{ cesql: "type = 't' AND source LIKE '/%'" }`, nil, true},
		{`{ cesql: "missing != 'x'" }`, nil, false},
		{`{ not: { cesql: "missing != 'x'" } }`, nil, true},
		{`{ cesql: "subject", type: t }`, []string{"subject=true"}, false},
		{`{ filters: [] }`, nil, true},
	}
	for _, tt := range tests {
		if got := matches(t, tt.when, event(tt.event...)); got != tt.want {
			t.Errorf("%s on %v: got %v, want %v", tt.when, tt.event, got, tt.want)
		}
	}
}

func TestData(t *testing.T) {
	const order = `{"order":{"total":120.50,"id":"a1","n":5.0,"vip":true,"none":null,"items":[{"sku":"x"}],"empty":""}}`
	tests := []struct {
		when string
		data string
		want bool
	}{
		{`{ data: { order.total: { gt: 100 } } }`, order, true},
		{`{ data: { order.total: { gt: 120.5 } } }`, order, false},
		{`{ data: { order.id: a1 } }`, order, true},
		{`{ data: { order.id: { prefix: b } } }`, order, false},
		{`{ data: { order.n: 5 } }`, order, true},
		{`{ data: { order.n: "5" } }`, order, false},
		{`{ data: { order.vip: true } }`, order, true},
		{`{ data: { order.none: null } }`, order, true},
		{`{ data: { order.none: { exists: true } } }`, order, true},
		{`{ data: { order.none: "null" } }`, order, false},
		{`{ data: { order.id: null } }`, order, false},
		{`{ data: { order.empty: "" } }`, order, true},
		{`{ data: { "order.items[0].sku": x } }`, order, true},
		{`{ data: { order.items: { exists: true } } }`, order, true},
		{`{ data: { order.items: { prefix: "[" } } }`, order, false},
		{`{ data: { order.gone: { exists: false } } }`, order, true},
		{`{ data: { order.gone: { not: x } } }`, order, true},
		{`{ data: { order.id: a1 } }`, "not json", false},
		{`{ data: { order.id: a1, order.vip: true }, type: t }`, order, true},
	}
	for _, tt := range tests {
		if got := matches(t, tt.when, event("data="+tt.data)); got != tt.want {
			t.Errorf("%s on %s: got %v, want %v", tt.when, tt.data, got, tt.want)
		}
	}
	if matches(t, `{ data: { x: { exists: true } } }`, event()) {
		t.Error("an event without data has something at a path")
	}
}
