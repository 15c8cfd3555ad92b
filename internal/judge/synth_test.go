package judge

import (
	"strings"
	"testing"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/config"
)

// The events that diff makes of rules had their attributes in the order of a Go map, so that two runs with the same
// configurations printed different reports, and counted different numbers of events.
func TestSynthesisedEventsAreTheSameEachTime(t *testing.T) {
	const text = `sources: { in: { http: { listen: "127.0.0.1:0" } } }
sinks: { out: { stdout: {} } }
routes:
  - { name: a, to: out, when: { type: t, region: eu, tenant: [x, y], subject: { prefix: s }, data: { region: { gt: 5 }, kind: k } } }
  - { name: b, to: out, when: { cesql: "level > 3 AND zone = 'z' AND owner LIKE 'o%'" } }
unmatched: drop
dead_letter: drop
`
	env := config.Env{
		LookupEnv: func(string) (string, bool) { return "", false },
		ReadFile:  func(string) ([]byte, error) { return []byte(text), nil },
	}
	cfg, err := config.Load([]string{"c.yaml"}, env)
	if err != nil {
		t.Fatal(err)
	}
	events := func() string {
		var b strings.Builder
		for _, e := range synthesise(nil, cfg.Table) {
			b.Write(envelope.AppendJSON(nil, e.Event))
			b.WriteByte('\n')
		}
		return b.String()
	}
	first := events()
	if strings.Count(first, "\n") < 10 {
		t.Fatalf("only these events were made:\n%s", first)
	}
	for range 50 {
		if again := events(); again != first {
			t.Fatalf("made\n%s\nand then\n%s", first, again)
		}
	}
}
