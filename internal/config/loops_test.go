package config

import (
	"cmp"
	"strings"
	"testing"
)

func TestLoops(t *testing.T) {
	for _, c := range []struct{ name, source, sink, routes, want string }{
		{"kafka topic", `kafka: { brokers: [a:1, b:1], topics: [t, u], group: g }`, `kafka: { brokers: [b:1], topic: u }`, "", "in → out → in"},
		{"kafka other topic", `kafka: { brokers: [a:1], topics: [t], group: g }`, `kafka: { brokers: [a:1], topic: u }`, "", ""},
		{"kafka other brokers", `kafka: { brokers: [a:1], topics: [t], group: g }`, `kafka: { brokers: [b:1], topic: t }`, "", ""},
		{"kafka regex", `kafka: { brokers: [a:1], topics_regex: "t.*", group: g }`, `kafka: { brokers: [a:1], topic: tt }`, "", "in → out → in"},
		{"kafka regex of the whole name", `kafka: { brokers: [a:1], topics_regex: "t", group: g }`, `kafka: { brokers: [a:1], topic: tt }`, "", ""},
		{"kafka template", `kafka: { brokers: [a:1], topics: [t], group: g }`, `kafka: { brokers: [a:1], topic: "{type}" }`, "", ""},
		{"stream", `nats: { url: "nats://a", stream: S }`, `nats: { url: "nats://a", stream: S, subject: a.b }`, "", "in → out → in"},
		{"other stream", `nats: { url: "nats://a", stream: S }`, `nats: { url: "nats://a", stream: T, subject: a.b }`, "", ""},
		{"other server", `nats: { url: "nats://a", stream: S }`, `nats: { url: "nats://b", stream: S, subject: a.b }`, "", ""},
		{"filter takes it", `nats: { url: "nats://a", stream: S, subjects: [a.>] }`, `nats: { url: "nats://a", stream: S, subject: "a.{type}" }`, "", "in → out → in"},
		{"filter does not", `nats: { url: "nats://a", stream: S, subjects: [b.>] }`, `nats: { url: "nats://a", stream: S, subject: "a.{type}" }`, "", ""},
		{"stream takes core subjects", `nats: { url: "nats://a", stream: S, create: { subjects: [a.*] } }`, `nats: { url: "nats://a", subject: a.b }`, "", "in → out → in"},
		{"stream of unknown subjects", `nats: { url: "nats://a", stream: S }`, `nats: { url: "nats://a", subject: a.b }`, "", ""},
		{"core", `nats: { url: "nats://a", subjects: [a.*] }`, `nats: { url: "nats://a", subject: a.b }`, "", "in → out → in"},
		{"core longer", `nats: { url: "nats://a", subjects: [a.*] }`, `nats: { url: "nats://a", subject: a.b.c }`, "", ""},
		{"core shorter", `nats: { url: "nats://a", subjects: [a.b.c] }`, `nats: { url: "nats://a", subject: a.b }`, "", ""},
		{"core rest", `nats: { url: "nats://a", subjects: [">"] }`, `nats: { url: "nats://a", subject: a.b }`, "", "in → out → in"},
		{"queue", `sqs: { queue: q, region: r }`, `sqs: { queue: q, region: r }`, "", "in → out → in"},
		{"other region", `sqs: { queue: q, region: r }`, `sqs: { queue: q, region: s }`, "", ""},
		{"own port", `http: { listen: ":80", path: /x }`, `http: { url: "http://localhost:80/x" }`, "", "in → out → in"},
		{"own port, default path", `http: { listen: "127.0.0.1:80" }`, `http: { url: "http://127.0.0.1:80" }`, "", "in → out → in"},
		{"other port", `http: { listen: ":80" }`, `http: { url: "http://[::1]:81" }`, "", ""},
		{"other host", `http: { listen: ":80" }`, `http: { url: "http://example.com:80" }`, "", ""},
		{"template in the path", `http: { listen: ":80" }`, `http: { url: "http://localhost:80/%7Bx/{type}" }`, "", ""},
		{"not reachable", `sqs: { queue: q, region: r }`, `sqs: { queue: q, region: r }`, `[{ from: other, to: out }, { to: drop }]`, ""},
		{"different kinds", `sqs: { queue: q }`, `http: { url: "http://x/" }`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			for _, w := range warningsOf(t, c.source, c.sink, "hold\nroutes: "+cmp.Or(c.routes, "[{ to: out }]")) {
				if way, ok := strings.CutPrefix(w.Message, "events can go round: "); ok {
					got += way
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// warningsOf returns what a configuration with a source in, another one, and a sink out is warned of. The sink stands on
// the second line.
func warningsOf(t *testing.T, source, sink, deadLetterAndRoutes string) []Problem {
	t.Helper()
	config, err := loadText(t, "sources: { in: { "+source+" }, other: { http: { listen: ':1', path: /other } } }\n"+
		"sinks: { out: { "+sink+" } }\nunmatched: drop\ndead_letter: "+deadLetterAndRoutes)
	if err != nil {
		t.Fatal(err)
	}
	return config.Warnings
}

// TestLoopOfDeadLetters holds that the ways of unmatched events and of dead letters count too.
func TestLoopOfDeadLetters(t *testing.T) {
	c, err := loadText(t, `
sources: { in: { sqs: { queue: q } }, again: { sqs: { queue: d } } }
sinks: { out: { stdout: {}, dead_letter: own }, own: { sqs: { queue: d } }, lost: { sqs: { queue: q } } }
unmatched: lost
dead_letter: hold
routes: [{ to: out }]`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Error())
	}
	want := []string{
		"c.yaml:3:54: sinks.own: events can go round: again → own → again",
		"c.yaml:3:83: sinks.lost: events can go round: in → lost → in",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
