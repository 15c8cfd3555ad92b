//go:build brokers

package matrix

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/internal/testbroker"
)

// Connections to Kafka that were refused for 2.5 s while a backlog was read gave up to 15,482 duplicates, without a
// crash. The member and its events in flight are still there after a reconnect: nothing has to be delivered again.
func TestReconnectDoesNotRepeatInBulk(t *testing.T) {
	const (
		refused = 2500 * time.Millisecond
		// most is how many events may arrive again for each time that connections are refused.
		most = 0
		// answer is how long the target takes, so that the backlog outlasts the faults.
		answer = 10 * time.Millisecond
	)
	f := sharedField(t, "kafka")
	backlog, times := size(t, "ROUTER_TEST_BACKLOG", 20_000, 50_000), size(t, "ROUTER_TEST_RECONNECTS", 2, 5)
	name := unique("r")
	src := f.source(t, "kafka", name)
	proxy := testbroker.NewKafkaProxy(t, f.kafka.Addr)
	src.config = strings.Replace(src.config, f.kafka.Addr, proxy.Addr().String(), 1)
	events := makeEvents(name, backlog, manyKeys)
	books := map[string]*ledger{"bus": newLedger(events), "hook": newLedger(events)}
	hook := answerHTTP(t, books["hook"], func(message) int {
		time.Sleep(answer)
		return http.StatusNoContent
	})
	sinks := map[string]string{
		"bus": f.sink(t, "kafka", name, books["bus"]).config, "hook": fmt.Sprintf("http: { url: \"http://%s/hook\" }", hook),
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := src.send(ctx, nil, events); err != nil {
		t.Fatal(err)
	}
	p := startRouter(t, config(src, sinks))
	for i := range times {
		select {
		case <-books["hook"].reach(backlog * (i + 1) / (times + 1)):
		case <-ctx.Done():
			t.Fatalf("%s\n%s", books["hook"].verdict().row(), p.tail())
		}
		proxy.Cut()
		time.Sleep(refused)
		proxy.Pass()
		time.Sleep(refused) // long enough for a position to be committed
	}
	for sink, l := range books {
		l.await(t, killPatience)
		l.calm()
		t.Logf("RECONNECT backlog of %d, refused %d times for %s, %-4s %s", backlog, times, refused, sink, l.verdict().row())
		l.check(t, "reconnect, "+sink, true, false) // the router is not restarted, so every repeat is stale: they are bounded below
		if v := l.verdict(); v.duplicates > most*times {
			t.Errorf("%s: %d events arrived again after %d reconnects, want %d at most\n%s", sink, v.duplicates, times, most*times, p.tail())
		}
	}
	p.stop()
}
