package sqs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
	"github.com/eventrouter/router/envelope"
)

func str(v string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &v}
}

// attrs builds attributes from name, value, name, value.
func attrs(pairs ...string) attributes {
	m := attributes{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = str(pairs[i+1])
	}
	return m
}

// show prints what an event says, for comparison.
func show(e *envelope.Event) string {
	var b strings.Builder
	for name, value := range e.Attributes {
		fmt.Fprintf(&b, "%s=%s ", name, value)
	}
	fmt.Fprintf(&b, "dct=%s data=%q", e.DataContentType, e.Data)
	return b.String()
}

const jsonEvent = `{"specversion":"1.0","id":"1","source":"/s","type":"t","n":5,"data":{"a":1}}`

func TestDecode(t *testing.T) {
	binary := []string{"ce-specversion", "1.0", "ce-id", "1", "ce-source", "/s%20é", "ce-type", "t"}
	for _, tc := range []struct {
		name, body string
		attrs      attributes
		want       string // of show, or of the error
	}{
		{
			"structured by content-type", jsonEvent, attrs("content-type", "application/cloudevents+json; charset=UTF-8"),
			`specversion=1.0 id=1 source=/s type=t n=5 dct= data="{\"a\":1}"`,
		},
		{
			"structured by Content-Type", jsonEvent, attrs("Content-Type", "Application/CloudEvents+JSON"),
			`specversion=1.0 id=1 source=/s type=t n=5 dct= data="{\"a\":1}"`,
		},
		{"structured by its body", " \n" + jsonEvent, nil, `specversion=1.0 id=1 source=/s type=t n=5 dct= data="{\"a\":1}"`},
		{
			"a sniffed body wins over a foreign content-type", jsonEvent, attrs("content-type", "application/json"),
			`specversion=1.0 id=1 source=/s type=t n=5 dct= data="{\"a\":1}"`,
		},
		{
			"binary, values raw", "hello", attrs(append(binary, "content-type", "text/plain", "ce-zeta", "z", "ce-alpha", "a", "other", "x")...),
			`specversion=1.0 id=1 source=/s%20é type=t alpha=a zeta=z dct=text/plain data="hello"`,
		},
		{
			"binary with ce_", "hello", attrs("ce_specversion", "1.0", "ce_id", "1", "ce_source", "/s", "ce_type", "t"),
			`specversion=1.0 id=1 source=/s type=t dct= data="hello"`,
		},
		{
			"binary wins over a JSON event as data", jsonEvent, attrs(append(binary, "content-type", "application/json")...),
			`specversion=1.0 id=1 source=/s%20é type=t dct=application/json data=` + fmt.Sprintf("%q", jsonEvent),
		},
		{
			"batch", "[" + jsonEvent + "]", attrs("content-type", "application/cloudevents-batch+json"),
			"content-type: must name the JSON or the XML format of one event, because a message body is text",
		},
		{
			"unknown format", "x", attrs("content-type", "application/cloudevents+avro"),
			"content-type: must name the JSON or the XML format of one event, because a message body is text",
		},
		{"structured without specversion", `{}`, attrs("content-type", "application/cloudevents+json"), "specversion: is required"},
		{"sniffed, a required attribute is missing", `{"specversion":"1.0","id":"1"}`, nil, "source: is required"},
		{"no event", `{"a":1}`, nil, "not a CloudEvent"},
		{"specversion further inside", `{"detail":` + jsonEvent + `}`, nil, "not a CloudEvent"},
		{"text", `hello`, nil, "not a CloudEvent"},
		{"binary without an id", "x", attrs("ce-specversion", "1.0", "ce-source", "/s", "ce-type", "t"), "id: is required"},
		{"binary with an unknown version", "x", attrs("ce-specversion", "0.3", "ce-id", "1", "ce-source", "/s", "ce-type", "t"), "specversion: "},
		{"binary attribute of type Binary", "x", func() attributes {
			a := attrs(binary...)
			a["ce-bin"] = types.MessageAttributeValue{DataType: aws.String("Binary"), BinaryValue: []byte{1}}
			return a
		}(), "ce-bin: must be of type String"},
	} {
		var e envelope.Event
		got := ""
		if err := decode(&e, tc.body, tc.attrs, envelope.Options{}); err != nil {
			if got = err.Error(); !strings.HasPrefix(got, tc.want) {
				t.Errorf("%s: error %q, want %q", tc.name, got, tc.want)
			}
			if (tc.want == "not a CloudEvent") != errors.Is(err, envelope.ErrNotCloudEvent) {
				t.Errorf("%s: the class of %q is wrong", tc.name, got)
			}
			continue
		}
		if got = show(&e); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestDecodeLimitsAttributes(t *testing.T) {
	var e envelope.Event
	err := decode(&e, "x", attrs("ce-specversion", "1.0", "ce-id", "1", "ce-source", "/s", "ce-type", "t", "ce-a", "1", "ce-b", "2"), envelope.Options{MaxAttributes: 1})
	if err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("two extensions where one is allowed: %v", err)
	}
}

func TestEncodeModes(t *testing.T) {
	with := func(change func(*envelope.Event)) *envelope.Event {
		e := event("1")
		change(e)
		return e
	}
	for _, tc := range []struct {
		name   string
		e      *envelope.Event
		mode   bindings.Mode
		binary bool
	}{
		{"the default is structured", event("1"), bindings.ModeDefault, false},
		{"structured", event("1"), bindings.ModeStructured, false},
		{"binary", event("1"), bindings.ModeBinary, true},
		{"ten attributes", with(func(e *envelope.Event) { // five already
			for i := range 5 {
				e.AddExtension(fmt.Sprint("x", i), "v", envelope.KindString)
			}
		}), bindings.ModeBinary, true},
		{"E11 eleven attributes", with(func(e *envelope.Event) {
			for i := range 6 {
				e.AddExtension(fmt.Sprint("x", i), "v", envelope.KindString)
			}
		}), bindings.ModeBinary, false},
		{"E12 a control character", with(func(e *envelope.Event) { e.Data = []byte("a\x01b") }), bindings.ModeBinary, false},
		{"E12 raw bytes", with(func(e *envelope.Event) { e.Data, e.DataContentType = []byte{0xff, 0xfe, 0}, "application/octet-stream" }), bindings.ModeBinary, false},
		{"U+FFFE in the data", with(func(e *envelope.Event) { e.Data = []byte("\"\ufffe\"") }), bindings.ModeBinary, false},
		{"E13 no data", with(func(e *envelope.Event) { e.Data = nil }), bindings.ModeBinary, false},
		{"E13 empty data", with(func(e *envelope.Event) { e.Data = []byte{} }), bindings.ModeBinary, false},
		{"an empty value", with(func(e *envelope.Event) { e.AddExtension("x", "", envelope.KindString) }), bindings.ModeBinary, false},
		{"D14 a nested event", with(func(e *envelope.Event) { e.DataContentType = "application/cloudevents+json" }), bindings.ModeBinary, false},
		{"no datacontenttype", with(func(e *envelope.Event) { e.DataContentType = "" }), bindings.ModeBinary, true},
		{"tab, line feed and emoji", with(func(e *envelope.Event) { e.Data = []byte("\t\r\n😀\ufffd") }), bindings.ModeBinary, true},
	} {
		m := newMessage(envelope.FormatJSON)
		if err := m.encode(tc.e, tc.mode); err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if m.binary != tc.binary {
			t.Errorf("%s: binary = %v, want %v", tc.name, m.binary, tc.binary)
		}
		size := len(m.body)
		for name, a := range m.attrs {
			size += len(name) + len(*a.DataType) + len(*a.StringValue)
		}
		if m.size != size {
			t.Errorf("%s: size = %d, want %d", tc.name, m.size, size)
		}
		if len(m.attrs) > maxAttributes || !legal(m.body) || m.body == "" {
			t.Errorf("%s: SQS would refuse %d attributes, body %q", tc.name, len(m.attrs), m.body)
		}
		var back envelope.Event
		if err := decode(&back, m.body, m.attrs, envelope.Options{}); err != nil {
			t.Errorf("%s: does not come back: %v", tc.name, err)
			continue
		}
		// JSON data with a noncharacter comes back with its escape, which is the same JSON.
		if got, want := string(back.Data), string(escapeNoncharacters(slices.Clone(tc.e.Data))); got != want || back.ID != tc.e.ID || back.NumExtensions() != tc.e.NumExtensions() {
			t.Errorf("%s: came back as %s, want %s", tc.name, show(&back), show(tc.e))
		}
	}
}

func TestEncodedForm(t *testing.T) {
	e := event("1")
	e.Subject, e.Time, e.DataSchema = "s", "2026-01-02T03:04:05Z", "https://a/b"
	e.AddExtension("partitionkey", "é%20", envelope.KindString)
	m := newMessage(envelope.FormatJSON)
	if err := m.encode(e, bindings.ModeBinary); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range slices.Sorted(maps.Keys(m.attrs)) {
		a := m.attrs[name]
		got = append(got, name+"="+*a.DataType+":"+*a.StringValue)
	}
	want := []string{
		"ce-dataschema=String:https://a/b", "ce-id=String:1", "ce-partitionkey=String:é%20", "ce-source=String:/shop",
		"ce-specversion=String:1.0", "ce-subject=String:s", "ce-time=String:2026-01-02T03:04:05Z", "ce-type=String:com.acme.order.paid",
		"content-type=String:application/json",
	}
	if !slices.Equal(got, want) {
		t.Errorf("attributes:\n got %q\nwant %q", got, want)
	}
	if m.body != `{"n":1}` {
		t.Errorf("body = %q", m.body)
	}
	var in envelope.Event
	if err := decode(&in, " "+jsonEvent+"\n", nil, envelope.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := m.encode(&in, bindings.ModeStructured); err != nil {
		t.Fatal(err)
	}
	if m.body != " "+jsonEvent+"\n" || *m.attrs["content-type"].StringValue != "application/cloudevents+json" || len(m.attrs) != 1 {
		t.Errorf("an untouched structured event left as %q with %v", m.body, m.attrs)
	}
}

func TestNoncharactersAreEscaped(t *testing.T) {
	for in, want := range map[string]string{
		"\"a\ufffeb\uffff\"":  `"a\ufffeb\uffff"`,
		"\"\uffff\uffff\"":    `"\uffff\uffff"`,
		"\"\ufffd\uff00 ok\"": "\"\ufffd\uff00 ok\"",
		"\"plain\"":           "\"plain\"",
		"\"\ufffe" + "tail\"": `"\ufffetail"`,
	} {
		if got := string(escapeNoncharacters([]byte(in))); got != want {
			t.Errorf("escapeNoncharacters(%q) = %q, want %q", in, got, want)
		}
	}
	e := event("1")
	e.Data = []byte("{\"a\":\"\uffff\"}")
	m := newMessage(envelope.FormatJSON)
	if err := m.encode(e, bindings.ModeStructured); err != nil || !legal(m.body) || !strings.Contains(m.body, `\uffff`) {
		t.Errorf("encode: %v, %q", err, m.body)
	}
}

func TestLegal(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "a\tb\r\n": true, "\x7f\u0085": true, "\ufffd😀\ue000": true,
		"\x00": false, "\x0b": false, "\x1f": false, "\ufffe": false, "a\uffff": false, "\xff": false, "\xed\xa0\x80": false, "\xef\xbf": false,
	} {
		if got := legal(s); got != want {
			t.Errorf("legal(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestCodecAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("NOT TESTED: allocations of the codec, because the race detector is on")
	}
	e := event("1")
	e.AddExtension("partitionkey", "k", envelope.KindString)
	m := newMessage(envelope.FormatJSON)
	for _, mode := range []bindings.Mode{bindings.ModeBinary, bindings.ModeStructured} {
		if err := m.encode(e, mode); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(200, func() { _ = m.encode(e, mode) }); n != 0 {
			t.Errorf("encode in mode %d allocates %v times", mode, n)
		}
	}
	var in envelope.Event
	binary := attrs("ce-specversion", "1.0", "ce-id", "1", "ce-source", "/s", "ce-type", "t", "ce-a", "1", "content-type", "text/plain")
	flagged := attrs("content-type", "application/cloudevents+json")
	for name, f := range map[string]func() error{
		"binary":     func() error { return decode(&in, "x", binary, envelope.Options{}) },
		"structured": func() error { return decode(&in, jsonEvent, flagged, envelope.Options{}) },
		"sniffed":    func() error { return decode(&in, jsonEvent, nil, envelope.Options{}) },
	} {
		if n := testing.AllocsPerRun(200, func() {
			in.Reset()
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("decode %s allocates %v times", name, n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(jsonEvent, "application/cloudevents+json", "", "")
	f.Add("x", "text/plain", "1.0", "a b")
	f.Add(snsEnvelope(jsonEvent), "", "", "")
	f.Add(`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}`, "", "", "")
	f.Add(`{"version":"0","id":"1","detail-type":"d","source":"aws.ec2","time":"2026-01-02T03:04:05Z","detail":{"a":[1]}}`, "", "", "")
	all, err := adapter.Parse([]string{"sns", "eventbridge", "s3"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body, media, version, ext string) {
		a := attributes{}
		if media != "" {
			a["content-type"] = str(media)
		}
		if version != "" {
			maps.Copy(a, attrs("ce-specversion", version, "ce-id", "1", "ce-source", "/s", "ce-type", "t", "ce-ext", ext))
		}
		b := bindings.NewBatch(nil, 1)
		err := decode(b.Add(), body, a, envelope.Options{})
		if all.Adapt(b, adapter.Message{Body: []byte(body), Err: err}) != nil {
			return
		}
		for i := range b.Events {
			e := &b.Events[i]
			for _, mode := range []bindings.Mode{bindings.ModeBinary, bindings.ModeStructured} {
				m := newMessage(envelope.FormatJSON)
				if err := m.encode(e, mode); err != nil {
					continue
				}
				if !legal(m.body) || m.body == "" || len(m.attrs) > maxAttributes {
					t.Fatalf("encoded into what SQS refuses: %q %v", m.body, m.attrs)
				}
				var back envelope.Event
				if err := decode(&back, m.body, m.attrs, envelope.Options{}); err != nil {
					t.Fatalf("mode %d: %s does not come back: %v", mode, show(e), err)
				}
				if back.ID != e.ID || back.Source != e.Source || back.Type != e.Type || back.NumExtensions() != e.NumExtensions() {
					t.Fatalf("mode %d: %s came back as %s", mode, show(e), show(&back))
				}
			}
		}
	})
}

// A body of any depth is JSON: the package that the router reads data with has no limit either.
func TestForeignBodyOfAnyDepthIsJSON(t *testing.T) {
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	for body, want := range map[string]bool{
		deep: true, deep + "]": false, `{"a":1}`: true, " \n[1] \n": true, `{"a":1} x`: false, `{"a"`: false, "1": false, `"x"`: false, "hello": false, "": false,
	} {
		if got := isJSON(body); got != want {
			t.Errorf("%.20q: %v, want %v", body, got, want)
		}
	}
}
