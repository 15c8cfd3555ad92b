// Package protobuf reads and writes the protobuf event format: application/cloudevents+protobuf and its batch.
//
// It follows cloudevents.proto of the specification (package io.cloudevents.v1), whose field names and numbers differ
// from those printed in protobuf-format.md:
//
//   - https://github.com/cloudevents/spec/blob/main/cloudevents/formats/cloudevents.proto
//   - https://github.com/cloudevents/spec/blob/main/cloudevents/formats/protobuf-format.md
//
// The wire format is read by hand, so that an event is decoded without generated structs, maps and copies; the tests
// hold this codec to the schema with the protobuf library's own decoder and encoder.
//
// # Where it is stricter than a generated decoder
//
// A field of the schema that is there twice, two values in one attribute, one name twice in the map, and a known field
// in another wire type are refused: decoders differ in which they take, and what is forwarded as it came must mean one
// thing to all. Groups are refused. Unknown fields are skipped; they survive only where the message leaves untouched in
// this format.
//
// # What the format changes
//
//   - A Timestamp is an instant in nanoseconds: its offset, its letters' case and further digits are lost. One that is
//     no such instant (year 0, a leap second) travels as ce_string, which is its canonical text.
//   - The Integer -0 becomes 0.
//   - An untyped value becomes a String.
//   - proto_data becomes the bytes of the message in it, of type application/protobuf unless the event says otherwise,
//     with the type URL as dataschema; it does not become proto_data again, except untouched in this format.
package protobuf
