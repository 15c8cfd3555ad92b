package routing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/eventrouter/router/envelope"
)

// parseYAML hands a text to the package as the loader does.
func parseYAML(t testing.TB, text string) Value {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("yaml %q: %v", text, err)
	}
	if doc.Kind == 0 {
		return Value{Kind: Null, Path: "when"}
	}
	return fromYAML(doc.Content[0], "when")
}

func fromYAML(n *yaml.Node, path string) Value {
	v := Value{Pos: Pos{File: "r.yaml", Line: n.Line, Column: n.Column}, Path: path}
	switch n.Kind {
	case yaml.MappingNode:
		v.Kind = Map
		for i := 0; i < len(n.Content); i += 2 {
			k := n.Content[i]
			v.Fields = append(v.Fields, Field{
				Key: k.Value, Pos: Pos{File: "r.yaml", Line: k.Line, Column: k.Column},
				Value: fromYAML(n.Content[i+1], path+"."+k.Value),
			})
		}
	case yaml.SequenceNode:
		v.Kind = List
		for i, item := range n.Content {
			v.Items = append(v.Items, fromYAML(item, fmt.Sprintf("%s[%d]", path, i)))
		}
	default:
		v.Scalar = n.Value
		v.Quoted = n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0
		v.Kind = Scalar
		if n.Tag == "!!null" {
			v.Kind = Null
		}
	}
	return v
}

// condition parses a when that has to be right.
func condition(t testing.TB, text string) *Condition {
	t.Helper()
	c, problems := ParseWhen(parseYAML(t, text))
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("%s: %v", text, p)
		}
	}
	return c
}

// event builds an event from "name=value" pairs over a minimal valid one; "name=" removes an attribute, and
// "data=" sets the payload.
func event(pairs ...string) *envelope.Event {
	e := &envelope.Event{ID: "1", Source: "/s", Type: "t"}
	for _, p := range pairs {
		name, text, _ := strings.Cut(p, "=")
		switch {
		case name == "data":
			e.Data = []byte(text)
		case text == "":
			e.Remove(name)
		default:
			e.Set(name, text, envelope.KindString)
		}
	}
	return e
}

// compile builds a table that must have no errors.
func compile(t testing.TB, rules []Rule, sources ...string) *Table {
	t.Helper()
	table, problems := Compile(rules, sources, nil)
	if table == nil {
		t.Fatalf("compile: %v", problems)
	}
	return table
}

// matches runs one condition through parser, compiler and index.
func matches(t testing.TB, when string, e *envelope.Event) bool {
	t.Helper()
	table, _ := newTable([]Rule{{Name: "r", When: condition(t, when)}}, nil, nil)
	got := slices.Clone(table.Match(table.NewScratch(), AnySource, e))
	verdict := table.Explain(AnySource, e)[0]
	if (len(got) == 1) != verdict.Holds {
		t.Errorf("%s: match says %v, explain says %v", when, len(got) == 1, verdict.Holds)
	}
	return len(got) == 1
}
