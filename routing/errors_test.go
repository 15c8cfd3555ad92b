package routing

import (
	"slices"
	"strings"
	"testing"
)

// TestParseProblems holds every message with its place. What ends in "…" is compared up to there.
func TestParseProblems(t *testing.T) {
	words := "in, prefix, suffix, glob, regex, exists, gt, gte, lt, lte, equals_ignore_case, not, any"
	tests := []struct {
		when string
		want []string
	}{
		{`[a]`, []string{"r.yaml:1:1: when: a condition is a map of attributes to matchers, such as { type: com.acme.x }; got a list"}},
		{``, []string{"when: a condition is a map of attributes to matchers, such as { type: com.acme.x }; got nothing"}},
		{`{}`, []string{"warning: r.yaml:1:1: when: an empty when matches every event; leave it out if that is meant"}},
		{`{ not: {} }`, []string{"r.yaml:1:8: when.not: the condition is empty"}},
		{`{ all: [] }`, []string{"r.yaml:1:8: when.all: the list of all is empty; it needs at least one condition"}},
		{`{ any: { type: a } }`, []string{"r.yaml:1:8: when.any: any takes a list of conditions, such as any: [{ type: a }, { source: b }]; got a map"}},
		{`{ Type: a }`, []string{"r.yaml:1:3: when.Type: attribute names are lower case: write type, not Type"}},
		{`{ com-example: a }`, []string{`r.yaml:1:3: when.com-example: "com-example" is not an attribute name: names have only the letters a to z and digits`}},
		{`{ data_base64: a }`, []string{`r.yaml:1:3: when.data_base64: "data_base64" is not an attribute name: …`}},
		{`{ "": a }`, []string{"r.yaml:1:3: when.: an attribute name is empty"}},
		{`{ attributes: { data: a } }`, []string{"r.yaml:1:17: when.attributes.data: data is the payload and no attribute; write data: { PATH: … } as a key of when"}},
		{`{ attributes: a }`, []string{`r.yaml:1:15: when.attributes: attributes is a map of attributes to matchers, such as attributes: { any: x }; got "a"`}},
		{`{ data: {} }`, []string{"r.yaml:1:9: when.data: data is a map of JSON paths, such as data: { order.total: { gt: 100 } }; got an empty map"}},
		{`{ data: { "a..b": x } }`, []string{`r.yaml:1:11: when.data.a..b: the JSON path "a..b" is not valid: …`}},
		{`{ tpye: a }`, []string{"warning: r.yaml:1:3: when.tpye: tpye is read as an extension attribute; did you mean type? If the extension is meant, write attributes: { tpye: … }"}},
		{`{ prefix: a }`, []string{"warning: r.yaml:1:3: when.prefix: prefix is read as an extension attribute; a matcher stands below an attribute, such as type: { prefix: … }; if the extension is meant, write attributes: { prefix: … }"}},
		{`{ attributes: { tpye: a } }`, nil},
		{`{ filters: [{ exact: { tpye: a } }] }`, []string{"warning: r.yaml:1:24: when.filters[0].exact.tpye: tpye is read as an extension attribute; did you mean type? …"}},
		{`{ cesql: "tpye = 'a' AND tpye = 'b'" }`, []string{"warning: r.yaml:1:10: when.cesql: tpye is read as an extension attribute; did you mean type? …"}},
		{`{ attributes: { object: a, ip: b } }`, nil},
		{`{ object: a, ip: b, uid: c }`, nil},
		{`{ data: { $.a: 5 } }`, []string{`warning: r.yaml:1:11: when.data.$.a: "$.a" asks for a member that is called $; a path begins at the payload itself: drop the $ and write a`}},
		{`{ type: "" }`, []string{"r.yaml:1:9: when.type: a value for type is empty; write { exists: true } for any value and { exists: false } for none"}},
		{`{ type: null }`, []string{"r.yaml:1:9: when.type: type has no matcher; for an absent attribute write type: { exists: false }"}},
		{`{ type: [] }`, []string{"r.yaml:1:9: when.type: the list of values for type is empty; nothing could match it"}},
		{`{ type: {} }`, []string{"r.yaml:1:9: when.type: the matcher for type is empty; one of " + words + " belongs here"}},
		{`{ type: [a, { prefix: b }] }`, []string{"r.yaml:1:13: when.type[1]: a value for type is a text, a number, true or false; for a choice of matchers write type: { any: [ … ] }"}},
		{`{ type: [a, [b]] }`, []string{"r.yaml:1:13: when.type[1]: a value for type is a text, a number, true or false; got a list"}},
		{`{ type: { in: a } }`, []string{`r.yaml:1:15: when.type.in: in takes a list with at least one value, such as in: [a, b]; got "a"`}},
		{`{ type: { prefix: "" } }`, []string{"r.yaml:1:19: when.type.prefix: the prefix for type is empty; write …"}},
		{`{ type: { suffix: [] } }`, []string{"r.yaml:1:19: when.type.suffix: the list of suffix for type is empty; nothing could match it"}},
		{`{ type: { preffix: a } }`, []string{`r.yaml:1:11: when.type.preffix: "preffix" is not a matcher; there are ` + words + "; did you mean prefix?"}},
		{`{ type: { Prefix: a } }`, []string{`r.yaml:1:11: when.type.Prefix: "Prefix" is not a matcher; there are ` + words + "; did you mean prefix?"}},
		{`{ type: { startsWith: a } }`, []string{`r.yaml:1:11: when.type.startsWith: "startsWith" is not a matcher; write prefix: TEXT`}},
		{`{ type: { equals: a } }`, []string{`r.yaml:1:11: when.type.equals: "equals" is not a matcher; write type: VALUE`}},
		{`{ type: { contains: a } }`, []string{`r.yaml:1:11: when.type.contains: "contains" is not a matcher; write glob: "*TEXT*"`}},
		{`{ type: { regex: "a(" } }`, []string{"r.yaml:1:18: when.type.regex: the regular expression is not valid RE2: …"}},
		{`{ type: { regex: "a)|(b" } }`, []string{"r.yaml:1:18: when.type.regex: the regular expression is not valid RE2: …"}},
		{`{ type: { regex: "(((a{50}){50}){50})" } }`, []string{"r.yaml:1:18: when.type.regex: …"}},
		{`{ type: { exists: yes } }`, []string{`r.yaml:1:19: when.type.exists: exists takes true or false; got "yes"`}},
		{`{ type: { exists: "true" } }`, []string{`r.yaml:1:19: when.type.exists: exists takes true or false; got "true"`}},
		{`{ seq: { gt: five } }`, []string{`r.yaml:1:14: when.seq.gt: gt takes a number, such as gt: 5; got "five"`}},
		{`{ seq: { lt: [5] } }`, []string{`r.yaml:1:14: when.seq.lt: lt takes a number, such as lt: 5; got a list`}},
		{`{ seq: { lt: 1e999999 } }`, []string{`r.yaml:1:14: when.seq.lt: the number for lt is out of range: …`}},
		{`{ type: { any: [] } }`, []string{"r.yaml:1:16: when.type.any: any takes a list with at least one matcher, such as any: [{ prefix: a }, b]; got an empty list"}},
		{`{ type: { equals_ignore_case: [a] } }`, []string{"r.yaml:1:31: when.type.equals_ignore_case: the value of equals_ignore_case for type is a text, a number, true or false; got a list"}},
		{`{ cesql: "type =" }`, []string{"r.yaml:1:10: when.cesql: the CESQL expression is not valid: …"}},
		{`{ cesql: [] }`, []string{"r.yaml:1:10: when.cesql: a CESQL expression is a text, such as …"}},
		{`{ Type: a, type: { preffix: b, gt: x }, source: [] }`, []string{
			"r.yaml:1:3: when.Type: attribute names are lower case…",
			`r.yaml:1:20: when.type.preffix: "preffix" is not a matcher…`,
			"r.yaml:1:36: when.type.gt: gt takes a number…",
			"r.yaml:1:49: when.source: the list of values for source is empty…",
		}},
		{`{ filters: { exact: { type: a } } }`, []string{"r.yaml:1:12: when.filters: filters is a list, such as filters: [{ exact: { type: com.acme.x } }]; got a map"}},
		{`{ filters: [{ exact: { type: a }, prefix: { type: a } }] }`, []string{"r.yaml:1:13: when.filters[0]: a filter is a map with exactly one dialect of exact, prefix, suffix, all, any, not, sql; got the keys exact, prefix"}},
		{`{ filters: [{ exact: {} }] }`, []string{"r.yaml:1:22: when.filters[0].exact: exact is a map of at least one attribute to a text…"}},
		{`{ filters: [{ exact: { Type: a } }] }`, []string{"r.yaml:1:24: when.filters[0].exact.Type: attribute names are lower case…"}},
		{`{ filters: [{ sql: "(" }] }`, []string{"r.yaml:1:20: when.filters[0].sql: the CESQL expression is not valid: …"}},
	}
	for _, tt := range tests {
		c, problems := ParseWhen(parseYAML(t, tt.when))
		failed := slices.ContainsFunc(problems, func(p Problem) bool { return !p.Warning })
		if (c == nil) != failed {
			t.Errorf("%s: condition %v with problems %v", tt.when, c, problems)
		}
		checkProblems(t, tt.when, problems, tt.want)
	}
}

func checkProblems(t *testing.T, when string, problems []Problem, want []string) {
	t.Helper()
	if len(problems) != len(want) {
		t.Errorf("%s: got %v, want %q", when, problems, want)
		return
	}
	for i, p := range problems {
		got := p.Error()
		if p.Warning {
			got = "warning: " + got
		}
		start, open := strings.CutSuffix(want[i], "…")
		if got != start && (!open || !strings.HasPrefix(got, start)) {
			t.Errorf("%s:\n got %s\nwant %s", when, got, want[i])
		}
	}
}

// TestFilterVectors are the vectors F12 to F19 of the conformance checklist, and the rules around them.
func TestFilterVectors(t *testing.T) {
	verdicts := []struct {
		name, filters string
		event         []string
		want          bool
	}{
		{"F12 a string is no boolean", `[{ sql: "subject" }]`, []string{"subject=true"}, false},
		{"F15 attributes are ANDed", `[{ exact: { type: a, subject: b } }]`, []string{"type=a", "subject=b"}, true},
		{"F15 attributes are ANDed", `[{ exact: { type: a, subject: b } }]`, []string{"type=a", "subject=c"}, false},
		{"F16 not of a missing attribute", `[{ not: { exact: { subject: x } } }]`, nil, true},
		{"F18 empty array", `[]`, nil, true},
		{"filters are ANDed", `[{ exact: { type: t } }, { prefix: { source: /x } }]`, nil, false},
		{"prefix", `[{ prefix: { source: /, type: t } }]`, nil, true},
		{"suffix is case-sensitive", `[{ suffix: { type: T } }]`, nil, false},
		{"all", `[{ all: [{ exact: { type: t } }, { suffix: { source: s } }] }]`, nil, true},
		{"any", `[{ any: [{ exact: { type: x } }, { suffix: { source: s } }] }]`, nil, true},
		{"canonical integer", `[{ exact: { seq: "10" } }]`, []string{"seq=10"}, true},
		{"time is compared as text", `[{ exact: { time: "2026-01-01T00:00:00Z" } }]`, []string{"time=2026-01-01T01:00:00+01:00"}, false},
		{"sql error", `[{ sql: "1/0 = 1" }]`, nil, false},
		{"reserved names are attributes here", `[{ exact: { any: x } }]`, []string{"any=x"}, true},
	}
	for _, tt := range verdicts {
		if got := matches(t, "{ filters: "+tt.filters+" }", event(tt.event...)); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	refused := []struct{ name, filters, want string }{
		{"F13 empty value", `[{ exact: { type: "" } }]`, "the exact filter for type takes a text that is not empty; got an empty text"},
		{"F14 empty any", `[{ any: [] }]`, "any takes a list with at least one filter; got an empty list"},
		{"F14 empty all", `[{ all: [] }]`, "all takes a list with at least one filter; got an empty list"},
		{"F14 not with a list", `[{ not: [{ exact: { type: a } }] }]`, "not takes exactly one filter, such as not: { exact: { type: com.acme.x } }; got a list"},
		{"F19 unknown dialect", `[{ wildcard: { type: a } }]`, `"wildcard" is not a filter dialect; there are exact, prefix, suffix, all, any, not, sql`},
		{"misspelt dialect", `[{ exakt: { type: a } }]`, "did you mean exact?"},
		{"data is no attribute", `[{ exact: { data: a } }]`, "data is the payload and no attribute"},
	}
	for _, tt := range refused {
		c, problems := ParseWhen(parseYAML(t, "{ filters: "+tt.filters+" }"))
		if c != nil || len(problems) != 1 || !strings.Contains(problems[0].Message, tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, problems, tt.want)
		}
	}
}

// TestHostileConditions holds that size and depth are refused with a message, quickly.
func TestHostileConditions(t *testing.T) {
	huge := strings.Repeat("a*", 500_000)
	nest := func(open, inner, end string, n int) Value {
		return parseYAML(t, strings.Repeat(open, n)+inner+strings.Repeat(end, n))
	}
	scalar := func(word string) Value {
		v := Value{Kind: Scalar, Scalar: huge}
		if word != "" {
			v = Value{Kind: Map, Fields: []Field{{Key: word, Value: v}}}
		}
		return Value{Kind: Map, Fields: []Field{{Key: "type", Value: v}}}
	}
	tests := []struct {
		name, want string
		when       Value
	}{
		{"glob", "has 1000000 bytes; the limit is 1024; write", scalar("glob")},
		{"long glob", "has 2000 bytes; the limit is 1024; write", parseYAML(t, "{ type: { glob: \""+huge[:2000]+"\" } }")},
		{"long regex", "has 2000 bytes; the limit is 1024; write", parseYAML(t, "{ type: { regex: \""+huge[:2000]+"\" } }")},
		{"regex", "has 1000000 bytes; the limit is 1024; write", scalar("regex")},
		{"prefix", "the limit is 65536", scalar("prefix")},
		{"value", "the limit is 65536", scalar("")},
		{"number", "gt takes a number", scalar("gt")},
		{"not", "nested 64 levels deep", nest("{ not: ", "{ type: a }", " }", 100)},
		{"matcher", "nested 64 levels deep", parseYAML(t, "{ type: "+strings.Repeat("{ not: ", 100)+"a"+strings.Repeat(" }", 100)+" }")},
		{"filters", "nested 64 levels deep", parseYAML(t, "{ filters: ["+strings.Repeat("{ not: ", 100)+"{ exact: { type: a } }"+strings.Repeat(" }", 100)+"] }")},
	}
	for _, tt := range tests {
		c, problems := ParseWhen(tt.when)
		if c != nil || len(problems) == 0 || !strings.Contains(problems[0].Message, tt.want) {
			t.Errorf("%s: got %.300v, want %s", tt.name, problems, tt.want)
		}
		for _, p := range problems {
			if len(p.Message) > 1000 {
				t.Errorf("%s: the message has %d bytes", tt.name, len(p.Message))
			}
		}
	}
}
