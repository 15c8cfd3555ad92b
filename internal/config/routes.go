package config

import (
	"fmt"
	"slices"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// routes checks the routes and turns them into rules.
func (l *loader) routes(c *Config) {
	n := c.root.get("routes")
	if n == nil {
		n = &node{kind: routing.List, pos: c.root.pos, parent: c.root, key: "routes"}
	}
	if n.kind != routing.List {
		return
	}
	before := len(l.problems)
	sources, sinks := c.SourceNames(), c.SinkNames()
	names := map[string]routing.Pos{}
	for i := range c.Routes {
		r, at := &c.Routes[i], n.items[i]
		l.routeName(r, i, at, names)
		if at.kind != routing.Map {
			continue
		}
		rule := routing.Rule{
			Name: r.Name, Pos: at.pos, From: r.From, To: r.To, Stop: r.Stop, RewriteSource: r.RewriteSource,
		}
		if from := at.get("from"); from != nil {
			l.reference(from, "source", sources, func(s string) bool { _, ok := c.Sources[s]; return ok })
			if len(r.From) == 0 && !from.damaged {
				l.add(from, "names no source; remove the key for all sources")
			}
		}
		l.destination(c, &rule, at, sinks)
		rule.Set = l.assignments(r, at.get("set"))
		rule.Types = l.types(at.get("attribute_types"))
		rule.Sample = l.sample(r, &rule, at.get("sample"))
		l.copies(&rule, at)
		if when := at.get("when"); when != nil && !when.broken() {
			condition, found := routing.ParseWhen(r.When)
			l.routing(when, found)
			rule.When = condition
		}
		c.Rules = append(c.Rules, rule)
	}
	if len(l.problems) > before || n.damaged {
		return
	}
	table, found := routing.Compile(c.Rules, sources, sinks)
	l.routing(n, found)
	c.Table = table
}

// routeName gives a route without a name one, and checks that no name is used twice.
func (l *loader) routeName(r *Route, i int, n *node, names map[string]routing.Pos) {
	pos := n.pos
	if at := n.get("name"); at != nil {
		pos = at.pos
		if !at.bad && !at.wrong {
			l.name(r.Name, at, at.pos)
		}
	} else {
		r.Name = fmt.Sprintf("route-%d", i+1)
	}
	if first, ok := names[r.Name]; ok {
		l.key(n, pos, "the name %q is used here and at %s", n.scrub(r.Name), first)
		return
	}
	names[r.Name] = pos
}

// destination checks to, which is sinks or drop.
func (l *loader) destination(c *Config, rule *routing.Rule, n *node, sinks []string) {
	to := n.get("to")
	switch {
	case to == nil:
		l.add(n, "to must be stated: the name of a sink, a list of names, or drop")
		return
	case to.bad || to.wrong:
		return
	case len(rule.To) == 0:
		l.add(to, "names no sink; write drop to discard on purpose")
		return
	case slices.Contains(rule.To, wordDrop):
		if len(rule.To) > 1 {
			l.add(to, "drop stands alone: an event is either discarded or delivered")
		}
		rule.To, rule.Drop = nil, true
		return
	}
	for _, word := range []string{wordHold, wordReject, wordDeadLetter} {
		if slices.Contains(rule.To, word) {
			l.add(to, "%s is no destination of a route; a route leads to sinks or to drop", word)
			return
		}
	}
	l.reference(to, "sink", sinks, func(s string) bool { _, ok := c.Sinks[s]; return ok })
}

// assignments checks set.
func (l *loader) assignments(r *Route, n *node) []routing.Assignment {
	if n == nil || n.bad {
		return nil
	}
	if n.kind != routing.Map {
		l.add(n, "expected a map of attributes to templates, or to null")
		return nil
	}
	var all []routing.Assignment
	for _, f := range n.fields {
		at := f.value
		if at.bad || !l.attribute(f.key, at) || !l.settable(r, f.key, at) {
			continue
		}
		a := routing.Assignment{Pos: f.pos, Name: f.key, Template: at.value, Remove: at.kind == routing.Null}
		if !a.Remove {
			l.constant(a, at)
		}
		all = append(all, a)
	}
	return all
}

// settable checks that a route may give this attribute this value.
func (l *loader) settable(r *Route, name string, n *node) bool {
	switch {
	case name == "id" || name == "specversion":
		l.add(n, "a route never changes %s", name)
	case name == "source" && !r.RewriteSource:
		l.add(n, "source and id together identify an event; write rewrite_source: true on the route to change source all the same")
	case n.kind == routing.Null && (name == "source" || name == "type"):
		l.add(n, "every event has %s; it cannot be removed", name)
	case n.kind != routing.Null && n.kind != routing.Scalar:
		l.add(n, "expected a template, or null to remove the attribute, got %s", got(n, stringsType))
	default:
		return true
	}
	return false
}

// constant checks an assignment's template, and its value where that is the same for every event.
func (l *loader) constant(a routing.Assignment, n *node) {
	t := l.template(a.Template, n)
	if t == nil {
		return
	}
	text, ok := t.Static()
	if !ok {
		return
	}
	e := envelope.Event{ID: "1", Source: "/", Type: "t"}
	e.Set(a.Name, text, envelope.KindUntyped)
	if err := e.Validate(envelope.Options{}); err != nil {
		l.add(n, "%s", n.scrub(err.Error()))
	}
}
