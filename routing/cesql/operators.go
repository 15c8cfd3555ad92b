package cesql

import (
	"math"

	"github.com/eventrouter/router/envelope"
)

// attribute reads an attribute with the type its carrier gave it (§3.2). A text that is not canonical, such as the
// Integer "-0", stays a String, so that an attribute cast to String is always the text that routing sees.
func (m *machine) attribute(n *node) Value {
	if n.core != extension {
		if s := n.core.get(m.event); s != "" {
			return StringValue(s)
		}
		return m.fail(MissingAttributeError, n, Value{})
	}
	a := m.event.FindExtension(n.name)
	if a == nil {
		return m.fail(MissingAttributeError, n, Value{})
	}
	switch {
	case a.Kind == envelope.KindBoolean && (a.Value == "true" || a.Value == "false"):
		return BoolValue(a.Value == "true")
	case a.Kind == envelope.KindInteger && isCanonicalInt(a.Value):
		i, _ := parseInt(a.Value)
		return IntValue(i)
	}
	return StringValue(a.Value)
}

// exists answers EXISTS, which is true for required attributes whatever the event (§3.4.4).
func (n *node) exists(e *envelope.Event) bool {
	switch {
	case n.core.required():
		return true
	case n.core != extension:
		return n.core.get(e) != ""
	default:
		return e.FindExtension(n.name) != nil
	}
}

// shortCircuit evaluates a chain of AND or of OR up to the operand that decides it.
func (m *machine) shortCircuit(n *node) Value {
	decides := n.op == opOr
	for _, a := range n.args {
		v, ok := m.operand(n, a, Boolean)
		if !ok {
			return BoolValue(false)
		}
		if v.Bool() == decides {
			return v
		}
	}
	return BoolValue(!decides)
}

func (m *machine) xor(n *node) Value {
	result := false
	for _, a := range n.args {
		v, ok := m.operand(n, a, Boolean)
		if !ok {
			return BoolValue(false)
		}
		result = result != v.Bool()
	}
	return BoolValue(result)
}

// pair evaluates both operands without casting them.
func (m *machine) pair(n *node) (left, right Value, ok bool) {
	if left = m.eval(n.args[0]); m.kind != NoError {
		return left, right, false
	}
	right = m.eval(n.args[1])
	return left, right, m.kind == NoError
}

// equality compares with = and <>. The operator is ambiguous, so the left operand is cast to the type of the right
// one (§3.7).
func (m *machine) equality(n *node) Value {
	left, right, ok := m.pair(n)
	if !ok {
		return BoolValue(false)
	}
	equal, ok := m.equal(n, left, right)
	return BoolValue(ok && equal == (n.op == opEqual))
}

// equal casts v to the type of the other value and compares. Casting an Integer to String is done without building
// the string.
func (m *machine) equal(n *node, v, other Value) (equal, ok bool) {
	if v.typ == Integer && other.typ == String {
		var buf [11]byte
		return string(v.appendTo(buf[:0])) == other.text, true
	}
	v, ok = m.cast(n, v, other.typ)
	if !ok || !m.charge(n, min(len(v.text), len(other.text))) {
		return false, false
	}
	return v == other, true
}

// in compares with each element, cast to the type of the left side, until one is equal.
func (m *machine) in(n *node) Value {
	left := m.eval(n.args[0])
	if m.kind != NoError {
		return BoolValue(false)
	}
	for _, a := range n.args[1:] {
		v := m.eval(a)
		if m.kind != NoError {
			return BoolValue(false)
		}
		equal, ok := m.equal(n, v, left)
		if !ok {
			return BoolValue(false)
		}
		if equal {
			return BoolValue(!n.negated)
		}
	}
	return BoolValue(n.negated)
}

func (m *machine) like(n *node) Value {
	v := m.eval(n.args[0])
	if m.kind != NoError {
		return BoolValue(false)
	}
	text := v.text
	if v.typ != String {
		var buf [11]byte
		text = string(v.appendTo(buf[:0])) // stays on the stack
	}
	matched := n.pattern.match(text, &m.budget)
	if m.budget < 0 {
		return m.fail(GenericError, n, BoolValue(false))
	}
	return BoolValue(matched != n.negated)
}

// integers evaluates both operands as Integers.
func (m *machine) integers(n *node) (left, right int64, ok bool) {
	l, r, ok := m.pair(n)
	if !ok {
		return 0, 0, false
	}
	if l, ok = m.cast(n, l, Integer); !ok {
		return 0, 0, false
	}
	r, ok = m.cast(n, r, Integer)
	return int64(l.num), int64(r.num), ok
}

func (m *machine) order(n *node) Value {
	l, r, ok := m.integers(n)
	if !ok {
		return BoolValue(false)
	}
	switch n.op {
	case opLess:
		return BoolValue(l < r)
	case opLessEqual:
		return BoolValue(l <= r)
	case opGreater:
		return BoolValue(l > r)
	default:
		return BoolValue(l >= r)
	}
}

// arithmetic computes in 64 bits, where no operation on two 32-bit operands overflows.
func (m *machine) arithmetic(n *node) Value {
	l, r, ok := m.integers(n)
	if !ok {
		return IntValue(0)
	}
	switch n.op {
	case opMultiply:
		return m.integer(n, l*r)
	case opAdd:
		return m.integer(n, l+r)
	case opSubtract:
		return m.integer(n, l-r)
	}
	if r == 0 {
		return m.fail(MathError, n, IntValue(0))
	}
	if n.op == opDivide {
		return m.integer(n, l/r)
	}
	return m.integer(n, l%r)
}

// integer makes a result of 32 bits, 0 and a math error where it does not fit.
func (m *machine) integer(n *node, v int64) Value {
	if v < math.MinInt32 || v > math.MaxInt32 {
		return m.fail(MathError, n, IntValue(0))
	}
	return IntValue(int32(v))
}
