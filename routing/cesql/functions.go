package cesql

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// function is a built-in function, told apart by name and number of arguments.
type function uint8

const (
	fnMissing function = iota
	fnLength
	fnConcat
	fnConcatWS
	fnLower
	fnUpper
	fnTrim
	fnLeft
	fnRight
	fnSubstring
	fnAbs
	fnInt
	fnBool
	fnString
)

// signature is what a function takes and gives (§3.5). It casts its arguments to the types of params; a variadic
// function casts those behind them to String.
type signature struct {
	name     string
	fn       function
	params   []Type
	optional int // how many of the last params may be left out
	variadic bool
	result   Type
}

// signatures lists every function. INT, BOOL and STRING take any type: casting is what they do.
func signatures() [13]signature {
	return [...]signature{
		{name: "LENGTH", fn: fnLength, params: []Type{String}, result: Integer},
		{name: "CONCAT", fn: fnConcat, variadic: true, result: String},
		{name: "CONCAT_WS", fn: fnConcatWS, params: []Type{String}, variadic: true, result: String},
		{name: "LOWER", fn: fnLower, params: []Type{String}, result: String},
		{name: "UPPER", fn: fnUpper, params: []Type{String}, result: String},
		{name: "TRIM", fn: fnTrim, params: []Type{String}, result: String},
		{name: "LEFT", fn: fnLeft, params: []Type{String, Integer}, result: String},
		{name: "RIGHT", fn: fnRight, params: []Type{String, Integer}, result: String},
		{name: "SUBSTRING", fn: fnSubstring, params: []Type{String, Integer, Integer}, optional: 1, result: String},
		{name: "ABS", fn: fnAbs, params: []Type{Integer}, result: Integer},
		{name: "INT", fn: fnInt, params: []Type{Integer}, result: Integer},
		{name: "BOOL", fn: fnBool, params: []Type{Boolean}, result: Boolean},
		{name: "STRING", fn: fnString, params: []Type{String}, result: String},
	}
}

// resolve finds the function for a call, fnMissing if there is none of that name and arity.
func resolve(name string, args int) function {
	for _, s := range signatures() {
		if s.name == name && s.takes(args) {
			return s.fn
		}
	}
	return fnMissing
}

func (s signature) takes(args int) bool {
	return args >= len(s.params)-s.optional && (s.variadic || args <= len(s.params))
}

// result returns the type of a call's value; that of a missing function is Boolean.
func (f function) result() Type {
	switch f {
	case fnLength, fnAbs, fnInt:
		return Integer
	case fnMissing, fnBool:
		return Boolean
	default:
		return String
	}
}

// param returns the type that argument i is cast to.
func (f function) param(i int) Type {
	switch {
	case f == fnAbs, f == fnInt, i > 0 && (f == fnLeft || f == fnRight || f == fnSubstring):
		return Integer
	case f == fnBool:
		return Boolean
	default:
		return String
	}
}

// missingFunction says why a call has no function.
func missingFunction(n *node) string {
	var names []string
	for _, s := range signatures() {
		if s.name == n.name {
			return n.name + " does not take " + strconv.Itoa(len(n.args)) + " arguments, but " + s.arity()
		}
		names = append(names, s.name)
	}
	return "there is no function " + n.name + ", only " + strings.Join(names, ", ")
}

// arity says how many arguments a function takes.
func (s signature) arity() string {
	least := strconv.Itoa(len(s.params) - s.optional)
	switch {
	case s.variadic:
		return least + " or more"
	case s.optional > 0:
		return least + " to " + strconv.Itoa(len(s.params))
	default:
		return least
	}
}

// call evaluates a function call. The arguments are evaluated and cast in order; the first error stops it.
func (m *machine) call(n *node) Value {
	switch n.fn {
	case fnMissing:
		return m.fail(MissingFunctionError, n, BoolValue(false))
	case fnConcat, fnConcatWS:
		return m.concat(n)
	}
	var args [3]Value
	for i, a := range n.args {
		v, ok := m.operand(n, a, n.fn.param(i))
		if !ok || !m.charge(n, len(v.text)) {
			return zero(n.fn.result())
		}
		args[i] = v
	}
	return m.apply(n, args)
}

// apply runs a function on arguments of the right types.
func (m *machine) apply(n *node, args [3]Value) Value {
	s := args[0].text
	switch n.fn {
	case fnLength:
		return m.integer(n, int64(utf8.RuneCountInString(s)))
	case fnLower:
		return StringValue(strings.ToLower(s))
	case fnUpper:
		return StringValue(strings.ToUpper(s))
	case fnTrim:
		return StringValue(strings.TrimSpace(s))
	case fnLeft, fnRight:
		return m.side(n, s, int(args[1].num))
	case fnSubstring:
		length := math.MaxInt32
		if len(n.args) == 3 {
			length = int(args[2].num)
		}
		return m.substring(n, s, int(args[1].num), length)
	case fnAbs:
		return m.abs(n, args[0].num)
	default: // INT, BOOL and STRING: the cast was all
		return args[0]
	}
}

func (m *machine) abs(n *node, v int32) Value {
	if v == math.MinInt32 {
		return m.fail(MathError, n, IntValue(math.MaxInt32))
	}
	return IntValue(max(v, -v))
}

// side returns the first or last count code points.
func (m *machine) side(n *node, s string, count int) Value {
	if count < 0 {
		return m.fail(FunctionEvaluationError, n, StringValue(s))
	}
	if n.fn == fnLeft {
		return StringValue(s[:offsetOf(s, count)])
	}
	return StringValue(s[offsetOf(s, utf8.RuneCountInString(s)-count):])
}

// substring returns up to length code points from pos, which counts from 1, or from -1 at the end.
func (m *machine) substring(n *node, s string, pos, length int) Value {
	count := utf8.RuneCountInString(s)
	switch {
	case length < 0, pos > count, pos < -count:
		return m.fail(FunctionEvaluationError, n, StringValue(""))
	case pos == 0:
		return StringValue("")
	case pos > 0:
		pos--
	default:
		pos += count
	}
	s = s[offsetOf(s, pos):]
	return StringValue(s[:offsetOf(s, length)])
}

// offsetOf returns the byte offset of the count-th code point, the length of s if it has fewer.
func offsetOf(s string, count int) int {
	if count <= 0 {
		return 0
	}
	if count >= len(s) {
		return len(s)
	}
	for i := range s {
		if count == 0 {
			return i
		}
		count--
	}
	return len(s)
}

// concat joins its arguments, CONCAT_WS with its first one between the others.
func (m *machine) concat(n *node) Value {
	var b strings.Builder
	separator, first := "", true
	for i, a := range n.args {
		v, ok := m.operand(n, a, String)
		if !ok || !m.charge(n, len(v.text)+len(separator)) {
			return StringValue("")
		}
		if n.fn == fnConcatWS && i == 0 {
			separator = v.text
			continue
		}
		if !first {
			b.WriteString(separator)
		}
		b.WriteString(v.text)
		first = false
	}
	return StringValue(b.String())
}
