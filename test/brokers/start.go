package brokers

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

// StartKafka returns a broker for a test, on the data folder dir, and stops it when the test ends.
func StartKafka(t testing.TB, dir string) *Kafka {
	t.Helper()
	if addr := os.Getenv("ROUTER_TEST_KAFKA"); addr != "" {
		k := &Kafka{Addr: addr, Process: Process{name: "kafka at " + addr}}
		reach(t, k.Ping)
		return k
	}
	k, err := NewKafka(t.Context(), dir)
	return started(t, "Kafka", k, err)
}

// StartElasticMQ returns an SQS endpoint for a test, on the data folder dir, and stops it when the test ends.
func StartElasticMQ(t testing.TB, dir string) *ElasticMQ {
	t.Helper()
	if endpoint := os.Getenv("ROUTER_TEST_SQS_ENDPOINT"); endpoint != "" {
		q := &ElasticMQ{Endpoint: endpoint, Process: Process{name: "SQS at " + endpoint}}
		reach(t, q.Ping)
		return q
	}
	q, err := NewElasticMQ(t.Context(), dir)
	return started(t, "SQS server", q, err)
}

// StartNATS returns a server for a test, on the data folder dir, and stops it when the test ends.
func StartNATS(t testing.TB, dir string) *NATS {
	t.Helper()
	if url := os.Getenv("ROUTER_TEST_NATS"); url != "" {
		n := &NATS{URL: url, Process: Process{name: "NATS at " + url}}
		reach(t, n.Ping)
		return n
	}
	n, err := NewNATS(t.Context(), dir)
	return started(t, "NATS server", n, err)
}

// reach fails a test whose broker was given by its address and does not answer.
func reach(t testing.TB, ping func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), readyTimeout)
	defer cancel()
	if err := ping(ctx); err != nil {
		t.Fatal(err)
	}
}

// started registers the end of a broker, or ends the test.
func started[B interface{ Stop() error }](t testing.TB, what string, b B, err error) B {
	t.Helper()
	Require(t, what, err)
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Require ends a test whose broker could not be started, for which err is the reason, if not nil: it is skipped on a
// machine that cannot have the broker, and fails otherwise.
func Require(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrUnavailable) && os.Getenv("ROUTER_TEST_REQUIRE_BROKERS") != "1":
		t.Skipf("NOT TESTED against a real %s: %v", what, err)
	default:
		t.Fatal(err)
	}
}

// NeedsKill skips a test that has to kill its broker where somebody else runs it.
func NeedsKill(t testing.TB, broker interface{ PID() int }) {
	t.Helper()
	if broker.PID() == 0 {
		t.Skip("NOT TESTED: ", ErrExternal)
	}
}

// addresses splits a comma-separated list.
func addresses(list string) []string {
	var all []string
	for a := range strings.SplitSeq(list, ",") {
		if a = strings.TrimSpace(a); a != "" {
			all = append(all, a)
		}
	}
	return all
}
