package config

import (
	"strings"
	"testing"
)

// TestEmptyKeysAdviseWhatIsAccepted: the hint for a key without a value offered {}, [] or "" where the next run refused it.
func TestEmptyKeysAdviseWhatIsAccepted(t *testing.T) {
	sink := func(s string) string { return strings.Replace(small, "stdout: {}", s, 1) }
	route := func(s string) string { return strings.Replace(small, "to: out", "to: out, "+s, 1) }
	source := func(s string) string {
		return strings.Replace(small, `listen: "127.0.0.1:1" }`, `listen: "127.0.0.1:1" }, `+s, 1)
	}
	for _, c := range []struct{ before, want, after string }{
		{sink("stdout: {}, accepts:"), "got nothing; remove the key", sink("stdout: {}")},
		{sink("stdout: {}, accepts: { dataclassification: }"), "name the levels that may go here, or write [] for none", sink("stdout: {}, accepts: { dataclassification: [] }")},
		{sink("stdout: {}, dataref:"), "got nothing; remove the key", sink("stdout: {}")},
		{sink("stdout:"), "got nothing; remove the key, or write {}", sink("stdout: {}")},
		{route("attribute_types:"), "got nothing; remove the key", small},
		{route("attribute_types: { n: , m: String }"), "got nothing; remove the key", route("attribute_types: { m: String }")},
		{source("adapters: [null]"), "got nothing; remove the entry", source("adapters: []")},
		{source("wrap: { type: , source: /s }"), "got nothing; give it a value", source("wrap: { type: t, source: /s }")},
		{strings.Replace(small, "to: out", "to:", 1), "got nothing; give it a value", small},
		{strings.Replace(small, "hold", "", 1), "got nothing; give it a value", small},
	} {
		_, err := loadText(t, c.before)
		if err == nil || !strings.HasSuffix(strings.Split(err.Error(), "\n")[0], c.want) {
			t.Errorf("%s: got %v, want %s", c.before, err, c.want)
		}
		if _, err := loadText(t, c.after); err != nil {
			t.Errorf("what was advised is refused: %v in %s", err, c.after)
		}
	}
}

// TestUnreadableCharactersHavePlaces: bad UTF-8 and control characters were reported at 1:1 and without a way out.
func TestUnreadableCharactersHavePlaces(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a: 1\nb: \"ä\xe4\"\n", "c.yaml:2:6: not valid YAML: what stands here is not UTF-8; save the file with the encoding UTF-8"},
		{"a: 1\r\n\r\n# \x01", "c.yaml:3:3: not valid YAML: the control character U+0001 stands here; remove it, or write \\x01 in a text in double quotes"},
		{"a: x\x7f", `c.yaml:1:5: not valid YAML: the control character U+007F stands here; remove it, or write \x7F in`},
		{"a: x\uffff", `c.yaml:1:5: not valid YAML: the control character U+FFFF stands here; remove it, or write \uFFFF in`},
		{"a\x00:\x00", "c.yaml:1:2: not valid YAML: a NUL character stands here; remove it, or save the file with the encoding UTF-8"},
		{"\ufeffa: \xff", "c.yaml:1:4: not valid YAML: what stands here is not UTF-8"},
		{"a: x\u0085\nb: [", "c.yaml:"},
		{strings.Repeat("[", 20_000), "exceeded max depth of 10000; no configuration is nested nearly as deep: look for brackets or indentations that are never closed"},
	} {
		_, err := loadText(t, c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.20q: got %v, want %s", c.text, err, c.want)
		}
	}
	utf16 := "\xff\xfe"
	for _, b := range []byte(small) {
		utf16 += string([]byte{b, 0})
	}
	for what, text := range map[string]string{"a byte order mark": "\ufeff" + small, "UTF-16": utf16} {
		if _, err := loadText(t, text); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestCopiesThatContradictThemselves: what a route says of its copy was not compared: with the drop that it leads to, and
// of set, attribute_types and sample with each other.
func TestCopiesThatContradictThemselves(t *testing.T) {
	for _, c := range []struct{ route, want string }{
		{"to: drop, attribute_types: { n: Integer }", "c.yaml:6:39: routes[0].attribute_types: a route to drop delivers nothing whose attributes could have types"},
		{"to: drop, set: { n: x }", "warning: c.yaml:6:27: routes[0].set: a route to drop delivers nothing that could be changed; remove the key, or name a sink"},
		{"to: out, sample: 2, attribute_types: { sampledrate: Boolean }", "c.yaml:6:64: routes[0].attribute_types.sampledrate: sample makes sampledrate an Integer"},
		{"to: out, sample: 2, attribute_types: { sampledrate: Integer }, set: { sampledrate: 3 }", ""},
		{"to: out, sample: 2, set: { sampledrate: 0 }", "set.sampledrate: sample multiplies sampledrate, which has to be an Integer above 0"},
		{"to: out, set: { n: five }, attribute_types: { n: Integer }", "c.yaml:6:31: routes[0].set.n: this text is no Integer, which attribute_types at c.yaml:6:61 makes of it: it must be an integer"},
		{"to: out, set: { n: \"TRUE\" }, attribute_types: { n: Boolean }", "it must be true or false"},
		{"to: out, set: { n: \"{subject}\", m: 5 }, attribute_types: { n: Integer, m: Integer }", ""},
		{"to: out, set: { n: null }, attribute_types: { n: Integer }", ""},
		{"to: out, sample: 010", `routes[0].sample: expected a whole number, got "010"; some readers of YAML take a leading zero for octal: write it without`},
	} {
		warnings, problems := said(t, strings.NewReplacer("to: out", c.route, "unmatched: drop", "unmatched: out").Replace(small))
		got := problems
		if problems == "" && strings.Contains(c.want, "warning: ") {
			got = "warning: " + warnings
		}
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s:\n got %s\nwant %s", c.route, got, c.want)
		}
	}
	text := strings.Replace(small, `listen: "127.0.0.1:1" }`, `listen: "127.0.0.1:1" }, adapters: [sns, s3, sns]`, 1)
	if _, problems := said(t, text); !strings.Contains(problems, `sources.in.adapters[2]: "sns" is named twice`) {
		t.Errorf("an adapter that is named twice: %s", problems)
	}
}
