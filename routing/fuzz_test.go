package routing

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// fromJSON turns a decoded document into the value a loader would hand over.
func fromJSON(doc any, path string) Value {
	v := Value{Path: path}
	switch d := doc.(type) {
	case nil:
		v.Kind = Null
	case map[string]any:
		v.Kind = Map
		for _, k := range slices.Sorted(maps.Keys(d)) {
			v.Fields = append(v.Fields, Field{Key: k, Value: fromJSON(d[k], path+"."+k)})
		}
	case []any:
		v.Kind = List
		for i, item := range d {
			v.Items = append(v.Items, fromJSON(item, fmt.Sprintf("%s[%d]", path, i)))
		}
	case string:
		v.Kind, v.Scalar, v.Quoted = Scalar, d, true
	default:
		v.Kind, v.Scalar = Scalar, fmt.Sprint(d)
	}
	return v
}

// FuzzParseWhen holds that no condition panics anywhere on its way, that problems have a path and a bounded message,
// and that index and explanation agree.
func FuzzParseWhen(f *testing.F) {
	for _, seed := range []string{
		`{"type":"a"}`, `{"type":{"prefix":["a","b"],"not":{"suffix":"c"}},"subject":["x","y"]}`,
		`{"any":[{"all":[{"type":"a"}]},{"not":{"exta":{"exists":false}}}]}`, `{"data":{"x.y":{"gt":5}},"cesql":"type = 'a'"}`,
		`{"filters":[{"any":[{"exact":{"type":"a"}},{"sql":"EXISTS subject"}]}]}`, `{"attributes":{"any":{"glob":"a*?"}}}`,
		`{"type":{"regex":"a(b|c)*","equals_ignore_case":"AB"}}`, `{"type":{"any":[{"gte":1},"x",{"in":["a"]}]}}`, `{"Type":{"preffix":""}}`,
		`{"` + strings.Repeat("x\u00e9", 3000) + `":"","cesql":"` + strings.Repeat("y", 9000) + ` ="}`,
	} {
		f.Add([]byte(seed), "ab", `{"x":{"y":6}}`)
	}
	f.Fuzz(func(t *testing.T, doc []byte, text, data string) {
		var parsed any
		if json.Unmarshal(doc, &parsed) != nil {
			return
		}
		when := fromJSON(parsed, "when")
		c, problems := ParseWhen(when)
		for _, p := range problems {
			if p.Message == "" || p.Path == "" || len(p.Message) > 2000 {
				t.Fatalf("problem %+v", p)
			}
		}
		if c == nil {
			if len(problems) == 0 {
				t.Fatal("neither a condition nor a problem")
			}
			return
		}
		rules := []Rule{{Name: "r", When: c, Stop: true}, {Name: "s", When: c}}
		Compile(rules, nil, nil)
		table, _ := newTable(rules, nil, nil)
		e := event("type="+text, "subject="+text, "exta="+text, "data="+data)
		matched := len(table.Match(table.NewScratch(), AnySource, e)) > 0
		if v := table.ExplainAll(AnySource, e)[0]; v.Holds != matched {
			t.Fatalf("%s: match %v, explain %+v", c, matched, v)
		}
		if c.String() == "" {
			t.Fatal("prints nothing")
		}
	})
}
