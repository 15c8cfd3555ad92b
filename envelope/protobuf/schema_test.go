package protobuf_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	// The schema's imports have to be registered for it to be resolved.
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
)

// schema compiles the specification's cloudevents.proto, written as a descriptor because no compiler is at hand.
func schema(t testing.TB) (event, batch protoreflect.MessageDescriptor) {
	t.Helper()
	const (
		str, byts, boolean, int32s = descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_BYTES,
			descriptorpb.FieldDescriptorProto_TYPE_BOOL, descriptorpb.FieldDescriptorProto_TYPE_INT32
		optional, repeated = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	)
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Type: kind.Enum(), Label: optional.Enum()}
	}
	message := func(name string, number int32, of string) *descriptorpb.FieldDescriptorProto {
		f := field(name, number, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE)
		f.TypeName = &of
		return f
	}
	oneOf := func(fields ...*descriptorpb.FieldDescriptorProto) []*descriptorpb.FieldDescriptorProto {
		for _, f := range fields {
			f.OneofIndex = proto.Int32(0)
		}
		return fields
	}
	many := func(f *descriptorpb.FieldDescriptorProto) *descriptorpb.FieldDescriptorProto {
		f.Label = repeated.Enum()
		return f
	}
	const pkg = ".io.cloudevents.v1.CloudEvent"
	value := &descriptorpb.DescriptorProto{
		Name:      new("CloudEventAttributeValue"),
		OneofDecl: []*descriptorpb.OneofDescriptorProto{{Name: new("attr")}},
		Field: oneOf(
			field("ce_boolean", 1, boolean), field("ce_integer", 2, int32s), field("ce_string", 3, str), field("ce_bytes", 4, byts),
			field("ce_uri", 5, str), field("ce_uri_ref", 6, str), message("ce_timestamp", 7, ".google.protobuf.Timestamp"),
		),
	}
	entry := &descriptorpb.DescriptorProto{
		Name:    new("AttributesEntry"),
		Field:   []*descriptorpb.FieldDescriptorProto{field("key", 1, str), message("value", 2, pkg+".CloudEventAttributeValue")},
		Options: &descriptorpb.MessageOptions{MapEntry: new(true)},
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: new("cloudevents.proto"), Package: new("io.cloudevents.v1"), Syntax: new("proto3"),
		Dependency: []string{"google/protobuf/any.proto", "google/protobuf/timestamp.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{
			Name:       new("CloudEvent"),
			NestedType: []*descriptorpb.DescriptorProto{entry, value},
			OneofDecl:  []*descriptorpb.OneofDescriptorProto{{Name: new("data")}},
			Field: append([]*descriptorpb.FieldDescriptorProto{
				field("id", 1, str), field("source", 2, str), field("spec_version", 3, str), field("type", 4, str),
				many(message("attributes", 5, pkg+".AttributesEntry")),
			}, oneOf(field("binary_data", 6, byts), field("text_data", 7, str), message("proto_data", 8, ".google.protobuf.Any"))...),
		}, {
			Name:  new("CloudEventBatch"),
			Field: []*descriptorpb.FieldDescriptorProto{many(message("events", 1, pkg))},
		}},
	}
	compiled, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Messages().ByName("CloudEvent"), compiled.Messages().ByName("CloudEventBatch")
}

// oracle is the protobuf library's own codec for the schema.
type oracle struct {
	event, batch protoreflect.MessageDescriptor
	value        protoreflect.MessageDescriptor
}

func newOracle(t testing.TB) *oracle {
	o := &oracle{}
	o.event, o.batch = schema(t)
	o.value = o.event.Messages().ByName("CloudEventAttributeValue")
	return o
}

// read decodes bytes by the schema.
func (o *oracle) read(msg []byte) (*dynamicpb.Message, error) {
	m := dynamicpb.NewMessage(o.event)
	return m, proto.Unmarshal(msg, m)
}

// which returns the name of the field that a oneof of the message has, empty for none, and its value.
func which(m protoreflect.Message, name protoreflect.Name) (string, protoreflect.Value) {
	f := m.WhichOneof(m.Descriptor().Oneofs().ByName(name))
	if f == nil {
		return "", protoreflect.Value{}
	}
	return string(f.Name()), m.Get(f)
}
