package config

import (
	"strings"
	"testing"
)

// TestMetadataOfOtherTransports: a template that takes what no source of its events has passed, and every delivery was
// refused.
func TestMetadataOfOtherTransports(t *testing.T) {
	const (
		none = "kafka sources alone, and none comes here: events come from "
		some = "{kafka.topic} has no value for events of web (http), which can come here and would be refused; give them a route with from, or a sink, of their own"
	)
	for _, c := range []struct{ name, topic, wrap, policies, routes, want string }{
		{"no source can", "t.{kafka.topic}", "", "", "{ from: web, to: out }", "c.yaml:6:53: sinks.out.kafka.topic: {kafka.topic} is filled by " + none + "web (http); did you mean {http.path}?"},
		{"no kind fits", "t.{sqs.group}", "", "", "{ from: [web, orders], to: out }", "{sqs.group} is filled by sqs sources alone, and none comes here: events come from orders (kafka), web (http)"},
		{"some can", "{kafka.topic}", "", "", "{ to: out }", "sinks.out.kafka.topic: {kafka.topic} has no value for events of core (nats), web (http)"},
		{"some of those named", "{kafka.topic}", "", "", "{ from: [web, orders], to: out }", some},
		{"two routes", "{kafka.topic}", "", "", "{ from: web, to: out }, { from: orders, to: out }", some},
		{"core has no streams", "{nats.stream}", "", "", "{ from: core, to: out }", "{nats.stream} is filled by JetStream sources alone, those with stream, and none comes here: events come from core (nats)"},
		{"set", "t", "", "", `{ from: web, to: out, set: { x: "{kafka.topic}-{kafka.topic}" } }`, "routes[0].set.x: {kafka.topic} is filled by " + none + "web (http)"},
		{"set of every source", "t", "", "", `{ to: out, set: { x: "{http.path}" } }`, "routes[0].set.x: {http.path} has no value for events of orders (kafka), core (nats)"},
		{"wrap", "t", ", wrap: { type: t, source: \"/{nats.subject}\" }", "", "{ to: out }", "sources.web.wrap.source: {nats.subject} is filled by nats sources alone, and none comes here: events come from web (http); did you mean {http.path}?"},
		{"unmatched", "{kafka.topic}", "", "unmatched: out", "{ from: web, when: { type: a }, to: log }, { from: core, to: log }", some},
		{"unmatched of none", "{kafka.topic}", "", "unmatched: out", "{ from: [web, core], to: log }", ""},
		{"dead letters", "{sqs.queue}", "", "dead_letter: out", "{ to: log }", "{sqs.queue} is filled by sqs sources alone"},
		{"a sink's dead letters", "{kafka.topic}", "", "sink", "{ from: web, to: more }", none + "web (http)"},

		{"the right source", "{kafka.topic}-{kafka.partition}", "", "", "{ from: orders, to: out }", ""},
		{"own kind", "t", ", wrap: { type: t, source: \"/{http.path}/{position}\" }", "", "{ to: out }", ""},
		{"any transport", "{position}-{type}-{data.kafka.topic}", "", "", "{ to: out }", ""},
		{"doubled braces", "t", "", "", `{ from: web, to: out, set: { x: "{{kafka.topic}}", y: null } }`, ""},
		{"drop", "t", "", "", "{ from: web, to: log }", ""},
	} {
		dead, unmatched, sink := "hold", "log", ""
		switch key, value, _ := strings.Cut(c.policies, ": "); key {
		case "unmatched":
			unmatched = value
		case "dead_letter":
			dead = value
		case "sink":
			sink = ", dead_letter: out"
		}
		warnings, problems := said(t, "sources:\n  web: { http: { listen: ':1' }"+c.wrap+" }\n  orders: { kafka: { brokers: [k:1], topics: [t], group: g } }\n  core: { nats: { url: 'nats://n', subjects: [a] } }\nsinks:\n"+
			"  out: { kafka: { brokers: [k:1], key: none, topic: \""+c.topic+"\" } }\n  log: { stdout: {} }\n  more: { stdout: {}"+sink+" }\n"+
			"unmatched: "+unmatched+"\ndead_letter: "+dead+"\nroutes: ["+c.routes+"]\n")
		got := problems + strings.ReplaceAll(warnings, "nothing leads to the sink", "")
		if c.want == "" && strings.Contains(got, "{") || !strings.Contains(got, c.want) {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestDeadLettersOfWhatIsUnmatchedFillPlaceholders: events that match no route could come to a sink of dead letters, and
// were not counted.
func TestDeadLettersOfWhatIsUnmatchedFillPlaceholders(t *testing.T) {
	warnings, problems := said(t, `
sources: { k: { kafka: { brokers: ["a:1"], topics: [t], group: g } }, h: { http: { listen: "127.0.0.1:1" } } }
sinks:
  main: { http: { url: "http://x/" }, dead_letter: dead }
  dead: { kafka: { brokers: ["a:1"], topic: "dead.{kafka.topic}" } }
routes: [{ from: h, when: { type: a }, to: main }]
unmatched: main
dead_letter: drop
`)
	if problems != "" || !strings.Contains(warnings, "{kafka.topic} has no value for events of h (http)") {
		t.Errorf("got %s%s", warnings, problems)
	}
}
