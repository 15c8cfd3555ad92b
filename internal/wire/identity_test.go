package wire

import (
	"strings"
	"testing"

	"github.com/eventrouter/router/internal/config"
)

// TestSinkIdentity: a sink is another one when it sends elsewhere, and not because a password has changed or the sends are
// driven in another way. Every block has an identity.
func TestSinkIdentity(t *testing.T) {
	load := func(text string) config.Sink {
		t.Helper()
		text = "unmatched: drop\ndead_letter: drop\nsources: { in: { http: { listen: '127.0.0.1:0' } } }\nroutes: [{ to: bus }]\nsinks: { bus: { " + text + " } }\n"
		cfg, err := config.Load([]string{"c.yaml"}, config.Env{
			LookupEnv: func(string) (string, bool) { return "", false },
			ReadFile:  func(string) ([]byte, error) { return []byte(text), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		return cfg.Sinks["bus"]
	}
	kafka := "kafka: { brokers: [a:1], topic: t, sasl: { mechanism: PLAIN, username: u, password: one } }"
	base := load(kafka)
	for name, tc := range map[string]struct {
		text  string
		other bool
	}{
		"the same":       {kafka, false},
		"a password":     {strings.Replace(kafka, "one", "two", 1), false},
		"a concurrency":  {"concurrency: 3, " + kafka, false},
		"another topic":  {strings.Replace(kafka, "topic: t", "topic: u", 1), true},
		"another broker": {strings.Replace(kafka, "a:1", "b:1", 1), true},
		"nats":           {"nats: { url: 'nats://a:1', subject: s, stream: S }", true},
		"sqs":            {"sqs: { queue: q, region: r }", true},
		"http":           {"http: { url: 'https://a/', headers: { a: b } }", true},
		"stdout":         {"stdout: {}", true},
	} {
		t.Run(name, func(t *testing.T) {
			sink := load(tc.text)
			if other := identity(&sink) != identity(&base); other != tc.other {
				t.Errorf("another sink: %v, want %v", other, tc.other)
			}
		})
	}
}
