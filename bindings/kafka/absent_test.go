package kafka

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
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

// TestMissingTopicThatIsTriedSeldom: a target that is down is tried once in retry.max, which may be minutes.
func TestMissingTopicThatIsTriedSeldom(t *testing.T) {
	a, now := newAbsences(), time.Now()
	_ = a.missing("t", now)
	var permanent *bindings.PermanentError
	if err := a.missing("t", now.Add(10*time.Minute)); !errors.As(err, &permanent) {
		t.Errorf("after ten minutes: %v", err)
	}
}

// TestMissingTopicIsABadAddress: an event for a topic that data names and nobody has created was repeated until the router
// stopped, and with others of its kind it filled the window. It fails for good once brokers have said for absentFor that the
// topic does not exist; from then on others fail at once, and a topic that is created is noticed.
func TestMissingTopicIsABadAddress(t *testing.T) {
	a, start := newAbsences(), time.Now()
	permanent := func(err error) bool {
		var p *bindings.PermanentError
		return errors.As(err, &p) && p.Reason == bindings.ReasonAddress && p.Code == "UNKNOWN_TOPIC_OR_PARTITION"
	}
	var asked []int
	now := start
	for ; now.Sub(start) <= absentFor+longestAbsence; now = now.Add(time.Second) {
		err := a.check("t", now)
		if err == nil {
			asked = append(asked, int(now.Sub(start)/time.Second))
			err = a.missing("t", now)
		}
		if got, want := permanent(err), now.Sub(start) >= 32*time.Second; got != want {
			t.Fatalf("after %s: %v", now.Sub(start), err)
		}
	}
	if got := fmt.Sprint(asked); got != "[0 1 3 7 12 17 22 27 32]" {
		t.Errorf("asked after %s seconds", got)
	}
	now = now.Add(time.Hour)
	if a.check("t", now) != nil || !permanent(a.check("t", now)) {
		t.Error("after an hour it is not asked for once, and known to be missing meanwhile")
	}
	if !permanent(a.missing("t", now)) {
		t.Error("after another answer it is not known to be missing")
	}
	a.found("t")
	if err := a.check("t", now); err != nil {
		t.Errorf("found, and still %v", err)
	}
}

// TestOnlyBrokersSayThatATopicIsMissing: what a client does not know, what a broker has another reason for, and two
// answers with a long time between them are no proof.
func TestOnlyBrokersSayThatATopicIsMissing(t *testing.T) {
	late := answerCounts + time.Second
	for name, answers := range map[string][]func(a *absences, now time.Time) error{
		"client": {
			func(a *absences, now time.Time) error { return a.unsure("t", errUnknown, now) },
			func(a *absences, now time.Time) error {
				return a.unsure("t", kerr.UnknownTopicOrPartition, now.Add(late))
			},
			func(a *absences, now time.Time) error { return a.missing("t", now.Add(late)) },
		},
		"no leader yet": {
			func(a *absences, now time.Time) error { return a.missing("t", now) },
			func(a *absences, now time.Time) error { return a.unsure("t", kerr.LeaderNotAvailable, now.Add(late/2)) },
			func(a *absences, now time.Time) error { return a.missing("t", now.Add(late)) },
		},
		"long ago": {
			func(a *absences, now time.Time) error { return a.missing("t", now) },
			func(a *absences, now time.Time) error { return a.missing("t", now.Add(late)) },
		},
	} {
		a, now := newAbsences(), time.Now()
		for i, answer := range answers {
			var permanent *bindings.PermanentError
			var after *bindings.RetryAfterError
			if err := answer(a, now); errors.As(err, &permanent) || !errors.As(err, &after) || after.After != shortestAbsence && after.After != 2*shortestAbsence {
				t.Errorf("%s: answer %d: %#v", name, i, err)
			}
		}
	}
	var after *bindings.RetryAfterError
	if err := newAbsences().unsure("t", kerr.TopicAuthorizationFailed, time.Now()); !errors.As(err, &after) || after.After != deniedPause {
		t.Errorf("without the right: %#v", err)
	}
}

// TestAbsencesAreBounded: what is remembered does not grow without end, and the latest are remembered.
func TestAbsencesAreBounded(t *testing.T) {
	a, now := newAbsences(), time.Now()
	for i := range maxAbsences + 100 {
		topic := fmt.Sprint("topic-", i)
		if a.missing(topic, now); a.check(topic, now) == nil || len(a.topics) > maxAbsences {
			t.Fatalf("%s is not remembered, or too many are: %d", topic, len(a.topics))
		}
	}
	missing := &slot{state: failed, err: kerr.UnknownTopicOrPartition}
	missing.record.Topic = "new"
	a.note([]*slot{missing}, nil, now)
	if a.check("new", now) == nil || len(a.topics) > maxAbsences {
		t.Errorf("what a client did not find is not remembered, or too many are: %d", len(a.topics))
	}
	a.note(nil, []*slot{{record: missing.record, state: confirmed}}, now)
	if a.check("new", now) != nil {
		t.Error("a confirmed record's topic is still missing")
	}
}

// TestMissingTopicDelaysNoOther: a client asks for a topic several times over two seconds and more before it gives up,
// and what went to other topics of the sink waited for that: of 756 Sends with one missing topic one in a hundred took half a
// second, and with ever new missing topics each took two.
func TestMissingTopicDelaysNoOther(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "here"))
	sink := newSink(t, c, SinkConfig{Topic: "{type}"}, bindings.SinkSettings{})
	begun := time.Now()
	for i := range 50 {
		each := outcomes(t, sink.Send(t.Context(), addressed("here", "gone", fmt.Sprint("gone-", i))), 3)
		var after *bindings.RetryAfterError
		if each[0] != nil || !errors.As(each[1], &after) || !errors.As(each[2], &after) {
			t.Fatalf("outcomes %v", each)
		}
	}
	if d := time.Since(begun); d > longestPatience {
		t.Errorf("fifty Sends took %s", d)
	}
}

// TestCreatedTopicIsNoticed: also one whose events fail for good already.
func TestCreatedTopicIsNoticed(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "here"))
	sink := newSink(t, c, SinkConfig{Topic: "{type}"}, bindings.SinkSettings{})
	sink.absent.lasts = shortestAbsence
	var permanent *bindings.PermanentError
	eventually(t, "the topic is known to be missing", func() bool {
		return errors.As(outcomes(t, sink.Send(t.Context(), addressed("gone")), 1)[0], &permanent)
	})
	if permanent.Reason != bindings.ReasonAddress || !strings.Contains(permanent.Error(), "topic gone does not exist") {
		t.Errorf("%#v", permanent)
	}
	if err := c.CreateTopic("gone", 1, nil); err != nil {
		t.Fatal(err)
	}
	created := time.Now()
	eventually(t, "the created topic takes the event", func() bool { return sink.Send(t.Context(), addressed("gone")) == nil })
	if d := time.Since(created); d > longestAbsence+2*time.Second {
		t.Errorf("it was noticed after %s", d)
	}
}

// TestTopicsNotListedAreBadAddresses: data could name any topic of the cluster.
func TestTopicsNotListedAreBadAddresses(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "orders", "eu.orders.paid", "internal"))
	sink := newSink(t, c, SinkConfig{Topic: "{type}", Topics: bindings.Strings{"orders", "*.orders.*"}}, bindings.SinkSettings{})
	var asked atomic.Bool
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		for _, topic := range r.(*kmsg.MetadataRequest).Topics {
			if topic.Topic != nil && *topic.Topic == "internal" {
				asked.Store(true)
			}
		}
		return nil, nil, false
	})
	es := addressed("orders", "internal", "eu.orders.paid", "orders.paid", "gone")
	for i, err := range outcomes(t, sink.Send(t.Context(), es), len(es)) {
		var permanent *bindings.PermanentError
		if listed := i == 0 || i == 2; listed != (err == nil) || !listed && (!errors.As(err, &permanent) || permanent.Reason != bindings.ReasonAddress) {
			t.Errorf("%s: %v", es[i].Type, err)
		}
	}
	if asked.Load() {
		t.Error("the brokers were asked for a topic that is not listed")
	}
	if _, err := sink.Preview(es[1]); err == nil {
		t.Error("the preview shows a record that is not sent")
	}
}

func TestPatternsOfTopics(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"*", "", true},
		{"*", "x.y", true},
		{"a*", "a", true},
		{"a*", "ba", false},
		{"*a", "ba", true},
		{"*a", "ab", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"a**b", "ab", true},
		{"*ab*ab", "ab", false},
		{"*ab*ab", "abab", true},
		{"*a*", "bab", true},
	} {
		if got := like(tc.name, tc.pattern); got != tc.want {
			t.Errorf("%q like %q: %v", tc.name, tc.pattern, got)
		}
	}
}

// TestTopicWithoutLeaderDelaysNoOther: the client keeps records for a topic until it has a leader, and with them the Send.
func TestTopicWithoutLeaderDelaysNoOther(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "here", "new"))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "new", Partitions: []int32{0}, Err: kerr.LeaderNotAvailable, Count: -1})
	sink := newSink(t, c, SinkConfig{Topic: "{type}"}, bindings.SinkSettings{Timeout: patience})
	begun := time.Now()
	each := outcomes(t, sink.Send(t.Context(), addressed("here", "new")), 2)
	var after *bindings.RetryAfterError
	if each[0] != nil || !errors.As(each[1], &after) || !errors.Is(each[1], kerr.LeaderNotAvailable) {
		t.Errorf("outcomes %v", each)
	}
	if d := time.Since(begun); d > patience/4 {
		t.Errorf("it took %s", d)
	}
}

// TestFixedTopicWaits: a topic that the configuration names is a mistake to be corrected, so that its events wait, and the
// error names it.
func TestFixedTopicWaits(t *testing.T) {
	c := cluster(t)
	sink := newSink(t, c, SinkConfig{Topic: "gone"}, bindings.SinkSettings{Timeout: patience})
	var permanent *bindings.PermanentError
	err := sink.Send(t.Context(), events("k", 1))
	if err == nil || errors.As(err, &permanent) || !strings.Contains(err.Error(), "topic gone") || sink.absent != nil {
		t.Errorf("Send: %v", err)
	}
	if err := sink.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "topic gone") {
		t.Errorf("Ready: %v", err)
	}
}

// TestProducerThatMissedManyTopicsIsGivenUp: a client goes on asking for every topic that it was ever told of.
func TestProducerThatMissedManyTopicsIsGivenUp(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "here"))
	sink := newSink(t, c, SinkConfig{Topic: "{type}"}, bindings.SinkSettings{})
	p, err := sink.take()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range maxMissed + 1 {
		names = append(names, fmt.Sprint("missing-", i))
	}
	p.fill(&sink.encoder, addressed(names...))
	clear(p.ask) // as if the brokers had them a moment ago
	if !p.send(t.Context()) || p.fresh.missed != len(names) || sink.absent.check(names[0], time.Now()) == nil {
		t.Fatalf("%d topics are missed, want %d", p.fresh.missed, len(names))
	}
	sink.give(p)
	for range 2 {
		if err := sink.Send(t.Context(), addressed("here")); err != nil {
			t.Fatal(err)
		}
	}
	if len(sink.free) != 1 || sink.free[0] == p {
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
