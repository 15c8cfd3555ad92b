package bindingtest

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSource_Memory holds the in-memory source, under which the pipeline is tested, to the contract of the real ones.
func TestSource_Memory(t *testing.T) {
	Source(t, SourceCase{
		Features: Features{HasKeys: true, Ordered: true},
		Open: func(*testing.T) *SourceRig {
			var source *MemorySource
			return &SourceRig{
				New: func(s bindings.SourceSettings) (bindings.Source, error) {
					source = NewMemorySource(s.Window)
					return source, nil
				},
				Send: func(_ context.Context, events []*envelope.Event) error {
					for _, e := range events {
						c := e.Clone()
						c.Meta.Transport = "memory"
						source.Add([]*envelope.Event{c})
					}
					return nil
				},
			}
		},
	})
}

// TestReference sends every golden event through the reference writer and reader: what judges the bindings must not be
// wrong itself.
func TestReference(t *testing.T) {
	for _, n := range Events() {
		t.Run(n.Name, func(t *testing.T) {
			text := WriteJSON(n.Event)
			got, err := ReadJSON(text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := Equal(n.Event, got, Structured); diff != "" {
				t.Error(diff)
			}
			other := new(envelope.Event)
			if err := envelope.ParseJSON(other, text, envelope.Options{MaxAttributes: 64}); err != nil {
				t.Fatalf("the codec of the repository does not read %s: %v", text, err)
			}
			if diff := Equal(n.Event, other, Structured); diff != "" {
				t.Errorf("the codec of the repository reads something else: %s", diff)
			}
			if got, err := ReadJSON(envelope.AppendJSON(nil, n.Event)); err != nil {
				t.Error(err)
			} else if diff := Equal(n.Event, got, Structured); diff != "" {
				t.Errorf("the codec of the repository writes something else: %s", diff)
			}
			for name, value := range Attributes(n.Event) {
				if back, err := PercentDecode(PercentEncode(value)); err != nil || back != value {
					t.Errorf("%s: %q became %q (%v)", name, value, back, err)
				}
			}
		})
	}
}
