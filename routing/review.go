package routing

import (
	"slices"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing/cesql"
)

// The limits of the review: it looks for likely mistakes and may overlook some in huge files, but never takes long.
const (
	// maxSiblings is how many parts of one condition are compared with each other.
	maxSiblings = 64
	// maxShadowChecks is how many comparisons of a rule with a part of an earlier one are made.
	maxShadowChecks = 1_000_000
)

// certainty is what can be said of a condition without an event.
type certainty uint8

const (
	sometimes certainty = iota
	always
	never
)

// reviewer looks for rules that cannot be what their author wanted.
type reviewer struct {
	table    *Table
	rule     *Rule
	problems []Problem
	// stops are the rules seen so far that stop, with the parts of their conditions.
	stops  []stopper
	checks int
	// parts are those of the rule at hand, in memory that the next rule uses again.
	parts []literal
}

type stopper struct {
	number int
	parts  []literal
}

// review returns an error for each rule that contradicts itself, and warnings for rules that never match, always
// match, or come behind a rule that stops on all their events.
func (t *Table) review() []Problem {
	r := &reviewer{table: t}
	for i := range t.rules {
		r.rule, r.parts = &t.rules[i], r.parts[:0]
		if r.rule.When != nil {
			r.parts = literals(r.parts, r.rule.When.root, false, opAll)
			r.condition()
		}
		r.shadow(i)
	}
	r.reviewCrowds()
	return r.problems
}

func (r *reviewer) warn(pos Pos, path, format string, args ...any) {
	r.problems = append(r.problems, Warningf(pos, path, format, args...))
}

func (r *reviewer) condition() {
	root := r.rule.When.root
	if a, b, found := contradiction(r.parts); found {
		r.problems = append(r.problems, Problemf(b.node.pos, b.node.path,
			"route %s: %s and %s contradict each other; no event can satisfy both", r.rule.Name, a.text(), b.text()))
		return
	}
	r.expressions(root)
	r.implied()
	switch r.judge(root, false) {
	case always:
		r.warn(root.pos, root.path, "route %s: the condition holds for every event; leave when out if that is meant",
			r.rule.Name)
	case never:
		r.warn(root.pos, root.path, "route %s never matches", r.rule.Name)
	default:
	}
}

// contradiction finds two parts of a conjunction that exclude each other.
func contradiction(parts []literal) (a, b literal, found bool) {
	for i, b := range parts[:min(len(parts), maxSiblings)] {
		for _, a := range parts[:i] {
			if a.leaf() && b.leaf() && a.sameSubject(b) && excludes(a, b) {
				return a, b, true
			}
		}
	}
	return a, b, false
}

// judge says what is certain of a condition, and warns of alternatives that can never hold.
func (r *reviewer) judge(n *node, neg bool) certainty {
	switch n.op {
	case opNot:
		return r.judge(n.kids[0], !neg)
	case opAll, opAny:
		if combination(n.op, neg) == opAll {
			return r.judgeAll(n, neg)
		}
		return r.judgeAny(n, neg)
	default:
		c := judgeLeaf(n)
		if neg && c != sometimes {
			c = always + never - c
		}
		return c
	}
}

func (r *reviewer) judgeAll(n *node, neg bool) certainty {
	result := always
	for _, k := range n.kids {
		switch r.judge(k, neg) {
		case never:
			return never
		case sometimes:
			result = sometimes
		default:
		}
	}
	if n == r.rule.When.root {
		return result // its contradictions were looked for before
	}
	if _, _, found := contradiction(literals(nil, n, neg, opAll)); found {
		return never
	}
	return result
}

func (r *reviewer) judgeAny(n *node, neg bool) certainty {
	result, impossible := never, []*node(nil)
	for _, k := range n.kids {
		switch r.judge(k, neg) {
		case always:
			return always
		case sometimes:
			result = sometimes
		case never:
			impossible = append(impossible, k)
		}
	}
	if complementary(literals(nil, n, neg, opAny)) {
		return always
	}
	if result == sometimes {
		for _, k := range impossible {
			r.warn(k.pos, k.path, "route %s: this alternative never holds", r.rule.Name)
		}
	}
	return result
}

// complementary reports whether one of the alternatives holds wherever another one does not.
func complementary(parts []literal) bool {
	parts = parts[:min(len(parts), maxSiblings)]
	for _, a := range parts {
		for _, b := range parts {
			if a.neg && !b.neg && a.leaf() && b.leaf() && a.sameSubject(b) && implies(a.node, b.node) {
				return true
			}
		}
	}
	return false
}

// judgeLeaf knows the attributes that every event has, and the one value of specversion.
func judgeLeaf(n *node) certainty {
	switch {
	case n.op == opCESQL || n.data != nil:
		return sometimes
	case n.attr == "specversion":
		if n.test.holds(attributeValue(envelope.SpecVersion)) {
			return always
		}
		return never
	case n.op == opExists && (n.attr == "id" || n.attr == "source" || n.attr == "type"):
		return always
	case n.op == opCompare && n.attr == "time":
		return never
	}
	return sometimes
}

// expressions warns of CESQL that is valid and yet cannot be true, or fails whenever it is reached.
func (r *reviewer) expressions(n *node) {
	if n.op == opCESQL {
		if useless, ok := n.test.expr.Check().(interface{ Unwrap() []error }); ok {
			for _, err := range useless.Unwrap() {
				r.warn(n.pos, n.path, "route %s: CESQL: %v", r.rule.Name, err)
			}
		}
	}
	for _, k := range n.kids {
		r.expressions(k)
	}
}

// implied warns of CESQL that contradicts itself or the rest of the condition.
func (r *reviewer) implied() {
	if !slices.ContainsFunc(r.parts, func(p literal) bool { return p.node.op == opCESQL && !p.neg }) {
		return
	}
	var all []literal
	for _, p := range r.parts[:min(len(r.parts), maxSiblings)] {
		if p.leaf() {
			all = append(all, p)
		}
	}
	for _, p := range r.parts[:min(len(r.parts), maxSiblings)] {
		if p.node.op != opCESQL || p.neg {
			continue
		}
		conjuncts := p.node.test.expr.Conjuncts()
		for _, c := range conjuncts[:min(len(conjuncts), maxSiblings)] {
			b, ok := impliedLiteral(p.node, c)
			if !ok {
				continue
			}
			for _, a := range all {
				if a.sameSubject(b) && excludes(a, b) {
					r.warn(p.node.pos, p.node.path, "route %s: CESQL: %s and %s contradict each other; no event can satisfy both",
						r.rule.Name, a.text(), b.text())
					return
				}
			}
			all = append(all, b)
		}
	}
}

// impliedLiteral returns what an expression implies of the beginning, the end or the whole of an attribute as a matcher
// would say it.
func impliedLiteral(n *node, c cesql.Conjunct) (l literal, ok bool) {
	o := impliedOp(c.Op)
	if c.Op == cesql.Either || o == opExists || o == opGlob {
		return l, false
	}
	return literal{node: &node{op: o, pos: n.pos, path: n.path, attr: c.Attribute, test: newTest(o, c.Values)}}, true
}

// shadow warns if an earlier rule stops the list for every event of this one, and remembers this one if it stops.
func (r *reviewer) shadow(number int) {
	for _, s := range r.stops {
		if r.checks += 1 + len(s.parts); r.checks > maxShadowChecks {
			break
		}
		earlier := &r.table.rules[s.number]
		if r.table.from[s.number].includes(&r.table.from[number]) && allImplied(r.parts, s.parts) {
			r.warn(r.rule.Pos, "route "+r.rule.Name, "never reached: route %s%s stops the list for all its events",
				earlier.Name, at(earlier.Pos))
			break
		}
	}
	if r.rule.Stop {
		r.stops = append(r.stops, stopper{number, slices.Clone(r.parts)})
	}
}

func at(p Pos) string {
	if p.Line == 0 {
		return ""
	}
	return " at " + p.String()
}

// includes reports whether every source that other listens to is one of o's.
func (o *origin) includes(other *origin) bool {
	switch {
	case o.only == fromAny:
		return true
	case other.only == fromAny:
		return false
	case other.only != fromList:
		return o.admits(other.only)
	}
	for _, source := range other.list {
		if !o.admits(source) {
			return false
		}
	}
	return true
}

// allImplied reports whether each of the wider parts holds wherever all the narrower ones do.
func allImplied(narrow, wide []literal) bool {
	for _, w := range wide {
		if !implied(narrow, w) {
			return false
		}
	}
	return true
}

func implied(narrow []literal, w literal) bool {
	if w.node.op == opAny && !w.neg {
		for _, k := range w.node.kids {
			if allImplied(narrow, literals(nil, k, false, opAll)) {
				return true
			}
		}
	}
	for _, n := range narrow[:min(len(narrow), maxSiblings)] {
		if n.leaf() && w.leaf() {
			if n.sameSubject(w) && impliesLiteral(n, w) {
				return true
			}
		} else if n.neg == w.neg && n.node.op == w.node.op && len(n.node.kids) == len(w.node.kids) &&
			whenText(n.node) == whenText(w.node) {
			return true
		}
	}
	return false
}

func impliesLiteral(a, b literal) bool {
	switch {
	case !b.neg:
		return !a.neg && implies(a.node, b.node)
	case a.neg:
		return implies(b.node, a.node)
	}
	return excludes(a, literal{b.node, false})
}
