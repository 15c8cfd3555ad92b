package http

import (
	"errors"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
)

// The media types of JSON, written out so that the tests do not ask the code under test.
const (
	jsonType  = "application/cloudevents+json"
	batchType = "application/cloudevents-batch+json"
)

// The numbers are those of the conformance document: B for the HTTP modes, C for the coding of header values.
func TestDecodeVectors(t *testing.T) {
	const lenient, rawCoding = envelope.HeaderLenient, envelope.HeaderRaw
	for _, tt := range []struct {
		name, header, body string
		coding             envelope.HeaderCoding
		attr, want         string // an attribute and its value; attr empty skips
		fail               string // part of the error; "415" for an unsupported format
	}{
		{name: "B1", header: "Content-Type: APPLICATION/CloudEvents+JSON; charset=UTF-8", body: minimalJSON, attr: "id", want: "1"},
		{name: "B2", header: "Content-Type: application/cloudevents-batch+json", body: "[]", fail: "415"},
		{name: "B3", header: minimal + "Content-Type: application/cloudevents", fail: "415"},
		{name: "B4", header: minimal + "Content-Type: application/cloudevents+cbor", fail: "415"},
		{name: "B5", header: structuredType + "ce-id: other", body: minimalJSON, attr: "id", want: "1"},
		{name: "B6", header: minimal + `Content-Type: text/plain; charset="utf-8"`, body: "x", attr: "datacontenttype", want: `text/plain; charset="utf-8"`},
		{name: "B7", header: minimal + "ce-datacontenttype: a/b\nContent-Type: a/b", body: "x", attr: "datacontenttype", want: "a/b"},
		{name: "B8", header: minimal + "ce-datacontenttype: a/b\nContent-Type: a/c", body: "x", fail: "ce-datacontenttype"},
		{name: "B8 alone", header: minimal + "ce-datacontenttype: a/b", body: "x", fail: "ce-datacontenttype"},
		{name: "B10", header: minimal + "ce-id: 2", fail: "ce-id"},
		{name: "B11", header: minimal + "ce-: x", fail: "ce-"},
		{name: "B12 underscore", header: minimal + "ce-my_ext: x", fail: "ce-my_ext"},
		{name: "B12 hyphen", header: minimal + "ce-my-ext: x", fail: "ce-my-ext"},
		{name: "B13", header: minimal + "ce-subject: ", fail: "ce-subject"},
		{name: "B15", header: minimal, body: `{"a":1}`, attr: "datacontenttype"},
		{name: "B17", header: minimal + "Content-Type: application/json", body: "123", attr: "datacontenttype", want: "application/json"},
		{name: "content type twice", header: minimal + "Content-Type: a/b\nContent-Type: a/b", fail: "Content-Type"},
		{name: "charset of a structured event", header: "Content-Type: application/cloudevents+json; charset=latin1", body: minimalJSON, fail: "415"},
		{name: "data as a header", header: minimal + "ce-data: x", fail: "ce-data"},
		{name: "data_base64 as a header", header: minimal + "ce-data_base64: x", fail: "ce-data_base64"},
		{name: "missing type", header: "ce-specversion: 1.0\nce-id: 1\nce-source: /s", fail: "ce-type"},
		{name: "specversion 0.3", header: "ce-specversion: 0.3\nce-id: 1\nce-source: /s\nce-type: t", fail: "ce-specversion"},
		{name: "BOM", header: structuredType, body: "\ufeff" + minimalJSON, fail: "byte order mark"},
		{name: "empty structured body", header: structuredType, fail: "JSON"},
		{name: "not UTF-8", header: minimal + "ce-x: \xff", fail: "ce-x"},
		{name: "header case", header: minimal + "CE-COMEXAMPLE: X", attr: "comexample", want: "X"},

		{name: "C1", header: minimal + "ce-x: Euro%20%E2%82%AC%20%F0%9F%98%80", attr: "x", want: "Euro € 😀"},
		{name: "C4", header: minimal + "ce-x: /a%2520b", attr: "x", want: "/a%20b"},
		{name: "C7", header: minimal + "ce-x: lenient decoding %30%31", attr: "x", want: "lenient decoding 01"},
		{name: "C7b raw UTF-8", header: minimal + "ce-x: café", attr: "x", want: "café"},
		{name: "C7b quoted", header: minimal + `ce-x: "escaped backslash\\end"`, attr: "x", want: `escaped backslash\end`},
		{name: "C8", header: minimal + "ce-x: %e2%82%ac", attr: "x", want: "€"},
		{name: "C10", header: minimal + `ce-x: "escaped quote\"end"`, attr: "x", want: `escaped quote"end`},
		{name: "C11", header: minimal + `ce-x: a\b`, attr: "x", want: `a\b`},
		{name: "C14 %", header: minimal + "ce-x: a%", fail: "ce-x"},
		{name: "C14 %g0", header: minimal + "ce-x: %g0", fail: "ce-x"},
		{name: "C14 lenient", header: minimal + "ce-x: %g0", coding: lenient, attr: "x", want: "%g0"},
		{name: "C15 overlong", header: minimal + "ce-x: %C0%A0", fail: "ce-x"},
		{name: "C15 surrogate", header: minimal + "ce-x: %ED%A0%80", fail: "ce-x"},
		{name: "C15 cut", header: minimal + "ce-x: %E2%E2", fail: "ce-x"},
		{name: "C16", header: minimal + `ce-x: "unterminated`, fail: "ce-x"},
		{name: "C20", header: minimal + "ce-x: a%20b", attr: "x", want: "a b"},
		{name: "raw", header: minimal + "ce-x: a%20b", coding: rawCoding, attr: "x", want: "a%20b"},
		{name: "71 NUL", header: minimal + "ce-x: a%00", fail: "ce-x"},
		{name: "71 line feed", header: minimal + "ce-x: a%0A", fail: "ce-x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := decoder{coding: tt.coding}
			var e envelope.Event
			err := d.decode(&e, message{headerOf(tt.header), []byte(tt.body)})
			switch {
			case tt.fail == "415":
				if _, ok := errors.AsType[*unsupportedError](err); !ok {
					t.Fatalf("got %v, want an unsupported format", err)
				}
				return
			case tt.fail != "":
				if err == nil || !strings.Contains(err.Error(), tt.fail) {
					t.Fatalf("got %v, want an error with %q", err, tt.fail)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			if got, _ := e.Get(tt.attr); got != tt.want {
				t.Errorf("%s is %q, want %q", tt.attr, got, tt.want)
			}
		})
	}
}

func TestDecodeKeepsData(t *testing.T) {
	var e envelope.Event
	body := []byte("123")
	if err := new(decoder).decode(&e, message{headerOf(minimal), body}); err != nil {
		t.Fatal(err)
	}
	if &e.Data[0] != &body[0] || len(e.Data) != 3 {
		t.Error("the data is not the body itself")
	}
	e.Reset()
	if err := new(decoder).decode(&e, message{headerOf(minimal), []byte{}}); err != nil || e.Data != nil {
		t.Errorf("an empty body became data %q, %v", e.Data, err)
	}
}

func TestDecodeTellsNotACloudEventFromABadOne(t *testing.T) {
	var e envelope.Event
	err := new(decoder).decode(&e, message{headerOf("Content-Type: application/json"), []byte("{}")})
	if !errors.Is(err, envelope.ErrNotCloudEvent) {
		t.Errorf("got %v", err)
	}
	err = new(decoder).decode(&e, message{headerOf("ce-id: 1"), nil})
	if err == nil || errors.Is(err, envelope.ErrNotCloudEvent) {
		t.Errorf("got %v, want an event with missing attributes", err)
	}
}

func TestDecodeOrdersExtensions(t *testing.T) {
	for range 20 {
		var e envelope.Event
		if err := new(decoder).decode(&e, message{headerOf(minimal + "ce-c: 1\nce-a: 2\nce-b: 3"), nil}); err != nil {
			t.Fatal(err)
		}
		if got := e.Extension(0).Name + e.Extension(1).Name + e.Extension(2).Name; got != "abc" {
			t.Fatalf("extensions in order %s", got)
		}
	}
}

func TestEncodeHeaderVectors(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"C1", "Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"},
		{"C2", "100%", "100%25"},
		{"C3", `say "hi"`, "say%20%22hi%22"},
		{"C4", "/a%20b", "/a%2520b"},
		{"C5", `a,b;c(d)\e~!`, `a,b;c(d)\e~!`},
		{"C6", "line1\r\nline2", "line1%0D%0Aline2"},
		{"C19", "a%20b", "a%2520b"},
	} {
		e := envelope.Event{ID: "1", Source: tt.value, Type: "t"}
		e.AddExtension("ext", tt.value, envelope.KindUntyped)
		m := message{Header: nethttp.Header{}}
		if err := encode(&m, &e, bindings.ModeBinary, envelope.FormatJSON); err != nil {
			t.Fatal(err)
		}
		if got := m.Header.Get("ce-ext"); got != tt.want {
			t.Errorf("%s: %q became %q, want %q", tt.name, tt.value, got, tt.want)
		}
		if got := m.Header.Get("ce-source"); got != tt.want {
			t.Errorf("%s: source %q became %q, want %q", tt.name, tt.value, got, tt.want)
		}
	}
}

func TestEncodeModes(t *testing.T) {
	for _, tt := range []struct {
		name, in    string
		asked       bindings.Mode
		webhook     bool
		contentType string
		body        string
	}{
		{"B7 no ce-datacontenttype", `"datacontenttype":"text/plain","data":"x"`, 0, false, "text/plain", "x"},
		{"B18 nested", `"datacontenttype":"application/cloudevents+json","data":{"a":1}`, 0, false, jsonType, ""},
		{"B18 nested batch", `"datacontenttype":"Application/CloudEvents-Batch+json","data":[]`, 0, false, jsonType, ""},
		{"B22 implied JSON", `"data":{"a":1}`, 0, false, "application/json", `{"a":1}`},
		{"A6", `"data":"abc"`, 0, false, "application/json", `"abc"`},
		{"A7 binary without type", `"data_base64":"eyJ4IjoxfQ=="`, 0, false, "", `{"x":1}`},
		{"A1 null", `"data":null`, 0, false, "application/json", `null`},
		{"no data", `"subject":"x"`, 0, false, "", ""},
		{"structured", `"data":1`, bindings.ModeStructured, false, jsonType, ""},
		{"web hook with data and type", `"data":1`, 0, true, "application/json", "1"},
		{"web hook without data", `"datacontenttype":"a/b"`, 0, true, jsonType, ""},
		{"web hook without type", `"data_base64":"eA=="`, 0, true, jsonType, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := parse(t, minimalJSON[:len(minimalJSON)-1]+","+tt.in+"}")
			m := message{Header: nethttp.Header{}}
			if err := encode(&m, e, effectiveMode(e, tt.asked, tt.webhook), envelope.FormatJSON); err != nil {
				t.Fatal(err)
			}
			if got := m.Header.Get(contentType); got != tt.contentType {
				t.Errorf("content type %q, want %q", got, tt.contentType)
			}
			if _, there := m.Header["Ce-Datacontenttype"]; there {
				t.Error("ce-datacontenttype was sent")
			}
			if tt.contentType == jsonType {
				if _, there := m.Header["Ce-Id"]; there {
					t.Error("a structured message repeats its attributes as headers")
				}
				if got := show(parse(t, string(m.Body))); got != show(e) {
					t.Errorf("got %s\nwant %s", got, show(e))
				}
				return
			}
			if string(m.Body) != tt.body {
				t.Errorf("body %q, want %q", m.Body, tt.body)
			}
		})
	}
}

// 97: what cannot stand in a header goes structured, where it can be escaped.
func TestEncodeContentTypeThatIsNoHeaderValue(t *testing.T) {
	for _, ct := range []string{"a/b\r\nX-Evil: 1", "a/ü", " a/b", "a/b\x00"} {
		e := envelope.Event{ID: "1", Source: "/s", Type: "t", DataContentType: ct, Data: []byte("x")}
		if got := effectiveMode(&e, bindings.ModeBinary, false); got != bindings.ModeStructured {
			t.Errorf("%q leaves in mode %d", ct, got)
		}
		err := encode(&message{Header: nethttp.Header{}}, &e, bindings.ModeBinary, envelope.FormatJSON)
		var permanent *bindings.PermanentError
		if !errors.As(err, &permanent) || permanent.Reason != bindings.ReasonUnencodable {
			t.Errorf("%q: got %v", ct, err)
		}
	}
}

func TestEncodeMalformedKeepsItsBytes(t *testing.T) {
	e := envelope.Event{Malformed: errors.New("bad"), DataContentType: jsonType, Data: []byte("{oops"), ID: "junk"}
	e.AddExtension("dlqreason", "malformed", envelope.KindString)
	m := message{Header: nethttp.Header{}}
	if err := encode(&m, &e, effectiveMode(&e, bindings.ModeStructured, true), envelope.FormatJSON); err != nil {
		t.Fatal(err)
	}
	if string(m.Body) != "{oops" || m.Header.Get(contentType) != jsonType || m.Header.Get("ce-dlqreason") != "malformed" {
		t.Errorf("got %v %q", m.Header, m.Body)
	}
	if m.Header.Get("ce-id") != "" || m.Header.Get("ce-specversion") != "" {
		t.Error("what is no event was given an event's attributes")
	}
}

// Whatever is encoded must decode to the same event, and to the same bytes.
func TestRoundTrip(t *testing.T) {
	e := parse(t, `{"specversion":"1.0","id":"ü 1%","source":"/a%20b#f","type":"t","subject":"\"q\"","time":"2018-04-05T17:31:00.120+02:00",
		"dataschema":"https://x/y","datacontenttype":"text/plain; charset=\"utf-8\"","data":"hé","one":"","two":5,"three":true,"four":"😀",
		"five":"5","six":"6","seven":"7","eight":"8"}`)
	for _, mode := range []bindings.Mode{bindings.ModeBinary, bindings.ModeStructured} {
		m := message{Header: nethttp.Header{}}
		if err := encode(&m, e, mode, envelope.FormatJSON); err != nil {
			t.Fatal(err)
		}
		var got envelope.Event
		if err := new(decoder).decode(&got, m); err != nil {
			t.Fatal(err)
		}
		for name, want := range e.Attributes {
			if v, _ := got.Get(name); v != want {
				t.Errorf("mode %d: %s is %q, want %q", mode, name, v, want)
			}
		}
		if string(got.Data) != string(e.Data) || got.DataContentType != e.DataContentType || got.NumExtensions() != e.NumExtensions() {
			t.Errorf("mode %d: got %s", mode, show(&got))
		}
	}
}

func TestCodecConformance(t *testing.T) {
	decode := func(e *envelope.Event, m *message) error { return new(decoder).decode(e, *m) }
	in := func(mode bindings.Mode) func(*message, *envelope.Event) error {
		return func(m *message, e *envelope.Event) error {
			m.Header = make(nethttp.Header, 16)
			return encode(m, e, effectiveMode(e, mode, false), envelope.FormatJSON)
		}
	}
	bindingtest.Codec(t, bindingtest.CodecCase[message]{
		Bytes: func(m *message) [][]byte { return [][]byte{m.Body} },
		Modes: []bindingtest.CodecMode[message]{
			{
				Name: "binary", Encode: in(bindings.ModeBinary), Decode: decode,
				Loss:         bindingtest.Headers | bindingtest.LossEmptyData, // a body of zero length is no data
				EncodeAllocs: 6, DecodeAllocs: 0,                              // five of them are the header map of 16
			},
			{
				Name: "structured", Encode: in(bindings.ModeStructured), Decode: decode, Loss: bindingtest.Structured,
				EncodeAllocs: 7, DecodeAllocs: 12,
			},
			{
				Name: "batch", Loss: bindingtest.Structured, EncodeAllocs: 7, DecodeAllocs: 14,
				Encode: func(m *message, e *envelope.Event) error {
					m.Header = make(nethttp.Header, 16)
					if err := encodeBatch(m, []*envelope.Event{e}, envelope.FormatJSON); err != nil {
						return err
					}
					return nil
				},
				Decode: func(e *envelope.Event, m *message) error {
					return new(decoder).decodeBatch(*m, func() *envelope.Event { return e })
				},
			},
		},
	})
}

func TestDecodeAllocations(t *testing.T) {
	h := headerOf(minimal + "Content-Type: application/json\nce-time: 2018-04-05T17:31:00Z\nce-subject: x\nce-partitionkey: k")
	d, body := decoder{}, []byte(`{"a":1}`)
	var e envelope.Event
	if n := testing.AllocsPerRun(200, func() {
		e.Reset()
		if err := d.decode(&e, message{h, body}); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("decoding allocates %v times, want 0", n)
	}
}

// The header map and the array of its values are what net/http takes, so they are new for each request.
func TestEncodeAllocations(t *testing.T) {
	e := parse(t, `{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2018-04-05T17:31:00Z","subject":"x","data":1}`)
	h := make(nethttp.Header, 16)
	if n := testing.AllocsPerRun(200, func() {
		clear(h)
		m := message{Header: h}
		if err := encode(&m, e, bindings.ModeBinary, envelope.FormatJSON); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("encoding allocates %v times, want 1", n)
	}
}

func FuzzDecodeHeader(f *testing.F) {
	f.Add("x", "Euro%20%E2%82%AC", "text/plain", []byte("x"), uint8(0))
	f.Add("my_ext", `"a\"b"`, "application/cloudevents+json", []byte(minimalJSON), uint8(1))
	f.Add("", "%", "application/cloudevents", []byte{}, uint8(2))
	f.Add("datacontenttype", "a/b", "a/b", []byte("1"), uint8(0))
	f.Add("id", "2", "", []byte("1"), uint8(0))
	f.Fuzz(func(t *testing.T, name, value, ct string, body []byte, coding uint8) {
		h := headerOf(minimal)
		h[nethttp.CanonicalHeaderKey("ce-"+name)] = append(h[nethttp.CanonicalHeaderKey("ce-"+name)], value)
		if ct != "" {
			h[contentType] = []string{ct}
		}
		d := decoder{coding: envelope.HeaderCoding(coding % 3)}
		var e envelope.Event
		if d.decode(&e, message{h, body}) != nil {
			return
		}
		// What was accepted can be sent on, and arrives as what it was.
		m := message{Header: nethttp.Header{}}
		if err := encode(&m, &e, effectiveMode(&e, 0, false), envelope.FormatJSON); err != nil {
			t.Fatalf("%s cannot be encoded: %v", show(&e), err)
		}
		for key, values := range m.Header {
			if strings.ContainsAny(key+values[0], "\r\n\x00") {
				t.Fatalf("header %q: %q", key, values)
			}
		}
		var again envelope.Event
		if err := new(decoder).decode(&again, m); err != nil {
			t.Fatalf("%s does not come back: %v", show(&e), err)
		}
		if again.ID != e.ID || string(again.Data) != string(e.Data) || again.NumExtensions() != e.NumExtensions() {
			t.Fatalf("%s came back as %s", show(&e), show(&again))
		}
	})
}

func FuzzDecodeBatch(f *testing.F) {
	f.Add([]byte("[]"))
	f.Add([]byte("[" + minimalJSON + "," + minimalJSON + "]"))
	f.Add([]byte(`[{"specversion":"1.0"}]`))
	f.Add([]byte(`[[]]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var b bindings.Batch
		if new(decoder).decodeBatch(message{nil, body}, b.Add) != nil {
			return
		}
		events := make([]*envelope.Event, len(b.Events))
		for i := range b.Events {
			events[i] = &b.Events[i]
		}
		m := message{Header: nethttp.Header{}}
		if err := encodeBatch(&m, events, envelope.FormatJSON); err != nil {
			t.Fatal(err)
		}
		var again bindings.Batch
		if err := new(decoder).decodeBatch(m, again.Add); err != nil || len(again.Events) != len(events) {
			t.Fatalf("%q came back with %d events, %v", m.Body, len(again.Events), err)
		}
	})
}
