package envelope

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// anyString draws a CloudEvents String of at least min characters.
func anyString(least int) *rapid.Generator[string] {
	char := rapid.OneOf(
		rapid.RuneFrom([]rune("\"\\%/ <>&a1é€😀\u2028\u00a0\ufffd")),
		rapid.Rune(),
	)
	char = char.Filter(func(r rune) bool { return validString(string(r)) })
	return rapid.StringOfN(char, least, 20, -1)
}

// anyEvent draws a valid event with data in any of its forms.
func anyEvent(t *rapid.T) *Event {
	e := &Event{
		ID: anyString(1).Draw(t, "id"), Source: anyString(1).Draw(t, "source"), Type: anyString(1).Draw(t, "type"),
		Subject: anyString(0).Draw(t, "subject"),
		Time:    rapid.SampledFrom([]string{"", "2018-04-05t17:31:00.120z", "1990-12-31T23:59:60Z"}).Draw(t, "time"),
		DataContentType: rapid.SampledFrom([]string{
			"", "application/json", "a/b+JSON; x", "text/plain", "text/plain; charset=latin1", "application/octet-stream", "image/svg+xml",
		}).Draw(t, "content type"),
		DataSchema: rapid.SampledFrom([]string{"", "https://x/%20y", "x:#y"}).Draw(t, "dataschema"),
	}
	names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9]{1,30}`), 0, 40, rapid.ID).Draw(t, "names")
	for _, name := range names {
		if coreNumber(name) != notCore || name == "data" {
			continue
		}
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			e.AddExtension(name, anyString(0).Draw(t, "value"), KindUntyped)
		case 1:
			e.AddExtension(name, strconv.FormatBool(rapid.Bool().Draw(t, "value")), KindBoolean)
		case 2:
			e.AddExtension(name, strconv.Itoa(int(rapid.Int32().Draw(t, "value"))), KindInteger)
		}
	}
	e.Data = rapid.OneOf(
		rapid.Just[[]byte](nil),
		rapid.SliceOf(rapid.Byte()),
		rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
		rapid.SampledFrom([][]byte{{}, []byte("null"), []byte(`{"a":1,"a":1.0}`), []byte(`"\ud800"`), []byte("[" + strings.Repeat("[", 70)), []byte("-0")}),
	).Draw(t, "data")
	return e
}

// TestProperty_JSON: decoding what was encoded gives the event back, alone and in a batch.
func TestProperty_JSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyEvent(t)
		text := AppendJSON(nil, e)
		if !utf8.Valid(text) {
			t.Fatalf("not UTF-8: %q", text)
		}
		got := new(Event)
		if err := ParseJSON(got, text, Options{}); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got.DataKind == DataJSON {
			e.Data = bytes.Trim(e.Data, " \t\r\n")
		}
		if diff := difference(e, got); diff != "" {
			t.Fatalf("%s: %s", text, diff)
		}
		got.Touch()
		if again := AppendJSON(nil, got); !bytes.Equal(again, text) {
			t.Fatalf("encoding is not stable: %s, then %s", text, again)
		}
		var n int
		if err := ParseJSONBatch(AppendJSONBatch(nil, []*Event{e, got}), Options{}, func() *Event { n++; return new(Event) }); err != nil || n != 2 {
			t.Fatalf("in a batch: %d events, %v", n, err)
		}
	})
}

// TestProperty_Headers: the same through header values.
func TestProperty_Headers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, got := anyEvent(t), new(Event)
		var r AttributeReader
		r.Begin(got, Options{})
		for name, value := range e.Attributes {
			wire := string(AppendHeaderValue(nil, value))
			if strings.ContainsFunc(wire, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
				t.Fatalf("%q is no plain header value", wire)
			}
			if PlainHeaderValue(value) != (wire == value) {
				t.Fatalf("%q: plain is %t", value, PlainHeaderValue(value))
			}
			decoded, err := DecodeHeaderValue(wire, HeaderStrict)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Attribute(name, decoded); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Finish(); err != nil {
			t.Fatal(err)
		}
		for name, value := range e.Attributes {
			if v, _ := got.Get(name); v != value {
				t.Fatalf("%s: got %q, want %q", name, v, value)
			}
		}
		if got.NumExtensions() != e.NumExtensions() {
			t.Fatalf("got %d extensions, want %d", got.NumExtensions(), e.NumExtensions())
		}
	})
}
