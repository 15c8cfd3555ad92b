package routing

import (
	"slices"
	"strings"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing/cesql"
)

// pred is a predicate of a compiled rule, in negation normal form: only leaves are negated. That a missing attribute
// makes a leaf false before it is negated keeps "not" of it true, as the rules want.
type pred struct {
	op  op
	neg bool
	// data says that slot numbers a JSON path, not an attribute; lazy says that the predicate or one inside it does.
	data, lazy bool
	slot       int32
	// text is the value of the commonest leaves (equal, prefix or suffix of an attribute with one value), which then
	// have no test: matching them touches nothing else.
	text  string
	test  *test
	group *group
}

// group holds the parts of an opAll or opAny.
type group struct{ parts []pred }

// lowerer turns conditions into predicates and numbers the attributes and paths they use.
type lowerer struct {
	attrs     map[string]int32
	attrNames []string
	paths     map[string]int32
	pathList  []*envelope.Path
	// usesSeldom says that a rule asks for another core attribute than type, source and subject.
	usesSeldom bool
	// expressions is how many there are so far.
	expressions int32
	// implied is what expressions imply beside the predicates that they became: for the index only.
	implied map[*test][]pred
	// arena is where the parts of combinations are cut from: most rules have two or three.
	arena []pred
}

func newLowerer() *lowerer {
	l := &lowerer{
		attrs: map[string]int32{}, paths: map[string]int32{}, implied: map[*test][]pred{}, attrNames: coreSlots[:],
	}
	for i, name := range coreSlots {
		l.attrs[name] = int32(i)
	}
	return l
}

// attr returns the slot of an attribute that a rule asks for.
func (l *lowerer) attr(name string) int32 {
	for i, known := range coreSlots {
		if known == name {
			l.usesSeldom = l.usesSeldom || i == 0 || i > 3
			return int32(i)
		}
	}
	slot, ok := l.attrs[name]
	if !ok {
		slot = int32(len(l.attrNames))
		l.attrs[name] = slot
		l.attrNames = append(l.attrNames, name)
	}
	return slot
}

func (l *lowerer) path(text string, p *envelope.Path) int32 {
	slot, ok := l.paths[text]
	if !ok {
		slot = int32(len(l.pathList))
		l.paths[text] = slot
		l.pathList = append(l.pathList, p)
	}
	return slot
}

// parts returns an empty list with room for n predicates.
func (l *lowerer) parts(n int) []pred {
	const chunk = 1024
	if n > chunk/16 {
		return make([]pred, 0, n)
	}
	if cap(l.arena)-len(l.arena) < n {
		l.arena = make([]pred, 0, chunk)
	}
	from := len(l.arena)
	l.arena = l.arena[:from+n]
	return l.arena[from : from : from+n]
}

// condition returns the predicates that all have to hold, cheapest first.
func (l *lowerer) condition(c *Condition) []pred {
	if c == nil {
		return nil
	}
	if c.root.op == opAll {
		return l.kids(c.root, false, opAll)
	}
	p := l.lower(c.root, false)
	if p.op == opAll {
		return p.group.parts
	}
	return append(l.parts(1), p)
}

func (l *lowerer) lower(n *node, neg bool) pred {
	switch n.op {
	case opNot:
		return l.lower(n.kids[0], !neg)
	case opAll, opAny:
		return l.combine(n, neg)
	case opCESQL:
		return l.expression(n, neg)
	default:
		return l.leaf(n, neg)
	}
}

// expression lowers a CESQL expression. What it implies of attributes that every event has is checked before it, which is
// quicker. What it implies of others is not: that they are missing is an error of the expression, which is counted.
func (l *lowerer) expression(n *node, neg bool) pred {
	p := pred{op: opCESQL, neg: neg, test: n.test, slot: l.expressions}
	l.expressions++
	if neg {
		return p
	}
	conjuncts := n.test.expr.Conjuncts()
	parts := l.parts(len(conjuncts) + 1)
	for _, c := range conjuncts {
		switch q, sure, ok := l.conjunct(c); {
		case !ok:
		case sure:
			parts = append(parts, q)
		default:
			l.implied[n.test] = append(l.implied[n.test], q)
		}
	}
	if len(parts) == 0 {
		return p
	}
	return pred{op: opAll, group: &group{parts: append(parts, p)}}
}

// conjunct returns the predicate that a conjunct is. It is sure if it asks only for attributes that every event has; ok
// is false where the index could do nothing with it.
func (l *lowerer) conjunct(c cesql.Conjunct) (p pred, sure, ok bool) {
	if c.Op == cesql.Either {
		return l.either(c.Either)
	}
	if slices.Contains(c.Values, "") {
		return pred{}, false, false
	}
	p.slot, p.op = l.attr(c.Attribute), impliedOp(c.Op)
	if len(c.Values) == 1 && p.op != opGlob {
		p.text = c.Values[0]
	} else {
		p.test = newTest(p.op, c.Values)
	}
	if p.op == opGlob { // a question mark in the text, which stands for any character here, lets through no less
		p.test.glob = &glob{parts: []string{"", c.Values[0], ""}}
	}
	return p, isRequired(p.slot), true
}

// impliedOp translates what an expression implies of an attribute.
func impliedOp(o cesql.Op) op {
	switch o {
	case cesql.Prefix:
		return opPrefix
	case cesql.Suffix:
		return opSuffix
	case cesql.Exists:
		return opExists
	case cesql.Contains:
		return opGlob
	default:
		return opEqual
	}
}

// either returns the predicate of a choice: one of the alternatives holds, all of it that is known.
func (l *lowerer) either(alternatives [][]cesql.Conjunct) (p pred, sure, ok bool) {
	p, sure = pred{op: opAny, group: &group{}}, true
	for _, conjuncts := range alternatives {
		var parts []pred
		for _, c := range conjuncts {
			if q, s, known := l.conjunct(c); known {
				parts, sure = append(parts, q), sure && s
			}
		}
		if len(parts) == 0 {
			return pred{}, false, false
		}
		if len(parts) == 1 {
			p.group.parts = append(p.group.parts, parts[0])
		} else {
			p.group.parts = append(p.group.parts, pred{op: opAll, group: &group{parts: parts}})
		}
	}
	return p, sure, true
}

func (l *lowerer) leaf(n *node, neg bool) pred {
	p := pred{op: n.op, neg: neg, test: n.test}
	switch {
	case n.data != nil:
		p.data, p.lazy, p.slot = true, true, l.path(n.attr, n.data)
	default:
		p.slot = l.attr(n.attr)
		if len(n.test.values) == 1 && (n.op == opEqual || n.op == opPrefix || n.op == opSuffix) {
			p.text, p.test = n.test.values[0], nil
		}
	}
	return p
}

// combine lowers a combination; one of a single part is that part.
func (l *lowerer) combine(n *node, neg bool) pred {
	o := n.op
	if neg {
		o = opAll + opAny - o // De Morgan
	}
	parts := l.kids(n, neg, o)
	if len(parts) == 1 {
		return parts[0]
	}
	lazy := slices.ContainsFunc(parts, func(p pred) bool { return p.lazy })
	return pred{op: o, lazy: lazy, group: &group{parts: parts}}
}

// kids lowers the parts of a combination, dissolves those of the same kind into it and sorts by cost.
func (l *lowerer) kids(n *node, neg bool, o op) []pred {
	parts := l.parts(len(n.kids))
	for _, kid := range n.kids {
		if p := l.lower(kid, neg); p.op == o {
			parts = append(parts, p.group.parts...)
		} else {
			parts = append(parts, p)
		}
	}
	byCost := func(a, b pred) int { return cmpInt(a.cost(), b.cost()) }
	if !slices.IsSortedFunc(parts, byCost) {
		slices.SortStableFunc(parts, byCost)
	}
	return parts
}

// cost ranks predicates by how long they take; what reads the payload comes last.
func (p *pred) cost() int {
	switch {
	case p.lazy:
		return 6
	case p.op == opCESQL:
		return 5
	case p.op == opAll, p.op == opAny:
		return 4
	case p.op == opRegex, p.op == opGlob:
		return 3
	case p.op == opCompare, p.op == opFold:
		return 2
	case p.test != nil:
		return 1
	}
	return 0
}

// admits applies a leaf to the text of an attribute that is present.
func (p *pred) admits(text string) bool {
	if p.test != nil {
		return p.test.holds(value{text: text, kind: envelope.PathString, present: true})
	}
	switch p.op {
	case opPrefix:
		return strings.HasPrefix(text, p.text)
	case opSuffix:
		return strings.HasSuffix(text, p.text)
	default:
		return text == p.text
	}
}
