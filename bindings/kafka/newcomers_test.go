package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// slowly keeps the client busy with each record that it puts into a partition, so that a request can leave between two.
type slowly struct{}

func (slowly) OnProduceRecordPartitioned(*kgo.Record, int32) { time.Sleep(2 * time.Millisecond) }

// TestFirstSendToATopicStaysTogether: a client that meets a topic for the first time puts the waiting records into
// its partitions one by one. If requests may leave meanwhile, the broker refuses the one with the poison, takes the
// next one, and the good events of the first are written behind it.
func TestFirstSendToATopicStaysTogether(t *testing.T) {
	for _, topic := range []string{"out", "{type}"} {
		c := cluster(t, kfake.SeedTopics(1, "out"))
		c.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: kerr.InvalidRecord, Count: -1,
			When: func(r kmsg.Request) bool { return produced(r, "poison") },
		})
		sink := newSink(t, c, SinkConfig{Topic: topic, Compression: "none"}, bindings.SinkSettings{})
		sink.opts = append(sink.opts, kgo.WithHooks(slowly{}))
		es := events("k", 20)
		var want []string
		for i, e := range es {
			e.Type = "out"
			if i != 2 {
				want = append(want, e.ID)
			}
		}
		es[2].Data = []byte("poison")
		for i, err := range outcomes(t, sink.Send(t.Context(), es), 20) {
			if (err != nil) != (i == 2) {
				t.Errorf("topic %s: event %d: %v", topic, i, err)
			}
		}
		if got := ids(consume(t, c, "out", 19)); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("topic %s: wrote %s, want %s", topic, got, want)
		}
	}
}

// TestFlushSeesNewPartitions: a flush between the moment in which the client has put the records of a new topic into their
// places and the one in which it makes those known sent nothing, and the Send hung until its timeout.
func TestFlushSeesNewPartitions(t *testing.T) {
	c := cluster(t, kfake.NumBrokers(4), kfake.SeedTopics(4, "out"))
	for round := range 3 {
		sink := newSink(t, c, SinkConfig{Topic: "out"}, bindings.SinkSettings{Timeout: patience})
		sink.opts = append(sink.opts, kgo.WithHooks(slowly{})) // longer over several brokers than the client lingers
		var es []*envelope.Event
		for key := range 6 {
			es = append(es, events(fmt.Sprint("key", key, "-", round, "-"), 10)...)
		}
		begun := time.Now()
		if err := sink.Send(t.Context(), es); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begun); d > patience/4 {
			t.Errorf("the first Send took %s", d)
		}
	}
}

// TestMissingTopicHoldsNobodyUp: what goes to another topic is confirmed although the Send ends before the brokers have
// said that one is missing. A producer that was given up knew nothing again, so that new topics could starve.
func TestMissingTopicHoldsNobodyUp(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "known", "new"))
	sink := newSink(t, c, SinkConfig{Topic: "{type}"}, bindings.SinkSettings{Timeout: 400 * time.Millisecond})
	eventually(t, "known is known", func() bool { return sink.Send(t.Context(), addressed("known")) == nil })
	eventually(t, "the others of a Send with a missing topic are confirmed", func() bool {
		each := outcomes(t, sink.Send(t.Context(), addressed("missing", "known", "new")), 3)
		if each[0] == nil {
			t.Fatal("an event for a topic that is not there was confirmed")
		}
		return each[1] == nil && each[2] == nil
	})
}

// TestNewcomersAreNotGivenUpAlone: where no broker answers nothing else could be sent, and the attempt takes its time.
func TestNewcomersAreNotGivenUpAlone(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "out"))
	c.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		c.SleepControl(func() { time.Sleep(600 * time.Millisecond) })
		return nil, nil, false
	})
	sink := newSink(t, c, plainConfig, bindings.SinkSettings{Timeout: 1100 * time.Millisecond}) // half of it is less than the brokers take
	eventually(t, "the Send is confirmed", func() bool {
		err := sink.Send(t.Context(), events("k", 2))
		if err != nil && strings.Contains(err.Error(), errUnknown.Error()) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// TestWhatWasNeverHandedOverWasNotSent: a Send that ends while it waits for a new topic has not tried the known ones.
func TestWhatWasNeverHandedOverWasNotSent(t *testing.T) {
	p := newProducer(&bindings.Limit{Bytes: assumedLimit})
	p.fill(encoderFor(t, SinkConfig{}, bindings.ModeBinary), events("k", 2))
	p.slots[0].state = handed
	each := outcomes(t, p.abandon(context.DeadlineExceeded), 2)
	for i, err := range each {
		var not *bindings.NotSentError
		if errors.As(err, &not) != (i == 1) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("event %d: %#v", i, err)
		}
	}
}

// TestManyNewTopics: one Send meets many topics, and the next ones know them.
func TestManyNewTopics(t *testing.T) {
	c := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topics(40)...))
	sink := newSink(t, c, SinkConfig{Topic: "{type}"}, bindings.SinkSettings{})
	for range 3 {
		if err := sink.Send(t.Context(), addressed(topics(40)...)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range topics(40) {
		if n := c.PartitionInfo(name, 0).HighWatermark; n != 3 {
			t.Errorf("topic %s has %d records, want 3", name, n)
		}
	}
}

func topics(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("topic-", i))
	}
	return names
}
