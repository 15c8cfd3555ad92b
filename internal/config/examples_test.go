package config

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// TestExamples holds that every file in configs/ loads without a mistake and without a warning, with nothing set in
// the environment, and that its tests hold.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(files) < 22 {
		t.Fatalf("found %d examples, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, err := Load([]string{file}, Env{LookupEnv: func(string) (string, bool) { return "", false }})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range c.Warnings {
				t.Error(w)
			}
			if len(c.Tests) == 0 {
				t.Error("has no tests")
			}
			scratch := c.Table.NewScratch()
			for i := range c.Tests {
				for _, s := range c.Tests[i].Samples {
					judge(t, c, &c.Tests[i], scratch, s.Event)
				}
			}
		})
	}
}

// judge holds one event against what its test expects.
func judge(t *testing.T, c *Config, want *Test, scratch *routing.Scratch, e *envelope.Event) {
	t.Helper()
	source := routing.AnySource
	if want.From != "" {
		source, _ = c.Table.Source(want.From)
	}
	var routes, sinks []string
	asExpected := len(want.Expect) == 0
	for _, i := range c.Table.Match(scratch, source, e) {
		r := &c.Rules[i]
		routes, sinks = append(routes, r.Name), append(sinks, r.To...)
		if r.Drop {
			sinks = append(sinks, "drop")
		}
		assigned := new(envelope.Event)
		e.CopyTo(assigned)
		for _, a := range r.Set {
			apply(t, a, e, assigned)
		}
		asExpected = asExpected || !slices.ContainsFunc(want.Expect, func(x Expectation) bool {
			got, ok := assigned.Get(x.Name)
			return ok == x.Absent || got != x.Value
		})
	}
	if !asExpected {
		t.Errorf("%v: no copy has %v", want.Pos, want.Expect)
	}
	if want.Unmatched != (len(routes) == 0) {
		t.Errorf("%v: got routes %v, want unmatched %v", want.Pos, routes, want.Unmatched)
	}
	if want.Routes != nil && !slices.Equal(slices.Sorted(slices.Values(want.Routes)), slices.Sorted(slices.Values(routes))) {
		t.Errorf("%v: got routes %v, want %v", want.Pos, routes, want.Routes)
	}
	sinks = slices.Compact(slices.Sorted(slices.Values(sinks)))
	if want.GoesTo != nil && !slices.Equal(slices.Sorted(slices.Values(want.GoesTo)), sinks) {
		t.Errorf("%v: got sinks %v, want %v", want.Pos, sinks, want.GoesTo)
	}
}

func apply(t *testing.T, a routing.Assignment, e, to *envelope.Event) {
	t.Helper()
	if a.Remove {
		to.Remove(a.Name)
		return
	}
	tmpl, err := template.Compile(a.Template, template.Raw)
	if err != nil {
		t.Fatal(err)
	}
	text, err := tmpl.Append(nil, e)
	if err != nil {
		t.Fatalf("%v: %v", a.Pos, err)
	}
	to.Set(a.Name, string(text), envelope.KindString)
}

// TestRouterYAMLShowsEveryKey holds that configs/router.yaml shows what it claims to: every key, in use or, where a file
// can have only one of several, in a comment.
func TestRouterYAMLShowsEveryKey(t *testing.T) {
	text, err := os.ReadFile("../../configs/router.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file any
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	showKeys(reflect.TypeFor[Config](), file, shown)
	if len(shown) < 100 {
		t.Fatalf("found %d keys, want more", len(shown))
	}
	for _, key := range slices.Sorted(maps.Keys(shown)) {
		_, word, _ := strings.Cut(key, ".")
		if !shown[key] && !regexp.MustCompile(`#.*\b`+word+`\b`).Match(text) {
			t.Errorf("%s is not shown", key)
		}
	}
}

// showKeys notes each key of the structs below a type, by the struct's name and its own, and whether a value has it.
func showKeys(typ reflect.Type, value any, shown map[string]bool) {
	switch typ.Kind() {
	case reflect.Pointer:
		showKeys(typ.Elem(), value, shown)
	case reflect.Slice:
		list, _ := value.([]any)
		for _, v := range append(list, nil) {
			showKeys(typ.Elem(), v, shown)
		}
	case reflect.Map:
		named, _ := value.(map[string]any)
		for _, v := range append(slices.Collect(maps.Values(named)), nil) {
			showKeys(typ.Elem(), v, shown)
		}
	case reflect.Struct:
		block, _ := value.(map[string]any)
		for field := range typ.Fields() {
			key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if key == "" || key == "-" {
				continue
			}
			v, ok := block[key]
			name := schemaName(typ) + "." + key
			shown[name] = shown[name] || ok
			showKeys(field.Type, v, shown)
		}
	default:
	}
}
