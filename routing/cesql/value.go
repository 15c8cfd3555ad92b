package cesql

import (
	"math"
	"strconv"
)

// Type is one of the language's three types.
type Type uint8

// The types. AnyType is known only to the checker: the type of an extension attribute before there is an event.
const (
	Boolean Type = iota
	Integer
	String
	AnyType
)

// String returns the name the specification gives the type.
func (t Type) String() string {
	switch t {
	case Boolean:
		return "Boolean"
	case Integer:
		return "Integer"
	case String:
		return "String"
	default:
		return "Any"
	}
}

// Value is a result. The zero value is the Boolean false. Values are comparable.
type Value struct {
	text string
	num  int32
	typ  Type
}

// BoolValue makes a Boolean.
func BoolValue(b bool) Value {
	if b {
		return Value{num: 1}
	}
	return Value{}
}

// IntValue makes an Integer.
func IntValue(n int32) Value { return Value{num: n, typ: Integer} }

// StringValue makes a String.
func StringValue(s string) Value { return Value{text: s, typ: String} }

// Type returns the value's type, never AnyType.
func (v Value) Type() Type { return v.typ }

// Bool returns a Boolean's value, false for the other types.
func (v Value) Bool() bool { return v.typ == Boolean && v.num != 0 }

// Int returns an Integer's value, 0 for the other types.
func (v Value) Int() int32 {
	if v.typ != Integer {
		return 0
	}
	return v.num
}

// String returns the value cast to String (§3.7), which is always possible.
func (v Value) String() string {
	switch v.typ {
	case Boolean:
		return strconv.FormatBool(v.num != 0)
	case Integer:
		return strconv.Itoa(int(v.num))
	default:
		return v.text
	}
}

// appendTo appends what String returns.
func (v Value) appendTo(b []byte) []byte {
	switch v.typ {
	case Boolean:
		return strconv.AppendBool(b, v.num != 0)
	case Integer:
		return strconv.AppendInt(b, int64(v.num), 10)
	default:
		return append(b, v.text...)
	}
}

// zero returns the zero value of a type.
func zero(t Type) Value {
	if t == AnyType {
		return Value{}
	}
	return Value{typ: t}
}

// cast changes a value's type as §3.7 has it. The false result means that there is no such cast.
func cast(v Value, to Type) (Value, bool) {
	switch {
	case v.typ == to:
		return v, true
	case to == String:
		return StringValue(v.String()), true
	case to == Integer && v.typ == Boolean:
		return IntValue(v.num), true
	case to == Boolean && v.typ == Integer:
		return BoolValue(v.num != 0), true
	case to == Integer:
		n, ok := parseInt(v.text)
		return IntValue(n), ok
	default:
		b, ok := parseBool(v.text)
		return BoolValue(b), ok
	}
}

// parseInt reads [+-]?[0-9]+ as a 32-bit integer. It is not strconv.ParseInt because that allocates its errors, and
// an attribute that is no number is an everyday event.
func parseInt(s string) (int32, bool) {
	digits, negative := s, false
	if s != "" && (s[0] == '+' || s[0] == '-') {
		digits, negative = s[1:], s[0] == '-'
	}
	if digits == "" {
		return 0, false
	}
	var n int64
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int64(c-'0'); n > math.MaxInt32+1 {
			return 0, false
		}
	}
	if negative {
		n = -n
	}
	return int32(n), n <= math.MaxInt32
}

// parseBool reads true and false in any case. Only ASCII letters are folded: to strings.EqualFold the long s of
// "falſe" would be an s.
func parseBool(s string) (value, ok bool) {
	switch {
	case foldsTo(s, "TRUE"):
		return true, true
	case foldsTo(s, "FALSE"):
		return false, true
	}
	return false, false
}

// foldsTo tells whether s is the upper-case ASCII word, in any case.
func foldsTo(s, word string) bool {
	if len(s) != len(word) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// isCanonicalInt tells whether s is exactly how an Integer is written: casting it to Integer and back yields s.
func isCanonicalInt(s string) bool {
	_, ok := parseInt(s)
	switch {
	case !ok, s[0] == '+':
		return false
	case s[0] == '-':
		return s[1] != '0'
	default:
		return s[0] != '0' || len(s) == 1
	}
}
