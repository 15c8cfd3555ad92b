//go:build brokers

package matrix

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/internal/testbroker"
	"github.com/eventrouter/router/test/brokers"
)

// Events that were sent once the router had called itself ready were lost on a busy machine: a core NATS source had
// reached its server, but the server had not read its subscription yet. A slow way to the server makes the time between
// the two long enough to lose the first events every time.
func TestReadyRouterTakesTheFirstEventsOfCoreNATS(t *testing.T) {
	f := &field{nats: brokers.StartNATS(t, t.TempDir())}
	var err error
	if f.nc, f.js, err = f.nats.Client(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.nc.Close)
	for name, delay := range map[string]time.Duration{"at once": 0, "slow way": 100 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			run := "early" + name[:1]
			events := makeEvents(run, fewEvents, fewKeys)
			l := newLedger(events)
			src := f.source(t, "nats", run)
			sink := f.sink(t, "nats", run, l)
			proxy := testbroker.NewProxy(t, strings.TrimPrefix(f.nats.URL, "nats://"))
			proxy.Delay(delay)
			src.config = strings.Replace(src.config, f.nats.URL, "nats://"+proxy.Addr().String(), 1)
			p := startRouter(t, config(src, map[string]string{"out": sink.config}))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := src.send(ctx, p, events); err != nil {
				t.Fatal(err)
			}
			l.await(t, 5*time.Second)
			l.check(t, "core nats, "+name, true, true)
			p.stop()
			if t.Failed() {
				t.Log(p.tail())
			}
		})
	}
}
