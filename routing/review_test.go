package routing

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// one compiles a single rule and returns what is said of it, warnings marked with "warning: ".
func one(t *testing.T, rules ...Rule) []string {
	t.Helper()
	_, problems := Compile(rules, allSources, []string{"bus", "billing"})
	messages := []string{}
	for _, p := range problems {
		m := p.Error()
		if p.Warning {
			m = "warning: " + m
		}
		messages = append(messages, m)
	}
	return messages
}

func TestReviewOfOneRule(t *testing.T) {
	tests := []struct{ when, want string }{
		{
			`{ type: a, all: [{ type: b }] }`,
			"r.yaml:1:26: when.all[0].type: route r: type: a and type: b contradict each other; no event can satisfy both",
		},
		{`{ type: { prefix: a, in: [b, c] } }`, "type: {prefix: a} and type: [b, c] contradict"},
		{`{ subject: { exists: false, prefix: a } }`, "subject: {exists: false} and subject: {prefix: a} contradict"},
		{`{ subject: { prefix: a, not: { prefix: [a, b] } } }`, "contradict"},
		{`{ subject: { prefix: ab, glob: "b*" } }`, "contradict"},
		{`{ subject: { suffix: .png, glob: "*.jpg" } }`, "contradict"},
		{`{ seq: { gt: 5, lt: 5 } }`, "seq: {gt: 5} and seq: {lt: 5} contradict"},
		{`{ seq: { gte: 5, lte: 5 } }`, ""},
		{`{ seq: { gt: 5, in: [4, 5] } }`, "contradict"},
		{`{ seq: { gt: 5, in: [4, 6] } }`, ""},
		{`{ data: { a: { gt: 5, lt: 3 } } }`, "contradict"},
		{`{ data: { a: 5 }, all: [{ data: { a: 5.0 } }] }`, ""},
		{`{ type: a, subject: { not: a } }`, ""},
		{`{ type: { prefix: a, not: ab } }`, ""},
		{`{ id: { exists: true } }`, "warning: r.yaml:1:9: when.id.exists: route r: the condition holds for every event"},
		{`{ any: [{ subject: a }, { not: { subject: a } }] }`, "warning: r.yaml:1:3: when.any: route r: the condition holds"},
		{`{ any: [{ subject: { prefix: a } }, { subject: { not: ab } }] }`, "the condition holds for every event"},
		{`{ specversion: "1.0" }`, "holds for every event"},
		{`{ specversion: "0.3" }`, "warning: r.yaml:1:16: when.specversion: route r never matches"},
		{`{ type: { exists: false } }`, "route r never matches"},
		{`{ time: { gt: 2020 } }`, "route r never matches"},
		{
			`{ any: [{ type: a }, { source: { exists: false } }] }`,
			"warning: r.yaml:1:34: when.any[1].source.exists: route r: this alternative never holds",
		},
		{`{ cesql: "subject" }`, "warning: r.yaml:1:10: when.cesql: route r: CESQL: "},
		{`{ filters: [] }`, "the condition holds for every event"},
	}
	for _, tt := range tests {
		got := one(t, Rule{Name: "r", When: condition(t, tt.when)})
		if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
			t.Errorf("%s: got %q, want %q", tt.when, got, tt.want)
		}
		if isError := len(got) == 1 && !strings.HasPrefix(got[0], "warning: "); isError != strings.Contains(tt.want, "contradict") {
			t.Errorf("%s: %q has the wrong weight", tt.when, got)
		}
	}
}

// TestContradictionsOfExpressions: CESQL that no event can satisfy passed without a word.
func TestContradictionsOfExpressions(t *testing.T) {
	for _, tt := range []struct{ when, want string }{
		{`{ cesql: "type = 'u' AND type = 'v'" }`, "warning: r.yaml:1:10: when.cesql: route r: CESQL: type: u and type: v contradict each other; no event can satisfy both"},
		{`{ cesql: "type IN ('u', 'v') AND (id = 'i' AND type LIKE 'w%')" }`, "type: [u, v] and type: {prefix: w} contradict"},
		{`{ source: /a, cesql: "source LIKE '/b/%'" }`, "source: /a and source: {prefix: /b/} contradict"},
		{`{ exta: { not: u }, cesql: "exta = 'u'" }`, "exta: {not: u} and exta: u contradict"},
		{`{ all: [{ cesql: "type = 'u'" }, { cesql: "type = 'v'" }] }`, "when.all[1].cesql: route r: CESQL: type: u and type: v contradict"},
		{`{ cesql: "type = 'u' OR type = 'v'" }`, ""},
		{`{ any: [{ cesql: "type = 'u'" }, { cesql: "type = 'v'" }] }`, ""},
		{`{ type: u, not: { cesql: "type = 'v'" } }`, ""},
		{`{ exta: u, cesql: "exta = 'u' AND extb = 'v'" }`, ""},
		{`{ seq: { gt: 5 }, cesql: "seq = 10" }`, ""},
	} {
		got := one(t, Rule{Name: "r", When: condition(t, tt.when)})
		if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
			t.Errorf("%s: got %q, want %q", tt.when, got, tt.want)
		}
	}
	got := one(t, Rule{Name: "r", When: condition(t, `{ cesql: "FOO(type) OR LENGTH('a', 'b') = 1" }`)})
	if len(got) != 2 || strings.Contains(strings.Join(got, ""), "\n") {
		t.Errorf("two useless calls: got %q, want two warnings of a line each", got)
	}
}

func TestReviewOfShadows(t *testing.T) {
	tests := []struct {
		stop, later         string
		stopFrom, laterFrom []string
		want                bool
	}{
		{`{ type: { prefix: a } }`, `{ type: ab, subject: x }`, nil, nil, true},
		{`{ type: { prefix: a } }`, `{ type: b }`, nil, nil, false},
		{`{ type: { prefix: a } }`, `{ type: ab }`, []string{"s1"}, nil, false},
		{`{ type: { prefix: a } }`, `{ type: ab }`, []string{"s1", "s2"}, []string{"s2"}, true},
		{`{ type: { prefix: a } }`, `{ type: ab }`, nil, []string{"s2"}, true},
		{`{ type: a, subject: x }`, `{ type: a }`, nil, nil, false},
		{`{ any: [{ type: a }, { source: b }] }`, `{ source: b, type: c }`, nil, nil, true},
		{`{ subject: { not: a } }`, `{ subject: b }`, nil, nil, true},
		{`{ subject: { not: a } }`, `{ subject: { not: { prefix: a } } }`, nil, nil, true},
		{`{ subject: { not: { prefix: a } } }`, `{ subject: { not: a } }`, nil, nil, false},
		{`{ cesql: "exta = 'a'" }`, `{ cesql: "exta = 'a'", type: x }`, nil, nil, true},
		{`{ seq: { gt: 5 } }`, `{ seq: { gte: 6 } }`, nil, nil, true},
		{`{ seq: { gt: 5 } }`, `{ seq: { gte: 5 } }`, nil, nil, false},
	}
	for _, tt := range tests {
		got := one(t,
			Rule{Name: "first", Pos: Pos{File: "r.yaml", Line: 3, Column: 5}, When: condition(t, tt.stop), From: tt.stopFrom, Stop: true},
			Rule{Name: "later", Pos: Pos{File: "r.yaml", Line: 4, Column: 5}, When: condition(t, tt.later), From: tt.laterFrom})
		want := []string{}
		if tt.want {
			want = append(want, "warning: r.yaml:4:5: route later: never reached: "+
				"route first at r.yaml:3:5 stops the list for all its events")
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s before %s: got %q, want %q", tt.stop, tt.later, got, want)
		}
	}
	if got := one(t, Rule{Name: "all", Stop: true}, Rule{Name: "rest"}); len(got) != 1 {
		t.Errorf("a rule behind one that stops everything: got %q", got)
	}
}

func TestUnknownNames(t *testing.T) {
	got := one(t, Rule{Name: "r", Pos: Pos{File: "r.yaml", Line: 3, Column: 5}, From: []string{"s11", "s1"}, To: []string{"biling", "nowhere", "bus"}})
	want := []string{
		"r.yaml:3:5: route r: there is no source s11; did you mean s1?",
		"r.yaml:3:5: route r: there is no sink biling; did you mean billing?",
		"r.yaml:3:5: route r: there is no sink nowhere",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestReviewIsSound compares what the review claims with what happens to random events.
func TestReviewIsSound(t *testing.T) {
	g := generator{chooser: rand.New(rand.NewPCG(3, 9))}
	rounds := 600
	if testing.Short() {
		rounds = 150
	}
	claims := map[string]int{}
	for range rounds {
		rules, _ := g.rules(2, func(text string) (*Condition, Value) { return condition(t, text), Value{} })
		rules[0].Stop, rules[0].From, rules[1].From = true, nil, nil
		table, _ := newTable(rules, allSources, nil)
		s := table.NewScratch()
		for _, p := range table.review() {
			claim := ""
			for _, c := range []string{"contradict", "holds for every", "never matches", "never reached"} {
				if strings.Contains(p.Message, c) {
					claim = c
				}
			}
			claims[claim]++
			if claim == "" {
				continue
			}
			rule := 0
			if strings.HasPrefix(p.Message, "route 1") || claim == "never reached" {
				rule = 1
			}
			for range 100 {
				e := g.event()
				holds := table.Explain(0, e)[rule].Holds
				matched := slices.Contains(table.Match(s, 0, e), int32(rule))
				switch {
				case claim == "contradict" && holds, claim == "never matches" && holds,
					claim == "holds for every" && !holds, claim == "never reached" && matched:
					t.Fatalf("%s\nbut on %v it is %v\nrules %v\n%v", p.Error(), describeEvent(e), holds, rules[0].When, rules[1].When)
				}
			}
		}
	}
	for _, c := range []string{"contradict", "holds for every", "never matches", "never reached"} {
		if claims[c] == 0 {
			t.Errorf("no rule was claimed to be %q: the test says nothing of it", c)
		}
	}
	t.Log(claims)
}

func TestEmptyFrom(t *testing.T) {
	got := one(t, Rule{Name: "r", From: []string{}})
	if want := []string{"route r: from is an empty list; leave it out to listen to every source"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
