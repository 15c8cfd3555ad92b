package testbroker

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A Kafka client goes to the addresses that the broker advertises, so that an ordinary proxy cuts its first connection
// at most.
func TestKafkaProxyKeepsTheClient(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	proxy := NewKafkaProxy(t, c.ListenAddrs()[0])
	client, err := kgo.NewClient(kgo.SeedBrokers(proxy.Addr().String()), kgo.DisableClientMetrics(), kgo.ConsumeTopics("orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	produced := func(what string) {
		t.Helper()
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte(what)}).FirstErr(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := client.PollFetches(ctx).NumRecords(); got != 1 {
			t.Errorf("%s: got %d records, want 1", what, got)
		}
	}
	produced("through the proxy")
	proxy.Cut()
	short, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if client.Ping(short) == nil {
		t.Error("the client reached the broker past the proxy that is cut")
	}
	proxy.Pass()
	produced("after the cut")
}
