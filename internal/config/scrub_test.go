package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// refusal loads small with a part replaced, and returns what Load says, warnings included.
func refusal(t *testing.T, part, with, value string) string {
	t.Helper()
	env := memory(map[string]string{"c.yaml": strings.Replace(small, part, with, 1)})
	env.LookupEnv = func(string) (string, bool) { return value, true }
	c, err := Load([]string{"c.yaml"}, env)
	var text strings.Builder
	var warnings []Problem
	if p := new(Problems); errors.As(err, &p) {
		warnings = p.Warnings
	} else {
		warnings = c.Warnings
	}
	fmt.Fprintln(&text, err)
	for _, w := range warnings {
		fmt.Fprintln(&text, w.Error())
	}
	return text.String()
}

// TestProblemsShowNoPieceOfAVariable holds that what a parser quotes from the middle of a value is not shown, and that the
// rest of its message is.
func TestProblemsShowNoPieceOfAVariable(t *testing.T) {
	route := func(s string) [2]string { return [2]string{"{ to: out }", "{ to: out, " + s + " }"} }
	sink := func(s string) [2]string { return [2]string{"out: { stdout: {} }", "out: { " + s + " }"} }
	source := func(s string) [2]string {
		return [2]string{`in: { http: { listen: "127.0.0.1:1" } }`, "in: { " + s + " }"}
	}
	for name, c := range map[string]struct {
		at          [2]string
		value, want string
	}{
		"cesql":          {route(`when: { cesql: "${V}" }`), "hunter2 correct-horse battery", "unexpected `…`, want an operator or the end"},
		"cesql words":    {route(`when: { cesql: "${V}" }`), "correct first", "unexpected `…`, want"},
		"cesql string":   {route(`when: { cesql: "${V}" }`), "type = 'a' 'hunter2 it''s correct'", "unexpected the string '…'"},
		"cesql long":     {route(`when: { cesql: "${V}" }`), "type " + strings.Repeat("hunter2", 20), "unexpected `…`, want an operator or the end"},
		"cesql name":     {route(`when: { cesql: "${V}" }`), "Hunter2x = 'a' OR Sorce = 'b'", "… is read as an extension attribute; did you mean source? If the extension is meant, write attributes: { …: … }"},
		"cesql function": {route(`when: { cesql: "${V}" }`), "hunter(type) OR correct_horse('a')", "there is no function …, only LENGTH, CONCAT,"},
		"cesql arity":    {route(`when: { cesql: "${V}" }`), "LENGTH('hunter2', 'correct') = 1", "does not take 2 arguments"},
		"regex":          {route(`when: { type: { regex: "${V}" } }`), "a(?P<hunter2-x>correct)", "invalid named capture: `(…`"},
		"regex class":    {route(`when: { type: { regex: "${V}" } }`), "correct[hunterz-correct]", "invalid character class range: `z-c`"},
		"regex utf-8":    {route(`when: { type: { regex: "${V}" } }`), "a\xffhunter2", "invalid UTF-8: `…`"},
		"topics_regex":   {source(`kafka: { brokers: ["a:1"], group: g, topics_regex: "${V}" }`), "a(?P<hunter2-x>correct)", "invalid named capture: `(…`"},
		"template":       {route(`set: { a: "x{${V}" }`), "Hunter2}correct", "{…} is neither an attribute (lower-case letters and digits), nor data.PATH, nor one of kafka.topic"},
		"path":           {route(`set: { a: "${V}" }`), "correct{data.hunter2[wvk}", `path "…": at byte`},
		"braces":         {sink(`nats: { url: "nats://a:1", subject: "${V}" }`), "correct{{hunter2}}..battery", `…" has an empty token`},
		"ellipsis":       {route(`when: { type: { gt: "${V}" } }`), strings.Repeat("hunter2…correct", 20), `gt takes a number, such as gt: 5; got "${V}…"`},
		"invalid bytes":  {route(`when: { type: { gt: "${V}" } }`), strings.Repeat("hunter2\xff\xe2\x82correct", 20), `gt takes a number, such as gt: 5; got "${V}…"`},
		"cesql range":    {route(`when: { cesql: "${V}" }`), "NOT correct = 'hunter2' AND Hunter2x = 1 OR battery = 2", "NOT binds tighter than ="},
		"contradiction":  {route(`when: { type: plain, cesql: "${V}" }`), "type = 'hunter2.battery'", "contradict each other"},
		"dots":           {route(`when: { type: "${V}" }`), "hunter2.correct.*", `write type: { prefix: …. }`},
		"queue":          {sink(`sqs: { queue: "${V}", dedup: id }`), "https://sqs.eu-west-1.amazonaws.com/1/hunter2", `and "…" is none`},
	} {
		text := refusal(t, c.at[0], c.at[1], c.value)
		if !strings.Contains(text, c.want) {
			t.Errorf("%s: got %swant %s", name, text, c.want)
		}
		for _, piece := range []string{"hunter", "correct", "battery"} {
			if strings.Contains(strings.ToLower(text), piece) {
				t.Errorf("%s: %s is shown: %s", name, piece, text)
			}
		}
	}
}

// TestScrubLeavesHints holds that what a message says by itself stays readable, and what stands in the file, too.
func TestScrubLeavesHints(t *testing.T) {
	for _, c := range []struct{ with, value, want string }{
		{`{ to: out, set: { type: "${V}" } }`, "a{data.}type}", `expected a member name; one with other characters is quoted`},
		{`{ to: out, set: { a: "{Order}${V}" } }`, "Ordertype", "{Order} is neither"},
		{`{ to: out, when: { cesql: [a], type: "${V}" } }`, "com.acme.order and type", `such as cesql: "type = 'com.acme.x'"; got a list`},
		{`{ to: out, when: { type: { gt: "order-${V}" } } }`, "order-and-more", `gt takes a number, such as gt: 5; got "order-${V}"`},
		{`{ to: out, when: { type: { regex: "(?P<order-name>${V})" } } }`, "x", "invalid named capture: `(?P<order-name>`"},
		{`{ to: out, when: { type: { prefix: "${V}" } } }`, "com.shop.*", "is compared as it stands, wildcards and all; write type: { prefix: com.…. }"},
	} {
		if text := refusal(t, "{ to: out }", c.with, c.value); !strings.Contains(text, c.want) {
			t.Errorf("got %s, want %s", text, c.want)
		}
	}
}

// TestLongValuesLeaveTheReason holds that the end of a message, where the reason is, stands behind a long value.
func TestLongValuesLeaveTheReason(t *testing.T) {
	for _, c := range []struct{ part, with, want string }{
		{"{ to: out }", "{ to: out, set: { a: '{" + strings.Repeat("X", 300_000) + "}' } }", "is neither an attribute"},
		{"stdout: {}", "nats: { url: 'nats://a:1', subject: 'a.{" + strings.Repeat("X", 100_000) + "}' }", "is neither an attribute"},
	} {
		if text := refusal(t, c.part, c.with, ""); !strings.Contains(text, c.want) || len(text) > 2000 {
			t.Errorf("%d bytes without %q: %.400s", len(text), c.want, text)
		}
	}
}

// TestLongVariablesAreShortened holds that a default does not make messages as long as it is.
func TestLongVariablesAreShortened(t *testing.T) {
	text := refusal(t, "{ to: out }", "{ to: out, when: { type: { gt: '${V:-"+strings.Repeat("y", 100_000)+"}' } } }", "planted")
	if len(text) > 1000 || strings.Contains(text, "planted") || !strings.Contains(text, `got "${V:-yyy`) {
		t.Errorf("%d bytes: %.300s", len(text), text)
	}
}
