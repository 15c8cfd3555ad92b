package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/eventrouter/router/internal/config"
)

// planted is a part of what every variable of TestVariablesStayVariables stands for.
const planted = "qzcanary"

// planting puts a variable into every text of a configuration where it still loads.
type planting struct {
	t      *testing.T
	doc    *yaml.Node
	env    config.Env
	values map[string]string
	keys   map[string]string // by variable
}

// named are the keys whose texts are names, which every report has, or words of the file's own.
var named = regexp.MustCompile(`(^|\.)(name|from|to|goes_to|routes|sinks|sources)(\[\d+\])?$|^tests\.?|^unmatched|dead_letter$`)

// plant visits every text below a node.
func (p *planting) plant(n *yaml.Node, path string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			p.plant(n.Content[i+1], strings.TrimPrefix(path+"."+n.Content[i].Value, "."))
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			p.plant(item, fmt.Sprintf("%s[%d]", path, i))
		}
	case yaml.ScalarNode:
		if n.ShortTag() == "!!str" && !named.MatchString(path) && !strings.HasPrefix(path, "tests") {
			p.replace(n, path)
		}
	}
}

// replace puts a variable in the place of a text, or around it.
func (p *planting) replace(n *yaml.Node, path string) {
	name, before, style := fmt.Sprintf("V%d", len(p.values)), n.Value, n.Style
	old := before
	if m := regexp.MustCompile(`^\$\{[A-Z_]+:-(.*)\}$`).FindStringSubmatch(before); m != nil {
		old = m[1]
	}
	if strings.Contains(old, "${") {
		return
	}
	mark := fmt.Sprintf("%s%d", planted, len(p.values))
	n.Style = yaml.DoubleQuotedStyle
	for _, c := range [][2]string{
		{old + mark, "${" + name + "}"},
		{mark, old + "${" + name + "}"},
		{mark, old + "/${" + name + "}"},
		{mark + "." + old, "${" + name + "}"},
		{mark + old, "${" + name + "}"},
		{strings.Replace(old, "://", "://"+mark+".", 1), "${" + name + "}"},
	} {
		p.values[name], n.Value = c[0], c[1]
		if c[0] != old && p.loads() {
			p.keys[name] = path
			return
		}
	}
	delete(p.values, name)
	n.Value, n.Style = before, style
}

func (p *planting) text() string {
	text, err := yaml.Marshal(p.doc)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func (p *planting) loads() bool {
	if err := os.WriteFile("planted.yaml", []byte(p.text()), 0o600); err != nil {
		p.t.Fatal(err)
	}
	_, err := config.Load([]string{"planted.yaml"}, p.env)
	return err == nil
}

// TestVariablesStayVariables: explain showed what variables stood for in the address of a sink, such as the token of a chat
// hook; so did failing tests, diff and graph for addresses, conditions and set, and check --connect and send for hosts. Names
// and the events of tests are shown as they are.
func TestVariablesStayVariables(t *testing.T) {
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(files) < 22 {
		t.Fatalf("found %d examples, %v", len(files), err)
	}
	total := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			folder := filepath.Dir(file)
			if folder, err = filepath.Abs(folder); err != nil {
				t.Fatal(err)
			}
			events, _ := filepath.Glob(filepath.Join(folder, "events", "*"))
			workspace(t, map[string]string{"original.yaml": string(text), "event.json": paidEvent})
			if err := os.Symlink(filepath.Join(folder, "events"), "events"); err != nil {
				t.Fatal(err)
			}
			p := &planting{t: t, doc: new(yaml.Node), values: map[string]string{}, keys: map[string]string{}}
			p.env = config.Env{LookupEnv: func(name string) (string, bool) { v, ok := p.values[name]; return v, ok }}
			if err := yaml.Unmarshal(text, p.doc); err != nil {
				t.Fatal(err)
			}
			p.plant(p.doc.Content[0], "")
			p.loads()
			for _, path := range p.keys {
				total[regexp.MustCompile(`^(sources|sinks)\.[^.]+`).ReplaceAllString(path, "$1.NAME")] = true
			}
			explained := append([]string{"event.json"}, events...)
			lines := []string{"check", "test", "test --coverage", "diff original.yaml planted.yaml", "diff planted.yaml original.yaml", "graph", "graph --format dot"}
			for _, event := range explained {
				lines = append(lines, "explain --all "+event, "explain "+event)
			}
			for _, line := range lines {
				for _, extra := range []string{"", " --json"} {
					p.hold(line + extra)
				}
			}
		})
	}
	for _, key := range []string{
		"sinks.NAME.http.url", "sinks.NAME.kafka.topic", "sinks.NAME.nats.subject", "sinks.NAME.kafka.brokers[0]", "sources.NAME.http.auth.bearer[0]",
		"routes[0].when.type",
	} {
		if !total[key] {
			t.Errorf("no variable stood at %s; there were %v", key, slices.Collect(func(yield func(string) bool) {
				for k := range total {
					if !yield(k) {
						return
					}
				}
			}))
		}
	}
}

// hold runs a command and holds that it shows no planted value.
func (p *planting) hold(line string) {
	p.t.Helper()
	args := strings.Fields(line)
	if !slices.Contains([]string{"diff"}, args[0]) && !strings.Contains(line, "-c ") {
		args = append(args, "-c", "planted.yaml")
	}
	var stdout, stderr bytes.Buffer
	a := &cli{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, env: p.env}
	a.run(p.t.Context(), args)
	for _, out := range []string{stdout.String(), stderr.String()} {
		if at := strings.Index(out, planted); at >= 0 {
			name := ""
			for v, value := range p.values {
				if m := regexp.MustCompile(planted + `\d+`).FindString(out[at:]); strings.Contains(value, m) && "V"+strings.TrimPrefix(m, planted) == v {
					name = v
				}
			}
			p.t.Errorf("%s shows %s: %q", args, p.keys[name], out[max(0, at-80):min(len(out), at+60)])
		}
	}
}

// TestErrorsOfSinksShowNoVariables holds the same of what fails while sinks are reached.
func TestErrorsOfSinksShowNoVariables(t *testing.T) {
	workspace(t, map[string]string{"event.json": paidEvent, "router.yaml": `
sources: { in: { nats: { url: "nats://${HOST}:4222", subjects: ["${WORD}"] } } }
sinks:
  hook: { http: { url: "http://${HOST}/${WORD}/x" } }
  all: { http: { url: "${URL}" } }
  topic: { kafka: { brokers: ["${HOST}:9092"], topic: "${WORD}" } }
  bus: { nats: { url: "${NATS}", subject: "a.${WORD}" } }
  ca: { http: { url: "https://x", tls: { ca: "/no/${WORD}.pem" } } }
unmatched: hook
dead_letter: hold
`})
	values := map[string]string{
		"HOST": planted + ".invalid", "WORD": planted + "word", "URL": "http://" + planted + ".invalid/hook/" + planted, "NATS": "nats://" + planted + ".invalid:4222",
	}
	for _, line := range []string{
		"send --to hook", "send --to all", "send --to topic", "send --to bus", "send --to ca", "check", "check --connect", "explain",
	} {
		for _, extra := range []string{"", "--json"} {
			args := append(strings.Fields(line), strings.Fields(extra)...)
			switch args[0] {
			case "send":
				args = append(args, "--timeout", "300ms", "event.json")
			case "explain":
				args = append(args, "event.json")
			}
			ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
			var stdout, stderr bytes.Buffer
			a := &cli{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, env: config.Env{LookupEnv: func(name string) (string, bool) { v, ok := values[name]; return v, ok }}}
			a.run(ctx, args)
			stop()
			if out := stdout.String() + stderr.String(); strings.Contains(out, planted) {
				t.Errorf("%s shows a variable: %s", args, out)
			}
		}
	}
}
