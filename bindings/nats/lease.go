package nats

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// ackPrefix is what the acknowledgement subjects of JetStream begin with.
const ackPrefix = "$JS.ACK."

// token names a message of a stream. The time tells it from a message that got the same sequence after the stream was
// deleted and recreated.
type token struct {
	seq    uint64
	stored int64 // nanoseconds since 1970
}

// receipt is what the server says of a delivery.
type receipt struct {
	token
	deliveries int    // of the message, this one included
	order      uint64 // of all deliveries of the durable, without gaps
}

// parseReply reads the receipt out of a message's acknowledgement subject, which is
// $JS.ACK.STREAM.CONSUMER.DELIVERED.SEQ.CSEQ.TIME.PENDING or, since server 2.11,
// $JS.ACK.DOMAIN.ACCOUNT.STREAM.CONSUMER.DELIVERED.SEQ.CSEQ.TIME.PENDING[.more].
func parseReply(reply string) (r receipt, ok bool) {
	rest, ok := strings.CutPrefix(reply, ackPrefix)
	if !ok {
		return receipt{}, false
	}
	skip := 2
	if strings.Count(rest, ".") >= 8 {
		skip = 4
	}
	for range skip {
		if _, rest, ok = strings.Cut(rest, "."); !ok {
			return receipt{}, false
		}
	}
	var n [4]uint64
	for i := range n {
		var part string
		part, rest, _ = strings.Cut(rest, ".")
		if n[i], ok = parseUint(part); !ok {
			return receipt{}, false
		}
	}
	return receipt{token{seq: n[1], stored: int64(n[3])}, int(n[0]), n[2]}, true
}

func parseUint(s string) (n uint64, ok bool) {
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return n, s != ""
}

// lease is a message we hold: unacknowledged at the server, or acknowledged without an answer yet.
type lease struct {
	reply  string // empty since the durable was reset, until the message comes again
	stored int64
	after  uint64 // the message that was delivered before it
	born   uint32 // the round of extensions in which it was taken
}

// leases are all messages a source holds.
type leases struct {
	mu    sync.Mutex // guards what follows
	held  map[uint64]lease
	round uint32
}

func newLeases() *leases { return &leases{held: map[uint64]lease{}} }

// take records a message. It is false for one that is held already, whose newer reply subject is kept instead.
func (l *leases) take(t token, reply string, after uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old, ok := l.held[t.seq]; ok && old.stored == t.stored {
		old.reply, old.after = reply, after
		l.held[t.seq] = old
		return false
	}
	l.held[t.seq] = lease{reply: reply, stored: t.stored, after: after, born: l.round}
	return true
}

// reply returns where to answer a held message, empty if that is not known at present. ok is false once the token is
// void, because its sequence means another message now.
func (l *leases) reply(t token) (reply string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.held[t.seq]
	return h.reply, ok && h.stored == t.stored
}

// drop forgets a message and returns after which it was delivered.
func (l *leases) drop(t token) (after uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.held[t.seq]
	if !ok || h.stored != t.stored {
		return 0, false
	}
	delete(l.held, t.seq)
	return h.after, true
}

// void forgets all reply subjects: the durable was reset, and what is held comes again.
func (l *leases) void() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for seq, h := range l.held {
		h.reply = ""
		l.held[seq] = h
	}
}

// part forgets what lies between the messages.
func (l *leases) part() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for seq, h := range l.held {
		h.after = seq - 1
		l.held[seq] = h
	}
}

func (l *leases) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held)
}

// rest forgets everything and returns the reply subjects of it in the order of the stream.
func (l *leases) rest() (replies []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, seq := range slices.Sorted(maps.Keys(l.held)) {
		if reply := l.held[seq].reply; reply != "" {
			replies = append(replies, reply)
		}
	}
	clear(l.held)
	return replies
}

// due begins the next round and appends the reply subjects of everything that was not taken in the last two: younger
// messages have more than a third of their time left at the next round.
func (l *leases) due(dst []string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.round++
	for _, h := range l.held {
		if l.round-h.born >= 2 && h.reply != "" {
			dst = append(dst, h.reply)
		}
	}
	return dst
}

// extend tells the server every third of ackWait that everything held is still being worked on, until ctx is done.
func (l *leases) extend(ctx context.Context, ackWait time.Duration, publish func(reply string)) {
	tick := time.NewTicker(ackWait / 3)
	defer tick.Stop()
	var replies []string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		replies = l.due(replies[:0])
		for _, r := range replies {
			publish(r)
		}
		clear(replies)
	}
}
