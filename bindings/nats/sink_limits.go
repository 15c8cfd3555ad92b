package nats

import (
	"context"
	"strconv"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// assumedPayload is the max_payload of servers that are not told otherwise.
const assumedPayload = 1 << 20

// codeStreamLimit is the server's code for a message that is larger than its stream takes.
var codeStreamLimit = strconv.Itoa(int(jetstream.JSErrCodeStreamMessageExceedsMaximum))

// size is what a server counts of the message that was encoded last: its header, if there is one, and its payload.
func (x *encoder) size() int {
	if len(x.msg.Header) == 0 {
		return len(x.msg.Data)
	}
	return len("NATS/1.0\r\n") + x.headerBytes + len("\r\n") + len(x.msg.Data)
}

// Limit returns the largest message, with its header, that the server or the stream takes. It follows the connection
// from one server to the next.
func (k *Sink) Limit() bindings.Limit {
	l := bindings.Limit{Bytes: assumedPayload, From: "max_payload, assumed as the servers' default"}
	k.link.mu.Lock()
	if k.link.nc != nil {
		l = serverLimit(k.link.nc)
	}
	k.link.mu.Unlock()
	if s := k.streamLimit(); s.Bytes > 0 && (l.Bytes == 0 || s.Bytes < l.Bytes) {
		return s
	}
	return l
}

// serverLimit is what the server has told that the client is, or was last, connected to.
func serverLimit(nc *natsgo.Conn) bindings.Limit {
	return bindings.Limit{Bytes: int(nc.MaxPayload()), From: "max_payload of the server"}
}

// streamLimit is the stream's own limit, none if it is not known.
func (k *Sink) streamLimit() bindings.Limit {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.largest
}

// limitOf is the limit of a stream's configuration.
func limitOf(stream string, bytes int32) bindings.Limit {
	if bytes <= 0 {
		return bindings.Limit{}
	}
	return bindings.Limit{Bytes: int(bytes), From: "stream " + stream + " max_msg_size"}
}

// tooLarge is the failure of the message that was encoded last. The code is the one that the client or the stream would
// have given.
func (k *Sink) tooLarge(x *encoder, l bindings.Limit) error {
	code := "max_payload"
	if l == k.streamLimit() {
		code = codeStreamLimit
	}
	return l.Exceeded("nats: subject "+x.msg.Subject, code, x.size())
}

// bound is what the stream takes during one Send.
type bound struct {
	sink     *Sink
	nc       *natsgo.Conn
	x        *encoder
	limit    bindings.Limit
	subjects []string // nil if they are not known
	asked    bool
	doubtful bool // something was published to a subject that is not among them
}

// ask reads what the stream takes, once for a Send, and reports whether it answered. Otherwise what was known stands.
func (b *bound) ask(ctx context.Context) bool {
	if b.asked {
		return false
	}
	b.asked = true
	c, err := b.sink.stream(ctx, b.nc)
	if err == nil {
		b.limit, b.subjects = limitOf(c.Name, c.MaxMsgSize), c.Subjects
	}
	return err == nil
}

// admit refuses the message that was encoded last if the stream does not take its size. An operator may have changed
// that, so before the first refusal the stream is asked again.
func (b *bound) admit(ctx context.Context) error {
	if b.limit.Refuses(b.x.size()) {
		b.ask(ctx)
	}
	if b.limit.Refuses(b.x.size()) {
		return b.sink.tooLarge(b.x, b.limit)
	}
	return nil
}

// explain adds size and limit to the stream's own refusals, which come where its limit was not known or is lower than
// it was. What the stream's configuration does not explain stays as the server put it.
func (b *bound) explain(ctx context.Context, events []*envelope.Event, errs bindings.BatchError) {
	for i, err := range errs {
		p, ok := err.(*bindings.PermanentError) //nolint:errorlint // as read made it
		if !ok || p.Code != codeStreamLimit {
			continue
		}
		b.ask(ctx)
		if b.sink.prepare(b.x, events[i]) != nil {
			continue
		}
		b.sink.stamp(b.x, events[i])
		if b.limit.Refuses(b.x.size()) {
			errs[i] = b.sink.tooLarge(b.x, b.limit)
		}
	}
}
