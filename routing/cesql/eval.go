package cesql

import (
	"strconv"

	"github.com/eventrouter/router/envelope"
)

// machine is one evaluation. It lives on the caller's stack; the first error stops it and is kept as plain fields, so
// that an event without the attribute a filter asks for costs no allocation.
type machine struct {
	event  *envelope.Event
	budget int

	kind ErrorKind
	at   *node
	got  Value // of a CastError: what could not be cast
	want Type
}

// Eval evaluates the expression. The value is valid even beside an error, which is an *Error: it is the zero value of
// the expression's type, or what a function defines for its error. Strings share memory with the event.
func (x *Expr) Eval(e *envelope.Event) (Value, error) {
	m := machine{event: e, budget: MaxSteps}
	v := m.eval(x.root)
	if m.kind == NoError {
		return v, nil
	}
	return v, m.failure()
}

// True tells whether an event passes the expression as a filter: it yields the Boolean true, and no error.
func (x *Expr) True(e *envelope.Event) bool {
	holds, _ := x.Test(e)
	return holds
}

// Test is True, and tells whether an error is the reason why it does not hold. It makes no error value, so that it costs
// what True costs.
func (x *Expr) Test(e *envelope.Event) (holds, failed bool) {
	m := machine{event: e, budget: MaxSteps}
	v := m.eval(x.root)
	return m.kind == NoError && v.Bool(), m.kind != NoError
}

// fail notes the first error and returns the value that goes with it.
func (m *machine) fail(kind ErrorKind, at *node, v Value) Value {
	m.kind, m.at = kind, at
	return v
}

// charge takes a step, and one for every eight bytes, from the budget.
func (m *machine) charge(n *node, bytes int) bool {
	if m.budget -= 1 + bytes/8; m.budget >= 0 {
		return true
	}
	m.kind, m.at = GenericError, n
	return false
}

// eval evaluates a node. Callers look at m.kind before they use the value.
func (m *machine) eval(n *node) Value {
	if !m.charge(n, 0) {
		return Value{}
	}
	switch n.op {
	case opLiteral:
		return n.value
	case opAttribute:
		return m.attribute(n)
	case opExists:
		return BoolValue(n.exists(m.event))
	case opCall:
		return m.call(n)
	case opNot:
		v, ok := m.operand(n, n.args[0], Boolean)
		return BoolValue(ok && v.num == 0)
	case opNegate:
		v, ok := m.operand(n, n.args[0], Integer)
		if !ok {
			return IntValue(0)
		}
		return m.integer(n, -int64(v.num))
	case opLike:
		return m.like(n)
	case opIn:
		return m.in(n)
	case opAnd, opOr:
		return m.shortCircuit(n)
	case opXor:
		return m.xor(n)
	case opEqual, opUnequal:
		return m.equality(n)
	case opLess, opLessEqual, opGreater, opGreaterEqual:
		return m.order(n)
	default:
		return m.arithmetic(n)
	}
}

// operand evaluates a node and casts it; false means that there was an error.
func (m *machine) operand(parent, n *node, to Type) (Value, bool) {
	v := m.eval(n)
	if m.kind != NoError {
		return Value{}, false
	}
	return m.cast(parent, v, to)
}

// cast casts a value for an operator, and fails as that operator's error if it cannot.
func (m *machine) cast(n *node, v Value, to Type) (Value, bool) {
	c, ok := cast(v, to)
	if !ok {
		m.kind, m.at, m.got, m.want = CastError, n, v, to
	}
	return c, ok
}

// failure builds the error; the only place where an evaluation allocates for one.
func (m *machine) failure() *Error {
	e := &Error{Kind: m.kind, Offset: m.at.pos}
	switch m.kind {
	case MissingAttributeError:
		e.Message = "the event has no attribute " + m.at.name
	case MissingFunctionError:
		e.Message = missingFunction(m.at)
	case FunctionEvaluationError:
		e.Message = m.at.name + ": an argument is outside of what the function accepts"
	case CastError:
		e.Message = "cannot read " + strconv.Quote(clip(m.got.text)) + " as " + m.want.String()
	case MathError:
		e.Message = "the result is not a 32-bit integer"
	default:
		e.Message = "the evaluation took more than " + strconv.Itoa(MaxSteps) + " steps"
	}
	return e
}

// clip cuts what a message quotes from an event.
func clip(s string) string { return s[:min(len(s), 40)] }
