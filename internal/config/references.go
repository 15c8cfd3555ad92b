package config

import (
	"slices"
	"strings"

	"github.com/eventrouter/router/routing"
)

// references checks what the parts of the configuration say of each other, and compiles the routes.
func (l *loader) references(c *Config) {
	l.needs(c, "sources", len(c.Sources), "the router has nothing to read from")
	l.needs(c, "sinks", len(c.Sinks), "the router has nothing to write to")
	l.unmatched(c)
	l.deadLetters(c)
	l.routes(c)
	l.unused(c)
	l.loops(c)
	l.exposure(c)
	l.lostKeys(c)
	l.repetitions(c)
	l.unsignedAttributes(c)
	l.metadata(c)
	l.tests(c)
	l.names(c)
}

// needs records that a top-level map is missing or empty.
func (l *loader) needs(c *Config, key string, count int, why string) {
	if count > 0 {
		return
	}
	if n := c.root.get(key); n == nil {
		l.at(c.root.pos, key, "%s must be stated: without it %s", key, why)
	} else if !n.wrong {
		l.add(n, "is empty: %s", why)
	}
}

func (l *loader) unmatched(c *Config) {
	n := c.root.get("unmatched")
	if n == nil {
		l.at(c.root.pos, "unmatched", "unmatched must be stated: what becomes of an event that no route matches? "+
			"drop counts and discards it, dead_letter gives it to the dead letter sink, reject refuses it at the source, "+
			"and the name of a sink delivers it there")
		return
	}
	l.policy(c, n, c.Unmatched, []string{wordDrop, wordDeadLetter, wordReject})
	if c.Unmatched == wordDeadLetter && c.DeadLetter == wordDrop {
		l.warn(n, "dead_letter is drop, so unmatched events are dropped; write unmatched: drop to say so")
	}
	if c.Unmatched != wordReject || !slices.Contains([]string{wordHold, wordDrop, ""}, c.DeadLetter) {
		return
	}
	for _, name := range c.SourceNames() {
		if s := c.Sources[name]; s.Kind() != "http" && s.Kind() != "" {
			l.add(n, "the source %s (%s) cannot refuse an event, which then is a dead letter: dead_letter must name a sink", name, s.Kind())
		}
	}
}

// policy checks a word, or the name of a sink.
func (l *loader) policy(c *Config, n *node, value string, words []string) {
	if n.bad || n.wrong || slices.Contains(words, value) {
		return
	}
	if _, ok := c.Sinks[value]; ok {
		return
	}
	sinks := c.SinkNames()
	l.add(n, "expected %s or the name of a sink, got %s%s", strings.Join(words, ", "), n.quote(), didYouMean(n, append(sinks, words...)))
}

func (l *loader) deadLetters(c *Config) {
	words := []string{wordHold, wordDrop}
	if n := c.root.get("dead_letter"); n != nil {
		l.policy(c, n, c.DeadLetter, words)
	} else {
		l.at(c.root.pos, "dead_letter", "dead_letter must be stated: what becomes of an event that a sink can never take? "+
			"The name of a sink keeps it there, hold stops its source until someone helps, and drop discards it")
	}
	targets := map[string]string{c.DeadLetter: "dead_letter"}
	l.each("sinks", c.root, func(name string, n *node) {
		at := n.get("dead_letter")
		if at == nil {
			return
		}
		target := c.Sinks[name].DeadLetter
		l.policy(c, at, target, words)
		if _, ok := targets[target]; !ok {
			targets[target] = at.path()
		}
	})
	l.each("sinks", c.root, func(name string, n *node) {
		if by, ok := targets[name]; ok && n.get("dead_letter") != nil {
			l.add(n.get("dead_letter"), "a sink of dead letters has no dead letters of its own, and %s is one: %s names it", name, by)
		}
	})
}

// reference checks that each name in a value or list refers to something.
func (l *loader) reference(n *node, what string, known []string, isKnown func(string) bool) {
	nodes := n.items
	if n.kind == routing.Scalar {
		nodes = []*node{n}
	}
	for i, item := range nodes {
		if item.bad || item.wrong {
			continue
		}
		if !isKnown(item.value) {
			l.add(item, "there is no %s %s%s", what, item.quote(), didYouMean(item, known))
		}
		if slices.ContainsFunc(nodes[:i], func(o *node) bool { return o.value == item.value }) {
			l.add(item, "%s is named twice", item.quote())
		}
	}
}

// unused warns of sources and sinks that no route leads from or to.
func (l *loader) unused(c *Config) {
	if len(l.problems) > 0 { // a name that is misspelt elsewhere would seem unused here
		return
	}
	if len(c.Rules) == 0 {
		l.warn(c.root, "there are no routes: every event is unmatched")
		return
	}
	reads, writes := map[string]bool{}, map[string]bool{c.Unmatched: true, c.DeadLetter: true}
	for _, r := range c.Rules {
		for _, name := range r.From {
			reads[name] = true
		}
		for _, name := range r.To {
			writes[name] = true
		}
		if r.From == nil {
			for name := range c.Sources {
				reads[name] = true
			}
		}
	}
	for _, s := range c.Sinks {
		writes[s.DeadLetter] = true
	}
	l.each("sources", c.root, func(name string, n *node) {
		if !reads[name] {
			l.warn(n, "no route reads from %s: all its events are unmatched", name)
		}
	})
	l.each("sinks", c.root, func(name string, n *node) {
		if !writes[name] {
			l.warn(n, "nothing leads to the sink %s", name)
		}
	})
}
