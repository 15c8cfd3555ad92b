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
//   - Meta.Channel is the path; Meta.MessageID is the sender's webhook-id or Idempotency-Key in that order, so that a repetition of a wrapped request keeps its id, and random otherwise; Meta.Headers holds
//     traceparent and tracestate and nothing else, because other headers may carry credentials. The sink passes
//     those two on for events that came over HTTP.
//
// # Limits of the ingress
//
// An event of 64 KiB must pass in the least efficient encoding (cloudevents 1.0 §Size Limits). In binary mode a
// character of two bytes costs six in a header, so request headers may have 256 KiB, not more; the usual 64 KiB would
// refuse such an event. What that size would let through is bounded by number: extension attributes by the
// configured limit (64 by default) and header lines by 256. Bodies are bounded by max_body after they were inflated.
//
// A header must arrive within 5 s of its first byte, a TLS handshake too; each read of a body within 10 s and the whole body
// within 30 s, with a kilobyte each second after the first five. Every answer has 10 s to be read. A request with both
// Content-Length and Transfer-Encoding, or with a folded header line, is answered with 400, over TLS as well.
//
// # Memory before a source has room
//
// net/http makes a map of a header while it reads it, many times as large, and bounds neither that nor the HTTP/2 frames of
// many connections together. So every connection has a guard between the (decrypted) bytes and net/http, guardConn:
//
//   - A header is given to net/http when all of it is there, one that breaks a limit never. What is held beyond 4 KiB a
//     connection, and headers that net/http has until the window counts their request, share 16 MiB in a process, a byte
//     counted four times, of which one address may have half; beyond, the answer is 503.
//   - TLS handshakes count the same way. Over HTTP/2 a header block is held until it is whole; what decoding it may take
//     counts apart, in 8 MiB, so that headers that do not end leave HTTP/2 to others. 1,024 streams at once may be on their
//     way to a window or to their refusal, and a peer that resets streams all the time, or makes the server answer and reads
//     nothing, loses its connection. A quarter of a port's connections may speak HTTP/2; the rest is offered HTTP/1.1.
//   - Room in the window is taken as a body arrives, and for the events of a batch as they are decoded: what they have in
//     memory, not what they had on the wire. One address may have half of it for bodies that have not arrived, one request
//     alone more. The room of an event comes back when it has ended, that of its message when all of its events have.
//   - A port that is full closes the connection that has been idle the longest, of the address with the most. One address
//     may have half of a port's connections.
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
