package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/terminal"
)

// trojan turns what stands behind it round, as an attribute may. What only data may have clears the screen, too.
const (
	trojan = "a\u202eb\u2066c\u061c\u200f\U000e0041"
	bomb   = trojan + "\u009b2J\u007f"
)

const trojanConfig = `
sources: { in: { http: { listen: "127.0.0.1:0" } } }
sinks:
  screen: { stdout: {} }
  away: { http: { url: "http://127.0.0.1:1/?a={data.x}" } }
  topic: { kafka: { brokers: [127.0.0.1:1], topic: "{subject}", key: "TROJAN{type}" } }
routes:
  - { name: one, when: { type: { in: ["TROJAN", "com.acme.order.paid"] }, data: { x: "TROJAN" } }, to: screen }
  - { name: two, when: { cesql: "type = 'TROJAN' OR subject = 'TROJAN'" }, to: screen, set: { subject: "TROJAN{id}" } }
  - { name: three, when: { type: { glob: "*TROJAN*" } }, to: screen }
  - { name: rest, to: [screen, topic] }
unmatched: drop
dead_letter: hold
`

const trojanTests = `
tests:
  - { name: "test TROJAN", event: { type: com.acme.order.paid, subject: "sTROJAN" }, goes_to: [screen, topic] }
  - { name: "wrong TROJAN", event: { type: com.acme.order.paid, data: { x: "BOMB" } }, goes_to: away, set: { subject: "TROJAN" } }
`

// TestNothingHiddenReachesATerminal: explain, check, test, diff and the log passed U+202E and its like on as they came.
func TestNothingHiddenReachesATerminal(t *testing.T) {
	hide := strings.NewReplacer("TROJAN", trojan, "BOMB", trojan+`\x9b2J\x7f`)
	event := func(typ string) string {
		return strings.NewReplacer("TROJAN", trojan, "BOMB", bomb).Replace(
			`{"specversion":"1.0","id":"1TROJAN","source":"/s","type":"`+typ+`","subject":"uTROJAN","x1":"TROJAN","data":{"x":"BOMB"}}`) + "\n"
	}
	text := hide.Replace(trojanConfig)
	workspace(t, map[string]string{
		"router.yaml": text, "other.yaml": strings.Replace(text, "name: one, when", "name: one, stop: true, when", 1),
		"tests.yaml": hide.Replace(trojanTests), "event.json": event("com.acme.order.paid") + event("TROJAN"), "bad.json": event("BOMB"),
		"broken.yaml": hide.Replace("\"unTROJANknown\": 1\n"), "invalid" + trojan + ".yaml": "routes: x\n",
	})
	escaped := 0
	for _, line := range []string{
		"check", "test", "explain event.json", "explain --all event.json", "diff router.yaml other.yaml --events event.json", "graph", "graph --format dot",
		"lint event.json", "lint bad.json", "send --to screen event.json", "check -c broken.yaml",
		"check -c invalid" + trojan + ".yaml", "explain no" + trojan + ".json", "explain bad.json", "expl" + trojan, "check --" + trojan, "test --coverage",
		"test -c router.yaml -c tests.yaml", "check -c router.yaml -c tests.yaml", "run -c router.yaml -c tests.yaml", "explain --from " + trojan + " event.json",
	} {
		for _, extra := range [][]string{nil, {"--json"}} {
			var stdout, stderr bytes.Buffer
			a := &cli{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, env: config.Env{}, width: 100}
			args := append(strings.Fields(line), extra...)
			a.run(t.Context(), args)
			events := strings.HasPrefix(line, "send") // what a stdout sink writes is the events
			for what, out := range map[string]string{"stdout": stdout.String(), "stderr": stderr.String()} {
				if at := strings.IndexFunc(out, terminal.Hidden); at >= 0 && (!events || what != "stdout") {
					t.Errorf("%s: %s has %q", args, what, out[max(0, at-40):at+1])
				}
				escaped += strings.Count(out, `\u202e`)
			}
		}
	}
	if escaped < 30 {
		t.Errorf("found %d characters that were written out, which says little", escaped)
	}
}

// TestColoursPassAndForgedOnesDoNot holds that only what the command itself paints has colours.
func TestColoursPassAndForgedOnesDoNot(t *testing.T) {
	var out bytes.Buffer
	o := newOutput(&out)
	s := style{on: true, mark: o.mark}
	p := &printer{style: s, w: o, width: 40}
	p.line(0, "%s %s", s.good("+"), "\x1b[32mforged\x1b[0m")
	if got, want := out.String(), "\x1b[32m+\x1b[0m \\u001b[32mforged\\u001b[0m\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	marks := map[string]bool{}
	for range 10 {
		marks[newOutput(io.Discard).mark] = true
	}
	if len(marks) < 2 {
		t.Error("the mark can be guessed")
	}
}
