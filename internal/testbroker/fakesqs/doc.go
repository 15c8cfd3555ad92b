// Package fakesqs is an Amazon SQS in process, for tests. It speaks the AWS JSON 1.0 protocol that the AWS SDKs speak,
// over a loopback port or, for tests in a synctest bubble, directly through an http.RoundTripper.
//
// What consumers and producers can observe follows the service: visibility timeouts and a new receipt handle for every
// receive, receive counts, long polls that wake on a send and when a message becomes visible again, FIFO groups that
// stay locked while one of their messages is in flight, deduplication for five minutes, redrive to a dead-letter queue,
// limits of sizes, attributes and characters, entries of a batch that succeed or fail one by one, checksums.
//
// What goes wrong in practice and never in a quiet test is scripted with [Server.OnCall]: errors, lost answers, batch
// entries that fail, are missing from the answer, or are answered under an unknown id.
//
// Not imitated: authentication (signatures are accepted unread), encryption, permissions, move tasks, throttling,
// retention, high-throughput FIFO, and the loss of order between messages that a standard queue is free to.
package fakesqs
