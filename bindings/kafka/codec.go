package kafka

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
)

const (
	attributePrefix = "ce_"
	// hyphenPrefix is what some old producers wrote; it is read with lenient decoding only.
	hyphenPrefix    = "ce-"
	contentTypeName = "content-type"
)

// decoder turns records into events. Strings and data of an event alias its record.
type decoder struct {
	source   string // the configured name
	options  envelope.Options
	maxEvent int // bytes, 0 for no limit
}

// decode fills e, which is empty, from r. After an error only e's metadata and key mean something; mediaType is the
// record's content type in any case.
func (d *decoder) decode(e *envelope.Event, r *kgo.Record) (mediaType string, err error) {
	e.Key = r.Key
	e.Meta.Transport, e.Meta.SourceName = kind, d.source
	e.Meta.Channel, e.Meta.Partition, e.Meta.Position = r.Topic, r.Partition, r.Offset
	e.Meta.Timestamp = millis(r)
	mediaType, attributes := d.headers(e, r)
	if size := recordSize(r); d.maxEvent > 0 && size > d.maxEvent {
		return mediaType, &envelope.AttributeError{
			Rule: fmt.Sprintf("the record has %d bytes and the limit is %d", size, d.maxEvent),
		}
	}
	if !utf8.ValidString(mediaType) {
		return "", &envelope.AttributeError{Attribute: contentTypeName, Rule: "must be UTF-8"}
	}
	if f, batch, ok := envelope.DetectStructured(mediaType); ok {
		if batch || f == envelope.FormatNone {
			return mediaType, &envelope.AttributeError{
				Attribute: contentTypeName, Rule: "must name the JSON, protobuf, XML or Avro format of one event on a structured record",
			}
		}
		return mediaType, format.Parse(f, e, r.Value, d.options)
	}
	if attributes == 0 {
		if d.options.Lenient && mediaType == "" && looksStructured(r.Value) {
			return mediaType, envelope.ParseJSON(e, r.Value, d.options)
		}
		return mediaType, envelope.ErrNotCloudEvent
	}
	return mediaType, d.binary(e, r, mediaType)
}

// headers sorts a record's headers: the content type is returned, attributes are counted, the rest becomes metadata. A
// content type or an attribute with a null value is absent.
func (d *decoder) headers(e *envelope.Event, r *kgo.Record) (mediaType string, attributes int) {
	for i := range r.Headers {
		h := &r.Headers[i]
		switch {
		case d.attribute(h.Key) != "":
			if h.Value != nil {
				attributes++
			}
		case isContentType(h.Key):
			if h.Value != nil {
				mediaType = envelope.String(h.Value)
			}
		default:
			e.Meta.Headers = append(e.Meta.Headers, envelope.Header{Name: h.Key, Value: h.Value})
		}
	}
	return mediaType, attributes
}

// keepHeaders makes metadata of the headers of a record that is no event after all. With the content type they are all
// that there are.
func keepHeaders(e *envelope.Event, r *kgo.Record, contentType bool) {
	e.Meta.Headers = e.Meta.Headers[:0]
	for i := range r.Headers {
		if h := &r.Headers[i]; contentType || !isContentType(h.Key) {
			e.Meta.Headers = append(e.Meta.Headers, envelope.Header{Name: h.Key, Value: h.Value})
		}
	}
}

// attribute returns the prefix of a header that carries an attribute, the empty string for every other header.
func (d *decoder) attribute(header string) string {
	if strings.HasPrefix(header, attributePrefix) {
		return attributePrefix
	}
	if d.options.Lenient && strings.HasPrefix(header, hyphenPrefix) {
		return hyphenPrefix
	}
	return ""
}

func (d *decoder) binary(e *envelope.Event, r *kgo.Record, mediaType string) error {
	var reader envelope.AttributeReader
	reader.Begin(e, d.options)
	if mediaType != "" {
		if err := reader.Attribute("datacontenttype", mediaType); err != nil {
			return err
		}
	}
	for i := range r.Headers {
		h := &r.Headers[i]
		prefix := d.attribute(h.Key)
		if prefix == "" || h.Value == nil {
			continue
		}
		name, value := h.Key[len(prefix):], envelope.String(h.Value)
		if name == "datacontenttype" && mediaType != "" {
			continue // the content-type header wins
		}
		if err := reader.Attribute(name, value); err != nil {
			return err
		}
	}
	if err := reader.Finish(); err != nil {
		return err
	}
	e.Data = r.Value
	return nil
}

// isContentType compares without regard to case; the length keeps it off the path of other headers.
func isContentType(header string) bool {
	return len(header) == len(contentTypeName) && strings.EqualFold(header, contentTypeName)
}

// looksStructured tells a JSON event without a content type from other JSON, as far as lenient decoding needs it.
func looksStructured(value []byte) bool {
	value = bytes.TrimLeft(value, " \t\r\n")
	return len(value) > 0 && value[0] == '{' && bytes.Contains(value, []byte(`"specversion"`))
}

// recordSize is what a record counts for in limits and in the window.
func recordSize(r *kgo.Record) int {
	n := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
}

// keyMode is where a record key comes from.
type keyMode uint8

const (
	keyKeep keyMode = iota
	keyNone
	keySubject
	keyPartitionKey
	keyTemplate
)

// compileKey reads the key setting.
func compileKey(setting string) (keyMode, *template.Template, error) {
	switch setting {
	case "", "keep":
		return keyKeep, nil, nil
	case "none":
		return keyNone, nil, nil
	case "subject":
		return keySubject, nil, nil
	case "partitionkey":
		return keyPartitionKey, nil, nil
	}
	if !strings.Contains(setting, "{") {
		return 0, nil, fmt.Errorf("%q is neither keep, partitionkey, subject, none nor a template such as {type}", setting)
	}
	t, err := template.Compile(setting, template.Raw)
	return keyTemplate, t, err
}

// encoder turns events into records. It is immutable and safe for concurrent use.
type encoder struct {
	structured bool
	format     envelope.Format // of structured records; none is JSON
	topic      *template.Template
	static     string // the topic, if it is the same for all events
	allowed    *allowed
	key        keyMode
	keyText    *template.Template
	time       timeMode
}

// scratch is the memory that the records of one Send are written to: header slices, header names, rendered topics and
// keys, JSON. A slice that grows leaves what was written before in the old memory, which stays valid.
type scratch struct {
	headers []kgo.RecordHeader
	text    []byte
	// topics are those that templates gave. The client keeps the topic of a record for good, so that it cannot alias text,
	// which the next Send writes over.
	topics map[string]string
}

// maxTopics is how many topics are remembered before all are forgotten.
const maxTopics = 10_000

// topic returns the topic of that name as a string of its own, the same one as long as it is remembered.
func (s *scratch) topic(name []byte) string {
	if t, ok := s.topics[string(name)]; ok {
		return t
	}
	if s.topics == nil || len(s.topics) >= maxTopics {
		s.topics = map[string]string{}
	}
	t := string(name)
	s.topics[t] = t
	return t
}

// reset forgets what the scratch points to and keeps its memory.
func (s *scratch) reset() {
	clear(s.headers)
	s.headers, s.text = s.headers[:0], s.text[:0]
}

// encode fills r, which is empty, from e. The record aliases both the event's values and s. The error is permanent.
func (c *encoder) encode(r *kgo.Record, e *envelope.Event, s *scratch) error {
	if err := c.address(r, e, s); err != nil {
		return err
	}
	first := len(s.headers)
	switch {
	case e.Malformed != nil:
		c.malformed(r, e, s)
	case c.isStructured(e):
		if err := c.whole(r, e, s); err != nil {
			return err
		}
	default:
		c.binary(r, e, s)
	}
	if e.Meta.Transport == kind {
		s.pass(e)
	}
	r.Headers = s.headers[first:len(s.headers):len(s.headers)]
	return nil
}

// pass appends the event's other headers. Those of a malformed record may be attributes: they are what is left of it,
// so they go along, except where the dead letter has an attribute of that name.
func (s *scratch) pass(e *envelope.Event) {
	for i := range e.Meta.Headers {
		h := &e.Meta.Headers[i]
		name, attribute := strings.CutPrefix(h.Name, attributePrefix)
		if isContentType(h.Name) || attribute && (e.Malformed == nil || e.FindExtension(name) != nil) {
			continue
		}
		s.headers = append(s.headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
	}
}

// isStructured also catches an event whose data is itself a structured event: as a binary record, its content type
// would make readers take the inner event for the outer one.
func (c *encoder) isStructured(e *envelope.Event) bool {
	if c.structured || e.DataContentType == "" {
		return c.structured
	}
	_, _, nested := envelope.DetectStructured(e.DataContentType)
	return nested
}

func (c *encoder) binary(r *kgo.Record, e *envelope.Event, s *scratch) {
	r.Value = e.Data
	s.header(contentTypeName, e.ContentType())
	for name, value := range e.Attributes {
		s.headers = append(s.headers, kgo.RecordHeader{Key: s.attribute(name), Value: headerValue(value)})
	}
}

// whole writes the event in structured mode.
func (c *encoder) whole(r *kgo.Record, e *envelope.Event, s *scratch) (err error) {
	f := format.Or(c.format)
	s.header(contentTypeName, format.MediaType(f))
	if e.RawFormat == f && len(e.Raw) > 0 {
		r.Value = e.Raw
		return nil
	}
	start := len(s.text)
	if s.text, err = format.Append(f, s.text, e); err != nil {
		return bindings.Permanent(bindings.ReasonUnencodable, "", fmt.Errorf("kafka: %w", err))
	}
	r.Value = s.text[start:len(s.text):len(s.text)]
	return nil
}

// malformed writes what could not be decoded as it came, with the dead letter's attributes beside it.
func (c *encoder) malformed(r *kgo.Record, e *envelope.Event, s *scratch) {
	r.Value = e.Data
	s.header(contentTypeName, e.DataContentType)
	for i := range e.NumExtensions() {
		a := e.Extension(i)
		s.headers = append(s.headers, kgo.RecordHeader{Key: s.attribute(a.Name), Value: headerValue(a.Value)})
	}
}

// headerValue keeps an empty value from becoming a null header, which would mean an absent attribute.
func headerValue(value string) []byte {
	if value == "" {
		return []byte{}
	}
	return envelope.Bytes(value)
}

// header appends a header that has a value.
func (s *scratch) header(name, value string) {
	if value != "" {
		s.headers = append(s.headers, kgo.RecordHeader{Key: name, Value: envelope.Bytes(value)})
	}
}

// attribute returns the header name of an attribute.
func (s *scratch) attribute(name string) string {
	switch name {
	case "specversion":
		return "ce_specversion"
	case "id":
		return "ce_id"
	case "source":
		return "ce_source"
	case "type":
		return "ce_type"
	case "subject":
		return "ce_subject"
	case "time":
		return "ce_time"
	case "dataschema":
		return "ce_dataschema"
	}
	start := len(s.text)
	s.text = append(append(s.text, attributePrefix...), name...)
	return envelope.String(s.text[start:])
}

// address gives the record its topic and key.
func (c *encoder) address(r *kgo.Record, e *envelope.Event, s *scratch) (err error) {
	r.Topic = c.static
	if c.static == "" {
		start := len(s.text)
		if s.text, err = c.topic.Append(s.text, e); err != nil {
			return err
		}
		if err = c.allowed.check(s.text[start:]); err != nil {
			return err
		}
		r.Topic = s.topic(s.text[start:])
		s.text = s.text[:start]
	}
	switch c.key {
	case keyKeep:
		if e.Meta.Transport == kind {
			r.Key = e.Key
		}
	case keySubject:
		r.Key = keyOf(e.Subject)
	case keyPartitionKey:
		if a := e.FindExtension("partitionkey"); a != nil {
			r.Key = keyOf(a.Value)
		}
	case keyTemplate:
		start := len(s.text)
		if s.text, err = c.keyText.Append(s.text, e); err != nil {
			return err
		}
		r.Key = s.text[start:len(s.text):len(s.text)]
	}
	return nil
}

// keyOf returns the bytes of a key, nil for the attribute that is not there.
func keyOf(value string) []byte {
	if value == "" {
		return nil
	}
	return envelope.Bytes(value)
}
