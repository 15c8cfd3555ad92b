//go:build brokers

package matrix

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventrouter/router/internal/testbroker"
)

// The input of the tests with a target that is down. A minute of it stays below the window.
const (
	outageRate = 200 // events a second
	outageKeys = 50
)

// quickly makes the router notice soon that a target is back, and a stop not wait long for one that is not.
const quickly = "retry: { initial: 100ms, max: 1s }\nshutdown: { drain: 2s }\n"

// through puts a proxy between the router and the target that a sink's configuration names.
func (f *field) through(t *testing.T, kind, config string) (string, *testbroker.Proxy) {
	t.Helper()
	var addr string
	start := testbroker.NewProxy
	switch kind {
	case "kafka":
		addr, start = f.kafka.Addr, testbroker.NewKafkaProxy
	case "jetstream":
		addr = strings.TrimPrefix(f.nats.URL, "nats://")
	case "sqs":
		addr = strings.TrimPrefix(f.sqs.Endpoint, "http://")
	default:
		addr = regexp.MustCompile(`http://([^/]+)/`).FindStringSubmatch(config)[1]
	}
	proxy := start(t, addr)
	return strings.Replace(config, addr, proxy.Addr().String(), 1), proxy
}

// What the healthy sinks had confirmed was sent to them again after a stop, because one sink was down and held the
// position: 1,998 of 2,000 events, and with a few events that were tried for 40 seconds 18,660. A stop must repeat
// almost nothing, a crash what was done since the last commit.
func TestStopWithASinkDown(t *testing.T) {
	f := sharedField(t, "kafka")
	var wg sync.WaitGroup
	for _, how := range []string{"SIGTERM", "kill -9"} {
		for _, share := range shares {
			wg.Go(func() {
				t.Run(how+", "+share.name+" to the sink that is down", func(t *testing.T) {
					newOutageRun(t, f, how == "kill -9", share).run(t)
				})
			})
		}
	}
	wg.Wait()
}

// share is the part of the events that goes to the sink that is down. All go to the healthy ones.
type share struct {
	name  string
	when  string
	takes func(*sent) bool
}

var (
	every = share{"every event", "{ type: { prefix: com.example. } }", func(*sent) bool { return true }}
	third = share{"every third event", "{ datacontenttype: text/plain }", func(e *sent) bool {
		return e.attributes["datacontenttype"] == "text/plain"
	}}
	// few hold the position while thousands after them are done. They are produced when the sink is down.
	few    = share{"six events", "{ seq: { in: [801, 902, 1003, 1104, 1205, 1306] } }", func(e *sent) bool { return e.seq >= 801 && e.seq <= 1306 && (e.seq-801)%101 == 0 }}
	shares = []share{every, third, few}
)

// routes sends every event to the healthy sinks, and the share to the sink named down as well.
func (s *share) routes(healthy string) string {
	return "{ name: all, from: in, to: [" + healthy + "] }, { name: share, from: in, when: " + s.when + ", to: down }"
}

// outageRun is a stop and a restart while one of three sinks is down.
type outageRun struct {
	kill   bool
	share  share
	books  map[string]*ledger // "bus" and "hook" are healthy
	proxy  *testbroker.Proxy
	feeder *feeder
	router *process
}

func newOutageRun(t *testing.T, f *field, kill bool, share share) *outageRun {
	t.Helper()
	name := unique("o")
	r := &outageRun{
		kill: kill, share: share,
		books: map[string]*ledger{"bus": newLedger(nil), "hook": newLedger(nil), "down": newLedger(nil)},
	}
	src := f.source(t, "kafka", name)
	if kill {
		src.config = strings.TrimSuffix(src.config, " }") + ", instance_id: one }" // no wait for the session to end
	}
	sinks := map[string]string{
		"bus": f.sink(t, "kafka", name, r.books["bus"]).config, "hook": f.sink(t, "http", name, r.books["hook"]).config,
	}
	sinks["down"], r.proxy = f.through(t, "http", f.sink(t, "http", name, r.books["down"]).config)
	r.router = startRouter(t, routed(src, sinks, share.routes("bus, hook"))+quickly)
	r.feeder = feed(t, &feeder{run: name, keys: outageKeys, rate: outageRate, source: src, books: []book{
		{ledger: r.books["bus"]}, {ledger: r.books["hook"]}, {r.books["down"], share.takes},
	}})
	return r
}

func (r *outageRun) run(t *testing.T) {
	r.awaitHealthy(t, 2*outageRate, 60*time.Second)
	r.proxy.Cut()
	time.Sleep(outage(t))
	how, bound := "SIGTERM", 0
	if r.kill {
		how, bound = "kill -9", outageRate // what was done in the last second
		r.router.kill()
	} else if took, err := r.router.terminate(40 * time.Second); err != nil {
		t.Logf("SIGTERM with a sink down: %v after %.1f s", err, took.Seconds()) // what is pending stays at the source
	}
	delivered := r.feeder.sent()
	for _, l := range r.books {
		l.restarted()
	}
	if err := r.router.launch(); err != nil {
		t.Fatal(err)
	}
	again := r.awaitHealthy(t, delivered+outageRate, 20*time.Second)
	r.proxy.Pass()
	time.Sleep(2 * time.Second)
	r.feeder.end(t)
	for _, name := range []string{"bus", "hook", "down"} {
		l := r.books[name]
		l.await(t, killPatience)
		l.calm()
		label := fmt.Sprintf("%s, %s, %s", how, r.share.name, name)
		t.Logf("OUTAGE %-34s healthy again after %.1f s: %s", label, again.Seconds(), l.verdict().row())
		l.sound(t, label)
		if v := l.verdict(); name != "down" && v.duplicates > bound+delivered/100 {
			t.Errorf("%s: %d of about %d confirmed events came again (%.1f %%), want %d at most", label, v.duplicates, delivered,
				100*float64(v.duplicates)/float64(delivered), bound+delivered/100)
		}
	}
	if r.router.stop(); t.Failed() {
		t.Log(r.router.tail())
	}
}

// awaitHealthy waits until the healthy sinks have so many events, and fails the test if they do not get them.
func (r *outageRun) awaitHealthy(t *testing.T, n int, patience time.Duration) time.Duration {
	t.Helper()
	took, ok := within(patience, func() bool { return r.books["bus"].arrived() >= n && r.books["hook"].arrived() >= n })
	if !ok {
		t.Errorf("the healthy sinks have %d and %d events after %.0f s, want %d\n%s",
			r.books["bus"].arrived(), r.books["hook"].arrived(), took.Seconds(), n, r.router.tail())
	}
	return took
}

// One sink that was down at the start kept the events from all others: a restart during a partner's outage was a total
// outage. The healthy sinks get their events at once, /readyz is 200 and names the sink, which gets everything when it
// comes up.
func TestStartWithADeadSink(t *testing.T) {
	f := sharedField(t, "kafka", "nats", "sqs")
	var wg sync.WaitGroup
	for _, c := range []struct{ from, down string }{
		{"kafka", "http"}, {"jetstream", "kafka"}, {"kafka", "jetstream"}, {"jetstream", "sqs"},
	} {
		wg.Go(func() {
			t.Run(c.from+" with a dead "+c.down, func(t *testing.T) { startDead(t, f, c.from, c.down) })
		})
	}
	wg.Wait()
}

func startDead(t *testing.T, f *field, from, down string) {
	const half = 100
	name := unique("s")
	events := makeEvents(name, 2*half, outageKeys)
	books := map[string]*ledger{"bus": newLedger(events), "hook": newLedger(events), "down": newLedger(events)}
	src := f.source(t, from, name)
	sinks := map[string]string{
		"bus": f.sink(t, "kafka", name, books["bus"]).config, "hook": f.sink(t, "http", name, books["hook"]).config,
	}
	var proxy *testbroker.Proxy
	sinks["down"], proxy = f.through(t, down, f.sink(t, down, name+"d", books["down"]).config)
	proxy.Cut()
	p := newProcess(t, config(src, sinks)+quickly)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i, act := range []string{"start", "restart"} {
		if err := src.send(ctx, p, events[i*half:(i+1)*half]); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if took, err := p.terminate(40 * time.Second); err != nil {
				t.Logf("SIGTERM: %v after %.1f s", err, took.Seconds())
			}
			for _, l := range books {
				l.restarted()
			}
		}
		if err := p.launch(); err != nil {
			t.Fatal(err)
		}
		healthyAtOnce(t, p, fmt.Sprintf("%s -> dead %s, %s", from, down, act), books, (i+1)*half)
	}
	began := time.Now()
	proxy.Pass()
	for sink, l := range books {
		l.await(t, killPatience)
		l.sound(t, from+" -> dead "+down+", "+sink)
	}
	t.Logf("DEAD SINK %s -> %s: everything arrived %.1f s after the sink came up", from, down, time.Since(began).Seconds())
	if p.stop(); t.Failed() {
		t.Log(p.tail())
	}
}

// healthyAtOnce demands that the healthy sinks get n events soon after a start, and that the router says what is wrong.
func healthyAtOnce(t *testing.T, p *process, name string, books map[string]*ledger, n int) {
	t.Helper()
	const longest = 5 * time.Second
	took, ok := within(longest, func() bool { return books["bus"].arrived() >= n && books["hook"].arrived() >= n })
	var code int
	var text string
	var err error
	// A router that was restarted a moment ago may not say yet where it listens, nor that it reads.
	within(longest, func() bool {
		code, text, err = p.ask("/readyz?verbose")
		return code == http.StatusOK && complains(text, "sink down")
	})
	t.Logf("DEAD SINK %-32s healthy sinks have %d and %d of %d after %.1f s, /readyz %d %v", name,
		books["bus"].arrived(), books["hook"].arrived(), n, took.Seconds(), code, err)
	if !ok {
		t.Errorf("%s: the healthy sinks have %d and %d events of %d after %s", name, books["bus"].arrived(), books["hook"].arrived(), n, longest)
	}
	if code != http.StatusOK || !complains(text, "sink down") {
		t.Errorf("%s: /readyz?verbose answers %d, want 200 and a line that does not call the sink down ok:\n%s", name, code, text)
	}
}

// complains tells whether a line of a health report says of a part something else than that it is well.
func complains(report, part string) bool {
	for line := range strings.Lines(report) {
		if strings.Contains(line, part) && !strings.HasPrefix(line, "[+]") {
			return true
		}
	}
	return false
}
