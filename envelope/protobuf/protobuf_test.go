package protobuf_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/protobuf"
	"github.com/eventrouter/router/internal/spectest"
)

// changes is what the package documentation says that the format changes.
var changes = spectest.Changes{Instants: true, MinusZero: true}

type specCase struct {
	ID, SampleID                                         string
	ValidSingle, InvalidSingle, ValidBatch, InvalidBatch json.RawMessage
}

// specCases reads one file of the specification's test data, whose messages are in protobuf's JSON.
func specCases(t *testing.T, name string) []specCase {
	t.Helper()
	var file struct{ Tests []specCase }
	if err := json.Unmarshal(spectest.File(t, "protobuf/"+name), &file); err != nil || len(file.Tests) == 0 {
		t.Fatalf("%s: %d tests, %v", name, len(file.Tests), err)
	}
	return file.Tests
}

// wire encodes protobuf's JSON with the library.
func wire(t *testing.T, of protoreflect.MessageDescriptor, text []byte) []byte {
	t.Helper()
	m := dynamicpb.NewMessage(of)
	if err := protojson.Unmarshal(text, m); err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t *testing.T, msg []byte) *envelope.Event {
	t.Helper()
	e := new(envelope.Event)
	if err := protobuf.Parse(e, msg, envelope.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := e.Validate(envelope.Options{}); err != nil {
		t.Error(err)
	}
	return e
}

// refused checks that an error names a rule.
func refused(t *testing.T, err error) {
	t.Helper()
	var ae *envelope.AttributeError
	if !errors.As(err, &ae) || ae.Rule == "" || errors.Is(err, envelope.ErrNotCloudEvent) {
		t.Errorf("got %v, want an attribute error", err)
	}
}

func TestSpec_ValidEvents(t *testing.T) {
	o := newOracle(t)
	for _, c := range specCases(t, "valid-events.json") {
		t.Run(c.ID, func(t *testing.T) {
			e := parse(t, wire(t, o.event, c.ValidSingle))
			if diff := spectest.Difference(spectest.Samples()[c.SampleID], e, changes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSpec_InvalidEvents(t *testing.T) {
	o := newOracle(t)
	for _, c := range specCases(t, "invalid-events.json") {
		t.Run(c.ID, func(t *testing.T) {
			msg := wire(t, o.event, c.InvalidSingle)
			for _, lenient := range []bool{false, true} {
				refused(t, protobuf.Parse(new(envelope.Event), msg, envelope.Options{Lenient: lenient}))
			}
		})
	}
}

func TestSpec_ValidBatches(t *testing.T) {
	o := newOracle(t)
	for _, c := range specCases(t, "valid-batches.json") {
		t.Run(c.ID, func(t *testing.T) {
			msg := wire(t, o.batch, c.ValidBatch)
			events := parseBatch(t, msg)
			want := spectest.Batches()[c.SampleID]
			if len(events) != len(want) {
				t.Fatalf("got %d events, want %d", len(events), len(want))
			}
			for i, e := range events {
				if diff := spectest.Difference(spectest.Samples()[want[i]], e, changes); diff != "" {
					t.Errorf("event %d: %s", i, diff)
				}
			}
			if again := protobuf.AppendBatch(nil, events); !bytes.Equal(again, msg) {
				t.Errorf("untouched events leave as other bytes: %x, want %x", again, msg)
			}
		})
	}
}

func parseBatch(t *testing.T, msg []byte) []*envelope.Event {
	t.Helper()
	var events []*envelope.Event
	if err := protobuf.ParseBatch(msg, envelope.Options{}, func() *envelope.Event {
		events = append(events, new(envelope.Event))
		return events[len(events)-1]
	}); err != nil {
		t.Fatal(err)
	}
	return events
}

func TestSpec_InvalidBatches(t *testing.T) {
	o := newOracle(t)
	for _, c := range specCases(t, "invalid-batches.json") {
		t.Run(c.ID, func(t *testing.T) {
			msg := wire(t, o.batch, c.InvalidBatch)
			refused(t, protobuf.ParseBatch(msg, envelope.Options{}, func() *envelope.Event { return new(envelope.Event) }))
		})
	}
}

// TestOracle holds both directions to the protobuf library: what this codec writes the library reads as the same event,
// and what the library then writes this codec reads as the same.
func TestOracle(t *testing.T) {
	o := newOracle(t)
	for _, n := range bindingtest.Events() {
		t.Run(n.Name, func(t *testing.T) {
			msg := protobuf.Append(nil, n.Event)
			theirs, err := o.read(msg)
			if err != nil {
				t.Fatal(err)
			}
			if len(theirs.GetUnknown()) > 0 {
				t.Errorf("the library finds unknown fields: %x", theirs.GetUnknown())
			}
			if diff := spectest.Difference(n.Event, o.event2(t, theirs), changes); diff != "" {
				t.Errorf("as the library reads it: %s", diff)
			}
			again, err := proto.MarshalOptions{Deterministic: true}.Marshal(theirs)
			if err != nil {
				t.Fatal(err)
			}
			if diff := spectest.Difference(n.Event, parse(t, again), changes); diff != "" {
				t.Errorf("as the library writes it: %s\n%s", diff, n.Why)
			}
			e := parse(t, msg)
			if out := protobuf.Append(nil, e); !bytes.Equal(out, msg) {
				t.Error("an untouched event leaves as other bytes")
			}
			e.Touch()
			if diff := spectest.Difference(n.Event, parse(t, protobuf.Append(nil, e)), changes); diff != "" {
				t.Errorf("sent on after a change: %s", diff)
			}
		})
	}
}

// event2 makes an event of a message that the library has read, by field names alone.
func (o *oracle) event2(t testing.TB, m *dynamicpb.Message) *envelope.Event {
	t.Helper()
	fields := o.event.Fields()
	text := func(name protoreflect.Name) string { return m.Get(fields.ByName(name)).String() }
	if text("spec_version") != "1.0" {
		t.Errorf("spec_version is %q", text("spec_version"))
	}
	e := &envelope.Event{ID: text("id"), Source: text("source"), Type: text("type")}
	m.Get(fields.ByName("attributes")).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		name, value := which(v.Message(), "attr")
		kind, canonical := canonicalOf(t, name, value)
		e.Set(k.String(), canonical, kind)
		return true
	})
	switch name, value := which(m, "data"); name {
	case "binary_data":
		e.Data = append([]byte{}, value.Bytes()...)
	case "text_data":
		e.Data = []byte(value.String())
	}
	return e
}

// canonicalOf renders a value of the library.
func canonicalOf(t testing.TB, name string, v protoreflect.Value) (envelope.Kind, string) {
	switch name {
	case "ce_boolean":
		return envelope.KindBoolean, strconv.FormatBool(v.Bool())
	case "ce_integer":
		return envelope.KindInteger, strconv.FormatInt(v.Int(), 10)
	case "ce_string":
		return envelope.KindString, v.String()
	case "ce_bytes":
		return envelope.KindBinary, base64.StdEncoding.EncodeToString(v.Bytes())
	case "ce_uri":
		return envelope.KindURI, v.String()
	case "ce_uri_ref":
		return envelope.KindURIRef, v.String()
	case "ce_timestamp":
		ts := v.Message()
		f := ts.Descriptor().Fields()
		at := time.Unix(ts.Get(f.ByName("seconds")).Int(), ts.Get(f.ByName("nanos")).Int()).UTC()
		return envelope.KindTimestamp, at.Format(time.RFC3339Nano)
	}
	t.Errorf("an attribute is %q", name)
	return 0, ""
}

// minimal returns the required fields, with more appended.
func minimal(more ...byte) []byte {
	var b []byte
	for id, v := range map[protowire.Number]string{1: "1", 2: "/s", 3: "1.0", 4: "t"} {
		b = protowire.AppendString(protowire.AppendTag(b, id, protowire.BytesType), v)
	}
	return append(b, more...)
}

// entry returns a map entry with a value's bytes.
func entry(name string, value []byte) []byte {
	var e []byte
	e = protowire.AppendString(protowire.AppendTag(e, 1, protowire.BytesType), name)
	e = protowire.AppendBytes(protowire.AppendTag(e, 2, protowire.BytesType), value)
	return protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), e)
}

func varint(id protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, id, protowire.VarintType), v)
}

func str(id protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, id, protowire.BytesType), v)
}

func TestRefused(t *testing.T) {
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, c := range []struct {
		name string
		msg  []byte
		says string
	}{
		{"E18 attribute without a value", minimal(entry("ext", nil)...), "ext: must have a value"},
		{"two values", minimal(entry("ext", join(varint(1, 1), varint(2, 1)))...), "ext: must have one value"},
		{"one name twice", minimal(join(entry("ext", varint(1, 1)), entry("ext", varint(1, 1)))...), "ext: must not appear"},
		{"id twice", minimal(str(1, "2")...), "id: must not appear"},
		{"id in the map", minimal(entry("id", str(3, "2"))...), "id: belongs into its own field"},
		{"specversion in the map", minimal(entry("specversion", str(3, "1.0"))...), "specversion: belongs"},
		{"data in the map", minimal(entry("data", str(3, "x"))...), "data"},
		{"no name", minimal(entry("", str(3, "x"))...), "is not an attribute name"},
		{"integer of 64 bits", minimal(entry("ext", varint(2, 1<<40))...), "ext: not a protobuf event: an integer"},
		{"time as an integer", minimal(entry("time", varint(2, 1))...), "time: is of a type"},
		{"timestamp out of range", minimal(entry("time", str(7, string(varint(1, 1<<50))))...), "time: not a protobuf event: a timestamp"},
		{"nanoseconds out of range", minimal(entry("time", str(7, string(varint(2, 1_000_000_000))))...), "a timestamp is out of range"},
		{"time as text that is none", minimal(entry("time", str(3, "lunchtime"))...), "time: must be an RFC 3339"},
		{"string not UTF-8", minimal(entry("ext", str(3, "\xff"))...), "ext: must be Unicode"},
		{"text data not UTF-8", minimal(str(7, "\xff")...), "data: must be UTF-8"},
		{"two kinds of data", minimal(join(str(6, ""), str(7, "x"))...), "data: must have one value"},
		{"id as a number", varint(1, 1), "id: is not of the wire type"},
		{"cut off", minimal(0x2a, 0x7f), "a length is beyond the end"},
		{"length of 64 bits", minimal(append([]byte{0x2a}, bytes.Repeat([]byte{0xff}, 9)...)...), "a number is cut off"},
		{"huge length", minimal(0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), "beyond the end"},
		{"field number 0", minimal(0x00, 0x00), "field number is out of range"},
		{"group", minimal(0x7b, 0x7c), "group"},
		{"JSON", []byte(`{"specversion":"1.0"}`), "not a protobuf event"},
		{"empty", nil, "specversion: is required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := protobuf.Parse(new(envelope.Event), c.msg, envelope.Options{})
			refused(t, err)
			if err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want it to say %q", err, c.says)
			}
		})
	}
}

func TestAttributeLimit(t *testing.T) {
	var more []byte
	for i := range 3 {
		more = append(more, entry(fmt.Sprint("ext", i), varint(1, 1))...)
	}
	refused(t, protobuf.Parse(new(envelope.Event), minimal(more...), envelope.Options{MaxAttributes: 2}))
}

// TestE19_BinaryAttribute: a Binary attribute is base64 wherever it goes next.
func TestE19_BinaryAttribute(t *testing.T) {
	e := parse(t, minimal(entry("ext", str(4, "\x00\xff"))...))
	if a := e.FindExtension("ext"); a.Value != "AP8=" || a.Kind != envelope.KindBinary {
		t.Errorf("got %+v", *a)
	}
}

// TestE20_Timestamp: instants become RFC 3339 in UTC with the digits they have.
func TestE20_Timestamp(t *testing.T) {
	for _, c := range []struct {
		seconds uint64
		nanos   uint64
		want    string
	}{
		{1522949460, 0, "2018-04-05T17:31:00Z"},
		{1522949460, 120_000_000, "2018-04-05T17:31:00.12Z"},
		{1522949460, 1, "2018-04-05T17:31:00.000000001Z"},
		{253402300799, 999_999_999, "9999-12-31T23:59:59.999999999Z"},
		{1<<64 - 62135596800, 0, "0001-01-01T00:00:00Z"},
	} {
		e := parse(t, minimal(entry("time", str(7, string(append(varint(1, c.seconds), varint(2, c.nanos)...))))...))
		if e.Time != c.want {
			t.Errorf("got %s, want %s", e.Time, c.want)
		}
		if out := string(envelope.AppendJSON(nil, e)); !strings.Contains(out, `"time":"`+c.want+`"`) {
			t.Errorf("got %s", out)
		}
	}
	for text, want := range map[string]string{
		"2018-04-05T18:31:00.120+01:00": "2018-04-05T17:31:00.12Z", "2018-04-05t17:31:00z": "2018-04-05T17:31:00Z",
		"1990-12-31T23:59:60Z": "1990-12-31T23:59:60Z", "0000-01-01T00:00:00Z": "0000-01-01T00:00:00Z",
	} {
		sent := &envelope.Event{ID: "1", Source: "/s", Type: "t", Time: text}
		if e := parse(t, protobuf.Append(nil, sent)); e.Time != want {
			t.Errorf("%s: got %s, want %s", text, e.Time, want)
		}
	}
}

func TestProtoData(t *testing.T) {
	anyMessage := append(str(1, "type.googleapis.com/x.Y"), str(2, "\x08\x01")...)
	msg := minimal(str(8, string(anyMessage))...)
	e := parseLenient(t, msg)
	if e.DataContentType != "application/protobuf" || e.DataSchema != "type.googleapis.com/x.Y" || string(e.Data) != "\x08\x01" {
		t.Errorf("got %q of %q, %q", e.Data, e.DataContentType, e.DataSchema)
	}
	if !bytes.Equal(protobuf.Append(nil, e), msg) {
		t.Error("untouched, it leaves as other bytes")
	}
	said := append(append([]byte{}, msg...), entry("dataschema", str(5, "https://x/y"))...)
	if e := parseLenient(t, said); e.DataSchema != "https://x/y" {
		t.Errorf("got %q, want what the event says", e.DataSchema)
	}
}

func parseLenient(t *testing.T, msg []byte) *envelope.Event {
	t.Helper()
	e := new(envelope.Event)
	if err := protobuf.Parse(e, msg, envelope.Options{}); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestUnknownFields: they are skipped, and kept where the message leaves as it came.
func TestUnknownFields(t *testing.T) {
	msg := minimal(append(append(str(100, "x"), varint(101, 1)...), 0x9d, 0x06, 1, 2, 3, 4, 0x99, 0x06, 1, 2, 3, 4, 5, 6, 7, 8)...)
	if e := parse(t, msg); !bytes.Equal(protobuf.Append(nil, e), msg) {
		t.Error("unknown fields were lost")
	}
}

// FuzzParse holds for every message that is accepted: the event is valid, the library reads the same event, and written
// anew it means the same.
func FuzzParse(f *testing.F) {
	for _, n := range bindingtest.Events() {
		if len(n.Event.Data) < 1<<10 && n.Event.NumExtensions() < 20 {
			f.Add(protobuf.Append(nil, n.Event))
		}
	}
	f.Add(minimal(entry("time", str(7, string(varint(1, 5))))...))
	f.Add(minimal(str(8, string(str(1, "a/b")))...))
	f.Add(minimal(entry("ext", varint(2, 1<<32-1))...))
	o := newOracle(f)
	f.Fuzz(func(t *testing.T, msg []byte) {
		e := new(envelope.Event)
		if err := protobuf.Parse(e, msg, envelope.Options{}); err != nil {
			refused(t, err)
			return
		}
		if err := e.Validate(envelope.Options{Lenient: true}); err != nil {
			t.Fatalf("accepted and not valid: %v", err)
		}
		theirs, err := o.read(msg)
		if err != nil {
			t.Fatalf("accepted, and the library refuses it: %v", err)
		}
		if name, _ := which(theirs, "data"); name != "proto_data" {
			if diff := spectest.Difference(o.event2(t, theirs), e, changes); diff != "" {
				t.Fatalf("the library reads another event: %s", diff)
			}
		}
		again := new(envelope.Event)
		e.Touch()
		if err := protobuf.Parse(again, protobuf.Append(nil, e), envelope.Options{}); err != nil {
			t.Fatal(err)
		}
		if diff := spectest.Difference(e, again, changes); diff != "" {
			t.Fatalf("written anew: %s", diff)
		}
	})
}

func FuzzParseBatch(f *testing.F) {
	f.Add(protobuf.AppendBatch(nil, []*envelope.Event{bindingtest.Find("minimal"), bindingtest.Find("all-types")}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, msg []byte) {
		var events []*envelope.Event
		if err := protobuf.ParseBatch(msg, envelope.Options{}, func() *envelope.Event {
			events = append(events, new(envelope.Event))
			return events[len(events)-1]
		}); err != nil {
			return
		}
		for _, e := range events {
			if err := protobuf.Parse(new(envelope.Event), e.Raw, envelope.Options{}); err != nil {
				t.Fatalf("valid in a batch and not alone: %v", err)
			}
		}
	})
}
