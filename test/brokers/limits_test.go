//go:build brokers

package brokers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/kafka"
	"github.com/eventrouter/router/envelope"
)

// noise returns bytes that no compression makes fewer.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}

// limitedSink returns a sink for a topic of its own that takes limit bytes.
func limitedSink(t *testing.T, k *Kafka, compression string, limit int) (*kafka.Sink, string) {
	t.Helper()
	topic := fmt.Sprintf("limited-%d", time.Now().UnixNano())
	if err := k.CreateTopic(t.Context(), topic, 1, map[string]string{"max.message.bytes": fmt.Sprint(limit)}); err != nil {
		t.Fatal(err)
	}
	sink, err := kafka.NewSink(kafka.SinkConfig{Brokers: addresses(k.Addr), Topic: topic, Compression: compression}, bindings.SinkSettings{Name: "out"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sink.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return sink, topic
}

// TestKafkaTopicLimit: the router counts as a broker does. What has exactly the topic's max.message.bytes is stored, and
// nothing that is sent is refused there.
func TestKafkaTopicLimit(t *testing.T) {
	k := StartKafka(t, t.TempDir())
	const limit = 20_000
	for _, compression := range []string{"none", "snappy"} {
		sink, topic := limitedSink(t, k, compression, limit)
		if err := sink.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := sink.Limit(), (bindings.Limit{Bytes: limit, From: "topic " + topic + " max.message.bytes"}); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		made := func(id string, size int) *envelope.Event {
			e := &envelope.Event{ID: id, Source: "/test", Type: "com.example.sized", DataContentType: "application/octet-stream"}
			e.Data = noise(size / 2)
			p, err := sink.Preview(e)
			if err != nil {
				t.Fatal(err)
			}
			e.Data = noise(size/2 + size - p.Bytes)
			return e
		}
		events := []*envelope.Event{
			made("small", 1000), made("large", 30_000), made("exact", limit), made("beyond", limit+1), made("last", 1000),
		}
		errs, ok := errors.AsType[bindings.BatchError](sink.Send(t.Context(), events))
		if !ok || len(errs) != len(events) {
			t.Fatalf("%s: got %v", compression, errs)
		}
		for i, size := range []int{0, 30_000, 0, limit + 1, 0} {
			p, permanent := errors.AsType[*bindings.PermanentError](errs[i])
			text := fmt.Sprintf("kafka: topic %s: the message has %d bytes and the limit is %d (topic %s max.message.bytes)", topic, size, limit, topic)
			switch {
			case size == 0 && errs[i] != nil:
				t.Errorf("%s: %s: %v", compression, events[i].ID, errs[i])
			case size > 0 && (!permanent || p.Reason != bindings.ReasonTooLarge || p.Error() != text):
				t.Errorf("%s: %s: got %v, want %s", compression, events[i].ID, errs[i], text)
			}
		}
		if got := stored(t, k, topic); got != 3 {
			t.Errorf("%s: %d records are stored, want 3", compression, got)
		}
	}
}

// TestKafkaRefusesBySize: where the limit was not read, the broker's own refusal is for that one event and for good.
func TestKafkaRefusesBySize(t *testing.T) {
	k := StartKafka(t, t.TempDir())
	sink, topic := limitedSink(t, k, "", 20_000)
	var events []*envelope.Event
	for i := range 9 {
		e := &envelope.Event{ID: fmt.Sprint(i), Source: "/test", Type: "com.example.sized", Data: noise(500)}
		if i == 4 {
			e.Data = noise(30_000)
		}
		events = append(events, e)
	}
	errs, ok := errors.AsType[bindings.BatchError](sink.Send(t.Context(), events))
	if !ok || len(errs) != len(events) {
		t.Fatalf("got %v", errs)
	}
	for i, err := range errs {
		p, permanent := errors.AsType[*bindings.PermanentError](err)
		if want := i == 4; want != (err != nil) || want && (!permanent || p.Reason != bindings.ReasonTooLarge || p.Code != "MESSAGE_TOO_LARGE") {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if got := stored(t, k, topic); got != 8 {
		t.Errorf("%d records are stored, want 8", got)
	}
}

// stored returns how many records a topic of one partition has: a mark that is written last has that offset.
func stored(t *testing.T, k *Kafka, topic string) int64 {
	t.Helper()
	client, err := k.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	mark, err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("mark")}).First()
	if err != nil {
		t.Fatal(err)
	}
	return mark.Offset
}
