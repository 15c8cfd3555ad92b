package protobuf

import (
	"encoding/base64"

	"github.com/eventrouter/router/envelope"
)

// Append appends the event: the original bytes if it came in this format and is untouched.
func Append(dst []byte, e *envelope.Event) []byte {
	if e.RawFormat == envelope.FormatProtobuf && e.Raw != nil {
		return append(dst, e.Raw...)
	}
	dst = appendBytes(dst, fieldID, e.ID)
	dst = appendBytes(dst, fieldSource, e.Source)
	dst = appendBytes(dst, fieldSpecVersion, envelope.SpecVersion)
	dst = appendBytes(dst, fieldType, e.Type)
	for a := range e.TypedAttributes {
		switch a.Name {
		case "id", "source", "type":
		default:
			dst = appendAttribute(dst, a)
		}
	}
	switch {
	case e.Data == nil:
	case e.TextData():
		dst = appendBytes(dst, fieldTextData, e.Data)
	default:
		dst = appendBytes(dst, fieldBinaryData, e.Data)
	}
	return dst
}

// AppendBatch appends the events as a batch.
func AppendBatch(dst []byte, events []*envelope.Event) []byte {
	for _, e := range events {
		var mark int
		dst, mark = begin(dst, batchEvents)
		dst = end(Append(dst, e), mark)
	}
	return dst
}

// appendAttribute appends one entry of the map.
func appendAttribute(dst []byte, a envelope.Attr) []byte {
	dst, entry := begin(dst, fieldAttributes)
	dst = appendBytes(dst, entryKey, a.Name)
	dst, value := begin(dst, entryValue)
	dst = appendValue(dst, a)
	return end(end(dst, value), entry)
}

// appendValue appends the value in its type. One whose text is not of its type travels as a string.
func appendValue(dst []byte, a envelope.Attr) []byte {
	kind := a.Kind
	if !envelope.ValidValue(a.Value, kind) {
		kind = envelope.KindString
	}
	switch kind {
	case envelope.KindBoolean:
		v := uint64(0)
		if a.Value == "true" {
			v = 1
		}
		return appendVarint(dst, valueBoolean, v)
	case envelope.KindInteger:
		if n, ok := parseInt(a.Value); ok {
			return appendVarint(dst, valueInteger, uint64(int64(n)))
		}
	case envelope.KindBinary:
		if b, err := base64.StdEncoding.DecodeString(a.Value); err == nil {
			return appendBytes(dst, valueBytes, b)
		}
	case envelope.KindURI:
		return appendBytes(dst, valueURI, a.Value)
	case envelope.KindURIRef:
		return appendBytes(dst, valueURIRef, a.Value)
	case envelope.KindTimestamp:
		return appendTimestamp(dst, a.Value)
	case envelope.KindUntyped, envelope.KindString:
	}
	return appendBytes(dst, valueString, a.Value)
}
