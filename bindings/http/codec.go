package http

import (
	"errors"
	"fmt"
	nethttp "net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
)

// Limits of a message's header, see the package documentation.
const (
	defaultMaxAttributes = 64
	coreAttributes       = 8
	maxHeaderFields      = 256
	maxBatchEvents       = 4096
)

const (
	contentType = "Content-Type"
	prefix      = "ce-"
	// snsSubscription is the header in which SNS names the subscription that it delivers for.
	snsSubscription = "X-Amz-Sns-Subscription-Arn"
)

// message is what this binding's codec works on: the header and the body of a request, without the request.
type message struct {
	Header nethttp.Header
	Body   []byte
}

// decoder holds how requests of one source are read.
type decoder struct {
	options envelope.Options
	coding  envelope.HeaderCoding
}

// unsupportedError is a message in a format that the binding does not take: 415.
type unsupportedError struct{ what string }

func (e *unsupportedError) Error() string { return e.what }

// countError is a message with too many of something: status says which answer.
type countError struct {
	what   string
	status int
}

func (e *countError) Error() string { return e.what }

// mode tells a message's content mode. ok is false for binary.
func mode(h nethttp.Header) (f envelope.Format, batch, ok bool, err error) {
	values := h[contentType]
	if len(values) > 1 {
		return 0, false, false, &envelope.AttributeError{Attribute: contentType, Rule: "is there more than once"}
	}
	if len(values) == 0 {
		return 0, false, false, nil
	}
	if f, batch, ok = envelope.DetectStructured(values[0]); !ok {
		return 0, false, false, nil
	}
	if f == envelope.FormatNone {
		return 0, false, false, &unsupportedError{contentType +
			": this format or charset is not supported; JSON, protobuf, XML and Avro are, in utf-8, and batches of the first three"}
	}
	return f, batch, true, nil
}

// decode fills dst, which is empty, with a message in binary or structured mode. Strings and data alias m.
func (d *decoder) decode(dst *envelope.Event, m message) error {
	f, batch, structured, err := mode(m.Header)
	switch {
	case err != nil:
		return err
	case batch:
		return &unsupportedError{contentType + ": a batch where one event is expected"}
	case structured:
		return format.Parse(f, dst, m.Body, d.options)
	}
	return d.decodeBinary(dst, m)
}

// decodeBatch calls add for each event of a message in batched mode.
func (d *decoder) decodeBatch(m message, add func() *envelope.Event) error {
	f, _, _, err := mode(m.Header)
	if err != nil {
		return err
	}
	n := 0
	var scratch envelope.Event
	err = format.ParseBatch(format.Or(f), m.Body, d.options, func() *envelope.Event {
		if n++; n > maxBatchEvents { // the parser cannot be stopped from here, but it can be given nothing to keep
			scratch.Reset()
			return &scratch
		}
		return add()
	})
	if n > maxBatchEvents {
		return &countError{fmt.Sprintf("the batch holds more than %d events", maxBatchEvents), nethttp.StatusRequestEntityTooLarge}
	}
	return err
}

// attribute is one ce- header while a message is decoded.
type attribute struct{ key, name string }

func (d *decoder) decodeBinary(dst *envelope.Event, m message) error {
	var room [defaultMaxAttributes + coreAttributes]attribute
	found := room[:0]
	for key := range m.Header {
		if len(key) >= len(prefix) && strings.EqualFold(key[:len(prefix)], prefix) {
			found = append(found, attribute{key, lower(key[len(prefix):])})
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("%w: no ce- header and no application/cloudevents content type", envelope.ErrNotCloudEvent)
	}
	if limit := d.options.MaxAttributes; limit > 0 && len(found) > limit+coreAttributes {
		return &countError{"too many ce- headers", nethttp.StatusRequestHeaderFieldsTooLarge}
	}
	// A map has no order. Sorted, the same request always becomes the same event.
	slices.SortFunc(found, func(a, b attribute) int { return strings.Compare(a.name, b.name) })

	var r envelope.AttributeReader
	r.Begin(dst, d.options)
	for _, a := range found {
		if err := d.attribute(&r, a, m.Header); err != nil {
			return headerError(a.name, err)
		}
	}
	if v := m.Header[contentType]; len(v) > 0 {
		if err := r.Attribute("datacontenttype", v[0]); err != nil {
			return &envelope.AttributeError{Attribute: contentType, Rule: rule(err)}
		}
	}
	if err := r.Finish(); err != nil {
		return headerError("", err)
	}
	if len(m.Body) > 0 {
		dst.Data = m.Body
	}
	return nil
}

// attribute hands one ce- header to the reader.
func (d *decoder) attribute(r *envelope.AttributeReader, a attribute, h nethttp.Header) error {
	values := h[a.key]
	if len(values) != 1 {
		return errors.New("is there more than once")
	}
	if a.name == "datacontenttype" {
		if ct := h[contentType]; len(ct) != 1 || ct[0] != values[0] {
			return errors.New("belongs into Content-Type, and says something else than that")
		}
		return nil
	}
	value, err := envelope.DecodeHeaderValue(values[0], d.coding)
	if err != nil {
		return errors.New(rule(err))
	}
	if !utf8.ValidString(value) {
		return errors.New("is not UTF-8")
	}
	return r.Attribute(a.name, value)
}

// attributeName reports whether s is made of a-z and 0-9.
func attributeName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// headerError names the header instead of the attribute. Without a name, err has one.
func headerError(name string, err error) error {
	var ae *envelope.AttributeError
	if errors.As(err, &ae) && name == "" {
		name = ae.Attribute
	}
	return &envelope.AttributeError{Attribute: prefix + name, Rule: rule(err)}
}

// rule returns what err says without the attribute's name.
func rule(err error) string {
	if ae, ok := errors.AsType[*envelope.AttributeError](err); ok {
		return ae.Rule
	}
	return err.Error()
}

// lower returns name in lower case. Names that occur in most requests are constants, so that net/http's canonical
// spelling of them costs no allocation.
func lower(name string) string {
	switch name {
	case "Id":
		return "id"
	case "Source":
		return "source"
	case "Type":
		return "type"
	case "Specversion":
		return "specversion"
	case "Time":
		return "time"
	case "Subject":
		return "subject"
	case "Dataschema":
		return "dataschema"
	case "Partitionkey":
		return "partitionkey"
	case "Traceparent":
		return "traceparent"
	case "Tracestate":
		return "tracestate"
	}
	return strings.ToLower(name)
}

// headerName returns the header of an attribute as net/http spells it.
func headerName(attribute string) string {
	switch attribute {
	case "id":
		return "Ce-Id"
	case "source":
		return "Ce-Source"
	case "type":
		return "Ce-Type"
	case "specversion":
		return "Ce-Specversion"
	case "time":
		return "Ce-Time"
	case "subject":
		return "Ce-Subject"
	case "dataschema":
		return "Ce-Dataschema"
	case "partitionkey":
		return "Ce-Partitionkey"
	case "traceparent":
		return "Ce-Traceparent"
	case "tracestate":
		return "Ce-Tracestate"
	}
	return nethttp.CanonicalHeaderKey(prefix + attribute)
}

// effectiveMode returns the mode that an event really leaves in. The structured mode takes what the binary one would
// change or hide: a nested event, whose content type would make the receiver read the inner event instead of the
// outer one; a content type that is no header value; and, for web hooks, which need a payload and its type, an event
// without one of them.
func effectiveMode(e *envelope.Event, asked bindings.Mode, webhook bool) bindings.Mode {
	if e.Malformed != nil {
		return bindings.ModeBinary // it has no attributes that another mode could carry
	}
	if asked == bindings.ModeStructured || asked == bindings.ModeBatch {
		return asked
	}
	ct := e.ContentType()
	_, _, nested := envelope.DetectStructured(ct)
	if nested || !headerSafe(ct) || webhook && (ct == "" || len(e.Data) == 0) {
		return bindings.ModeStructured
	}
	return bindings.ModeBinary
}

// encode writes one event into m, whose header is not nil, in binary mode, or in structured mode and format f. The body
// may alias e.Data.
func encode(m *message, e *envelope.Event, mode bindings.Mode, f envelope.Format) error {
	if mode == bindings.ModeStructured {
		body, err := format.Append(f, make([]byte, 0, e.Size()+256), e)
		if err != nil {
			return unencodable(err)
		}
		m.Header[contentType], m.Body = []string{format.MediaType(f)}, body
		return nil
	}
	ct := e.ContentType()
	if !headerSafe(ct) {
		return bindings.Permanent(bindings.ReasonUnencodable, "",
			errors.New("http: datacontenttype holds characters that a header cannot"))
	}
	// One array holds the values of all headers; a value is a slice of length one of it.
	values := make([]string, 0, coreAttributes+e.NumExtensions())
	put := func(key, value string) {
		if n := len(values); n < cap(values) {
			values = append(values, value)
			m.Header[key] = values[n : n+1 : n+1]
			return
		}
		m.Header[key] = []string{value}
	}
	if ct != "" {
		put(contentType, ct)
	}
	for name, value := range e.Attributes {
		if e.Malformed != nil && e.FindExtension(name) == nil {
			continue
		}
		if !attributeName(name) {
			return bindings.Permanent(bindings.ReasonUnencodable, "",
				fmt.Errorf("http: attribute %q has a name that a header cannot carry", name))
		}
		if !envelope.PlainHeaderValue(value) {
			value = string(envelope.AppendHeaderValue(nil, value))
		}
		put(headerName(name), value)
	}
	m.Body = e.Data
	return nil
}

// unencodable makes the error of an event that its sink's format cannot hold permanent.
func unencodable(err error) error {
	return bindings.Permanent(bindings.ReasonUnencodable, "", fmt.Errorf("http: %w", err))
}

// encodeBatch writes events into m in batched mode and format f.
func encodeBatch(m *message, events []*envelope.Event, f envelope.Format) error {
	size := 2
	for _, e := range events {
		size += e.Size() + 256
	}
	body, err := format.AppendBatch(f, make([]byte, 0, size), events)
	if err != nil {
		return unencodable(err)
	}
	m.Header[contentType], m.Body = []string{format.BatchMediaType(f)}, body
	return nil
}
