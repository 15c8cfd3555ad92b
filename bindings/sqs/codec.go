package sqs

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
)

const (
	contentTypeName = "content-type"
	prefix          = "ce-"
	altPrefix       = "ce_"
	specVersion     = "specversion"

	// maxAttributes is how many attributes a message may have.
	maxAttributes = 10
)

// attributes are a message's attributes as the SDK has them.
type attributes = map[string]types.MessageAttributeValue

// text returns an attribute's value, whatever its type, and whether that is text.
func text(a types.MessageAttributeValue) (value string, isText bool) {
	if a.StringValue != nil {
		return *a.StringValue, true
	}
	return envelope.String(a.BinaryValue), false
}

// readable makes message attributes readable to the package that knows how events look in them, which SNS shares.
func readable(attrs attributes) adapter.Attributes[types.MessageAttributeValue] {
	return adapter.Attributes[types.MessageAttributeValue]{Values: attrs, Text: text}
}

// carried reports whether an attribute is part of the event, and so not one of its other headers.
func carried(name string) bool {
	return strings.HasPrefix(name, prefix) || strings.HasPrefix(name, altPrefix) || strings.EqualFold(name, contentTypeName)
}

// decode reads a message into e, which the caller has reset; its values alias the message. A message without any sign
// of being an event is envelope.ErrNotCloudEvent.
func decode(e *envelope.Event, body string, attrs attributes, o envelope.Options) error {
	return readable(attrs).Decode(e, body, o)
}

// message is an event as it goes to a queue. Its strings point into its own buffers: it is reused, and what encode put
// into it is valid until the next encode.
type message struct {
	body      string
	attrs     attributes
	group     string // empty for none
	dedup     string // empty for none
	binary    bool
	size      int // as the service counts it
	buf       []byte
	names     []byte // of extension attributes, with their prefix
	keys      []byte // group and dedup
	values    [maxAttributes]string
	own       attributes // the map that attrs is in binary mode
	format    envelope.Format
	dataType  string     // "String", to be pointed to
	structure attributes // the constant attributes of structured mode
}

// newMessage returns a message whose structured mode is in format f, which is a text format.
func newMessage(f envelope.Format) *message {
	m := &message{format: f, dataType: "String", own: attributes{}}
	value := format.MediaType(f)
	m.structure = attributes{contentTypeName: {DataType: &m.dataType, StringValue: &value}}
	return m
}

// encode fills the message. The error is permanent: no queue would take the event.
func (m *message) encode(e *envelope.Event, mode bindings.Mode) error {
	m.binary = mode == bindings.ModeBinary && m.encodeBinary(e)
	if !m.binary {
		return m.encodeStructured(e)
	}
	return nil
}

func (m *message) encodeStructured(e *envelope.Event) error {
	var err error
	if m.buf, err = format.Append(m.format, m.buf[:0], e); err != nil {
		return bindings.Permanent(bindings.ReasonUnencodable, "", err)
	}
	if m.format == envelope.FormatJSON {
		m.buf = escapeNoncharacters(m.buf)
	}
	m.body, m.attrs = envelope.String(m.buf), m.structure
	m.size = len(m.body) + len(contentTypeName) + len(m.dataType) + len(format.MediaType(m.format))
	if !legal(m.body) {
		return bindings.Permanent(bindings.ReasonUnencodable, "InvalidMessageContents",
			errors.New("the event has characters that SQS does not take"))
	}
	return nil
}

// encodeBinary fills the message in binary mode and reports whether the event fits into it.
func (m *message) encodeBinary(e *envelope.Event) bool {
	media := e.ContentType()
	if _, _, structured := envelope.DetectStructured(media); structured || len(e.Data) == 0 {
		return false
	}
	clear(m.own)
	m.names = m.names[:0]
	m.body, m.attrs = envelope.String(e.Data), m.own
	m.size = len(m.body)
	if !legal(m.body) || media != "" && !m.put(contentTypeName, media) {
		return false
	}
	for name, value := range e.Attributes {
		if !m.put(m.prefixed(name), value) {
			return false
		}
	}
	return true
}

// put adds one attribute and reports whether it fits.
func (m *message) put(name, value string) bool {
	n := len(m.own)
	if n == maxAttributes || value == "" || !legal(value) {
		return false
	}
	m.values[n] = value
	m.own[name] = types.MessageAttributeValue{DataType: &m.dataType, StringValue: &m.values[n]}
	m.size += len(name) + len(m.dataType) + len(value)
	return true
}

// prefixed returns the name of the message attribute. The buffer may move while it grows; the names that were cut from
// it before stay where they were.
func (m *message) prefixed(name string) string {
	switch name {
	case specVersion:
		return prefix + specVersion
	case "id":
		return prefix + "id"
	case "source":
		return prefix + "source"
	case "type":
		return prefix + "type"
	case "subject":
		return prefix + "subject"
	case "time":
		return prefix + "time"
	}
	n := len(m.names)
	m.names = append(append(m.names, prefix...), name...)
	return envelope.String(m.names[n:])
}

// legal reports whether a text has only characters that SQS takes, those of XML 1.0.
func legal(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20 && c != '\t' && c != '\n' && c != '\r':
			return false
		case c == 0xEF && isNoncharacter(s[i:]):
			return false
		}
	}
	return utf8.ValidString(s)
}

// isNoncharacter reports whether s begins with U+FFFE or U+FFFF, which are UTF-8 and not XML.
func isNoncharacter(s string) bool {
	return len(s) >= 3 && s[0] == 0xEF && s[1] == 0xBF && s[2] >= 0xBE
}

// escapeNoncharacters writes U+FFFE and U+FFFF of a JSON text as escapes. They can only be within its strings, so that
// changes nothing of what it says.
func escapeNoncharacters(b []byte) []byte {
	for i := bytes.IndexByte(b, 0xEF); i >= 0 && i < len(b); i++ {
		if !isNoncharacter(envelope.String(b[i:])) {
			continue
		}
		escape := `\ufffe`
		if b[i+2] == 0xBF {
			escape = `\uffff`
		}
		b = append(b, "xxx"...)
		copy(b[i+len(escape):], b[i+3:])
		copy(b[i:], escape)
	}
	return b
}
