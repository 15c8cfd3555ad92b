package judge

import (
	"gopkg.in/yaml.v3"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// predicate is a printed predicate of a rule, read again: what it looks at, and the matcher.
type predicate struct {
	// name is an attribute or, with data, a JSON path; it is "cesql" for an expression.
	name    string
	data    bool
	matcher *yaml.Node
}

// parsePredicate reads what routing prints of a predicate: one key of a when, as a line of a file has it. ok is false
// for combinations of several predicates.
func parsePredicate(text string) (p predicate, ok bool) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || doc.Kind != yaml.DocumentNode {
		return p, false
	}
	key, value, ok := onlyField(doc.Content[0])
	if !ok {
		return p, false
	}
	switch key {
	case "data", "attributes":
		p.data = key == "data"
		p.name, p.matcher, ok = onlyField(value)
		return p, ok
	case "all", "any", "not", "filters":
		return p, false
	}
	return predicate{name: key, matcher: value}, true
}

func onlyField(n *yaml.Node) (key string, value *yaml.Node, ok bool) {
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return "", nil, false
	}
	return n.Content[0].Value, n.Content[1], true
}

// value gives a matcher to the routing package, with each of its texts as change makes it. A change is told the word
// that the text belongs to, such as regex, which is empty where it stands alone.
func value(n *yaml.Node, word string, change func(word, text string) string) routing.Value {
	var v routing.Value
	switch n.Kind {
	case yaml.MappingNode:
		v.Kind = routing.Map
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			v.Fields = append(v.Fields, routing.Field{Key: key, Value: value(n.Content[i+1], key, change)})
		}
	case yaml.SequenceNode:
		v.Kind = routing.List
		for _, item := range n.Content {
			v.Items = append(v.Items, value(item, word, change))
		}
	default:
		v.Kind = routing.Scalar
		v.Scalar = change(word, n.Value)
		v.Quoted = n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0
		if n.Tag == "!!null" {
			v.Kind = routing.Null
		}
	}
	return v
}

// asWritten changes nothing.
func asWritten(_, text string) string { return text }

// asks returns a function that reports whether a condition of one key holds for an event. It never does where the
// condition cannot be read.
func asks(key string, matcher routing.Value) func(*envelope.Event) bool {
	condition, _ := routing.ParseWhen(routing.Value{Kind: routing.Map, Fields: []routing.Field{{Key: key, Value: matcher}}})
	if condition == nil {
		return func(*envelope.Event) bool { return false }
	}
	return condition.Holds
}
