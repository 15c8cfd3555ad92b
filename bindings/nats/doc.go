// Package nats reads CloudEvents from NATS and JetStream and writes them there.
//
// # The specification
//
// It implements the NATS protocol binding of CloudEvents,
// https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md: binary mode with one
// ce- header per attribute, datacontenttype among them, values percent-coded as in HTTP; and structured mode in the
// JSON format. A message is read as, in this order:
//
//  1. structured, if its Content-Type is application/cloudevents (any case of the header's name). The binding has the
//     JSON format only, and only that is written; the other formats are read where a Content-Type names them;
//  2. binary, if it has a ce-specversion or a ce-id header;
//  3. structured, if it has neither and its payload is a JSON object with a member specversion, which is what version
//     1.0.2 of the binding sends;
//  4. no CloudEvent otherwise, unless an adapter that the source has knows it (package adapter). A message of a stream
//     that is several events is acknowledged when all of them are done.
//
// Header names are folded to lower case; a CloudEvents header that is there twice after folding makes the event
// malformed. In binary mode a Content-Type without ce-datacontenttype is taken for it. An empty payload is no data.
//
// Our own conventions: headers that are not the binding's are kept as metadata and passed on from NATS to NATS, but for
// Nats-*, which command the server. The extension attributes of a binary event come in the order of their names, because
// the client keeps headers in a map. An event whose binary headers would pass the server's 64 KiB leaves structured.
//
// Sizes: the sink goes by max_payload of the server that it is connected to, and by max_msg_size of the stream, which it
// asks for again before it refuses an event.
//
// # Core NATS
//
// Core NATS is at most once. The source has no acknowledgement and nothing is replayed after a reconnect; it is ready when
// the server has confirmed that it read the subscriptions, and what is published before that is lost. When the router
// falls behind, the subscription's buffer (pending) fills and the client drops messages, which Dropped counts. It
// never publishes to the reply subject of a message. The sink publishes and then asks the server for a PONG: that proves
// that the server has the messages, not that anybody was subscribed.
//
// # JetStream
//
// The source is a durable pull consumer with explicit acknowledgement and no limit of deliveries. The binding pulls over
// a plain subscription instead of the client's iterator, because it asks only for what it may hold, and holds every
// message under a lease from the moment it arrives: one goroutine tells the server every ack_wait/3 that work is in
// progress on everything held. A message that is delivered again while it is held is not emitted again; its newest
// acknowledgement token replaces the old one.
//
// A message is acknowledged when its own events have ended. Acknowledgements are published in runs by one goroutine; the
// last of a run asks for an answer, and because the server handles them in order, the answer confirms the run. Until then the
// messages stay held, and the run is repeated. A message whose delivery failed is given back with a delay that grows with
// its deliveries.
//
// Order: messages are emitted in the order of the stream and the ordering key is the subject. What a process held that
// died, and what was on its way when a connection was lost, the server delivers after ack_wait and after later messages. So
// the durable's only reader resets it to its ack floor first (server 2.15). Readers know each other over core NATS, on
// _ROUTER.READER.STREAM.DURABLE. A hole in the server's count of deliveries, which the acknowledgement subject has, shows that
// messages went elsewhere: to the pull of a process that is gone, which the server had not noticed yet.
//
// A reset forgets acknowledgements above the floor. The source knows them as stretches of messages that followed each other by
// the server's count, so that nothing which another reader got is taken for done. They are kept in the key-value bucket
// router_done, with the sinks that had events which others still lack.
//
// A stop leaves what was not delivered unacknowledged, for the reset of the next start. Only when others read the durable,
// it is given back: after the pull is closed, after everything in flight is home, and in the order of the stream, because
// the server delivers it in the order in which it is given back, and moves what it has no pull for to the end.
//
// The sink publishes all events of a Send and waits for the stream's answer to each. Answers carry the attempt they
// belong to. Every message has a Nats-Msg-Id that is the same for every attempt (bindings.AppendDeliveryID), so that a
// repetition within the stream's duplicate window is stored once; repetitions are counted by Duplicates. It does not
// keep the order of one key within a Send: the server may refuse one message and take the next.
//
// A subject that the event made and the stream does not take is a permanent failure. The stream is asked for its subjects
// before the first refusal of a Send, so that an extended stream counts from the next event on. The server says "no
// responders" where nobody listens, and nothing where a core client does: an event without an answer, whose subject the
// stream still does not name, fails after a second or two, without the others of its Send. Subjects that the server maps on
// their way to the stream are taken: what an acknowledgement proves counts more than the stream's configuration. Every
// message has Nats-Expected-Stream, and only that stream's acknowledgement confirms it.
//
// How durable an acknowledged message is, is the server's matter: by default it writes to disk at once and syncs every
// two minutes.
package nats
