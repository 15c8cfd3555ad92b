// Package http is the CloudEvents binding for HTTP: an ingress that receives events and a sink that posts them, with
// the web hook rules on both sides. It stands on net/http alone.
//
// # Specification
//
// Implemented are the HTTP protocol binding 1.0.3-wip (binary, structured and batched content mode, with the
// percent-encoding of header values, §3.1.3.2) and the web hook specification 1.0.3-wip (delivery, authorization,
// abuse protection as sender and as receiver):
//
//   - https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md
//   - https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md
//
// Signatures follow Standard Webhooks (https://www.standardwebhooks.com), errors RFC 9457 problem details.
//
// # What is this package's own convention
//
//   - Only POST carries events. The batched mode is recognised first because its media type has the structured one's
//     as a prefix; a structured content type wins over ce- headers. A media type that begins with
//     application/cloudevents and names a format this package does not know is answered with 415.
//   - A request without any ce- header that is not structured either is no CloudEvent: it is shown to the
//     adapters that the source has (package adapter), which for SNS also have the header with the subscription's ARN;
//     then it is wrapped if the source says how, and answered with 400 otherwise.
//   - ce-datacontenttype must not be sent. It is tolerated where it equals Content-Type and is never passed on.
//   - A body of zero length is no data.
//   - One bad event in a batch refuses the whole request before any event of it is routed. An empty batch is 204.
//   - Meta.Channel is the path; Meta.MessageID is the sender's webhook-id, Idempotency-Key or X-Request-Id in that
//     order, so that a repetition of a wrapped request keeps its id, and random otherwise; Meta.Headers holds
//     traceparent and tracestate and nothing else, because other headers may carry credentials. The sink passes
//     those two on for events that came over HTTP.
//
// # Limits of the ingress
//
// An event of 64 KiB must pass in the least efficient encoding (cloudevents 1.0 §Size Limits). In binary mode a
// character of two bytes costs six in a header, so request headers may have 256 KiB, not more; the usual 64 KiB would
// refuse such an event. What that size would let through is bounded by number: extension attributes by the
// configured limit (64 by default) and header fields by 256. Bodies are bounded by max_body after they were inflated.
//
// Headers must arrive within 5 s, each read of a body within 10 s and the whole body within 30 s. A request with both
// Content-Length and Transfer-Encoding, or with a folded header line, is answered with 400 on plain connections. Over TLS
// the bytes are not visible at that level; there every chunked HTTP/1.1 request ends its connection, so that what
// follows it is never read as a second request (RFC 9112 §6.3).
//
// # Requests in files
//
// ReadCapture reads a request that was kept in a file by the code of the ingress: the same framing is refused, chunks and
// gzip are undone, and the same decoder makes the events. It knows no source, so neither a source's max_body nor its
// adapters, wrap or header_encoding.
//
// # Header of the sink
//
// Servers bound the header and say so only by refusing it, many of them above 8 KiB. A binary event whose request would
// have more than max_header leaves structured; 413 and 431 are refusals for good, with the sizes in the error. Every byte
// counts that HTTP/1.1 writes from the first line to the empty one, whichever version is spoken. A header that leaves no room
// for any event is a mistake in the configuration, unless no request is binary.
//
// # Answers
//
// 204 says that every event of the request is delivered on every route, dead-lettered, or dropped by a stated policy.
// When that is not so by reply_timeout the answer is 503, the events stay with the router and may well be delivered: a
// sender that repeats them then causes duplicates, never a loss.
package http
