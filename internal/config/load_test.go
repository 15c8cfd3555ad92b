package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/routing"
)

// memory is an Env of files and folders that exist only in the test.
func memory(files map[string]string) Env {
	env := testEnv()
	env.ReadFile = func(path string) ([]byte, error) {
		text, ok := files[path]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		return []byte(text), nil
	}
	env.ReadDir = func(path string) ([]fs.DirEntry, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return env
}

const small = `
sources: { in: { http: { listen: "127.0.0.1:1" } } }
sinks: { out: { stdout: {} } }
unmatched: drop
dead_letter: hold
routes: [{ to: out }]
`

func loadText(t *testing.T, text string) (*Config, error) {
	t.Helper()
	return Load([]string{"c.yaml"}, memory(map[string]string{"c.yaml": text, "/secret": "planted-secret\r\n", "rel": "x"}))
}

func TestTypedValues(t *testing.T) {
	c, err := load(t, "testdata/good/variables.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct{ what, got, want any }{
		{"log.level", c.Log.Level, "info"},
		{"log.format", c.Log.Format, "json"},
		{"limits.event", int64(c.Limits.Event), int64(64 << 10)},
		{"limits.attributes", c.Limits.Attributes, 7},
		{"retry.attempts", c.Retry.Attempts, 7},
		{"shutdown.drain", c.Shutdown.Drain, 7 * time.Second},
		{"url", c.Sinks["a"].HTTP.URL, "https://x/$1?a=$b$"},
		{"kind", func() string { s := c.Sinks["a"]; return s.Kind() }(), "http"},
		{"source kind", func() string { s := c.Sources["orders"]; return s.Kind() }(), "kafka"},
		{"route name", c.Rules[0].Name, "route-1"},
	} {
		if v.got != v.want {
			t.Errorf("%s = %v, want %v", v.what, v.got, v.want)
		}
	}
	if got, want := fmt.Sprint(c.SourceNames(), c.SinkNames()), "[orders hooks] [bus dead a]"; got != want {
		t.Errorf("got names %s, want %s in the order written", got, want)
	}
}

func TestAnchorsAndMergeKeys(t *testing.T) {
	c, err := load(t, "testdata/good/anchors.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.Sinks["a"], c.Sinks["b"]
	if got, want := fmt.Sprintln(a.Kafka.Brokers, a.Kafka.Topic, a.Timeout, a.Concurrency), "[k1:9092] a 5s 4\n"; got != want {
		t.Errorf("a = %s, want %s: the earlier of two merged maps wins", got, want)
	}
	if got, want := fmt.Sprintln(b.Kafka.Topic, b.Timeout, b.Concurrency), "b 1s 4\n"; got != want {
		t.Errorf("b = %s, want %s: what stands there wins over what is merged", got, want)
	}
	if got := b.Kafka.SASL.Password.Reveal(); got != "planted-pass" {
		t.Errorf("password = %q", got)
	}
	if got, want := c.Pos("sinks.b.kafka.sasl.username").String(), "testdata/good/anchors.yaml:1:81"; got != want {
		t.Errorf("an aliased value is at %s, want %s", got, want)
	}
}

func TestSamples(t *testing.T) {
	c, err := load(t, "testdata/good/tests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e := c.Tests[0].Samples[0].Event
	want := `{"id":5,"list":[1,2.50,-0,"0x10","x","y",true,null,"7"],"nested":{"a.b":1e3}}`
	if string(e.Data) != want {
		t.Errorf("data = %s, want %s", e.Data, want)
	}
	for name, want := range map[string]string{
		"id": "test-1", "source": "/test", "type": "t", "subject": "42", "number": "7", "flag": "true", "word": "7",
	} {
		if got, _ := e.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	var names []string
	for _, s := range c.Tests[1].Samples {
		names = append(names, s.Name+"="+s.Event.ID)
	}
	names = append(names, c.Tests[2].Samples[0].Name)
	if got, want := strings.Join(names, " "), "batch.json[0]=3 batch.json[1]=4 lines.ndjson:1=1 lines.ndjson:3=2 one.json=5 one.json"; got != want {
		t.Errorf("got samples %s, want %s", got, want)
	}
	if e := c.Tests[3].Samples[0].Event; string(e.Data) != "hello" || e.ID != "a" || e.Source != "/s" {
		t.Errorf("got %s %s %s", e.Data, e.ID, e.Source)
	}
	if got := fmt.Sprintln(c.Tests[0].Expect[0].Value, c.Tests[0].Expect[1].Absent, c.Tests[0].Pos.Line); got != "eu true 4\n" {
		t.Errorf("got expectation %s", got)
	}
	if got := fmt.Sprintf("%+v", c.Rules[0].Set[1]); !strings.Contains(got, "Name:old Template: Remove:true") {
		t.Errorf("got assignment %s", got)
	}
}

func TestMergeOfFiles(t *testing.T) {
	files := map[string]string{
		"base": small,
		"a": `
sinks: { more: { stdout: {} } }
log: { level: warn }
routes: [{ name: first, to: more }, { name: second, to: out }]
tests: [{ event: { type: t }, routes: [route-1, first, second] }]`,
		"b": "log: { format: json }\nroutes: [{ name: third, to: [more, out] }]\nx-own: 1",
		"c": "x-own: 2",
	}
	c, err := Load([]string{"base", "a", "b", "c", "./a"}, memory(files))
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, r := range c.Rules {
		routes = append(routes, r.Name)
	}
	if got, want := strings.Join(routes, " "), "route-1 first second third"; got != want {
		t.Errorf("got routes %s, want %s", got, want)
	}
	if c.Log.Level != "warn" || c.Log.Format != "json" {
		t.Errorf("got log %+v", c.Log)
	}
	for path, want := range map[string]string{
		"routes[3].to[1]": "b:2:36", "routes[1].name": "a:4:18", "sinks.more.stdout": "a:2:26", "routes[9]": "base:6:9",
		"sinks.nowhere.x": "base:3:8", "": "base:2:1", "routes[x": "base:6:9", "sinks.out.headers.x-y": "base:3:15",
	} {
		if got := c.Pos(path).String(); got != want {
			t.Errorf("Pos(%q) = %s, want %s", path, got, want)
		}
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	empty := t.TempDir()
	huge := filepath.Join(t.TempDir(), "huge.yaml")
	if err := os.WriteFile(huge, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		paths       []string
		want        string
		environment bool
	}{
		{nil, "no configuration file is named", false},
		{[]string{"/no/such.yaml"}, "/no/such.yaml: no such file or directory", true},
		{[]string{empty}, empty + ": the folder holds no *.yaml or *.yml", true},
		{[]string{huge}, huge + ":1:1: the file is larger than 10 MiB", false},
		{[]string{"testdata/base.yaml", "/no/such.yaml"}, "/no/such.yaml: no such file or directory", true},
		{[]string{"testdata/bad/retype", "testdata/bad/missing-file.yaml", "testdata/bad/tab.yaml"}, "", false},
	} {
		_, err := Load(c.paths, Env{})
		var p *Problems
		if !errors.As(err, &p) {
			t.Errorf("%v: got %v", c.paths, err)
			continue
		}
		if c.want != "" && err.Error() != c.want {
			t.Errorf("%v: got %q, want %q", c.paths, err, c.want)
		}
		if p.Environment() != c.environment {
			t.Errorf("%v: environment = %v, want %v", c.paths, p.Environment(), c.environment)
		}
	}
}

func TestEnvironmentClass(t *testing.T) {
	for text, want := range map[string]bool{
		small + "log: { level: '${file:/none}' }":                                                   true,
		small + "log: { level: '${UNSET}' }":                                                        false,
		small + "log: { level: '${file:/none}', format: '${UNSET}' }":                               false,
		small + "tests: [{ events: /none, goes_to: out }]":                                          true,
		small + "log: { level: '${file:/none}' }\ntests: [{ events: '${file:/none}', goes_to: x }]": false,
	} {
		_, err := loadText(t, text)
		var p *Problems
		if !errors.As(err, &p) {
			t.Fatalf("got %v", err)
		}
		if p.Environment() != want {
			t.Errorf("environment = %v, want %v:\n%v", p.Environment(), want, err)
		}
	}
}

func TestInterpolation(t *testing.T) {
	long := strings.Repeat("y", maxReplaced+1)
	env := memory(map[string]string{
		"/a": "text\n", "/crlf": "text\r\n", "/two": "one\ntwo\n\n", "dir/b": "relative", "/big": long,
	})
	for _, c := range []struct{ in, want, err string }{
		{"", "", ""},
		{"plain", "plain", ""},
		{"$", "$", ""},
		{"a$", "a$", ""},
		{"$a $1", "$a $1", ""},
		{"$$", "$", ""},
		{"$$$$", "$$", ""},
		{"$${NUMBER}", "${NUMBER}", ""},
		{"$$${NUMBER}", "$7", ""},
		{"${NUMBER}", "7", ""},
		{"a${NUMBER}b${NUMBER}", "a7b7", ""},
		{"${EMPTY}", "", ""},
		{"${EMPTY:-d}", "d", ""},
		{"${UNSET:-d}", "d", ""},
		{"${UNSET:-}", "", ""},
		{"${UNSET:-a:-b}", "a:-b", ""},
		{"${UNSET:-${NUMBER}}", "7", ""},
		{"${UNSET:-${UNSET:-x}}y", "xy", ""},
		{"${UNSET:-$${x}", "${x", ""},
		{"${NUMBER:-${UNSET}}", "7", ""},
		{"${NUMBER:?m}", "7", ""},
		{"${file:/a}", "text", ""},
		{"${file:/crlf}", "text", ""},
		{"${file:/two}", "one\ntwo\n", ""},
		{"${file:b}", "relative", ""},
		{"${file:${UNSET:-/a}}", "text", ""},
		{"${_A1:-x}", "x", ""},
		{"}{", "}{", ""},
		{"${UNSET}", "", "environment variable UNSET is not set; set it, or write ${UNSET:-default}"},
		{"${EMPTY:?give it}", "", "environment variable EMPTY is not set: give it"},
		{"${file:/none}", "", "file /none: file does not exist"},
		{"${file:/big}", "", "file /big is larger than 1048576 bytes"},
		{"${NUMBER", "", "${ is never closed; write $${ for the two characters themselves"},
		{"${NUMBER:}", "", "behind ${NUMBER may come :-default, :?message or }"},
		{"${NUMBER:+x}", "", "behind ${NUMBER may come :-default, :?message or }"},
		{"${A B}", "", "behind ${A may come :-default, :?message or }"},
		{"${ A}", "", "${ is followed by no name; write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${file:/path}"},
	} {
		i := interpolation{env: env, dir: "dir"}
		got, err := i.expand(c.in)
		message := ""
		if err != nil {
			message = err.Error()
		}
		if got != c.want || message != c.err {
			t.Errorf("%q: got %q and error %q, want %q and %q", c.in, got, message, c.want, c.err)
		}
	}
}

// TestVariablesCannotChangeStructure holds that a value with YAML in it stays one value.
func TestVariablesCannotChangeStructure(t *testing.T) {
	env := memory(map[string]string{"c": small + "embedded: { store: \"${EVIL}\" }"})
	env.LookupEnv = func(string) (string, bool) { return "x }\nadmin: { listen: \":1\"", true }
	c, err := Load([]string{"c"}, env)
	if err != nil {
		t.Fatal(err)
	}
	if c.Admin.Listen != "" || c.Embedded.Store != "x }\nadmin: { listen: \":1\"" {
		t.Errorf("got %+v %+v", c.Admin, c.Embedded)
	}
}

func TestScrub(t *testing.T) {
	n := &node{replaced: []replacement{
		{"pre-${A}", "pre-planted"},
		{"${A}", "planted"},
		{"${B}", "ab"},
		{"${C}", "we\"ird"},
		{"${E}", ""},
		{"${D}", "nats://us:se/cret@h"},
		{"${L}", "long-" + strings.Repeat("token", 20)},
		{"${M}", "xyz…cdefgh"},
		{"${W}", "one-hunter2.correct-two"},
	}}
	for in, want := range map[string]string{
		`got "pre-planted"`:         `got "pre-${A}"`,
		`got "planted"`:             `got "${A}"`,
		`about ab, tab, (ab)`:       `about ${B}, tab, (${B})`,
		`got "we\"ird" or we"ird`:   `got "${C}" or ${C}`,
		`parse nats://us:se/cret@h`: `parse ${D}`,
		`invalid port ":se" after`:  `invalid port ":…" after`,
		`bad cret in path`:          `bad … in path`,
		`untouched`:                 `untouched`,
		`got "pre-long-tokento…"`:   `got "pre-${L}…"`,
		`got "lon…" and "…"`:        `got "lon…" and "…"`,
		`got "pre-long…kentoken"`:   `got "pre-${L}…"`,
		`near "oken…token" here`:    `near "…" here`,
		`host …kentoken is wrong`:   `host … is wrong`,
		`host xyz…c… is wrong`:      `host ${M}… is wrong`,
		`write { in: hunter2 }`:     `write { in: … }`,
		`write { in: hunter2. }`:    `write { in: …. }`,
		`"a" and it's correct, "b"`: `"a" and it's correct, "b"`,
	} {
		if got := n.scrub(in); got != want {
			t.Errorf("scrub(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestProblemsShowNothingOfALongSecret puts one where messages quote what they found, which they clip.
func TestProblemsShowNothingOfALongSecret(t *testing.T) {
	env := memory(map[string]string{"c.yaml": strings.Replace(small, "routes: [{ to: out }]", `routes:
  - { to: out, when: { type: { gt: "${TOKEN}", exists: "a-${TOKEN}", any: "${TOKEN}", regex: "(${TOKEN}" } } }
  - { to: out, when: { data: { "a": { gt: "${TOKEN}" } }, cesql: "'${TOKEN}", filters: "${TOKEN}" } }
`, 1)})
	env.LookupEnv = func(string) (string, bool) { return strings.Repeat("planted\"\n", 30), true }
	_, err := Load([]string{"c.yaml"}, env)
	if err == nil {
		t.Fatal("took it")
	}
	if text := err.Error(); strings.Contains(text, "plant") || strings.Count(text, "${TOKEN}") < 5 {
		t.Error(text)
	}
}

// TestLongNamesLeaveRoomForTheHint holds that neither a path nor a message grows with the names in it.
func TestLongNamesLeaveRoomForTheHint(t *testing.T) {
	name := strings.Repeat("x", 1<<20)
	for text, hint := range map[string]string{
		`routes: [{ to: out, when: { ? ` + name + ` : "" } }]`:                         "write { exists: true }",
		`routes: [{ to: out, when: { ? "` + name + `-" : a } }]`:                       "is not an attribute name",
		`routes: [{ to: out, when: { type: { ? ` + name + ` : a } } }]`:                "is not a matcher",
		`routes: [{ to: out, ? ` + name + ` : a }]`:                                    "unknown key",
		`routes: [{ to: ` + name + ` }]`:                                               "there is no sink",
		`routes: [{ to: out, from: ` + name + ` }]`:                                    "there is no source",
		`routes: [{ to: out, when: { id: a, all: [{ id: b }] }, name: ` + name + ` }]`: "contradict",
		`routes: [{ to: out, when: { cesql: "` + name + ` =" } }]`:                     "CESQL",
		`routes: [{ to: out, set: { a: '{` + name + `-}' } }]`:                         "is neither an attribute",
	} {
		_, err := loadText(t, strings.Replace(small, "routes: [{ to: out }]", text, 1))
		if err == nil || !strings.Contains(err.Error(), hint) || len(err.Error()) > 8000 {
			t.Errorf("want a message with %q: %d bytes, %.300v", hint, len(fmt.Sprint(err)), err)
		}
	}
}

// TestLongHeadersLeaveRoomForTheHint holds that the path of a header is as short as that of any key.
func TestLongHeadersLeaveRoomForTheHint(t *testing.T) {
	name := strings.Repeat("x", 1_000_000)
	for _, key := range []string{name, strings.Repeat("x.", 500_000) + "x", name + " "} {
		sink := `out: { http: { url: "http://a/", headers: { ? "` + key + `" : "a\nb" } } }`
		_, err := loadText(t, strings.Replace(small, "out: { stdout: {} }", sink, 1))
		if err == nil || len(err.Error()) > 300 || !strings.Contains(err.Error(), "header") || !strings.Contains(err.Error(), "…") {
			t.Errorf("got %d bytes: %.300v", len(fmt.Sprint(err)), err)
		}
	}
}

// TestSecretsNeverPrint plants secrets in every way the file allows and prints the configuration in every way.
func TestSecretsNeverPrint(t *testing.T) {
	c, err := loadText(t, `
sources: { in: { http: { listen: "127.0.0.1:1", auth: { bearer: [planted-literal], basic: { username: u, password: "${PASSWORD}" } } } } }
sinks:
  out: { nats: { url: "${DSN2:-nats://u:planted-default@h:4222}", subject: a } }
  url: { nats: { url: "nats://u:planted-url@h:4222", subject: a, token: "${file:/secret}" } }
  hook: { http: { url: "http://x/", headers: { X-Key: planted-header }, sign: { secret: "${UNSET:-whsec_cGxhbnRlZC1wbGFudGVkLXBsYW50ZWQ=}" } } }
unmatched: drop
dead_letter: hold
routes: [{ to: [out, url, hook] }]`)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Sinks["url"].NATS.Token.Reveal(); got != "planted-secret" {
		t.Fatalf("token = %q", got)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	zap.New(core).Info("configuration", zap.Any("c", c), zap.Any("v", *c), zap.Reflect("r", c), zap.Stringer("s", c))
	encoded, err := zapcore.NewJSONEncoder(zapcore.EncoderConfig{}).EncodeEntry(zapcore.Entry{}, logs.All()[0].Context)
	if err != nil {
		t.Fatal(err)
	}
	prints := []string{
		string(text), encoded.String(), c.String(), fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c, c),
		fmt.Sprintf("%v %+v %#v", *c, *c, *c), fmt.Sprintf("%v %+v %#v", c.Sinks, c.Sinks, c.Sinks),
		fmt.Sprintf("%+v %#v", c.Sources["in"].HTTP.Auth.Basic, c.Sources["in"].HTTP.Auth.Bearer),
		fmt.Sprintf("%+v %#v", c.Sinks["hook"].HTTP.Headers, c.Sinks["hook"].HTTP.Sign),
	}
	for _, p := range prints {
		if strings.Contains(p, "planted") || strings.Contains(p, "cGxhbnRl") {
			t.Errorf("a secret is shown: %s", p)
		}
	}
	for _, want := range []string{`"bearer":["[redacted]"]`, `"password":"[redacted]"`, `"url":"nats://…@h:4222"`, `"listen":"127.0.0.1:1"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	if got := fmt.Sprintf("%v", Config{}); got != "{}" {
		t.Errorf("an empty configuration prints as %s", got)
	}
}

func TestProblemsKeepTheirOrder(t *testing.T) {
	pos := func(file string, line, column int) routing.Pos {
		return routing.Pos{File: file, Line: line, Column: column}
	}
	var c collector
	c.at(pos("b", 1, 1), "p", "last")
	c.at(pos("a", 2, 1), "p", "third")
	c.at(pos("a", 1, 9), "p", "second")
	c.at(pos("a", 1, 2), "p", "first")
	c.at(pos("a", 1, 2), "q", "first")
	c.at(routing.Pos{}, "", "nowhere")
	want := "nowhere\na:1:2: p: first\na:1:9: p: second\na:2:1: p: third\nb:1:1: p: last"
	if got := c.err().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestDocumentsWithoutContent holds that a file may say nothing at all, so that one of several can be emptied.
func TestDocumentsWithoutContent(t *testing.T) {
	for _, text := range []string{"", "\n", "# only a comment\n", "---\n", "--- ~\n", "x-a: 1\n", "{}"} {
		c, err := Load([]string{"base", "c"}, memory(map[string]string{"base": small, "c": text}))
		if err != nil || len(c.Rules) != 1 {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// TestMistakesOutsideTheCases holds what needs more than a file to show.
func TestMistakesOutsideTheCases(t *testing.T) {
	huge := strings.Repeat(" ", maxFile+1)
	for _, c := range []struct{ in, want string }{
		{small + "tests: [{ events: huge.json, goes_to: out }]", `c:7:19: tests[0].events: the file "huge.json" is larger than 10 MiB`},
		{small + "tests: [{ event: { type: '${UNSET}' }, goes_to: out }]", "c:7:26: tests[0].event.type: environment variable UNSET is not set; set it, or write ${UNSET:-default}"},
		{small + "tests: [{ evnt: x, goes_to: out }]", `c:7:11: tests[0].evnt: unknown key "evnt"; did you mean "event"?`},
		{small + "tests: [{ goes_to: out }]", "c:7:9: tests[0]: the test has no event; state event, or events with the path of a file or folder"},
		{small + "tests: [{ event: '${UNSET}', goes_to: out }]", "c:7:18: tests[0].event: environment variable UNSET is not set; set it, or write ${UNSET:-default}"},
		{strings.Replace(small, "out: {", "x: 5, out: {", 1), "c:3:13: sinks.x: expected a map, got a single value (keys: kafka, nats, sqs, http, stdout, mode, format, order_by, concurrency, batch, timeout, rate, retry, dead_letter, start, expired, dataref, accepts)"},
		{strings.Replace(small, "{ to: out }", "{ to: out, set: '${UNSET}' }", 1), "c:6:26: routes[0].set: environment variable UNSET is not set; set it, or write ${UNSET:-default}"},
		{strings.Replace(small, "{ to: out }", "{ to: out, set: { a: '${UNSET}' } }", 1), "c:6:31: routes[0].set.a: environment variable UNSET is not set; set it, or write ${UNSET:-default}"},
		{strings.Replace(small, "{ to: out }", "{ to: out, when: { type: '${UNSET}' } }", 1), "c:6:35: routes[0].when.type: environment variable UNSET is not set; set it, or write ${UNSET:-default}"},
		{strings.Replace(small, "{ to: out }", "{ to: '${UNSET}', from: '${UNSET}' }", 1), "c:6:16: routes[0].to: environment variable UNSET is not set; set it, or write ${UNSET:-default}\n" +
			"c:6:34: routes[0].from: environment variable UNSET is not set; set it, or write ${UNSET:-default}"},
		{small + "tests: [{ event: { type: t }, set: '${UNSET}' }]", "c:7:36: tests[0].set: environment variable UNSET is not set; set it, or write ${UNSET:-default}"},
	} {
		_, err := Load([]string{"c"}, memory(map[string]string{"c": c.in, "huge.json": huge}))
		if fmt.Sprint(err) != c.want {
			t.Errorf("got\n%v\nwant\n%s", err, c.want)
		}
	}
}

// TestFindingsOfRouting holds that what the routing package finds keeps its place, or gets that of the block.
func TestFindingsOfRouting(t *testing.T) {
	root := &node{kind: routing.Map}
	n := &node{parent: root, key: "when", pos: routing.Pos{File: "f", Line: 3, Column: 4}, replaced: []replacement{{"${A}", "planted"}}}
	var c collector
	c.routing(n, []routing.Problem{
		{Message: "a planted mistake"}, {Message: "beware of planted", Warning: true, Pos: routing.Pos{File: "f", Line: 5, Column: 6}, Path: "when.x"},
	})
	if got, want := c.err().Error(), "f:3:4: when: a ${A} mistake"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := c.warnings[0].Error(), "f:5:6: when.x: beware of ${A}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestFieldErrors holds that a binding's complaints land at the key they name, or at the nearest one that is there.
func TestFieldErrors(t *testing.T) {
	r := reader{collector: &collector{}, env: testEnv().withDefaults(), file: "f"}
	block := r.read([]byte("tls:\n  ca: x\nheaders:\n  x.y: z\nlist: [a, b]\n"))
	for _, c := range []struct {
		err         error
		want        string
		environment bool
	}{
		{bindings.Invalid("tls.ca", "no"), "f:2:7: tls.ca: no", false},
		{bindings.Missing("tls.cert", errors.New("gone")), "f:2:3: tls.cert: gone", true},
		{bindings.Invalid("headers.x.y", "no"), `f:4:8: headers["x.y"]: no`, false},
		{bindings.Invalid("list[1]", "no"), "f:5:11: list[1]: no", false},
		{bindings.Invalid("", "no"), "f:1:1: no", false},
		{errors.New("plain"), "f:1:1: plain", false},
		{errors.Join(bindings.Invalid("list[7]", "a"), nil, errors.Join(bindings.Invalid("other", "b"))), "f:1:1: other: b\nf:5:7: list[7]: a", false},
	} {
		var got collector
		got.fields(block, c.err)
		if got.err().Error() != c.want || got.problems[0].Environment != c.environment {
			t.Errorf("got %v, want %s", got.err(), c.want)
		}
		block.damaged = false
	}
}
