package cesql

import (
	"errors"
	"strings"
	"testing"

	"github.com/eventrouter/router/envelope"
)

func mustParse(t testing.TB, src string) *Expr {
	t.Helper()
	x, err := Parse(src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return x
}

func kindOf(err error) ErrorKind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return NoError
}

// sample is an event with attributes of every type.
func sample() *envelope.Event {
	e := &envelope.Event{ID: "id-1", Source: "/orders", Type: "com.example.order.created", Subject: "true"}
	e.AddExtension("seq", "10", envelope.KindUntyped)
	e.AddExtension("padded", "010", envelope.KindUntyped)
	e.AddExtension("count", "1234", envelope.KindInteger)
	e.AddExtension("negzero", "-0", envelope.KindInteger)
	e.AddExtension("flag", "true", envelope.KindBoolean)
	e.AddExtension("lines", "a\nb", envelope.KindString)
	e.AddExtension("umlaut", "Ünï", envelope.KindString)
	return e
}

func TestEval(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      Value
		err       ErrorKind
	}{
		{"F1 minus without space", `5-3`, IntValue(2), NoError},
		{"F1 minus before a negative number", `5--3`, IntValue(8), NoError},
		{"F1 plus without space", `5+3`, IntValue(8), NoError},
		{"F1 minus after a parenthesis", `(5)-3`, IntValue(2), NoError},
		{"F1 minus after an attribute", `count-4`, IntValue(1230), NoError},
		{"minus, left to right", `10-3-2`, IntValue(5), NoError},
		{"F2 left to right", `FALSE AND FALSE OR TRUE`, BoolValue(true), NoError},
		{"F2 or before and", `TRUE OR FALSE AND FALSE`, BoolValue(false), NoError},
		{"F4 LEFT in code points", `LEFT('😀x', 1)`, StringValue("😀"), NoError},
		{"RIGHT in code points", `RIGHT('x😀é', 2)`, StringValue("😀é"), NoError},
		{"SUBSTRING in code points", `SUBSTRING('aÜbÜc', -4, 2)`, StringValue("Üb"), NoError},
		{"LENGTH in code points", `LENGTH(umlaut)`, IntValue(3), NoError},
		{"F5 overflow of plus", `2147483647 + 1`, IntValue(0), MathError},
		{"overflow of minus", `-2147483648 - 1`, IntValue(0), MathError},
		{"overflow of times", `65536 * 65536`, IntValue(0), MathError},
		{"overflow of negation", `--2147483648`, IntValue(0), MathError},
		{"overflow of division", `-2147483648 / -1`, IntValue(0), MathError},
		{"remainder of the least integer", `-2147483648 % -1`, IntValue(0), NoError},
		{"sign of the remainder", `-5 % 3`, IntValue(-2), NoError},
		{"F6 NOT of an integer", `NOT 10`, BoolValue(false), NoError},
		{"F7 missing", `missing != 'x'`, BoolValue(false), MissingAttributeError},
		{"missing NOT LIKE", `missing NOT LIKE 'x'`, BoolValue(false), MissingAttributeError},
		{"missing NOT IN", `missing NOT IN ('x')`, BoolValue(false), MissingAttributeError},
		{"missing in a set", `id IN ('id-1', missing)`, BoolValue(true), NoError},
		{"missing before the match", `id IN (missing, 'id-1')`, BoolValue(false), MissingAttributeError},
		{"missing argument", `LENGTH(missing)`, IntValue(0), MissingAttributeError},
		{"missing attribute wins over zero", `1 / 0 + missing`, IntValue(0), MathError},
		{"F10 LIKE and a newline", `lines LIKE '%'`, BoolValue(true), NoError},
		{"LIKE _ is a newline", `lines LIKE 'a_b'`, BoolValue(true), NoError},
		{"LIKE _ is a code point", `umlaut LIKE '_n_'`, BoolValue(true), NoError},
		{"LIKE a literal percent in the text", `'%abc' LIKE '%c'`, BoolValue(true), NoError},
		{"LIKE a backslash", `'a\b' LIKE 'a\b'`, BoolValue(true), NoError},
		{"LIKE the empty pattern", `'' LIKE ''`, BoolValue(true), NoError},
		{"LIKE needs the whole", `'aab' LIKE 'a_'`, BoolValue(false), NoError},
		{"LIKE goes back", `'abcabd' LIKE '%ab_'`, BoolValue(true), NoError},
		{"LIKE goes back over _", `'aXbXc' LIKE '%_X_'`, BoolValue(true), NoError},
		{"LIKE % at the end of nothing", `'a' LIKE 'a%'`, BoolValue(true), NoError},
		{"LIKE of an integer attribute", `count LIKE '12__'`, BoolValue(true), NoError},
		{"F11 LIKE minds case", `'aBc' LIKE 'abc'`, BoolValue(false), NoError},
		{"F12 a string is no Boolean", `subject`, StringValue("true"), NoError},
		{"native Boolean", `flag`, BoolValue(true), NoError},
		{"native Integer", `count`, IntValue(1234), NoError},
		{"an Integer that is not canonical", `negzero`, StringValue("-0"), NoError},
		{"its value", `negzero = 0`, BoolValue(true), NoError},
		{"cast left to right type, Boolean", `'TRUE' = TRUE`, BoolValue(true), NoError},
		{"cast left to right type, String", `TRUE = 'TRUE'`, BoolValue(false), NoError},
		{"text to Integer", `padded = 10`, BoolValue(true), NoError},
		{"Integer to text", `count = '1234'`, BoolValue(true), NoError},
		{"id is no number", `id = 10`, BoolValue(false), CastError},
		{"nearly a number", `'2147483648' = 1`, BoolValue(false), CastError},
		{"least number", `INT('-2147483648')`, IntValue(-2147483648), NoError},
		{"number with a sign", `INT('+7')`, IntValue(7), NoError},
		{"no digits", `INT('-')`, IntValue(0), CastError},
		{"number with a space", `INT(' 1')`, IntValue(0), CastError},
		{"long s is not an s", `BOOL('falſe')`, BoolValue(false), CastError},
		{"keywords in any case", `eXiStS Type aNd nOt fAlSe`, BoolValue(true), NoError},
		{"identifier folds", `TYPE = 'com.example.order.created'`, BoolValue(true), NoError},
		{"function name folds", `length('ab')`, IntValue(2), NoError},
		{"NOT binds tightest", `NOT TRUE = FALSE`, BoolValue(true), NoError},
		{"LIKE before times", `2 * '12' LIKE '1_'`, IntValue(2), NoError},
		{"IN before plus", `1 + 2 IN (2)`, IntValue(2), NoError},
		{"AND hides an error", `FALSE AND 1 / 0 = 1`, BoolValue(false), NoError},
		{"OR hides an error", `TRUE OR missing`, BoolValue(true), NoError},
		{"an error on the left stays", `missing = 'x' OR TRUE`, BoolValue(false), MissingAttributeError},
		{"guarded", `EXISTS missing AND missing = 'x' OR TRUE`, BoolValue(true), NoError},
		{"XOR sees both", `TRUE XOR missing`, BoolValue(false), MissingAttributeError},
		{"XOR chain", `TRUE XOR TRUE XOR TRUE`, BoolValue(true), NoError},
		{"unknown function", `FOO(1)`, BoolValue(false), MissingFunctionError},
		{"wrong arity", `LEFT('a')`, BoolValue(false), MissingFunctionError},
		{"LEFT of a negative count inside", `LEFT('abc', -1) = 'abc'`, BoolValue(false), FunctionEvaluationError},
		{"SUBSTRING of a negative length", `SUBSTRING('abc', 1, -1)`, StringValue(""), FunctionEvaluationError},
		{"SUBSTRING clipped", `SUBSTRING('abc', 2, 100)`, StringValue("bc"), NoError},
		{"SUBSTRING of nothing", `SUBSTRING('abc', 2, 0)`, StringValue(""), NoError},
		{"TRIM of Unicode space", "TRIM('\u2003a b\u00a0')", StringValue("a b"), NoError},
		{"CONCAT casts", `CONCAT(1, TRUE, 'x')`, StringValue("1truex"), NoError},
		{"CONCAT_WS with empty parts", `CONCAT_WS('-', '', '', 'a')`, StringValue("--a"), NoError},
		{"backslash stays", `'a\nb'`, StringValue(`a\nb`), NoError},
		{"two backslashes stay", `'a\\'`, StringValue(`a\\`), NoError},
		{"other quote's escape stays", `'a\"b'`, StringValue(`a\"b`), NoError},
		{"doubled quote", `'it''s'`, StringValue("it's"), NoError},
		{"EXISTS of a missing one", `EXISTS missing`, BoolValue(false), NoError},
		{"EXISTS of a required one", `EXISTS id`, BoolValue(true), NoError},
		{"specversion", `specversion`, StringValue("1.0"), NoError},
		{"name that begins with a digit", `EXISTS 1abc`, BoolValue(false), NoError},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := mustParse(t, c.src)
			got, err := x.Eval(sample())
			if got != c.want || kindOf(err) != c.err {
				t.Errorf("%s = %s %q, %v; want %s %q, %v", c.src, got.Type(), got, err, c.want.Type(), c.want, c.err)
			}
			if want := c.want == BoolValue(true) && c.err == NoError; x.True(sample()) != want {
				t.Errorf("True(%s) = %t, want %t", c.src, !want, want)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		src    string
		offset int
		part   string
	}{
		{``, 0, "unexpected the end, want an operand"},
		{`type =`, 6, "unexpected the end, want an operand"},
		{`type = = 'a'`, 7, "unexpected `=`"},
		{`'a' LIKE 123`, 9, "unexpected `123`, want a string literal after LIKE"},
		{`x LIKE id`, 7, "string literal"},
		{`type 'a'`, 5, "unexpected the string 'a', want an operator or the end"},
		{`'abc`, 0, "no closing '"},
		{`id = "a\"`, 5, `no closing "`},
		{`id IN ()`, 7, "at least one element"},
		{`id IN 'a'`, 6, "want ( after IN"},
		{`id IN ('a' 'b')`, 11, "want , or )"},
		{`id NOT = 1`, 7, "LIKE or IN after NOT"},
		{`(id = 'a'`, 9, "want an operator or )"},
		{`ABC(`, 4, "operand"},
		{`LEFT('a', )`, 10, "unexpected `)`"},
		{`EXISTS 'a'`, 7, "attribute name after EXISTS"},
		{`EXISTS 10`, 7, "attribute name after EXISTS"},
		{`EXISTS in`, 7, "unexpected `IN`"},
		{`2147483648`, 0, "outside of"},
		{`-2147483649`, 0, "outside of"},
		{`- 2147483648`, 2, "outside of"},
		{`+x`, 0, "directly before digits"},
		{`my_attr = 1`, 0, "only letters and digits"},
		{`f2(1)`, 0, "function name"},
		{`id == 'a'`, 3, "unexpected `==`; write = for equal"},
		{`id ! 'a'`, 3, "write != for unequal"},
		{`id = 'a' && TRUE`, 9, "unexpected character `&`; write AND"},
		{`id = 'a' || TRUE`, 9, "unexpected character `|`; write OR"},
		{`data.x = 'a'`, 4, "unexpected character `.`; an expression has attributes, and cannot look into the payload"},
		{`id = 'ä' ;`, 10, "unexpected character `;`"},
		{"id = '\xff'", 6, "not valid UTF-8"},
		{strings.Repeat("(", MaxDepth+1) + "1", MaxDepth + 1, "nested"},
		{strings.Repeat("NOT ", MaxDepth+1) + "TRUE", 4*MaxDepth + 4, "nested"},
		{"1" + strings.Repeat("+1", MaxDepth), 2*MaxDepth - 1, "nested"},
		{strings.Repeat(" ", MaxLength+1), MaxLength, "longer than"},
	} {
		_, err := Parse(c.src)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != ParseError || e.Offset != c.offset || !strings.Contains(e.Message, c.part) {
			t.Errorf("%.40q: %#v, want offset %d, %q", c.src, err, c.offset, c.part)
		}
	}
}

func TestErrorTellsThePlace(t *testing.T) {
	_, err := mustParse(t, `type = 'x' OR size = 'big'`).Eval(sample())
	want := "cesql: at character 15: the event has no attribute size"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	_, err = mustParse(t, `id = 10`).Eval(sample())
	want = `cesql: at character 4: cannot read "id-1" as Integer`
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// EXISTS of a required attribute is true whatever the event (§3.4.4); reading it is not.
func TestRequiredAttributesAlwaysExist(t *testing.T) {
	for _, name := range []string{"id", "source", "type", "specversion"} {
		if !mustParse(t, "EXISTS "+name).True(&envelope.Event{}) {
			t.Errorf("EXISTS %s is false", name)
		}
	}
	if _, err := mustParse(t, "id").Eval(&envelope.Event{}); kindOf(err) != MissingAttributeError {
		t.Errorf("id of an empty event: %v", err)
	}
}

// An event or a rule that would keep an evaluation busy ends it with an error.
func TestStepLimit(t *testing.T) {
	e := sample()
	e.AddExtension("long", strings.Repeat("a", 1<<20), envelope.KindString)
	for _, src := range []string{
		`long LIKE '%` + strings.Repeat("a_", 500) + `b%'`,
		`CONCAT(` + strings.Repeat("long,", 2000) + `'')`,
		strings.Repeat("LENGTH(long) = 1 OR ", 2000) + "TRUE",
	} {
		x := mustParse(t, src)
		if v, err := x.Eval(e); kindOf(err) != GenericError || v == BoolValue(true) || x.True(e) {
			t.Errorf("%.30s…: %.20v, %v, want the step limit", src, v, err)
		}
	}
}

func TestLongChainsAreNotDeep(t *testing.T) {
	src := strings.Repeat("id = 'x' OR ", 5000) + "TRUE"
	if !mustParse(t, src).True(sample()) {
		t.Error("a chain of 5,000 alternatives is not true")
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		src  string
		want []string // part of each warning
	}{
		{`type = 'a' AND source = 'b' AND id = 'c'`, nil},
		{`(type = 'a' AND source = 'b') OR id = 'c'`, nil},
		{`type LIKE 'com.*'`, []string{"at character 6: in LIKE a star is itself, and % is any run of characters: write LIKE 'com.%'"}},
		{`type NOT LIKE '*.com'`, []string{"write LIKE '%.com'"}},
		{`type LIKE '%*' OR type LIKE 'a_'`, nil},
		{`type = 'com.acme.%'`, []string{"= compares the whole text, % and all: write LIKE 'com.acme.%', or IN ('com.acme.%') if that is meant"}},
		{`source = '/a/*'`, []string{"write LIKE '/a/%', or IN ('/a/*')"}},
		{`id IN ('/a/*') AND id = '10%' AND id != '/a/*' AND id = '*'`, nil},
		{`type = 'a' AND source = 'b' OR id = 'c'`, []string{
			"at character 29: AND, OR and XOR have one precedence",
		}},
		{`type = 'a' OR source = 'b' AND id = 'c'`, []string{
			"write parentheses: (type = 'a' OR source = 'b') AND id = 'c'",
		}},
		{`TRUE AND TRUE OR TRUE XOR TRUE`, []string{"write parentheses: ((TRUE AND TRUE) OR TRUE) XOR TRUE"}},
		{`(TRUE AND TRUE) AND TRUE OR FALSE`, []string{"write parentheses: (TRUE AND TRUE AND TRUE) OR FALSE"}},
		{`NOT type = 'a'`, []string{"at character 1: NOT binds tighter than ="}},
		{`NOT (type = 'a')`, nil},
		{`NOT type LIKE 'a'`, []string{"NOT binds tighter than LIKE"}},
		{`(NOT TRUE) = FALSE`, nil},
		{`size = 'a' OR type = 'b'`, []string{"without the attribute size"}},
		{`size = 'a' OR size = 'b' OR size = 'c'`, []string{"without the attribute size"}},
		{`type = 'b' OR size = 'a'`, nil},
		{`(EXISTS size AND size = 'a') OR type = 'b'`, nil},
		{`EXISTS size AND (size = 'a' OR type = 'b')`, nil},
		{`size IN ('a', 'b') AND (size = 'a' OR type = 'b')`, nil},
		{`flag`, []string{"write flag = TRUE"}},
		{`id = 'it''s'`, []string{`write \' instead`}},
	} {
		got := mustParse(t, c.src).Warnings()
		if len(got) != len(c.want) {
			t.Errorf("%s: %q, want %q", c.src, got, c.want)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], c.want[i]) {
				t.Errorf("%s: %q, want %q", c.src, got[i], c.want[i])
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		src   string
		kinds []ErrorKind
		part  string
	}{
		{`type = 'a'`, nil, ""},
		{`flag`, nil, ""},
		{`FALSE AND 1 / 0 = 1`, nil, ""},
		{`subject`, []ErrorKind{GenericError}, "of type String, a filter must yield a Boolean"},
		{`5-3`, []ErrorKind{GenericError}, "of type Integer"},
		{`CONCAT_WS() AND TRUE`, []ErrorKind{MissingFunctionError}, "CONCAT_WS does not take 0 arguments, but 1 or more"},
		{`SUBSTRING('a') = 'a'`, []ErrorKind{MissingFunctionError}, "but 2 to 3"},
		{`FOO(id)`, []ErrorKind{MissingFunctionError}, "there is no function FOO, only LENGTH, CONCAT,"},
		{`seq = 1 / 0`, []ErrorKind{MathError}, "at character 9"},
		{`seq < 'ten'`, nil, ""},
		{`'ten' < 10 OR id = 'x'`, []ErrorKind{CastError}, `cannot read "ten" as Integer`},
		{`(1 / 0) + 2 = 3 OR FOO()`, []ErrorKind{MathError, MissingFunctionError}, "at character 4"},
	} {
		var kinds []ErrorKind
		err := mustParse(t, c.src).Check()
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				kinds = append(kinds, kindOf(e))
			}
		}
		if len(kinds) != len(c.kinds) || err != nil && !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s: %v, want %v with %q", c.src, err, c.kinds, c.part)
			continue
		}
		for i := range kinds {
			if kinds[i] != c.kinds[i] {
				t.Errorf("%s: %v, want %v", c.src, kinds, c.kinds)
			}
		}
	}
}

// Every function of the table resolves, and its checker and evaluator agree on its types.
func TestSignatures(t *testing.T) {
	for _, s := range signatures() {
		if got := s.fn.result(); got != s.result {
			t.Errorf("%s yields %v, want %v", s.name, got, s.result)
		}
		for i, p := range s.params {
			if got := s.fn.param(i); got != p {
				t.Errorf("%s casts argument %d to %v, want %v", s.name, i, got, p)
			}
		}
		if got := resolve(s.name, len(s.params)); got != s.fn {
			t.Errorf("%s resolves to %d, want %d", s.name, got, s.fn)
		}
	}
}

func TestString(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{`  type="a"  and (((id like 'x%')))`, `type = 'a' AND id LIKE 'x%'`},
		{`true and false or true`, `(TRUE AND FALSE) OR TRUE`},
		{`TRUE AND (FALSE OR TRUE)`, `TRUE AND (FALSE OR TRUE)`},
		{`(TRUE AND FALSE) AND TRUE`, `TRUE AND FALSE AND TRUE`},
		{`TRUE AND (FALSE AND TRUE)`, `TRUE AND (FALSE AND TRUE)`},
		{`(1+2)*3-(4-5)`, `(1 + 2) * 3 - (4 - 5)`},
		{`5--3`, `5 - -3`},
		{`--3`, `- -3`},
		{`- 3`, `- 3`},
		{`--x`, `--x`},
		{`-(1+2)`, `-(1 + 2)`},
		{`NOT (a != b)`, `NOT (a <> b)`},
		{`NOT a = b`, `NOT a = b`},
		{`not exists X`, `NOT EXISTS x`},
		{`a not in (1,-2,"q'")`, `a NOT IN (1, -2, 'q\'')`},
		{`(a = b) not like 'x'`, `(a = b) NOT LIKE 'x'`},
		{`concat_ws ( ',' ,substring(ID,1))`, `CONCAT_WS(',', SUBSTRING(id, 1))`},
		{`"a\'b"`, `"a\'b"`},
		{`'a"b'`, `'a"b'`},
		{`'it''s'`, `'it\'s'`},
		{`'a\\'`, `'a\\'`},
	} {
		x := mustParse(t, c.src)
		got := x.String()
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.src, got, c.want)
		}
		if again := mustParse(t, got).String(); again != got {
			t.Errorf("%s: printed again it is %s", got, again)
		}
		if x.Source() != c.src {
			t.Errorf("source %q, want %q", x.Source(), c.src)
		}
	}
}
