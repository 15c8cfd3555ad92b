package config

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFilesOfEveryKey holds that a reload looks at each file that a key names: every key whose row in the documents has the
// type path, or whose description speaks of a file, is marked with the tag file or listed here.
func TestFilesOfEveryKey(t *testing.T) {
	others := map[string]string{
		"NatsEmbeddedConfig.store": "a folder that the server itself writes",
		"NatsStreamConfig.storage": "file is a word here",
		"KafkaSinkConfig.key":      "the key of a record",
		"Test.events":              "read with the configuration, whose events are compared",
	}
	doc, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct {
			Properties map[string]struct {
				Description string `json:"description"`
			} `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| path \\|").FindAllStringSubmatch(string(doc), -1) {
		paths[row[1][strings.LastIndexByte(row[1], '.')+1:]] = true
	}
	tagged := map[string]bool{}
	tags(reflect.TypeFor[Config](), tagged)
	found := 0
	for key, marked := range tagged {
		def, name, _ := strings.Cut(key, ".")
		suspect := paths[name] || regexp.MustCompile(`(?i)\bfiles?\b`).MatchString(schema.Defs[def].Properties[name].Description)
		switch {
		case suspect && !marked && others[key] == "":
			t.Errorf("%s names a file and lacks the tag", key)
		case marked && !suspect && key != "SecurityTLS.key": // its description is that of cert
			t.Errorf("%s has the tag, and nothing says that it names a file", key)
		case marked:
			found++
		}
	}
	if found < 7 || len(paths) < 5 {
		t.Errorf("found %d keys and %d rows, want more", found, len(paths))
	}
}

// tags notes of each key of the structs below a type whether it has the tag file.
func tags(typ reflect.Type, all map[string]bool) {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		tags(typ.Elem(), all)
	case reflect.Struct:
		for field := range typ.Fields() {
			if key, _, _ := strings.Cut(field.Tag.Get("yaml"), ","); key != "" && key != "-" {
				if texts := []reflect.Kind{reflect.String, reflect.Slice}; slices.Contains(texts, field.Type.Kind()) {
					all[schemaName(typ)+"."+key] = field.Tag.Get(fileTag) != ""
				}
				tags(field.Type, all)
			}
		}
	default:
	}
}

func TestFilesWithTheirKeys(t *testing.T) {
	c, err := loadText(t, `
sources:
  k: { kafka: { brokers: [a:1], topics: [t], group: g, tls: { ca: "${DIR}/ca.pem" } } }
  h: { http: { listen: "127.0.0.1:1", tls: { cert: c.pem, key: k.pem } } }
sinks:
  n: { nats: { url: "nats://n", subject: s, creds: n.creds } }
  m: { nats: { url: "nats://n", subject: s, nkey: n.nk, tls: {} } }
unmatched: n
dead_letter: m`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range c.Files() {
		got = append(got, f.Key+" "+f.Name+" "+f.Written+map[bool]string{true: " reread"}[f.Reread])
		if f.Pos.Line == 0 {
			t.Errorf("%s has no place", f.Key)
		}
	}
	want := []string{
		"sinks.m.nats.nkey n.nk n.nk", "sinks.n.nats.creds n.creds n.creds reread", "sources.h.http.tls.cert c.pem c.pem",
		"sources.h.http.tls.key k.pem k.pem", "sources.k.kafka.tls.ca planted-dir/ca.pem ${DIR}/ca.pem",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
