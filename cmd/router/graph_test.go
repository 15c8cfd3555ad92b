package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/eventrouter/router/internal/exit"
)

// nasty has every character in a condition that Mermaid or DOT could take for its own.
var nasty = strings.Replace(shop, "routes:\n", "routes:\n  - { name: end, when: { subject: 'a\"b\\c<d>#e;|`{}' }, to: bus }\n", 1)

func TestGraphGolden(t *testing.T) {
	mermaid, dot, list := goldenPath(t, "graph.mmd"), goldenPath(t, "graph.dot"), goldenPath(t, "graph.json")
	workspace(t, map[string]string{"router.yaml": nasty})
	golden(t, mermaid, command(t, "graph").stdout)
	golden(t, dot, command(t, "graph", "--format", "dot").stdout)
	golden(t, list, command(t, "graph", "--json").stdout)
}

// TestGraphIsWellFormed holds that labels cannot break out of their quotes, whatever a condition holds, and that every
// edge is between nodes.
func TestGraphIsWellFormed(t *testing.T) {
	workspace(t, map[string]string{"router.yaml": nasty})
	node := regexp.MustCompile(`^  (n\d+)(\(\[|\[\(|\[|\{\{|\(\()"[^"<>` + "`" + `]*(<br/>[^"<>` + "`" + `]*)?"(\]\)|\)\]|\]|\}\}|\)\))$`)
	edge := regexp.MustCompile(`^  (n\d+) (-->|-\.->|-\. dead letter \.->|-- "[^"]*" -->) (n\d+)$`)
	known := map[string]bool{}
	lines := strings.Split(strings.TrimSpace(command(t, "graph").stdout), "\n")
	for _, line := range lines[1:] {
		if m := node.FindStringSubmatch(line); m != nil {
			known[m[1]] = true
		} else if m := edge.FindStringSubmatch(line); m == nil || !known[m[1]] || !known[m[3]] {
			t.Errorf("neither a node nor an edge between nodes: %s", line)
		}
	}
	statement := regexp.MustCompile(`^  ("[^"]+"( -> "[^"]+")?( \[[a-z]+=("([^"\\]|\\.)*"|[a-z]+)(, [a-z]+=("([^"\\]|\\.)*"|[a-z]+))*\])?|rankdir=LR|node \[.*\]);$`)
	dot := strings.Split(strings.TrimSpace(command(t, "graph", "--format", "dot").stdout), "\n")
	for _, line := range dot[1 : len(dot)-1] {
		if !statement.MatchString(line) {
			t.Errorf("no DOT statement: %s", line)
		}
	}
}

// TestGraphEdges holds where unmatched events and dead letters lead, for each policy.
func TestGraphEdges(t *testing.T) {
	for _, c := range []struct{ unmatched, dead, want string }{
		{"drop", "dead", "unmatched>policy-drop sink-bus>sink-dead sink-billing>sink-dead sink-archive>sink-dead sink-screen>sink-dead"},
		{"dead_letter", "dead", "unmatched>sink-dead sink-bus>sink-dead sink-billing>sink-dead sink-archive>sink-dead sink-screen>sink-dead"},
		{"archive", "hold", "unmatched>sink-archive sink-bus>policy-hold sink-billing>policy-hold sink-archive>policy-hold sink-screen>policy-hold sink-dead>policy-hold"},
	} {
		workspace(t, map[string]string{"router.yaml": strings.NewReplacer(
			"unmatched: dead_letter", "unmatched: "+c.unmatched, "dead_letter: dead", "dead_letter: "+c.dead).Replace(shop)})
		graph := decoded(t, command(t, "graph", "--json").stdout)["graph"].(map[string]any)
		var got []string
		for _, e := range graph["edges"].([]any) {
			edge := e.(map[string]any)
			if edge["kind"] == "unmatched" || edge["kind"] == "dead_letter" {
				got = append(got, edge["from"].(string)+">"+edge["to"].(string))
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("unmatched %s, dead_letter %s: got %s, want %s", c.unmatched, c.dead, s, c.want)
		}
	}
}

func TestGraphExitCodes(t *testing.T) {
	workspace(t, map[string]string{"router.yaml": shop, "bad.yaml": "routs: []"})
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"graph"}, exit.Fine, "flowchart LR"},
		{[]string{"graph", "--format", "mermiad"}, exit.Config, "did you mean mermaid?"},
		{[]string{"graph", "-c", "bad.yaml"}, exit.Config, `did you mean "routes"?`},
		{[]string{"graph", "-c", "none.yaml"}, exit.Environment, "none.yaml: no such file"},
	} {
		r := command(t, c.args...)
		if r.code != c.code {
			t.Errorf("%v: exit %d, want %d", c.args, r.code, c.code)
		}
		wants(t, r, c.want)
	}
}
