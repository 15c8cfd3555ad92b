package cesql

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	sdk "github.com/cloudevents/sdk-go/sql/v2"
	sdkerrors "github.com/cloudevents/sdk-go/sql/v2/errors"
	sdkparser "github.com/cloudevents/sdk-go/sql/v2/parser"
	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/eventrouter/router/envelope"
)

// sdkParse is the SDK's parser; it panics on some sources, which counts as a parse error here.
func sdkParse(src string) (x sdk.Expression, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return sdkparser.Parse(src)
}

// sdkEval evaluates an expression with the SDK.
func sdkEval(x sdk.Expression, e cloudevents.Event) (Value, ErrorKind) {
	v, err := x.Evaluate(e)
	kind := NoError
	switch {
	case err == nil:
	case sdkerrors.IsMissingAttributeError(err):
		kind = MissingAttributeError
	case sdkerrors.IsMathError(err):
		kind = MathError
	case sdkerrors.IsCastError(err):
		kind = CastError
	case sdkerrors.IsMissingFunctionError(err):
		kind = MissingFunctionError
	case sdkerrors.IsFunctionEvaluationError(err):
		kind = FunctionEvaluationError
	default:
		kind = GenericError
	}
	switch v := v.(type) {
	case bool:
		return BoolValue(v), kind
	case int32:
		return IntValue(v), kind
	case int: // the zero value beside an error
		return IntValue(int32(v)), kind
	case string:
		return StringValue(v), kind
	default:
		return StringValue(fmt.Sprintf("%T %v", v, v)), kind
	}
}

// sdkSample is the same event for both implementations.
func sdkSample() (*envelope.Event, cloudevents.Event) {
	ours := &envelope.Event{ID: "id-1", Source: "/orders", Type: "com.example.created", Subject: "true"}
	theirs := cloudevents.NewEvent()
	theirs.SetID(ours.ID)
	theirs.SetSource(ours.Source)
	theirs.SetType(ours.Type)
	theirs.SetSubject(ours.Subject)
	theirs.SetTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	ours.Time = "2026-01-02T03:04:05Z"
	for _, a := range []envelope.Attr{
		{Name: "seq", Value: "10"}, {Name: "word", Value: "abc"}, {Name: "empty", Value: ""},
	} {
		ours.AddExtension(a.Name, a.Value, envelope.KindString)
		theirs.SetExtension(a.Name, a.Value)
	}
	ours.AddExtension("count", "7", envelope.KindInteger)
	theirs.SetExtension("count", int32(7))
	ours.AddExtension("flag", "true", envelope.KindBoolean)
	theirs.SetExtension("flag", true)
	return ours, theirs
}

// generator writes random expressions within what both implementations read alike; the rest is sdkDeviations.
type generator struct{ *rand.Rand }

func (g generator) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g generator) expression(depth int) string {
	if depth == 0 {
		return g.leaf()
	}
	sub := func() string { return "(" + g.expression(depth-1) + ")" }
	switch g.IntN(11) {
	case 0:
		return g.pick("NOT ", "- ") + sub()
	case 1:
		return sub() + g.pick(" LIKE ", " NOT LIKE ") + g.pick("'%a%'", "'_b_'", "'10'", "'tr%'", "'%.%'", "''", "'%'")
	case 2:
		return sub() + g.pick(" IN ", " NOT IN ") + "(" + g.leaf() + ", " + sub() + ")"
	case 3:
		op := g.pick(" AND ", " OR ", " XOR ")
		return sub() + op + sub() + op + sub()
	case 4:
		return g.arithmetic() + g.pick(" < ", " <= ", " > ", " >= ", " = ") + g.arithmetic()
	case 5:
		return g.arithmetic()
	case 6, 7:
		return g.call(sub)
	default:
		return sub() + g.pick(" = ", " != ", " <> ", " < ", " >= ") + sub()
	}
}

// arithmetic mixes precedences, with numbers too small to overflow.
func (g generator) arithmetic() string {
	s := g.number()
	for range g.IntN(4) {
		s += g.pick(" + ", " - ", " * ", " / ", " % ") + g.number()
	}
	return s
}

func (g generator) number() string {
	return g.pick("0", "1", "7", "-3", "'4'", "TRUE", "count", "seq", "word", "missing", "ABS(-2)", "-count")
}

func (g generator) call(sub func() string) string {
	n := g.pick("-1", "0", "1", "2", "9")
	switch name := g.pick("LENGTH", "LOWER", "UPPER", "TRIM", "ABS", "INT", "BOOL", "STRING", "CONCAT", "CONCAT_WS", "LEFT",
		"RIGHT", "SUBSTRING", "SUBSTRINGS", "FOO"); name {
	case "CONCAT", "CONCAT_WS":
		return name + "(" + sub() + ", " + sub() + ", " + g.leaf() + ")"
	case "LEFT", "RIGHT", "SUBSTRING":
		return name + "(" + sub() + ", " + n + ")"
	case "SUBSTRINGS":
		return "SUBSTRING(" + sub() + ", " + n + ", " + g.pick("0", "1", "5") + ")"
	default:
		return name + "(" + sub() + ")"
	}
}

func (g generator) leaf() string {
	return g.pick("TRUE", "false", "0", "1", "-7", "10", "'abc'", `"a b"`, "'10'", "'true'", "''", "id", "source", "type",
		"subject", "time", "SEQ", "word", "empty", "count", "flag", "missing", "EXISTS word", "EXISTS missing",
		"EXISTS Count")
}

func TestAgreesWithTheSDK(t *testing.T) {
	ours, theirs := sdkSample()
	g := generator{rand.New(rand.NewPCG(7, 11))}
	kinds := map[ErrorKind]int{}
	for range 5_000 {
		src := g.expression(1 + g.IntN(3))
		x, err := Parse(src)
		y, sdkErr := sdkParse(src)
		if err != nil || sdkErr != nil {
			t.Fatalf("%s: %v; SDK %v", src, err, sdkErr)
		}
		got, err := x.Eval(ours)
		want, wantKind := sdkEval(y, theirs)
		if got != want || kindOf(err) != wantKind {
			t.Errorf("%s = %v %v, %v; SDK %v %v, %v", src, got.Type(), got, err, want.Type(), want, wantKind)
		}
		kinds[wantKind]++
	}
	for _, k := range []ErrorKind{NoError, MathError, CastError, MissingAttributeError, MissingFunctionError, FunctionEvaluationError} {
		if kinds[k] < 20 {
			t.Errorf("only %d expressions ended with error %v: the test proves little", kinds[k], k)
		}
	}
}

// Where the SDK departs from the specification, or where this package decides what the specification leaves open.
// A case that fails because the SDK now agrees belongs into the generator above.
func TestDeviationsOfTheSDK(t *testing.T) {
	for _, c := range []struct {
		why, src string
		ours     Value
		kind     ErrorKind
	}{
		{"panics on a minus without a space", `5-3`, IntValue(2), NoError},
		{"reads logic operators from right to left", `FALSE AND FALSE OR TRUE`, BoolValue(true), NoError},
		{"counts bytes in LENGTH", `LENGTH('Ünï')`, IntValue(3), NoError},
		{"cuts inside of a character in LEFT", `LEFT('😀x', 1)`, StringValue("😀"), NoError},
		{"cuts inside of a character in RIGHT", `RIGHT('x😀', 1)`, StringValue("😀"), NoError},
		{"counts bytes in SUBSTRING", `SUBSTRING('Üx', 2)`, StringValue("x"), NoError},
		{"lets _ be one byte", `'Ü' LIKE '_'`, BoolValue(true), NoError},
		{"loses % before a percent in the text", `'%abc' LIKE '%c'`, BoolValue(true), NoError},
		{"wraps a sum", `2147483647 + 1`, IntValue(0), MathError},
		{"wraps a product", `65536 * 65536`, IntValue(0), MathError},
		{"keeps doubled quotes", `'it''s'`, StringValue("it's"), NoError},
	} {
		ours, theirs := sdkSample()
		got, err := mustParse(t, c.src).Eval(ours)
		if got != c.ours || kindOf(err) != c.kind {
			t.Errorf("%s = %v, %v; want %v, %v", c.src, got, err, c.ours, c.kind)
		}
		y, sdkErr := sdkParse(c.src)
		if sdkErr != nil {
			continue
		}
		if v, kind := sdkEval(y, theirs); v == got && kind == c.kind {
			t.Errorf("%s: the SDK agrees by now, though it %s", c.src, c.why)
		}
	}
}
