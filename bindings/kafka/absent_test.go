package kafka

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// addressed returns an event for each topic, for sinks whose topic is the type.
func addressed(topics ...string) []*envelope.Event {
	var es []*envelope.Event
	for i, topic := range topics {
		e := event(fmt.Sprint(i), fmt.Sprint("k", i))
		e.Type = topic
		es = append(es, e)
	}
	return es
}

// TestMissingTopicIsAskedForSeldom: each Send with an event for a topic that is not there took as long as the brokers
// took to say so for good, so that a few such events slowed all others down to a crawl.
func TestMissingTopicIsAskedForSeldom(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "here"))
	sink := newSink(t, c, SinkConfig{Topic: "{type}"}, bindings.SinkSettings{})
	each := outcomes(t, sink.Send(t.Context(), addressed("gone", "here")), 2)
	if each[0] == nil || each[1] != nil {
		t.Fatalf("outcomes %v", each)
	}
	var after *bindings.RetryAfterError
	begun := time.Now()
	for range 20 {
		each := outcomes(t, sink.Send(t.Context(), addressed("gone", "here")), 2)
		var code *bindings.CodeError
		if each[1] != nil || !errors.As(each[0], &after) || after.After <= 0 || after.After > shortestAbsence || after.Target ||
			!errors.As(each[0], &code) || code.Code != "UNKNOWN_TOPIC_OR_PARTITION" {
			t.Fatalf("outcomes %v", each)
		}
	}
	if d := time.Since(begun); d > 400*time.Millisecond {
		t.Errorf("twenty Sends took %s", d)
	}
	if err := c.CreateTopic("gone", 1, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the created topic takes the event", func() bool { return sink.Send(t.Context(), addressed("gone")) == nil })
}

// TestAbsencesGrow: a topic is asked for more and more seldom, and at once when it was there.
func TestAbsencesGrow(t *testing.T) {
	a, now := newAbsences(), time.Now()
	missing := &slot{state: failed, err: kerr.UnknownTopicOrPartition}
	missing.record.Topic = "t"
	for _, seconds := range []int{1, 2, 4, 8, 15, 15} {
		want := time.Duration(seconds) * time.Second
		a.note([]*slot{missing, missing}, nil, now)
		var after *bindings.RetryAfterError
		if err := a.check("t", now); !errors.As(err, &after) || after.After != want {
			t.Fatalf("%#v, want %s", err, want)
		}
		if now = now.Add(want); a.check("t", now) != nil {
			t.Fatalf("after %s it is not asked for", want)
		}
	}
	other := &slot{state: failed, err: kerr.NotLeaderForPartition}
	other.record.Topic = "u"
	a.note([]*slot{other}, []*slot{{record: missing.record, state: confirmed}}, now)
	if len(a.topics) > 0 {
		t.Errorf("it remembers %v", a.topics)
	}
	slow := &slot{state: failed, err: errUnknown, record: missing.record}
	for range 3 { // that brokers are slow is no reason to wait longer and longer
		a.note([]*slot{slow}, nil, now)
		var after *bindings.RetryAfterError
		if err := a.check("t", now); !errors.As(err, &after) || after.After != shortestAbsence || !errors.Is(err, errUnknown) {
			t.Fatalf("%#v", err)
		}
		now = now.Add(shortestAbsence)
	}
	for i := range 2 * maxTopics { // it does not grow without end, and learns the last ones
		s := &slot{state: failed, err: kerr.UnknownTopicOrPartition}
		s.record.Topic = fmt.Sprint("topic-", i)
		if a.note([]*slot{s}, nil, now); a.check(s.record.Topic, now) == nil || len(a.topics) > maxTopics {
			t.Fatalf("%s is not remembered, or too many are: %d", s.record.Topic, len(a.topics))
		}
	}
}

// TestProducerThatMissedManyTopicsIsGivenUp: a client goes on asking for every topic that it was ever told of.
func TestProducerThatMissedManyTopicsIsGivenUp(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "here"))
	sink := newSink(t, c, SinkConfig{Topic: "{type}"}, bindings.SinkSettings{})
	if err := sink.Send(t.Context(), addressed("here")); err != nil {
		t.Fatal(err)
	}
	before := sink.free[0]
	var names []string
	for i := range maxMissed + 1 {
		names = append(names, fmt.Sprint("missing-", i))
	}
	if each := outcomes(t, sink.Send(t.Context(), addressed(names...)), len(names)); each[0] == nil {
		t.Fatal("an event for a missing topic was confirmed")
	}
	if err := sink.Send(t.Context(), addressed("here")); err != nil {
		t.Fatal(err)
	}
	if sink.free[0] == before || len(sink.free) != 1 {
		t.Error("the producer is still used")
	}
}

// TestTopicMadeAgain: a client holds on to the identity of a topic that was deleted, and fails what goes to a new one of
// that name for as long as it lives.
func TestTopicMadeAgain(t *testing.T) {
	for _, name := range []string{"out", "{type}"} {
		c := cluster(t, kfake.SeedTopics(1, "out"))
		sink := newSink(t, c, SinkConfig{Topic: name}, bindings.SinkSettings{})
		var idle []*producer // which know the old topic, too
		for range 4 {
			p, err := sink.take()
			if err != nil {
				t.Fatal(err)
			}
			if p.fill(&sink.encoder, addressed("out")); !p.send(t.Context()) || p.result() != nil {
				t.Fatal("the topic cannot be written")
			}
			idle = append(idle, p)
		}
		for _, p := range idle {
			sink.give(p)
		}
		deleteTopic(t, c, "out")
		if err := sink.Send(t.Context(), addressed("out")); err == nil {
			t.Error("an event for a deleted topic was confirmed")
		}
		if len(sink.free) > 0 {
			t.Errorf("%d producers that know the old topic are kept", len(sink.free))
		}
		if err := c.CreateTopic("out", 1, nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the new topic takes the event", func() bool { return sink.Send(t.Context(), addressed("out")) == nil })
	}
}

// TestTopicMadeAgainWithFewerPartitions: brokers that do not know topics by identity leave the client with partitions that
// are no more, which it says in words of its own.
func TestTopicMadeAgainWithFewerPartitions(t *testing.T) {
	c := cluster(t, kfake.MaxVersions(kversion.V2_4_0()), kfake.SeedTopics(8, "out"))
	sink := newSink(t, c, plainConfig, bindings.SinkSettings{Timeout: 5 * time.Second})
	var es []*envelope.Event
	for i := range 12 {
		es = append(es, event(fmt.Sprint(i), fmt.Sprint("key", i)))
	}
	if err := sink.Send(t.Context(), es); err != nil {
		t.Fatal(err)
	}
	deleteTopic(t, c, "out")
	if err := c.CreateTopic("out", 2, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new topic takes the events", func() bool { return sink.Send(t.Context(), es) == nil })
}

// TestGivenUpSendBlamesNobody: a Send that ran out of time took the refusal of a batch for that of each of its records,
// and good events became dead letters.
func TestGivenUpSendBlamesNobody(t *testing.T) {
	c, release := stuckCluster(t, "small")
	defer release()
	c.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: "small", Err: kerr.MessageTooLarge, Count: -1,
		When: func(r kmsg.Request) bool { return produced(r, "k1") && produced(r, "k2") },
	})
	sink := newSink(t, c, SinkConfig{Topic: "{type}", Compression: "none"}, bindings.SinkSettings{Timeout: 500 * time.Millisecond})
	es := addressed("stuck", "small", "small")
	es[0].Data, es[1].Key, es[2].Key = []byte("never"), []byte("k1"), []byte("k2")
	for i, err := range outcomes(t, sink.Send(t.Context(), es), 3) {
		var permanent *bindings.PermanentError
		if err == nil || errors.As(err, &permanent) {
			t.Errorf("event %d: %v, want a transient failure", i, err)
		}
	}
	if err := sink.Send(t.Context(), es[1:]); err != nil {
		t.Errorf("without the one that is stuck: %v", err)
	}
	es[1].Data = bytes.Repeat([]byte("x"), assumedLimit) // what is too large by itself is no suspicion
	var permanent *bindings.PermanentError
	each := outcomes(t, sink.Send(t.Context(), es[:2]), 2)
	if !errors.As(each[1], &permanent) || permanent.Reason != bindings.ReasonTooLarge {
		t.Errorf("too large alone: %v", each[1])
	}
}
