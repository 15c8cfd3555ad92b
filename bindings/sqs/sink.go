package sqs

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
)

// defaultTimeout bounds a request where the program sets no timeout.
const defaultTimeout = 30 * time.Second

// maxGroup is how many characters a message group id may have.
const maxGroup = 128

// Sink writes events to a queue.
type Sink struct {
	config   SinkConfig
	settings bindings.SinkSettings
	ref      queueRef
	client   *client
	group    *template.Template // nil for the default
	queue    atomic.Pointer[queue]
	pool     sync.Pool // of *scratch
}

// NewSink checks the configuration and builds a sink. It does not touch the network.
func NewSink(c SinkConfig, s bindings.SinkSettings) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	ref, err := parseQueue(c.Queue)
	if err != nil {
		return nil, err
	}
	cl, err := newClient(clientSettings{
		ref: ref, region: c.Region, endpoint: c.Endpoint, timeout: cmp.Or(s.Timeout, defaultTimeout), conns: s.Concurrency,
	})
	if err != nil {
		return nil, err
	}
	return newSink(c, s, ref, cl)
}

func newSink(c SinkConfig, s bindings.SinkSettings, ref queueRef, cl *client) (*Sink, error) {
	if s.Mode == bindings.ModeBatch {
		return nil, bindings.Invalid("mode", "batch exists only over HTTP; SQS has structured and binary")
	}
	s.Format = format.Or(s.Format)
	if !format.Text(s.Format) {
		return nil, bindings.Invalid("format", "an SQS message is text, so that only json and xml fit")
	}
	if s.Log == nil {
		s.Log = zap.NewNop()
	}
	k := &Sink{config: c, settings: s, ref: ref, client: cl}
	if c.GroupID != "" {
		t, err := template.Compile(c.GroupID, template.Raw)
		if err != nil {
			return nil, bindings.Invalid("group_id", "%w", err)
		}
		k.group = t
	}
	return k, nil
}

// Ready finds the queue and reads its limits.
func (s *Sink) Ready(ctx context.Context) error {
	_, err := s.found(ctx)
	return err
}

func (s *Sink) found(ctx context.Context) (*queue, error) {
	if q := s.queue.Load(); q != nil {
		return q, nil
	}
	return s.look(ctx)
}

// look reads the queue's attributes.
func (s *Sink) look(ctx context.Context) (*queue, error) {
	q, err := s.ref.resolve(ctx, s.client.Client, s.settings.Log)
	if err != nil {
		return nil, err
	}
	if s.config.Dedup == dedupContent && q.known && !q.contentDedup {
		return nil, fmt.Errorf("sqs: queue %s: dedup is content, but the queue's content-based deduplication is off", s.ref.name)
	}
	s.queue.Store(q)
	return q, nil
}

// Send puts the events into the queue, in as few requests as the limits allow.
func (s *Sink) Send(ctx context.Context, events []*envelope.Event) error {
	q, err := s.found(ctx)
	if err != nil {
		return err
	}
	sc, ok := s.pool.Get().(*scratch)
	if !ok {
		sc = &scratch{format: s.settings.Format}
	}
	defer s.pool.Put(sc)
	sc.begin(len(events))
	asked := false
	for i, e := range events {
		err := s.encode(sc.msgs[i], e, q.maxSize)
		if !asked && q.outgrown(err) {
			// An operator may have raised the queue's limit for the sake of this very event.
			asked = true
			if now, failed := s.look(ctx); failed == nil {
				q = now
				err = s.encode(sc.msgs[i], e, q.maxSize)
			}
		}
		if err != nil {
			sc.fail(i, err)
		}
	}
	for sc.cut(s.ref.fifo()) {
		if err := ctx.Err(); err != nil {
			sc.failRest(s.ref.wrap("send", err))
			break
		}
		s.request(ctx, q, sc)
	}
	return sc.result()
}

// Close lets go of the sink's connections.
func (s *Sink) Close(context.Context) error {
	s.client.close()
	return nil
}

// Limit returns the largest message that the queue takes, with its attributes; the service's own limit where the queue
// was not asked yet, or may not be.
func (s *Sink) Limit() bindings.Limit {
	q := s.queue.Load()
	if q == nil {
		q = &queue{maxSize: maxMessage}
	}
	from := "the service's, assumed"
	if q.sized {
		from = "queue " + s.ref.name + " MaximumMessageSize"
	}
	return bindings.Limit{Bytes: q.maxSize, From: from}
}

// Preview says what Send would put into the queue.
func (s *Sink) Preview(e *envelope.Event) (bindings.Preview, error) {
	limit := s.Limit().Bytes
	m := newMessage(s.settings.Format)
	if err := s.encode(m, e, limit); err != nil {
		return bindings.Preview{}, err
	}
	mode := "structured"
	if m.binary {
		mode = "binary"
	}
	return bindings.Preview{Mode: mode, Address: "queue " + s.ref.name, Key: m.group, Bytes: m.size, Limit: limit}, nil
}

// encode fills the message for this queue. Its errors are permanent.
func (s *Sink) encode(m *message, e *envelope.Event, limit int) error {
	if err := m.encode(e, s.settings.Mode); err != nil {
		return s.ref.wrap("encode", err)
	}
	if m.size > limit {
		return s.Limit().Exceeded("sqs: queue "+s.ref.name, "", m.size)
	}
	m.group, m.dedup = "", ""
	m.keys = m.keys[:0]
	if s.group == nil && !s.ref.fifo() {
		return nil
	}
	if err := s.appendGroup(m, e); err != nil {
		return s.ref.wrap("group_id", err)
	}
	s.appendDedup(m, e)
	return nil
}

// appendGroup sets the message's group.
func (s *Sink) appendGroup(m *message, e *envelope.Event) error {
	if s.group != nil {
		var err error
		if m.keys, err = s.group.Append(m.keys, e); err != nil {
			return err
		}
		if len(m.keys) == 0 {
			return bindings.Permanent(bindings.ReasonAddress, "", errors.New("the template gives an empty message group"))
		}
	} else {
		m.keys = appendDefaultGroup(m.keys, e)
	}
	if !validGroup(m.keys) {
		sum := sha256.Sum256(m.keys)
		m.keys = hex.AppendEncode(m.keys[:0], sum[:])
	}
	m.group = envelope.String(m.keys)
	return nil
}

// appendDefaultGroup appends what keeps an event in order with others: the partitionkey extension, which is made for
// that, else the key of the transport it came from, else its source.
func appendDefaultGroup(dst []byte, e *envelope.Event) []byte {
	if a := e.FindExtension("partitionkey"); a != nil && a.Value != "" {
		return append(dst, a.Value...)
	}
	if len(e.Key) > 0 {
		return append(dst, e.Key...)
	}
	return append(dst, e.Source...)
}

// validGroup reports whether a text may be a message group id as it is: up to 128 printable ASCII characters other than
// the space.
func validGroup(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7F {
			return false
		}
	}
	return len(b) > 0 && len(b) <= maxGroup
}

// appendDedup sets the message's deduplication id. It lies behind the group in the buffer, which may move meanwhile; the
// group stays where it was.
func (s *Sink) appendDedup(m *message, e *envelope.Event) {
	if !s.ref.fifo() {
		return
	}
	n := len(m.keys)
	switch s.config.Dedup {
	case dedupContent:
	case dedupNone:
		m.dedup = rand.Text()
	default:
		m.keys = bindings.AppendDeliveryID(m.keys, s.settings.Name, e)
		m.dedup = envelope.String(m.keys[n:])
	}
}
