//go:build brokers

package matrix

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The sizes of a run under kills, per pair.
const (
	killEvents    = 2_000
	killEventsSQS = 300
	killKeys      = 50
	// killPairs is how many pairs run at once: most of their time goes into waiting for redelivery.
	killPairs = 6
	// killLife is how long a router lives at most, beside the time a burst takes.
	killLife = 2 * time.Second
	// killPatience is how long nothing may arrive before what is missing counts as lost. It is longer than any time
	// after which a broker delivers again.
	killPatience = 45 * time.Second
)

// kills returns how often each router is killed: $ROUTER_TEST_KILLS, 2 by default.
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv("ROUTER_TEST_KILLS")
	if text == "" {
		return 2
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 100 {
		t.Fatalf("ROUTER_TEST_KILLS is %q, want a number from 1 to 100", text)
	}
	return n
}

// killPair is one pair of ends under kills, with its ledger.
type killPair struct {
	from, to string
	kills    int
	events   []sent
	ledger   *ledger
	source   producer
	router   *process
	permits  chan struct{} // one for each segment that may be produced
}

// total sums up the verdicts of all pairs.
type total struct {
	mu sync.Mutex // guards what follows
	verdict
	kills int
}

func (s *total) add(v verdict, kills int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += v.sent
	s.lost += v.lost
	s.invented += v.invented
	s.corrupted += v.corrupted
	s.duplicates += v.duplicates
	s.reordered += v.reordered
	s.kills += kills
}

// TestKill kills the router with SIGKILL in mid-stream, again and again, while events are produced all the time, and
// starts it again. Every acknowledging source is tried with every acknowledging sink. No event that the source took
// may be lost, none invented or changed, and in the end the source keeps none back; some arrive twice, which is what
// at least once means. Sources that keep the order of a key must keep it over kills: the first delivery of an event
// comes after those of its predecessors.
func TestKill(t *testing.T) {
	f := newField(t)
	n := kills(t)
	var (
		sum   total
		wg    sync.WaitGroup
		slots = make(chan struct{}, killPairs)
		ends  = []string{"kafka", "jetstream", "sqs", "http"}
	)
	start := time.Now()
	for _, from := range ends {
		for _, to := range ends {
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				t.Run(from+" to "+to, func(t *testing.T) {
					p := newKillPair(t, f, from, to, n)
					defer func() { sum.add(p.ledger.verdict(), n) }()
					p.run(t)
				})
			})
		}
	}
	wg.Wait()
	t.Logf("TOTAL %d kills, %d events acknowledged, %d lost, %d duplicated (%.2f %%); %d invented, %d corrupted; %.0f s",
		sum.kills, sum.sent, sum.lost, sum.duplicates, 100*float64(sum.duplicates)/float64(max(1, sum.sent)),
		sum.invented, sum.corrupted, time.Since(start).Seconds())
}

func newKillPair(t *testing.T, f *field, from, to string, n int) *killPair {
	t.Helper()
	count := killEvents
	if from == "sqs" || to == "sqs" {
		count = killEventsSQS
	}
	name := "x" + from[:1] + from[len(from)-1:] + to[:1] + to[len(to)-1:]
	p := &killPair{from: from, to: to, kills: n, events: makeEvents(name, count, killKeys), permits: make(chan struct{}, n+1)}
	p.ledger = newLedger(p.events)
	p.source = f.source(t, from, name)
	switch from {
	case "kafka":
		// Without an instance id the group waits out the session of the killed member before it reads on.
		p.source.config = strings.TrimSuffix(p.source.config, " }") + ", instance_id: one }"
	case "http":
		p.source.config = strings.Replace(p.source.config, "127.0.0.1:0", fixedAddress(t), 1)
	}
	p.router = startRouter(t, config(p.source, map[string]string{"out": f.sink(t, to, name, p.ledger).config}))
	return p
}

// run produces, kills and starts until all kills are done, then waits for the last event and judges.
func (p *killPair) run(t *testing.T) {
	limit, release := context.WithTimeout(t.Context(), time.Duration(2+p.kills)*time.Minute)
	defer release()
	ctx, cancel := context.WithCancelCause(limit)
	defer cancel(nil)
	produced := make(chan struct{})
	go func() {
		defer close(produced)
		if err := p.produce(ctx); err != nil {
			cancel(fmt.Errorf("producer: %w", err))
		}
	}()
	p.permits <- struct{}{}
	for i := range p.kills {
		// Some lives are shorter than the intervals in which positions are stored, some longer.
		time.Sleep(rand.N(killLife))
		p.permits <- struct{}{}
		if err := p.killOnce(ctx, i+1); err != nil {
			t.Fatalf("kill %d: %v\n%s\n%s", i+1, err, p.ledger.verdict(), p.router.dump())
		}
	}
	<-produced
	if ctx.Err() != nil {
		t.Fatalf("%v\n%s", context.Cause(ctx), p.router.dump())
	}
	p.ledger.await(t, killPatience)
	v := p.ledger.verdict()
	if v.lost > 0 {
		t.Fatalf("%s -> %s: %s\n%s", p.from, p.to, v, p.router.dump())
	}
	p.awaitAcknowledged(t)
	p.router.stop()
	v = p.ledger.verdict()
	t.Logf("PAIR %-22s %d kills, %s (%.2f %%)", p.from+" -> "+p.to, p.kills, v, 100*float64(v.duplicates)/float64(v.sent))
	if v.invented+v.corrupted > 0 || p.source.ordered && v.reordered > 0 {
		t.Errorf("%s -> %s: %s\n%s\n%s", p.from, p.to, v, strings.Join(p.ledger.examples, "\n"), p.router.tail())
	}
}

// awaitAcknowledged waits until the source's broker keeps nothing more for the router: what was delivered is
// acknowledged, and what a killed router had not acknowledged was delivered again.
func (p *killPair) awaitAcknowledged(t *testing.T) {
	if p.source.left == nil {
		return
	}
	deadline := time.Now().Add(killPatience)
	for {
		left, err := p.source.left(t.Context())
		if left == 0 && err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s -> %s: everything arrived, but %d events are not acknowledged at the source (%v)\n%s",
				p.from, p.to, left, err, p.router.dump())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// segment is how many events there are for each life of the router.
func (p *killPair) segment() int { return len(p.events) / (p.kills + 1) }

// produce sends the events segment by segment, each in bursts. A segment is let go just before a kill and goes on
// through it, so that the kill hits the router while it is busy, and the next one finds work that is waiting.
func (p *killPair) produce(ctx context.Context) error {
	burst := max(1, p.segment()/4)
	allowed := 0
	for from := 0; from < len(p.events); {
		for allowed <= from {
			select {
			case <-p.permits:
				allowed += p.segment()
				if allowed > len(p.events)-p.segment() {
					allowed = len(p.events) // the rest of the division
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		to := min(from+burst, allowed)
		if err := p.source.send(ctx, p.router, p.events[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// killOnce waits until a part of a segment, chosen at random, has arrived, kills the router there and starts it again.
func (p *killPair) killOnce(ctx context.Context, segment int) error {
	at := segment*p.segment() + rand.IntN(p.segment())
	select {
	case <-p.ledger.reach(at):
	case <-ctx.Done():
		return fmt.Errorf("waiting for event %d to arrive: %w", at, context.Cause(ctx))
	}
	// The reader hears of an event before or after the router does; what lies between is hit by chance.
	time.Sleep(rand.N(10 * time.Millisecond))
	p.router.kill()
	return p.router.start()
}

// fixedAddress returns a loopback address for an ingress that must be the same after a restart. It lies below the
// ports that kernels give to outgoing connections, so that no client takes it in the meantime.
func fixedAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(12000+rand.IntN(8000)))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return addr
	}
	t.Fatal("no free port between 12000 and 20000")
	return ""
}
