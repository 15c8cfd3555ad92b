package bindingtest

import (
	"strconv"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// goldenBuilder gathers the golden events.
type goldenBuilder struct {
	events []NamedEvent
}

// add appends an event with the required attributes, which change may replace or add to.
func (b *goldenBuilder) add(name, why string, change func(e *envelope.Event)) {
	e := &envelope.Event{ID: name, Source: "/golden", Type: "com.example.golden"}
	if change != nil {
		change(e)
	}
	b.events = append(b.events, NamedEvent{Name: name, Why: why, Event: e})
}

// data appends an event with a payload.
func (b *goldenBuilder) data(name, why, contentType string, data []byte) {
	b.add(name, why, func(e *envelope.Event) { e.DataContentType, e.Data = contentType, data })
}

// extension appends an event with one extension attribute.
func (b *goldenBuilder) extension(name, why, value string, kind envelope.Kind) {
	b.add(name, why, func(e *envelope.Event) { e.AddExtension("ext", value, kind) })
}

func (b *goldenBuilder) requiredAttributes() {
	b.add("minimal", "The least an event can be: nothing optional may appear on the way.", nil)
	for _, c := range []struct{ name, why, source string }{
		{"source-fragment", "A source may be a fragment alone; URL libraries turn it into something else.", "#fragment"},
		{"source-authority", "A network-path reference has no scheme; joining paths destroys it.", "//authority/path"},
		{"source-digits", "A telephone number is a legal relative reference.", "1-555-123-4567"},
		{"source-urn", "A URN has no authority and no path.", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66"},
		{"source-mailto", "An at sign without an authority.", "mailto:cncf-wg-serverless@lists.cncf.io"},
		{
			"source-percent", "Percent-encoding in a source is text: decoding it once too often or too seldom changes the event.",
			"/a%20b/c%2Fd%25",
		},
		{
			"source-query", "Every delimiter of a URI, none of which a header may encode or cut at.",
			"https://user@[2001:db8::1]:8443/p;x=1,2/(a)*!$&'~?q=1&r=a+b#frag/?",
		},
		{"source-upper-case", "Scheme and host are not to be lower-cased.", "HTTPS://Example.COM:443/../x/./"},
	} {
		b.add(c.name, c.why, func(e *envelope.Event) { e.Source = c.source })
	}
	b.add("id-spaces", "Leading, trailing and inner spaces; header libraries trim them.", func(e *envelope.Event) {
		e.ID = "  a  b  "
	})
	b.add("id-quotes", "Double quotes, backslashes and percent signs, which headers quote or encode and JSON escapes.",
		func(e *envelope.Event) { e.ID = `"quoted" \"escaped\" 100% %41 \` })
	b.add("id-delimiters", "Commas, semicolons and colons split headers in careless parsers.", func(e *envelope.Event) {
		e.ID = "a,b;c:d=e(f)<g>{h}[i]|j^k`l"
	})
	b.add("type-unicode", "Characters of two, three and four bytes, one of them outside the basic plane.",
		func(e *envelope.Event) { e.Type = "Grüße.Euro € 😀.中文" })
	b.add("type-wildcards", "A type with the wildcards of NATS subjects and of MQTT topics.", func(e *envelope.Event) {
		e.Type = "a.*.b.>.c/+/#"
	})
}

func (b *goldenBuilder) optionalAttributes() {
	b.add("all-core", "Every attribute that the specification defines, with text data.", func(e *envelope.Event) {
		e.Subject, e.Time, e.DataSchema = "tests", "2018-04-05T17:31:00Z", "https://cloudevents.io/dataschema"
		e.DataContentType, e.Data = "text/plain", []byte("Simple text")
	})
	b.add("content-type-without-data", "A datacontenttype may stand without data and has to stay.", func(e *envelope.Event) {
		e.DataContentType = "application/json"
	})
	b.add("subject-unicode", "Combining and right-to-left characters and a joined emoji, none of them to be normalised.",
		func(e *envelope.Event) { e.Subject = "e\u0301 \u05e9\u05dc\u05d5\u05dd 👩\u200d🚀 \u00a0end\u2028" })
	b.add("subject-last-characters", "The last code points that a String may hold, next to the noncharacters.",
		func(e *envelope.Event) { e.Subject = "\ufffd\ufdcf\ufdf0\U0010fffd \ue000" })
	b.add("dataschema-encoded", "A URI with percent-encoding, as text.", func(e *envelope.Event) {
		e.DataSchema = "https://example.com/s%20x?v=%7B1%7D"
	})
	for _, c := range []struct{ name, why, time string }{
		{"time-zeros", "Trailing zeros of a fraction are text.", "2018-04-05T17:31:00.120+02:00"},
		{"time-long-fraction", "More digits than nanoseconds hold.", "2018-04-05T17:31:00.1234567890123Z"},
		{"time-lower-case", "RFC 3339 allows lower-case t and z.", "2018-04-05t17:31:00z"},
		{"time-leap-second", "A leap second, which time.Parse refuses.", "1990-12-31T15:59:60-08:00"},
		{"time-unknown-offset", "-00:00 says that the local offset is unknown; it is not Z.", "2018-04-05T17:31:00-00:00"},
		{"time-year-zero", "The first instant RFC 3339 can write.", "0000-01-01T00:00:00Z"},
	} {
		b.add(c.name, c.why, func(e *envelope.Event) { e.Time = c.time })
	}
}

func (b *goldenBuilder) extensions() {
	b.extension("ext-empty", "An extension String may be empty, which is not the same as absent.", "", envelope.KindUntyped)
	b.extension("ext-percent", "A value that reads as percent-encoded is not.", "a%20b%", envelope.KindUntyped)
	b.extension("ext-json", "A value that reads as JSON is a string.", `{"a":[1,"<&>"]}`, envelope.KindString)
	b.extension("ext-number", "A string of digits stays a string, with its zeros.", "00042", envelope.KindString)
	b.extension("ext-true", "An untyped value that reads as a Boolean stays untyped.", "true", envelope.KindUntyped)
	b.extension("ext-null", "The word null is a value.", "null", envelope.KindString)
	b.add("names-long", "Names longer than the advised 20 characters have to be accepted.", func(e *envelope.Event) {
		e.AddExtension("opcuametadatamajorversion", "1", envelope.KindInteger)
		e.AddExtension(strings.Repeat("n", 200), "long", envelope.KindUntyped)
	})
	b.add("names-digits", "A name may begin with a digit and consist of digits.", func(e *envelope.Event) {
		e.AddExtension("123", "digits", envelope.KindUntyped)
		e.AddExtension("1abc", "digit first", envelope.KindUntyped)
		e.AddExtension("x", "one letter", envelope.KindUntyped)
	})
	b.add("names-misleading", "Names that look like core attributes, members, or parts of a carrier.",
		func(e *envelope.Event) {
			for _, n := range []string{"data2", "ids", "ce", "cetype", "contenttype", "null", "host", "key", "partition", "nats"} {
				e.AddExtension(n, "value of "+n, envelope.KindUntyped)
			}
		})
	b.add("names-registered", "The documented extensions that intermediaries must not change.", func(e *envelope.Event) {
		e.AddExtension("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", envelope.KindUntyped)
		e.AddExtension("tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", envelope.KindUntyped)
		e.AddExtension("partitionkey", "a b/é", envelope.KindUntyped)
		e.AddExtension("sequence", "001", envelope.KindUntyped)
		e.AddExtension("sampledrate", "30", envelope.KindInteger)
	})
	for _, n := range []int{6, 7, 11, 64} {
		b.add("extensions-"+strconv.Itoa(n), "Around the inline capacity of an event, the cap of SQS attributes, and the limit by default.",
			func(e *envelope.Event) {
				for i := range n {
					e.AddExtension("ext"+strconv.Itoa(i), "value "+strconv.Itoa(i), envelope.KindUntyped)
				}
			})
	}
}

func (b *goldenBuilder) types() {
	for _, c := range []struct {
		name, why, value string
		kind             envelope.Kind
	}{
		{"boolean-true", "A Boolean is a JSON boolean, and text elsewhere.", "true", envelope.KindBoolean},
		{"boolean-false", "False is not empty, and must not be dropped as if it were.", "false", envelope.KindBoolean},
		{"integer-zero", "Zero must not be dropped either.", "0", envelope.KindInteger},
		{"integer-minus-zero", "The grammar allows -0, and text is kept.", "-0", envelope.KindInteger},
		{"integer-max", "The largest Integer.", "2147483647", envelope.KindInteger},
		{"integer-min", "The smallest Integer.", "-2147483648", envelope.KindInteger},
		{"ext-binary", "A Binary attribute travels as base64, with padding.", "AP/+TWE=", envelope.KindBinary},
		{"ext-binary-empty", "An empty Binary is a present attribute.", "", envelope.KindBinary},
		{"uri", "A URI keeps its text.", "https://example.com/a%2Fb?c", envelope.KindURI},
		{"uri-reference", "A relative reference is not to be resolved.", "../x?y#z", envelope.KindURIRef},
		{"timestamp", "A Timestamp attribute keeps offset and precision.", "2023-03-31T15:12:00.000+00:00", envelope.KindTimestamp},
	} {
		b.extension(c.name, c.why, c.value, c.kind)
	}
	b.add("all-types", "One attribute of each type, as the specification's own tests have them.", func(e *envelope.Event) {
		e.AddExtension("extinteger", "10", envelope.KindInteger)
		e.AddExtension("extboolean", "true", envelope.KindBoolean)
		e.AddExtension("extstring", "text", envelope.KindString)
		e.AddExtension("exturi", "https://cloudevents.io", envelope.KindURI)
		e.AddExtension("exturiref", "//authority/path", envelope.KindURIRef)
		e.AddExtension("exttimestamp", "2023-03-31T15:12:00Z", envelope.KindTimestamp)
		e.AddExtension("extbinary", "TWE=", envelope.KindBinary)
	})
}
