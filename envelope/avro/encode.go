package avro

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"

	"github.com/eventrouter/router/envelope"
)

// Append appends the event: the original bytes if it came in this format and is untouched.
func Append(dst []byte, e *envelope.Event) []byte {
	if e.RawFormat == envelope.FormatAvro && e.Raw != nil {
		return append(dst, e.Raw...)
	}
	count := int64(1)
	for range e.TypedAttributes {
		count++
	}
	dst = binary.AppendVarint(dst, count)
	dst = appendAttribute(dst, envelope.Attr{Name: "specversion", Value: envelope.SpecVersion})
	for a := range e.TypedAttributes {
		dst = appendAttribute(dst, a)
	}
	dst = binary.AppendVarint(dst, 0)
	if e.Data == nil {
		return binary.AppendVarint(dst, dataNull)
	}
	return appendText(binary.AppendVarint(dst, dataBytes), e.Data)
}

// appendText appends bytes or a string.
func appendText[T string | []byte](dst []byte, v T) []byte {
	return append(binary.AppendVarint(dst, int64(len(v))), v...)
}

// appendAttribute appends one entry of the map. One whose text is not of its type travels as a string.
func appendAttribute(dst []byte, a envelope.Attr) []byte {
	dst = appendText(dst, a.Name)
	if envelope.ValidValue(a.Value, a.Kind) {
		switch a.Kind {
		case envelope.KindBoolean:
			v := byte(0)
			if a.Value == "true" {
				v = 1
			}
			return append(binary.AppendVarint(dst, attributeBoolean), v)
		case envelope.KindInteger:
			if n, err := strconv.ParseInt(a.Value, 10, 32); err == nil {
				return binary.AppendVarint(binary.AppendVarint(dst, attributeInt), n)
			}
		case envelope.KindBinary:
			if b, err := base64.StdEncoding.DecodeString(a.Value); err == nil {
				return appendText(binary.AppendVarint(dst, attributeBytes), b)
			}
		case envelope.KindUntyped, envelope.KindString, envelope.KindURI, envelope.KindURIRef, envelope.KindTimestamp:
		}
	}
	return appendText(binary.AppendVarint(dst, attributeString), a.Value)
}
