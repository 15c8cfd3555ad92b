package kafka

import (
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

// TestNewTopicsDoNotHoldUpKnownOnes: what goes to a topic that was written to before is confirmed although the Send
// ends while it still waits for one that is not there.
func TestNewTopicsDoNotHoldUpKnownOnes(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "a"))
	sink := newSink(t, c, SinkConfig{Topic: "{type}"}, bindings.SinkSettings{Timeout: 200 * time.Millisecond})
	known := event("1", "k")
	known.Type = "a"
	eventually(t, "a is known", func() bool { return sink.Send(t.Context(), []*envelope.Event{known}) == nil })
	es := []*envelope.Event{event("2", "k"), event("3", "k")}
	es[0].Type, es[1].Type = "missing", "a"
	each := outcomes(t, sink.Send(t.Context(), es), 2)
	if each[0] == nil || each[1] != nil {
		t.Errorf("outcomes %v", each)
	}
}

// TestManyNewTopics: one Send meets many topics, and the next ones know them.
func TestManyNewTopics(t *testing.T) {
	c := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topics(40)...))
	sink := newSink(t, c, SinkConfig{Topic: "{type}"}, bindings.SinkSettings{})
	for range 3 {
		var es []*envelope.Event
		for i, name := range topics(40) {
			e := event(fmt.Sprint(i), "k")
			e.Type = name
			es = append(es, e)
		}
		if err := sink.Send(t.Context(), es); err != nil {
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
