package adapter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
)

const (
	contentType = "content-type"
	prefix      = "ce-"
	altPrefix   = "ce_"
	specVersion = "specversion"

	// usualAttributes is how many attributes a message of SQS may have; SNS sets no bound.
	usualAttributes = 10
)

// Attributes are the message attributes that SQS and SNS have beside a text, with values as the transport's client has
// them.
type Attributes[V any] struct {
	Values map[string]V
	// Text returns what a value says, and whether it is text rather than bytes.
	Text func(V) (text string, isText bool)
}

// ContentType returns the media type that the attributes name, empty if they name none.
func (a Attributes[V]) ContentType() string {
	for _, name := range [...]string{contentType, "Content-Type"} {
		if v, ok := a.Values[name]; ok {
			media, _ := a.Text(v)
			return media
		}
	}
	return ""
}

// Names appends the names that begin with prefix in their order, because a map has none and an event that is read twice
// is to be the same twice. There are few, so insertion is fastest.
func (a Attributes[V]) Names(dst []string, prefix string) []string {
	for name := range a.Values {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		i := len(dst)
		dst = append(dst, name)
		for ; i > 0 && dst[i-1] > name; i-- {
			dst[i] = dst[i-1]
		}
		dst[i] = name
	}
	return dst
}

// Decode reads the event that a text and its attributes are, as package sqs describes it, into e, which is empty; its
// values alias both. A text without any sign of being an event is envelope.ErrNotCloudEvent.
func (a Attributes[V]) Decode(e *envelope.Event, body string, o envelope.Options) error {
	if f, batch, ok := envelope.DetectStructured(a.ContentType()); ok {
		if batch || !format.Text(f) {
			return &envelope.AttributeError{Attribute: contentType, Rule: "must name the JSON or the XML format of one event, because a message body is text"}
		}
		if err := format.Parse(f, e, envelope.Bytes(body), o); !errors.Is(err, envelope.ErrNotCloudEvent) {
			return err
		}
		// The sender says that it is one, so it is not a foreign message to be wrapped.
		return &envelope.AttributeError{Attribute: specVersion, Rule: "is required"}
	}
	if _, ok := a.Values[prefix+specVersion]; ok {
		return a.binary(e, body, prefix, o)
	}
	if _, ok := a.Values[altPrefix+specVersion]; ok {
		return a.binary(e, body, altPrefix, o)
	}
	return sniff(e, body, o)
}

var errNoSign = fmt.Errorf("%w: it has no structured content-type, no ce-specversion attribute, and no JSON object with a specversion as its body", envelope.ErrNotCloudEvent)

// sniff takes a body that is a JSON event for one. JSON that holds no event, or text that only looks like JSON, is none.
func sniff(e *envelope.Event, body string, o envelope.Options) error {
	if !strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "{") || !strings.Contains(body, `"`+specVersion+`"`) {
		return errNoSign
	}
	err := envelope.ParseJSON(e, envelope.Bytes(body), o)
	if errors.Is(err, envelope.ErrNotCloudEvent) {
		return errNoSign
	}
	return err
}

// binary reads an event whose attributes are the message's.
func (a Attributes[V]) binary(e *envelope.Event, body, prefix string, o envelope.Options) error {
	var r envelope.AttributeReader
	r.Begin(e, o)
	var room [usualAttributes]string
	for _, name := range a.Names(room[:0], prefix) {
		value, isText := a.Text(a.Values[name])
		if !isText {
			return &envelope.AttributeError{Attribute: name, Rule: "must be of type String"}
		}
		if err := r.Attribute(name[len(prefix):], value); err != nil {
			return err
		}
	}
	if media := a.ContentType(); media != "" && e.DataContentType == "" {
		e.DataContentType = media
	}
	e.Data = envelope.Bytes(body) // never empty: a body has at least one character
	return r.Finish()
}
