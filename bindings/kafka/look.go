package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// look asks the brokers, with one request for all of them, which of the topics exist that the client has not met, and
// fails the records for the others. The client itself would ask several times over seconds, and what goes to other topics
// would wait for that.
func (p *producer) look(ctx context.Context) {
	if len(p.ask) == 0 {
		return
	}
	within, cancel := context.WithTimeout(ctx, patienceOf(ctx))
	defer cancel()
	answers, err := topicErrors(within, p.client, p.ask)
	now := time.Now()
	if err != nil {
		if p.others() { // which need not wait until the client has come to the same
			p.failAsked(func(topic string) error { return p.absent.unsure(topic, errUnknown, now) })
		}
		return
	}
	for topic, err := range answers {
		switch {
		case err == nil:
			p.absent.found(topic)
		case isAbsent(err):
			answers[topic] = p.absent.missing(topic, now)
		default:
			answers[topic] = p.absent.unsure(topic, err, now)
		}
	}
	p.failAsked(func(topic string) error { return answers[topic] })
}

// others reports whether a record can be sent whose topic the client has met.
func (p *producer) others() bool {
	for _, s := range p.slots {
		if s.state == unsent && p.fresh.know(s.record.Topic) {
			return true
		}
	}
	return false
}

// failAsked fails the records for topics that were asked for, where there is a reason.
func (p *producer) failAsked(why func(topic string) error) {
	reasons := make(map[string]error, len(p.ask))
	for topic := range p.ask {
		reasons[topic] = why(topic)
	}
	for _, s := range p.slots {
		if s.state != unsent {
			continue
		}
		if err := reasons[s.record.Topic]; err != nil {
			s.state, s.err = failed, err
		}
	}
}

// topicErrors returns the error that a broker has for each topic, nil for one that exists. A topic may be missing in its
// answer.
func topicErrors(ctx context.Context, cl *kgo.Client, topics map[string]struct{}) (map[string]error, error) {
	req := kmsg.NewPtrMetadataRequest()
	for topic := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = new(topic)
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, fmt.Errorf("kafka: metadata: %w", err)
	}
	answers := make(map[string]error, len(resp.Topics))
	for i := range resp.Topics {
		if t := &resp.Topics[i]; t.Topic != nil {
			answers[*t.Topic] = topicError(t)
		}
	}
	return answers, nil
}

// topicError is why a topic cannot be written at the moment: its own error, or where no partition has a leader, as just
// after it was created, that of the partitions.
func topicError(t *kmsg.MetadataResponseTopic) error {
	err := kerr.ErrorForCode(t.ErrorCode)
	for i := range t.Partitions {
		if t.Partitions[i].ErrorCode != kerr.LeaderNotAvailable.Code {
			return err
		}
	}
	if err == nil && len(t.Partitions) > 0 {
		return kerr.LeaderNotAvailable
	}
	return err
}

// patienceOf is how long records that could be sent wait for others, whose topics the brokers do not tell of, within a
// Send.
func patienceOf(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return longestPatience
	}
	return max(min(longestPatience, time.Until(deadline)/2), time.Millisecond)
}
