package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/routing"
)

type inner struct {
	Deep string `yaml:"deep"`
}

type all struct {
	Text     string            `yaml:"text,omitempty"`
	Flag     bool              `yaml:"flag"`
	Maybe    *bool             `yaml:"maybe"`
	Small    int8              `yaml:"small"`
	Count    uint16            `yaml:"count"`
	Ratio    float64           `yaml:"ratio"`
	Wait     time.Duration     `yaml:"wait"`
	Size     bindings.Size     `yaml:"size"`
	Rate     bindings.Rate     `yaml:"rate"`
	Names    bindings.Strings  `yaml:"names"`
	Secret   security.Secret   `yaml:"secret"`
	List     []int             `yaml:"list"`
	Map      map[string]inner  `yaml:"map"`
	Labels   map[string]string `yaml:"labels"`
	Pointer  *inner            `yaml:"pointer"`
	Value    routing.Value     `yaml:"value"`
	Untagged string
	Hidden   string `yaml:"-"`
	hidden   string
	Shared   `yaml:",inline"`
}

// Shared is exported because only such a struct can be filled.
type Shared struct {
	Joined string `yaml:"joined"`
}

// decodeText decodes a document into all and returns the problems as text.
func decodeText(t *testing.T, text string) (all, string) {
	t.Helper()
	var c collector
	r := reader{collector: &c, env: testEnv().withDefaults(), file: "f"}
	n := r.read([]byte(text))
	var v all
	if n != nil {
		d := decoder{collector: &c}
		d.decode(n, &v)
	}
	if err := c.err(); err != nil {
		return v, err.Error()
	}
	return v, ""
}

func TestDecodeEveryType(t *testing.T) {
	v, problems := decodeText(t, `
text: 007
flag: TRUE
maybe: false
small: -128
count: 65535
ratio: 1e-3
wait: "1m30s"
size: "64KiB"
rate: 60/m
names: [a, b]
secret: 12345
list: [1, "${NUMBER}"]
map: { a: { deep: x }, "b c": {} }
labels: { on: yes, "1": 2 }
pointer: {}
value: { a: [1, "2", ~] }
untagged: u
joined: j
`)
	if problems != "" {
		t.Fatal(problems)
	}
	for _, c := range []struct{ got, want any }{
		{v.Text, "007"},
		{v.Flag, true},
		{*v.Maybe, false},
		{v.Small, int8(-128)},
		{v.Count, uint16(65535)},
		{v.Ratio, 1e-3},
		{v.Wait, 90 * time.Second},
		{v.Size, bindings.Size(65536)},
		{v.Rate, bindings.Rate(1)},
		{fmt.Sprint(v.Names), "[a b]"},
		{v.Secret.Reveal(), "12345"},
		{fmt.Sprint(v.List), "[1 7]"},
		{v.Map["a"].Deep, "x"},
		{len(v.Map), 2},
		{v.Labels["on"] + v.Labels["1"], "yes2"},
		{*v.Pointer, inner{}},
		{v.Untagged, "u"},
		{v.Joined, "j"},
		{v.Value.Fields[0].Value.Items[1].Quoted, true},
		{v.Value.Fields[0].Value.Items[0].Quoted, false},
		{v.Value.Fields[0].Value.Items[2].Kind, routing.Null},
		{v.Value.Fields[0].Value.Path, "value.a"},
		{v.Value.Fields[0].Value.Items[1].Pos.String(), "f:17:17"},
		{v.hidden + v.Hidden, ""},
	} {
		if c.got != c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
}

func TestDecodeMistakes(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"text: [a]", "f:1:7: text: expected text, got a list"},
		{"flag: off", `f:1:7: flag: expected true or false, got "off"; write false`},
		{"flag: on", `f:1:7: flag: expected true or false, got "on"; write true`},
		{"maybe: '${NUMBER}'", `f:1:8: maybe: expected true or false, got "${NUMBER}"`},
		{"small: 128", `f:1:8: small: expected a whole number, got "128"`},
		{"small: 0x10", `f:1:8: small: expected a whole number, got "0x10"`},
		{"count: -1", `f:1:8: count: expected a whole number that is not negative, got "-1"`},
		{"ratio: .nan", `f:1:8: ratio: expected a number, got ".nan"`},
		{"ratio: x", `f:1:8: ratio: expected a number, got "x"`},
		{"ratio: '1'", `f:1:8: ratio: expected a number, got "1"; remove the quotes`},
		{"ratio: !!str 1", `f:1:8: ratio: expected a number, got "1"; remove the quotes`},
		{"wait: soon", `f:1:7: wait: expected a duration such as 10s or 1m30s, got "soon"`},
		{"wait: 3.5", `f:1:7: wait: expected a duration such as 10s or 1m30s, got "3.5"; it lacks a unit`},
		{"wait: 2d", `f:1:7: wait: expected a duration such as 10s or 1m30s, got "2d"; write a day as 24h`},
		{"wait: bad", `f:1:7: wait: expected a duration such as 10s or 1m30s, got "bad"`},
		{"wait: ~", "f:1:7: wait: expected a duration such as 10s or 1m30s, got nothing; remove the key"},
		{"size: 1XB", `f:1:7: size: expected a size such as 512, 64KiB or 1MiB, got "1XB"`},
		{"rate: {}", "f:1:7: rate: expected a rate such as 100/s or 60/m, got a map"},
		{"names: [[a]]", "f:1:9: names[0]: expected text, got a list"},
		{"names: [~]", `f:1:9: names[0]: expected text, got nothing; remove the entry`},
		{"secret: {planted: 1}", "f:1:9: secret: expected text, got a map"},
		{"secret: ~", `f:1:9: secret: expected text, got nothing; remove the key`},
		{"list: planted", "f:1:7: list: expected a list, got a single value; write it in brackets: [ ]"},
		{"list: {}", "f:1:7: list: expected a list, got a map"},
		{"map: planted", "f:1:6: map: expected a map, got a single value"},
		{"map: { a: { depe: 1 } }", `f:1:13: map.a.depe: unknown key "depe"; did you mean "deep"?`},
		{`map: { "a.b": planted }`, `f:1:15: map["a.b"]: expected a map, got a single value (keys: deep)`},
		{"pointer: ~", "f:1:10: pointer: expected a map, got nothing; remove the key"},
		{"hidden: x", `f:1:1: hidden: unknown key "hidden"; known here: text, flag, maybe, small, count, ratio, wait, size, rate, names, secret, list, map, labels, pointer, value, untagged, joined`},
		{"text: " + strings.Repeat("ä", 40) + "\nflag: " + strings.Repeat("ä", 40), `f:2:7: flag: expected true or false, got "` + strings.Repeat("ä", 30) + `…"`},
		{"'text': a\n\"text\": b\ntext: c", "f:2:1: text: duplicate key \"text\", already at f:1:1\nf:3:1: text: duplicate key \"text\", already at f:1:1"},
		{"a: b: c", "f:1:1: not valid YAML: mapping values are not allowed in this context"},
		{"text: \x01", "f:1:7: not valid YAML: the control character U+0001 stands here; remove it, or write \\x01 in a text in double quotes"},
		{"text: \"\\z\"", "f:1:1: not valid YAML: found unknown escape character"},
		{"? [a]\n: b", "f:1:3: a key must be text"},
		{"&k text: a\nuntagged: b\nlabels: { *k : c }", ""},
		{"text: &t x\nlist: [*t]", `f:1:7: list[0]: expected a whole number, got "x"`},
		{"<<: { text: a, txt: b }", `f:1:16: txt: unknown key "txt"; did you mean "text"?`},
		{"<<: ~", `f:1:5: ["<<"]: a merge key takes a map or a list of maps`},
		{"<<: '${UNSET}'", "f:1:5: [\"<<\"]: environment variable UNSET is not set; set it, or write ${UNSET:-default}"},
		{"&a <<: { text: *a }", ""},
	} {
		if _, got := decodeText(t, c.in); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

// TestDecodeUnknownTypePanics holds that a configuration struct with a field that cannot be read is found by the
// first test that reads it.
func TestDecodeUnknownTypePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("got no panic")
		}
	}()
	var v struct{ C complex128 }
	d := decoder{collector: &collector{}}
	d.decode(&node{kind: routing.Map, fields: []*field{{key: "c", value: &node{kind: routing.Scalar, value: "1"}}}}, &v)
}
