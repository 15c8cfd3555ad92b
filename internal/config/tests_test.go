package config

import (
	"strings"
	"testing"
)

// Tests that looked at nothing passed: those whose file has no event, and those whose expectations are empty.
func TestTestsMustTestSomething(t *testing.T) {
	const event = "tests: [{ event: { type: t }, "
	for _, c := range []struct{ tests, want string }{
		{event + "set: {} }]", "c.yaml:7:36: tests[0].set: expects nothing; name attributes with their values, or with null"},
		{event + "renders: {} }]", "c.yaml:7:40: tests[0].renders: expects nothing; name sinks with what they must get"},
		{event + "renders: { out: {} } }]", "c.yaml:7:47: tests[0].renders.out: expects nothing; name one of mode with its value"},
		{event + "goes_to: out, set: {} }]", "tests[0].set: expects nothing"},
		{event + "}]", "tests[0]: the test expects nothing"},
		{"tests: [{ events: batch.json, goes_to: out }]", `tests[0].events: there is no event in "batch.json", so that the test would test nothing`},
		{"tests: [{ events: lines.jsonl, goes_to: out }]", `tests[0].events: there is no event in "lines.jsonl"`},
		{"tests: [{ events: batch.http, goes_to: out }]", `tests[0].events: there is no event in "batch.http"`},
		{"tests: [{ events: short.http, goes_to: out }]", "short.http:1:1: tests[0].events: Content-Length: it says 9 bytes, and the body has 2"},
	} {
		_, err := Load([]string{"c.yaml"}, memory(map[string]string{
			"c.yaml": small + c.tests + "\n", "batch.json": "[]", "lines.jsonl": "\n\n",
			"batch.http": "POST / HTTP/1.1\nContent-Type: application/cloudevents-batch+json\n\n[]",
			"short.http": "POST / HTTP/1.1\nContent-Type: application/cloudevents-batch+json\nContent-Length: 9\n\n[]",
		}))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.tests, err, c.want)
		}
	}
	for _, good := range []string{"goes_to: []", "routes: []", "set: { x: null }", "renders: { out: mode structured }"} {
		if _, err := loadText(t, small+event+good+" }]\n"); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
