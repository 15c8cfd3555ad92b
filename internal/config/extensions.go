package config

import (
	"math"
	"strings"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// attributeTypes are the types that attribute_types can give, as the specification calls them.
func attributeTypes() []string {
	var names []string
	for k := envelope.KindUntyped + 1; routing.TypeName(k) != ""; k++ {
		names = append(names, routing.TypeName(k))
	}
	return names
}

// types checks attribute_types.
func (l *loader) types(n *node) []routing.Typing {
	if n == nil || n.kind != routing.Map {
		return nil
	}
	if len(n.fields) == 0 {
		l.add(n, "names no attribute; remove the key")
	}
	var all []routing.Typing
	for _, f := range n.fields {
		at := f.value
		if at.bad || at.wrong || !l.attribute(f.key, at) || !l.extension(f.key, at) {
			continue
		}
		kind, ok := kindNamed(at.value)
		if !ok {
			l.choice(at, at.value, attributeTypes())
			continue
		}
		all = append(all, routing.Typing{Pos: f.pos, Name: f.key, Kind: kind})
	}
	return all
}

// extension checks that an attribute is none of the specification's own, whose types are fixed.
func (l *loader) extension(name string, n *node) bool {
	kind, core := envelope.CoreKind(name)
	if core {
		l.add(n, "%s is an attribute of the specification and has its type, %s, everywhere; remove it from attribute_types, "+
			"which is for extensions", name, routing.TypeName(kind))
	}
	return !core
}

func kindNamed(word string) (envelope.Kind, bool) {
	for k := envelope.KindUntyped + 1; routing.TypeName(k) != ""; k++ {
		if strings.EqualFold(routing.TypeName(k), word) {
			return k, true
		}
	}
	return envelope.KindUntyped, false
}

// sample checks a route's sample.
func (l *loader) sample(r *Route, rule *routing.Rule, n *node) int {
	switch {
	case n == nil || n.bad || n.wrong:
		return 0
	case r.Sample < 1 || r.Sample > math.MaxInt32:
		l.add(n, "expected a whole number from 1, which delivers every event, to %d, got %s", math.MaxInt32, n.quote())
	case rule.Drop:
		l.add(n, "a route to drop delivers nothing that could be sampled; remove the key, or name the sink that gets one in %d", r.Sample)
	}
	return r.Sample
}

// accepts checks which classified data a sink takes.
func (l *loader) accepts(n *node) {
	if n == nil || n.kind != routing.Map {
		return
	}
	if n.get("dataclassification") == nil && !n.damaged {
		l.add(n, "accepts must state dataclassification, the levels that may go here; write [] if classified data may not")
	}
	for _, key := range []string{"dataclassification", "dataregulation"} {
		l.labels(n.get(key))
	}
}

// labels checks a list of levels or regulations.
func (l *loader) labels(n *node) {
	if n == nil || n.kind != routing.List {
		return
	}
	seen := map[string]bool{}
	for _, item := range n.items {
		switch {
		case item.bad || item.wrong:
		case strings.TrimSpace(item.value) != item.value || item.value == "":
			l.add(item, "%s is no label: it is empty, or has white space around it", item.quote())
		case n.key == "dataregulation" && strings.Contains(item.value, ","):
			l.add(item, "%s is a list of its own; write each regulation as an entry", item.quote())
		case seen[item.value]:
			l.add(item, "%s is named twice", item.quote())
		}
		seen[item.value] = true
	}
}
