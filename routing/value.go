package routing

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

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

// maxMessage is how many bytes a message has at most, apart from its own words: a name or a value in it may have 10⁶.
const maxMessage = 1500

// Problemf returns a problem at a place. Where its message grows out of bounds the arguments are shortened in their middle:
// an argument may be a message itself, which begins with what it is about and ends with the reason.
func Problemf(pos Pos, path, format string, args ...any) Problem {
	message := fmt.Sprintf(format, args...)
	if len(message) > maxMessage {
		shortened := make([]any, len(args))
		for i, arg := range args {
			if shortened[i] = arg; len(fmt.Sprint(arg)) > maxMessage/len(args) {
				shortened[i] = ClipMiddle(fmt.Sprint(arg), maxMessage/len(args))
			}
		}
		message = fmt.Sprintf(format, shortened...)
	}
	return Problem{Pos: pos, Path: path, Message: message}
}

// Warningf is [Problemf] for what is legal and yet cannot be what its author wanted.
func Warningf(pos Pos, path, format string, args ...any) Problem {
	p := Problemf(pos, path, format, args...)
	p.Warning = true
	return p
}

// Clip shortens a text for a message to its beginning. What it leaves out shows as an ellipsis.
func Clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return head(s, most) + "…"
}

// ClipMiddle shortens a text to its beginning and its end, of so many bytes together. What it leaves out between them
// shows as an ellipsis.
func ClipMiddle(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return head(s, most-most/2) + "…" + tail(s, most/2)
}

// head returns the first n bytes of s without a character that they cut. Bytes that are no UTF-8 stay: what is shown is
// a part of s, by which it can be found again.
func head(s string, n int) string {
	for cut := n; cut > max(0, n-utf8.UTFMax); cut-- {
		if utf8.RuneStart(s[cut]) {
			return s[:cut]
		}
	}
	return s[:n]
}

// tail returns the last n bytes of s without a character that they cut.
func tail(s string, n int) string {
	from := len(s) - n
	for cut := from; cut < min(len(s), from+utf8.UTFMax); cut++ {
		if utf8.RuneStart(s[cut]) {
			return s[cut:]
		}
	}
	return s[from:]
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
