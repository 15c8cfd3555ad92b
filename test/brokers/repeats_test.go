//go:build brokers

package brokers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/bindings/kafka"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/pipeline"
	"github.com/eventrouter/router/routing"
)

var errDown = errors.New("down")

// route runs a source into the sinks until done, and then stops it as a signal does.
func route(t *testing.T, cfg kafka.SourceConfig, sinks map[string]*bindingtest.MemorySink, done func() bool) {
	t.Helper()
	w := bindings.NewWindow(16_384, 64<<20)
	src, err := kafka.NewSource(cfg, bindings.SourceSettings{Name: "in", Log: zap.NewNop(), Window: w})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"up", "down"}
	table, problems := routing.Compile([]routing.Rule{{Name: "all", To: names}}, []string{"in"}, names)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s := pipeline.Settings{
		Sources: []pipeline.Source{{Name: "in", Source: src, Window: w}}, Table: table, Drain: 200 * time.Millisecond,
	}
	for _, name := range names {
		s.Sinks = append(s.Sinks, pipeline.Sink{Name: name, Sink: sinks[name], Order: pipeline.OrderNone, Concurrency: 4, BatchEvents: 100})
	}
	p, err := pipeline.New(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- p.Run(ctx) }()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not done within a minute")
		}
	}
	cancel()
	<-result // an error where events were given up
}

// TestKafkaStopRepeatsNothing: what is done beyond the position travels in the metadata of the commit, also by topic id, as
// newer brokers do it. A sink is down; the other one gets nothing again after a stop.
func TestKafkaStopRepeatsNothing(t *testing.T) {
	const n, partitions = 3000, 3
	k := StartKafka(t, t.TempDir())
	topic := fmt.Sprintf("repeats-%d", time.Now().UnixNano())
	if err := k.CreateTopic(t.Context(), topic, partitions, nil); err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(addresses(k.Addr)...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var rs []*kgo.Record
	for i := range n {
		rs = append(rs, &kgo.Record{
			Topic: topic, Partition: int32(i % partitions), Headers: []kgo.RecordHeader{
				{Key: "ce_specversion", Value: []byte("1.0")},
				{Key: "ce_id", Value: fmt.Append(nil, i)},
				{Key: "ce_source", Value: []byte("/test")},
				{Key: "ce_type", Value: []byte("com.example.repeated")},
			},
		})
	}
	if err := cl.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	cfg := kafka.SourceConfig{Brokers: addresses(k.Addr), Topics: bindings.Strings{topic}, Group: topic}
	down := &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error { return errDown }}
	up := &bindingtest.MemorySink{Fail: func(e *envelope.Event, _ int) error {
		if e.Meta.Position%3 == 2 { // in many runs
			return errDown
		}
		return nil
	}}
	route(t, cfg, map[string]*bindingtest.MemorySink{"up": up, "down": down}, func() bool { return len(up.Confirmed()) == 2*n/3+1 })
	before := len(up.Confirmed())

	stored, err := kadm.NewClient(cl).FetchOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	stored.Each(func(o kadm.OffsetResponse) {
		if o.At != 0 || !strings.HasPrefix(o.Metadata, "d1.") {
			t.Errorf("partition %d: position %d with metadata %q", o.Partition, o.At, o.Metadata)
		}
	})
	up, down = new(bindingtest.MemorySink), new(bindingtest.MemorySink)
	route(t, cfg, map[string]*bindingtest.MemorySink{"up": up, "down": down}, func() bool {
		return len(down.Confirmed()) == n && len(up.Confirmed()) >= n-before
	})
	if again := len(up.Confirmed()) - (n - before); again > 0 {
		t.Errorf("%d of %d confirmed events came again", again, before)
	}
}

// TestKafkaStopDuringAJoin: the group waits for a member that has died, and a stop does not.
func TestKafkaStopDuringAJoin(t *testing.T) {
	k := StartKafka(t, t.TempDir())
	topic := fmt.Sprintf("join-%d", time.Now().UnixNano())
	if err := k.CreateTopic(t.Context(), topic, 1, nil); err != nil {
		t.Fatal(err)
	}
	ctx, die := context.WithCancel(t.Context())
	dead, err := kgo.NewClient(kgo.SeedBrokers(addresses(k.Addr)...), kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic),
		kgo.SessionTimeout(45*time.Second), kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	joined := func() bool { _, generation := dead.GroupMetadata(); return generation >= 0 }
	for end := time.Now().Add(20 * time.Second); !joined(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the first member did not join")
		}
	}
	time.Sleep(time.Second)
	die()
	dead.Close()
	up, down := new(bindingtest.MemorySink), new(bindingtest.MemorySink)
	begun := time.Now()
	cfg := kafka.SourceConfig{Brokers: addresses(k.Addr), Topics: bindings.Strings{topic}, Group: topic}
	route(t, cfg, map[string]*bindingtest.MemorySink{"up": up, "down": down}, func() bool { return time.Since(begun) > 2*time.Second })
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the stop took %s", took-2*time.Second)
	} else {
		t.Logf("the stop took %s", took-2*time.Second)
	}
}
