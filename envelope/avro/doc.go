// Package avro reads and writes the Avro event format: application/cloudevents+avro. The format has no batch.
//
//   - https://github.com/cloudevents/spec/blob/main/cloudevents/formats/avro-format.md
//
// A message is the bare binary encoding of one record of the specification's schema: without a container, a single-object
// header or a schema registry's prefix, of which the specification knows none. Lengths, counts and depth are bounded by
// the message.
//
// # What the format changes
//
//   - String, URI, URI-reference, Timestamp and untyped values are all an Avro string; they arrive untyped.
//   - The Integer -0 becomes 0.
//   - Data is always written as bytes, because the schema's representation of JSON makes doubles of its numbers, puts the
//     members of objects in no order and cannot nest what JSON can. An event without data has null there.
//   - Data that came in that representation becomes JSON text, a string under a content type that is not JSON its own
//     text. Null is no data: the schema's field cannot be absent, so it cannot tell the two apart.
package avro
