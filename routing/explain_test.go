package routing

import (
	"strings"
	"testing"
)

func TestExplainFirstFailure(t *testing.T) {
	tests := []struct {
		when  string
		event []string
		want  Finding
	}{
		{
			`{ source: /s, type: { prefix: com.acme. } }`, nil,
			Finding{Path: "when.type.prefix", Pos: Pos{"r.yaml", 1, 23}, Predicate: "type: {prefix: com.acme.}", Attribute: "type", Value: "t", Present: true},
		},
		{
			`{ subject: [a, b] }`, nil,
			Finding{Path: "when.subject", Pos: Pos{"r.yaml", 1, 12}, Predicate: "subject: [a, b]", Attribute: "subject"},
		},
		{
			`{ type: { prefix: t, suffix: x } }`, nil,
			Finding{Path: "when.type.suffix", Pos: Pos{"r.yaml", 1, 22}, Predicate: "type: {suffix: x}", Attribute: "type", Value: "t", Present: true},
		},
		{
			`{ type: { not: { prefix: t } } }`, nil,
			Finding{Path: "when.type.not", Pos: Pos{"r.yaml", 1, 11}, Predicate: "type: {not: {prefix: t}}", Attribute: "type", Value: "t", Present: true, Negated: true},
		},
		{
			`{ subject: { exists: true } }`, nil,
			Finding{Path: "when.subject.exists", Pos: Pos{"r.yaml", 1, 14}, Predicate: "subject: {exists: true}", Attribute: "subject"},
		},
		{
			`{ type: { any: [a, { prefix: b }] } }`, nil,
			Finding{Path: "when.type.any", Pos: Pos{"r.yaml", 1, 11}, Predicate: "type: {any: [a, {prefix: b}]}", Attribute: "type", Value: "t", Present: true},
		},
		{
			`{ any: [{ type: a }, { source: b }] }`, nil,
			Finding{Path: "when.any[0].type", Pos: Pos{"r.yaml", 1, 17}, Predicate: "type: a", Attribute: "type", Value: "t", Present: true, Note: "none of 2 alternatives holds; this is the first"},
		},
		{
			`{ not: { type: t } }`, nil,
			Finding{Path: "when.not", Pos: Pos{"r.yaml", 1, 3}, Predicate: "not: {type: t}", Attribute: "type", Value: "t", Present: true, Negated: true},
		},
		{
			`{ not: { type: t, source: /s } }`, nil,
			Finding{Path: "when.not", Pos: Pos{"r.yaml", 1, 3}, Predicate: "not: {source: /s, type: t}", Note: "the condition below not holds", Negated: true},
		},
		{
			`{ data: { order.total: { gt: 100 } } }`,
			[]string{`data={"order":{"total":99}}`},
			Finding{Path: "when.data.order.total.gt", Pos: Pos{"r.yaml", 1, 26}, Predicate: "data: {order.total: {gt: 100}}", Attribute: "data.order.total", Value: "99", Present: true},
		},
		{
			`{ data: { a: b } }`, nil,
			Finding{Path: "when.data.a", Pos: Pos{"r.yaml", 1, 14}, Predicate: "data: {a: b}", Attribute: "data.a", Note: "the event has no data"},
		},
		{
			`{ data: { a: b } }`,
			[]string{`data={"a":[1]}`},
			Finding{Path: "when.data.a", Pos: Pos{"r.yaml", 1, 14}, Predicate: "data: {a: b}", Attribute: "data.a", Value: "[1]", Present: true, Note: "the value is an array"},
		},
	}
	for _, tt := range tests {
		table, _ := newTable([]Rule{{Name: "r", When: condition(t, tt.when)}}, nil, nil)
		v := table.Explain(AnySource, event(tt.event...))[0]
		if v.Outcome != Failed || v.Failure == nil || *v.Failure != tt.want {
			t.Errorf("%s:\n got %v %+v\nwant %+v", tt.when, v.Outcome, v.Failure, tt.want)
		}
	}
}

func TestExplainNotesCESQL(t *testing.T) {
	table := compile(t, []Rule{{When: condition(t, `{ cesql: "missing = 'x'" }`)}, {When: condition(t, `{ cesql: "type = 'x'" }`)}})
	v := table.Explain(AnySource, event())
	if f := v[0].Failure; f == nil || !strings.Contains(f.Note, "missing") {
		t.Errorf("missing attribute: got %+v", f)
	}
	if f := v[1].Failure; f == nil || f.Note != "the result is false" || f.Predicate != `cesql: "type = 'x'"` {
		t.Errorf("false: got %+v", f)
	}
}

func TestExplainOutcomes(t *testing.T) {
	table, _ := newTable([]Rule{
		{Name: "a", When: condition(t, "{ type: x }")},
		{Name: "b", From: []string{"s2"}},
		{Name: "c", From: []string{"s1", "s3"}, Stop: true},
		{Name: "d"},
	}, allSources, nil)
	got := table.Explain(0, event())
	want := []Outcome{Failed, NotFrom, Matched, Stopped}
	for i, v := range got {
		if v.Outcome != want[i] || v.Rule != i || v.Name != table.Rules()[i].Name {
			t.Errorf("rule %d: got %+v, want %v", i, v, want[i])
		}
	}
	if got[3].StoppedBy != 2 || !got[3].Holds || got[2].StoppedBy != -1 {
		t.Errorf("stop: got %+v", got[3])
	}
	if s := Stopped.String() + NotFrom.String() + Matched.String() + Failed.String(); s != "stoppednot frommatchedfailed" {
		t.Errorf("outcomes print as %s", s)
	}
}

func TestExplainAll(t *testing.T) {
	table := compile(t, []Rule{{When: condition(t, `{ type: t, any: [{ source: x }, { not: { subject: s } }], cesql: "TRUE" }`)}})
	v := table.ExplainAll(AnySource, event())[0]
	want := []struct {
		predicate string
		holds     bool
	}{{"type: t", true}, {"source: x", false}, {"not: {subject: s}", true}, {"subject: s", false}, {`cesql: "TRUE"`, true}}
	if len(v.Findings) != len(want) || v.Failure != nil {
		t.Fatalf("got %+v", v)
	}
	for i, f := range v.Findings {
		if f.Predicate != want[i].predicate || f.Holds != want[i].holds || f.Pos.Line != 1 {
			t.Errorf("finding %d: got %+v, want %+v", i, f, want[i])
		}
	}
}
