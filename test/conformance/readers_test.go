package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	_ "google.golang.org/protobuf/types/known/anypb" // the schema imports it
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/eventrouter/router/envelope"
)

// What stands here reads the formats beside JSON without a line of the codecs that it judges: protobuf with the protobuf
// library by the specification's schema, XML with encoding/xml token by token, Avro byte by byte.

// coreTypes are the types of the attributes that the specification defines.
var coreTypes = map[string]envelope.Kind{
	"id": envelope.KindString, "source": envelope.KindURIRef, "type": envelope.KindString, "subject": envelope.KindString,
	"time": envelope.KindTimestamp, "datacontenttype": envelope.KindString, "dataschema": envelope.KindURI,
}

// addTyped gives an event an attribute that a format states the type of. A time that protobuf cannot hold is a string.
func addTyped(e *envelope.Event, name, value string, kind envelope.Kind) error {
	want, core := coreTypes[name]
	switch {
	case !core:
		if e.FindExtension(name) != nil {
			return fmt.Errorf("%s is there twice", name)
		}
		e.AddExtension(name, value, kind)
		return nil
	case kind != want && kind != envelope.KindUntyped && (name != "time" || kind != envelope.KindString):
		return fmt.Errorf("%s is of type %d, want %d", name, kind, want)
	}
	if _, twice := e.Get(name); twice {
		return fmt.Errorf("%s is there twice", name)
	}
	e.Set(name, value, envelope.KindString)
	return nil
}

// cloudEventProto is the specification's cloudevents.proto as a descriptor.
const cloudEventProto = `
name: "cloudevents.proto" package: "io.cloudevents.v1" syntax: "proto3"
dependency: ["google/protobuf/any.proto", "google/protobuf/timestamp.proto"]
message_type {
  name: "CloudEvent" oneof_decl { name: "data" }
  field { name: "id" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "source" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "spec_version" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "type" number: 4 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "attributes" number: 5 type: TYPE_MESSAGE label: LABEL_REPEATED type_name: ".io.cloudevents.v1.CloudEvent.AttributesEntry" }
  field { name: "binary_data" number: 6 type: TYPE_BYTES label: LABEL_OPTIONAL oneof_index: 0 }
  field { name: "text_data" number: 7 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
  field { name: "proto_data" number: 8 type: TYPE_MESSAGE label: LABEL_OPTIONAL oneof_index: 0 type_name: ".google.protobuf.Any" }
  nested_type {
    name: "AttributesEntry" options { map_entry: true }
    field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "value" number: 2 type: TYPE_MESSAGE label: LABEL_OPTIONAL type_name: ".io.cloudevents.v1.CloudEvent.CloudEventAttributeValue" }
  }
  nested_type {
    name: "CloudEventAttributeValue" oneof_decl { name: "attr" }
    field { name: "ce_boolean" number: 1 type: TYPE_BOOL label: LABEL_OPTIONAL oneof_index: 0 }
    field { name: "ce_integer" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL oneof_index: 0 }
    field { name: "ce_string" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
    field { name: "ce_bytes" number: 4 type: TYPE_BYTES label: LABEL_OPTIONAL oneof_index: 0 }
    field { name: "ce_uri" number: 5 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
    field { name: "ce_uri_ref" number: 6 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
    field { name: "ce_timestamp" number: 7 type: TYPE_MESSAGE label: LABEL_OPTIONAL oneof_index: 0 type_name: ".google.protobuf.Timestamp" }
  }
}`

// protoSchema compiles the schema once.
var protoSchema = sync.OnceValue(func() protoreflect.MessageDescriptor {
	file := new(descriptorpb.FileDescriptorProto)
	if err := prototext.Unmarshal([]byte(cloudEventProto), file); err != nil {
		panic(err)
	}
	return must(protodesc.NewFile(file, protoregistry.GlobalFiles)).Messages().ByName("CloudEvent")
})

func readProtobuf(body []byte) (*envelope.Event, error) {
	schema := protoSchema()
	m := dynamicpb.NewMessage(schema)
	if err := proto.Unmarshal(body, m); err != nil {
		return nil, err
	}
	if len(m.GetUnknown()) > 0 {
		return nil, errors.New("it has fields that the schema does not have")
	}
	get := func(name protoreflect.Name) protoreflect.Value { return m.Get(schema.Fields().ByName(name)) }
	e := &envelope.Event{ID: get("id").String(), Source: get("source").String(), Type: get("type").String()}
	if v := get("spec_version").String(); v != "1.0" {
		return e, fmt.Errorf("spec_version is %q", v)
	}
	var bad error
	get("attributes").Map().Range(func(name protoreflect.MapKey, v protoreflect.Value) bool {
		value, kind, err := protoValue(v.Message())
		if err == nil {
			err = addTyped(e, name.String(), value, kind)
		}
		if err != nil {
			bad = fmt.Errorf("%s: %w", name, err)
		}
		return bad == nil
	})
	switch f := m.WhichOneof(schema.Oneofs().ByName("data")); {
	case f == nil:
	case f.Name() == "binary_data":
		e.Data, e.DataKind = append([]byte{}, m.Get(f).Bytes()...), envelope.DataBinary
	case f.Name() == "text_data":
		e.Data, e.DataKind = []byte(m.Get(f).String()), envelope.DataText
	default:
		return e, errors.New("the router does not write proto_data")
	}
	return e, bad
}

// protoValue returns the text and the type of an attribute.
func protoValue(m protoreflect.Message) (value string, kind envelope.Kind, err error) {
	f := m.WhichOneof(m.Descriptor().Oneofs().ByName("attr"))
	if f == nil {
		return "", 0, errors.New("has no value")
	}
	v := m.Get(f)
	switch f.Number() {
	case 1:
		return strconv.FormatBool(v.Bool()), envelope.KindBoolean, nil
	case 2:
		return strconv.FormatInt(v.Int(), 10), envelope.KindInteger, nil
	case 3:
		return v.String(), envelope.KindString, nil
	case 4:
		return base64.StdEncoding.EncodeToString(v.Bytes()), envelope.KindBinary, nil
	case 5:
		return v.String(), envelope.KindURI, nil
	case 6:
		return v.String(), envelope.KindURIRef, nil
	}
	stamp := new(timestamppb.Timestamp)
	encoded, err := proto.Marshal(v.Message().Interface())
	if err == nil {
		err = errors.Join(proto.Unmarshal(encoded, stamp), stamp.CheckValid())
	}
	return stamp.AsTime().Format(time.RFC3339Nano), envelope.KindTimestamp, err
}

// The namespaces of the XML format.
const (
	xmlEvents   = "http://cloudevents.io/xmlformat/V1"
	xmlTypes    = "http://www.w3.org/2001/XMLSchema"
	xmlInstance = "http://www.w3.org/2001/XMLSchema-instance"
)

// readXML reads an event as the router writes it: prefixes are declared at the root.
func readXML(body []byte) (*envelope.Event, error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	e := new(envelope.Event)
	prefixes := map[string]string{}
	var open *xml.StartElement // the element of the event that is open
	var text strings.Builder
	depth, version := 0, ""
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if depth != 0 || version != "1.0" {
				err = fmt.Errorf("the document ends %d deep, and specversion is %q", depth, version)
			} else {
				err = nil
			}
			return e, err
		}
		if err != nil {
			return e, err
		}
		switch v := token.(type) {
		case xml.StartElement:
			depth++
			if v.Name.Space != xmlEvents || depth > 2 || depth == 1 && v.Name.Local != "event" {
				return e, fmt.Errorf("an element %v, %d deep", v.Name, depth)
			}
			if depth == 1 {
				version = xmlRoot(v, prefixes)
				continue
			}
			start := v.Copy()
			open = &start
			text.Reset()
		case xml.EndElement:
			if depth--; depth == 1 {
				if err := xmlElement(e, open, text.String(), prefixes); err != nil {
					return e, err
				}
			}
		case xml.CharData:
			if depth == 2 {
				text.Write(v)
			} else if len(bytes.TrimSpace(v)) > 0 {
				return e, fmt.Errorf("text %q outside the event's elements", v)
			}
		}
	}
}

// xmlRoot notes the prefixes that the root declares and returns its specversion.
func xmlRoot(root xml.StartElement, prefixes map[string]string) (version string) {
	for _, a := range root.Attr {
		switch {
		case a.Name.Space == "xmlns":
			prefixes[a.Name.Local] = a.Value
		case a.Name == xml.Name{Local: "specversion"}:
			version = a.Value
		}
	}
	return version
}

// xmlElement takes an attribute, or the data.
func xmlElement(e *envelope.Event, start *xml.StartElement, text string, prefixes map[string]string) error {
	name, kind := start.Name.Local, xml.Name{}
	for _, a := range start.Attr {
		if a.Name.Space == xmlInstance && a.Name.Local == "type" {
			prefix, local, _ := strings.Cut(a.Value, ":")
			kind = xml.Name{Space: prefixes[prefix], Local: local}
		}
	}
	if name == "data" {
		switch kind {
		case xml.Name{Space: xmlTypes, Local: "string"}:
			e.Data, e.DataKind = []byte(text), envelope.DataText
			return nil
		case xml.Name{Space: xmlTypes, Local: "base64Binary"}:
			data, err := base64.StdEncoding.DecodeString(text)
			e.Data, e.DataKind = append([]byte{}, data...), envelope.DataBinary
			return err
		}
		return fmt.Errorf("data is of type %v", kind)
	}
	if kind == (xml.Name{}) {
		return addTyped(e, name, text, envelope.KindUntyped)
	}
	typed, ok := map[string]envelope.Kind{
		"boolean": envelope.KindBoolean, "integer": envelope.KindInteger, "string": envelope.KindString, "binary": envelope.KindBinary,
		"uri": envelope.KindURI, "uriRef": envelope.KindURIRef, "timestamp": envelope.KindTimestamp,
	}[kind.Local]
	if !ok || kind.Space != xmlEvents {
		return fmt.Errorf("%s is of type %v", name, kind)
	}
	return addTyped(e, name, text, typed)
}

// avroBytes are the bytes of an Avro record that were not read; a read beyond their end panics with errShort.
type avroBytes []byte

var errShort = errors.New("the record ends too early")

func (b *avroBytes) take(n int) []byte {
	if n < 0 || n > len(*b) {
		panic(errShort)
	}
	taken := (*b)[:n]
	*b = (*b)[n:]
	return taken
}

func (b *avroBytes) long() int {
	var u uint64
	for shift := 0; shift < 64; shift += 7 {
		c := b.take(1)[0]
		u |= uint64(c&0x7f) << shift
		if c < 0x80 {
			break
		}
	}
	return int(u>>1) ^ -int(u&1)
}

func (b *avroBytes) text() string { return string(b.take(b.long())) }

// readAvro reads the record of the specification's schema: a map of attributes, and data, which the router writes as
// bytes or null.
func readAvro(body []byte) (e *envelope.Event, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = r.(error)
		}
	}()
	b := avroBytes(body)
	e = new(envelope.Event)
	version := ""
	for count := b.long(); count != 0; count = b.long() {
		if count < 0 {
			count = -count
			b.long()
		}
		for range count {
			name := b.text()
			value, kind := b.attribute()
			if name == "specversion" {
				version = value
			} else if err := addTyped(e, name, value, kind); err != nil {
				return e, err
			}
		}
	}
	switch branch := b.long(); branch {
	case 0:
		e.Data = append([]byte{}, b.take(b.long())...)
	case 1:
	default:
		return e, fmt.Errorf("data is of branch %d", branch)
	}
	if len(b) > 0 || version != "1.0" {
		return e, fmt.Errorf("%d bytes follow, and specversion is %q", len(b), version)
	}
	return e, nil
}

// attribute reads one value of the map: null, boolean, int, string or bytes. A string has no type of CloudEvents.
func (b *avroBytes) attribute() (value string, kind envelope.Kind) {
	switch branch := b.long(); branch {
	case 1:
		return strconv.FormatBool(b.take(1)[0] == 1), envelope.KindBoolean
	case 2:
		return strconv.Itoa(b.long()), envelope.KindInteger
	case 3:
		return b.text(), envelope.KindUntyped
	case 4:
		return base64.StdEncoding.EncodeToString(b.take(b.long())), envelope.KindBinary
	default:
		panic(fmt.Errorf("an attribute of branch %d", branch))
	}
}
