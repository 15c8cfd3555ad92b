package config

import (
	"strings"
	"testing"
)

// A sink that signs binary requests was not told of: the signature leaves the attributes open to anybody.
func TestSignedBinarySinkIsWarnedOf(t *testing.T) {
	const warning = "sinks.out.http.sign: the signature covers the body alone, and in binary mode the attributes are headers beside it; " +
		"write mode: structured or mode: batch for the sink, or attributes: unsigned here if that is meant"
	for _, c := range []struct {
		sink string
		warn bool
	}{
		{`http: { url: "https://x.org", sign: { secret: k } }`, true},
		{`http: { url: "https://x.org", sign: { secret: k, attributes: signed } }`, true},
		{`http: { url: "https://x.org", sign: { secret: k } }, mode: binary`, true},
		{`http: { url: "https://x.org", sign: { secret: k, attributes: unsigned } }`, false},
		{`http: { url: "https://x.org", sign: { secret: k } }, mode: structured`, false},
		{`http: { url: "https://x.org", sign: { secret: k } }, mode: batch`, false},
		{`http: { url: "https://x.org" }`, false},
	} {
		warnings, problems := said(t, strings.Replace(small, "stdout: {}", c.sink, 1))
		if problems != "" || strings.Contains(warnings, warning) != c.warn {
			t.Errorf("%s: got %q and %q, want a warning: %v", c.sink, warnings, problems, c.warn)
		}
	}
}

// TestWordsOfAttributes: another word is a mistake, at the source and at the sink.
func TestWordsOfAttributes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{strings.Replace(small, "stdout: {}", `http: { url: "https://x.org", sign: { secret: k, attributes: no } }`, 1), `sinks.out.http.sign.attributes: "no" is not signed or unsigned`},
		{strings.Replace(small, `listen: "127.0.0.1:1" }`, `listen: "127.0.0.1:1", auth: { hmac: { secrets: [k], attributes: no } } }`, 1), `auth.hmac.attributes: "no" is not signed or unsigned`},
	} {
		if _, problems := said(t, c.text); !strings.Contains(problems, c.want) {
			t.Errorf("got %q, want %q", problems, c.want)
		}
	}
}
