//go:build brokers

package matrix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/eventrouter/router/test/brokers"
)

// sharedBrokers are brokers that the tests of faults of the router use one after the other, because a start of each
// costs seconds. They run until the last test has ended.
type sharedBrokers struct {
	mu    sync.Mutex // guards what follows
	kafka *brokers.Kafka
	nats  *brokers.NATS
	sqs   *brokers.ElasticMQ
	stops []func() error
}

var shared sharedBrokers

// sharedField returns the shared brokers of the kinds, with clients of the test's own.
func sharedField(t *testing.T, kinds ...string) *field {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	f := &field{}
	if slices.Contains(kinds, "kafka") {
		shared.kafka = borrow(t, shared.kafka, "Kafka", "ROUTER_TEST_KAFKA", brokers.StartKafka, brokers.NewKafka)
		f.kafka = shared.kafka
	}
	if slices.Contains(kinds, "nats") {
		shared.nats = borrow(t, shared.nats, "NATS server", "ROUTER_TEST_NATS", brokers.StartNATS, brokers.NewNATS)
		f.nats = shared.nats
	}
	if slices.Contains(kinds, "sqs") {
		shared.sqs = borrow(t, shared.sqs, "SQS server", "ROUTER_TEST_SQS_ENDPOINT", brokers.StartElasticMQ, brokers.NewElasticMQ)
		f.sqs = shared.sqs
	}
	f.connect(t)
	return f
}

// borrow returns the broker that runs already, or starts it; one that is given by its address is only reached. The
// caller holds shared.mu.
func borrow[B interface {
	comparable
	Stop() error
}](t *testing.T, running B, what, variable string, reach func(testing.TB, string) B, start func(context.Context, string) (B, error)) B {
	t.Helper()
	var none B
	switch {
	case running != none:
		return running
	case os.Getenv(variable) != "":
		return reach(t, "")
	}
	dir, err := buildDir()
	if err != nil {
		t.Fatal(err)
	}
	// The broker lives longer than the test.
	b, err := start(context.WithoutCancel(t.Context()), filepath.Join(dir, variable))
	brokers.Require(t, what, err)
	shared.stops = append(shared.stops, b.Stop)
	return b
}

// stop ends the brokers that were started.
func (s *sharedBrokers) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, stop := range s.stops {
		errs = append(errs, stop())
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// names counts the names that were given.
var names atomic.Int64

// unique returns a name for what a test makes on a shared broker.
func unique(prefix string) string { return fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), names.Add(1)) }
