package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// eventOf returns an event whose record has that size on the wire.
func eventOf(t testing.TB, s *Sink, id string, size int) *envelope.Event {
	t.Helper()
	e := event(id, "k")
	for range 3 { // the length of the lengths may change
		p, err := s.Preview(e)
		if err != nil && !errors.As(err, new(*bindings.PermanentError)) {
			t.Fatal(err)
		}
		n := len(e.Data) + size - p.Bytes
		e.Data = make([]byte, n)
		for i := range e.Data { // nothing that could be compressed
			e.Data[i] = byte(rand.Uint32())
		}
	}
	if p, _ := s.Preview(e); p.Bytes != size {
		t.Fatalf("made an event of %d bytes, want %d", p.Bytes, size)
	}
	return e
}

func permanent(err error) *bindings.PermanentError {
	p, _ := errors.AsType[*bindings.PermanentError](err)
	return p
}

// TestTopicLimitIsExact: what has the size of the topic's max.message.bytes passes, one byte more never leaves.
func TestTopicLimitIsExact(t *testing.T) {
	for _, limit := range []int{600, 20_000, 1_000_012, 3_000_000} {
		for _, compression := range []string{"none", "snappy"} {
			t.Run(fmt.Sprint(limit, compression), func(t *testing.T) {
				c := cluster(t)
				if err := c.CreateTopic("out", 1, map[string]string{"max.message.bytes": fmt.Sprint(limit)}); err != nil {
					t.Fatal(err)
				}
				sink := newSink(t, c, SinkConfig{Topic: "out", Compression: compression}, bindings.SinkSettings{})
				small := eventOf(t, sink, "small", 400)
				if err := sink.Send(t.Context(), []*envelope.Event{small}); err != nil { // its producer knows the default only
					t.Fatal(err)
				}
				if err := sink.Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got, want := sink.Limit(), (bindings.Limit{Bytes: limit, From: "topic out max.message.bytes"}); got != want {
					t.Fatalf("got %+v, want %+v", got, want)
				}
				requests := 0
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Count: -1, When: func(r kmsg.Request) bool {
					if produced(r, "beyond") {
						requests++
					}
					return false
				}})
				fits, beyond := eventOf(t, sink, "fits", limit), eventOf(t, sink, "beyond", limit+1)
				each := outcomes(t, sink.Send(t.Context(), []*envelope.Event{beyond, fits, small}), 3)
				if each[1] != nil || each[2] != nil {
					t.Errorf("got %v, want the others delivered", each)
				}
				p := permanent(each[0])
				want := fmt.Sprintf("kafka: topic out: the message has %d bytes and the limit is %d (topic out max.message.bytes)", limit+1, limit)
				if p == nil || p.Reason != bindings.ReasonTooLarge || p.Code != "MESSAGE_TOO_LARGE" || p.Error() != want {
					t.Errorf("got %v, want %s", each[0], want)
				}
				if _, err := sink.Preview(beyond); err == nil || err.Error() != want {
					t.Errorf("preview: %v", err)
				}
				if requests > 0 {
					t.Error("the event that is too large was sent")
				}
			})
		}
	}
}

// TestWireSize is what a broker counts.
func TestWireSize(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "out"))
	var got int
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		got = len(req.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records)
		return nil, nil, false
	})
	sink := newSink(t, c, plainConfig, bindings.SinkSettings{})
	for _, n := range []int{0, 1, 30, 63, 64, 100, 8000, 8191, 8192, 70_000, 900_000} {
		e := event("1", "k")
		e.Key, e.Subject, e.Data = make([]byte, min(n, 500)), strings.Repeat("s", n%777), make([]byte, n)
		p, err := sink.Preview(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := sink.Send(t.Context(), []*envelope.Event{e}); err != nil || got != p.Bytes {
			t.Errorf("%d bytes of data: the broker got %d, promised %d (%v)", n, got, p.Bytes, err)
		}
	}
}

// TestLimitsThatCannotBeRead leave the sink ready, with the default and one warning.
func TestLimitsThatCannotBeRead(t *testing.T) {
	for _, code := range []*kerr.Error{
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.InvalidRequest, kerr.UnknownTopicOrPartition,
	} {
		for _, topic := range []string{"out", "out.{type}"} {
			c := cluster(t, kfake.SeedTopics(1, "out"))
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: code, Count: -1})
			core, logs := observer.New(zap.WarnLevel)
			sink := newSink(t, c, SinkConfig{Topic: topic}, bindings.SinkSettings{Log: zap.New(core)})
			for range 2 {
				if err := sink.Ready(t.Context()); err != nil {
					t.Fatalf("%v: %v", code, err)
				}
			}
			if got := sink.Limit(); got.Bytes != assumedLimit {
				t.Errorf("%v: limit %+v", code, got)
			}
			if n := logs.FilterMessageSnippet("limits").Len(); n != 1 || logs.Len() != 1 {
				t.Errorf("%v: %d warnings of limits, %d in all, want 1", code, n, logs.Len())
			}
		}
	}
}

// TestReadyGivenUpWhileItReadsLimits: it is not ready, and warns of nothing.
func TestReadyGivenUpWhileItReadsLimits(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "out"))
	ctx, cancel := context.WithCancel(t.Context())
	c.ControlKey(int16(kmsg.DescribeConfigs), func(kmsg.Request) (kmsg.Response, error, bool) {
		cancel()
		return nil, errors.New("no answer"), true
	})
	core, logs := observer.New(zap.WarnLevel)
	sink := newSink(t, c, SinkConfig{Topic: "out"}, bindings.SinkSettings{Log: zap.New(core)})
	if err := sink.Ready(ctx); err == nil || logs.Len() > 0 {
		t.Errorf("Ready: %v, with %d warnings", err, logs.Len())
	}
	if err := sink.Ready(t.Context()); err != nil || sink.Limit().Bytes == assumedLimit {
		t.Errorf("Ready: %v, limit %+v", err, sink.Limit())
	}
}

// TestTemplatedTopicTakesTheBrokersLimit, and a topic that takes less refuses by itself, one event and no other.
func TestTemplatedTopicTakesTheBrokersLimit(t *testing.T) {
	c := cluster(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "50000"}), kfake.SeedTopics(1, "out.large"))
	if err := c.CreateTopic("out.small", 1, map[string]string{"max.message.bytes": "5000"}); err != nil {
		t.Fatal(err)
	}
	sink := newSink(t, c, SinkConfig{Topic: "out.{type}", Compression: "none"}, bindings.SinkSettings{})
	if err := sink.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := sink.Limit(), (bindings.Limit{Bytes: 50_000, From: "broker 0 message.max.bytes"}); got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	var es []*envelope.Event
	for i, c := range []struct {
		topic string
		bytes int
	}{{"large", 1000}, {"small", 1000}, {"small", 6000}, {"large", 6000}, {"small", 1000}, {"large", 60_000}} {
		e := event(fmt.Sprint(i), "k")
		e.Type, e.Data = c.topic, make([]byte, c.bytes)
		es = append(es, e)
	}
	each := outcomes(t, sink.Send(t.Context(), es), len(es))
	for i, want := range []string{"", "", "the message has 6", "", "", "limit is 50000 (broker 0 message.max.bytes)"} {
		p := permanent(each[i])
		switch {
		case want == "" && each[i] != nil:
			t.Errorf("event %d: %v", i, each[i])
		case want != "" && (p == nil || p.Reason != bindings.ReasonTooLarge || !strings.Contains(p.Error(), want) || p.Code != "MESSAGE_TOO_LARGE"):
			t.Errorf("event %d: %v, want %q", i, each[i], want)
		}
	}
}

func TestLimitsBeyondTheClient(t *testing.T) {
	sink := newSink(t, cluster(t), plainConfig, bindings.SinkSettings{})
	sink.setLimit(1<<31-1, "topic out max.message.bytes")
	if got := sink.Limit(); got.Bytes != largestLimit || !strings.Contains(got.From, "2147483647") {
		t.Errorf("got %+v", got)
	}
	for _, n := range []int{1, 100, assumedLimit, largestLimit} {
		cl, err := kgo.NewClient(kgo.ProducerBatchMaxBytes(batchLimit(&bindings.Limit{Bytes: n})))
		if err != nil {
			t.Errorf("%d: %v", n, err)
			continue
		}
		cl.Close()
	}
}

// TestWarnsOfALoneReplica: acks: all means little where one replica is all.
func TestWarnsOfALoneReplica(t *testing.T) {
	for _, tc := range []struct {
		name, least, acks string
		brokers           int
		want              int
	}{
		{"one of three", "1", "", 3, 1},
		{"said so", "1", "all", 3, 1},
		{"two of three", "2", "", 3, 0},
		{"leader only", "1", "leader", 3, 0},
		{"nothing to replicate to", "1", "", 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := cluster(t, kfake.NumBrokers(tc.brokers))
			if err := c.CreateTopic("out", 1, map[string]string{"min.insync.replicas": tc.least}); err != nil {
				t.Fatal(err)
			}
			core, logs := observer.New(zap.WarnLevel)
			sink := newSink(t, c, SinkConfig{Topic: "out", Acks: tc.acks}, bindings.SinkSettings{Log: zap.New(core)})
			for range 2 {
				if err := sink.Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := logs.FilterMessageSnippet("min.insync.replicas").Len(); got != tc.want || logs.Len() != tc.want {
				t.Errorf("%d warnings, want %d: %v", got, tc.want, logs.All())
			}
		})
	}
}

// TestTopicLimitRaisedForAnEvent: an event that was too large passes once the operator has raised the topic's limit,
// without a restart, and what was sent with it stays in order.
func TestTopicLimitRaisedForAnEvent(t *testing.T) {
	c := cluster(t)
	if err := c.CreateTopic("out", 1, map[string]string{topicLimit: "5000"}); err != nil {
		t.Fatal(err)
	}
	sink := newSink(t, c, SinkConfig{Topic: "out"}, bindings.SinkSettings{})
	if err := sink.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	es := []*envelope.Event{event("before", "k"), eventOf(t, sink, "large", 6000), event("after", "k")}
	if each := outcomes(t, sink.Send(t.Context(), es), 3); each[0] != nil || permanent(each[1]) == nil || each[2] != nil {
		t.Fatalf("got %v, want the second refused", each)
	}
	alterTopic(t, c, "out", topicLimit, "7000")
	es[0], es[2] = event("before again", "k"), event("after again", "k")
	if err := sink.Send(t.Context(), es); err != nil {
		t.Fatal(err)
	}
	if got := sink.Limit().Bytes; got != 7000 {
		t.Errorf("the limit is %d, want 7000", got)
	}
	if got, want := fmt.Sprint(ids(consume(t, c, "out", 5))), "[before after before again large after again]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func alterTopic(t *testing.T, c *kfake.Cluster, topic, key, value string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Value = key, &value
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	resource.Configs = append(resource.Configs, config)
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, resource)
	resp, err := req.RequestWith(t.Context(), cl)
	if err != nil || resp.Resources[0].ErrorCode != 0 {
		t.Fatalf("alter: %v, %+v", err, resp)
	}
}

// TestLimitsThatAreNeverAnswered keep the sink from starting no longer than one attempt to become ready may take.
func TestLimitsThatAreNeverAnswered(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "out"))
	release := make(chan struct{})
	t.Cleanup(func() { close(release) }) // before the brokers end
	c.ControlKey(int16(kmsg.DescribeConfigs), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.SleepControl(func() { <-release })
		return nil, nil, false
	})
	core, logs := observer.New(zap.WarnLevel)
	sink := newSink(t, c, SinkConfig{Topic: "out"}, bindings.SinkSettings{Log: zap.New(core)})
	ctx, cancel := context.WithTimeout(t.Context(), 2*askWithin)
	defer cancel()
	if err := sink.Ready(ctx); err != nil {
		t.Errorf("Ready: %v", err)
	}
	if got := sink.Limit().Bytes; got != assumedLimit || logs.FilterMessageSnippet("cannot be read").Len() != 1 {
		t.Errorf("limit %d, log %v", got, logs.All())
	}
}
