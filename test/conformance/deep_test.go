package conformance

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// TestDeepData: 64 KiB of nothing but depth are an event like any other, from binary and from JSON, to both. The readers
// of the standard library stop at 10,000 levels, so what arrives is compared as text.
func TestDeepData(t *testing.T) {
	const levels = (64<<10 - 200) / 2
	data := strings.Repeat("[", levels) + strings.Repeat("]", levels)
	attributes := `{"specversion":"1.0","id":"deep","source":"/s","type":"t","datacontenttype":"application/json","data":`
	f := newField(t)
	var targets []*target
	for _, s := range sinks() {
		targets = append(targets, f.sink(s))
	}
	for _, from := range []form{binary("http"), structured("http", envelope.FormatJSON), binary("kafka"), structured("sqs", envelope.FormatJSON), structured("nats", envelope.FormatJSON)} {
		t.Run(from.String(), func(t *testing.T) {
			m := message{map[string]string{"content-type": "application/cloudevents+json"}, []byte(attributes + data + "}")}
			if from.mode == bindings.ModeBinary {
				m, _ = write(from, &envelope.Event{ID: "deep", Source: "/s", Type: "t", DataContentType: "application/json", Data: []byte(data)})
			}
			src, put := f.source(from)
			events := run(t, src, 1, func(ctx context.Context) error { return put(ctx, []message{m}) })
			e := events["deep"]
			if e == nil || e.Malformed != nil || string(e.Data) != data {
				t.Fatalf("the source emits %.200v", e)
			}
			for _, to := range targets {
				if err := to.sink.Send(t.Context(), []*envelope.Event{e}); err != nil {
					t.Errorf("%s: %v", to.form, err)
					continue
				}
				got := to.take(1)
				if len(got) != 1 || !bytes.Contains(got[0].body, []byte(data)) {
					t.Errorf("%s: %d messages, the first of which lacks the data", to.form, len(got))
				} else if bytes.Contains(got[0].body, []byte("data_base64")) {
					t.Errorf("%s: JSON left as base64", to.form)
				}
			}
		})
	}
}
