//go:build brokers

package matrix

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// flow is what a ledger knows about time and about repeats. It is guarded by the ledger's mutex.
//
// At least once allows repeats, and a router that was restarted may begin again at an older event of a key: one step
// back, with which the deliveries of the key begin in that life. An event that comes after a later one of its key
// otherwise is out of place: a target that keeps the last value of a key ends up with an old one. A first delivery out of
// place is reordered, a repeat is stale.
type flow struct {
	life      int       // of the router
	began     time.Time // this life
	places    map[string]place
	stamps    map[string]time.Time
	last      time.Time // of the last first delivery
	slowest   time.Duration
	silence   time.Duration
	stale     int
	stepsBack int
}

// place is where the deliveries of a key are.
type place struct {
	seq  int
	life int // in which the key may not step back any more
}

// lag is how long after the end of a router its last deliveries may still come, which are no beginning of the next
// life.
const lag = 500 * time.Millisecond

func (f *flow) sent(uid string, at time.Time) {
	if f.stamps == nil {
		f.stamps = map[string]time.Time{}
	}
	f.stamps[uid] = at
}

// arrived books a delivery. It returns what is wrong with it, if anything.
func (f *flow) arrived(e *sent, first bool, at time.Time) string {
	if f.places == nil {
		f.places = map[string]place{}
	}
	if first {
		if stamp, ok := f.stamps[e.uid]; ok {
			f.slowest = max(f.slowest, at.Sub(stamp))
		}
		if !f.last.IsZero() {
			f.silence = max(f.silence, at.Sub(f.last))
		}
		f.last = at
	}
	was, known := f.places[e.key]
	now := place{e.seq, was.life}
	if at.Sub(f.began) > lag {
		now.life = f.life
	}
	defer func() { f.places[e.key] = now }()
	switch {
	case !known || e.seq >= was.seq || first: // the ledger judges the order of first deliveries
		return ""
	case was.life < f.life:
		now.life = f.life
		f.stepsBack++
		return ""
	}
	f.stale++
	return fmt.Sprintf("stale: key %s, %d again after %d, in life %d of the router", e.key, e.seq, was.seq, f.life)
}

// A repeat that nothing explains must be told from one that a restart explains.
func TestFlow(t *testing.T) {
	const restart, later = -1, -2 // the router is restarted; its deliveries have begun
	for _, c := range []struct {
		name                        string
		arrivals                    []int
		reordered, stale, stepsBack int
		duplicates                  int
	}{
		{"in order", []int{0, 1, 2, restart, 3}, 0, 0, 0, 0},
		{"begins again after a restart", []int{0, 1, 2, restart, 1, 2, 3}, 0, 0, 1, 2},
		{"begins again without a restart", []int{0, 1, 2, 1, 2, 3}, 0, 1, 0, 2},
		{"again at once", []int{0, 0, 1, restart, 1, 2}, 0, 0, 0, 2},
		{"what the dead process held comes between newer ones", []int{0, 1, 2, 3, restart, 4, 1, 5, 2, 6}, 0, 1, 1, 2},
		{"a repeat after the life has begun", []int{0, 1, 2, 3, restart, later, 4, 1, 5}, 0, 1, 0, 1},
		{"the dead process's last one comes after the restart", []int{0, 1, 2, restart, 3, later, 1, 2, 3, 4}, 0, 0, 1, 3},
		{"what the dead process held comes late for the first time", []int{0, 3, restart, 4, 1, 5, 2}, 2, 0, 0, 0},
	} {
		events := make([]sent, 7)
		for i := range events {
			events[i] = makeEvent("flow", i, 1)
		}
		l := newLedger(events)
		for _, n := range c.arrivals {
			switch n {
			case restart:
				l.restarted()
			case later:
				l.flow.began = l.flow.began.Add(-2 * lag)
			default:
				l.receive(events[n].message, nil)
			}
		}
		v := l.verdict()
		if v.reordered != c.reordered || v.stale != c.stale || l.flow.stepsBack != c.stepsBack || v.duplicates != c.duplicates {
			t.Errorf("%s: reordered %d, stale %d, steps back %d, duplicated %d; want %d, %d, %d, %d", c.name,
				v.reordered, v.stale, l.flow.stepsBack, v.duplicates, c.reordered, c.stale, c.stepsBack, c.duplicates)
		}
	}
}

// row writes the figures of a ledger as one line.
func (v verdict) row() string {
	return fmt.Sprintf("%s, stale %d; duplicated %.2f %%, slowest event %.1f s, longest silence %.1f s", v, v.stale,
		100*float64(v.duplicates)/float64(max(1, v.sent)), v.slowest.Seconds(), v.silence.Seconds())
}

// arrived returns how many different events have arrived.
func (l *ledger) arrived() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

// calm waits until nothing arrives any more: repeats may come after the last event has.
func (l *ledger) calm() {
	within(time.Minute, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return time.Since(l.progress) > time.Second
	})
}

// sound fails the test where events were lost, changed or out of place, which nothing excuses.
func (l *ledger) sound(t *testing.T, name string) {
	t.Helper()
	v := l.verdict()
	t.Logf("LEDGER %-36s %s", name, v.row())
	if v.lost+v.invented+v.corrupted+v.reordered+v.stale > 0 {
		t.Errorf("%s: %s; want nothing lost, invented, corrupted, reordered or stale\nlost, in the order of sending: %s\n%s",
			name, v.row(), l.lost(), strings.Join(l.examples, "\n"))
	}
}

// within waits until done says so, and returns how long that took, or false after patience.
func within(patience time.Duration, done func() bool) (time.Duration, bool) {
	began := time.Now()
	for !done() {
		if time.Since(began) > patience {
			return time.Since(began), false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began), true
}

// book is a ledger with the events that belong into it; nil takes all.
type book struct {
	*ledger
	takes func(*sent) bool
}

// feeder produces events at a steady rate until it is stopped.
type feeder struct {
	run        string
	keys, rate int
	source     producer
	books      []book

	stop chan struct{}
	done chan error
	mu   sync.Mutex // guards n
	n    int
}

// feed starts a feeder.
func feed(t *testing.T, f *feeder) *feeder {
	t.Helper()
	f.stop, f.done = make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Hour) // NATS wants a deadline
	go func() { f.done <- f.produce(ctx) }()
	t.Cleanup(cancel)
	return f
}

// feedEvery is how often a feeder sends what has come due. The events of once are in flight together.
const feedEvery = 100 * time.Millisecond

func (f *feeder) produce(ctx context.Context) error {
	tick := time.NewTicker(feedEvery)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-f.stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := f.send(ctx, int(time.Since(began).Seconds()*float64(f.rate))); err != nil {
			return err
		}
	}
}

// send sends events until there are due of them.
func (f *feeder) send(ctx context.Context, due int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var events []sent
	for ; f.n < due; f.n++ {
		events = append(events, makeEvent(f.run, f.n, f.keys))
	}
	for _, b := range f.books {
		b.expect(b.share(events))
	}
	return f.source.send(ctx, nil, events)
}

// share returns the events that belong into the book.
func (b *book) share(events []sent) []sent {
	if b.takes == nil {
		return events
	}
	var mine []sent
	for i := range events {
		if b.takes(&events[i]) {
			mine = append(mine, events[i])
		}
	}
	return mine
}

// sent returns how many events were produced.
func (f *feeder) sent() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// end stops the feeder, and fails the test if it could not produce.
func (f *feeder) end(t *testing.T) {
	t.Helper()
	close(f.stop)
	if err := <-f.done; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("producer: %v", err)
	}
}
