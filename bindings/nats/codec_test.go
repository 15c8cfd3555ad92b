package nats

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
)

func testDecoder(t testing.TB, lenient bool) *decoder {
	t.Helper()
	s := sourceSettings(zap.NewNop())
	s.Lenient = lenient
	d, err := newDecoder(&s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// headers makes a message of name, value pairs. A name that is there again gets a second value.
func headers(data string, pairs ...string) *natsgo.Msg {
	m := natsgo.NewMsg("s")
	for i := 0; i < len(pairs); i += 2 {
		m.Header[pairs[i]] = append(m.Header[pairs[i]], pairs[i+1])
	}
	if data != "" {
		m.Data = []byte(data)
	}
	return m
}

func binary(data string, more ...string) *natsgo.Msg {
	return headers(data, append([]string{"ce-specversion", "1.0", "ce-id", "1", "ce-source", "/s", "ce-type", "t"}, more...)...)
}

func decodeOne(t testing.TB, m *natsgo.Msg) (*envelope.Event, error) {
	t.Helper()
	e := new(envelope.Event)
	e.Meta.Transport = transport
	return e, testDecoder(t, false).decode(e, m)
}

func ext(e *envelope.Event, name string) string {
	v, _ := e.Get(name)
	return v
}

// E1: datacontenttype is an attribute header, and there is no Content-Type.
func TestVectorE1(t *testing.T) {
	x := newEncoder()
	x.encode(event("1"), false)
	if got := header(&x.msg, "ce-datacontenttype"); got != "text/plain" {
		t.Errorf("ce-datacontenttype %q, want text/plain", got)
	}
	for name := range x.msg.Header {
		if strings.EqualFold(name, contentType) {
			t.Errorf("binary mode has %s", name)
		}
		if name != strings.ToLower(name) {
			t.Errorf("header %s is not lower case", name)
		}
	}
	e, err := decodeOne(t, binary("x", "ce-datacontenttype", "text/plain"))
	if err != nil || e.DataContentType != "text/plain" || string(e.Data) != "x" {
		t.Errorf("got %q %q %v", e.DataContentType, e.Data, err)
	}
}

const structuredEvent = `{"specversion":"1.0","id":"1","source":"/s","type":"t","n":5,"data":{"a":1}}`

// E2: a structured event without headers, as version 1.0.2 sends it. E4: content-type in lower case.
func TestVectorsE2AndE4(t *testing.T) {
	for name, m := range map[string]*natsgo.Msg{
		"E2":               headers(structuredEvent),
		"E2, space":        headers(" \n" + structuredEvent),
		"E2, other header": headers(structuredEvent, "X-Trace", "abc"),
		"E4":               headers(structuredEvent, "content-type", "application/cloudevents+json"),
		"upper case":       headers(structuredEvent, "CONTENT-TYPE", "Application/CloudEvents+JSON; charset=UTF-8"),
		"bare media type":  headers(structuredEvent, "Content-Type", "application/cloudevents+json"),
		"both, structured wins": headers(structuredEvent, "Content-Type", "application/cloudevents+json",
			"ce-specversion", "1.0", "ce-id", "other"),
	} {
		e, err := decodeOne(t, m)
		if err != nil || e.ID != "1" || ext(e, "n") != "5" || string(e.Data) != `{"a":1}` || string(e.Raw) != string(m.Data) {
			t.Errorf("%s: id %q n %q data %q: %v", name, e.ID, ext(e, "n"), e.Data, err)
		}
	}
	// An untouched structured event leaves byte for byte.
	e, err := decodeOne(t, headers(structuredEvent))
	if err != nil {
		t.Fatal(err)
	}
	x := newEncoder()
	x.encode(e, true)
	if got := string(x.msg.Data); got != structuredEvent || header(&x.msg, contentType) != structuredType {
		t.Errorf("got %s with %q", got, header(&x.msg, contentType))
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		m    *natsgo.Msg
		want string
	}{
		"batch":                        {headers("[]", "Content-Type", "application/cloudevents-batch+json"), "not a format of a single event"},
		"another format":               {headers("x", "Content-Type", "application/cloudevents+cbor"), "not a format of a single event"},
		"two content types":            {headers(structuredEvent, "Content-Type", "application/cloudevents+json", "content-type", "text/plain"), "more than once"},
		"the same header twice":        {binary("", "ce-x", "1", "ce-x", "2"), "more than once"},
		"a header twice after folding": {binary("", "CE-Id", "2"), "id"},
		"bad name":                     {binary("", "ce-b_d", "1"), "b_d"},
		"empty name":                   {binary("", "ce-", "1"), ""},
		"data as attribute":            {binary("", "ce-data", "1"), "data"},
		"no type":                      {headers("", "ce-specversion", "1.0", "ce-id", "1", "ce-source", "/s"), "type"},
		"specversion 0.3":              {headers("", "ce-specversion", "0.3", "ce-id", "1", "ce-source", "/s", "ce-type", "t"), "specversion"},
		"overlong percent (C15)":       {binary("", "ce-x", "%C0%A0"), "ce-x"},
		"half a percent (C14)":         {binary("", "ce-x", "%0"), "ce-x"},
		"unterminated quote (C16)":     {binary("", "ce-x", `"unterminated`), "ce-x"},
		"control character":            {binary("", "ce-x", "%0A"), "x"},
		"structured, broken":           {headers(`{"specversion":"1.0","id":"1"}`), ""},
	} {
		_, err := decodeOne(t, c.m)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
		if errors.Is(err, envelope.ErrNotCloudEvent) {
			t.Errorf("%s: a broken CloudEvent must not pass for something else, which could be wrapped", name)
		}
	}
	for name, m := range map[string]*natsgo.Msg{
		"nothing": headers(""), "text": headers("hello"), "JSON of other kind": headers(`{"id":"1"}`),
		"specversion deeper": headers(`{"data":{"specversion":"1.0"}}`), "array": headers(`[{"specversion":"1.0"}]`),
		"other headers": headers("x", "X-A", "1", "Content-Type", "text/plain"),
	} {
		if _, err := decodeOne(t, m); !errors.Is(err, envelope.ErrNotCloudEvent) {
			t.Errorf("%s: got %v, want ErrNotCloudEvent", name, err)
		}
	}
}

// The header coding of section C, through this binding.
func TestVectorsC(t *testing.T) {
	for _, c := range []struct{ n, value, wire string }{
		{"C1", "Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"},
		{"C2", "100%", "100%25"},
		{"C3", `say "hi"`, "say%20%22hi%22"},
		{"C4", "/a%20b", "/a%2520b"},
		{"C5", `a,b;c(d)\e~!`, `a,b;c(d)\e~!`},
		{"C6", "line1\r\nline2", "line1%0D%0Aline2"},
	} {
		e := event("1")
		e.Set("ext", c.value, envelope.KindString)
		x := newEncoder()
		x.encode(e, false)
		if got := header(&x.msg, "ce-ext"); got != c.wire {
			t.Errorf("%s: wire %q, want %q", c.n, got, c.wire)
		}
		if c.n == "C6" {
			continue // not a valid String; no decoder takes it
		}
		back, err := decodeOne(t, &x.msg)
		if err != nil || ext(back, "ext") != c.value {
			t.Errorf("%s: came back as %q, %v", c.n, ext(back, "ext"), err)
		}
	}
	for _, c := range []struct{ n, wire, want string }{
		{"C7", "lenient decoding %30%31", "lenient decoding 01"},
		{"C7b", `"escaped backslash\\end"`, `escaped backslash\end`},
		{"C8", "%e2%82%ac", "€"},
		{"C10", `"escaped quote\"end"`, `escaped quote"end`},
		{"C11", `a\b`, `a\b`},
	} {
		e, err := decodeOne(t, binary("", "ce-ext", c.wire))
		if err != nil || ext(e, "ext") != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.n, ext(e, "ext"), err, c.want)
		}
	}
	for _, wire := range []string{"%", "%0", "%g0", "%0g", "%0$", "%C0%A0", "%ED%A0%80", "%ED%B0%80", "%E2", "%E2%", "%E2x", "%82", "%E2%E2", `"unterminated`, `"x\`} {
		if e, err := decodeOne(t, binary("", "ce-ext", wire)); err == nil {
			t.Errorf("C14–C16: %q was taken as %q", wire, ext(e, "ext"))
		}
	}
}

func TestBinaryDetails(t *testing.T) {
	// Case is folded, extensions come in the order of their names, other headers are metadata.
	e, err := decodeOne(t, headers("x", "Ce-Specversion", "1.0", "CE-ID", "1", "ce-Source", "/s", "ce-type", "t",
		"ce-zeta", "z", "Ce-Alpha", "a", "X-Trace", "one", "Nats-Msg-Id", "m"))
	if err != nil {
		t.Fatal(err)
	}
	if e.NumExtensions() != 2 || e.Extension(0).Name != "alpha" || e.Extension(1).Name != "zeta" {
		t.Errorf("extensions %v %v", e.Extension(0), e.Extension(1))
	}
	var names []string
	for _, h := range e.Meta.Headers {
		names = append(names, h.Name)
	}
	if want := []string{"Nats-Msg-Id", "X-Trace"}; !slices.Equal(names, want) {
		t.Errorf("metadata %v, want %v", names, want)
	}
	// Content-Type stands in for a missing ce-datacontenttype, and gives way to it.
	e, err = decodeOne(t, binary("x", "content-type", "text/a"))
	if err != nil || e.DataContentType != "text/a" {
		t.Errorf("got %q, %v", e.DataContentType, err)
	}
	e, err = decodeOne(t, binary("x", "content-type", "text/a", "ce-datacontenttype", "text/b"))
	if err != nil || e.DataContentType != "text/b" {
		t.Errorf("got %q, %v", e.DataContentType, err)
	}
	// An empty payload is no data.
	if e, err = decodeOne(t, binary("")); err != nil || e.Data != nil {
		t.Errorf("data %q, %v", e.Data, err)
	}
	// Lenient decoding keeps a value that is not percent-coded.
	e = new(envelope.Event)
	if err := testDecoder(t, true).decode(e, binary("", "ce-x", "100%")); err != nil || ext(e, "x") != "100%" {
		t.Errorf("lenient: %q, %v", ext(e, "x"), err)
	}
	// The media type that the JSON format implied is written out.
	e, err = decodeOne(t, headers(structuredEvent))
	if err != nil {
		t.Fatal(err)
	}
	x := newEncoder()
	x.encode(e, false)
	if got := header(&x.msg, "ce-datacontenttype"); got != "application/json" {
		t.Errorf("ce-datacontenttype %q, want application/json", got)
	}
}

// Headers that are no attributes pass from NATS to NATS. What commands the server does not: Nats-Rollup would purge the
// stream we publish to.
func TestOtherHeadersPassButCommandsDoNot(t *testing.T) {
	in := binary("x", "X-Trace", "one", "X-Trace", "two", "Nats-Rollup", "all", "nats-expected-stream", "S", "Nats-Msg-Id", "i", "content-type", "text/a")
	for _, structured := range []bool{false, true} {
		e, err := decodeOne(t, in)
		if err != nil {
			t.Fatal(err)
		}
		x := newEncoder()
		x.encode(e, structured)
		if got := x.msg.Header["X-Trace"]; !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("X-Trace %q", got)
		}
		for name := range x.msg.Header {
			if strings.HasPrefix(strings.ToLower(name), "nats-") || (name != contentType && strings.EqualFold(name, contentType)) {
				t.Errorf("structured %v: %s passed", structured, name)
			}
		}
		e.Meta.Transport = "kafka"
		x.encode(e, structured)
		if x.msg.Header["X-Trace"] != nil {
			t.Error("a header of another transport passed")
		}
	}
}

// The server refuses 64 KiB of headers. An event of that kind is within what every intermediary has to forward.
func TestBinaryFallsBackToStructured(t *testing.T) {
	e := event("1")
	e.Set("ext", strings.Repeat("é", 15_000), envelope.KindString) // 30 kB, 90 kB percent-coded
	x := newEncoder()
	x.encode(e, false)
	if !x.structured || header(&x.msg, contentType) != structuredType || len(x.msg.Header) != 1 {
		t.Errorf("structured %v with %d headers", x.structured, len(x.msg.Header))
	}
	back, err := decodeOne(t, &x.msg)
	if err != nil || ext(back, "ext") != ext(e, "ext") || !bytes.Equal(back.Data, e.Data) {
		t.Errorf("came back differently: %v", err)
	}
}

func TestRefusedMessagesKeepEverything(t *testing.T) {
	s := sourceSettings(zap.NewNop())
	d := testDecoder(t, false)
	b := bindings.NewBatch(nil, 1)
	e := b.Add()
	e.Meta.Transport, e.Key = transport, []byte("s")
	m := headers("body", "Content-Type", "text/a", "ce-id", "1", "X-A", "2")
	d.read(b, m, &s)
	if e.Malformed == nil || string(e.Data) != "body" || e.DataContentType != "text/a" || string(e.Key) != "s" || len(e.Meta.Headers) != 3 {
		t.Errorf("%v %q %q %d headers", e.Malformed, e.Data, e.DataContentType, len(e.Meta.Headers))
	}
	d.maxEvent = 10
	*e = envelope.Event{}
	d.read(b, m, &s)
	if reason(e.Malformed) != bindings.ReasonTooLarge {
		t.Errorf("got %v, want too_large", e.Malformed)
	}
}

func TestCodecAllocations(t *testing.T) {
	d := testDecoder(t, false)
	e := new(envelope.Event)
	m := binary("payload", "ce-time", "2026-01-02T03:04:05Z", "ce-datacontenttype", "text/plain", "ce-partitionkey", "k", "X-Trace", "1")
	if n := testing.AllocsPerRun(200, func() {
		e.Reset()
		if err := d.decode(e, m); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("decode, binary: %v allocations, want 0", n)
	}
	e.Meta.Transport = transport
	e.Set("note", "needs coding: 100 %", envelope.KindString)
	x := newEncoder()
	for _, structured := range []bool{false, true} {
		x.encode(e, structured)
		if n := testing.AllocsPerRun(200, func() { x.encode(e, structured) }); n != 0 {
			t.Errorf("encode, structured %v: %v allocations, want 0", structured, n)
		}
	}
}

// Whatever arrives is decoded or refused, and what was decoded survives a round trip in both modes.
func FuzzDecode(f *testing.F) {
	f.Add("ce-specversion\x001.0\x00ce-id\x001\x00ce-source\x00/s\x00ce-type\x00t\x00ce-x\x00%41", []byte("data"))
	f.Add("Content-Type\x00application/cloudevents+json", []byte(structuredEvent))
	f.Add("", []byte(structuredEvent))
	f.Add("ce-\x00", []byte{})
	f.Add("CE-ID\x00\"a\\\"b\"\x00ce-id\x00%e2%82%ac", []byte("[]"))
	d := testDecoder(f, false)
	f.Fuzz(func(t *testing.T, heads string, data []byte) {
		parts := strings.Split(heads, "\x00")
		if len(parts)%2 == 1 {
			parts = append(parts, "")
		}
		m := headers(string(data), parts...)
		var e envelope.Event
		if d.decode(&e, m) != nil {
			return
		}
		for _, structured := range []bool{false, true} {
			x := newEncoder()
			x.encode(&e, structured)
			var back envelope.Event
			if err := d.decode(&back, &x.msg); err != nil {
				t.Fatalf("structured %v: what was sent is refused: %v", structured, err)
			}
			if a, b := describe(&e), describe(&back); a != b {
				t.Fatalf("structured %v:\n%s\n%s", structured, a, b)
			}
		}
	})
}

// describe prints what both modes keep of an event.
func describe(e *envelope.Event) string {
	var lines []string
	for name, value := range e.Attributes {
		lines = append(lines, fmt.Sprintf("%s=%q", name, value))
	}
	slices.Sort(lines)
	return strings.Join(lines, " ") + " " + e.ContentType()
}

// Messages of one core subject have no positions; without names of their own a target that removes duplicates would
// keep one of them.
func TestMalformedCoreMessagesHaveNamesOfTheirOwn(t *testing.T) {
	s := bindings.SourceSettings{Wrap: func(e *envelope.Event) error {
		e.ID, e.Source, e.Type = string(template.AppendPosition(nil, e)), "/s", "t"
		return nil
	}}
	d, err := newDecoder(&s)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for range 3 {
		b := bindings.NewBatch(nil, 1)
		e := b.Add()
		e.Meta = envelope.Meta{Transport: transport, Channel: "a.b"}
		d.read(b, &natsgo.Msg{Subject: "a.b", Data: []byte("no event")}, &s)
		ids[string(bindings.AppendDeliveryID(nil, "sink", e))] = true
	}
	if len(ids) != 3 {
		t.Errorf("%d delivery ids for 3 messages", len(ids))
	}
}
