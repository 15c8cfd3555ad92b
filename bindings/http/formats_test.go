package http

import (
	"bytes"
	"errors"
	nethttp "net/http"
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/spectest"
)

// formatCases are the formats beyond JSON, with their media types and what each may change.
var formatCases = []struct {
	format       envelope.Format
	single, many string
	changes      spectest.Changes
}{
	{
		envelope.FormatProtobuf, "application/cloudevents+protobuf", "application/cloudevents-batch+protobuf",
		spectest.Changes{Instants: true, MinusZero: true},
	},
	{envelope.FormatXML, "application/cloudevents+xml", "application/cloudevents-batch+xml", spectest.Changes{}},
	{envelope.FormatAvro, "application/cloudevents+avro", "", spectest.Changes{MinusZero: true, Untyped: true}},
}

// TestFormats sends the golden events structured, and batched where the format has that, in every format beyond JSON.
func TestFormats(t *testing.T) {
	for _, f := range formatCases {
		t.Run(f.single, func(t *testing.T) {
			for _, n := range bindingtest.Events() {
				m := message{Header: nethttp.Header{}}
				err := encode(&m, n.Event, bindings.ModeStructured, f.format)
				if n.Name == "names-digits" && f.format == envelope.FormatXML {
					if _, ok := errors.AsType[*bindings.PermanentError](err); !ok {
						t.Errorf("%s: got %v, want it permanent", n.Name, err)
					}
					continue
				}
				if err != nil || m.Header.Get("Content-Type") != f.single {
					t.Fatalf("%s: %q, %v", n.Name, m.Header.Get("Content-Type"), err)
				}
				e := new(envelope.Event)
				if err := new(decoder).decode(e, m); err != nil {
					t.Fatalf("%s: %v", n.Name, err)
				}
				if diff := spectest.Difference(n.Event, e, f.changes); diff != "" {
					t.Errorf("%s: %s", n.Name, diff)
				}
				again := message{Header: nethttp.Header{}}
				if err := encode(&again, e, bindings.ModeStructured, f.format); err != nil || !bytes.Equal(again.Body, m.Body) {
					t.Errorf("%s: untouched, it leaves as other bytes (%v)", n.Name, err)
				}
				if f.many != "" {
					checkBatch(t, n, f.format, f.many)
				}
			}
		})
	}
}

func checkBatch(t *testing.T, n bindingtest.NamedEvent, f envelope.Format, mediaType string) {
	t.Helper()
	m := message{Header: nethttp.Header{}}
	if err := encodeBatch(&m, []*envelope.Event{n.Event, n.Event}, f); err != nil || m.Header.Get("Content-Type") != mediaType {
		t.Fatalf("%s: %q, %v", n.Name, m.Header.Get("Content-Type"), err)
	}
	var b bindings.Batch
	if err := new(decoder).decodeBatch(m, b.Add); err != nil || len(b.Events) != 2 {
		t.Fatalf("%s: %d events, %v", n.Name, len(b.Events), err)
	}
}

func TestSinkFormat(t *testing.T) {
	cfg := SinkConfig{URL: "http://127.0.0.1:1/"}
	if _, err := NewSink(cfg, bindings.SinkSettings{Mode: bindings.ModeBatch, Format: envelope.FormatAvro}); err == nil {
		t.Error("a batch in Avro was accepted")
	}
	if _, err := NewSink(cfg, bindings.SinkSettings{Mode: bindings.ModeBatch, Format: envelope.FormatXML}); err != nil {
		t.Error(err)
	}
}
