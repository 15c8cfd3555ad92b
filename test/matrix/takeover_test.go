//go:build brokers

package matrix

import (
	"context"
	"strings"
	"testing"
	"time"
)

// The input of the tests that kill members of a Kafka group.
const (
	groupRate = 200 // events a second
	groupKeys = 20
	// groupPatience is longer than any session of a member.
	groupPatience = 60 * time.Second
)

// A group waited 45 s for a member that had been killed, so that nothing was delivered after a crash for that long.
// With an instance_id the next process takes the place of the dead one at once.
func TestKafkaTakesOverQuickly(t *testing.T) {
	f := sharedField(t, "kafka", "nats")
	kills := size(t, "ROUTER_TEST_TAKEOVERS", 1, 10)
	for _, c := range []struct {
		name, extra string
		longest     time.Duration
	}{
		{"default", "", 12 * time.Second},
		{"instance_id", ", instance_id: one }", 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := unique("t")
			src := f.source(t, "kafka", name)
			if c.extra != "" {
				src.config = strings.TrimSuffix(src.config, " }") + c.extra
			}
			l := newLedger(nil)
			p := startRouter(t, config(src, map[string]string{"out": f.sink(t, "jetstream", name, l).config}))
			feeder := feed(t, &feeder{run: name, keys: groupKeys, rate: groupRate, source: src, books: []book{{ledger: l}}})
			var longest time.Duration
			for range kills {
				longest = max(longest, takeOver(t, p, l, feeder))
			}
			feeder.end(t)
			l.await(t, killPatience)
			t.Logf("TAKEOVER kafka -> jetstream, %-11s %d kill -9: next event after %.2f s at most: %s", c.name, kills, longest.Seconds(), l.verdict().row())
			l.sound(t, "kafka -> jetstream, "+c.name)
			if longest > c.longest {
				t.Errorf("the next event came %.2f s after the restart, want %s at most", longest.Seconds(), c.longest)
			}
			p.stop()
		})
	}
}

// takeOver kills the router in mid-stream and starts it again. It returns how long after the start the first event
// arrived that was produced after the kill.
func takeOver(t *testing.T, p *process, l *ledger, feeder *feeder) time.Duration {
	t.Helper()
	if took, ok := within(groupPatience, func() bool { return l.arrived() > feeder.sent()-groupRate }); !ok {
		t.Fatalf("the router has not caught up after %.1f s\n%s", took.Seconds(), p.tail())
	}
	time.Sleep(time.Second) // a part of the positions is committed, a part is not
	p.kill()
	l.restarted()
	after := feeder.sent()
	if err := p.launch(); err != nil {
		t.Fatal(err)
	}
	took, ok := within(groupPatience, func() bool { return l.newest() >= after })
	if !ok {
		t.Fatalf("no event in %.1f s after the restart\n%s", took.Seconds(), p.tail())
	}
	return took
}

// newest returns the highest number of an event that has arrived.
func (l *ledger) newest() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	newest := -1
	for _, seq := range l.last {
		newest = max(newest, seq)
	}
	return newest
}

// SIGTERM hung while the join of the group was pending, which waits for the dead member's session to end: the router
// took 41.5 s to end, with code 1, longer than an orchestrator waits.
func TestStopDuringJoin(t *testing.T) {
	const longest = 10 * time.Second
	f := sharedField(t, "kafka")
	name := unique("j")
	src := f.source(t, "kafka", name)
	events := makeEvents(name, 400, groupKeys)
	l := newLedger(events)
	p := startRouter(t, config(src, map[string]string{"out": f.sink(t, "http", name, l).config}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := src.send(ctx, p, events[:200]); err != nil {
		t.Fatal(err)
	}
	select {
	case <-l.reach(200):
	case <-time.After(30 * time.Second):
		t.Fatalf("%s\n%s", l.verdict().row(), p.tail())
	}
	p.kill()
	l.restarted()
	if err := p.launch(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	took, err := p.terminate(groupPatience)
	t.Logf("STOP DURING JOIN: ended %.1f s after SIGTERM: %v", took.Seconds(), err)
	if err != nil || took > longest {
		t.Errorf("the router ended %.1f s after SIGTERM with %v, want code 0 within %s\n%s", took.Seconds(), err, longest, p.tail())
	}
	l.restarted()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	if err := src.send(ctx, p, events[200:]); err != nil {
		t.Fatal(err)
	}
	l.await(t, groupPatience)
	l.sound(t, "stop during join")
	p.stop()
}
