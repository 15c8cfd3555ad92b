package kafka

import (
	"bytes"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/spectest"
)

// TestFormats sends the golden events structured in every format beyond JSON.
func TestFormats(t *testing.T) {
	for _, f := range []struct {
		format    envelope.Format
		mediaType string
		changes   spectest.Changes
	}{
		{envelope.FormatProtobuf, "application/cloudevents+protobuf", spectest.Changes{Instants: true, MinusZero: true}},
		{envelope.FormatXML, "application/cloudevents+xml", spectest.Changes{}},
		{envelope.FormatAvro, "application/cloudevents+avro", spectest.Changes{MinusZero: true, Untyped: true}},
	} {
		t.Run(f.mediaType, func(t *testing.T) {
			c := &encoder{static: "out", structured: true, format: f.format}
			for _, n := range bindingtest.Events() {
				var r, again kgo.Record
				err := c.encode(&r, n.Event, new(scratch))
				if n.Name == "names-digits" && f.format == envelope.FormatXML {
					if _, ok := errors.AsType[*bindings.PermanentError](err); !ok {
						t.Errorf("%s: got %v, want it permanent", n.Name, err)
					}
					continue
				}
				if err != nil || len(r.Headers) != 1 || string(r.Headers[0].Value) != f.mediaType {
					t.Fatalf("%s: %v, %v", n.Name, r.Headers, err)
				}
				e := new(envelope.Event)
				if _, err := new(decoder).decode(e, &r); err != nil {
					t.Fatalf("%s: %v", n.Name, err)
				}
				if diff := spectest.Difference(n.Event, e, f.changes); diff != "" {
					t.Errorf("%s: %s", n.Name, diff)
				}
				if err := c.encode(&again, e, new(scratch)); err != nil || !bytes.Equal(again.Value, r.Value) {
					t.Errorf("%s: untouched, it leaves as other bytes (%v)", n.Name, err)
				}
			}
		})
	}
}
