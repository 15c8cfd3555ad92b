package bindingtest

import (
	"bytes"
	"testing"

	"github.com/eventrouter/router/envelope"
)

// CodecCase is what [Codec] needs to know of a binding's codec. M is the transport's own message type.
type CodecCase[M any] struct {
	// Modes are the content modes the codec writes, each tried with every golden event.
	Modes []CodecMode[M]
	// Bytes returns every byte slice of the message that a decoded event may alias, so that the suite can tell whether
	// decoding wrote to them.
	Bytes func(m *M) [][]byte
}

// CodecMode is one content mode of a codec.
type CodecMode[M any] struct {
	// Name is the mode's name, such as "binary".
	Name string
	// Encode fills m, which is a zero message, with the event.
	Encode func(m *M, e *envelope.Event) error
	// Decode fills e, which was Reset, from a message of this transport in whatever mode it finds it.
	Decode func(e *envelope.Event, m *M) error
	// Loss is what the mode may lose, such as Structured, Headers, or Headers|LossEmptyData.
	Loss Loss
	// Refuses names the golden events that the transport cannot carry in this mode, each with the reason. Encode has
	// to return an error for them.
	Refuses map[string]string
	// EncodeAllocs and DecodeAllocs are the most allocations that an ordinary event may cost, a zero message included.
	EncodeAllocs, DecodeAllocs float64
}

// Codec holds a codec to its promises: that every golden event arrives as it was sent, that a structured message leaves
// untouched as the same bytes, that neither direction writes to what it was given, that nothing of one event shows up
// in the next, and that the ordinary event costs no more allocations than stated.
func Codec[M any](t *testing.T, c CodecCase[M]) {
	t.Helper()
	if len(c.Modes) == 0 || c.Bytes == nil {
		t.Fatal("bindingtest: a codec case needs modes and Bytes")
	}
	for _, mode := range c.Modes {
		t.Run(mode.Name, func(t *testing.T) {
			suite := codecSuite[M]{CodecMode: mode, bytes: c.Bytes}
			suite.checkRefuses(t)
			t.Run("golden", suite.golden)
			t.Run("reuse", suite.reuse)
			t.Run("verbatim", suite.verbatim)
			t.Run("allocations", suite.allocations)
		})
	}
}

// codecSuite runs the tests of one mode.
type codecSuite[M any] struct {
	CodecMode[M]
	bytes func(m *M) [][]byte
}

// checkRefuses finds names in Refuses that no golden event has.
func (s codecSuite[M]) checkRefuses(t *testing.T) {
	t.Helper()
	names := map[string]bool{}
	for _, n := range Events() {
		names[n.Name] = true
	}
	for name := range s.Refuses {
		if !names[name] {
			t.Errorf("Refuses names %q, which is no golden event", name)
		}
	}
}

// golden sends every golden event through the codec and back.
func (s codecSuite[M]) golden(t *testing.T) {
	for _, n := range Events() {
		t.Run(n.Name, func(t *testing.T) {
			if reason, ok := s.Refuses[n.Name]; ok {
				if err := s.Encode(new(M), n.Event); err == nil {
					t.Errorf("encode took an event that it should refuse: %s", reason)
				}
				return
			}
			s.roundTrip(t, n)
		})
	}
}

func (s codecSuite[M]) roundTrip(t *testing.T, n NamedEvent) {
	t.Helper()
	before := n.Event.Clone()
	message := s.encode(t, n.Event)
	if diff := Equal(before, n.Event, 0); diff != "" {
		t.Errorf("encode changed the event:\n%s", diff)
	}
	snapshot := s.snapshot(message)
	arrived := s.decode(t, message)
	if diff := Equal(before, arrived, s.Loss); diff != "" {
		t.Errorf("%s\n%s", diff, n.Why)
	}
	if err := arrived.Validate(envelope.Options{}); err != nil {
		t.Errorf("the event that arrived is not valid: %v", err)
	}
	s.onward(t, arrived)
	for i, b := range s.bytes(message) {
		if i >= len(snapshot) || !bytes.Equal(b, snapshot[i]) {
			t.Errorf("decoding or sending on wrote to part %d of the message", i)
		}
	}
}

// onward sends what arrived once more: the bytes of a structured event have to stay, and a binary one has lost all it
// can lose.
func (s codecSuite[M]) onward(t *testing.T, arrived *envelope.Event) {
	t.Helper()
	again := s.decode(t, s.encode(t, arrived))
	if diff := Equal(arrived, again, s.Loss); diff != "" {
		t.Errorf("sent on once more: %s", diff)
	}
	if arrived.RawFormat != envelope.FormatNone && again.RawFormat == arrived.RawFormat && !bytes.Equal(arrived.Raw, again.Raw) {
		t.Errorf("the structured message left as other bytes:\n%s\n%s", short(string(arrived.Raw)), short(string(again.Raw)))
	}
	changed := arrived.Clone()
	changed.Set("subject", "changed", envelope.KindString)
	if diff := Equal(changed, s.decode(t, s.encode(t, changed)), s.Loss); diff != "" {
		t.Errorf("sent on after a change: %s", diff)
	}
}

// reuse decodes into one event struct after the other, as a recycled batch does, and looks at what the first decodings
// gave once all are done.
func (s codecSuite[M]) reuse(t *testing.T) {
	type kept struct {
		name    string
		sent    *envelope.Event
		message *M
		arrived envelope.Event
	}
	var all []*kept
	slot := new(envelope.Event)
	for _, n := range Events() {
		if _, ok := s.Refuses[n.Name]; ok {
			continue
		}
		k := &kept{name: n.Name, sent: n.Event, message: s.encode(t, n.Event)}
		slot.Reset()
		if err := s.Decode(slot, k.message); err != nil {
			t.Fatalf("%s: decode: %v", n.Name, err)
		}
		slot.CopyTo(&k.arrived)
		all = append(all, k)
	}
	for _, k := range all {
		if diff := Equal(k.sent, &k.arrived, s.Loss); diff != "" {
			t.Errorf("%s: the event changed when its struct was used again:\n%s", k.name, diff)
		}
		if diff := Equal(k.sent, s.decode(t, k.message), s.Loss); diff != "" {
			t.Errorf("%s: the message changed when others were encoded:\n%s", k.name, diff)
		}
	}
}

// foreign is an event as no encoder of this repository would write it.
const foreign = "{ \"data\" : {\"b\":1, \"a\":2,\"a\":3.0,\"h\":\"<\\u0026>\"} ,\n\t\"type\":\"t\\u0065st\",\"subject\":null," +
	"\"ext\":5,\"specversion\":\"1.0\",\"source\":\"/a b\",\"data_base64\":null,\"id\":\"1\" }"

// verbatim sends an event that arrived structured and that nobody touched. Where it arrives structured again it has to
// be the same bytes, whatever their order and spacing.
func (s codecSuite[M]) verbatim(t *testing.T) {
	e := new(envelope.Event)
	if err := envelope.ParseJSON(e, []byte(foreign), envelope.Options{}); err != nil {
		t.Fatal(err)
	}
	arrived := s.decode(t, s.encode(t, e))
	if diff := Equal(e, arrived, s.Loss); diff != "" {
		t.Error(diff)
	}
	if arrived.RawFormat == envelope.FormatJSON && string(arrived.Raw) != foreign {
		t.Errorf("the structured message left as other bytes:\n%s\nwant\n%s", arrived.Raw, foreign)
	}
}

// allocations measures an ordinary event.
func (s codecSuite[M]) allocations(t *testing.T) {
	if raceEnabled {
		t.Skip("NOT TESTED: allocations, because the race detector is on")
	}
	e := ordinary()
	message := s.encode(t, e)
	slot := new(envelope.Event)
	decode := func() {
		slot.Reset()
		if err := s.Decode(slot, message); err != nil {
			t.Fatal(err)
		}
	}
	encode := func() {
		var m M
		if err := s.Encode(&m, e); err != nil {
			t.Fatal(err)
		}
	}
	if got := testing.AllocsPerRun(200, decode); got > s.DecodeAllocs {
		t.Errorf("decode: got %v allocations, want at most %v", got, s.DecodeAllocs)
	}
	if got := testing.AllocsPerRun(200, encode); got > s.EncodeAllocs {
		t.Errorf("encode: got %v allocations, want at most %v", got, s.EncodeAllocs)
	}
}

// ordinary is what most events look like: some attributes, JSON data, nothing that needs an escape.
func ordinary() *envelope.Event {
	e := &envelope.Event{
		ID: "0198f7a2-5c1e-7d5a-9b60-3f1f6d7d9c11", Source: "/shop/eu", Type: "com.example.order.paid", Subject: "orders/4711",
		Time: "2026-03-01T10:20:30.123456Z", DataContentType: "application/json", Data: []byte(`{"id":4711,"total":129.95}`),
	}
	e.AddExtension("partitionkey", "4711", envelope.KindUntyped)
	e.AddExtension("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", envelope.KindUntyped)
	return e
}

func (s codecSuite[M]) encode(t *testing.T, e *envelope.Event) *M {
	t.Helper()
	m := new(M)
	if err := s.Encode(m, e); err != nil {
		t.Fatalf("%s: encode: %v", e.ID, err)
	}
	return m
}

func (s codecSuite[M]) decode(t *testing.T, m *M) *envelope.Event {
	t.Helper()
	e := new(envelope.Event)
	if err := s.Decode(e, m); err != nil {
		t.Fatalf("decode: %v", err)
	}
	return e
}

func (s codecSuite[M]) snapshot(m *M) [][]byte {
	var parts [][]byte
	for _, b := range s.bytes(m) {
		parts = append(parts, bytes.Clone(b))
	}
	return parts
}
