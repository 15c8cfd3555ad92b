package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests.
const patience = 20 * time.Second

// cluster starts brokers in the process.
func cluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// client returns a plain client, as another program would use one.
func client(t testing.TB, c *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(c.ListenAddrs()...), kgo.DisableClientMetrics(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// produce writes records as they are.
func produce(t testing.TB, cl *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// consume reads n records of a topic from its start, in order within each partition.
func consume(t testing.TB, c *kfake.Cluster, topic string, n int) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cl := client(t, c, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var got []*kgo.Record
	for len(got) < n {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("%d of %d records of %s: %v", len(got), n, topic, err)
		}
		got = append(got, fetches.Records()...)
	}
	return got
}

// settings are what the program would pass to a source.
func settings(name string) bindings.SourceSettings {
	return bindings.SourceSettings{Name: name, Log: zap.NewNop(), Window: bindings.NewWindow(0, 0)}
}

// newSink returns a sink on a cluster, closed with the test.
func newSink(t testing.TB, c *kfake.Cluster, cfg SinkConfig, s bindings.SinkSettings) *Sink {
	t.Helper()
	cfg.Brokers = c.ListenAddrs()
	sink, err := NewSink(cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sink.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return sink
}

// stuckCluster has two brokers, one with a topic of that name and one with the topic stuck, which does not answer a request
// that holds the text "never" until it is released.
func stuckCluster(t testing.TB, other string) (c *kfake.Cluster, release func()) {
	t.Helper()
	c = cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(1, other, "stuck"))
	for node, topic := range []string{other, "stuck"} { // one request each
		if err := c.MoveTopicPartition(topic, 0, int32(node)); err != nil {
			t.Fatal(err)
		}
	}
	released := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if !produced(req, "never") {
			return nil, nil, false
		}
		c.DropControl()
		c.SleepControl(func() { <-released })
		return nil, nil, false
	})
	return c, func() { close(released) }
}

// deleteTopic deletes a topic as an operator would.
func deleteTopic(t testing.TB, c *kfake.Cluster, name string) {
	t.Helper()
	if _, err := kadm.NewClient(client(t, c)).DeleteTopic(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

// event returns an event with that id and record key.
func event(id, key string) *envelope.Event {
	e := &envelope.Event{
		ID: id, Source: "/shop", Type: "com.acme.order.paid", DataContentType: "application/json",
		Data: []byte(`{"id":"` + id + `"}`),
	}
	e.Meta.Transport = kind
	if key != "" {
		e.Key = []byte(key)
	}
	return e
}

// ceRecord returns a binary record with that id.
func ceRecord(topic string, partition int32, id string) *kgo.Record {
	return &kgo.Record{
		Topic: topic, Partition: partition, Key: []byte("k"), Value: []byte(`{}`),
		Headers: []kgo.RecordHeader{
			{Key: "content-type", Value: []byte("application/json")},
			{Key: "ce_specversion", Value: []byte("1.0")},
			{Key: "ce_id", Value: []byte(id)},
			{Key: "ce_source", Value: []byte("/shop")},
			{Key: "ce_type", Value: []byte("com.acme.order.paid")},
		},
	}
}

// header returns the value of a record's header, and how often it is there.
func header(r *kgo.Record, name string) (value string, n int) {
	for _, h := range r.Headers {
		if h.Key == name {
			value = string(h.Value)
			n++
		}
	}
	return value, n
}

// eventually waits until ok is true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
