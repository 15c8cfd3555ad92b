package config

import (
	"strings"
	"testing"
)

// TestIDsThatRepeat: a wrap whose id is the same for many messages led to a stream or a FIFO queue that stored the first of
// them and removed the others, counted as delivered, and check said nothing.
func TestIDsThatRepeat(t *testing.T) {
	const (
		stream = `nats: { url: "nats://n", stream: S, subject: "a.{type}" }`
		fifo   = `sqs: { queue: q.fifo }`
	)
	for _, c := range []struct{ source, wrap, sink, want string }{
		{"", "id: fixed", stream, "out (a stream's duplicate window)"},
		{"", "id: fixed", fifo, "out (a FIFO queue with dedup: id)"},
		{"", "id: fixed", `sqs: { queue: "https://sqs.r.amazonaws.com/1/q.fifo", dedup: id }`, "out (a FIFO queue with dedup: id)"},
		{"", "id: fixed", `sqs: { queue: q.fifo, dedup: content }`, ""},
		{"", "id: fixed", `sqs: { queue: q.fifo, dedup: none }`, ""},
		{"", "id: fixed", `sqs: { queue: q }`, ""},
		{"", "id: fixed", `nats: { url: "nats://n", subject: a }`, ""},
		{"", "", stream, ""},
		{"", `id: "{position}"`, stream, ""},
		{"", `id: "{data.id}"`, stream, ""},
		{"", `id: "{{data.id}}"`, stream, "out (a stream's duplicate window)"},
		{"", `id: "{kafka.topic}-{kafka.key}"`, stream, "out (a stream's duplicate window)"},
		{"", `id: "{kafka.offset}"`, stream, "out (a stream's duplicate window)"},
		{"", `id: "{kafka.partition}-{kafka.offset}"`, stream, ""},
		{"topics: [t, u]", `id: "{kafka.partition}-{kafka.offset}"`, stream, "out (a stream's duplicate window)"},
		{"topics: [t, u]", `id: "{kafka.topic}-{kafka.partition}-{kafka.offset}"`, stream, ""},
	} {
		topics := c.source
		if topics == "" {
			topics = "topics: [t]"
		}
		warnings, problems := said(t, `
sources: { in: { kafka: { brokers: [a:1], `+topics+`, group: g }, wrap: { type: t, source: /s, `+c.wrap+` } } }
sinks: { out: { `+c.sink+` } }
unmatched: drop
dead_letter: hold
routes: [{ to: out }]`)
		if problems != "" || c.want == "" && warnings != "" || c.want != "" &&
			!strings.Contains(warnings, "sources.in.wrap.id: different messages get the same source and id, and "+c.want) {
			t.Errorf("%s, %s: got %s%s, want %q", c.wrap, c.sink, warnings, problems, c.want)
		}
	}
}

// TestIDsInTheSourceCount holds that source and id together tell events apart, and that a sink which no such event reaches
// is of no concern.
func TestIDsInTheSourceCount(t *testing.T) {
	const text = `
sources: { in: { kafka: { brokers: [a:1], topics: [t], group: g }, wrap: { type: t, source: "/s/ID", id: fixed } } }
sinks: { out: { nats: { url: "nats://n", stream: S, subject: a } }, other: { stdout: {} } }
unmatched: drop
dead_letter: hold
routes: [{ to: TO }, { from: in, when: { type: x }, to: out }]`
	for _, c := range []struct{ id, to, want string }{
		{"{position}", "out", ""}, {"x", "out", "sources.in.wrap.id"}, {"{kafka.topic}", "other", "sources.in.wrap.id"}, {"x", "drop", "sources.in.wrap.id"},
	} {
		warnings, problems := said(t, strings.NewReplacer("ID", c.id, "TO", c.to).Replace(text))
		if problems != "" || c.want == "" && strings.Contains(warnings, "same source and id") || !strings.Contains(warnings, c.want) || strings.Count(warnings, "wrap.id") > 1 {
			t.Errorf("%s, %s: got %s%s", c.id, c.to, warnings, problems)
		}
	}
}
