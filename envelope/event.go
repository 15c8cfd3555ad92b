// Package envelope holds the canonical CloudEvent: what every transport's binding decodes into and encodes from.
//
// An Event keeps the exact text of every attribute and the exact bytes of its data. Nothing on the way from a
// source to a sink passes through time.Time, url.URL, float64 or a map, because each of them changes what it holds.
//
// # Ownership
//
// Event structs are recycled by their batch; the bytes they point to never are. Strings and slices of an event may
// alias the message they came from, so nobody writes to them: a change of an event is a shallow copy (see
// [Event.CopyTo]) with other values. Who wants to keep an event after its batch was settled keeps a [Event.Clone].
package envelope

import "slices"

// SpecVersion is the only value of the specversion attribute this package accepts or writes.
const SpecVersion = "1.0"

// Kind is the CloudEvents type of an attribute value, as far as the carrier told it.
type Kind uint8

// The kinds. KindUntyped is a value from a carrier that knows only strings, such as an HTTP or Kafka header; it is
// written as a string wherever the target is typed.
const (
	KindUntyped Kind = iota
	KindString
	KindBoolean
	KindInteger
	KindBinary
	KindURI
	KindURIRef
	KindTimestamp
)

// Attr is one extension attribute: its name, the canonical text of its value, and its type.
type Attr struct {
	Name, Value string
	Kind        Kind
}

// DataKind tells what an event's data is, where the format it came in said so. It never changes the bytes; it
// decides between equally valid ways to write them.
type DataKind uint8

// The kinds of data. A JSON-format event without datacontenttype has DataJSON, which is why its data leaves other
// bindings as application/json.
const (
	DataUnknown DataKind = iota
	DataJSON
	DataText
	DataBinary
)

// Format is a structured event format.
type Format uint8

// The formats. FormatNone means that the event did not arrive structured.
const (
	FormatNone Format = iota
	FormatJSON
	FormatProtobuf
	FormatXML
	FormatAvro
)

// inlineExtensions is how many extension attributes an event holds without a spill slice.
const inlineExtensions = 6

// Header is a piece of transport metadata that is not a CloudEvents attribute. A nil Value is a null header, which
// only Kafka knows.
type Header struct {
	Name  string
	Value []byte
}

// Meta is what a transport knows of the message an event came in. It is kept apart from the attributes: it is never
// promoted to them, and only bindings of the same kind pass it on.
type Meta struct {
	// Transport is the kind of the source: "kafka", "nats", "sqs" or "http".
	Transport string
	// SourceName is the configured name of the source.
	SourceName string
	// Channel is the Kafka topic, the NATS subject, the SQS queue name or the HTTP path.
	Channel string
	// Stream is the JetStream stream, empty elsewhere.
	Stream string
	// Partition and Position locate a message: Kafka partition and offset, or JetStream stream sequence as Position.
	Partition int32
	Position  int64
	// MessageID is the SQS message id or the HTTP request id, empty elsewhere.
	MessageID string
	// Timestamp is when the message was written, as the transport says: Unix milliseconds, 0 if it does not.
	Timestamp int64
	// Deliveries counts how often the transport delivered this message, 0 if it does not say.
	Deliveries int
	// Headers are the message's other headers, in their order. Where the message is malformed they are all that it has;
	// otherwise CloudEvents headers are not among them.
	Headers []Header
}

// Event is a CloudEvent. The zero value is an event without attributes and data; Reset returns to it.
type Event struct {
	ID              string
	Source          string
	Type            string
	Subject         string
	Time            string
	DataContentType string
	DataSchema      string

	// Data is the payload. Nil means that there is none; a non-nil empty slice is a present, empty payload;
	// the four bytes "null" are a JSON null.
	Data     []byte
	DataKind DataKind

	// Raw are the bytes of the structured message the event came in, in format RawFormat, so that an event that
	// nobody touched leaves in the same format byte for byte. Every change of the event through its methods clears
	// them; who assigns to a field calls Touch.
	Raw       []byte
	RawFormat Format

	// Key is the source's own ordering key: the Kafka record key, the NATS subject, the SQS message group.
	// Nil means that the event has no order to keep.
	Key []byte

	// Variant tells apart different events that one route made of the same original; it takes part in delivery ids.
	Variant string

	// Malformed, when not nil, says why the message is not a CloudEvent. Data then holds the raw message body,
	// DataContentType its media type, and the attributes mean nothing.
	Malformed error

	Meta Meta

	inline [inlineExtensions]Attr
	spill  []Attr
	count  int
}

// Reset empties the event for reuse and keeps its spill and header capacity.
func (e *Event) Reset() {
	spill, headers := e.spill, e.Meta.Headers
	clear(spill)
	clear(headers)
	*e = Event{spill: spill[:0]}
	e.Meta.Headers = headers[:0]
}

// Touch says that a field was changed: the original structured bytes no longer describe the event.
func (e *Event) Touch() {
	e.Raw, e.RawFormat = nil, FormatNone
}

// NumExtensions returns how many extension attributes the event has.
func (e *Event) NumExtensions() int { return e.count }

// Extension returns the i-th extension attribute in order of arrival. It points into the event; callers do not
// write through it.
func (e *Event) Extension(i int) *Attr {
	if i < inlineExtensions {
		return &e.inline[i]
	}
	return &e.spill[i-inlineExtensions]
}

// FindExtension returns the extension attribute of that name, nil if there is none.
func (e *Event) FindExtension(name string) *Attr {
	for i := range e.count {
		if a := e.Extension(i); a.Name == name {
			return a
		}
	}
	return nil
}

// AddExtension appends an extension attribute without looking for one of the same name; decoders, which must refuse
// duplicates themselves, use it. It does not clear Raw.
func (e *Event) AddExtension(name, value string, kind Kind) {
	a := Attr{Name: name, Value: value, Kind: kind}
	if e.count < inlineExtensions {
		e.inline[e.count] = a
	} else {
		e.spill = append(e.spill, a)
	}
	e.count++
}

// Get returns the canonical text of an attribute, core or extension, by its CloudEvents name.
func (e *Event) Get(name string) (string, bool) {
	if p := e.core(name); p != nil {
		return *p, *p != ""
	}
	if name == "specversion" {
		return SpecVersion, true
	}
	if a := e.FindExtension(name); a != nil {
		return a.Value, true
	}
	return "", false
}

// Set gives an attribute a value, core or extension, and clears Raw. Setting specversion does nothing: it has one
// value. The name and the value are not checked; see Validate.
func (e *Event) Set(name, value string, kind Kind) {
	e.Touch()
	if name == "specversion" {
		return
	}
	if p := e.core(name); p != nil {
		*p = value
		return
	}
	if a := e.FindExtension(name); a != nil {
		a.Value, a.Kind = value, kind
		return
	}
	e.AddExtension(name, value, kind)
}

// Remove takes an attribute away and clears Raw. Removing what is not there does nothing.
func (e *Event) Remove(name string) {
	e.Touch()
	if p := e.core(name); p != nil {
		*p = ""
		return
	}
	for i := range e.count {
		if e.Extension(i).Name != name {
			continue
		}
		for j := i; j < e.count-1; j++ {
			*e.Extension(j) = *e.Extension(j + 1)
		}
		e.count--
		*e.Extension(e.count) = Attr{}
		if e.count >= inlineExtensions {
			e.spill = e.spill[:e.count-inlineExtensions]
		}
		return
	}
}

// core returns the field of a core attribute, nil for every other name. The switch is on the hot path of matching.
func (e *Event) core(name string) *string {
	switch name {
	case "id":
		return &e.ID
	case "source":
		return &e.Source
	case "type":
		return &e.Type
	case "subject":
		return &e.Subject
	case "time":
		return &e.Time
	case "datacontenttype":
		return &e.DataContentType
	case "dataschema":
		return &e.DataSchema
	}
	return nil
}

// ContentType returns the media type that says what Data is in a carrier of its own: datacontenttype where it is
// set, application/json where the JSON format implied it, and otherwise the empty string, which means unknown.
func (e *Event) ContentType() string {
	if e.DataContentType == "" && e.DataKind == DataJSON && e.Data != nil {
		return "application/json"
	}
	return e.DataContentType
}

// CopyTo makes dst a shallow copy that can be changed without changing e. Both share the bytes of their values.
func (e *Event) CopyTo(dst *Event) {
	spill, headers := dst.spill, dst.Meta.Headers
	*dst = *e
	dst.spill = append(spill[:0], e.spill...)
	dst.Meta.Headers = append(headers[:0], e.Meta.Headers...)
}

// Clone returns a deep copy that shares no memory with e.
func (e *Event) Clone() *Event {
	c := new(Event)
	e.CopyTo(c)
	for _, p := range []*string{
		&c.ID, &c.Source, &c.Type, &c.Subject, &c.Time, &c.DataContentType, &c.DataSchema, &c.Variant,
		&c.Meta.Transport, &c.Meta.SourceName, &c.Meta.Channel, &c.Meta.Stream, &c.Meta.MessageID,
	} {
		*p = string([]byte(*p))
	}
	for i := range c.count {
		a := c.Extension(i)
		a.Name, a.Value = string([]byte(a.Name)), string([]byte(a.Value))
	}
	for i := range c.Meta.Headers {
		h := &c.Meta.Headers[i]
		h.Name, h.Value = string([]byte(h.Name)), slices.Clone(h.Value)
	}
	c.Data, c.Raw, c.Key = slices.Clone(e.Data), slices.Clone(e.Raw), slices.Clone(e.Key)
	return c
}

// Size returns roughly how many bytes the event holds: its attribute values, headers, data and key.
func (e *Event) Size() int {
	n := len(e.ID) + len(e.Source) + len(e.Type) + len(e.Subject) + len(e.Time) + len(e.DataContentType) +
		len(e.DataSchema) + len(e.Key)
	for i := range e.count {
		a := e.Extension(i)
		n += len(a.Name) + len(a.Value)
	}
	for i := range e.Meta.Headers {
		n += len(e.Meta.Headers[i].Name) + len(e.Meta.Headers[i].Value)
	}
	return n + max(len(e.Data), len(e.Raw))
}
