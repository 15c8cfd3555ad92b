package docs

import (
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/routing"
)

// completion is what a fragment of a configuration is completed with, key by key, so that it can be loaded.
const completion = `
sources:
  orders: { kafka: { brokers: [kafka-1:9092], topics: [orders], group: router } }
  hooks:  { http: { listen: ":8080" } }
sinks:
  bus:     { nats: { url: nats://nats-1:4222, subject: "acme.{type}", stream: ACME } }
  billing: { http: { url: https://billing.acme.example/events } }
  archive: { sqs: { queue: archive, region: eu-central-1 } }
  dead:    { kafka: { brokers: [kafka-1:9092], topic: orders.dead } }
routes:
  - { to: archive }
unmatched: drop
dead_letter: dead
`

// TestConfigurations loads every YAML block that is a configuration, and completes those that are a part of one. Full
// ones must have tests, which must pass.
func TestConfigurations(t *testing.T) {
	full := 0
	for _, document := range documents(t) {
		for _, b := range blocks(t, document) {
			if b.language != "yaml" {
				continue
			}
			var keys map[string]yaml.Node
			if err := yaml.Unmarshal([]byte(b.text), &keys); err != nil {
				t.Errorf("%s:%d: %v", b.document, b.line, err)
				continue
			}
			place := fmt.Sprintf("%s:%d", b.document, b.line)
			_, hasSources := keys["sources"]
			_, hasSinks := keys["sinks"]
			_, hasRoutes := keys["routes"]
			switch {
			case hasSources && hasSinks && hasRoutes:
				full++
				t.Run(place, func(t *testing.T) { fullConfiguration(t, b) })
			default:
				t.Run(place, func(t *testing.T) { fragment(t, b, keys) })
			}
		}
	}
	if full == 0 {
		t.Error("found no full configuration")
	}
}

// load reads a configuration from memory, of as many files as there are texts, with nothing set in the environment.
func load(texts ...string) (*config.Config, error) {
	var paths []string
	files := map[string]string{}
	for i, text := range texts {
		path := fmt.Sprintf("block-%d.yaml", i)
		paths, files[path] = append(paths, path), text
	}
	return config.Load(paths, config.Env{
		LookupEnv: func(string) (string, bool) { return "", false },
		ReadDir:   func(string) ([]fs.DirEntry, error) { return nil, fs.ErrInvalid },
		ReadFile:  func(path string) ([]byte, error) { return []byte(files[path]), nil },
	})
}

func fullConfiguration(t *testing.T, b block) {
	cfg, err := load(b.text)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range cfg.Warnings {
		t.Error(w)
	}
	if len(cfg.Tests) == 0 {
		t.Error("has no tests")
	}
	file := filepath.Join(t.TempDir(), "router.yaml")
	write(t, file, b.text)
	if out, err := exec.CommandContext(t.Context(), filepath.Join(binary(t), "router"), "test", "-c", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// fragment loads a part of a configuration together with what it lacks: the keys of the completion that it does not
// have, and of its sources and sinks those that it does not define itself, so that it may speak of both.
func fragment(t *testing.T, b block, keys map[string]yaml.Node) {
	var rest map[string]any
	if err := yaml.Unmarshal([]byte(completion), &rest); err != nil {
		t.Fatal(err)
	}
	for key, mine := range keys {
		named, isMap := rest[key].(map[string]any)
		if !isMap {
			delete(rest, key)
			continue
		}
		for i := 0; i < len(mine.Content); i += 2 {
			delete(named, mine.Content[i].Value)
		}
	}
	more, err := yaml.Marshal(rest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load(b.text, string(more)); err != nil {
		t.Error(err)
	}
}

// TestEveryKeyIsDescribed walks the structs of the configuration and wants every key to have a row in
// docs/configuration.md, and every row to be a key. The path of a row is that of its heading and its first cell.
func TestEveryKeyIsDescribed(t *testing.T) {
	described := rows(t)
	want := map[string]bool{}
	walk(reflect.TypeFor[config.Config](), "", want)
	if len(want) < 100 {
		t.Fatalf("found %d keys in the structs, want more", len(want))
	}
	for path := range want {
		if !described[path] {
			t.Errorf("%s is not described", path)
		}
	}
	for path := range described {
		if !want[path] {
			t.Errorf("%s is described, and there is no such key", path)
		}
	}
}

// shared are the structs that occur in several places and have a section of their own.
var shared = map[string]bool{"tls": true, "sasl": true, "create": true, "retry": true, "basic": true}

// walk collects the paths of all keys below a struct. A key of a shared struct has the path of that struct alone.
func walk(typ reflect.Type, prefix string, into map[string]bool) {
	for field := range typ.Fields() {
		tag, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if tag == "" || tag == "-" {
			continue
		}
		path := tag
		if prefix != "" {
			path = prefix + "." + tag
		}
		elem, named := element(field.Type)
		into[path] = true
		if elem == nil {
			continue
		}
		below := path
		switch {
		case named:
			below += ".NAME"
		case shared[tag]:
			below = tag
		}
		walk(elem, below, into)
	}
}

// leaves are structs that are written as one value.
var leaves = map[reflect.Type]bool{
	reflect.TypeFor[security.Secret](): true, reflect.TypeFor[routing.Value](): true,
	reflect.TypeFor[time.Duration](): true, reflect.TypeFor[bindings.Strings](): true,
}

// element returns the struct that a field holds, if it does, and whether it does so by name.
func element(typ reflect.Type) (elem reflect.Type, named bool) {
	for {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			typ = typ.Elem()
			continue
		case reflect.Map:
			typ, named = typ.Elem(), true
			continue
		default:
		}
		if typ.Kind() != reflect.Struct || leaves[typ] {
			return nil, false
		}
		return typ, named
	}
}

var (
	heading = regexp.MustCompile("^#+ .*`([A-Za-z_.]+)`")
	row     = regexp.MustCompile("^\\| `([a-z_.0-9]+)`")
)

// rows returns the keys that docs/configuration.md describes. Only tables with the heads "key" count.
func rows(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	prefix, keys := "", false
	for line := range strings.Lines(read(t, "docs/configuration.md")) {
		switch {
		case strings.HasPrefix(line, "#"):
			prefix, keys = "", false
			if m := heading.FindStringSubmatch(line); m != nil {
				prefix = m[1] + "."
			}
		case strings.HasPrefix(line, "| key "):
			keys = true
		case !strings.HasPrefix(line, "|"):
			keys = false
		case keys:
			m := row.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			if found[prefix+m[1]] {
				t.Errorf("%s%s is described twice", prefix, m[1])
			}
			found[prefix+m[1]] = true
		}
	}
	return found
}
