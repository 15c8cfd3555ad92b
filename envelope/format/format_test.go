package format_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
	"github.com/eventrouter/router/internal/spectest"
)

// formats are all formats, with what each may change.
var formats = []struct {
	format  envelope.Format
	name    string
	changes spectest.Changes
}{
	{envelope.FormatJSON, "json", spectest.Changes{Strings: true}},
	{envelope.FormatProtobuf, "protobuf", spectest.Changes{Instants: true, MinusZero: true}},
	{envelope.FormatXML, "xml", spectest.Changes{}},
	{envelope.FormatAvro, "avro", spectest.Changes{MinusZero: true, Untyped: true}},
}

func TestMediaTypes(t *testing.T) {
	for _, f := range formats {
		got, batch, ok := envelope.DetectStructured(format.MediaType(f.format))
		if got != f.format || batch || !ok {
			t.Errorf("%s: detected as %d, batch %t, %t", f.name, got, batch, ok)
		}
		if got, batch, ok = envelope.DetectStructured(format.BatchMediaType(f.format)); format.HasBatch(f.format) != (got == f.format && batch && ok) {
			t.Errorf("%s: batch detected as %d, batch %t, %t", f.name, got, batch, ok)
		}
		if got, ok := format.ByName(f.name); got != f.format || !ok {
			t.Errorf("%s: named %d, %t", f.name, got, ok)
		}
	}
	for _, name := range []string{"JSON", "cbor", "none"} {
		if _, ok := format.ByName(name); ok {
			t.Errorf("%s is taken for a format", name)
		}
	}
	if f, ok := format.ByName(""); f != envelope.FormatJSON || !ok {
		t.Error("the empty name is not JSON")
	}
	if format.Or(envelope.FormatNone) != envelope.FormatJSON || format.Or(envelope.FormatXML) != envelope.FormatXML {
		t.Error("Or")
	}
}

func TestNone(t *testing.T) {
	if _, err := format.Append(envelope.FormatNone, nil, bindingtest.Find("minimal")); err == nil {
		t.Error("an event was written in no format")
	}
	if _, err := format.AppendBatch(envelope.FormatAvro, nil, nil); err == nil {
		t.Error("a batch was written in Avro, which has none")
	}
	if err := format.Parse(envelope.FormatNone, new(envelope.Event), nil, envelope.Options{}); err == nil {
		t.Error("an event was read in no format")
	}
	if err := format.ParseBatch(envelope.FormatAvro, nil, envelope.Options{}, nil); err == nil {
		t.Error("a batch was read in Avro, which has none")
	}
}

// anyEvent draws a valid event whose names every format can have.
func anyEvent(t *rapid.T) *envelope.Event {
	text := func(label string, least int) string {
		char := rapid.OneOf(rapid.RuneFrom([]rune("\"\\%/ <>&;a1é€😀\u2028\u00a0\ufffd]")), rapid.Rune())
		char = char.Filter(func(r rune) bool { return envelope.ValidValue(string(r), envelope.KindString) })
		return rapid.StringOfN(char, least, 20, -1).Draw(t, label)
	}
	e := &envelope.Event{
		ID: text("id", 1), Source: text("source", 1), Type: text("type", 1), Subject: text("subject", 0),
		Time: rapid.SampledFrom([]string{
			"", "2018-04-05t17:31:00.120z", "1990-12-31T23:59:60Z", "0000-02-29T00:00:00-23:59",
			"9999-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.5+00:01",
		}).Draw(t, "time"),
		DataContentType: rapid.SampledFrom([]string{
			"", "application/json", "a/b+JSON; x", "text/plain", "text/plain; charset=latin1", "application/octet-stream", "image/svg+xml",
		}).Draw(t, "content type"),
		DataSchema: rapid.SampledFrom([]string{"", "https://x/%20y", "x:y"}).Draw(t, "dataschema"),
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9]{1,30}`), 0, 40, rapid.ID).Draw(t, "names") {
		if _, core := envelope.CoreKind(name); core || name == "data" {
			continue
		}
		a := rapid.SampledFrom([]envelope.Attr{
			{Kind: envelope.KindBoolean, Value: "true"},
			{Kind: envelope.KindBoolean, Value: "false"},
			{Kind: envelope.KindInteger, Value: "-2147483648"},
			{Kind: envelope.KindInteger, Value: "-0"},
			{Kind: envelope.KindInteger, Value: "300"},
			{Kind: envelope.KindBinary, Value: "AP/+"},
			{Kind: envelope.KindBinary},
			{Kind: envelope.KindURI, Value: "a:b"},
			{Kind: envelope.KindURIRef, Value: "../x"},
			{Kind: envelope.KindTimestamp, Value: "2018-04-05T17:31:00.000+02:00"},
			{Kind: envelope.KindString},
			{Kind: envelope.KindUntyped},
		}).Draw(t, "attribute")
		if a.Value == "" && a.Kind != envelope.KindBinary {
			a.Value = text("value", 0)
		}
		e.AddExtension(name, a.Value, a.Kind)
	}
	e.Data = rapid.OneOf(
		rapid.Just[[]byte](nil), rapid.SliceOf(rapid.Byte()),
		rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
		rapid.SampledFrom([][]byte{{}, []byte("null"), []byte(`{"a":1,"a":1.0}`), []byte("<a>\r\n]]>\x00</a>"), []byte("\r")}),
	).Draw(t, "data")
	return e
}

// TestProperty_RoundTrip: decoding what was encoded gives the event back but for what the format is known to change,
// alone and in a batch, and a second time changes nothing more.
func TestProperty_RoundTrip(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				e := anyEvent(t)
				want := e
				if f.format == envelope.FormatJSON && envelope.IsJSON(e.ContentType()) { // white space around a value is no part of it
					want = e.Clone()
					if trimmed := bytes.Trim(e.Data, " \t\r\n"); len(trimmed) > 0 && len(trimmed) < len(e.Data) {
						t.Skip("JSON with white space around it")
					}
				}
				msg := write(t, f.format, e)
				got := read(t, f.format, msg)
				if diff := spectest.Difference(want, got, f.changes); diff != "" {
					t.Fatalf("%q: %s", msg, diff)
				}
				if out := write(t, f.format, got); !bytes.Equal(out, msg) {
					t.Fatalf("untouched, it leaves as %q, not as %q", out, msg)
				}
				got.Touch()
				if diff := spectest.Difference(got, read(t, f.format, write(t, f.format, got)), spectest.Changes{}); diff != "" {
					t.Fatalf("a second time: %s", diff)
				}
				batch(t, f.format, []*envelope.Event{e, got})
			})
		})
	}
}

// TestProperty_Across: through any two formats an event loses no more than through each of them.
func TestProperty_Across(t *testing.T) {
	for _, a := range formats {
		for _, b := range formats {
			t.Run(a.name+" to "+b.name, func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					e := anyEvent(t)
					first := read(t, a.format, write(t, a.format, e))
					second := read(t, b.format, write(t, b.format, first))
					both := spectest.Changes{
						Instants:  a.changes.Instants || b.changes.Instants,
						MinusZero: a.changes.MinusZero || b.changes.MinusZero, Strings: true,
					}
					if trimmed := bytes.Trim(e.Data, " \t\r\n"); envelope.IsJSON(e.ContentType()) && len(trimmed) < len(e.Data) {
						t.Skip("JSON with white space around it")
					}
					if diff := spectest.Difference(e, second, both); diff != "" {
						t.Fatal(diff)
					}
				})
			})
		}
	}
}

type tester interface {
	Helper()
	Fatalf(string, ...any)
}

func write(t tester, f envelope.Format, e *envelope.Event) []byte {
	t.Helper()
	msg, err := format.Append(f, nil, e)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return msg
}

func read(t tester, f envelope.Format, msg []byte) *envelope.Event {
	t.Helper()
	e := new(envelope.Event)
	if err := format.Parse(f, e, msg, envelope.Options{}); err != nil {
		t.Fatalf("%v: %q", err, msg)
	}
	if e.RawFormat != f || !bytes.Equal(e.Raw, msg) {
		t.Fatalf("raw is not the message")
	}
	return e
}

func batch(t tester, f envelope.Format, events []*envelope.Event) {
	t.Helper()
	if !format.HasBatch(f) {
		return
	}
	msg, err := format.AppendBatch(f, nil, events)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var got []*envelope.Event
	err = format.ParseBatch(f, msg, envelope.Options{}, func() *envelope.Event {
		got = append(got, new(envelope.Event))
		return got[len(got)-1]
	})
	if err != nil || len(got) != len(events) {
		t.Fatalf("a batch of %d: %d, %v", len(events), len(got), err)
	}
	for i, e := range got {
		if e.ID != events[i].ID || !bytes.Equal(e.Data, events[i].Data) && f != envelope.FormatJSON {
			t.Fatalf("event %d of the batch is %q", i, e.ID)
		}
	}
}

// TestGoodAfterBad: what a format refuses leaves nothing behind in an event that is used again.
func TestGoodAfterBad(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			good := write(t, f.format, bindingtest.Find("all-core"))
			e := new(envelope.Event)
			for cut := range len(good) {
				e.Reset()
				err := format.Parse(f.format, e, good[:cut], envelope.Options{})
				var ae *envelope.AttributeError
				if err != nil && !errors.As(err, &ae) && !errors.Is(err, envelope.ErrNotCloudEvent) {
					t.Fatalf("cut at %d: %v", cut, err)
				}
				if err == nil && f.format != envelope.FormatProtobuf {
					t.Errorf("cut at %d it is accepted", cut)
				}
			}
			e.Reset()
			if err := format.Parse(f.format, e, good, envelope.Options{}); err != nil {
				t.Fatal(err)
			}
			if diff := spectest.Difference(bindingtest.Find("all-core"), e, f.changes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestXMLRefusesNames: the only event a format cannot hold.
func TestXMLRefusesNames(t *testing.T) {
	_, err := format.Append(envelope.FormatXML, nil, bindingtest.Find("names-digits"))
	if err == nil || !strings.Contains(err.Error(), "123") {
		t.Errorf("got %v, want the attribute's name", err)
	}
}
