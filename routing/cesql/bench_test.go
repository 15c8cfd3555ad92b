package cesql

import (
	"testing"

	"github.com/eventrouter/router/envelope"
)

// hotExpressions are what filters look like, on events they pass and on events they do not.
func hotExpressions() map[string]string {
	return map[string]string{
		"equal":          `type = 'com.example.order.created'`,
		"like":           `type LIKE 'com.example.%.created' AND source LIKE '/ord%'`,
		"in":             `type IN ('a', 'b', 'c', 'com.example.order.created')`,
		"missing":        `tenant = 'acme'`,
		"guarded":        `EXISTS tenant AND tenant = 'acme'`,
		"cast":           `seq > 5 AND seq <= 10`,
		"cast fails":     `subject > 5`,
		"integer":        `count * 2 - 1 > 100 AND flag`,
		"integer text":   `count = '1234' AND count LIKE '12%'`,
		"functions":      `LENGTH(umlaut) = 3 AND LEFT(type, 3) = 'com' AND SUBSTRING(id, -1) = '1' AND LOWER(id) = 'id-1'`,
		"division":       `seq / 0 = 1`,
		"five terms":     `type = 'com.example.order.created' AND source LIKE '/%' AND INT(seq) > 5 AND EXISTS subject AND id <> 'x'`,
		"function fails": `LEFT(id, -1) = 'x'`,
	}
}

// What a filter costs in memory is nothing, even where it fails on every event.
func TestEvaluationDoesNotAllocate(t *testing.T) {
	e := sample()
	for name, src := range hotExpressions() {
		x := mustParse(t, src)
		if got := testing.AllocsPerRun(200, func() { x.True(e) }); got != 0 {
			t.Errorf("%s: True of %s allocates %v times, want 0", name, src, got)
		}
	}
	x := mustParse(t, `SUBSTRING(type, 5)`)
	if got := testing.AllocsPerRun(200, func() { _, _ = x.Eval(e) }); got != 0 {
		t.Errorf("Eval allocates %v times, want 0", got)
	}
}

func BenchmarkTrue(b *testing.B) {
	for name, src := range hotExpressions() {
		b.Run(name, func(b *testing.B) {
			x, e := mustParse(b, src), sample()
			b.ReportAllocs()
			for b.Loop() {
				x.True(e)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	src := hotExpressions()["five terms"]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, src := range hotExpressions() {
		f.Add(src, "abc")
	}
	for _, src := range []string{
		`5-3`, `--x`, `x LIKE '\%%_\\'`, `'a''b' IN ("c""d", -1, +2)`, `NOT NOT (1 <> 2) XOR TRUE`, `((`, `'`, `"\`,
		`CONCAT_WS(',', x, SUBSTRING(x, -3, 2), RIGHT(x, 1))`, "\xff", `-2147483648`, `a AND b OR c`, `!`, `LEFT(`, `1abc=2`,
	} {
		f.Add(src, "a%b_\\")
	}
	f.Fuzz(func(t *testing.T, src, value string) {
		x, err := Parse(src)
		if err != nil {
			if e := err.(*Error); e.Offset < 0 || e.Offset > len(src) || e.Kind != ParseError {
				t.Fatalf("%q: %#v", src, e)
			}
			return
		}
		_, _, _ = x.Check(), x.Warnings(), x.Type()
		again, err := Parse(x.String())
		if err != nil {
			t.Fatalf("%q prints as %q: %v", src, x.String(), err)
		}
		if again.String() != x.String() {
			t.Fatalf("%q prints as %q, then as %q", src, x.String(), again.String())
		}
		for _, kind := range []envelope.Kind{envelope.KindString, envelope.KindInteger, envelope.KindBoolean} {
			e := sample()
			e.AddExtension("x", value, kind)
			got, err := x.Eval(e)
			got2, err2 := again.Eval(e)
			if got != got2 || kindOf(err) != kindOf(err2) {
				t.Fatalf("%q: %v %v; as %q: %v %v", src, got, err, again, got2, err2)
			}
			if typ := x.Type(); err == nil && typ != AnyType && got.Type() != typ {
				t.Fatalf("%q yields %v, the checker says %v", src, got.Type(), typ)
			}
			if x.True(e) {
				for _, c := range x.Conjuncts() {
					if !c.holds(e) {
						t.Fatalf("%q passes x=%q, but %+v does not hold", src, value, c)
					}
				}
			}
		}
	})
}
