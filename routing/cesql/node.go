package cesql

import "github.com/eventrouter/router/envelope"

// The limits of an expression and of one evaluation.
const (
	// MaxLength is the longest source, in bytes.
	MaxLength = 64 << 10
	// MaxDepth is the deepest nesting of operators, calls and parentheses. A chain of one logic operator is one level.
	MaxDepth = 200
	// MaxSteps bounds an evaluation: one step for each operator and, for what reads or builds text, one for every
	// eight bytes.
	MaxSteps = 1 << 20
)

// operator is what a node does.
type operator uint8

const (
	opLiteral operator = iota
	opAttribute
	opExists
	opCall
	opNot
	opNegate
	opLike
	opIn
	opMultiply
	opDivide
	opModulo
	opAdd
	opSubtract
	opEqual
	opUnequal
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opAnd
	opOr
	opXor
)

// node is a piece of a parsed expression; after Parse nobody writes to it.
type node struct {
	op    operator
	pos   int  // where its own token stands in the source
	depth int  // levels below and including this one
	paren bool // it stood in parentheses

	value   Value     // opLiteral
	raw     string    // opLiteral: a string's source text
	name    string    // opAttribute, opExists: the attribute; opCall: the function in upper case
	core    coreField // opAttribute, opExists
	fn      function  // opCall
	negated bool      // opLike, opIn: NOT LIKE, NOT IN
	pattern pattern   // opLike
	args    []*node   // operands, arguments; of opIn the left side, then the elements
}

// coreField tells core attributes apart without comparing names on every event.
type coreField uint8

const (
	extension coreField = iota
	coreID
	coreSource
	coreType
	coreSpecVersion
	coreSubject
	coreTime
	coreDataContentType
	coreDataSchema
)

// required tells whether every valid event has the attribute.
func (c coreField) required() bool { return c >= coreID && c <= coreSpecVersion }

// coreFieldOf returns the field of a core attribute, extension for every other name.
func coreFieldOf(name string) coreField {
	switch name {
	case "id":
		return coreID
	case "source":
		return coreSource
	case "type":
		return coreType
	case "specversion":
		return coreSpecVersion
	case "subject":
		return coreSubject
	case "time":
		return coreTime
	case "datacontenttype":
		return coreDataContentType
	case "dataschema":
		return coreDataSchema
	}
	return extension
}

// get returns the text of a core attribute, empty if the event does not have it.
func (c coreField) get(e *envelope.Event) string {
	switch c {
	case coreID:
		return e.ID
	case coreSource:
		return e.Source
	case coreType:
		return e.Type
	case coreSpecVersion:
		return envelope.SpecVersion
	case coreSubject:
		return e.Subject
	case coreTime:
		return e.Time
	case coreDataContentType:
		return e.DataContentType
	case coreDataSchema:
		return e.DataSchema
	default:
		return ""
	}
}

// Expr is a parsed expression. It is immutable and safe for concurrent use.
type Expr struct {
	root     *node
	source   string
	warnings []string
}

// Source returns the text the expression was parsed from.
func (x *Expr) Source() string { return x.source }

// Warnings returns what is legal and yet perhaps not what the author meant: logic operators mixed without
// parentheses, NOT before a comparison, an optional attribute left of OR without EXISTS, and such.
func (x *Expr) Warnings() []string { return x.warnings }
