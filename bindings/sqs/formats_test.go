package sqs

import (
	"errors"
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/spectest"
)

// TestFormatXML sends the golden events structured in XML, the other format that is text.
func TestFormatXML(t *testing.T) {
	for _, n := range bindingtest.Events() {
		m := newMessage(envelope.FormatXML)
		err := m.encode(n.Event, bindings.ModeStructured)
		if n.Name == "names-digits" {
			if _, ok := errors.AsType[*bindings.PermanentError](err); !ok {
				t.Errorf("%s: got %v, want it permanent", n.Name, err)
			}
			continue
		}
		if err != nil || *m.attrs[contentTypeName].StringValue != "application/cloudevents+xml" || !legal(m.body) {
			t.Fatalf("%s: %v, %v", n.Name, m.attrs, err)
		}
		e := new(envelope.Event)
		if err := decode(e, m.body, m.attrs, envelope.Options{}); err != nil {
			t.Fatalf("%s: %v", n.Name, err)
		}
		if diff := spectest.Difference(n.Event, e, spectest.Changes{}); diff != "" {
			t.Errorf("%s: %s", n.Name, diff)
		}
	}
}

func TestSinkFormat(t *testing.T) {
	for f, want := range map[envelope.Format]bool{
		envelope.FormatNone: true, envelope.FormatJSON: true, envelope.FormatXML: true, envelope.FormatProtobuf: false, envelope.FormatAvro: false,
	} {
		if _, err := newSink(SinkConfig{}, bindings.SinkSettings{Format: f}, queueRef{}, nil); (err == nil) != want {
			t.Errorf("format %d: %v", f, err)
		}
	}
}
