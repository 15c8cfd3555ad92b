package cesql

import "slices"

// Op is what a Conjunct says of an attribute.
type Op uint8

// The operations of a Conjunct.
const (
	// Equal: the attribute's text is Values[0].
	Equal Op = iota
	// In: the attribute's text is one of Values, which are sorted and differ from each other.
	In
	// Prefix and Suffix: the attribute's text begins or ends with Values[0], which is not empty.
	Prefix
	Suffix
	// Contains: the attribute's text has Values[0] in it, which is not empty.
	Contains
	// Exists: the event has the attribute. Values is nil.
	Exists
	// Either: what one of Either says holds, all of it.
	Either
)

// String returns the operation's name in lower case.
func (o Op) String() string {
	switch o {
	case Equal:
		return "equal"
	case In:
		return "in"
	case Prefix:
		return "prefix"
	case Suffix:
		return "suffix"
	case Contains:
		return "contains"
	case Exists:
		return "exists"
	default:
		return "either"
	}
}

// Conjunct is a condition on the text of one attribute, or a choice of such conditions.
type Conjunct struct {
	Attribute string
	Op        Op
	Values    []string
	// Either has two or more alternatives, each of them one or more conjuncts that hold together, none of which is an
	// Either itself. It is nil for all operations but Either, which in turn has no Attribute and no Values.
	Either [][]Conjunct
}

// Conjuncts returns conditions that hold for every event for which the expression is True: what an index may use
// to pass over the expression without evaluating it. They need not be all that the expression says. Text means the
// canonical text of the attribute, as envelope.Event.Get returns it; comparisons that cast the attribute to another
// type, such as seq = 10 which "010" satisfies too, are not among them.
func (x *Expr) Conjuncts() []Conjunct { return conjuncts(x.root) }

func conjuncts(n *node) []Conjunct {
	switch n.op {
	case opAnd:
		var all []Conjunct
		for _, a := range n.args {
			all = append(all, conjuncts(a)...)
		}
		return all
	case opOr:
		return alternatives(n)
	case opExists:
		if !n.core.required() {
			return []Conjunct{{Attribute: n.name, Op: Exists}}
		}
	case opEqual:
		return equalConjunct(n)
	case opIn:
		return inConjunct(n)
	case opLike:
		return likeConjuncts(n)
	}
	return nil
}

// equalConjunct reads attribute = literal in both orders. With the attribute on the left it is cast to String, so
// its text is compared; on the right the literal is cast to whatever type the attribute has.
func equalConjunct(n *node) []Conjunct {
	left, right := n.args[0], n.args[1]
	switch {
	case left.op == opAttribute && right.op == opLiteral && right.value.typ == String:
		return []Conjunct{{Attribute: left.name, Op: Equal, Values: []string{right.value.text}}}
	case left.op == opLiteral && right.op == opAttribute && right.comparesText(left.value):
		return []Conjunct{{Attribute: right.name, Op: Equal, Values: []string{left.value.String()}}}
	}
	return nil
}

// comparesText tells whether a literal that is cast to the attribute's type can only equal it if the texts are
// equal. Core attributes are Strings. An extension may be an Integer, which '+5' and TRUE could equal, or a Boolean,
// which 'TRUE' and 5 could equal.
func (n *node) comparesText(literal Value) bool {
	if n.core != extension {
		return true
	}
	if literal.typ != String {
		return false
	}
	if _, ok := parseInt(literal.text); ok {
		return isCanonicalInt(literal.text)
	}
	if _, ok := parseBool(literal.text); ok {
		return literal.text == "true" || literal.text == "false"
	}
	return true
}

func inConjunct(n *node) []Conjunct {
	left := n.args[0]
	if n.negated || left.op != opAttribute {
		return nil
	}
	var values []string
	for _, a := range n.args[1:] {
		if a.op != opLiteral || !left.comparesText(a.value) {
			return nil
		}
		values = append(values, a.value.String())
	}
	return []Conjunct{oneOf(left.name, values)}
}

// oneOf returns Equal for a single value and In for several.
func oneOf(attribute string, values []string) Conjunct {
	slices.Sort(values)
	values = slices.Compact(values)
	if len(values) == 1 {
		return Conjunct{Attribute: attribute, Op: Equal, Values: values}
	}
	return Conjunct{Attribute: attribute, Op: In, Values: values}
}

func likeConjuncts(n *node) []Conjunct {
	left := n.args[0]
	if n.negated || left.op != opAttribute {
		return nil
	}
	prefix, suffix, exact := n.pattern.fixed()
	if exact {
		return []Conjunct{{Attribute: left.name, Op: Equal, Values: []string{prefix}}}
	}
	var all []Conjunct
	if prefix != "" {
		all = append(all, Conjunct{Attribute: left.name, Op: Prefix, Values: []string{prefix}})
	}
	if suffix != "" {
		all = append(all, Conjunct{Attribute: left.name, Op: Suffix, Values: []string{suffix}})
	}
	for _, literal := range n.pattern.inner() {
		all = append(all, Conjunct{Attribute: left.name, Op: Contains, Values: []string{literal}})
	}
	if all == nil && !left.core.required() {
		all = append(all, Conjunct{Attribute: left.name, Op: Exists})
	}
	return all
}

// maxFixed bounds how many conjuncts are known of an operand of an OR. It is always right to know less.
const maxFixed = 32

// alternatives joins the values of an attribute that every operand of an OR fixes: type = 'a' OR type = 'b' is
// type IN ('a', 'b'), whatever else the operands ask. Where they fix none in common it is a choice of what they say,
// if every operand says anything.
func alternatives(n *node) []Conjunct {
	operands := make([][]Conjunct, len(n.args))
	for i, a := range n.args {
		operands[i] = conjuncts(a)
		operands[i] = operands[i][:min(len(operands[i]), maxFixed)]
	}
	if common := commonValues(operands); len(common) > 0 {
		return common
	}
	either := Conjunct{Op: Either}
	for _, all := range operands {
		plain := slices.DeleteFunc(slices.Clone(all), func(c Conjunct) bool { return c.Op == Either })
		switch {
		case len(plain) > 0:
			either.Either = append(either.Either, plain)
		case len(all) > 0:
			either.Either = append(either.Either, all[0].Either...)
		default:
			return nil
		}
	}
	return []Conjunct{either}
}

// commonValues returns what Equal and In say of the attributes for which each of the operands has one of these.
func commonValues(operands [][]Conjunct) []Conjunct {
	common := fixedValues(operands[0])
	for i := range common {
		common[i].Values = slices.Clone(common[i].Values) // they are the operand's own
	}
	for _, operand := range operands[1:] {
		next := fixedValues(operand)
		common = slices.DeleteFunc(common, func(c Conjunct) bool {
			return !slices.ContainsFunc(next, func(o Conjunct) bool { return o.Attribute == c.Attribute })
		})
		for i := range common {
			j := slices.IndexFunc(next, func(o Conjunct) bool { return o.Attribute == common[i].Attribute })
			common[i].Values = append(common[i].Values, next[j].Values...)
		}
	}
	for i, c := range common {
		common[i] = oneOf(c.Attribute, c.Values)
	}
	return common
}

// fixedValues returns the Equal and In conjuncts of an operand.
func fixedValues(operand []Conjunct) []Conjunct {
	return slices.DeleteFunc(slices.Clone(operand), func(c Conjunct) bool { return c.Op != Equal && c.Op != In })
}
