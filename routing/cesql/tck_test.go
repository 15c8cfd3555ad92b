package cesql

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/eventrouter/router/envelope"
)

// tckFile is a file of the specification's conformance tests. Values stay YAML nodes: result and time stand unquoted,
// and a decoded timestamp would lose its offset.
type tckFile struct {
	Name  string    `yaml:"name"`
	Tests []tckCase `yaml:"tests"`
}

type tckCase struct {
	Name           string               `yaml:"name"`
	Expression     string               `yaml:"expression"`
	Result         yaml.Node            `yaml:"result"`
	Error          string               `yaml:"error"`
	Event          map[string]yaml.Node `yaml:"event"`
	EventOverrides map[string]yaml.Node `yaml:"eventOverrides"`
}

// tckDefects are the cases that contradict the specification's text.
func tckDefects() map[string]string {
	return map[string]string{
		"Invalid int cast": "§3.7 casts 10 to true, so NOT 10 is false without an error; the case wants true and a cast error",
	}
}

func tckFolder(t testing.TB) string {
	root := os.Getenv("CLOUDEVENTS_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "testdata")
	}
	folder := filepath.Join(root, "cesql-tck")
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("NOT TESTED: CESQL conformance (275 cases of the specification): %v; set CLOUDEVENTS_TESTDATA", err)
	}
	return folder
}

func tckFiles(t testing.TB) []tckFile {
	paths, err := filepath.Glob(filepath.Join(tckFolder(t), "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var files []tckFile
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var f tckFile
		if err := yaml.Unmarshal(text, &f); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		files = append(files, f)
	}
	return files
}

func TestTCK(t *testing.T) {
	total, skipped := 0, 0
	for _, f := range tckFiles(t) {
		for _, c := range f.Tests {
			total++
			t.Run(f.Name+"/"+c.Name, func(t *testing.T) {
				if why := tckDefects()[c.Name]; why != "" {
					skipped++
					t.Skip("NOT TESTED, the case is wrong: " + why)
				}
				runTCK(t, c)
			})
		}
	}
	if total != 275 || skipped != 1 {
		t.Errorf("%d cases of which %d skipped, want 275 and 1", total, skipped)
	}
}

func runTCK(t *testing.T, c tckCase) {
	x, err := Parse(c.Expression)
	var got Value
	if err == nil {
		got, err = x.Eval(c.event())
	}
	kind := NoError
	if e, ok := errors.AsType[*Error](err); ok {
		kind = e.Kind
	}
	want := c.Error
	if want == "" {
		want = "none"
	}
	if kind.String() != want {
		t.Errorf("%s: error %v, want %s", c.Expression, err, want)
	}
	if c.Result.IsZero() {
		return
	}
	if want := nodeValue(c.Result); got != want {
		t.Errorf("%s = %v %v, want %v %v", c.Expression, got.Type(), got, want.Type(), want)
	}
}

// event builds the case's event: its own, or any valid one with overrides.
func (c tckCase) event() *envelope.Event {
	e := new(envelope.Event)
	fields := c.Event
	if fields == nil {
		fields = c.EventOverrides
		e.ID, e.Source, e.Type = "id-1", "http://localhost.localdomain", "example.type"
	}
	for name, n := range fields {
		kind := envelope.KindString
		switch v := nodeValue(n); v.Type() {
		case Boolean:
			kind = envelope.KindBoolean
		case Integer:
			kind = envelope.KindInteger
		}
		e.Set(name, n.Value, kind)
	}
	return e
}

// nodeValue reads a YAML scalar as the language's type.
func nodeValue(n yaml.Node) Value {
	switch n.ShortTag() {
	case "!!bool":
		b, _ := parseBool(n.Value)
		return BoolValue(b)
	case "!!int":
		i, _ := parseInt(n.Value)
		return IntValue(i)
	}
	return StringValue(n.Value)
}
