package nats

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	natsgo "github.com/nats-io/nats.go"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
)

// The headers of the binding.
const (
	prefix          = "ce-"
	contentType     = "Content-Type"
	structuredType  = "application/cloudevents+json"
	natsPrefix      = "nats-"
	fallBackHeaders = 60 << 10 // the server refuses 64 KiB; the rest is room for its own headers
)

// decoder turns messages into events. It is immutable.
type decoder struct {
	options  envelope.Options
	adapters adapter.Set
	coding   envelope.HeaderCoding
	maxEvent int
	sniff    envelope.Path // the member that tells a structured event without headers
}

func newDecoder(s *bindings.SourceSettings) (*decoder, error) {
	sniff, err := envelope.ParsePath("specversion")
	if err != nil {
		return nil, err
	}
	adapters, err := adapter.Parse(s.Adapters)
	if err != nil {
		return nil, err
	}
	d := &decoder{
		options:  envelope.Options{Lenient: s.Lenient, MaxAttributes: s.MaxAttributes},
		adapters: adapters, maxEvent: s.MaxEvent, sniff: sniff,
	}
	if s.Lenient {
		d.coding = envelope.HeaderLenient
	}
	return d, nil
}

// read decodes m into the last event of b, whose Meta and Key are filled, or makes of it what the source makes of
// messages that are no CloudEvents, which may be several events.
func (d *decoder) read(b *bindings.Batch, m *natsgo.Msg, s *bindings.SourceSettings) {
	e := &b.Events[len(b.Events)-1]
	err := d.decode(e, m)
	if err == nil {
		return
	}
	media := ""
	e.Meta.Headers = e.Meta.Headers[:0]
	for _, name := range sortedNames(nil, m.Header) {
		if strings.EqualFold(name, contentType) {
			media = m.Header[name][0]
		}
		keepHeader(e, name, m.Header[name])
	}
	if err = d.adapters.Adapt(b, adapter.Message{Body: m.Data, Err: err, Options: d.options}); err == nil {
		return
	}
	e = &b.Events[len(b.Events)-1]
	if e.Meta.Stream == "" {
		// Core NATS knows no positions. Without a name of its own the message would share the id, and with it the
		// delivery id, of every other one of its subject, and a target that removes duplicates would keep one of them.
		e.Meta.MessageID = rand.Text()
	}
	s.Refuse(e, m.Data, media, err)
}

// decode fills e from m. The strings and the data of e alias m.
func (d *decoder) decode(e *envelope.Event, m *natsgo.Msg) error {
	if d.maxEvent > 0 && m.Size() > d.maxEvent {
		return bindings.Permanent(bindings.ReasonTooLarge, "", fmt.Errorf("nats: a message of %d bytes, more than limits.event allows (%d)", m.Size(), d.maxEvent))
	}
	var buf [24]string
	names := sortedNames(buf[:0], m.Header)
	media, binary, err := classify(names, m.Header)
	if err != nil {
		return err
	}
	f, batch, structured := envelope.DetectStructured(media)
	switch {
	case structured && (batch || f == envelope.FormatNone):
		return &envelope.AttributeError{Attribute: contentType, Rule: fmt.Sprintf("%q is not a format of a single event that can be read", media)}
	case structured:
		return d.decodeStructured(e, m, names, f)
	case binary:
		return d.decodeBinary(e, m, names, media)
	case d.looksStructured(m.Data):
		return d.decodeStructured(e, m, names, envelope.FormatJSON)
	}
	return envelope.ErrNotCloudEvent
}

// classify finds the Content-Type and whether there is a header only a binary event has.
func classify(names []string, h natsgo.Header) (media string, binary bool, err error) {
	seen := false
	for _, name := range names {
		switch {
		case strings.EqualFold(name, contentType):
			if seen || len(h[name]) > 1 {
				return "", false, &envelope.AttributeError{Attribute: contentType, Rule: "the header is there more than once"}
			}
			media, seen = h[name][0], true
		case strings.EqualFold(name, "ce-specversion"), strings.EqualFold(name, "ce-id"):
			binary = true
		}
	}
	return media, binary, nil
}

// looksStructured reports whether data is a JSON object with a member specversion, which version 1.0.2 of the binding
// sends without any header.
func (d *decoder) looksStructured(data []byte) bool {
	t := bytes.TrimLeft(data, " \t\r\n")
	if len(t) == 0 || t[0] != '{' || !bytes.Contains(t, []byte(`"specversion"`)) {
		return false
	}
	_, kind := d.sniff.Lookup(data)
	return kind != envelope.PathMissing
}

func (d *decoder) decodeStructured(e *envelope.Event, m *natsgo.Msg, names []string, f envelope.Format) error {
	for _, name := range names {
		if !isAttribute(name) && !strings.EqualFold(name, contentType) {
			keepHeader(e, name, m.Header[name])
		}
	}
	return format.Parse(f, e, m.Data, d.options)
}

func (d *decoder) decodeBinary(e *envelope.Event, m *natsgo.Msg, names []string, media string) error {
	var r envelope.AttributeReader
	r.Begin(e, d.options)
	typed := media == ""
	for _, name := range names {
		values := m.Header[name]
		if !isAttribute(name) {
			if !strings.EqualFold(name, contentType) {
				keepHeader(e, name, values)
			}
			continue
		}
		attr := strings.ToLower(name[len(prefix):])
		if len(values) > 1 {
			return &envelope.AttributeError{Attribute: name, Rule: "the header is there more than once"}
		}
		value, err := envelope.DecodeHeaderValue(values[0], d.coding)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := r.Attribute(attr, value); err != nil {
			return err
		}
		typed = typed || attr == "datacontenttype"
	}
	if !typed {
		if err := r.Attribute("datacontenttype", media); err != nil {
			return err
		}
	}
	if len(m.Data) > 0 {
		e.Data = m.Data
	}
	return r.Finish()
}

// sortedNames appends the names of the headers that have a value, in their order: a map gives them in none.
func sortedNames(dst []string, h natsgo.Header) []string {
	for name, values := range h {
		if len(values) > 0 {
			dst = append(dst, name)
		}
	}
	slices.Sort(dst)
	return dst
}

func isAttribute(name string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

func keepHeader(e *envelope.Event, name string, values []string) {
	for _, v := range values {
		e.Meta.Headers = append(e.Meta.Headers, envelope.Header{Name: name, Value: envelope.Bytes(v)})
	}
}

// passes reports whether a header of a message that came from NATS may leave over NATS. Nats- headers command the
// server (Nats-Rollup purges a stream), so what an unknown producer wrote there must end here; the others are the
// binding's own.
func passes(name string) bool {
	return !isAttribute(name) && !strings.EqualFold(name, contentType) &&
		(len(name) < len(natsPrefix) || !strings.EqualFold(name[:len(natsPrefix)], natsPrefix))
}

// encoder makes messages out of events. It is used by one goroutine and holds the message of the last event only:
// everything in it is scratch that the next one overwrites, which is safe because the client copies a message into its
// own buffer before a publish returns. A steady state allocates nothing here; the client then allocates the
// header block of each message, because it takes headers only as a map.
type encoder struct {
	msg    natsgo.Msg
	values []string
	text   []byte // names and values that had to be built
	body   []byte
	id     []byte
	// reply and subject are where the message goes; kept apart because they are rendered before the event is encoded.
	reply, subject []byte
	structured     bool // how the last event was encoded
	headerBytes    int
}

func newEncoder() *encoder { return &encoder{msg: natsgo.Msg{Header: natsgo.Header{}}} }

// encode fills x.msg, all but its subject and reply. Binary events whose headers would pass the server's bound are
// made structured.
func (x *encoder) encode(e *envelope.Event, structured bool) {
	if !structured {
		x.binary(e)
		if x.headerBytes <= fallBackHeaders {
			return
		}
	}
	x.begin()
	x.structured = true
	x.set(contentType, structuredType)
	x.passOn(e)
	x.body = envelope.AppendJSON(x.body[:0], e)
	x.msg.Data = x.body
}

func (x *encoder) binary(e *envelope.Event) {
	x.begin()
	e.Attributes(x.attribute)
	if media := e.ContentType(); media != "" {
		x.attribute("datacontenttype", media)
	}
	x.passOn(e)
	x.msg.Data = e.Data
}

// begin empties the message. The map goes first: its keys may be strings in x.text.
func (x *encoder) begin() {
	clear(x.msg.Header)
	x.values, x.text = x.values[:0], x.text[:0]
	x.structured, x.headerBytes = false, 0
}

func (x *encoder) attribute(name, value string) bool {
	if !envelope.PlainHeaderValue(value) {
		from := len(x.text)
		x.text = envelope.AppendHeaderValue(x.text, value)
		value = envelope.String(x.text[from:])
	}
	x.set(x.headerName(name), value)
	return true
}

func (x *encoder) headerName(attribute string) string {
	switch attribute {
	case "specversion":
		return "ce-specversion"
	case "id":
		return "ce-id"
	case "source":
		return "ce-source"
	case "type":
		return "ce-type"
	case "subject":
		return "ce-subject"
	case "time":
		return "ce-time"
	case "dataschema":
		return "ce-dataschema"
	case "datacontenttype":
		return "ce-datacontenttype"
	}
	from := len(x.text)
	x.text = append(append(x.text, prefix...), attribute...)
	return envelope.String(x.text[from:])
}

func (x *encoder) set(name, value string) {
	x.values = append(x.values, value)
	n := len(x.values)
	x.msg.Header[name] = x.values[n-1 : n : n]
	x.headerBytes += len(name) + len(value) + len(": \r\n")
}

// passOn copies the other headers of an event that came over NATS.
func (x *encoder) passOn(e *envelope.Event) {
	if e.Meta.Transport != transport {
		return
	}
	for i := range e.Meta.Headers {
		h := &e.Meta.Headers[i]
		if !passes(h.Name) {
			continue
		}
		if have := x.msg.Header[h.Name]; have != nil {
			x.msg.Header[h.Name] = append(have, envelope.String(h.Value))
			x.headerBytes += len(h.Name) + len(h.Value) + len(": \r\n")
			continue
		}
		x.set(h.Name, envelope.String(h.Value))
	}
}
