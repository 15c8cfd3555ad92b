package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/judge"
)

// docsCompletion is what a block of a document is completed with, key by key.
const docsCompletion = `
sources:
  orders: { kafka: { brokers: [kafka-1:9092], topics: [orders], group: router } }
  hooks: { http: { listen: ":8080" } }
sinks:
  bus: { nats: { url: nats://nats-1:4222, subject: "acme.{type}", stream: ACME } }
  billing: { http: { url: https://billing.acme.example/events } }
  archive: { kafka: { brokers: [kafka-1:9092], topic: archive } }
  dead: { kafka: { brokers: [kafka-1:9092], topic: dead } }
unmatched: drop
dead_letter: dead
`

// TestDocumentedRules runs every YAML block of the documents on routing: each has tests, and they hold.
func TestDocumentedRules(t *testing.T) {
	files, err := filepath.Glob("../../docs/migrating-from-*.md")
	if err != nil || len(files) < 4 {
		t.Fatalf("found %d documents on migrating, %v", len(files), err)
	}
	total := 0
	for _, file := range append(files, "../../docs/routing.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks := 0
		for _, b := range fencedBlock.FindAllStringSubmatchIndex(string(text), -1) {
			line := strings.Count(string(text[:b[0]]), "\n") + 1
			block := string(text[b[2]:b[3]])
			blocks++
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(file), line), func(t *testing.T) {
				cfg, err := loadDocumented(block)
				if err != nil {
					t.Fatal(err)
				}
				results := judge.Tests(cfg, nil)
				if len(results) == 0 {
					t.Error("has no tests")
				}
				for i := range results {
					if r := &results[i]; !r.OK {
						t.Errorf("%s: %s\n%s", r.Name, r.Summary(), strings.Join(r.Explanation, "\n"))
					}
				}
			})
		}
		if blocks == 0 {
			t.Errorf("%s has no rules", file)
		}
		total += blocks
	}
	if total < 30 {
		t.Errorf("found %d blocks, want more", total)
	}
}

var fencedBlock = regexp.MustCompile("(?ms)^```yaml[^\n]*\n(.*?)^```$")

// loadDocumented loads a block together with what it lacks.
func loadDocumented(block string) (*config.Config, error) {
	var rest map[string]any
	if err := yaml.Unmarshal([]byte(docsCompletion), &rest); err != nil {
		return nil, err
	}
	var mine map[string]any
	if err := yaml.Unmarshal([]byte(block), &mine); err != nil {
		return nil, err
	}
	for key, value := range mine {
		named, isMap := rest[key].(map[string]any)
		if !isMap {
			delete(rest, key)
			continue
		}
		for name := range value.(map[string]any) {
			delete(named, name)
		}
	}
	more, err := yaml.Marshal(rest)
	if err != nil {
		return nil, err
	}
	files := map[string]string{"block.yaml": block, "rest.yaml": string(more)}
	return config.Load([]string{"block.yaml", "rest.yaml"}, config.Env{
		LookupEnv: func(string) (string, bool) { return "", false },
		ReadDir:   func(string) ([]fs.DirEntry, error) { return nil, fs.ErrInvalid },
		ReadFile:  func(path string) ([]byte, error) { return []byte(files[path]), nil },
	})
}

// TestExplainFieldsAreDocumented holds that docs/routing.md names every field of explain's report.
func TestExplainFieldsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/routing.md")
	if err != nil {
		t.Fatal(err)
	}
	report, err := os.ReadFile("testdata/explain.json")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## explain")
	section, _, _ = strings.Cut(section, "\n## ")
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`"([a-z_]+)":`).FindAllStringSubmatch(string(report), -1) {
		if name := m[1]; !seen[name] && name != "tier" && name != "region" { // attributes of the event
			seen[name] = true
			if !regexp.MustCompile("`[^`]*\\b" + name + "\\b[^`]*`").MatchString(section) {
				t.Errorf("docs/routing.md does not name the field %s", name)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("found %d fields, want more", len(seen))
	}
}
