// Package sqs reads events from and writes events to Amazon SQS.
//
// No CloudEvents binding for SQS exists, neither an official one nor a proprietary one that the specification lists.
// What this package does is a convention, close to the Kafka and HTTP bindings:
//
//   - Structured mode, the default of the sink: the body is the event in the JSON format, or in the XML format on request,
//     and one message attribute content-type says so; protobuf and Avro do not fit, because a body is text. It is the only mode that always fits.
//   - Binary mode, on request: the body is the event's data as text, each attribute is a String message attribute
//     ce-NAME with the plain UTF-8 text of its value, and content-type is the datacontenttype. An event falls back to
//     structured mode by itself where binary cannot carry it: more than ten message attributes, no data or empty data
//     (a body has at least one character), data or values with characters that XML 1.0 does not have, an empty value,
//     or a datacontenttype that would read as structured mode.
//
// A structured event leaves byte for byte as it came, with one exception: U+FFFE and U+FFFF, which SQS refuses, are
// written as JSON escapes.
//
// The source recognises, in this order: a content-type (or Content-Type) attribute of structured mode, a ce-specversion
// (or ce_specversion) attribute, a body that is a JSON event. Then come the adapters that the configuration names
// (package adapter), which read the same convention inside SNS notifications. A message that is several events is deleted
// once all of them are confirmed.
//
// # Delivery
//
// A message is deleted after its events were confirmed, in batches whose every entry is accounted for. Until then the source
// extends its visibility at half the timeout. A message that comes again while it is in flight is not emitted
// again: its newer receipt handle replaces the older one, because a delete with an old handle deletes nothing and
// reports success. A failed message becomes visible again after a back-off, at once when the router stops. In a FIFO
// queue what comes after a failed message of the same group is given back with it, even where it was delivered:
// a duplicate is allowed, an event that overtakes an earlier one of its group is not.
//
// A receive that is cut off when the router stops may have taken messages that nobody saw; they come back after the
// visibility timeout.
//
// The sink never puts two events of one message group into the same request to a FIFO queue. Entries of a request
// succeed and fail one by one, and a group whose first entry failed and whose second was accepted is out of order for
// good.
//
// # Credentials
//
// Both sides use the default credential chain of the AWS SDK and nothing else: the environment (AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), the shared configuration files (AWS_PROFILE, AWS_CONFIG_FILE,
// AWS_SHARED_CREDENTIALS_FILE), web identity (AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE), and the roles of containers
// and instances. Emulators such as ElasticMQ and LocalStack take any key, but there must be one. The source needs
// sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and sqs:GetQueueUrl, the sink sqs:SendMessage and
// sqs:GetQueueUrl; with sqs:GetQueueAttributes they know the queue's limits and its redrive policy. The sink asks for the
// size limit again before it refuses an event, because an operator may have raised it for that.
//
// # Allocations
//
// The codec allocates nothing per event: values alias the message, and the sink's buffers are recycled. The AWS SDK
// does allocate, for JSON, signatures and checksums, several dozen times per message.
package sqs
