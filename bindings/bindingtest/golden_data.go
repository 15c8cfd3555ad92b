package bindingtest

import (
	"strconv"
	"strings"

	"github.com/eventrouter/router/envelope"
)

func (b *goldenBuilder) jsonData() {
	const mediaType = "application/json"
	for _, c := range []struct{ name, why, data string }{
		{"json-object", "An ordinary payload.", `{"order":{"id":4711,"total":129.95},"paid":true}`},
		{"json-null", "An explicit null is a payload of four bytes, not the absence of one.", `null`},
		{"json-false", "False must not be dropped.", `false`},
		{"json-zero", "Zero must not be dropped.", `0`},
		{"json-empty-string", "An empty JSON string is two bytes.", `""`},
		{"json-string", "A JSON string keeps its quotes: the payload is the JSON text.", `"abc"`},
		{"json-string-of-json", "A string that holds JSON is not to be parsed again.", `"{\"a\":1}"`},
		{"json-empty-object", "An empty object is not an empty payload.", `{}`},
		{"json-array", "An array at the top is no batch.", `[1,[],{}]`},
		{
			"json-big-numbers", "Numbers that float64 cannot hold, and forms that it would change.",
			`{"n":12345678901234567890,"f":1.0,"e":1e2,"E":1E+400,"z":-0.0,"d":0.1000000000000000055511151231257827}`,
		},
		{"json-order", "The order of members and repeated names are kept.", `{"b":1,"a":2,"a":3}`},
		{"json-html", "Angle brackets and ampersands are not to be escaped.", `"<script>&amp;\u003c/script>"`},
		{"json-escapes", "Escapes stay as they were written.", `"\u00e9\/\ud83d\ude00\u0000\u2028 é"`},
		{"json-spaces", "White space inside a value is kept.", "{ \"a\" :\t[ 1 ,\n 2 ] }"},
		{"json-nested", "64 levels, the deepest nesting that is taken.", strings.Repeat("[", 64) + strings.Repeat("]", 64)},
		{"json-newline", "Encoders end JSON with a line feed; it is lost at most around the value.", "{\"a\":1}\n"},
	} {
		b.data(c.name, c.why, mediaType, []byte(c.data))
	}
	b.add("json-implied", "JSON data whose type only the format implied leaves as application/json.", func(e *envelope.Event) {
		e.Data, e.DataKind = []byte(`{"a":1}`), envelope.DataJSON
	})
	b.add("json-as-binary", "Bytes that came as data_base64 under a JSON type are the same bytes.", func(e *envelope.Event) {
		e.DataContentType, e.Data, e.DataKind = mediaType, []byte(`{"x":1}`), envelope.DataBinary
	})
	b.data("json-not-json", "A JSON type over bytes that are not JSON; they are not to be mended.", mediaType, []byte("hello"))
	b.data("json-not-utf8", "JSON in another encoding is bytes.", mediaType, []byte("\"\xff\""))
	b.data("json-lone-surrogate", "A lone surrogate cannot be represented and must not become U+FFFD.", mediaType, []byte(`"\ud800"`))
}

func (b *goldenBuilder) otherData() {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	b.data("text", "Text with line breaks and quotes.", "text/plain", []byte("line one\r\nline \"two\"\\\n\tend"))
	b.data("text-unicode", "Text of every width.", "text/plain; charset=utf-8", []byte("Grüße € 😀 \u2028"))
	b.data("text-control", "Control characters are forbidden in attributes and allowed in data.", "text/plain", []byte("a\x00b\x07\x7f"))
	b.data("text-not-utf8", "A text type over bytes that are not UTF-8.", "text/plain", []byte("\xff\xfe"))
	b.data("text-latin1", "Another charset is never transcoded.", "text/plain; charset=iso-8859-1", []byte("caf\xe9"))
	b.data("text-empty", "An empty text is present; only some carriers can say so.", "text/plain", []byte{})
	b.data("xml", "XML is text in the JSON format.", "application/xml", []byte(`<a b="c">&lt;</a>`))
	b.data("binary-every-byte", "Every byte value.", "application/octet-stream", every)
	b.data("binary-zero", "A single zero byte.", "application/octet-stream", []byte{0})
	b.data("binary-gzip", "A compressed payload is opaque.", "application/json+gzip", []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3})
	b.data("binary-empty", "Empty bytes are present.", "application/octet-stream", []byte{})
	b.data("unknown-type", "No datacontenttype: nothing may be invented.", "", []byte("hello"))
	b.data("unknown-type-json", "Bytes that look like JSON, without a type, are not JSON.", "", []byte(`{"x":1}`))
	b.data("unknown-type-empty", "Empty bytes without a type.", "", []byte{})
	b.data("looks-like-event", "A payload that is itself an event, under a type that does not say so.", "application/json",
		[]byte(`{"specversion":"1.0","id":"inner","type":"inner","source":"/inner"}`))
}

func (b *goldenBuilder) contentTypes() {
	inner := []byte(`{"specversion":"1.0","id":"inner","type":"inner","source":"/inner"}`)
	b.data("nested-event", "An event inside an event: in binary mode the inner one would take the outer one's place, so it is sent structured.",
		"application/cloudevents+json", inner)
	b.data("nested-batch", "The same with a batch.", "application/cloudevents-batch+json", append(append([]byte("["), inner...), ']'))
	b.data("nested-upper-case", "Media types are case-insensitive, which is where the check for nesting fails.",
		"Application/CloudEvents+JSON; charset=UTF-8", inner)
	b.data("nested-avro", "A nested event in a format that is not read here.", "application/cloudevents+avro", []byte{0, 1, 2})
	for i, contentType := range []string{
		"application/vnd.example.order.v1+json", "text/json", "Application/JSON; Charset=UTF-8",
		`application/json; profile="a;b, \"c\""; charset=utf-8`, "APPLICATION/Problem+JSON",
	} {
		b.data("json-type-"+strconv.Itoa(i+1), "Every */json and */*+json is JSON, whatever its case, and keeps its text.",
			contentType, []byte(`{"a":1}`))
	}
	for i, contentType := range []string{"application/json-seq", "application/x-ndjson", "application/jsonp"} {
		b.data("not-json-type-"+strconv.Itoa(i+1), "Types that begin like JSON and are not.", contentType, []byte("{\"a\":1}\n{\"a\":2}\n"))
	}
	b.data("multipart", "Parameters with quotes and a boundary are kept verbatim.", `multipart/mixed; boundary="gc0p4Jq0M2Yt08jU534c0p"`,
		[]byte("--gc0p4Jq0M2Yt08jU534c0p--\r\n"))
}

// maxForward is the size up to which every intermediary has to forward an event.
const maxForward = 64 << 10

// sizes adds the events of the size that intermediaries must forward. Names that begin with size- have it before any
// encoding makes them larger.
func (b *goldenBuilder) sizes() {
	text := func(pattern string) func(e *envelope.Event, n int) {
		return func(e *envelope.Event, n int) { e.Data = []byte(strings.Repeat(pattern, n/len(pattern)+1)[:n]) }
	}
	b.sized("size-binary-64k", "The size that intermediaries must forward, in bytes that grow by a third in base64.",
		"application/octet-stream", text("\x00\xff\x80\x7f"))
	b.sized("size-text-64k", "The size that intermediaries must forward, in text that JSON escapes.", "text/plain", text("\"\\\n\x01"))
	b.sized("size-markup-64k", "The size that intermediaries must forward, in text that XML escapes.", "text/plain", text("&<>\r"))
	b.sized("size-json-64k", "The size that intermediaries must forward, in JSON.", "application/json", func(e *envelope.Event, n int) {
		const item = `{"k":"v€"},`
		items := n/len(item) - 1
		e.Data = []byte(`[` + strings.Repeat(item, items) + `"` + strings.Repeat("x", n-items*len(item)-len(`[""]`)) + `"]`)
	})
	b.sized("size-attribute-64k", "All of the size in one attribute of characters that percent-encoding makes three times as long.", "",
		func(e *envelope.Event, n int) {
			n -= len("large")
			e.AddExtension("large", strings.Repeat("é", n/2)+strings.Repeat("x", n%2), envelope.KindUntyped)
		})
	b.sized("size-attributes-64k", "All of the size spread over many attributes.", "", func(e *envelope.Event, n int) {
		const count = 60
		for i := range count {
			name, left := "large"+strconv.Itoa(i), n/(count-i)
			e.AddExtension(name, strings.Repeat("x ", left)[:left-len(name)], envelope.KindUntyped)
			n -= left
		}
	})
	b.add("encoded-64k", "All of the size in one percent-encoded header, at the edge of what servers take.", func(e *envelope.Event) {
		e.AddExtension("large", strings.Repeat("é", maxForward/len("%C3%A9")), envelope.KindUntyped)
	})
}

// sized appends an event that fill makes as large as it has to be forwarded; n is what there is room for.
func (b *goldenBuilder) sized(name, why, contentType string, fill func(e *envelope.Event, n int)) {
	b.add(name, why, func(e *envelope.Event) {
		e.DataContentType = contentType
		fill(e, maxForward-e.Size())
	})
}
