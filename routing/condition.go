package routing

import (
	"slices"
	"strings"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing/cesql"
)

// Condition is a parsed "when": a tree of predicates over one event. It is immutable, so that several tables can be
// compiled from it. A nil Condition matches every event.
type Condition struct {
	root     *node
	mentions []Mention
}

// String returns the condition in the syntax of the configuration file, on one line and with the order of its parts
// made canonical: two conditions that differ only in the order in which they were written print alike.
func (c *Condition) String() string {
	if c == nil {
		return "{}"
	}
	return whenText(c.root)
}

// Holds evaluates the condition for one event, without a table: for tools that ask once.
func (c *Condition) Holds(e *envelope.Event) bool { return c == nil || c.root.holds(e) }

// node is one predicate, or a combination of predicates, where a user wrote it. Evaluation has two values: a
// predicate on an attribute that is missing is false, and opNot of it is therefore true.
type node struct {
	op   op
	pos  Pos
	path string
	// attr is the attribute or, with data, the JSON path that the node is about. It is set for leaves and for
	// combinations inside a matcher; it is empty for combinations of whole conditions and for cesql.
	attr string
	data *envelope.Path
	kids []*node
	test *test
}

type op uint8

const (
	opAll op = iota // no kids: always true
	opAny           // no kids: always false
	opNot
	opExists
	opEqual
	opPrefix
	opSuffix
	opFold
	opGlob
	opRegex
	opCompare
	opNull
	opCESQL
)

// holds evaluates the node as it was written, without any cache: the slow way, for explanations.
func (n *node) holds(e *envelope.Event) bool {
	switch n.op {
	case opAll:
		return !slices.ContainsFunc(n.kids, func(k *node) bool { return !k.holds(e) })
	case opAny:
		return slices.ContainsFunc(n.kids, func(k *node) bool { return k.holds(e) })
	case opNot:
		return !n.kids[0].holds(e)
	case opCESQL:
		return n.test.expr.True(e)
	default:
		v := n.look(e)
		return v.present && n.test.holds(v)
	}
}

// look returns what the event has where the node looks.
func (n *node) look(e *envelope.Event) value {
	if n.data != nil {
		return lookData(n.data, e)
	}
	text, ok := e.Get(n.attr)
	return value{text: text, kind: envelope.PathString, present: ok}
}

// value is what an event has at one attribute or JSON path.
type value struct {
	text string
	// kind is PathString for attributes: their canonical text is all that matchers see.
	kind    envelope.PathKind
	present bool
}

func lookData(p *envelope.Path, e *envelope.Event) value {
	if e.Data == nil {
		return value{}
	}
	text, kind := p.Lookup(e.Data)
	return value{text: text, kind: kind, present: kind != envelope.PathMissing}
}

// scalar reports whether matchers that compare text apply: an object, an array or a JSON null only ever exists.
func (v value) scalar() bool {
	return v.kind == envelope.PathString || v.kind == envelope.PathNumber || v.kind == envelope.PathBool
}

// test is what a leaf asks of a value. It is immutable and shared between conditions and tables.
type test struct {
	op     op
	values []string
	// set holds values where they are too many to try one by one.
	set map[string]struct{}
	// numerals are the values that a user wrote as bare numbers: JSON numbers are compared with them by value, so
	// that 5 finds 5.0.
	numerals []decimal
	glob     *glob
	regex    *pattern
	bound    bound
	expr     *cesql.Expr
}

// manyValues is where a set becomes cheaper than comparing one by one.
const manyValues = 8

func newTest(o op, values []string) *test {
	t := &test{op: o, values: values}
	if o == opEqual && len(values) > manyValues {
		t.set = make(map[string]struct{}, len(values))
		for _, v := range values {
			t.set[v] = struct{}{}
		}
	}
	return t
}

// holds applies the test to a value that is present.
func (t *test) holds(v value) bool {
	switch t.op {
	case opExists:
		return true
	case opNull:
		return v.kind == envelope.PathNull
	default:
		return v.scalar() && t.matches(v)
	}
}

func (t *test) matches(v value) bool {
	switch t.op {
	case opEqual:
		return t.equal(v)
	case opPrefix:
		return hasAny(v.text, t.values, strings.HasPrefix)
	case opSuffix:
		return hasAny(v.text, t.values, strings.HasSuffix)
	case opFold:
		return strings.EqualFold(v.text, t.values[0])
	case opGlob:
		return t.glob.match(v.text)
	case opRegex:
		return t.regex.match(v.text)
	default:
		return t.bound.holds(v.text)
	}
}

func (t *test) equal(v value) bool {
	if t.set != nil {
		if _, ok := t.set[v.text]; ok {
			return true
		}
	} else if slices.Contains(t.values, v.text) {
		return true
	}
	if v.kind != envelope.PathNumber || len(t.numerals) == 0 {
		return false
	}
	d, ok := parseDecimal(v.text)
	return ok && slices.ContainsFunc(t.numerals, func(n decimal) bool { return n.compare(d) == 0 })
}

func hasAny(s string, parts []string, has func(s, part string) bool) bool {
	for _, p := range parts {
		if has(s, p) {
			return true
		}
	}
	return false
}
