package config

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/eventrouter/router/bindings/template"
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

// copies checks what set, attribute_types and sample say of each other, and of where the copy goes.
func (l *loader) copies(rule *routing.Rule, n *node) {
	set, types, sample := n.get("set"), n.get("attribute_types"), n.get("sample")
	if rule.Drop && len(rule.Types) > 0 {
		l.add(types, "a route to drop delivers nothing whose attributes could have types; remove the key, or name a sink")
	}
	if rule.Drop && len(rule.Set) > 0 {
		l.warn(set, "a route to drop delivers nothing that could be changed; remove the key, or name a sink")
	}
	if text, ok := literal(set.get(sampledRate)); ok && rule.Sample > 1 {
		if n, err := strconv.ParseInt(text, 10, 32); err != nil || n < 1 {
			l.add(set.get(sampledRate), "sample multiplies sampledrate, which has to be an Integer above 0")
		}
	}
	for _, t := range rule.Types {
		at := types.get(t.Name)
		if t.Name == sampledRate && t.Kind != envelope.KindInteger && sample != nil {
			l.add(at, "sample makes sampledrate an Integer; write Integer, or remove it")
		}
		l.typed(t, set.get(t.Name), at)
	}
}

// sampledRate is the extension that sample multiplies.
const sampledRate = "sampledrate"

// literal returns the text that a template makes of every event, if it is the same for all.
func literal(n *node) (string, bool) {
	if n == nil || n.kind != routing.Scalar || n.bad || n.wrong {
		return "", false
	}
	t, err := template.Compile(n.value, template.Raw)
	if err != nil {
		return "", false // it is told of already
	}
	return t.Static()
}

// typed checks that the text that set gives an attribute can be of the type that attribute_types gives it.
func (l *loader) typed(t routing.Typing, n, typeNode *node) {
	text, ok := literal(n)
	if !ok {
		return
	}
	e := envelope.Event{ID: "1", Source: "/", Type: "t"}
	e.AddExtension(t.Name, text, t.Kind)
	if a, ok := errors.AsType[*envelope.AttributeError](e.Validate(envelope.Options{})); ok {
		l.add(n, "this text is no %s, which attribute_types at %s makes of it: it %s", routing.TypeName(t.Kind), typeNode.pos, a.Rule)
	}
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
