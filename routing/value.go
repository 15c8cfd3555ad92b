package routing

import "strconv"

// Pos is a place in a configuration file. Line and Column count from 1; a zero Line means that the place is unknown.
type Pos struct {
	File         string
	Line, Column int
}

// String returns file:line:column, without the parts that are unknown.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	s := strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
	if p.File == "" {
		return s
	}
	return p.File + ":" + s
}

// ValueKind is the shape of a Value.
type ValueKind uint8

// The kinds of values.
const (
	Null ValueKind = iota
	Scalar
	List
	Map
)

// Value is a piece of a configuration file as a user wrote it, with its place: what the loader hands to this package
// so that it can read rules without knowing YAML. Variables are already replaced.
type Value struct {
	Kind ValueKind
	Pos  Pos
	// Path is the YAML path, such as routes[2].when.type.
	Path string
	// Scalar is the text of a scalar exactly as written; Quoted says that it stood in quotes, so that "true" and
	// true, "5" and 5 can be told apart.
	Scalar string
	Quoted bool
	Items  []Value
	Fields []Field
}

// Field is one key of a Map.
type Field struct {
	Key   string
	Pos   Pos
	Value Value
}

// Problem is a mistake in a rule: where it is, what it is and how to mend it.
type Problem struct {
	Pos     Pos
	Path    string
	Message string
	// Warning is true for a rule that is legal and yet cannot be what its author wanted.
	Warning bool
}

// Error returns the place, the path and the message.
func (p Problem) Error() string {
	s := p.Message
	if p.Path != "" {
		s = p.Path + ": " + s
	}
	if pos := p.Pos.String(); pos != "" {
		s = pos + ": " + s
	}
	return s
}
