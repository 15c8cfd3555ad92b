package main

import (
	"testing"

	"github.com/eventrouter/router/internal/exit"
)

// TestInlineSinkPlaces: mistakes in the argument of --sink had the places of a file that nobody wrote.
func TestInlineSinkPlaces(t *testing.T) {
	for sink, want := range map[string]string{
		"stdot: {}":                `--sink:1:1: stdot: unknown key "stdot"; did you mean "stdout"?`,
		"stdout: { x: y }":         `--sink:1:11: stdout.x: unknown key "x"; no keys are known here: write {}`,
		"stdout: {}\nmode: binry":  `--sink:2:7: mode: expected binary, structured or batch, got "binry"; did you mean "binary"?`,
		"  stdout: {}\n  mod: a\n": `--sink:2:3: mod: unknown key "mod"; did you mean "mode"?`,
		"stdout: {}\nstdout: {}":   `--sink:2:1: stdout: duplicate key "stdout", already at --sink:1:1`,
		"mode: binary":             "--sink:1:1: has no transport; it takes exactly one of kafka, nats, sqs, http, stdout",
		"stdout: {":                "--sink:1:1: not valid YAML: did not find expected node content",
		" ":                        "--sink:1:1: expected a map, got nothing; remove the key",
		"http: { url: 'http://x/', tls: { ca: /no/such } }": "--sink:1:38: sinks.target.http.tls.ca: open /no/such: no such file or directory",
	} {
		r := command(t, "send", "--sink", sink, "--type", "a")
		if r.code == exit.Fine {
			t.Errorf("%s: took it", sink)
		}
		wants(t, r, want)
	}
}
