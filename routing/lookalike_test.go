package routing

import (
	"strings"
	"testing"
)

func TestLookalike(t *testing.T) {
	for _, tt := range []struct {
		word, text string
		data       bool
		want       string
	}{
		{"", "com.acme.*", false, "prefix com.acme."},
		{"", "com.acme*", false, "prefix com.acme"},
		{"", "*.paid", false, "suffix .paid"},
		{"", "*acme*", false, "glob *acme*"},
		{"", "com.*.paid", false, "glob com.*.paid"},
		{"", "com.*.paid.*", false, "glob com.*.paid.*"},
		{"", "*", false, "exists true"},
		{"", "com.acme.%", false, "prefix com.acme."},
		{"", "%/shop", false, "suffix /shop"},
		{"", "%.acme.%", false, "glob *.acme.*"},
		{"", "acme.orders.>", false, "prefix acme.orders."},
		{"", "^com", false, "prefix com"},
		{"", `^com\..*$`, false, `regex ^com\..*$`},
		{"", `^com\.[a-z]+`, false, `regex ^com\.[a-z]+.*`},
		{"", "/a/*", true, "prefix /a/"},
		{"prefix", "com.acme.*", false, "prefix com.acme."},
		{"prefix", "com.*.x*", false, "glob com.*.x*"},
		{"prefix", "com.acme.%", false, "prefix com.acme."},
		{"prefix", "^com", false, "prefix com"},
		{"suffix", "*.paid", false, "suffix .paid"},
		{"suffix", "*a*.paid", false, "glob *a*.paid"},
		{"glob", "com.[ab]*", false, `regex com\.[ab].*`},
		{"glob", "*.{paid,sent}", false, `regex .*\.(paid|sent)`},
		{"glob", "a?[!x]{b,c}", false, `regex a.[!x](b|c)`},

		{"", "com.acme.paid", false, ""},
		{"", "10%", false, ""},
		{"", "100%25", false, ""},
		{"", "a>b", false, ""},
		{"", "^", false, ""},
		{"", "", false, ""},
		{"", "*", true, ""},
		{"", "* * * * *", true, ""},
		{"", "****1234", true, ""},
		{"", "10 %", true, ""},
		{"", "^_^", true, ""},
		{"", "^/v1/", true, "prefix /v1/"},
		{"prefix", "com.acme.", false, ""},
		{"prefix", "*", false, ""},
		{"suffix", ".paid", false, ""},
		{"glob", "com.*.?", false, ""},
		{"glob", "a[b", false, ""},
		{"glob", "{a}]", false, ""},
		{"regex", "com.*", false, ""},
		{"in", "com.*", false, ""},
	} {
		matcher, meant := Lookalike(tt.word, tt.text, tt.data)
		if got := strings.TrimSpace(matcher + " " + meant); got != tt.want {
			t.Errorf("Lookalike(%q, %q, %v) = %q, want %q", tt.word, tt.text, tt.data, got, tt.want)
		}
	}
}

// TestTextsThatLookLikePatterns: a star where nothing looks at it, which never matches, passed without a word.
func TestTextsThatLookLikePatterns(t *testing.T) {
	for _, tt := range []struct{ when, want string }{
		{`{ type: "com.acme.*" }`, `warning: r.yaml:1:9: when.type: "com.acme.*": a value alone is compared as it stands, wildcards and all; write type: { prefix: com.acme. }, or type: { in: ["com.acme.*"] } if these characters are meant`},
		{`{ region: "*" }`, `write region: { exists: true }, or region: { in: ["*"] }`},
		{`{ type: [a, "%.paid"] }`, `warning: r.yaml:1:13: when.type[1]: "%.paid": a value alone`},
		{`{ type: { not: "a.*" } }`, `warning: r.yaml:1:16: when.type.not: "a.*"`},
		{`{ type: { any: [a, "a.*"] } }`, `when.type.any[1]: "a.*"`},
		{`{ type: { prefix: [a, "com.*"] } }`, `"com.*": a prefix is compared as it stands, wildcards and all; write type: { prefix: com. }, or a regex if these`},
		{`{ type: { glob: "com.[ab]*" } }`, `in a glob only * and ? stand for something else; write type: { regex: "com\\.[ab].*" }, or a regex with backslashes`},
		{`{ data: { path: "/v1/*" } }`, `write path: { prefix: /v1/ }, or path: { in: ["/v1/*"] }`},
		{`{ filters: [{ prefix: { type: "com.*" } }] }`, `when.filters[0].prefix.type: "com.*": a filter compares texts as they stand, wildcards and all; write prefix: { type: com. }`},
		{`{ filters: [{ exact: { type: "com.*" } }] }`, `write prefix: { type: com. }`},
		{`{ filters: [{ exact: { type: "a.*.b" } }] }`, `a sql filter has LIKE, where % is any run of characters`},
		{`{ type: { in: ["com.acme.*"], glob: "*", regex: "com.*" }, data: { a: "*" } }`, ""},
	} {
		wantsWarning(t, tt.when, tt.want)
	}
}

// wantsWarning holds that a condition has one warning that contains a text, or none for the empty one.
func wantsWarning(t *testing.T, when, want string) {
	t.Helper()
	_, problems := ParseWhen(parseYAML(t, when))
	got := ""
	for _, p := range problems {
		if p.Warning {
			got += "warning: "
		}
		got += p.Error() + "\n"
	}
	if want == "" && got != "" || !strings.Contains(got, want) || len(problems) > 1 || want != "" && !strings.HasPrefix(got, "warning: ") {
		t.Errorf("%s:\n got %s\nwant %s", when, got, want)
	}
}

// TestOddNumbers: numbers that YAML writes in several ways are compared with an attribute's text, which has one.
func TestOddNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"0x10": "16", "0o17": "15", "0b101": "5", "16.0": "16", "1_000": "1000", "+5": "5", "010": "10", "-007": "-7", "1.50": "1.5",
		".5": "0.5", "5.": "5", "1e3": "1000", "-1.5E-2": "-0.015", "-0": "0", "0.0": "0", "0xFF": "255", "12e45": "",
	} {
		message := text + ": attributes are compared by their text, and no number is written like this; write "
		if want != "" {
			message += want + " for the number, or "
		}
		wantsWarning(t, "{ n: "+text+" }", message+quote(text)+" in quotes for the text")
		wantsWarning(t, "{ n: [a, "+text+"] }", message)
		wantsWarning(t, "{ n: "+quote(text)+", specversion: "+text+", id: "+text+" }", "")
	}
	for _, text := range []string{
		"5", "-5", "0", "1.5", "100", "3000000000", "0.05", "1.2.3", "2026-01-01", "0x", "0xg", "1__", "_1", "e5", "+-5", "1e", "12:30", "0_x",
	} {
		wantsWarning(t, "{ n: "+text+" }", "")
	}
	for _, text := range []string{"", "+", "-", ".", "+."} {
		if looksNumeric(text) {
			t.Errorf("%q is taken for a number", text)
		}
	}
	wantsWarning(t, "{ data: { n: 0x10 } }", `0x10: JSON does not write numbers like this, so that it is compared as text; write 16 for the number, or "0x10" in quotes for the text`)
	wantsWarning(t, "{ data: { a: 16.0, b: 010, c: +5, d: 1e3 } }", "")
}

// TestForeignConditions: what other languages call a combination, an expression or a path was taken for an attribute.
func TestForeignConditions(t *testing.T) {
	for _, tt := range []struct{ when, want string }{
		{`{ or: [{ type: a }, { type: b }] }`, "r.yaml:1:3: when.or: or is no key of a condition; write any: [ … ]"},
		{`{ and: [{ type: a }] }`, "and is no key of a condition; write all: [ … ]"},
		{`{ none: [{ type: a }] }`, "none is no key of a condition; write not: { any: [ … ] }"},
		{`{ OR: [{ type: a }] }`, "OR is no key of a condition; write any: [ … ]"},
		{`{ anyOf: { type: a } }`, "anyOf is no key of a condition; write any: [ … ]"},
		{`{ or: [a, b], must: { prefix: c }, none: d }`, ""},
		{`{ not: [{ type: a }, { type: b }] }`, "not takes one condition, such as not: { type: a }; so that none of several holds, write not: { any: [ … ] }"},
		{`{ order.total: 5 }`, `r.yaml:1:3: when.order.total: "order.total" is not an attribute name; for a value of the payload write data: { order.total: … }`},
		{`{ data.order.x: 5 }`, "write data: { order.x: … }"},
		{`{ "$.items[0]": 5 }`, "write data: { items[0]: … }"},
		{`{ data: { order: { total: 5 } } }`, `"total" is not a matcher; there are in, …; for a member of order write order.total: …`},
		{`{ data: { a: { b: { "c.d": { gt: 5 } } } } }`, `for a member of a write a.b."c.d": …`},
		{`{ data: { a: { "0": { b: { gt: 5 } } } } }`, "for a member of a write a[0].b: …"},
		{`{ data: { a: { value: 5 } } }`, `"value" is not a matcher; write a: VALUE; for a member of a write a.value: …`},
		{`{ data: { data.order.x: 5 } }`, `data.order.x asks for a member that is called data; a path begins at the payload itself: write order.x, or '"data".order.x' if there is such a member`},
		{`{ data: { '"data".order.x': 5, database.x: 5 } }`, ""},
		{`{ sql: "type='x'" }`, "sql is read as an extension attribute; did you mean cesql? If the extension is meant, write attributes: { sql: … }"},
		{`{ expression: "EXISTS tier" }`, "did you mean cesql?"},
		{`{ sql: x, query: "a b", condition: new }`, ""},
		{`{ n: { ge: 5 } }`, `"ge" is not a matcher; write gte: NUMBER`},
		{`{ n: { "==": 5 } }`, `"==" is not a matcher; write n: VALUE`},
		{`{ n: { "!=": 5 } }`, "write not: VALUE"},
		{`{ n: { ">": 5 } }`, "write gt: NUMBER"},
		{`{ n: { ">=": 5 } }`, "write gte: NUMBER"},
		{`{ n: { "<": 5 } }`, "write lt: NUMBER"},
		{`{ n: { le: 5 } }`, "write lte: NUMBER"},
		{`{ n: { between: [1, 5] } }`, "write gte: LOWEST and lte: HIGHEST"},
		{`{ filters: [{ cesql: "TRUE" }] }`, `"cesql" is not a filter dialect; there are exact, prefix, suffix, all, any, not, sql; did you mean sql?`},
		{`{ filters: [{ or: [] }] }`, "did you mean any?"},
		{`{ a: { exists: True }, b: { exists: FALSE } }`, ""},
	} {
		_, problems := ParseWhen(parseYAML(t, tt.when))
		got := ""
		for _, p := range problems {
			got += p.Error() + "\n"
		}
		before, after, _ := strings.Cut(tt.want, "…;")
		if tt.want == "" && got != "" || !strings.Contains(got, before) || !strings.Contains(got, after) || len(problems) > 1 {
			t.Errorf("%s:\n got %s\nwant %s", tt.when, got, tt.want)
		}
	}
}
