package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// modeline is the first line of an example: editors take the schema from it.
const modeline = "# yaml-language-server: $schema=router.schema.json\n"

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("router.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("router.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validateYAML holds a file against the schema as an editor does: after aliases and merge keys, before variables.
func validateYAML(s *jsonschema.Schema, text []byte) error {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return fmt.Errorf("not YAML: %w", err)
	}
	if v == nil {
		v = map[string]any{} // nothing but comments
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// TestSchemaTakesWhatLoads holds that every example, and every good configuration of these tests, is valid, and that
// every example tells editors where the schema is.
func TestSchemaTakesWhatLoads(t *testing.T) {
	s := compileSchema(t)
	examples := glob(t, "../../configs/*.yaml", 22)
	for _, file := range append(examples, append(glob(t, "testdata/good/*.yaml", 6), "testdata/base.yaml")...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validateYAML(s, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if strings.Contains(file, "configs") && !bytes.HasPrefix(text, []byte(modeline)) {
			t.Errorf("%s does not begin with %q", file, modeline)
		}
	}
}

// beyondSchema are the broken configurations that a schema finds nothing wrong with, and why none could.
var beyondSchema = map[string]string{
	"empty-maps":             "another file of the same configuration may have the sources and sinks",
	"missing-file":           "whether a file exists is a fact of the machine",
	"not-stated":             "another file of the same configuration may state unmatched and dead_letter",
	"policies":               "names refer to other places of the file, and a schema compares no two places",
	"reject":                 "what unmatched may be depends on the kinds of all sources",
	"second-document-syntax": "a validator sees one document at a time, and the first is fine",
	"several-documents":      "a validator sees one document at a time, and each is fine",
	"tags":                   "tags are gone once the YAML is read",
	"variable-values":        "what a variable stands for shows only where the router runs",
	"variables":              "whether a variable is set shows only where the router runs",
}

// TestSchemaRefusesWhatFails holds that every broken configuration fails in the schema, too, except those that no
// schema can tell from good ones. That each fails in Load is TestBad's.
func TestSchemaRefusesWhatFails(t *testing.T) {
	s := compileSchema(t)
	for _, file := range glob(t, "testdata/bad/*.yaml", 30) {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		refused := validateYAML(s, text) != nil
		switch why := beyondSchema[name]; {
		case refused && why != "":
			t.Errorf("%s fails in the schema and yet is listed as beyond it", file)
		case !refused && why == "":
			t.Errorf("%s is valid by the schema", file)
		}
	}
}

// TestSchemaKinds holds for each kind of mistake that a schema can express that it does.
func TestSchemaKinds(t *testing.T) {
	s := compileSchema(t)
	for name, c := range map[string]struct {
		text  string
		valid bool
	}{
		"a route":               {"routes: [{ to: a, when: { type: { prefix: [a, b] }, data: { x.y: { gt: 5 }, z: null } } }]", true},
		"unknown key":           {"routs: []", false},
		"unknown block key":     {"sinks: { a: { stdout: {}, mod: binary } }", false},
		"own key":               {"x-any: { thing: 1 }", true},
		"matcher word":          {"routes: [{ to: a, when: { type: { prefx: a } } }]", false},
		"matcher deep":          {"routes: [{ to: a, when: { any: [{ type: { not: { in: [] } } }] } }]", false},
		"attribute name":        {"routes: [{ to: a, when: { Type: a } }]", false},
		"filter":                {"routes: [{ to: a, when: { filters: [{ exact: { type: a }, prefix: { type: b } }] } }]", false},
		"filter good":           {"routes: [{ to: a, when: { filters: [{ not: { sql: \"type = 'a'\" } }] } }]", true},
		"two kinds":             {"sinks: { a: { stdout: {}, sqs: { queue: q } } }", false},
		"no kind":               {"sinks: { a: {} }", false},
		"duration without unit": {"retry: { initial: 5 }", false},
		"duration":              {"retry: { initial: 1m30s }", true},
		"duration variable":     {"retry: { initial: '${WAIT}' }", true},
		"size":                  {"limits: { event: 5 apples }", false},
		"rate":                  {"sinks: { a: { stdout: {}, rate: fast } }", false},
		"choice":                {"log: { level: warning }", false},
		"quoted number":         {"sinks: { a: { stdout: {}, concurrency: '3' } }", false},
		"number variable":       {"sinks: { a: { stdout: {}, concurrency: '${N}' } }", true},
		"list variable":         {"sources: { a: { http: { listen: ':1', auth: { bearer: '${TOKENS}' } }, adapters: '${A}' } }", true},
		"list of one text":      {"sources: { a: { http: { listen: ':1', auth: { bearer: token } } } }", false},
		"no destination":        {"routes: [{ name: a }]", false},
		"set of id":             {"routes: [{ to: a, set: { id: x } }]", false},
		"set of source":         {"routes: [{ to: a, set: { source: /x } }]", false},
		"rewrite of source":     {"routes: [{ to: a, rewrite_source: true, set: { source: /x } }]", true},
		"test without event":    {"tests: [{ goes_to: a }]", false},
		"test of nothing":       {"tests: [{ event: { type: a } }]", false},
		"test renders":          {"tests: [{ event: { type: a }, renders: { bus: subject a, log: { topic: t, key: k } } }]", true},
		"test renders no field": {"tests: [{ event: { type: a }, renders: { bus: { subjekt: a } } }]", false},
		"test renders nothing":  {"tests: [{ event: { type: a }, renders: {} }]", false},
		"test renders no more":  {"tests: [{ event: { type: a }, renders: { bus: {} } }]", false},
		"test sets nothing":     {"tests: [{ event: { type: a }, set: {} }]", false},
		"tracing":               {"tracing: { otlp: x }", false},
	} {
		if err := validateYAML(s, []byte(c.text)); (err == nil) != c.valid {
			t.Errorf("%s: got %v, want valid %v", name, err, c.valid)
		}
	}
}

func glob(t *testing.T, pattern string, least int) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) < least {
		t.Fatalf("%s: found %d files, want %d or more, %v", pattern, len(files), least, err)
	}
	return files
}
