//go:build brokers

package matrix

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// Three events that a target refused kept 97 others from it: they were tried again and again before the others, and
// each time their failure was taken for the target's. A repeated event does not stand for the health of its target.
func TestFailingEventsDoNotStarve(t *testing.T) {
	f := sharedField(t, "nats")
	for _, c := range []struct {
		name  string
		code  int
		extra string
	}{
		{"500", http.StatusInternalServerError, ""},
		{"503 without order", http.StatusServiceUnavailable, ", order_by: none"},
		{"429", http.StatusTooManyRequests, ""},
		{"the connection ends", hangUp, ""},
	} {
		t.Run("three of a hundred, "+c.name, func(t *testing.T) {
			const longest = 5 * time.Second
			r := newStarveRun(t, f, 3, 97, c.code, ", concurrency: 1"+c.extra, 0)
			took := r.good(t, 20*time.Second)
			t.Logf("STARVE %-20s %d of 97 good events after %.1f s", c.name, r.ledger.arrived(), took.Seconds())
			if took > longest {
				t.Errorf("%d of 97 good events arrived in %.1f s, want all within %s\n%s", r.ledger.arrived(), took.Seconds(), longest, r.router.tail())
			}
			r.heal(t)
		})
	}
	t.Run("48 before 1000", func(t *testing.T) {
		const patience = time.Minute
		alone := newStarveRun(t, f, 0, 1000, http.StatusNoContent, "", answerTime)
		least := alone.good(t, patience)
		alone.heal(t)
		r := newStarveRun(t, f, 48, 1000, http.StatusInternalServerError, "", answerTime)
		took := r.good(t, patience)
		longest := 3*least + 3*time.Second // the machine may be busy
		t.Logf("STARVE 1000 good events alone %.2f s; with 48 failing ones %d in %.2f s: %.0f %% of the rate", least.Seconds(),
			r.ledger.arrived(), took.Seconds(), 100*rate(r.ledger.arrived(), took)/rate(1000, least))
		if r.ledger.arrived() < 1000 || took > longest {
			t.Errorf("%d of 1000 good events arrived in %.1f s, want all within %s\n%s", r.ledger.arrived(), took.Seconds(), longest, r.router.tail())
		}
		r.heal(t)
	})
}

// answerTime is how long the target takes, so that the rate is its own and not that of a busy machine.
const answerTime = 20 * time.Millisecond

func rate(n int, took time.Duration) float64 { return float64(n) / max(took.Seconds(), 0.001) }

// starveRun is a stream into a target that refuses its first events.
type starveRun struct {
	want    int
	ledger  *ledger
	healed  atomic.Bool
	first   atomic.Int64 // when the first request came, in nanoseconds
	refused atomic.Int64
	router  *process
}

// newStarveRun fills a stream with events of which the first ones will be refused, each of a key of its own, and starts
// the router on it.
func newStarveRun(t *testing.T, f *field, failing, good, code int, extra string, slow time.Duration) *starveRun {
	t.Helper()
	name := unique("f")
	events := makeEvents(name, failing+good, failing+good)
	r := &starveRun{want: good, ledger: newLedger(events)}
	src := f.source(t, "jetstream", name)
	addr := answerHTTP(t, r.ledger, func(m message) int {
		r.first.CompareAndSwap(0, time.Now().UnixNano())
		time.Sleep(slow)
		if seq, err := strconv.Atoi(m.attributes["seq"]); err == nil && seq < failing && !r.healed.Load() {
			r.refused.Add(1)
			return code
		}
		return http.StatusNoContent
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := src.send(ctx, nil, events); err != nil {
		t.Fatal(err)
	}
	r.router = startRouter(t, config(src, map[string]string{"out": fmt.Sprintf("http: { url: \"http://%s/hook\" }%s", addr, extra)}))
	return r
}

// good waits for the good events. It returns how long they took since the first request.
func (r *starveRun) good(t *testing.T, patience time.Duration) time.Duration {
	t.Helper()
	if _, ok := within(patience, func() bool { return r.first.Load() > 0 }); !ok {
		t.Fatalf("no request came\n%s", r.router.tail())
	}
	within(patience, func() bool { return r.ledger.arrived() >= r.want })
	return time.Since(time.Unix(0, r.first.Load()))
}

// heal lets the target take everything, which must arrive then.
func (r *starveRun) heal(t *testing.T) {
	t.Helper()
	r.healed.Store(true)
	r.ledger.await(t, 40*time.Second) // longer than retry.max
	t.Logf("%d refusals", r.refused.Load())
	r.ledger.sound(t, "failing events")
	r.router.stop()
}
