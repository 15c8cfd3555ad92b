package kafka

import (
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/eventrouter/router/bindings"
)

// A topic that is not there is asked for again after shortestAbsence, and then more and more seldom up to longestAbsence:
// every Send that asks takes until the brokers have said no for good, and with it wait the events for other topics.
const (
	shortestAbsence = time.Second
	longestAbsence  = 15 * time.Second
)

// absences remembers the topics that brokers did not have, for all producers of a sink. Only a sink whose topic is a
// template needs it: another one has no events that could wait for nothing.
type absences struct {
	mu     sync.Mutex // guards topics
	topics map[string]absence
}

type absence struct {
	until time.Time
	wait  time.Duration
	cause error
}

func newAbsences() *absences { return &absences{topics: map[string]absence{}} }

// check returns an error for a topic that need not be asked for at the moment.
func (a *absences) check(topic string, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.topics[topic]
	left := old.until.Sub(now)
	if left <= 0 {
		return nil
	}
	return bindings.RetryAfter(classify(topic, old.cause), left)
}

// note takes note of the outcome of records: of those whose topics were new to a client, and of others.
func (a *absences) note(first, others []*slot, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range others {
		if len(a.topics) > 0 && s.state == confirmed {
			delete(a.topics, s.record.Topic)
		}
	}
	for _, s := range first {
		topic := s.record.Topic
		old := a.topics[topic]
		switch {
		case s.state == confirmed:
			delete(a.topics, topic)
		case !isAbsent(s.err) || now.Before(old.until): // the other records of the topic have come to the same
		default:
			a.add(topic, old, s.err, now)
		}
	}
}

// add doubles the wait for a topic, unless it may only be that the brokers are slow.
func (a *absences) add(topic string, old absence, cause error, now time.Time) {
	wait := min(max(2*old.wait, shortestAbsence), longestAbsence)
	if errors.Is(cause, errUnknown) {
		wait = shortestAbsence
	}
	if len(a.topics) >= maxTopics {
		clear(a.topics)
	}
	a.topics[topic] = absence{until: now.Add(wait), wait: wait, cause: cause}
}

// isAbsent reports whether an error says that the brokers do not have a topic, or not the one of that name which the
// client knows.
func isAbsent(err error) bool {
	return errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, errUnknown)
}
