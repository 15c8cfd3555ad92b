package config

import (
	"strings"
	"testing"
)

// TestSinkFormat: an event format that a transport cannot carry is a mistake of the configuration, at its line.
func TestSinkFormat(t *testing.T) {
	const (
		kafka  = "kafka: { brokers: [k:9092], topic: t }"
		http   = "http: { url: https://x/ }"
		sqs    = "sqs: { queue: q, region: eu-central-1 }"
		nats   = "nats: { url: nats://n, subject: s }"
		stdout = "stdout: {}"
	)
	for _, c := range []struct{ sink, want string }{
		{kafka + ", format: protobuf, mode: structured", ""},
		{kafka + ", format: avro", ""},
		{http + ", format: xml, mode: batch", ""},
		{http + ", format: avro, mode: batch", "avro has no batch"},
		{http + ", format: cbor", "expected json, protobuf, xml or avro"},
		{sqs + ", format: xml", ""},
		{sqs + ", format: protobuf", "SQS messages are text"},
		{nats + ", format: json", ""},
		{nats + ", format: protobuf", "the NATS binding has the JSON format only"},
		{stdout + ", format: xml", "a stdout sink writes JSON"},
	} {
		text := "sources: { in: { http: { listen: \"127.0.0.1:0\" } } }\nsinks:\n  out: { " + c.sink +
			" }\nroutes: [{ to: out }]\nunmatched: drop\ndead_letter: drop\n"
		_, err := loadText(t, text)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.sink, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), ":3:")):
			t.Errorf("%s: got %v, want line 3 to say %q", c.sink, err, c.want)
		}
	}
}
