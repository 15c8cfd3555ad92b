package kafka

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
)

const (
	// assumedLimit is what counts until a topic or a broker has told its own limit: the brokers' default of
	// message.max.bytes, less their own overhead.
	assumedLimit = 1 << 20
	// largestLimit keeps a request within what the client writes at once.
	largestLimit = 64 << 20
	// smallestLimit is the least that the client can be told. Brokers may go below.
	smallestLimit = 512
	// lengthPrefix is what the client counts for a batch beyond what brokers count: its length in the request.
	lengthPrefix = 4
	// askWithin bounds the wait for a limit, so that brokers which never answer the question keep no sink from starting.
	askWithin = 3 * time.Second
	// batchOverhead is a batch without records, as brokers count it.
	batchOverhead = 61
)

const (
	topicLimit  = "max.message.bytes"
	brokerLimit = "message.max.bytes"
	minInSync   = "min.insync.replicas"
)

// batchLimit returns what the client is to be told, so that it takes every record that l allows.
func batchLimit(l *bindings.Limit) int32 { return int32(max(l.Bytes+lengthPrefix, smallestLimit)) }

// wireSize is what a record counts against a topic's limit: a batch of it alone, before compression.
func wireSize(r *kgo.Record) int {
	// Attributes, time and offset have a byte each in a batch of one.
	n := 3 + sized(len(r.Key)) + sized(len(r.Value)) + kbin.VarintLen(int32(len(r.Headers)))
	for i := range r.Headers {
		n += sized(len(r.Headers[i].Key)) + sized(len(r.Headers[i].Value))
	}
	return batchOverhead + kbin.VarintLen(int32(n)) + n
}

// sized is n bytes with their length before them.
func sized(n int) int { return kbin.VarintLen(int32(n)) + n }

// Limit returns the largest record that the topic takes, or for a topic that is a template, that brokers take unless a
// topic says otherwise.
func (s *Sink) Limit() bindings.Limit { return *s.limit.Load() }

// question is where a limit is read: a topic's or a broker's configuration.
type question struct {
	kind      kmsg.ConfigResourceType
	name, key string
}

func (q question) from() string {
	if q.kind == kmsg.ConfigResourceTypeTopic {
		return "topic " + q.name + " " + q.key
	}
	return "broker " + q.name + " " + q.key
}

// learn reads the limits of what the sink writes to. What cannot be read is no reason not to start: rights may be
// missing, and not all that speaks the protocol knows the request or even answers it. The default is kept then. The error
// is that ctx is done.
func (s *Sink) learn(ctx context.Context, cl *kgo.Client, meta *kmsg.MetadataResponse) error {
	q := question{kmsg.ConfigResourceTypeTopic, s.encoder.static, topicLimit}
	if q.name == "" {
		if len(meta.Brokers) == 0 {
			return nil
		}
		q = question{kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(meta.Brokers[0].NodeID)), brokerLimit}
	}
	values, err := s.ask(ctx, cl, q)
	if err != nil && ctx.Err() != nil {
		return err
	}
	first := !s.learned.Swap(true)
	if err != nil {
		if first {
			s.settings.Log.Warn("kafka: the limits of the topic cannot be read, so events are sent up to the default size",
				zap.String("topic", s.cfg.Topic), zap.Int("bytes", assumedLimit), zap.Error(err))
		}
		return nil
	}
	s.question.Store(&q)
	if first && q.kind == kmsg.ConfigResourceTypeTopic {
		s.warnInSync(values[minInSync], meta)
	}
	return nil
}

// ask reads a limit and notes it.
func (s *Sink) ask(ctx context.Context, cl *kgo.Client, q question) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	values, err := describe(ctx, cl, q.kind, q.name, q.key, minInSync)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.Atoi(values[q.key]); err == nil && n > 0 {
		s.setLimit(n, q.from())
	}
	return values, nil
}

// outgrown asks for the limit again that keeps an event of p's from being sent, because an operator may have raised it
// for the sake of that very event. It reports whether p goes by another one than is known now.
func (s *Sink) outgrown(ctx context.Context, p *producer) bool {
	if q := s.question.Load(); q != nil {
		// Without an answer the limit stands.
		_, _ = s.ask(ctx, p.client, *q)
	}
	return s.limit.Load() != p.limit
}

// setLimit notes what was read. The producers that there are go by the limit before, and are not used again.
func (s *Sink) setLimit(n int, from string) {
	if n > largestLimit {
		n, from = largestLimit, "of this client; "+from+" is "+strconv.Itoa(n)
	}
	if l := (bindings.Limit{Bytes: n, From: from}); l != s.Limit() {
		s.limit.Store(&l)
	}
}

// warnInSync tells of a topic with replicas that does not wait for them: "all in sync" is then the leader alone, as soon
// as the others fall behind.
func (s *Sink) warnInSync(least string, meta *kmsg.MetadataResponse) {
	if s.cfg.Acks != "" && s.cfg.Acks != "all" || least != "1" || len(meta.Topics) == 0 || len(meta.Topics[0].Partitions) == 0 {
		return
	}
	if replicas := len(meta.Topics[0].Partitions[0].Replicas); replicas > 1 {
		s.settings.Log.Warn("kafka: the topic's min.insync.replicas is 1: with acks: all a single replica confirms while the others are behind, "+
			"and an event it confirmed is lost with it", zap.String("topic", s.encoder.static), zap.Int("replicas", replicas))
	}
}

// describe returns settings of a topic or a broker by name, in effect where they are, default or not.
func describe(ctx context.Context, cl *kgo.Client, kind kmsg.ConfigResourceType, name string, keys ...string) (map[string]string, error) {
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName, resource.ConfigNames = kind, name, keys
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Resources = append(req.Resources, resource)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, fmt.Errorf("kafka: describe configs: %w", err)
	}
	values := map[string]string{}
	for i := range resp.Resources {
		if err := kerr.ErrorForCode(resp.Resources[i].ErrorCode); err != nil {
			return nil, fmt.Errorf("kafka: describe configs: %w", err)
		}
		for _, c := range resp.Resources[i].Configs {
			if c.Value != nil {
				values[c.Name] = *c.Value
			}
		}
	}
	return values, nil
}
