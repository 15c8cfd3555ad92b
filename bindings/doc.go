// Package bindings is the port between transports and the pipeline: what a source and a sink promise each other,
// the batch that travels between them, and the classes of errors they speak in.
//
// # The contract
//
// A [Source] reads messages, decodes each into an event of a [Batch], and hands the batch to emit. The pipeline
// settles it once, when every event of it has an outcome. A [Sink] sends events and says which were confirmed.
//
// A source MUST:
//
//   - take window for a batch before it emits it and give it back after the batch was settled;
//   - not read, write or recycle a batch between emit and Settle;
//   - turn every message it accepts into an event, a malformed event, or a refusal its transport can express;
//   - acknowledge a message only after Settle, and only if Err of its event is nil;
//   - return from Run only when every batch it emitted was settled and what can be acknowledged is acknowledged;
//   - own every goroutine it starts, and have none left when Run returns.
//
// A source MUST NOT retry a delivery, nor decide what happens to an event that failed for good.
//
// A sink MUST:
//
//   - report nil only for events its target confirmed by a positive answer to this very attempt;
//   - classify: [Permanent] where no repetition can help, [RetryAfter] where the target said when, anything else is
//     transient; [NotSent] for an event it did not even try;
//   - treat a timeout, a lost connection, a cancelled context and a missing batch entry as transient, never as done;
//   - return promptly when the context of Send is done, and keep no event after Send returned;
//   - be safe for several goroutines calling Send at once.
//
// A sink MUST NOT retry beyond what its client library does by itself, change an event, or log an error it returns.
//
// # The invariants
//
//  1. Every emitted batch is settled exactly once, whatever happens.
//  2. Err(i) is nil only if every matched sink confirmed event i, or the dead-letter sink did, or a stated policy
//     dropped it.
//  3. Settle comes after the last use of the batch; it does not block and does not emit.
//  4. A source never commits past an unsettled event of the same partition or group.
//  5. Events of one ordering key reach a given ordered sink in order, retries included.
//  6. Bytes in flight are bounded by configuration, over all sources, whatever the sinks do.
//  7. After the context is done, Run returns within the drain time, or the hard stop makes Send fail and the batches
//     come home as failed.
//  8. An unknown outcome (timeout, disconnect, cancelled, missing batch entry) is pending, never done.
//
// They are named by their number where the code enforces them and in the tests that hold them.
package bindings
