package judge_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/judge"
)

// parts is the head of a configuration that routes are written after.
const parts = `sources:
  orders: { kafka: { brokers: ["k1:9092"], topics: [orders], group: router } }
  hooks: { http: { listen: "127.0.0.1:0", path: /events } }
sinks:
  bus: { nats: { url: "nats://n1:4222", stream: ORDERS, subject: "acme.{type}" } }
  billing: { http: { url: "https://billing.acme.example/events/{subject}" } }
  archive: { kafka: { brokers: ["k1:9092"], topic: archive, key: "{source}" } }
  screen: { stdout: {} }
  dead: { kafka: { brokers: ["k1:9092"], topic: orders.dead } }
routes:
`

// memoryEnv is an environment in which every file holds text.
func memoryEnv(text string) config.Env {
	return config.Env{
		LookupEnv: func(string) (string, bool) { return "", false },
		ReadDir:   func(string) ([]fs.DirEntry, error) { return nil, fs.ErrInvalid },
		ReadFile:  func(string) ([]byte, error) { return []byte(text), nil },
	}
}

// TestDiffOfAFileWithItselfIsEmpty holds that for random configurations, for the same text with its keys in another
// order, and that a rule more is seen.
func TestDiffOfAFileWithItselfIsEmpty(t *testing.T) {
	load := func(t *rapid.T, text string) *config.Config {
		cfg, err := config.Load([]string{"c.yaml"}, memoryEnv(text))
		if err != nil {
			t.Skip(err) // rules that contradict themselves are refused
		}
		return cfg
	}
	compared, moved := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		routes := rapid.SliceOfN(rapid.Custom(randomRoute), 0, 8).Draw(t, "routes")
		text := func(routes []string) string {
			var b strings.Builder
			b.WriteString(parts)
			for i, r := range routes {
				fmt.Fprintf(&b, "  - { name: r%d, %s }\n", i, r)
			}
			b.WriteString("  - { name: last, to: archive }\nunmatched: drop\ndead_letter: dead\n")
			return b.String()
		}
		same := load(t, text(routes))
		compare := func(routes []string) judge.Difference {
			d, err := judge.Diff(same, load(t, text(routes)), nil, true, "")
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		d := compare(routes)
		if d.Moved != 0 || len(d.Moves)+len(d.Rules)+len(d.Parts) != 0 || d.Reordered {
			t.Fatalf("a file differs from itself: %+v\n%s", d, text(routes))
		}
		compared += d.Events
		d = compare(append(routes, "when: { subject: only-here }, to: dead"))
		if len(d.Rules) != 1 || d.Rules[0].Change != judge.ChangeAdded {
			t.Fatalf("a rule more is not seen: %+v", d)
		}
		moved += d.Moved
	})
	if compared == 0 || moved == 0 {
		t.Errorf("%d events compared, %d moved by a rule more: the test tests nothing", compared, moved)
	}
}

// randomRoute makes a route without its name.
func randomRoute(t *rapid.T) string {
	pick := func(label string, items ...string) string { return rapid.SampledFrom(items).Draw(t, label) }
	word := func() string { return pick("word", "a", "b", "com.a", "com.b.", "x", "'5'", "é") }
	matcher := func() string {
		return pick("matcher", word(), "["+word()+", "+word()+"]", "{ prefix: "+word()+" }", "{ suffix: "+word()+" }",
			"{ glob: 'a*"+pick("rest", "b", "?c")+"' }", "{ regex: '[a-c]+x?' }", "{ exists: true }", "{ exists: false }",
			"{ gt: 1, lte: 7 }", "{ not: "+word()+" }", "{ any: [ "+word()+", { prefix: com. } ] }", "{ equals_ignore_case: "+word()+" }")
	}
	leaf := func() string {
		return pick("leaf", "type: ", "source: ", "subject: ", "region: ", "level: ") + matcher()
	}
	condition := pick("condition", leaf(), "all: [ { "+leaf()+" }, { "+leaf()+" } ]", "any: [ { "+leaf()+" }, { "+leaf()+" } ]",
		"not: { "+leaf()+" }", "data: { "+pick("path", "a", "a.b", "'c[0]'")+": "+matcher()+" }",
		"cesql: \"region = 'eu' AND level > 3\"", "filters: [ { prefix: { type: a } }, { not: { exact: { subject: b } } } ]")
	route := "when: { " + condition + " }, to: " + pick("to", "bus", "[bus, archive]", "drop", "screen")
	route += pick("from", "", ", from: orders", ", from: [hooks, orders]")
	route += pick("set", "", ", set: { tier: gold }", ", set: { subject: '{type}', region: null }", ", set: { time: '{subject}' }")
	return route + pick("stop", "", "", ", stop: true")
}
