package xml

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/eventrouter/router/envelope"
)

const (
	preamble     = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	declarations = ` xmlns:ce="` + namespace + `" xmlns:xsi="` + instanceNamespace + `" xmlns:xs="` + schemaNamespace + `"`
)

// Append appends the event: the original bytes if it came in this format and is untouched. The error is an
// envelope.AttributeError for an event that has no XML form; dst is then as it was.
func Append(dst []byte, e *envelope.Event) ([]byte, error) {
	if e.RawFormat == envelope.FormatXML && e.Raw != nil {
		return append(dst, e.Raw...), nil
	}
	if err := representable(e); err != nil {
		return dst, err
	}
	return appendEvent(append(dst, preamble...), e, declarations), nil
}

// AppendBatch appends the events as a batch.
func AppendBatch(dst []byte, events []*envelope.Event) ([]byte, error) {
	for _, e := range events {
		if err := representable(e); err != nil {
			return dst, err
		}
	}
	dst = append(append(append(append(dst, preamble...), "<ce:batch"...), declarations...), '>')
	for _, e := range events {
		dst = appendEvent(dst, e, "")
	}
	return append(dst, "</ce:batch>"...), nil
}

// representable says what of an event XML cannot hold.
func representable(e *envelope.Event) error {
	for a := range e.TypedAttributes {
		if !envelope.ValidName(a.Name) || a.Name[0] >= '0' && a.Name[0] <= '9' {
			return &envelope.AttributeError{Attribute: a.Name, Rule: "cannot be the name of an XML element"}
		}
		if !legal(a.Value) {
			return &envelope.AttributeError{Attribute: a.Name, Rule: "has characters that XML has none for"}
		}
	}
	return nil
}

func appendEvent(dst []byte, e *envelope.Event, declared string) []byte {
	dst = append(append(append(dst, "<ce:event"...), declared...), ` specversion="`+envelope.SpecVersion+`">`...)
	for a := range e.TypedAttributes {
		dst = appendAttribute(dst, a)
	}
	switch {
	case e.Data == nil:
	case e.TextData() && legal(envelope.String(e.Data)):
		dst = append(dst, `<ce:data xsi:type="xs:string">`...)
		dst = append(appendEscaped(dst, envelope.String(e.Data)), "</ce:data>"...)
	default:
		dst = append(dst, `<ce:data xsi:type="xs:base64Binary">`...)
		dst = append(base64.StdEncoding.AppendEncode(dst, e.Data), "</ce:data>"...)
	}
	return append(dst, "</ce:event>"...)
}

// appendAttribute appends one element. Only extensions say their type: those of core attributes are known.
func appendAttribute(dst []byte, a envelope.Attr) []byte {
	dst = append(append(dst, "<ce:"...), a.Name...)
	if _, core := envelope.CoreKind(a.Name); !core {
		kind := a.Kind
		if !envelope.ValidValue(a.Value, kind) {
			kind = envelope.KindString
		}
		dst = append(append(append(dst, ` xsi:type="ce:`...), typeName(kind)...), '"')
	}
	dst = appendEscaped(append(dst, '>'), a.Value)
	return append(append(append(dst, "</ce:"...), a.Name...), '>')
}

// legal reports whether a text has only characters of XML 1.0.
func legal(s string) bool {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1, r < 0x20 && r != '\t' && r != '\n' && r != '\r', r == 0xfffe, r == 0xffff:
			return false
		}
		i += size
	}
	return true
}

// appendEscaped appends text as the content of an element or an attribute. A carriage return that stood as itself would
// reach every reader as a line feed; the other white space only loses itself in attributes, and is escaped for them.
func appendEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case '&':
			dst = append(dst, "&amp;"...)
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '"':
			dst = append(dst, "&quot;"...)
		case '\r':
			dst = append(dst, "&#13;"...)
		case '\n':
			dst = append(dst, "&#10;"...)
		case '\t':
			dst = append(dst, "&#9;"...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
