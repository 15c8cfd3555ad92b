// Package kafka reads events from and writes them to Apache Kafka and what speaks its protocol.
//
// It implements the Kafka protocol binding of CloudEvents 1.0.2
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md): the record key
// (§3.1), binary content mode (§3.2) and structured content mode in the JSON, protobuf, XML and Avro formats (§3.3). A null record value is
// an event without data and the other way round, so tombstones pass; a value of length zero is present and empty.
// Attribute values are raw UTF-8 in both directions, never percent-encoded (§3.2.3.1).
//
// # Our own conventions, where the specification is silent
//
//   - The header name content-type is matched in any case, ce_ names exactly. Of several content-type headers the
//     last one counts; a second header of one attribute makes the message malformed; a header with a null value
//     counts as absent.
//   - ce_datacontenttype is read where there is no content-type, and never written.
//   - application/cloudevents-batch+json is not defined for Kafka: such a record is malformed, and
//     so are batches in other formats.
//   - An event whose datacontenttype is itself a CloudEvents media type is written structured whatever the mode,
//     because a binary record would be read back as the inner event.
//   - Other headers travel in Event.Meta and are written again only where the event came from Kafka. Nothing of the
//     record (offset, partition, key) becomes an attribute.
//   - With lenient decoding, ce- headers count as ce_ headers, and a record without content-type and ce_ headers
//     whose value is a JSON object with a specversion counts as structured.
//   - A record that is no event is shown to the adapters that the source has (package adapter). A record that is several
//     events counts as done when all of them are.
//   - A message that could not be decoded, on its way to a dead letter topic, is written as its own bytes with its own
//     media type; the dead letter's attributes are ce_ headers beside it.
//
// # Keys and order
//
// key: keep copies the record key byte for byte, null included, when the event came from Kafka. An event from another
// transport has no record key, so keep gives it a null one: its order is then lost, because Kafka spreads records
// without key over the partitions. Where that order matters, name the key: key: "{nats.subject}" for events that NATS
// ordered by subject, key: subject or key: partitionkey for those ordered by an attribute. A key taken from an
// attribute that an event lacks is null.
//
// The sink keeps the order of what goes to one partition, within a Send and across Sends that follow each other. Each
// Send has a producer of its own while it runs, and hands all its records over before the first of them is sent;
// when one then fails, the client fails every later one of its partition with it. A client keeps the records of a topic
// that is new to it aside at first; the Send waits until they are in their places, or gives them up after two seconds
// where it has others to send. Records without key share a partition for the length of a Send. Where the broker refuses a batch because of one of its records, the sink narrows
// it down to that record by sending the batch's parts one after the other, in order.
//
// # Sizes
//
// Brokers bound a batch, so the sink bounds a record alone in one, before compression: by the topic's max.message.bytes,
// which Ready reads, or where the topic is a template by a broker's message.max.bytes. A Send asks again before it refuses
// an event, because an operator may have raised the limit for it. Where it may not be read, or the topic takes less than
// the broker, the broker refuses, and the record is found as above.
//
// # Delivery
//
// The source keeps a list of delivered records for every assignment of a partition and commits only the position in
// front of the oldest one that is not done; see [tracker]. What is done beyond it, for each sink, is stored in the metadata
// of the commit; see [doneLedger]. The next assignment, in whatever process, skips that.
//
// What an earlier assignment still has in flight when a partition moves on can no longer be committed. If the partition
// comes back to the process, as it does after a lost connection, its list is resumed, and reading goes on behind what was
// emitted. A position that is no longer in the log, or a topic that was deleted and recreated, stops the source with an
// error rather than skip what was lost.
package kafka
