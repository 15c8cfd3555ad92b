package sqs

import (
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
)

// wire is a message for the conformance suite, whose zero value has to work.
type wire struct{ m *message }

func encodeWire(mode bindings.Mode) func(w *wire, e *envelope.Event) error {
	return func(w *wire, e *envelope.Event) error {
		// The sink reuses its messages, which costs nothing (TestCodecAllocations); the suite wants new ones.
		w.m = newMessage(envelope.FormatJSON)
		return w.m.encode(e, mode)
	}
}

func decodeWire(e *envelope.Event, w *wire) error {
	return decode(e, w.m.body, w.m.attrs, envelope.Options{})
}

func TestCodecConformance(t *testing.T) {
	bindingtest.Codec(t, bindingtest.CodecCase[wire]{
		Modes: []bindingtest.CodecMode[wire]{
			{Name: "structured", Encode: encodeWire(bindings.ModeStructured), Decode: decodeWire, Loss: bindingtest.Structured, EncodeAllocs: 11},
			// What binary mode cannot carry is structured, so that the golden events fit in this mode too.
			{Name: "binary", Encode: encodeWire(bindings.ModeBinary), Decode: decodeWire, Loss: bindingtest.Headers, EncodeAllocs: 13},
		},
		Bytes: func(w *wire) [][]byte { return [][]byte{envelope.Bytes(w.m.body)} },
	})
}
