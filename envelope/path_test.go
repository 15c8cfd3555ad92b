package envelope

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParsePath(t *testing.T) {
	for _, c := range []struct {
		in    string
		steps []pathStep
	}{
		{"a", []pathStep{{"a", -1}}},
		{"order.items[0].sku", []pathStep{{"order", -1}, {"items", -1}, {"", 0}, {"sku", -1}}},
		{"[2][10].a", []pathStep{{"", 2}, {"", 10}, {"a", -1}}},
		{`a."b.c"`, []pathStep{{"a", -1}, {"b.c", -1}}},
		{`"a b"[1]`, []pathStep{{"a b", -1}, {"", 1}}},
		{`"say \"hi\" \\".""`, []pathStep{{`say "hi" \`, -1}, {"", -1}}},
		{"größe.$x-y_1@", []pathStep{{"größe", -1}, {"$x-y_1@", -1}}},
	} {
		p, err := ParsePath(c.in)
		if err != nil || !reflect.DeepEqual(p.steps, c.steps) {
			t.Errorf("%s: got %v, %v, want %v", c.in, p.steps, err, c.steps)
		}
		if got := p.String(); got != c.in {
			t.Errorf("printed: got %s, want %s", got, c.in)
		}
	}
	for _, in := range []string{
		"", ".", ".a", "a.", "a..b", "a[", "a[]", "a[-1]", "a[+1]", "a[1", "a[x]", "a]", "[1]a", `a"b"`, `"a`, `"a\n"`, `"a"b`, "a b",
		"a{b}", `a\b`, "a\x00", "\xff", "a[99999999999]", strings.Repeat("a.", 64) + "a",
	} {
		if p, err := ParsePath(in); err == nil {
			t.Errorf("%q: accepted as %v", in, p.steps)
		}
	}
}

func TestPath_Lookup(t *testing.T) {
	const data = ` {"a":{"b":[1,{"c":"x\u00e9\n"},null]},"t":true,"":"empty","n":-1.50e3,"o":{},"l":[ ],"d":1,"d":2,` +
		`"g\u0072":"gr","s":"plain","z":[[[7]]]} `
	for _, c := range []struct {
		path, text string
		kind       PathKind
	}{
		{"a.b[0]", "1", PathNumber},
		{"a.b[1].c", "xé\n", PathString},
		{"a.b[2]", "null", PathNull},
		{"a.b", `[1,{"c":"x\u00e9\n"},null]`, PathArray},
		{"a", `{"b":[1,{"c":"x\u00e9\n"},null]}`, PathObject},
		{"t", "true", PathBool},
		{`""`, "empty", PathString},
		{"n", "-1.50e3", PathNumber},
		{"o", "{}", PathObject},
		{"l", "[ ]", PathArray},
		{"d", "1", PathNumber}, // the first of a repeated name
		{"gr", "gr", PathString},
		{"s", "plain", PathString},
		{"z[0][0][0]", "7", PathNumber},
		{"missing", "", PathMissing},
		{"a.missing", "", PathMissing},
		{"a.b[3]", "", PathMissing},
		{"a.b[99]", "", PathMissing},
		{"a[0]", "", PathMissing},
		{"a.b.c", "", PathMissing},
		{"t.x", "", PathMissing},
		{"l[0]", "", PathMissing},
		{"o.x", "", PathMissing},
	} {
		p, err := ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if text, kind := p.Lookup([]byte(data)); text != c.text || kind != c.kind {
			t.Errorf("%s: got %q, %d, want %q, %d", c.path, text, kind, c.text, c.kind)
		}
	}
	var whole Path
	if text, kind := whole.Lookup([]byte(` "x" `)); text != "x" || kind != PathString {
		t.Errorf("zero path: got %q, %d", text, kind)
	}
	p, err := ParsePath("a")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "hello", `{"a"`, `{"a":`, `{"a":}`, `{"b":tru,"a":1}`, `{"b":01,"a":1}`, `{a:1}`, `[1]`, "1", "{\"b\":\"\xff\",\"a\":1}"} {
		if text, kind := p.Lookup([]byte(bad)); kind != PathMissing || text != "" {
			t.Errorf("%s: got %q, %d, want nothing", bad, text, kind)
		}
	}
	if text, kind := p.Lookup(nil); kind != PathMissing || text != "" {
		t.Errorf("no data: got %q, %d", text, kind)
	}
}

// TestPath_Property walks random documents in two ways: by encoding/json and by path.
func TestPath_Property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := anyJSON(3).Draw(t, "value")
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var p Path
		for {
			switch v := value.(type) {
			case map[string]any:
				if name, ok := anyKey(v); ok {
					p.steps, value = append(p.steps, pathStep{name, -1}), v[name]
					continue
				}
			case []any:
				if len(v) > 0 {
					i := rapid.IntRange(0, len(v)-1).Draw(t, "index")
					p.steps, value = append(p.steps, pathStep{"", i}), v[i]
					continue
				}
			}
			break
		}
		if again, err := ParsePath(p.String()); len(p.steps) > 0 && (err != nil || !reflect.DeepEqual(again, p)) {
			t.Fatalf("%v printed as %s gives %v, %v", p.steps, p, again.steps, err)
		}
		text, kind := p.Lookup(data)
		if s, ok := value.(string); ok {
			if text != s || kind != PathString {
				t.Fatalf("%s in %s: got %q, %d, want %q", p, data, text, kind, s)
			}
			return
		}
		want, err := json.Marshal(value)
		if err != nil || text != string(want) || kind == PathMissing || kind == PathString {
			t.Fatalf("%s in %s: got %q, %d, want %q", p, data, text, kind, want)
		}
	})
}

// anyKey returns the least name of an object; map order would make failures hard to repeat.
func anyKey(v map[string]any) (string, bool) {
	least, found := "", false
	for name := range v {
		if !found || name < least {
			least, found = name, true
		}
	}
	return least, found
}

func anyJSON(depth int) *rapid.Generator[any] {
	scalar := rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) any { return strings.ToValidUTF8(s, "") }),
		rapid.Map(rapid.Int32(), func(n int32) any { return n }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just[any](nil),
	)
	if depth == 0 {
		return scalar
	}
	name := rapid.OneOf(rapid.StringMatching(`[a-z]{1,4}`), rapid.StringMatching(`[a-z."\\ \[\]{}é]{0,5}`))
	return rapid.OneOf(
		scalar,
		rapid.Map(rapid.SliceOfN(anyJSON(depth-1), 0, 4), func(s []any) any { return s }),
		rapid.Map(rapid.MapOfN(name, anyJSON(depth-1), 0, 4), func(m map[string]any) any { return m }),
	)
}
