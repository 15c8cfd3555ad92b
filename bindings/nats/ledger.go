package nats

import (
	"context"
	"encoding/base64"
	enc "encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
)

const (
	// ledgerBucket is the key-value bucket that keeps what is done above the ack floors of durables.
	ledgerBucket = "router_done"
	// ledgerEvery is how often it is written, if anything has changed.
	ledgerEvery = 250 * time.Millisecond
	// ledgerRetry is the pause after the server has refused. It doubles up to ledgerRetryMost: a user that may not write
	// never may, and the client logs each try.
	ledgerRetry     = time.Minute
	ledgerRetryMost = time.Hour
	// ledgerBytes bounds an entry. What does not fit is repeated after a crash.
	ledgerBytes = 256 << 10
	ledgerMagic = "d2."
)

// record is what the ledger keeps of a durable.
type record struct {
	// identity stands for the stream, the durable and its subjects: of others, the sequences mean something else.
	identity uint64
	floor    uint64
	// newest is when the newest of the messages was stored. One that was stored later has taken the sequence of another.
	newest int64
	done   []stretch
	partly map[bindings.SinkID][]uint64 // messages that some sinks had
}

func identityOf(stream time.Time, c *jetstream.ConsumerInfo) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d %q %q", stream.UnixNano(), c.Created.UnixNano(), c.Config.FilterSubject, c.Config.FilterSubjects)
	return h.Sum64()
}

// encode writes the record, at most limit bytes of it: what is nearest the floor, and the messages that are done first.
func (r *record) encode(limit int) []byte {
	b := enc.AppendUvarint([]byte(ledgerMagic), r.identity)
	b = enc.AppendUvarint(b, r.floor)
	b = enc.AppendUvarint(b, uint64(r.newest))
	at := r.floor
	for _, s := range r.done {
		if len(b) > limit {
			return append(b, 0, 0)
		}
		b = enc.AppendUvarint(b, s.last-s.first+1)
		b = enc.AppendUvarint(b, s.first-at)
		b = enc.AppendUvarint(b, uint64(s.messages))
		at = s.last
	}
	b = append(b, 0) // no stretch has the length 0
	for sink, seqs := range r.partly {
		slices.Sort(seqs)
		b = enc.AppendUvarint(b, uint64(sink))
		at := r.floor
		for _, seq := range slices.Compact(seqs) {
			if len(b) > limit {
				break
			}
			if seq > at {
				b = enc.AppendUvarint(b, seq-at)
				at = seq
			}
		}
		b = append(b, 0)
	}
	return append(b, 0) // no sink has the id 0
}

// last returns the newest message above the floor that the record knows of, 0 if there is none.
func (r *record) last() (last uint64) {
	for _, s := range r.done {
		last = max(last, s.last)
	}
	for _, seqs := range r.partly {
		last = max(last, slices.Max(seqs))
	}
	if last <= r.floor {
		return 0
	}
	return last
}

var errLedger = errors.New("the entry is damaged, or of another version")

// decodeRecord reads what encode has written.
func decodeRecord(b []byte) (*record, error) {
	rest, ok := strings.CutPrefix(string(b), ledgerMagic)
	if !ok {
		return nil, errLedger
	}
	in := reader{[]byte(rest), nil}
	r := &record{identity: in.number(), partly: map[bindings.SinkID][]uint64{}}
	r.floor = in.number()
	r.newest = int64(in.number())
	at := r.floor
	for length := in.number(); length > 0 && in.err == nil; length = in.number() {
		first := at + in.number()
		s := stretch{first: first, last: first + length - 1, messages: int(in.number())}
		at = s.last
		r.done = append(r.done, s)
	}
	for sink := in.number(); sink > 0 && in.err == nil; sink = in.number() {
		at := r.floor
		for gap := in.number(); gap > 0 && in.err == nil; gap = in.number() {
			at += gap
			r.partly[bindings.SinkID(sink)] = append(r.partly[bindings.SinkID(sink)], at)
		}
	}
	if in.err != nil {
		return nil, in.err
	}
	return r, nil
}

// reader takes numbers off a slice.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) number() uint64 {
	n, size := enc.Uvarint(r.rest)
	if size <= 0 {
		r.err, r.rest = errLedger, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// ledger keeps a durable's record in a key-value bucket on the same server.
type ledger struct {
	key string
	log *zap.Logger

	kv    jetstream.KeyValue // nil until it was found
	after time.Time          // when to try again after the server has refused
	pause time.Duration      // of the last refusal
	said  string             // the last reason that was logged
	last  uint64             // newest message of the entry that was written last, 0 if it has none
}

func newLedger(stream, durable string, log *zap.Logger) *ledger {
	// A key may have fewer characters than the names of streams and durables.
	name := base64.RawURLEncoding.EncodeToString([]byte(stream)) + "." + base64.RawURLEncoding.EncodeToString([]byte(durable))
	return &ledger{key: name, log: log}
}

// load returns the durable's record, nil if there is none.
func (l *ledger) load(ctx context.Context, nc *natsgo.Conn, identity uint64) (*record, error) {
	js, err := jetStream(nc)
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, ledgerBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("nats: bucket %s: %w", ledgerBucket, unprefixed(err))
	}
	entry, err := kv.Get(ctx, l.key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("nats: bucket %s: %w", ledgerBucket, unprefixed(err))
	}
	r, err := decodeRecord(entry.Value())
	if err != nil {
		return nil, fmt.Errorf("nats: bucket %s: key %s: %w", ledgerBucket, l.key, err)
	}
	if r.identity != identity {
		return nil, nil // of a durable or a stream that was deleted
	}
	return r, nil
}

// writable reports whether it is worth a try to save.
func (l *ledger) writable(nc *natsgo.Conn) bool {
	return nc.IsConnected() && !time.Now().Before(l.after)
}

// passed reports whether the entry is out of date because the floor has passed all of it. Whoever sets the durable back to
// one of its messages wants that again, and the entry has to show a floor that says so.
func (l *ledger) passed(floor uint64) bool { return l.last > 0 && floor >= l.last }

// save writes the durable's record and reports whether it is written; replicas is for a bucket that has to be created.
func (l *ledger) save(ctx context.Context, nc *natsgo.Conn, r *record, replicas int) bool {
	err := l.put(ctx, nc, r.encode(min(ledgerBytes, int(nc.MaxPayload())/2)), replicas)
	if err == nil {
		l.after, l.pause, l.said, l.last = time.Time{}, 0, "", r.last()
		return true
	}
	l.kv = nil
	if !nc.IsConnected() {
		return false // tried again when the connection is back
	}
	l.pause = min(max(2*l.pause, ledgerRetry), ledgerRetryMost)
	l.after = time.Now().Add(l.pause)
	if err.Error() == l.said {
		return false
	}
	l.said = err.Error()
	l.log.Warn("nats: what is acknowledged above the durable's ack floor cannot be stored; a crash repeats it",
		zap.String("bucket", ledgerBucket), zap.Error(err))
	return false
}

func (l *ledger) put(ctx context.Context, nc *natsgo.Conn, value []byte, replicas int) error {
	if l.kv == nil {
		js, err := jetStream(nc)
		if err != nil {
			return err
		}
		l.kv, err = js.KeyValue(ctx, ledgerBucket)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			l.kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
				Bucket: ledgerBucket, Description: "what router has done above the ack floors of durables", Replicas: max(replicas, 1),
			})
		}
		if err != nil {
			return unprefixed(err)
		}
	}
	_, err := l.kv.Put(ctx, l.key, value)
	return err
}
