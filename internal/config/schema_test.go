package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/routing"
)

const schemaFile = "../../configs/router.schema.json"

// TestSchemaIsFresh generates the JSON Schema from the configuration's types and their comments, and compares it with
// the one that is checked in. With -update it writes it.
func TestSchemaIsFresh(t *testing.T) {
	want := schemaText(t)
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale; run go test ./internal/config -run TestSchemaIsFresh -update", schemaFile)
	}
}

// schemaText generates the schema.
func schemaText(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{FieldNameTag: "yaml", Anonymous: true, ExpandedStruct: true, Mapper: scalarSchema, Namer: schemaName}
	t.Chdir("../..") // packages are named by the paths that AddGoComments is given
	for _, folder := range []string{"internal/config", "bindings"} {
		if err := r.AddGoComments("github.com/eventrouter/router", folder, jsonschema.WithFullComment()); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir("internal/config")
	for key, text := range r.CommentMap {
		r.CommentMap[key] = strings.Join(strings.Fields(text), " ")
	}
	s := r.Reflect(&Config{})
	refine(s)
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// schemaName tells the types of different packages apart: kafka.SourceConfig is KafkaSourceConfig.
func schemaName(t reflect.Type) string {
	if t.Name() == "" {
		return "" // lists and maps are described where they stand
	}
	pkg := path.Base(t.PkgPath())
	if pkg == "config" {
		return t.Name()
	}
	return strings.ToUpper(pkg[:1]) + pkg[1:] + t.Name()
}

// variable is what a value may hold in the place of anything: the schema sees the file before variables are replaced.
const variable = `\$\{`

func withVariable(s *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "string", Pattern: variable}}}
}

// text is what stands for a string: every scalar but null.
func text() *jsonschema.Schema {
	return &jsonschema.Schema{Extras: map[string]any{"type": []string{"string", "number", "boolean"}}}
}

func textList(least uint64) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "array", Items: text(), MinItems: &least}
}

func pattern(p string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: p + "|" + variable}
}

// scalarSchema describes the types that are written as one value, or as one or a list.
func scalarSchema(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return pattern(`^-?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+)$`)
	case reflect.TypeFor[bindings.Size]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Type: "integer", ExclusiveMinimum: "0"}, pattern(`^ *[0-9]+ *(B|kB|KB|MB|GB|KiB|MiB|GiB)? *$`),
		}}
	case reflect.TypeFor[bindings.Rate]():
		return pattern(`^ *[0-9.eE+]+ */ *(s|m|min|h) *$`)
	case reflect.TypeFor[bindings.Strings]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{text(), textList(0)}}
	case reflect.TypeFor[security.Secret](), reflect.TypeFor[string]():
		return text()
	case reflect.TypeFor[routing.Value]():
		return &jsonschema.Schema{} // each key that holds one is described by itself
	}
	switch t.Kind() {
	case reflect.Slice:
		if lists(t) {
			return withVariable(textList(0))
		}
		return nil
	case reflect.Bool:
		return withVariable(&jsonschema.Schema{Type: "boolean"})
	case reflect.Int, reflect.Int64:
		return withVariable(&jsonschema.Schema{Type: "integer"})
	default:
		return nil // structs, lists and maps are described by what they hold
	}
}
