package nats

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"
)

// ackPrefix is what the acknowledgement subjects of JetStream begin with.
const ackPrefix = "$JS.ACK."

// token names a message of a stream. The time tells it from a message that got the same sequence after the stream was
// deleted and made again.
type token struct {
	seq    uint64
	stored int64 // nanoseconds since 1970
}

// parseReply reads a message's token and how often it was delivered out of its acknowledgement subject, which is
// $JS.ACK.STREAM.CONSUMER.DELIVERED.SEQ.CSEQ.TIME.PENDING or, since server 2.11,
// $JS.ACK.DOMAIN.ACCOUNT.STREAM.CONSUMER.DELIVERED.SEQ.CSEQ.TIME.PENDING[.more].
func parseReply(reply string) (t token, delivered int, ok bool) {
	rest, ok := strings.CutPrefix(reply, ackPrefix)
	if !ok {
		return token{}, 0, false
	}
	skip := 2
	if strings.Count(rest, ".") >= 8 {
		skip = 4
	}
	for range skip {
		if _, rest, ok = strings.Cut(rest, "."); !ok {
			return token{}, 0, false
		}
	}
	var n [4]uint64
	for i := range n {
		var part string
		part, rest, _ = strings.Cut(rest, ".")
		if n[i], ok = parseUint(part); !ok {
			return token{}, 0, false
		}
	}
	return token{seq: n[1], stored: int64(n[3])}, int(n[0]), true
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
	reply  string
	stored int64
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
func (l *leases) take(t token, reply string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old, ok := l.held[t.seq]; ok && old.stored == t.stored {
		old.reply = reply
		l.held[t.seq] = old
		return false
	}
	l.held[t.seq] = lease{reply: reply, stored: t.stored, born: l.round}
	return true
}

// reply returns where to answer a held message. ok is false once the token is void, because its sequence means
// another message now.
func (l *leases) reply(t token) (reply string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.held[t.seq]
	return h.reply, ok && h.stored == t.stored
}

// drop forgets messages.
func (l *leases) drop(tokens ...token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range tokens {
		if h, ok := l.held[t.seq]; ok && h.stored == t.stored {
			delete(l.held, t.seq)
		}
	}
}

// due begins the next round and appends the reply subjects of everything that was not taken in the last two: younger
// messages have more than a third of their time left at the next round.
func (l *leases) due(dst []string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.round++
	for _, h := range l.held {
		if l.round-h.born >= 2 {
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
