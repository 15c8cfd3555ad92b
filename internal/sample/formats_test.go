package sample

import (
	"testing"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
)

// TestReadFormats reads requests in every event format, and XML without a request around it.
func TestReadFormats(t *testing.T) {
	e := &envelope.Event{ID: "1", Source: "/s", Type: "t", DataContentType: "text/plain", Data: []byte("a\n\nb")}
	for _, f := range []envelope.Format{envelope.FormatJSON, envelope.FormatProtobuf, envelope.FormatXML, envelope.FormatAvro} {
		body, err := format.Append(f, nil, e)
		if err != nil {
			t.Fatal(err)
		}
		check(t, append([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: "+format.MediaType(f)+"\r\n\r\n"), body...), 1)
		if f == envelope.FormatXML {
			check(t, body, 1)
		}
		if !format.HasBatch(f) {
			continue
		}
		if body, err = format.AppendBatch(f, nil, []*envelope.Event{e, e}); err != nil {
			t.Fatal(err)
		}
		check(t, append([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: "+format.BatchMediaType(f)+"\r\n\r\n"), body...), 2)
	}
}

func check(t *testing.T, text []byte, n int) {
	t.Helper()
	events, err := Read(text, envelope.Options{})
	if err != nil || len(events) != n {
		t.Fatalf("%.60q: %d events, %v", text, len(events), err)
	}
	for _, s := range events {
		if s.Event.ID != "1" || string(s.Event.Data) != "a\n\nb" {
			t.Errorf("%.60q: got %q, %q", text, s.Event.ID, s.Event.Data)
		}
	}
}
