package cesql

import "strconv"

// ErrorKind is the class of an error, as §3.3 of the specification names them.
type ErrorKind uint8

// The kinds of errors.
const (
	// NoError is the zero value; no Error has it.
	NoError ErrorKind = iota
	// ParseError is a source that is not an expression.
	ParseError
	// MathError is a division by zero or a result beyond 32 bits.
	MathError
	// CastError is a value that has no meaning in the type an operator wants.
	CastError
	// MissingAttributeError is an attribute that the event does not have.
	MissingAttributeError
	// MissingFunctionError is an unknown function, or a known one with a number of arguments it does not take.
	MissingFunctionError
	// FunctionEvaluationError is an argument outside of what a function accepts.
	FunctionEvaluationError
	// GenericError is everything else: an evaluation that took more than MaxSteps.
	GenericError
)

// String returns the name the conformance tests use.
func (k ErrorKind) String() string {
	switch k {
	case ParseError:
		return "parse"
	case MathError:
		return "math"
	case CastError:
		return "cast"
	case MissingAttributeError:
		return "missingAttribute"
	case MissingFunctionError:
		return "missingFunction"
	case FunctionEvaluationError:
		return "functionEvaluation"
	case GenericError:
		return "generic"
	default:
		return "none"
	}
}

// Error is a mistake in an expression, or what went wrong in evaluating it.
type Error struct {
	Kind ErrorKind
	// Offset is the byte offset into the source of the token it is about, from 0.
	Offset int
	// Message says what is wrong and, for a parse error, what would be valid there.
	Message string
}

// Error returns the place, counted from 1, and the message.
func (e *Error) Error() string {
	return "cesql: at character " + strconv.Itoa(e.Offset+1) + ": " + e.Message
}
