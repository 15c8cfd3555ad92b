package nats

import (
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
	"github.com/eventrouter/router/internal/spectest"
)

// TestFormats: the formats beyond JSON, which the binding does not write, are read.
func TestFormats(t *testing.T) {
	for f, changes := range map[envelope.Format]spectest.Changes{
		envelope.FormatProtobuf: {Instants: true, MinusZero: true}, envelope.FormatXML: {}, envelope.FormatAvro: {MinusZero: true, Untyped: true},
	} {
		t.Run(format.MediaType(f), func(t *testing.T) {
			sent := bindingtest.Find("all-types")
			payload, err := format.Append(f, nil, sent)
			if err != nil {
				t.Fatal(err)
			}
			e := new(envelope.Event)
			m := &natsgo.Msg{Data: payload, Header: natsgo.Header{"content-type": {format.MediaType(f)}}}
			if err := testDecoder(t, false).decode(e, m); err != nil {
				t.Fatal(err)
			}
			if diff := spectest.Difference(sent, e, changes); diff != "" {
				t.Error(diff)
			}
		})
	}
}
