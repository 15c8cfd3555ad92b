package cesql

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/eventrouter/router/envelope"
)

func TestConjuncts(t *testing.T) {
	one := func(attribute string, op Op, values ...string) Conjunct {
		return Conjunct{Attribute: attribute, Op: op, Values: values}
	}
	either := func(first ...Conjunct) func(second ...Conjunct) []Conjunct {
		return func(second ...Conjunct) []Conjunct {
			return []Conjunct{{Op: Either, Either: [][]Conjunct{first, second}}}
		}
	}
	for _, c := range []struct {
		src  string
		want []Conjunct
	}{
		{`type = 'a'`, []Conjunct{one("type", Equal, "a")}},
		{`'a' = type`, []Conjunct{one("type", Equal, "a")}},
		{`TYPE IN ('b', 'a', 'b')`, []Conjunct{one("type", In, "a", "b")}},
		{`type IN ('a')`, []Conjunct{one("type", Equal, "a")}},
		{`type IN (1, TRUE)`, []Conjunct{one("type", In, "1", "true")}},
		{`type LIKE 'a%'`, []Conjunct{one("type", Prefix, "a")}},
		{`type LIKE '%a'`, []Conjunct{one("type", Suffix, "a")}},
		{`type LIKE 'a%b%c'`, []Conjunct{one("type", Prefix, "a"), one("type", Suffix, "c"), one("type", Contains, "b")}},
		{`type LIKE '%a_b%'`, []Conjunct{one("type", Contains, "a"), one("type", Contains, "b")}},
		{`type LIKE 'a_'`, []Conjunct{one("type", Prefix, "a")}},
		{`type LIKE '100\%'`, []Conjunct{one("type", Equal, "100%")}},
		{`type LIKE '100\%%'`, []Conjunct{one("type", Prefix, "100%")}},
		{`type LIKE '%'`, nil},
		{`subject LIKE '%'`, []Conjunct{one("subject", Exists)}},
		{`ext LIKE ''`, []Conjunct{one("ext", Equal, "")}},
		{`EXISTS ext`, []Conjunct{one("ext", Exists)}},
		{`EXISTS id`, nil},
		{`type = 'a' AND (source LIKE 'b%' AND EXISTS x) AND n > 3`, []Conjunct{
			one("type", Equal, "a"), one("source", Prefix, "b"), one("x", Exists),
		}},
		{`type = 'a' OR type = 'b'`, []Conjunct{one("type", In, "a", "b")}},
		{`type = 'b' OR (type IN ('a', 'b') AND source = 'x')`, []Conjunct{one("type", In, "a", "b")}},
		{`type = 'a' OR source = 'b'`, either(one("type", Equal, "a"))(one("source", Equal, "b"))},
		{`type = 'a' OR (source = 'b' AND EXISTS x)`, either(one("type", Equal, "a"))(one("source", Equal, "b"), one("x", Exists))},
		{`(type = 'a' OR source = 'b') AND EXISTS x`, append(either(one("type", Equal, "a"))(one("source", Equal, "b")), one("x", Exists))},
		{`type = 'a' OR (source = 'b' OR x = 'c') OR type = 'a'`, []Conjunct{{Op: Either, Either: [][]Conjunct{
			{one("type", Equal, "a")}, {one("source", Equal, "b")}, {one("x", Equal, "c")}, {one("type", Equal, "a")},
		}}}},
		{`type = 'a' OR ((source = 'b' OR x = 'c') AND y LIKE 'd%')`, either(one("type", Equal, "a"))(one("y", Prefix, "d"))},
		{`type = 'a' OR source <> 'b'`, nil},
		{`type = 'a' OR TRUE`, nil},
		{`type = 'a' XOR source = 'b'`, nil},
		{`NOT (type = 'a')`, nil},
		{`type <> 'a'`, nil},
		{`type NOT IN ('a')`, nil},
		{`type NOT LIKE 'a%'`, nil},
		{`type = source`, nil},
		{`type IN ('a', source)`, nil},
		{`LOWER(type) = 'a'`, nil},
		{`type = 10`, nil},
		{`10 = type`, []Conjunct{one("type", Equal, "10")}},
		{`seq = 10`, nil},
		{`10 = seq`, nil},
		{`seq = '10'`, []Conjunct{one("seq", Equal, "10")}},
		{`'10' = seq`, []Conjunct{one("seq", Equal, "10")}},
		{`'010' = seq`, nil},
		{`'TRUE' = flag`, nil},
		{`'true' = flag`, []Conjunct{one("flag", Equal, "true")}},
		{`flag IN ('TRUE')`, nil},
		{`flag IN (1)`, nil},
		{`ext IN ('a', '-1')`, []Conjunct{one("ext", In, "-1", "a")}},
	} {
		if got := mustParse(t, c.src).Conjuncts(); !reflect.DeepEqual(got, c.want) && len(got)+len(c.want) > 0 {
			t.Errorf("%s: %+v, want %+v", c.src, got, c.want)
		}
	}
}

// holds tells whether an event satisfies a conjunct, as an index over attribute texts would.
func (c Conjunct) holds(e *envelope.Event) bool {
	if c.Op == Either {
		return slices.ContainsFunc(c.Either, func(all []Conjunct) bool {
			return !slices.ContainsFunc(all, func(c Conjunct) bool { return !c.holds(e) })
		})
	}
	text, ok := e.Get(c.Attribute)
	if !ok {
		return false
	}
	switch c.Op {
	case Equal, In:
		return slices.Contains(c.Values, text)
	case Prefix:
		return strings.HasPrefix(text, c.Values[0])
	case Suffix:
		return strings.HasSuffix(text, c.Values[0])
	case Contains:
		return strings.Contains(text, c.Values[0])
	default:
		return true
	}
}

// Whatever the literal, whatever the attribute's type and text: no conjunct may deny an event that passes.
func TestConjunctsNeverLoseAnEvent(t *testing.T) {
	literals := []string{
		`'a'`, `'TRUE'`, `'true'`, `'false'`, `'10'`, `'010'`, `'+10'`, `'-0'`, `'0'`, `''`, `'1'`,
		`TRUE`, `FALSE`, `10`, `0`, `1`, `-1`,
	}
	values := []string{"a", "true", "false", "TRUE", "10", "010", "+10", "-0", "0", "", "1", "-1"}
	kinds := []envelope.Kind{envelope.KindUntyped, envelope.KindString, envelope.KindBoolean, envelope.KindInteger}
	passed := 0
	for _, a := range literals {
		for _, b := range literals {
			for _, form := range []string{"x = $1", "$1 = x", "x IN ($1, $2)", "x = $1 OR $2 = x", "$1 = x AND x <> $2", "x = $1 OR y = $2", "y = $1 OR x LIKE '%1%'"} {
				x := mustParse(t, strings.NewReplacer("$1", a, "$2", b).Replace(form))
				for _, v := range values {
					for _, k := range kinds {
						var e envelope.Event
						e.AddExtension("x", v, k)
						if !x.True(&e) {
							continue
						}
						passed++
						for _, c := range x.Conjuncts() {
							if !c.holds(&e) {
								t.Fatalf("%s passes x=%q (kind %d), but %+v does not hold", x, v, k, c)
							}
						}
					}
				}
			}
		}
	}
	if passed < 1000 {
		t.Errorf("only %d events passed: the test proves nothing", passed)
	}
}

// TestConjunctsOfALongOr: the values of an OR were copied for each of its operands, 184 MB for 50 KB of text.
func TestConjunctsOfALongOr(t *testing.T) {
	var b strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&b, " OR a='x%d'", i)
	}
	x := mustParse(t, strings.TrimPrefix(b.String(), " OR "))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	all := x.Conjuncts()
	runtime.ReadMemStats(&after)
	if len(all) != 1 || len(all[0].Values) != 4000 {
		t.Errorf("%d conjuncts", len(all))
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}
