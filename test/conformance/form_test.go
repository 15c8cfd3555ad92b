package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
)

// form is a content mode of a transport, with the event format where it is structured.
type form struct {
	transport string
	mode      bindings.Mode
	format    envelope.Format
	// bare is structured NATS as senders of version 1.0.2 write it: without headers.
	bare bool
}

// String returns the form's name in reports and in the document.
func (f form) String() string {
	name := f.transport + " " + [...]string{"", "binary", "structured", "batch"}[f.mode]
	if f.format != envelope.FormatNone {
		name += " " + strings.TrimPrefix(format.MediaType(f.format), "application/cloudevents+")
	}
	if f.bare {
		name += " (no headers)"
	}
	return name
}

func binary(transport string) form { return form{transport: transport, mode: bindings.ModeBinary} }

func structured(transport string, f envelope.Format) form {
	return form{transport: transport, mode: bindings.ModeStructured, format: f}
}

func batched(transport string, f envelope.Format) form {
	return form{transport: transport, mode: bindings.ModeBatch, format: f}
}

// sources and sinks are the rows and the columns of the matrix.
func sources() []form {
	const j, p, x, a = envelope.FormatJSON, envelope.FormatProtobuf, envelope.FormatXML, envelope.FormatAvro
	return []form{
		binary("kafka"), structured("kafka", j), structured("kafka", p), structured("kafka", x), structured("kafka", a),
		binary("nats"), structured("nats", j),
		{transport: "nats", mode: bindings.ModeStructured, format: j, bare: true},
		structured("nats", p),
		binary("sqs"), structured("sqs", j), structured("sqs", x),
		binary("http"), structured("http", j), batched("http", j), structured("http", p), batched("http", p), structured("http", x),
		batched("http", x), structured("http", a),
	}
}

func sinks() []form {
	const j, p, x, a = envelope.FormatJSON, envelope.FormatProtobuf, envelope.FormatXML, envelope.FormatAvro
	return []form{
		binary("kafka"), structured("kafka", j), structured("kafka", p), structured("kafka", x), structured("kafka", a),
		binary("nats"), structured("nats", j),
		binary("sqs"), structured("sqs", j), structured("sqs", x),
		binary("http"), structured("http", j), batched("http", j), structured("http", p), structured("http", x), structured("http", a),
		{transport: "stdout", mode: bindings.ModeStructured, format: j},
	}
}

// message is what travels: header lines in the transport's own terms, and the body, nil where there is none.
type message struct {
	headers map[string]string
	body    []byte
}

// write makes a message of an event as another program would; ok is false where the form cannot carry the event and
// a sender would have to choose another. JSON, headers and percent-coding are the test's own; the other formats are
// written by the codec that its own tests hold to an independent reader.
func write(f form, e *envelope.Event) (m message, ok bool) {
	if f.mode != bindings.ModeBinary {
		body, err := writeFormat(f.format, e)
		if err != nil {
			return message{}, false
		}
		m = message{headers: map[string]string{}, body: body}
		if !f.bare {
			m.headers["content-type"] = format.MediaType(f.format)
		}
		return m, true
	}
	media := e.ContentType()
	nested := strings.HasPrefix(strings.ToLower(media), "application/cloudevents")
	attributes := bindingtest.Attributes(e)
	delete(attributes, "datacontenttype")
	m = message{headers: map[string]string{}, body: e.Data}
	prefix, code := "ce-", func(s string) string { return s }
	switch f.transport {
	case "kafka":
		prefix = "ce_"
	case "nats":
		code = bindingtest.PercentEncode
		if media != "" {
			attributes["datacontenttype"] = media
		}
		nested = false
	case "http":
		code = bindingtest.PercentEncode
	}
	for name, value := range attributes {
		m.headers[prefix+name] = code(value)
	}
	if media != "" && f.transport != "nats" {
		m.headers["content-type"] = media
	}
	return m, !nested && fits(f, m)
}

func writeFormat(f envelope.Format, e *envelope.Event) ([]byte, error) {
	if f == envelope.FormatJSON {
		return bindingtest.WriteJSON(e), nil
	}
	c := e.Clone()
	c.Touch()
	return format.Append(f, nil, c)
}

// fits reports whether a binary message keeps the limits of its transport.
func fits(f form, m message) bool {
	for _, value := range m.headers {
		if f.transport == "sqs" && (value == "" || !xmlText(value)) {
			return false
		}
	}
	switch f.transport {
	case "sqs":
		return len(m.headers) <= 10 && len(m.body) > 0 && xmlText(string(m.body))
	case "nats":
		return headerSize(m) <= 60<<10
	}
	return true
}

// httpHeader is how much header a binary event may have when it leaves over HTTP: 8 KiB, less the request's own.
const httpHeader = 7 << 10

func headerSize(m message) int {
	n := 0
	for name, value := range m.headers {
		n += len(name) + len(value) + len(": \r\n")
	}
	return n
}

// xmlText reports whether a text has only characters of XML 1.0.
func xmlText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
	})
}

// read makes an event of a message as another program would, and says in which form it came.
func read(transport string, m message) (*envelope.Event, form, error) {
	media := m.headers["content-type"]
	if rest, ok := strings.CutPrefix(media, "application/cloudevents+"); ok {
		f := map[string]envelope.Format{
			"json": envelope.FormatJSON, "protobuf": envelope.FormatProtobuf, "xml": envelope.FormatXML, "avro": envelope.FormatAvro,
		}[rest]
		if len(m.headers) != 1 {
			return nil, form{}, fmt.Errorf("a structured message has %d headers", len(m.headers))
		}
		e, err := readFormat(f, m.body)
		return e, structured(transport, f), err
	}
	prefix, code := "ce-", func(s string) (string, error) { return s, nil }
	switch transport {
	case "kafka":
		prefix = "ce_"
	case "nats", "http":
		code = bindingtest.PercentDecode
	}
	attributes := map[string]string{}
	for name, value := range m.headers {
		attribute, ok := strings.CutPrefix(name, prefix)
		switch {
		case ok:
			decoded, err := code(value)
			if err != nil {
				return nil, form{}, err
			}
			attributes[attribute] = decoded
		case name == "content-type" && transport != "nats":
			attributes["datacontenttype"] = value
		default:
			return nil, form{}, fmt.Errorf("a header %s: %s", name, value)
		}
	}
	e, err := bindingtest.FromAttributes(attributes, m.body)
	return e, binary(transport), err
}

func readFormat(f envelope.Format, body []byte) (*envelope.Event, error) {
	switch f {
	case envelope.FormatJSON:
		return bindingtest.ReadJSON(body)
	case envelope.FormatProtobuf:
		return readProtobuf(body)
	case envelope.FormatXML:
		return readXML(body)
	case envelope.FormatAvro:
		return readAvro(body)
	case envelope.FormatNone:
	}
	return nil, fmt.Errorf("format %d is none that a message can have", f)
}

// pass makes of an event what is left of it behind a form: the losses that the document states, and no others.
func pass(f form, e *envelope.Event) {
	e.DataContentType = e.ContentType() // what was implied is written out
	if f.mode == bindings.ModeBinary {
		retype(e, func(a *envelope.Attr) { a.Kind = envelope.KindUntyped })
		if (f.transport == "http" || f.transport == "nats") && len(e.Data) == 0 {
			e.Data = nil
		}
		return
	}
	switch f.format {
	case envelope.FormatJSON:
		retype(e, func(a *envelope.Attr) {
			if a.Kind != envelope.KindBoolean && a.Kind != envelope.KindInteger {
				a.Kind = envelope.KindUntyped
			}
		})
		if e.DataKind != envelope.DataBinary && envelope.IsJSON(e.ContentType()) && json.Valid(e.Data) {
			e.Data = []byte(strings.Trim(string(e.Data), " \t\r\n"))
			if f.transport == "stdout" { // one line for each event
				e.Data = []byte(strings.NewReplacer("\n", " ", "\r", " ").Replace(string(e.Data)))
			}
		}
	case envelope.FormatProtobuf:
		e.Time, _ = instant(e.Time)
		retype(e, func(a *envelope.Attr) {
			minusZero(a)
			if a.Kind == envelope.KindTimestamp {
				var ok bool
				if a.Value, ok = instant(a.Value); !ok {
					a.Kind = envelope.KindString
				}
			}
			if a.Kind == envelope.KindUntyped {
				a.Kind = envelope.KindString
			}
		})
	case envelope.FormatXML:
		retype(e, func(a *envelope.Attr) {
			if a.Kind == envelope.KindUntyped {
				a.Kind = envelope.KindString
			}
		})
	case envelope.FormatAvro:
		retype(e, func(a *envelope.Attr) {
			minusZero(a)
			if a.Kind != envelope.KindBoolean && a.Kind != envelope.KindInteger && a.Kind != envelope.KindBinary {
				a.Kind = envelope.KindUntyped
			}
		})
	case envelope.FormatNone:
	}
}

func retype(e *envelope.Event, change func(a *envelope.Attr)) {
	for i := range e.NumExtensions() {
		change(e.Extension(i))
	}
}

func minusZero(a *envelope.Attr) {
	if a.Kind == envelope.KindInteger && a.Value == "-0" {
		a.Value = "0"
	}
}

// instant returns a timestamp as protobuf gives it back; ok is false for what protobuf cannot hold.
func instant(text string) (string, bool) {
	t, err := time.Parse(time.RFC3339, strings.ToUpper(text))
	if err != nil || t.UTC().Year() < 1 {
		return text, false
	}
	return t.UTC().Format(time.RFC3339Nano), true
}
