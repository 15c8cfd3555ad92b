package nats

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
)

// lives runs a source again and again and keeps what all its lives emitted.
type lives struct {
	t    *testing.T
	n    *testbroker.NATS
	js   jetstream.JetStream
	cfg  SourceConfig
	pace time.Duration  // most time that sixteen events take
	dead sync.WaitGroup // the remains of crashed processes

	mu       sync.Mutex     // guards what follows
	newest   map[string]int // by subject
	first    map[string]bool
	disorder []string
	repeats  int
	latest   time.Time     // of a first delivery
	stall    time.Duration // longest time without one
}

func newLives(t *testing.T, n *testbroker.NATS, js jetstream.JetStream, cfg SourceConfig) *lives {
	cfg.Stream = "S"
	return &lives{t: t, pace: 30 * time.Millisecond, n: n, js: js, cfg: cfg, newest: map[string]int{}, first: map[string]bool{}}
}

// produce publishes to subjects in turn, rate events a second, until stop is called, which returns how many.
func (l *lives) produce(subjects, rate int) (stop func() int) {
	quit, done := make(chan struct{}), make(chan int)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		n := 0
		for {
			select {
			case <-quit:
				done <- n
				return
			case <-tick.C:
			}
			for range rate / 100 {
				id := fmt.Sprint(n / subjects)
				if _, err := l.js.PublishMsgAsync(message(fmt.Sprintf("s.%d", n%subjects), id)); err != nil {
					l.t.Error(err)
				}
				n++
			}
			<-l.js.PublishAsyncComplete()
		}
	}()
	return func() int { close(quit); return <-done }
}

// note records a delivery.
func (l *lives) note(e *envelope.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var n int
	if _, err := fmt.Sscan(strings.Clone(e.ID), &n); err != nil {
		l.t.Errorf("event %q: %v", e.ID, err)
	}
	id := fmt.Sprintf("%s/%d", e.Key, n)
	if l.first[id] {
		l.repeats++
		return
	}
	l.first[id] = true
	now := time.Now()
	if !l.latest.IsZero() {
		l.stall = max(l.stall, now.Sub(l.latest))
	}
	l.latest = now
	newest, seen := l.newest[string(e.Key)]
	if seen && n < newest || !seen && n != 0 {
		l.disorder = append(l.disorder, fmt.Sprintf("%s after %d (sequence %d, delivery %d)", id, newest, e.Meta.Position, e.Meta.Deliveries))
	}
	l.newest[string(e.Key)] = max(newest, n)
}

func (l *lives) different() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.first)
}

func (l *lives) emit(queue chan<- *bindings.Batch) func(*bindings.Batch) {
	return func(b *bindings.Batch) {
		b.Expect(len(b.Events))
		queue <- b
	}
}

// deliver is the sink of one life: it takes batches in their order.
func (l *lives) deliver(ctx context.Context, queue <-chan *bindings.Batch) {
	for b := range queue {
		n := len(b.Events)
		for i := range n {
			if ctx.Err() == nil && i%16 == 0 {
				time.Sleep(rand.N(l.pace))
			}
			err := ctx.Err()
			if err != nil {
				b.Fail(i, bindings.ErrStopped)
				continue
			}
			l.note(&b.Events[i])
		}
		b.Done(n)
	}
}

// live runs a source until after has passed, then ends it. A crash cuts the connection first, so that nothing of what the
// process still does reaches the server; otherwise drain is how long deliveries go on.
func (l *lives) live(after, drain time.Duration, crash bool) {
	l.t.Helper()
	cfg := l.cfg
	proxy := testbroker.NewProxy(l.t, strings.TrimPrefix(l.n.URL, "nats://"))
	cfg.URL = "nats://" + proxy.Addr().String()
	settings := sourceSettings(zap.NewNop())
	settings.Window = bindings.NewWindow(200, 0)
	s, err := NewSource(cfg, settings, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	run, stop := context.WithCancel(context.Background())
	alive, die := context.WithCancel(context.Background())
	queue := make(chan *bindings.Batch, 1000)
	ended := make(chan struct{})
	go func() { defer close(ended); l.deliver(alive, queue) }()
	done := make(chan error, 1)
	go func() { done <- s.Run(run, l.emit(queue)) }()
	eventually(l.t, "the source reads", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.status == nil })
	time.Sleep(after)
	if crash {
		die()
		proxy.Cut()
	} else {
		time.AfterFunc(drain, die)
	}
	stop()
	end := func() {
		if err := <-done; err != nil {
			l.t.Errorf("Run: %v", err)
		}
		die()
		close(queue)
		<-ended
		proxy.Cut()
	}
	if crash {
		l.dead.Go(end)
		return
	}
	end()
}

func (l *lives) verdict(total int) {
	l.t.Helper()
	l.dead.Wait()
	l.t.Logf("%d events, %d reordered, %d repeated, longest stall %s", total, len(l.disorder), l.repeats, l.stall.Round(time.Millisecond))
	if l.stall > 3*time.Second {
		l.t.Errorf("nothing arrived for %s", l.stall)
	}
	if len(l.disorder) > 0 {
		l.t.Errorf("%d events came after later ones of their subject, for example\n%s", len(l.disorder),
			strings.Join(l.disorder[:min(len(l.disorder), 10)], "\n"))
	}
	if got := len(l.first); got != total {
		l.t.Errorf("%d different events, want %d", got, total)
	}
}

// A stop that leaves much behind, and a start right after it: neither what was fetched nor what was in flight may come
// after later events of its subject.
func TestStreamStopsKeepTheOrder(t *testing.T) {
	n, js, _ := broker(t)
	l := newLives(t, n, js, SourceConfig{})
	stop := l.produce(20, 600)
	for range 40 {
		l.live(20*time.Millisecond+rand.N(120*time.Millisecond), rand.N(20*time.Millisecond), false)
	}
	total := stop()
	for end := time.Now().Add(patience); l.different() < total && time.Now().Before(end); {
		l.live(time.Second, time.Second, false)
	}
	l.verdict(total)
}

// What a crash leaves unacknowledged comes before what is newer, and at once.
func TestStreamCrashesKeepTheOrder(t *testing.T) {
	n, js, _ := broker(t)
	l := newLives(t, n, js, SourceConfig{AckWait: 3 * time.Second})
	stop := l.produce(20, 600)
	for range 10 {
		l.live(50*time.Millisecond+rand.N(200*time.Millisecond), 0, true)
	}
	total := stop()
	for end := time.Now().Add(patience); l.different() < total && time.Now().Before(end); {
		l.live(time.Second, time.Second, false)
	}
	l.verdict(total)
}
