package envelope

import (
	"errors"
	"strings"
	"sync"
	"testing"
)

const required = `"specversion":"1.0","id":"1","type":"t","source":"/s"`

// doc returns an event with the required attributes and the members given.
func doc(members string) string {
	if members != "" {
		members = "," + members
	}
	return "{" + required + members + "}"
}

// accepted parses a document that has to be valid, and checks that it leaves byte for byte as it came, and that it
// means the same when it is written anew.
func accepted(t *testing.T, document string) *Event {
	t.Helper()
	e := new(Event)
	if err := ParseJSON(e, []byte(document), Options{}); err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	if got := string(AppendJSON(nil, e)); got != document {
		t.Errorf("untouched: got %s, want %s", got, document)
	}
	again := reparse(t, e)
	if diff := difference(e, again); diff != "" {
		t.Errorf("written anew: %s", diff)
	}
	return e
}

// reparse writes the event without its original bytes and reads the result.
func reparse(t *testing.T, e *Event) *Event {
	t.Helper()
	c, again := e.Clone(), new(Event)
	c.Touch()
	text := AppendJSON(nil, c)
	if err := ParseJSON(again, text, Options{}); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return again
}

// difference compares what an event means: attributes, types as far as JSON has them, content type and data.
func difference(a, b *Event) string {
	var x, y strings.Builder
	for _, one := range []struct {
		e *Event
		b *strings.Builder
	}{{a, &x}, {b, &y}} {
		for name, value := range one.e.Attributes {
			one.b.WriteString(name + "=" + value + "\n")
		}
		for i := range one.e.NumExtensions() {
			if kind := one.e.Extension(i).Kind; kind == KindBoolean || kind == KindInteger {
				one.b.WriteString("type " + itoa(int(kind)) + "\n")
			}
		}
		one.b.WriteString(one.e.ContentType() + "\n" + string(one.e.Data))
		if one.e.Data == nil {
			one.b.WriteString("no data")
		}
	}
	if x.String() != y.String() {
		return "got " + y.String() + "\nwant " + x.String()
	}
	return ""
}

// binaryEvent is an event as a binary-mode message of any transport gives it.
func binaryEvent(contentType string, data []byte) *Event {
	return &Event{ID: "1", Source: "/s", Type: "t", DataContentType: contentType, Data: data}
}

func TestVectorsA_Data(t *testing.T) {
	for _, c := range []struct {
		name, members, contentType, data string
	}{
		{"A1", `"datacontenttype":"application/json","data":null`, "application/json", `null`},
		{"A2 false", `"data":false`, "application/json", `false`},
		{"A2 zero", `"data":0`, "application/json", `0`},
		{"A2 empty string", `"data":""`, "application/json", `""`},
		{"A4", `"datacontenttype":"application/json","data":"abc"`, "application/json", `"abc"`},
		{"A5", `"datacontenttype":"application/json","data":"{\"a\":1}"`, "application/json", `"{\"a\":1}"`},
		{"A6", `"data":"abc"`, "application/json", `"abc"`},
		{"A7", `"data_base64":"eyJ4IjoxfQ=="`, "", `{"x":1}`},
		{"A8", `"data_base64":"eyJ4IjoxfQ==","datacontenttype":"application/json"`, "application/json", `{"x":1}`},
		{"A14 vendor", `"datacontenttype":"application/vnd.x.v1+json","data":[1]`, "application/vnd.x.v1+json", `[1]`},
		{"A14 text", `"data":{"a":1},"datacontenttype":"text/json"`, "text/json", `{"a":1}`},
		{"A14 foo", `"datacontenttype":"foo/json","data":1`, "foo/json", `1`},
		{"A14 case", `"datacontenttype":"Application/JSON; Charset=UTF-8","data":1`, "Application/JSON; Charset=UTF-8", `1`},
		{"A16", `"datacontenttype":"application/xml","data":"<a/>"`, "application/xml", `<a/>`},
		{
			"A18", `"data":{"n":12345678901234567890,"f":1.0,"e":1e2}`, "application/json",
			`{"n":12345678901234567890,"f":1.0,"e":1e2}`,
		},
		{"A19 order and duplicates", `"data":{"b":1,"a":2,"a":3}`, "application/json", `{"b":1,"a":2,"a":3}`},
		{"A19 angle brackets", `"data":"<&>"`, "application/json", `"<&>"`},
		{
			"A19 spacing", `"data": { "a" : [ 1 , 2 ] , "s":"  spaced " } `, "application/json",
			`{ "a" : [ 1 , 2 ] , "s":"  spaced " }`,
		},
		{"data_base64 null is absent", `"data_base64":null,"data":1`, "application/json", `1`},
		{"empty data_base64 is present", `"data_base64":""`, "", ``},
		{"empty text is present", `"datacontenttype":"text/plain","data":""`, "text/plain", ``},
		{"data before its content type", `"data":"a\u00e9\n","datacontenttype":"text/plain"`, "text/plain", "aé\n"},
		{
			"nested event", `"datacontenttype":"application/cloudevents+json","data":` + doc(""),
			"application/cloudevents+json", doc(""),
		},
		{"100,000 levels", `"data":` + nested(100_000), "application/json", nested(100_000)},
		{
			"brackets in strings are no levels", `"data":["` + strings.Repeat(`[\"{`, 100) + `"]`, "application/json",
			`["` + strings.Repeat(`[\"{`, 100) + `"]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := accepted(t, doc(c.members))
			if got := e.ContentType(); got != c.contentType {
				t.Errorf("content type: got %q, want %q", got, c.contentType)
			}
			if string(e.Data) != c.data || e.Data == nil {
				t.Errorf("data: got %q (nil: %t), want %q", e.Data, e.Data == nil, c.data)
			}
		})
	}
	for _, c := range []struct{ name, members string }{{"A3", ``}, {"A3 null base64", `"data_base64":null`}} {
		t.Run(c.name, func(t *testing.T) {
			if e := accepted(t, doc(c.members)); e.Data != nil {
				t.Errorf("got data %q, want none", e.Data)
			}
		})
	}
}

func TestVectorsA_Attributes(t *testing.T) {
	for _, c := range []struct {
		name, members, attribute, value string
	}{
		{"A20 integer", `"ext":5`, "ext", "5"},
		{"A20 minus zero", `"ext":-0`, "ext", "-0"},
		{"A20 least", `"ext":-2147483648`, "ext", "-2147483648"},
		{"A20 boolean", `"ext":false`, "ext", "false"},
		{"A23", `"ext":null`, "ext", ""},
		{"A25", `"aaaaaaaaaaaaaaaaaaaaaaaaa":"x"`, "aaaaaaaaaaaaaaaaaaaaaaaaa", "x"},
		{"A27", `"subject":null`, "subject", ""},
		{"A32", `"time":"2018-04-05T17:31:00.120+02:00"`, "time", "2018-04-05T17:31:00.120+02:00"},
		{"A34 lower case", `"time":"2018-04-05t17:31:00z"`, "time", "2018-04-05t17:31:00z"},
		{"A34 leap second", `"time":"2018-04-05T23:59:60Z"`, "time", "2018-04-05T23:59:60Z"},
		{"A43", ``, "time", ""},
		{"empty extension", `"ext":""`, "ext", ""},
		{"digits as name", `"123":"x"`, "123", "x"},
		{"escaped name", `"\u0065xt":"x"`, "ext", "x"},
		{"unicode", `"subject":"Euro € 😀 \ud83d\ude00"`, "subject", "Euro € 😀 😀"},
		{"dataschema with fragment", `"dataschema":"https://x/#f"`, "dataschema", "https://x/#f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := accepted(t, doc(c.members))
			if got, _ := e.Get(c.attribute); got != c.value {
				t.Errorf("got %q, want %q", got, c.value)
			}
			if _, ok := e.Get(c.attribute); ok != (c.value != "" || c.name == "empty extension") {
				t.Errorf("present: got %t", ok)
			}
		})
	}
	for _, source := range []string{
		"/a b", "#fragment", "//a/b", "1-555-123-4567", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "mailto:a@b",
	} {
		t.Run("A35 A36 "+source, func(t *testing.T) {
			e := accepted(t, `{"specversion":"1.0","id":"1","type":"t","source":"`+source+`"}`)
			if e.Source != source {
				t.Errorf("got %q, want %q", e.Source, source)
			}
		})
	}
}

func TestVectorsA_Invalid(t *testing.T) {
	for _, c := range []struct{ name, document, attribute string }{
		{"A10", doc(`"data":1,"data_base64":"YQ=="`), "data_base64"},
		{"A10 null data", doc(`"data":null,"data_base64":"YQ=="`), "data_base64"},
		{"A11", doc(`"data_base64":1`), "data_base64"},
		{"A13 no padding", doc(`"data_base64":"YQ"`), "data_base64"},
		{"A13 line break", doc(`"data_base64":"YWJj\nYWJj"`), "data_base64"},
		{"A13 url alphabet", doc(`"data_base64":"-_-_"`), "data_base64"},
		{"A17", doc(`"datacontenttype":"text/plain","data":{"a":1}`), "data"},
		{"A21 fraction", doc(`"ext":1.5`), "ext"},
		{"A21 exponent", doc(`"ext":1e2`), "ext"},
		{"A21 range", doc(`"ext":2147483648`), "ext"},
		{"A21 one point zero", doc(`"ext":1.0`), "ext"},
		{"A22 object", doc(`"ext":{"a":1}`), "ext"},
		{"A22 array", doc(`"ext":[1]`), "ext"},
		{"A24 capital", doc(`"Ext":"x"`), "Ext"},
		{"A24 underscore", doc(`"my_ext":"x"`), "my_ext"},
		{"A24 point", doc(`"my.ext":"x"`), "my.ext"},
		{"A24 capital null", doc(`"Ext":null`), "Ext"},
		{"A24 empty", doc(`"":"x"`), ""},
		{"A26 subject", doc(`"subject":""`), "subject"},
		{"A26 dataschema", doc(`"dataschema":""`), "dataschema"},
		{"A26 time", doc(`"time":""`), "time"},
		{"A26 datacontenttype", doc(`"datacontenttype":""`), "datacontenttype"},
		{"A29", `{"specversion":"1.0","id":25,"type":"t","source":"/s"}`, "id"},
		{"A29 boolean", `{"specversion":"1.0","id":true,"type":"t","source":"/s"}`, "id"},
		{"A30", doc(`"id":"2"`), "id"},
		{"A30 specversion", doc(`"specversion":"1.0"`), "specversion"},
		{"A30 extension", doc(`"ext":"a","ext":"a"`), "ext"},
		{"A30 null first", doc(`"ext":null,"ext":"a"`), "ext"},
		{"A30 null last", doc(`"ext":"a","ext":null`), "ext"},
		{"A30 null core", doc(`"subject":null,"subject":"a"`), "subject"},
		{"A30 escaped", doc(`"\u0069d":"2"`), "id"},
		{"A30 data", doc(`"data":1,"data":1`), "data"},
		{"A30 many", doc(many(100) + `,"ext7":"again"`), "ext7"},
		{"A31 newer", `{"specversion":"1.1","id":"1","type":"t","source":"/s"}`, "specversion"},
		{"A31 older", `{"specversion":"0.9","id":"1","type":"t","source":"/s"}`, "specversion"},
		{"A31 number", `{"specversion":1.0,"id":"1","type":"t","source":"/s"}`, "specversion"},
		{"A31 null", `{"specversion":null,"id":"1","type":"t","source":"/s"}`, "specversion"},
		{"A37 bell", doc(`"subject":"\u0007"`), "subject"},
		{"A37 C1", doc(`"subject":"\u0085"`), "subject"},
		{"A37 surrogate", doc(`"subject":"\uDEAD"`), ""},
		{"A37 noncharacter", doc(`"ext":"\uFFFE"`), "ext"},
		{"A37 noncharacter in the middle", doc(`"ext":"\uFDD0"`), "ext"},
		{"A37 last noncharacter", doc(`"ext":"\udbff\udfff"`), "ext"},
		{"A39 attribute", doc("\"ext\":\"\xff\""), ""},
		{"A39 data", doc("\"data\":\"\xc0\xa0\""), ""},
		{"A42", doc(`"data_encoding":"x"`), "data_encoding"},
		{"byte order mark", "\uFEFF" + doc(""), ""},
		{"trailing bytes", doc("") + "x", ""},
		{"trailing value", doc("") + "{}", ""},
		{"trailing comma", `{"specversion":"1.0",}`, ""},
		{"empty", "", ""},
		{"truncated", doc("")[:20], ""},
		{"deep and not closed", doc(`"data":` + nested(20_000)[1:]), ""},
		{"fragment of a number", doc(`"ext":01`), ""},
		{"time without offset", doc(`"time":"2018-04-05T17:31:00"`), "time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := ParseJSON(new(Event), []byte(c.document), Options{})
			if errors.Is(err, ErrNotCloudEvent) {
				t.Fatalf("got %v, want an AttributeError: the document is meant to be an event", err)
			}
			broken, ok := errors.AsType[*AttributeError](err)
			if !ok {
				t.Fatalf("got %v, want an AttributeError", err)
			}
			if broken.Attribute != c.attribute || broken.Rule == "" {
				t.Errorf("got %q: %q, want attribute %q", broken.Attribute, broken.Rule, c.attribute)
			}
		})
	}
}

// many returns n extension members.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"ext` + itoa(i) + `":"` + itoa(i) + `"`)
	}
	return b.String()
}

func TestParseJSON_NotCloudEvent(t *testing.T) {
	for _, document := range []string{
		`{}`, `{"id":"1","type":"t","source":"/s"}`, `{"Order":{"a":1},"n":1.5}`, `[]`, `[1]`, `"text"`, `12`, `null`, ` true `,
		`{"a":1,"a":2}`,
	} {
		if err := ParseJSON(new(Event), []byte(document), Options{}); !errors.Is(err, ErrNotCloudEvent) {
			t.Errorf("%s: got %v, want ErrNotCloudEvent", document, err)
		}
	}
}

func TestParseJSON_Lenient(t *testing.T) {
	e := new(Event)
	if err := ParseJSON(e, []byte("\uFEFF"+doc("")), Options{Lenient: true}); err != nil {
		t.Fatal(err)
	}
	if got := string(AppendJSON(nil, e)); got != doc("") {
		t.Errorf("got %q, want the document without its byte order mark", got)
	}
	for _, document := range []string{doc(`"Ext":"x"`), doc(`"id":"2"`), doc(`"time":"x"`), "\uFEFF\uFEFF" + doc("")} {
		if err := ParseJSON(new(Event), []byte(document), Options{Lenient: true}); err == nil {
			t.Errorf("%s: accepted, want structure to stay strict", document)
		}
	}
}

func TestParseJSON_MaxAttributes(t *testing.T) {
	if err := ParseJSON(new(Event), []byte(doc(many(64))), Options{MaxAttributes: 64}); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	err := ParseJSON(new(Event), []byte(doc(many(65))), Options{MaxAttributes: 64})
	if broken, ok := errors.AsType[*AttributeError](err); !ok || broken.Attribute != "ext64" {
		t.Errorf("over the limit: got %v", err)
	}
	e := accepted(t, doc(many(500)))
	if e.NumExtensions() != 500 {
		t.Errorf("got %d extensions, want 500", e.NumExtensions())
	}
}

// TestParseJSON_Parallel decodes different documents at once: parsers are shared through a pool.
func TestParseJSON_Parallel(t *testing.T) {
	documents := []string{
		doc(many(40) + `,"data":[1,2,3]`), doc(`"ext":null,"data_base64":"AP/+"`), doc(`"subject":"\u00e9"`), `{"not":"an event"}`, `{"bad`,
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			e := new(Event)
			for i := range 200 {
				document := documents[(g+i)%len(documents)]
				e.Reset()
				err := ParseJSON(e, []byte(document), Options{})
				if valid := strings.HasPrefix(document, `{"specversion"`); (err == nil) != valid {
					t.Errorf("%s: %v", document, err)
				} else if valid && (string(e.Raw) != document || strings.Contains(document, "ext39") != (e.NumExtensions() == 40)) {
					t.Errorf("%s: got %s, %d extensions", document, e.Raw, e.NumExtensions())
				}
			}
		})
	}
	wg.Wait()
}

// TestVectorsA_Encode holds the rows whose input is a binary-mode message.
func TestVectorsA_Encode(t *testing.T) {
	const head = `{"specversion":"1.0","id":"1","source":"/s","type":"t"`
	for _, c := range []struct {
		name string
		in   *Event
		want string
	}{
		{
			"A15", binaryEvent("application/json+gzip", []byte{0x1f, 0x8b}),
			`,"datacontenttype":"application/json+gzip","data_base64":"H4s="}`,
		},
		{"A16", binaryEvent("application/xml", []byte("<a/>")), `,"datacontenttype":"application/xml","data":"<a/>"}`},
		{
			"A44", binaryEvent("application/json", []byte("hello")),
			`,"datacontenttype":"application/json","data_base64":"aGVsbG8="}`,
		},
		{
			"A44 not UTF-8", binaryEvent("application/json", []byte("\"\xff\"")),
			`,"datacontenttype":"application/json","data_base64":"Iv8i"}`,
		},
		{"A45", binaryEvent("text/plain", []byte("\xff\xfe")), `,"datacontenttype":"text/plain","data_base64":"//4="}`},
		{"A47", binaryEvent("", []byte("hello")), `,"data_base64":"aGVsbG8="}`},
		{"no data", binaryEvent("application/json", nil), `,"datacontenttype":"application/json"}`},
		{"empty text", binaryEvent("text/plain", []byte{}), `,"datacontenttype":"text/plain","data":""}`},
		{"empty JSON", binaryEvent("application/json", []byte{}), `,"datacontenttype":"application/json","data_base64":""}`},
		{"empty unknown", binaryEvent("", []byte{}), `,"data_base64":""}`},
		{
			"latin1", binaryEvent("text/plain; charset=iso-8859-1", []byte("abc")),
			`,"datacontenttype":"text/plain; charset=iso-8859-1","data_base64":"YWJj"}`,
		},
		{
			"us-ascii", binaryEvent(`text/csv; charset="US-ASCII"`, []byte("a,b")),
			`,"datacontenttype":"text/csv; charset=\"US-ASCII\"","data":"a,b"}`,
		},
		{"+xml", binaryEvent("image/svg+xml", []byte("<svg/>")), `,"datacontenttype":"image/svg+xml","data":"<svg/>"}`},
		{
			"JSON keeps its text", binaryEvent("application/json", []byte(" {\"b\":1, \"a\":\"<&>\",\"a\":1.0}\n")),
			`,"datacontenttype":"application/json","data":{"b":1, "a":"<&>","a":1.0}}`,
		},
		{
			"trailing bytes are not JSON", binaryEvent("application/json", []byte("1 2")),
			`,"datacontenttype":"application/json","data_base64":"MSAy"}`,
		},
		{"deep JSON", binaryEvent("application/json", []byte(nested(32_768))), `,"datacontenttype":"application/json","data":` + nested(32_768) + `}`},
		{
			"implied JSON becomes explicit", &Event{ID: "1", Source: "/s", Type: "t", Data: []byte("1"), DataKind: DataJSON},
			`,"datacontenttype":"application/json","data":1}`,
		},
		{"implied JSON without data stays unset", &Event{ID: "1", Source: "/s", Type: "t", DataKind: DataJSON}, `}`},
		{
			"text is escaped no more than needed", binaryEvent("text/plain", []byte("a\"\\\n\u2028<>é\x00")),
			`,"datacontenttype":"text/plain","data":"a\"\\\n` + "\u2028" + `<>é\u0000"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(AppendJSON(nil, c.in)); got != head+c.want {
				t.Errorf("got  %s\nwant %s", got, head+c.want)
			}
			if got := string(reparse(t, c.in).Data); got != strings.Trim(string(c.in.Data), " \n") {
				t.Errorf("read back: got %q, want %q", got, c.in.Data)
			}
		})
	}
}

// TestVectorsA_A20 takes a typed extension through a carrier of strings.
func TestVectorsA_A20(t *testing.T) {
	e, through := accepted(t, doc(`"ext":5,"flag":true`)), new(Event)
	var r AttributeReader
	r.Begin(through, Options{})
	for name, value := range e.Attributes {
		if err := r.Attribute(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	const want = `{"specversion":"1.0","id":"1","source":"/s","type":"t","ext":"5","flag":"true"}`
	if got := string(AppendJSON(nil, through)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	e.Touch()
	const typed = `{"specversion":"1.0","id":"1","source":"/s","type":"t","ext":5,"flag":true}`
	if got := string(AppendJSON(nil, e)); got != typed {
		t.Errorf("got %s, want %s", got, typed)
	}
}

func TestVectorsA_Batch(t *testing.T) {
	for _, c := range []struct {
		name, document string
		events         int
		valid          bool
	}{
		{"A40", `[]`, 0, true},
		{"A40 spaced", " [ ]\n", 0, true},
		{"A41", `[` + doc("") + `,` + doc(`"id":"2"`) + `,` + doc("") + `]`, 0, false},
		{"two", "[ " + doc(`"data": [1]`) + " ,\n" + doc("") + `]`, 2, true},
		{"not an array", doc(""), 0, false},
		{"a scalar", `1`, 0, false},
		{"an element that is none", `[` + doc("") + `,{}]`, 0, false},
		{"an element that is no object", `[[]]`, 0, false},
		{"trailing comma", `[` + doc("") + `,]`, 0, false},
		{"trailing bytes", `[]x`, 0, false},
		{"unfinished", `[` + doc(""), 0, false},
		{"empty", ``, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var events []*Event
			err := ParseJSONBatch([]byte(c.document), Options{}, func() *Event {
				events = append(events, new(Event))
				return events[len(events)-1]
			})
			if (err == nil) != c.valid {
				t.Fatalf("got %v, want valid: %t", err, c.valid)
			}
			if err != nil {
				if _, ok := errors.AsType[*AttributeError](err); !ok || errors.Is(err, ErrNotCloudEvent) {
					t.Errorf("got %v, want an AttributeError", err)
				}
				return
			}
			if len(events) != c.events {
				t.Fatalf("got %d events, want %d", len(events), c.events)
			}
			for _, e := range events {
				if raw := string(e.Raw); !strings.Contains(c.document, raw) || raw[0] != '{' || raw[len(raw)-1] != '}' {
					t.Errorf("raw is %q", raw)
				}
			}
		})
	}
	a, b := accepted(t, doc(`"n":1`)), binaryEvent("", nil)
	want := "[" + doc(`"n":1`) + `,{"specversion":"1.0","id":"1","source":"/s","type":"t"}]`
	if got := string(AppendJSONBatch(nil, []*Event{a, b})); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := string(AppendJSONBatch(nil, nil)); got != "[]" {
		t.Errorf("got %s, want []", got)
	}
}
