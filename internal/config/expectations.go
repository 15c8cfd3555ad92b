package config

import (
	"slices"
	"strings"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/routing"
)

// Expectation is an attribute that one delivered copy must have with that value, or must not have.
type Expectation struct {
	Pos    routing.Pos
	Name   string
	Value  string
	Absent bool
}

// Rendering is what a delivery to a sink must look like: the field, such as subject or key, and its value.
type Rendering struct {
	Pos   routing.Pos
	Sink  string
	Field string
	Value string
}

// expectationKeys are the keys of a test that, beside unmatched: true, say what must become of its events.
var expectationKeys = []string{"goes_to", "routes", "set", "renders", "dead_letter"}

// refusals are the reasons for a dead letter that can be told without sending anything.
var refusals = []string{
	string(bindings.ReasonAddress), string(bindings.ReasonTransform), string(bindings.ReasonClassification),
	string(bindings.ReasonTooLarge), string(bindings.ReasonUnencodable), string(bindings.ReasonUnmatched),
}

// expectations checks what a test expects.
func (l *loader) expectations(c *Config, t *Test, n *node) {
	if t.Unmatched && len(t.Routes) > 0 {
		l.add(n.get("unmatched"), "an event that routes match is not unmatched; remove unmatched or routes")
	}
	stated := func(key string) bool { return n.get(key) != nil }
	if !t.Unmatched && !slices.ContainsFunc(expectationKeys, stated) && !n.damaged {
		l.add(n, "the test expects nothing; state goes_to, routes, unmatched: true, set, renders or dead_letter")
	}
	l.choice(n.get("dead_letter"), t.DeadLetter, refusals)
	if set := n.get("set"); set != nil && !set.bad {
		l.expectedSet(t, set)
	}
	if renders := n.get("renders"); renders != nil && !renders.bad {
		l.renders(c, t, renders)
	}
}

// expectedSet reads the attributes that a delivered copy must have.
func (l *loader) expectedSet(t *Test, set *node) {
	if set.kind != routing.Map {
		l.add(set, "expected a map of attributes to their values, or to null")
		return
	}
	if len(set.fields) == 0 {
		l.add(set, "expects nothing; name attributes with their values, or with null")
	}
	for _, f := range set.fields {
		at := f.value
		switch {
		case at.bad || !l.attribute(f.key, at):
		case at.kind == routing.Map || at.kind == routing.List:
			l.add(at, "expected the value of an attribute, or null where it must be absent, got %s", got(at, stringsType))
		default:
			t.Expect = append(t.Expect, Expectation{
				Pos: f.pos, Name: f.key, Value: at.value, Absent: at.kind == routing.Null,
			})
		}
	}
}

// rendered are the fields that a delivery has, by the kind of its sink; the first is its address.
func rendered(kind string) []string {
	switch kind {
	case "kafka":
		return []string{"topic", "key", "mode"}
	case "nats":
		return []string{"subject", "mode"}
	case "sqs":
		return []string{"queue", "key", "mode"}
	case "http":
		return []string{"url", "path", "mode"}
	}
	return []string{"mode"}
}

// renders reads what deliveries must look like: by sink, a map of fields, or its address as router explain prints it,
// such as subject acme.paid.
func (l *loader) renders(c *Config, t *Test, n *node) {
	if n.kind != routing.Map {
		l.add(n, "expected a map of sinks to what they must get, such as { bus: subject acme.paid }")
		return
	}
	if len(n.fields) == 0 {
		l.add(n, "expects nothing; name sinks with what they must get, such as { bus: subject acme.paid }")
	}
	for _, f := range n.fields {
		sink, ok := c.Sinks[f.key]
		if !ok {
			l.key(f.value, f.pos, "there is no sink %s%s", n.scrub(f.key), suggestion(f.key, c.SinkNames()))
			continue
		}
		fields := rendered(sink.Kind())
		switch at := f.value; {
		case at.bad:
		case at.kind == routing.Scalar:
			word, value, _ := strings.Cut(at.value, " ")
			if !slices.Contains(fields, word) {
				l.add(at, "expected %s and its value, such as \"%s x\", got %s", list(fields), fields[0], at.quote())
				continue
			}
			t.Rendered = append(t.Rendered, Rendering{Pos: at.pos, Sink: f.key, Field: word, Value: value})
		case at.kind == routing.Map:
			l.renderedFields(t, f, sink.Kind(), fields)
		default:
			l.add(at, "expected a map of %s, or one of them and its value in one text", list(fields))
		}
	}
}

func (l *loader) renderedFields(t *Test, sink *field, kind string, fields []string) {
	if len(sink.value.fields) == 0 {
		l.add(sink.value, "expects nothing; name one of %s with its value", list(fields))
	}
	for _, f := range sink.value.fields {
		switch {
		case f.value.bad:
		case !slices.Contains(fields, f.key):
			l.key(f.value, f.pos, "a delivery to a %s sink has %s, and no %s%s", kind, list(fields), f.key, suggestion(f.key, fields))
		case f.value.kind != routing.Scalar:
			l.add(f.value, "expected text, got %s", got(f.value, stringsType))
		default:
			t.Rendered = append(t.Rendered, Rendering{Pos: f.pos, Sink: sink.key, Field: f.key, Value: f.value.value})
		}
	}
}
