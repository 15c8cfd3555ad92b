package config

import (
	"strings"
	"testing"

	"github.com/eventrouter/router/routing"
)

// TestBooleansHaveOneText: True and TRUE were Booleans in some places and texts in others.
func TestBooleansHaveOneText(t *testing.T) {
	for _, word := range []string{"true", "True", "TRUE"} {
		warnings, problems := said(t, strings.NewReplacer("True", word, "False", map[string]string{"true": "false", "True": "False", "TRUE": "FALSE"}[word]).Replace(`
sources: { in: { http: { listen: "127.0.0.1:1" } } }
sinks: { out: { stdout: {} } }
unmatched: drop
dead_letter: hold
routes:
  - { name: a, to: out, stop: True, when: { flag: True, off: [False, x], any: [{ x: { exists: True } }, { y: { exists: False } }], data: { a: True } }, set: { x: True } }
tests:
  - { event: { type: t, flag: True, data: { a: True } }, goes_to: out, set: { x: True } }
`))
		if warnings != "" || problems != "" {
			t.Errorf("%s: %s%s", word, warnings, problems)
		}
	}
	c, err := loadText(t, frame(`when: { flag: TRUE, off: [FALSE, "TRUE"], word: !!str True, data: { a: True } }, set: { x: False, y: "False", z: yes }`, "t", ""))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Rules[0].When.String(), `{data: {a: "true"}, flag: "true", "off": ["TRUE", "false"], word: "True"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want := []string{"false", "False", "yes"}
	for i, a := range c.Rules[0].Set {
		if a.Template != want[i] {
			t.Errorf("set.%s is %s, want %s", a.Name, a.Template, want[i])
		}
	}
	if _, err := loadText(t, frame(`when: { x: { exists: "True" } }`, "t", "")); err == nil || !strings.Contains(err.Error(), `exists takes true or false; got "True"`) {
		t.Errorf("a text for exists: %v", err)
	}
}

// TestTextsAreNoBooleans: where a text belongs it stays as it is written.
func TestTextsAreNoBooleans(t *testing.T) {
	c, err := loadText(t, `
sources: { in: { kafka: { brokers: ["k:9092"], topics: True, group: TRUE, sasl: { mechanism: PLAIN, username: True, password: TRUE } } } }
sinks: { out: { stdout: {} } }
unmatched: drop
dead_letter: hold
routes: [{ to: out }]
`)
	if err != nil {
		t.Fatal(err)
	}
	k := c.Sources["in"].Kafka
	if got := k.Topics[0] + k.Group + k.SASL.Username + k.SASL.Password.Reveal(); got != "TrueTRUETrueTRUE" {
		t.Errorf("got %s", got)
	}
}

// TestBooleansMatch: data: { a: True } never matched the JSON true.
func TestBooleansMatch(t *testing.T) {
	c, err := loadText(t, frame(`when: { flag: True, data: { a: TRUE } }`, "t", "tests: [{ event: { type: t, flag: true, data: { a: true } }, goes_to: out }]"))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Rules[0].When.Holds(c.Tests[0].Samples[0].Event) || routing.Scalar != c.Routes[0].When.Fields[0].Value.Kind {
		t.Errorf("%v does not hold", c.Rules[0].When)
	}
	if got := string(c.Tests[0].Samples[0].Event.Data); got != `{"a":true}` {
		t.Errorf("the data of the test is %s, want the JSON true", got)
	}
}

// TestTextsWithoutQuotesInExpressions: a text whose quotes are missing is an attribute that no event has.
func TestTextsWithoutQuotesInExpressions(t *testing.T) {
	for _, c := range []struct{ route, more, want string }{
		{`when: { cesql: "region = EU" }`, "", "c.yaml:6:31: routes[0].when.cesql: CESQL: EU without quotes is the attribute eu, which nothing else here names; write 'EU' for the text, or EXISTS eu AND before it if the attribute is meant"},
		{`when: { cesql: "region IN ('a', gold)" }`, "", "gold without quotes is the attribute gold"},
		{`when: { filters: [{ sql: "region != EU" }] }`, "", "filters[0].sql: CESQL: EU without"},
		{`when: { cesql: "EXISTS eu AND region = eu" }`, "", ""},
		{`when: { cesql: "region = source AND region = partitionkey AND 'x' = gold" }`, "", ""},
		{`when: { cesql: "region = home" }`, "  - { to: log, when: { home: x } }\n", ""},
		{`when: { cesql: "region = home" }`, "tests: [{ event: { type: a, home: x }, unmatched: true }]\n", ""},
	} {
		got, problems := said(t, frame(c.route, "t", c.more))
		if problems != "" || c.want == "" && got != "" || !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s:\n got %s%s\nwant %s", c.route, got, problems, c.want)
		}
	}
}
