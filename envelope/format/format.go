// Package format is the one place that knows all structured event formats: bindings ask it for whatever may travel in
// structured or batched mode. JSON, which every binding has to know, is in package envelope itself.
package format

import (
	"fmt"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/avro"
	"github.com/eventrouter/router/envelope/protobuf"
	"github.com/eventrouter/router/envelope/xml"
)

// ByName returns the format that a configuration calls so, JSON for the empty name; ok is false for an unknown one.
func ByName(name string) (f envelope.Format, ok bool) {
	switch name {
	case "", "json":
		return envelope.FormatJSON, true
	case "protobuf":
		return envelope.FormatProtobuf, true
	case "xml":
		return envelope.FormatXML, true
	case "avro":
		return envelope.FormatAvro, true
	}
	return envelope.FormatNone, false
}

// Or returns f, or JSON where f is none: what a sink writes unless it was told otherwise.
func Or(f envelope.Format) envelope.Format {
	if f == envelope.FormatNone {
		return envelope.FormatJSON
	}
	return f
}

// Text reports whether messages of the format are UTF-8 text, so that carriers of text can have them.
func Text(f envelope.Format) bool { return f == envelope.FormatJSON || f == envelope.FormatXML }

// HasBatch reports whether the format has a batch.
func HasBatch(f envelope.Format) bool {
	return f == envelope.FormatJSON || f == envelope.FormatProtobuf || f == envelope.FormatXML
}

// MediaType returns the media type of an event in the format, empty for FormatNone.
func MediaType(f envelope.Format) string {
	switch f {
	case envelope.FormatJSON:
		return "application/cloudevents+json"
	case envelope.FormatProtobuf:
		return "application/cloudevents+protobuf"
	case envelope.FormatXML:
		return "application/cloudevents+xml"
	case envelope.FormatAvro:
		return "application/cloudevents+avro"
	case envelope.FormatNone:
	}
	return ""
}

// BatchMediaType returns the media type of a batch in the format, empty for a format without.
func BatchMediaType(f envelope.Format) string {
	switch f {
	case envelope.FormatJSON:
		return "application/cloudevents-batch+json"
	case envelope.FormatProtobuf:
		return "application/cloudevents-batch+protobuf"
	case envelope.FormatXML:
		return "application/cloudevents-batch+xml"
	case envelope.FormatAvro, envelope.FormatNone:
	}
	return ""
}

// Parse decodes one event in the format into e, which the caller has Reset; see [envelope.ParseJSON], whose errors,
// aliasing and treatment of Raw all formats share. Only JSON can be ErrNotCloudEvent.
func Parse(f envelope.Format, e *envelope.Event, msg []byte, o envelope.Options) error {
	switch f {
	case envelope.FormatJSON:
		return envelope.ParseJSON(e, msg, o)
	case envelope.FormatProtobuf:
		return protobuf.Parse(e, msg, o)
	case envelope.FormatXML:
		return xml.Parse(e, msg, o)
	case envelope.FormatAvro:
		return avro.Parse(e, msg, o)
	case envelope.FormatNone:
	}
	return unknown(f)
}

// ParseBatch decodes a batch in the format; see [envelope.ParseJSONBatch].
func ParseBatch(f envelope.Format, msg []byte, o envelope.Options, add func() *envelope.Event) error {
	switch f {
	case envelope.FormatJSON:
		return envelope.ParseJSONBatch(msg, o, add)
	case envelope.FormatProtobuf:
		return protobuf.ParseBatch(msg, o, add)
	case envelope.FormatXML:
		return xml.ParseBatch(msg, o, add)
	case envelope.FormatAvro, envelope.FormatNone:
	}
	return unknown(f)
}

// Append appends the event in the format: its original bytes if it came in that format and is untouched. The error is
// an envelope.AttributeError for an event that the format cannot hold, which only XML has; dst is then as it was.
func Append(f envelope.Format, dst []byte, e *envelope.Event) ([]byte, error) {
	switch f {
	case envelope.FormatJSON:
		return envelope.AppendJSON(dst, e), nil
	case envelope.FormatProtobuf:
		return protobuf.Append(dst, e), nil
	case envelope.FormatXML:
		return xml.Append(dst, e)
	case envelope.FormatAvro:
		return avro.Append(dst, e), nil
	case envelope.FormatNone:
	}
	return dst, unknown(f)
}

// AppendBatch appends the events as a batch in the format.
func AppendBatch(f envelope.Format, dst []byte, events []*envelope.Event) ([]byte, error) {
	switch f {
	case envelope.FormatJSON:
		return envelope.AppendJSONBatch(dst, events), nil
	case envelope.FormatProtobuf:
		return protobuf.AppendBatch(dst, events), nil
	case envelope.FormatXML:
		return xml.AppendBatch(dst, events)
	case envelope.FormatAvro, envelope.FormatNone:
	}
	return dst, unknown(f)
}

// unknown is a message in a format, or a batch of one, that does not exist. Bindings refuse those by their media type.
func unknown(f envelope.Format) error {
	return &envelope.AttributeError{Rule: fmt.Sprintf("there is no event format %d of that shape", f)}
}
