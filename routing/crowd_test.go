package routing

import (
	"fmt"
	"strings"
	"testing"
)

// TestRulesTriedOneByOneAreReported holds that no shape of a thousand rules makes events slow without a word.
func TestRulesTriedOneByOneAreReported(t *testing.T) {
	tests := []struct {
		name, when, want string // %d in when is the rule's number; an empty want means that the index tells them apart
		from             []string
	}{
		{"negations", "{ type: { not: t%d } }", "tried one after the other for every event;", nil},
		{"negations of one source", "{ type: { not: t%d } }", "for every event from s2;", []string{"s2"}},
		{"globs of two letters", "{ type: { glob: '*ab*' }, id: { not: i%d } }", "for every event that has type;", nil},
		{"regexes without a literal", "{ type: { regex: '[a-c]*(%d|x).*' } }", "for every event that has type;", nil},
		{"texts that all have", "{ type: { glob: '*.shop.*' }, id: { not: i%d } }", `for every event whose type contains ".shop.";`, nil},
		{"ranges of the payload", "{ type: a, data: { n: { gt: %d } } }", `for every event whose type is "a";`, nil},
		{"regexes with a short beginning", `{ type: { regex: 'com\.(a|b)(%d|x)' } }`, `whose type begins with "com.";`, nil},
		{"ends", `{ all: [{ subject: { suffix: .jpg } }, { time: { not: t%d } }] }`, `whose subject ends with ".jpg";`, nil},
		{"pairs", "{ type: a, source: /s, subject: { not: s%d } }", "for every event with their source and type;", nil},
		{"values of the payload", "{ type: a, data: { n: %d } }", "", nil},
		{"globs without a literal end", "{ type: { glob: '*.t%d.*' } }", "", nil},
		{"regexes without a literal beginning", `{ type: { regex: '[a-z]+\.t%d(\..*)?' } }`, "", nil},
		{"patterns of expressions", "{ cesql: \"type LIKE '%.t%d.%'\" }", "", nil},
		{"choices of expressions", "{ cesql: \"type = 't%d' OR source LIKE '%/s%d/%'\" }", "", nil},
		{"exact types", "{ type: t%d }", "", nil},
		{"prefixes", "{ type: { prefix: com.acme.t%d. } }", "", nil},
	}
	for _, tt := range tests {
		rules := make([]Rule, manyTried+1)
		for i := range rules {
			rules[i] = Rule{Name: fmt.Sprintf("r%d", i), When: condition(t, strings.ReplaceAll(tt.when, "%d", fmt.Sprint(i))), From: tt.from}
		}
		_, problems := Compile(rules, allSources, nil)
		var got []string
		for _, p := range problems {
			if strings.Contains(p.Message, "one after the other") {
				got = append(got, p.Message)
			}
		}
		switch {
		case tt.want == "" && len(got) > 0:
			t.Errorf("%s: got %q, want no warning", tt.name, got)
		case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want) || !strings.HasPrefix(got[0], "1001 rules, of which r0 is the first,")):
			t.Errorf("%s: got %q, want %s", tt.name, got, tt.want)
		}
	}
}
