package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
)

// unknownTopicRetries is how often a topic that the brokers do not know is asked for again before its events fail as
// transient: long enough for a topic that was just created, and no longer, because a Send waits for it.
const unknownTopicRetries = 2

// metadataPace is the least time between two requests for what has changed about topics: the retries above wait for it.
const metadataPace = time.Second

// Sink writes events to topics.
//
// Every Send uses a producer of its own while it runs; producers are kept for the next Send. A producer that is
// shared could not promise order: the client fails the records it has buffered for a partition when one of them
// fails, but not those of the same Send that are handed to it a moment later. And a Send that is given up takes its
// producer with it, so that what it left behind is neither sent later nor sent twice by the next attempt.
type Sink struct {
	cfg      SinkConfig
	settings bindings.SinkSettings
	encoder  encoder
	absent   *absences // nil where all events go to one topic
	opts     []kgo.Opt
	limit    atomic.Pointer[bindings.Limit] // never nil
	learned  atomic.Bool                    // whether Ready tried to read the limit
	question atomic.Pointer[question]       // where the limit was read, nil if nowhere

	mu      sync.Mutex // guards free and renewed
	free    []*producer
	renewed complaint      // of timestamps that a topic does not take
	closing sync.WaitGroup // producers that were given up
}

// NewSink returns a sink. It does not touch the network. Errors are FieldErrors.
func NewSink(cfg SinkConfig, s bindings.SinkSettings) (*Sink, error) {
	if err := errors.Join(cfg.Validate(), checkMode(s)); err != nil {
		return nil, err
	}
	opts, err := connect(cfg.Brokers, cfg.TLS, cfg.SASL)
	if err != nil {
		return nil, err
	}
	if s.Log == nil {
		s.Log = zap.NewNop()
	}
	sink := &Sink{cfg: cfg, settings: s, opts: append(opts, cfg.produceOptions()...)}
	sink.limit.Store(&bindings.Limit{Bytes: assumedLimit, From: "assumed, as the brokers' default"})
	sink.encoder.structured, sink.encoder.format = s.Mode == bindings.ModeStructured, s.Format
	if sink.encoder.topic, err = template.Compile(cfg.Topic, template.KafkaTopic); err != nil {
		return nil, bindings.Invalid("topic", "%w", err)
	}
	var static bool
	if sink.encoder.static, static = sink.encoder.topic.Static(); !static {
		sink.absent, sink.encoder.allowed = newAbsences(), newAllowed(cfg.Topics)
	}
	if sink.encoder.key, sink.encoder.keyText, err = compileKey(cfg.Key); err != nil {
		return nil, bindings.Invalid("key", "%w", err)
	}
	sink.encoder.time = compileTimestamp(cfg.Timestamp)
	return sink, nil
}

// checkMode refuses what the Kafka binding does not have.
func checkMode(s bindings.SinkSettings) error {
	if s.Mode == bindings.ModeBatch {
		return bindings.Invalid("mode", "Kafka has no batch mode; use binary or structured")
	}
	return nil
}

// produceOptions returns the client options of a producer.
func (c *SinkConfig) produceOptions() []kgo.Opt {
	opts := []kgo.Opt{
		// Nothing is sent before Flush, so all records of a Send are buffered when the first one can fail: that is
		// what makes "when one fails, every later one of its partition fails" true for a Send.
		kgo.ManualFlushing(),
		// A Send's events are bounded by the source's window; a bound here would fail records, not wait.
		kgo.MaxBufferedRecords(math.MaxInt),
		kgo.UnknownTopicRetries(unknownTopicRetries),
		kgo.MetadataMinAge(metadataPace),
	}
	switch c.Acks {
	case "leader":
		return append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "none":
		return append(opts, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	}
	return append(opts, kgo.RequiredAcks(kgo.AllISRAcks()))
}

// KeepsOrder reports whether events of one ordering key, in the sense of Event.Key, may share a Send. They may where
// they all go to one partition: in one topic, with a record key that is the event's key or with none; and where all
// replicas in sync confirm: without that the client has no sequence numbers, and a request that it sends while a refused
// one is still narrowed down may overtake. Other kinds of order (by subject, by source) are not promised, because such
// events may be spread over partitions that fail apart.
func (s *Sink) KeepsOrder() bool {
	if s.encoder.static == "" || s.cfg.Acks != "" && s.cfg.Acks != "all" {
		return false
	}
	switch s.cfg.Key {
	case "", "keep", "none", "{kafka.key}", "{nats.subject}", "{sqs.group}":
		return true
	}
	return false
}

// Send writes the events and waits until the brokers have confirmed or refused each of them.
func (s *Sink) Send(ctx context.Context, events []*envelope.Event) error {
	if len(events) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	if s.settings.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.settings.Timeout)
		defer cancel()
	}
	p, err := s.take()
	if err != nil {
		return err
	}
	if !p.fill(&s.encoder, events) && s.outgrown(ctx, p) {
		s.give(p)
		if p, err = s.take(); err != nil {
			return err
		}
		p.fill(&s.encoder, events)
	}
	if !p.send(ctx) {
		result := p.abandon(ctx.Err())
		s.discard(p)
		return result
	}
	result := p.result()
	if p.renewed != "" {
		s.tellRenewed(p.renewed)
	}
	switch {
	case p.outdated():
		s.renew(p)
	case p.fresh.missed > maxMissed:
		s.discard(p)
	default:
		s.give(p)
	}
	return result
}

// take returns a producer nobody uses. Those that were made for another limit than the one that is known now are given
// up on the way.
func (s *Sink) take() (*producer, error) {
	limit := s.limit.Load()
	s.mu.Lock()
	for n := len(s.free); n > 0; n = len(s.free) {
		p := s.free[n-1]
		s.free = s.free[:n-1]
		if p.limit == limit {
			s.mu.Unlock()
			return p, nil
		}
		s.discard(p)
	}
	s.mu.Unlock()
	p := newProducer(limit)
	p.absent = s.absent
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.WithLogger(&p.trouble),
		kgo.WithHooks(p.fresh),
		kgo.RecordPartitioner(p.spread),
		kgo.ProducerBatchMaxBytes(batchLimit(limit)),
		// Not among the shared options: a new client writes to the list of codecs it is given.
		kgo.ProducerBatchCompression(s.cfg.compression()...),
	}, s.opts...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	p.client = cl
	return p, nil
}

// give keeps a producer for the next Send. The one used last is the next one used, so that idle ones stay idle and
// lose their connections.
func (s *Sink) give(p *producer) {
	p.reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, p)
}

// discard closes a producer whose Send was given up. The client may go on reading the records until it is closed, so
// their memory is not used again.
func (s *Sink) discard(p *producer) {
	s.closing.Go(p.client.Close)
}

// renew gives a producer up that knows a topic which is gone, and with it those that nobody uses: they may know it too.
func (s *Sink) renew(p *producer) {
	s.discard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, free := range s.free {
		s.discard(free)
	}
	clear(s.free)
	s.free = s.free[:0]
}

// Close closes the producers.
func (s *Sink) Close(ctx context.Context) error {
	s.mu.Lock()
	for _, p := range s.free {
		s.discard(p)
	}
	s.free = nil
	s.mu.Unlock()
	closed := make(chan struct{})
	go func() {
		s.closing.Wait()
		close(closed)
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kafka: close: %w", ctx.Err())
	}
}

// Ready returns nil once a broker answers and has the topic, if it is the same for all events. It reads the limits that
// the events have to keep.
func (s *Sink) Ready(ctx context.Context) error {
	var topics []string
	if s.encoder.static != "" {
		topics = append(topics, s.encoder.static)
	}
	return reachAnd(ctx, s.opts, topics, func(cl *kgo.Client, meta *kmsg.MetadataResponse) error {
		return s.learn(ctx, cl, meta)
	})
}

// Preview returns the record that Send would write.
func (s *Sink) Preview(e *envelope.Event) (bindings.Preview, error) {
	var r kgo.Record
	var text scratch
	if err := s.encoder.encode(&r, e, &text); err != nil {
		return bindings.Preview{}, err
	}
	limit := s.Limit()
	p := bindings.Preview{
		Mode: "binary", Address: "topic " + r.Topic, Key: string(r.Key), Bytes: wireSize(&r), Limit: limit.Bytes,
	}
	if e.Malformed == nil && s.encoder.isStructured(e) {
		p.Mode = "structured"
	}
	if limit.Refuses(p.Bytes) {
		return p, tooLarge(&r, &limit)
	}
	return p, nil
}
