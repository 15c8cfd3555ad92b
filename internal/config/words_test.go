package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// loadsAndValidates tells whether Load takes a text and whether the schema does.
func loadsAndValidates(t *testing.T, s *jsonschema.Schema, text string) (loads, valid bool, said string) {
	t.Helper()
	_, err := loadText(t, text)
	if err != nil {
		said = err.Error()
	}
	return err == nil, validateYAML(s, []byte(text)) == nil, said
}

// TestEmptyWords: the schema refused acks: "", which Load took for the default.
func TestEmptyWords(t *testing.T) {
	s := compileSchema(t)
	source := func(s string) string {
		return strings.Replace(small, `http: { listen: "127.0.0.1:1" }`, s, 1)
	}
	sink := func(s string) string { return strings.Replace(small, "stdout: {}", s, 1) }
	for key, text := range map[string]string{
		"kafka.start":           source(`kafka: { brokers: ["a:1"], group: g, topics: [t], start: WORD }`),
		"kafka.isolation_level": source(`kafka: { brokers: ["a:1"], group: g, topics: [t], isolation_level: WORD }`),
		"kafka.compression":     sink(`kafka: { brokers: ["a:1"], topic: t, compression: WORD }`),
		"kafka.timestamp":       sink(`kafka: { brokers: ["a:1"], topic: t, timestamp: WORD }`),
		"kafka.acks":            sink(`kafka: { brokers: ["a:1"], topic: t, acks: WORD }`),
		"nats.start":            source(`nats: { url: "nats://a:1", stream: S, durable: d, start: WORD }`),
		"nats.create.storage":   source(`nats: { url: "nats://a:1", stream: S, durable: d, create: { subjects: [a], storage: WORD } }`),
		"nats.create.retention": source(`nats: { url: "nats://a:1", stream: S, durable: d, create: { subjects: [a], retention: WORD } }`),
		"nats.create.discard":   source(`nats: { url: "nats://a:1", stream: S, durable: d, create: { subjects: [a], discard: WORD } }`),
		"sqs.dedup":             sink(`sqs: { queue: q.fifo, region: r, dedup: WORD }`),
		"http.header_encoding":  source(`http: { listen: "127.0.0.1:1", header_encoding: WORD }`),
		"http.network":          sink(`http: { url: "http://x/", network: WORD }`),
		"http.sign.attributes":  sink(`http: { url: "http://x/", sign: { secret: k, attributes: WORD } }`),

		"http.auth.hmac.attributes": source(`http: { listen: "127.0.0.1:1", auth: { hmac: { secrets: [k], attributes: WORD } } }`),
	} {
		want := `expected ` + list(transportWords[key]) + `, got ""; remove the key for the default`
		if loads, valid, said := loadsAndValidates(t, s, strings.Replace(text, "WORD", `""`, 1)); loads || valid || !strings.Contains(said, want) {
			t.Errorf("%s: loads %v, valid %v: %s", key, loads, valid, said)
		}
		for _, word := range transportWords[key] {
			if loads, valid, said := loadsAndValidates(t, s, strings.Replace(text, "WORD", word, 1)); !loads || !valid {
				t.Errorf("%s: %s: loads %v, valid %v: %s", key, word, loads, valid, said)
			}
		}
	}
	if _, err := loadText(t, sink(`kafka: { brokers: ["a:1"], topic: t, acks: "${UNSET:-}" }`)); err != nil {
		t.Errorf("an empty variable does not ask for the default: %v", err)
	}
	if len(transportWords) != 14 {
		t.Errorf("%d keys take words, and 14 are tried", len(transportWords))
	}
}

// TestNamesThatYAMLReadsAsSomethingElse: the schema refused name: true and name: 5, which Load takes. It cannot tell True,
// which Load refuses, from true.
func TestNamesThatYAMLReadsAsSomethingElse(t *testing.T) {
	s := compileSchema(t)
	for name, want := range map[string]bool{"true": true, "5": true, "-5": false, "1.5": false, "drop": false, "A": false} {
		text := strings.Replace(small, "{ to: out }", "{ to: out, name: "+name+" }", 1)
		if loads, valid, said := loadsAndValidates(t, s, text); loads != want || valid != want {
			t.Errorf("%s: loads %v, valid %v: %s", name, loads, valid, said)
		}
	}
}

// TestSmallMessages holds messages that said too little or too much.
func TestSmallMessages(t *testing.T) {
	for sink, want := range map[string]string{
		"stdout: { x: y }": `c.yaml:3:27: sinks.out.stdout.x: unknown key "x"; no keys are known here: write {}`,
		`http: { url: "http://x/", auth: { bearer: "${UNSET}" } }`:   "c.yaml:3:59: sinks.out.http.auth.bearer: environment variable UNSET is not set; set it, or write ${UNSET:-default}",
		`http: { url: "http://x/", auth: { beaer: x } }`:             `c.yaml:3:51: sinks.out.http.auth.beaer: unknown key "beaer"; did you mean "bearer"?`,
		`http: { url: "http://x/", auth: {} }`:                       "c.yaml:3:49: sinks.out.http.auth: one of bearer and basic is needed",
		`kafka: { brokers: [b], topic: t }`:                          `c.yaml:3:36: sinks.out.kafka.brokers[0]: "b" is not an address such as kafka-1:9092`,
		`kafka: { brokers: ["kafka://u:planted@b:9092"], topic: t }`: `c.yaml:3:36: sinks.out.kafka.brokers[0]: "…@b:9092" is not an address such as kafka-1:9092`,
	} {
		_, err := loadText(t, strings.Replace(small, "stdout: {}", sink, 1))
		if fmt.Sprint(err) != want {
			t.Errorf("got\n%v\nwant\n%s", err, want)
		}
	}
}
