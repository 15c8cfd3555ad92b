package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eventrouter/router/bindings/security"
)

// commaConfig has a list in every place that takes one.
const commaConfig = `
sources:
  k: { kafka: { brokers: %[1]s, topics: %[2]s, group: g } }
  n: { nats: { url: "nats://n", subjects: %[2]s } }
  h:
    http: { listen: "127.0.0.1:1", path: /h, tls: { ca: a, cert: c, key: k }, webhook: { allowed_origins: %[2]s }, auth: { client_names: %[2]s, bearer: %[3]s, hmac: { secrets: %[3]s } } }
    adapters: %[4]s
sinks:
  a: { kafka: { brokers: %[1]s, topic: t }, accepts: { dataclassification: %[2]s, dataregulation: %[2]s } }
  b: { http: { url: "http://x", sign: { secrets: %[3]s } } }
routes:
  - { name: a, from: %[5]s, to: %[6]s }
tests:
  - { event: { type: t }, from: k, goes_to: %[6]s, routes: [a] }
unmatched: drop
dead_letter: hold`

// TestListsFromOneVariable: brokers: ${LIST} with commas in the variable was refused as one address that is none, and where
// a list is a must the variable was told to stand in brackets, where it is one item.
func TestListsFromOneVariable(t *testing.T) {
	variables := map[string]string{
		"BROKERS": "a:1, b:2 ,c:3,", "WORDS": "x,y", "TOKENS": "planted-one, planted-two", "ADAPTERS": "sns,s3", "FROM": "k,n", "TO": "a,b",
	}
	load := func(text string) (*Config, error) {
		return loadWith(t, text, func(name string) (string, bool) { v, ok := variables[name]; return v, ok })
	}
	c, err := load(fmt.Sprintf(commaConfig, `"${BROKERS}"`, `"${WORDS}"`, `"${TOKENS}"`, `"${ADAPTERS}"`, `"${FROM}"`, `"${TO}"`))
	if err != nil {
		t.Fatal(err)
	}
	brokers, words := []string{"a:1", "b:2", "c:3"}, []string{"x", "y"}
	k, h, a := c.Sources["k"].Kafka, c.Sources["h"], c.Sinks["a"]
	for what, l := range map[string][2][]string{
		"brokers": {k.Brokers, brokers}, "topics": {k.Topics, words}, "subjects": {c.Sources["n"].NATS.Subjects, words},
		"allowed_origins": {h.HTTP.Webhook.AllowedOrigins, words}, "client_names": {h.HTTP.Auth.ClientNames, words},
		"bearer": {reveal(h.HTTP.Auth.Bearer), {"planted-one", "planted-two"}}, "hmac": {reveal(h.HTTP.Auth.HMAC.Secrets), {"planted-one", "planted-two"}},
		"adapters": {h.Adapters, {"sns", "s3"}}, "sink brokers": {a.Kafka.Brokers, brokers},
		"dataclassification": {a.Accepts.DataClassification, words}, "dataregulation": {a.Accepts.DataRegulation, words},
		"sign": {reveal(c.Sinks["b"].HTTP.Sign.Secrets), {"planted-one", "planted-two"}},
		"from": {c.Routes[0].From, {"k", "n"}}, "to": {c.Routes[0].To, {"a", "b"}}, "goes_to": {c.Tests[0].GoesTo, {"a", "b"}},
	} {
		if !slices.Equal(l[0], l[1]) {
			t.Errorf("%s: got %q, want %q", what, l[0], l[1])
		}
	}
	if text := c.String(); strings.Contains(text, "planted") || !strings.Contains(text, `"brokers":"${BROKERS}"`) || !strings.Contains(text, `"from":"${FROM}"`) {
		t.Errorf("prints as %s", text)
	}
}

func reveal(secrets []security.Secret) []string {
	var all []string
	for _, s := range secrets {
		all = append(all, s.Reveal())
	}
	return all
}

// TestCommasInLists holds what ends an item and what does not.
func TestCommasInLists(t *testing.T) {
	variables := map[string]string{"TWO": "b:2,c:3", "ONE": "planted-a,planted-b", "NONE": " , ", "BAD": "a:1,planted", "EMPTY": ""}
	for _, c := range []struct{ brokers, words, tokens, want string }{
		{`"a:1,b:2"`, "[x]", "[s]", "[a:1 b:2] [x] [s]"},
		{`[a:1, "${TWO}"]`, "[x]", "[s]", "[a:1 b:2 c:3] [x] [s]"},
		{`[a:1]`, `["${ONE}"]`, `["${ONE}"]`, "[a:1] [planted-a,planted-b] [planted-a,planted-b]"},
		{`[a:1]`, `["x,y"]`, `["s,t"]`, "[a:1] [x,y] [s,t]"},
		{`[a:1]`, `x,y`, `[s]`, "client_names: expected a list, got a single value; write it in brackets: [ ]"},
		{`[a:1]`, `"${NONE}"`, `[s]`, "client_names: expected a list, with commas between its items, got a variable that holds none"},
		{`[a:1]`, `"${EMPTY}"`, `[s]`, "client_names: expected a list, with commas between its items, got a variable that holds none"},
		{`[a:1]`, `[x]`, `"${EMPTY}"`, "bearer: expected a list, with commas between its items, got a variable that holds none"},
		{`"${BAD}"`, `[x]`, `[s]`, `brokers[1]: "${BAD}" is not an address such as kafka-1:9092`},
		{`[b:1, "${BAD}"]`, `[x]`, `[s]`, `brokers[2]: "${BAD}" is not an address such as kafka-1:9092`},
	} {
		text := `
sources:
  k: { kafka: { brokers: ` + c.brokers + `, topics: t, group: g } }
  h: { http: { listen: "127.0.0.1:1", tls: { ca: a, cert: c, key: k }, auth: { client_names: ` + c.words + `, bearer: ` + c.tokens + ` } } }
sinks: { out: { stdout: {} } }
unmatched: out
dead_letter: hold`
		config, err := loadWith(t, text, func(name string) (string, bool) { v, ok := variables[name]; return v, ok })
		got := fmt.Sprint(err)
		if err == nil {
			auth := config.Sources["h"].HTTP.Auth
			got = fmt.Sprint(config.Sources["k"].Kafka.Brokers, auth.ClientNames, reveal(auth.Bearer))
		} else if strings.Contains(got, "planted") {
			t.Errorf("the error shows what a variable stands for: %s", got)
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s, %s, %s: got %s, want %s", c.brokers, c.words, c.tokens, got, c.want)
		}
	}
}

// loadWith loads a text with these variables.
func loadWith(t *testing.T, text string, lookup func(string) (string, bool)) (*Config, error) {
	t.Helper()
	env := memory(map[string]string{"c.yaml": text})
	env.LookupEnv = lookup
	return Load([]string{"c.yaml"}, env)
}
