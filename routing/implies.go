package routing

import (
	"slices"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// literal is a part of a conjunction or of alternatives: a node, perhaps negated.
type literal struct {
	node *node
	neg  bool
}

// leaf reports whether the literal is a single test of one attribute or path.
func (l literal) leaf() bool { return l.node.test != nil && l.node.op != opCESQL }

func (l literal) sameSubject(m literal) bool {
	return l.node.attr == m.node.attr && (l.node.data == nil) == (m.node.data == nil)
}

// text returns the literal as a user would write it.
func (l literal) text() string {
	if !l.neg {
		return predicateText(l.node)
	}
	if l.node.attr == "" {
		return "not: " + whenText(l.node)
	}
	not := *l.node
	not.op, not.kids = opNot, []*node{l.node}
	return predicateText(&not)
}

// literals takes a condition apart into what all has to hold (with opAll) or what is enough (with opAny): nested
// combinations of the same kind are dissolved, and negation is moved inwards.
func literals(dst []literal, n *node, neg bool, o op) []literal {
	switch {
	case n.op == opNot:
		return literals(dst, n.kids[0], !neg, o)
	case (n.op == opAll || n.op == opAny) && combination(n.op, neg) == o:
		for _, k := range n.kids {
			dst = literals(dst, k, neg, o)
		}
		return dst
	}
	return append(dst, literal{n, neg})
}

// combination is what an opAll or opAny means if it is negated (De Morgan).
func combination(o op, neg bool) op {
	if neg {
		return opAll + opAny - o
	}
	return o
}

// implies reports whether b surely holds wherever a does. Both are leaves on the same subject and not negated. It
// knows the usual cases; false means only that it cannot tell.
func implies(a, b *node) bool {
	switch {
	case b.op == opExists:
		return true
	case a.op == b.op && matcherText(a) == matcherText(b):
		return true
	case a.op == opEqual && a.data == nil:
		return !slices.ContainsFunc(a.test.values, func(v string) bool { return !b.test.holds(attributeValue(v)) })
	case b.op == opPrefix:
		return covered(prefixes(a), b.test.values, strings.HasPrefix)
	case b.op == opSuffix:
		return covered(suffixes(a), b.test.values, strings.HasSuffix)
	case a.op == opCompare && b.op == opCompare:
		return a.test.bound.within(b.test.bound)
	}
	return false
}

func attributeValue(text string) value {
	return value{text: text, kind: envelope.PathString, present: true}
}

// covered reports whether each of the longer texts has one of the shorter ones; without any longer text it cannot.
func covered(longer, shorter []string, has func(s, part string) bool) bool {
	return len(longer) > 0 && !slices.ContainsFunc(longer, func(l string) bool { return !hasAny(l, shorter, has) })
}

// prefixes returns texts of which every value that n admits begins with one, nil if there are none.
func prefixes(n *node) []string {
	switch n.op {
	case opPrefix:
		return n.test.values
	case opGlob:
		prefix, _ := n.test.glob.literals()
		return nonEmpty(prefix)
	case opRegex:
		return nonEmpty(n.test.regex.prefix)
	default:
		return nil
	}
}

// suffixes is prefixes for the ends of values.
func suffixes(n *node) []string {
	switch n.op {
	case opSuffix:
		return n.test.values
	case opGlob:
		_, suffix := n.test.glob.literals()
		return nonEmpty(suffix)
	default:
		return nil
	}
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// within reports whether every number that b admits is admitted by outer, too.
func (b bound) within(outer bound) bool {
	if b.lower() != outer.lower() {
		return false
	}
	c := b.limit.compare(outer.limit)
	if !b.lower() {
		c = -c
	}
	return c > 0 || c == 0 && (outer.inclusive() || !b.inclusive())
}

// excludes reports whether no value satisfies both literals, leaves on the same subject.
func excludes(a, b literal) bool {
	switch {
	case a.neg && b.neg:
		return false
	case b.neg:
		return implies(a.node, b.node)
	case a.neg:
		return implies(b.node, a.node)
	case a.node.op == opEqual:
		return noneHolds(a.node, b.node)
	case b.node.op == opEqual:
		return noneHolds(b.node, a.node)
	case a.node.op == opCompare && b.node.op == opCompare:
		return a.node.test.bound.disjoint(b.node.test.bound)
	}
	return disjoint(prefixes(a.node), prefixes(b.node), strings.HasPrefix) ||
		disjoint(suffixes(a.node), suffixes(b.node), strings.HasSuffix)
}

// noneHolds reports whether other refuses all the values of an equal. In the payload a value may be written in more
// than one way, so nothing is said there.
func noneHolds(equal, other *node) bool {
	return equal.data == nil && !slices.ContainsFunc(equal.test.values, func(v string) bool {
		return other.test.holds(attributeValue(v))
	})
}

func disjoint(a, b []string, has func(s, part string) bool) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	for _, x := range a {
		for _, y := range b {
			if has(x, y) || has(y, x) {
				return false
			}
		}
	}
	return true
}

// disjoint reports whether no number satisfies both bounds.
func (b bound) disjoint(other bound) bool {
	if b.lower() == other.lower() {
		return false
	}
	low, high := b, other
	if !b.lower() {
		low, high = other, b
	}
	c := low.limit.compare(high.limit)
	return c > 0 || c == 0 && (!low.inclusive() || !high.inclusive())
}
