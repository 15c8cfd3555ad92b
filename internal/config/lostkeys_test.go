package config

import (
	"cmp"
	"strings"
	"testing"
)

func TestLostKeys(t *testing.T) {
	const (
		stream = `nats: { url: "nats://a", stream: S }`
		sink   = `kafka: { brokers: [a:1], topic: t }`
	)
	for _, c := range []struct{ name, source, sink, routes, want string }{
		{"jetstream", stream, sink, "", "in are in order by NATS subject"},
		{"core", `nats: { url: "nats://a", subjects: [a.*] }`, sink, "", "in are in order by NATS subject"},
		{"fifo", `sqs: { queue: q.fifo, region: r }`, sink, "", "in are in order by SQS message group"},
		{"fifo by address", `sqs: { queue: "https://sqs.eu-west-1.amazonaws.com/1/q.fifo" }`, sink, "", "in are in order by SQS message group"},
		{"keep, by name", stream, `kafka: { brokers: [a:1], topic: t, key: keep }`, "", "in are in order by NATS subject"},
		{"once for a sink", stream, sink, "[{ from: in, to: out }, { from: in, when: { type: a }, to: out }]", "in are in order by NATS subject"},
		{"standard queue", `sqs: { queue: q, region: r }`, sink, "", ""},
		{"kafka", `kafka: { brokers: [b:1], topics: [u], group: g }`, sink, "", ""},
		{"http", `http: { listen: "127.0.0.1:1" }`, sink, "", ""},
		{"a key", stream, `kafka: { brokers: [a:1], topic: t, key: "{nats.subject}" }`, "", ""},
		{"none is meant", stream, `kafka: { brokers: [a:1], topic: t, key: none }`, "", ""},
		{"no order is meant", stream, sink + ", order_by: none", "", ""},
		{"another source", stream, sink, "[{ from: other, to: out }]", ""},
		{"dead letters", stream, sink, "[{ to: drop }]", ""},
		{"other sinks", stream, `http: { url: "http://x/" }`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, w := range warningsOf(t, c.source, c.sink, "out\nroutes: "+cmp.Or(c.routes, "[{ to: out }]")) {
				text, ok := strings.CutPrefix(w.Message, "events of ")
				text, advice, _ := strings.Cut(text, ", and key: keep gives them no record key, so Kafka loses that order; ")
				if !ok || w.Pos.Line != 2 {
					continue
				}
				own := c.routes == "" // other sends here, too
				if want := "give them a sink of their own with"; strings.HasPrefix(advice, want) != own {
					t.Errorf("advice %q", advice)
				}
				got = append(got, text)
			}
			if strings.Join(got, "; ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
