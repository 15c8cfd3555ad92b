package kafka

import (
	"errors"
	"fmt"
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
}

func newAbsences() *absences { return &absences{topics: map[string]absence{}} }

// check returns an error for a topic that need not be asked for at the moment.
func (a *absences) check(topic string, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := a.topics[topic].until.Sub(now)
	if left <= 0 {
		return nil
	}
	text := fmt.Errorf("kafka: topic %s: %w", topic, kerr.UnknownTopicOrPartition)
	return bindings.RetryAfter(&bindings.CodeError{Code: kerr.UnknownTopicOrPartition.Message, Err: text}, left)
}

// note takes note of the outcome of records whose topics were new to a client.
func (a *absences) note(slots []*slot, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range slots {
		topic := s.record.Topic
		old, known := a.topics[topic]
		switch {
		case s.state == confirmed:
			delete(a.topics, topic)
		case !isAbsent(s.err) || now.Before(old.until): // the other records of the topic have come to the same
		case known || len(a.topics) < maxTopics:
			wait := min(max(2*old.wait, shortestAbsence), longestAbsence)
			a.topics[topic] = absence{until: now.Add(wait), wait: wait}
		}
	}
}

// isAbsent reports whether an error says that the brokers do not have a topic, or not the one of that name which the
// client knows.
func isAbsent(err error) bool {
	return errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, errUnknown)
}
