package envelope

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// conformanceFile reads one file of the specification's own JSON test cases. They are looked for in the folder that the
// environment variable CLOUDEVENTS_TESTDATA names, and beside the repository.
func conformanceFile(t *testing.T, name string) []conformanceCase {
	t.Helper()
	root := os.Getenv("CLOUDEVENTS_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "testdata")
	}
	path := filepath.Join(root, "cloudevents", "json", name)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("NOT TESTED: the specification's %s, because %s is absent; set CLOUDEVENTS_TESTDATA", name, path)
	}
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Tests []conformanceCase }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(file.Tests) == 0 {
		t.Fatalf("%s: holds no tests", path)
	}
	return file.Tests
}

type conformanceCase struct {
	ID, SampleID              string
	SampleExtensionAttributes bool
	Event                     json.RawMessage
	Batch                     json.RawMessage
}

func TestConformance_ValidEvents(t *testing.T) {
	for _, c := range conformanceFile(t, "valid-events.json") {
		t.Run(c.ID, func(t *testing.T) {
			e := accepted(t, string(c.Event))
			checkSample(t, c.SampleID, e)
			if err := e.Validate(Options{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestConformance_InvalidEvents(t *testing.T) {
	for _, c := range conformanceFile(t, "invalid-events.json") {
		t.Run(c.ID, func(t *testing.T) {
			for _, o := range []Options{{}, {Lenient: true}} {
				err := ParseJSON(new(Event), c.Event, o)
				if err == nil {
					t.Errorf("accepted, lenient: %t", o.Lenient)
				}
				if got, want := errors.Is(err, ErrNotCloudEvent), c.ID == "invalidNoSpecVersion"; got != want {
					t.Errorf("got %v, not a CloudEvent: want %t", err, want)
				}
			}
		})
	}
}

func TestConformance_ValidBatches(t *testing.T) {
	samples := map[string][]string{
		"empty": {}, "minimal": {"minimal"}, "minimal2": {"minimal", "minimal"},
		"minimalAndAllCore":           {"minimal", "allCore"},
		"minimalAndAllExtensionTypes": {"minimal", "allExtensionTypes"},
	}
	for _, c := range conformanceFile(t, "valid-batches.json") {
		t.Run(c.ID, func(t *testing.T) {
			want, ok := samples[c.SampleID]
			if !ok {
				t.Fatalf("unknown sample %q", c.SampleID)
			}
			var events []*Event
			err := ParseJSONBatch(c.Batch, Options{}, func() *Event {
				events = append(events, new(Event))
				return events[len(events)-1]
			})
			if err != nil || len(events) != len(want) {
				t.Fatalf("got %d events, %v, want %d", len(events), err, len(want))
			}
			for i, e := range events {
				checkSample(t, want[i], e)
			}
			var again int
			if err := ParseJSONBatch(AppendJSONBatch(nil, events), Options{}, func() *Event { again++; return new(Event) }); err != nil ||
				again != len(want) {
				t.Errorf("written anew: got %d events, %v", again, err)
			}
		})
	}
}

func TestConformance_InvalidBatches(t *testing.T) {
	for _, c := range conformanceFile(t, "invalid-batches.json") {
		t.Run(c.ID, func(t *testing.T) {
			if err := ParseJSONBatch(c.Batch, Options{}, func() *Event { return new(Event) }); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// checkSample compares an event with the golden event of the specification's README. Times are equal as instants.
func checkSample(t *testing.T, sample string, e *Event) {
	t.Helper()
	golden, ok := conformanceSamples()[sample]
	if !ok {
		t.Fatalf("unknown sample %q", sample)
	}
	if golden.Time != "" {
		want, err := time.Parse(time.RFC3339, golden.Time)
		got, err2 := time.Parse(time.RFC3339, e.Time)
		if err != nil || err2 != nil || !want.Equal(got) {
			t.Errorf("time: got %s, want %s", e.Time, golden.Time)
		}
		golden.Time = e.Time
	}
	var want, got []string
	for name, value := range golden.Attributes {
		want = append(want, name+"="+value)
	}
	for name, value := range e.Attributes {
		got = append(got, name+"="+value)
	}
	for i := range e.NumExtensions() {
		if a, g := e.Extension(i), golden.FindExtension(e.Extension(i).Name); g != nil && a.Kind != g.Kind {
			t.Errorf("%s: got type %d, want %d", a.Name, a.Kind, g.Kind)
		}
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got %s\nwant %s", g, w)
	}
	if string(e.Data) != string(golden.Data) || (e.Data == nil) != (golden.Data == nil) || e.DataContentType != golden.DataContentType {
		t.Errorf("data: got %q of %q", e.Data, e.DataContentType)
	}
}

// conformanceSamples are the golden events, as the specification's README describes them.
func conformanceSamples() map[string]*Event {
	base := func(id string) *Event {
		return &Event{ID: id, Source: "https://cloudevents.io", Type: "io.cloudevents.test"}
	}
	samples := map[string]*Event{}
	for _, id := range []string{"minimal", "minimalWithTime", "minimalWithRelativeSource", "allCore", "simpleTextData", "allExtensionTypes"} {
		samples[id] = base(id)
	}
	samples["minimalWithTime"].Time = "2018-04-05T17:31:00Z"
	samples["minimalWithRelativeSource"].Source = "#fragment"
	core := samples["allCore"]
	core.DataContentType, core.DataSchema = "text/plain", "https://cloudevents.io/dataschema"
	core.Subject, core.Time = "tests", "2018-04-05T17:31:00Z"
	samples["simpleTextData"].DataContentType, samples["simpleTextData"].Data = "text/plain", []byte("Simple text")
	for _, a := range []Attr{
		{"extinteger", "10", KindInteger},
		{"extboolean", "true", KindBoolean},
		{"extstring", "text", KindUntyped},
		{"exturi", "https://cloudevents.io", KindUntyped},
		{"exturiref", "//authority/path", KindUntyped},
		{"exttimestamp", "2023-03-31T15:12:00Z", KindUntyped},
		{"extbinary", "TWE=", KindUntyped},
	} {
		samples["allExtensionTypes"].AddExtension(a.Name, a.Value, a.Kind)
	}
	return samples
}
