// Package spectest holds what the tests of all event formats share: where the specification's own test data is, its
// golden events, and what a format may change of an event.
package spectest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/envelope"
)

// File returns one file of the specification's test data, such as xml/valid-events.xml. It is looked for in the folder
// that the environment variable CLOUDEVENTS_TESTDATA names, and beside the repository; without it the test is skipped.
func File(t testing.TB, name string) []byte {
	t.Helper()
	root := os.Getenv("CLOUDEVENTS_TESTDATA")
	if root == "" {
		_, here, _, _ := runtime.Caller(0)
		root = filepath.Join(filepath.Dir(here), "..", "..", "..", "shared", "testdata")
	}
	path := filepath.Join(root, "cloudevents", filepath.FromSlash(name))
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("NOT TESTED: the specification's %s, because its test data is absent; set CLOUDEVENTS_TESTDATA", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Samples are the golden events that the specification's README describes, by their sample id. Extensions carry the
// types that the README gives them.
func Samples() map[string]*envelope.Event {
	samples := map[string]*envelope.Event{}
	for _, id := range []string{
		"minimal", "minimalWithTime", "minimalWithRelativeSource", "allCore", "simpleTextData", "allExtensionTypes",
	} {
		samples[id] = &envelope.Event{ID: id, Source: "https://cloudevents.io", Type: "io.cloudevents.test"}
	}
	samples["minimalWithTime"].Time = "2018-04-05T17:31:00Z"
	samples["minimalWithRelativeSource"].Source = "#fragment"
	core := samples["allCore"]
	core.DataContentType, core.DataSchema = "text/plain", "https://cloudevents.io/dataschema"
	core.Subject, core.Time = "tests", "2018-04-05T17:31:00Z"
	samples["simpleTextData"].DataContentType, samples["simpleTextData"].Data = "text/plain", []byte("Simple text")
	for _, a := range []envelope.Attr{
		{Name: "extinteger", Value: "10", Kind: envelope.KindInteger},
		{Name: "extboolean", Value: "true", Kind: envelope.KindBoolean},
		{Name: "extstring", Value: "text", Kind: envelope.KindString},
		{Name: "exturi", Value: "https://cloudevents.io", Kind: envelope.KindURI},
		{Name: "exturiref", Value: "//authority/path", Kind: envelope.KindURIRef},
		{Name: "exttimestamp", Value: "2023-03-31T15:12:00Z", Kind: envelope.KindTimestamp},
		{Name: "extbinary", Value: "TWE=", Kind: envelope.KindBinary},
	} {
		samples["allExtensionTypes"].AddExtension(a.Name, a.Value, a.Kind)
	}
	return samples
}

// Batches are the samples of the specification's batches, as lists of sample ids.
func Batches() map[string][]string {
	return map[string][]string{
		"empty": {}, "minimal": {"minimal"}, "minimal2": {"minimal", "minimal"},
		"minimalAndAllCore":           {"minimal", "allCore"},
		"minimalAndAllExtensionTypes": {"minimal", "allExtensionTypes"},
	}
}

// Changes is what a format may change of an event.
type Changes struct {
	// Instants lets a Timestamp be another text for the same instant, and cut at nanoseconds.
	Instants bool
	// MinusZero lets the Integer -0 become 0.
	MinusZero bool
	// Untyped lets the types that are strings arrive untyped. Without it an untyped value may arrive as a String.
	Untyped bool
	// Strings lets every type that JSON writes as a string, Binary among them, arrive as any other such type.
	Strings bool
}

// Difference returns what differs between an event that was sent and what arrived, the empty string where nothing does
// but what c allows.
func Difference(sent, arrived *envelope.Event, c Changes) string {
	var d []string
	add := func(format string, args ...any) { d = append(d, fmt.Sprintf(format, args...)) }
	want, got := attributes(sent), attributes(arrived)
	for name, w := range want {
		g, ok := got[name]
		switch {
		case !ok:
			add("%s: missing", name)
		case !c.sameValue(w, g):
			add("%s: got %q, want %q", name, g.Value, w.Value)
		case !c.sameKind(w.Kind, g.Kind):
			add("%s: got type %d, want %d", name, g.Kind, w.Kind)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			add("%s: got it, want it absent", name)
		}
	}
	if (sent.Data == nil) != (arrived.Data == nil) || string(sent.Data) != string(arrived.Data) {
		add("data: got %.80q, want %.80q", arrived.Data, sent.Data)
	}
	return strings.Join(d, "\n")
}

func attributes(e *envelope.Event) map[string]envelope.Attr {
	all := map[string]envelope.Attr{}
	for a := range e.TypedAttributes {
		all[a.Name] = a
	}
	return all
}

func (c Changes) sameValue(want, got envelope.Attr) bool {
	if want.Value == got.Value {
		return true
	}
	if c.MinusZero && want.Kind == envelope.KindInteger && want.Value == "-0" {
		return got.Value == "0"
	}
	if !c.Instants || want.Kind != envelope.KindTimestamp {
		return false
	}
	w, err1 := time.Parse(time.RFC3339, strings.ToUpper(want.Value))
	g, err2 := time.Parse(time.RFC3339, got.Value)
	return err1 == nil && err2 == nil && w.Equal(g)
}

func (c Changes) sameKind(want, got envelope.Kind) bool {
	number := func(k envelope.Kind) bool { return k == envelope.KindBoolean || k == envelope.KindInteger }
	typed := want == envelope.KindBoolean || want == envelope.KindInteger || want == envelope.KindBinary
	switch {
	case want == got:
		return true
	case c.Strings && !number(want):
		return !number(got)
	case c.Untyped && !typed:
		return got == envelope.KindUntyped
	case c.Instants && want == envelope.KindTimestamp: // no instant: travels as text
		return got == envelope.KindString
	}
	return want == envelope.KindUntyped && got == envelope.KindString
}
