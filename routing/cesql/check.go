package cesql

import (
	"errors"
	"slices"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// Type returns the type of the expression's value, AnyType where only the event decides.
func (x *Expr) Type() Type { return x.root.typeOf() }

// typeOf is the static type of a node's value.
func (n *node) typeOf() Type {
	switch n.op {
	case opLiteral:
		return n.value.typ
	case opAttribute:
		if n.core != extension {
			return String
		}
		return AnyType
	case opCall:
		return n.fn.result()
	case opNegate, opMultiply, opDivide, opModulo, opAdd, opSubtract:
		return Integer
	default:
		return Boolean
	}
}

// Check returns what makes the expression useless as a filter, joined: a function that does not exist or does not
// take as many arguments, a constant part that always fails, a value that is never a Boolean. Each is an *Error.
// Such an expression is valid and evaluates, but lets no event pass, or fails wherever that part is reached.
func (x *Expr) Check() error {
	var all []error
	if t := x.Type(); t == String || t == Integer {
		all = append(all, &Error{
			Kind: GenericError, Offset: x.root.pos,
			Message: "the expression yields a value of type " + t.String() + ", a filter must yield a Boolean",
		})
	}
	check(x.root, &all)
	return errors.Join(all...)
}

// check collects the errors of a node and of those below it, and tells whether it is constant. A constant that fails
// is reported at its innermost place only, and not behind a short circuit that hides it.
func check(n *node, all *[]error) (constant bool) {
	if n.op == opCall && n.fn == fnMissing {
		*all = append(*all, &Error{Kind: MissingFunctionError, Offset: n.pos, Message: missingFunction(n)})
	}
	before := len(*all)
	constant = n.op != opAttribute && n.op != opExists && (n.op != opCall || n.fn != fnMissing)
	for _, a := range n.args {
		if !check(a, all) {
			constant = false
		}
	}
	if !constant {
		return false
	}
	m := machine{event: &envelope.Event{}, budget: MaxSteps}
	m.eval(n)
	switch {
	case m.kind == NoError:
		*all = (*all)[:before]
	case len(*all) == before:
		*all = append(*all, m.failure())
	}
	return true
}

// warner collects what is legal and yet perhaps not meant.
type warner struct {
	list     []string
	mixed    bool     // said once: every longer chain would repeat it
	optional []string // attributes that an OR was warned of
}

func warn(root *node) []string {
	var w warner
	if root.op == opAttribute && root.core == extension {
		w.add(root, "whether "+root.name+" alone is a Boolean depends on the event's carrier; write "+root.name+" = TRUE")
	}
	w.visit(root, nil)
	return w.list
}

func (w *warner) add(n *node, message string) { w.list = append(w.list, at(n.pos)+message) }

// visit looks at a node; guarded are the attributes that must exist for it to be evaluated.
func (w *warner) visit(n *node, guarded []string) {
	switch n.op {
	case opAnd, opOr, opXor:
		w.mixing(n)
	case opLike, opIn, opEqual, opUnequal, opLess, opLessEqual, opGreater, opGreaterEqual:
		if a := n.args[0]; a.op == opNot && !a.paren {
			w.add(a, "NOT binds tighter than "+symbolOf(n.op)+
				": it applies to the left side alone; put what it is meant for in parentheses")
		}
		w.wildcards(n)
	}
	guarded = slices.Clip(guarded)
	for i, a := range n.args {
		w.visit(a, guarded)
		if n.op == opAnd {
			guarded = append(guarded, guards(a)...)
		}
		if n.op != opOr || i == len(n.args)-1 {
			continue
		}
		if name := unguarded(a, guarded); name != "" && !slices.Contains(w.optional, name) {
			w.optional = append(w.optional, name)
			w.add(a, "without the attribute "+name+" this fails, and with it the whole OR; write EXISTS "+name+
				" AND before it")
		}
	}
}

// wildcards warns of those of another language, and of those of LIKE where nothing looks at them.
func (w *warner) wildcards(n *node) {
	switch {
	case n.op == opLike && strings.Contains(n.value.text, "*") && !strings.Contains(n.value.text, "%"):
		w.add(n, "in LIKE a star is itself, and % is any run of characters: write LIKE "+
			quote(strings.ReplaceAll(n.value.text, "*", "%"), n.raw))
	case n.op == opEqual && n.args[0].op == opAttribute && n.args[1].op == opLiteral:
		text := n.args[1].value.text
		body := strings.TrimRight(text, "*%")
		if len(text)-len(body) == 1 && (strings.HasSuffix(body, ".") || strings.HasSuffix(body, "/")) {
			w.add(n, "= compares the whole text, "+text[len(body):]+" and all: write LIKE "+quote(body+"%", n.args[1].raw)+
				", or IN ("+n.args[1].raw+") if that is meant")
		}
	}
}

// mixing warns of different logic operators without parentheses.
func (w *warner) mixing(n *node) {
	if left := n.args[0]; !w.mixed && left.op >= opAnd && left.op != n.op && !left.paren {
		w.mixed = true
		w.add(n, "AND, OR and XOR have one precedence and are read from left to right, by some implementations from "+
			"right to left; write parentheses: "+(&Expr{root: n}).String())
	}
}

// guards returns the attributes that exist wherever n is true.
func guards(n *node) []string {
	var names []string
	for _, c := range conjuncts(n) {
		names = append(names, c.Attribute)
	}
	return names
}

// unguarded returns an optional attribute that evaluating n may find missing, empty if there is none.
func unguarded(n *node, guarded []string) string {
	if n.op == opAttribute {
		if n.core.required() || slices.Contains(guarded, n.name) {
			return ""
		}
		return n.name
	}
	guarded = slices.Clip(guarded)
	for _, a := range n.args {
		if name := unguarded(a, guarded); name != "" {
			return name
		}
		if n.op == opAnd {
			guarded = append(guarded, guards(a)...)
		}
	}
	return ""
}
