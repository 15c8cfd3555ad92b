package kafka

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/eventrouter/router/bindings"
)

const (
	// A topic that is not there is asked for again after shortestAbsence, and then more and more seldom up to
	// longestAbsence, which is also how long a topic that was created may go unnoticed.
	shortestAbsence = time.Second
	longestAbsence  = 5 * time.Second
	// absentFor is how long brokers have to answer that a topic does not exist before the events for it fail for good.
	// It is long enough for a topic that is being created because events of a new kind are coming.
	absentFor = 30 * time.Second
	// A broker's answer counts for so long: events may be repeated as seldom as that. Of an older one nobody knows whether
	// the topic was there meanwhile.
	answerCounts = time.Hour
	// maxAbsences is how many topics are remembered: more than a source's window has events that wait for one.
	maxAbsences = 100_000
)

// absences remembers the topics that brokers did not have, for all producers of a sink. Only a sink whose topic is a
// template needs it: another one has no events that could wait for nothing, and its topic is a mistake to be corrected.
type absences struct {
	lasts time.Duration // absentFor, shorter in tests

	mu     sync.Mutex // guards topics
	topics map[string]absence
}

// absence is what is known of a topic that is not there.
type absence struct {
	since   time.Time // when a broker first answered that it does not exist; zero if none has
	asked   time.Time // when one last did
	lasting bool      // they have answered so for absentFor, so that its events fail for good
	until   time.Time // not asked for again before
	wait    time.Duration
	cause   error
}

func newAbsences() *absences { return &absences{lasts: absentFor, topics: map[string]absence{}} }

// check returns the error of an event for a topic that need not be asked for at the moment, nil where it has to be.
// Then nobody else asks for it meanwhile.
func (a *absences) check(topic string, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	old, ok := a.topics[topic]
	if !ok {
		return nil
	}
	if !now.Before(old.until) {
		old.until = now.Add(old.wait)
		a.topics[topic] = old
		return nil
	}
	return a.failure(topic, &old, old.until.Sub(now))
}

// failure is what becomes of an event for the topic.
func (a *absences) failure(topic string, of *absence, left time.Duration) error {
	if of.lasting {
		return bindings.Permanent(bindings.ReasonAddress, kerr.UnknownTopicOrPartition.Message, fmt.Errorf(
			"kafka: topic %s does not exist, and the brokers have said so for more than %s; create it, or correct the sink's topic", topic, a.lasts))
	}
	err := classify(topic, of.cause)
	if _, ok := errors.AsType[*bindings.RetryAfterError](err); ok {
		return err // it knows better when
	}
	if _, ok := errors.AsType[*bindings.PermanentError](err); ok {
		return err
	}
	return bindings.RetryAfter(err, left)
}

// found forgets a topic.
func (a *absences) found(topic string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.topics, topic)
}

// missing takes note that a broker has answered that a topic does not exist, and returns what becomes of its events.
func (a *absences) missing(topic string, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.topics[topic]
	if old.since.IsZero() || !old.lasting && now.Sub(old.asked) > answerCounts {
		old.since = now
	}
	old.asked, old.lasting = now, old.lasting || now.Sub(old.since) >= a.lasts
	old.cause = kerr.UnknownTopicOrPartition
	old.wait = min(max(2*old.wait, shortestAbsence), longestAbsence)
	return a.put(topic, old, now)
}

// unsure takes note that a client does not know a topic, which proves nothing, or that a broker has another reason not to
// take its records, which it has for a topic that exists.
func (a *absences) unsure(topic string, cause error, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.topics[topic]
	old.cause, old.wait = cause, shortestAbsence
	if !isAbsent(cause) {
		old.since, old.lasting = time.Time{}, false
	}
	return a.put(topic, old, now)
}

func (a *absences) put(topic string, state absence, now time.Time) error {
	state.until = now.Add(state.wait)
	if _, ok := a.topics[topic]; !ok && len(a.topics) >= maxAbsences {
		a.evict()
	}
	a.topics[topic] = state
	return a.failure(topic, &state, state.wait)
}

// evict forgets a topic, one whose events do not wait if one is soon found. Not all of them: events for a topic that is
// forgotten over and over would never fail.
func (a *absences) evict() {
	tries := 0
	for topic := range a.topics {
		if tries++; a.topics[topic].lasting || tries == 16 {
			delete(a.topics, topic)
			return
		}
	}
}

// note takes note of the outcome of records: of those whose topics were new to a client, and of others.
func (a *absences) note(first, others []*slot, now time.Time) {
	a.mu.Lock()
	known := len(a.topics) > 0
	a.mu.Unlock()
	for _, s := range others {
		if known && s.state == confirmed {
			a.found(s.record.Topic)
		}
	}
	for _, s := range first {
		switch {
		case s.state == confirmed:
			if known {
				a.found(s.record.Topic)
			}
		case isAbsent(s.err):
			_ = a.unsure(s.record.Topic, s.err, now) // the record has the error already
		}
	}
}

// isAbsent reports whether an error says that the brokers do not have a topic, or not the one of that name which the
// client knows.
func isAbsent(err error) bool {
	return errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, errUnknown)
}
