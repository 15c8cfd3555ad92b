package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
)

// webhook is a target that takes so long for each event and fails some of them as fail says, in virtual time.
type webhook struct {
	takes time.Duration
	fail  func(e *envelope.Event) (time.Duration, error)

	mu        sync.Mutex // guards what follows
	delivered map[string]time.Time
	order     []string
	sends     int
}

func (w *webhook) Send(ctx context.Context, events []*envelope.Event) error {
	errs := make(bindings.BatchError, len(events))
	for i, e := range events {
		takes, err := w.takes, error(nil)
		if w.fail != nil {
			var slow time.Duration
			if slow, err = w.fail(e); slow > 0 {
				takes = slow
			}
		}
		if !sleep(ctx, takes) {
			return ctx.Err()
		}
		w.mu.Lock()
		w.sends++
		if errs[i] = err; err == nil {
			if w.delivered == nil {
				w.delivered = map[string]time.Time{}
			}
			w.delivered[e.ID] = time.Now()
			w.order = append(w.order, e.ID)
		}
		w.mu.Unlock()
	}
	return errs
}
func (*webhook) Close(context.Context) error { return nil }

// lastGood returns after what time the last of the events that do not fail was delivered.
func (w *webhook) lastGood(start time.Time) (n int, after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, at := range w.delivered {
		if !strings.HasPrefix(id, "bad") {
			n++
			after = max(after, at.Sub(start))
		}
	}
	return n, after
}

var errInternal = &bindings.CodeError{Code: "500", Err: errors.New("500 Internal Server Error")}

// Three events that a healthy target answered with 500 kept all others from it: each failure counted as the target's, and
// the failed events went first after each pause.
func TestEventsThatFailForTheirOwnSakeDoNotStarveOthers(t *testing.T) {
	const good = 1000
	retryAfter := bindings.PauseTarget(errInternal, time.Second)
	for _, c := range []struct {
		name        string
		bad         int
		keys        int // of good events; 0 for none
		badKeys     bool
		concurrency int
		err         error
		slow        time.Duration // how long a bad event takes to fail
		retry       Retry
		last        bool // the bad ones come last of the first batch instead of first
		// of is the share of the rate without bad events that the good ones must keep.
		of float64
	}{
		{name: "three first, one worker", bad: 3, concurrency: 1, err: errInternal, of: 0.9},
		{name: "three first, attempts", bad: 3, concurrency: 1, err: errInternal, retry: Retry{Attempts: 5}, of: 0.9},
		{name: "three first, for", bad: 3, concurrency: 1, err: errInternal, retry: Retry{For: 10 * time.Second}, of: 0.9},
		{name: "48 first, one worker", bad: 48, concurrency: 1, err: errInternal, of: 0.9},
		{name: "48 first, defaults", bad: 48, concurrency: 16, err: errInternal, of: 0.9},
		{name: "48 first, keys", bad: 48, keys: 50, badKeys: true, concurrency: 16, err: errInternal, of: 0.9},
		{name: "200 first, defaults", bad: 200, concurrency: 16, err: errInternal, of: 0.5},
		{name: "slow failures", bad: 5, concurrency: 1, err: errInternal, slow: 2 * time.Second, of: 0.4},
		{name: "retry after", bad: 5, concurrency: 1, err: retryAfter, of: 0.6},
		{name: "retry after, several workers", bad: 5, concurrency: 4, err: retryAfter, of: 0.35},
		{name: "no connection for some", bad: 5, concurrency: 1, err: errDown, of: 0.9},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const takes = 10 * time.Millisecond
				deliver := func(bad int) time.Duration {
					start := time.Now()
					w := &webhook{takes: takes, fail: func(e *envelope.Event) (time.Duration, error) {
						if strings.HasPrefix(e.ID, "bad") {
							return c.slow, c.err
						}
						return 0, nil
					}}
					var in []*envelope.Event
					for i := range bad {
						key := ""
						if c.badKeys {
							key = fmt.Sprintf("bad%d", i)
						}
						in = append(in, event(fmt.Sprintf("bad%d", i), "t", key))
					}
					in = append(in, events(good, "t", c.keys)...)
					r := newRig(t, all("s"), []Sink{{Name: "s", Sink: w, BatchEvents: 1, Concurrency: c.concurrency, Retry: c.retry}}, in)
					_ = r.run(time.Minute)
					n, after := w.lastGood(start)
					if n != good {
						t.Fatalf("%d of %d good events delivered within a minute, beside %d bad ones", n, good, bad)
					}
					return after
				}
				alone, after := deliver(0), deliver(c.bad)
				// The first attempts of the bad events are theirs, whoever comes first. Keys may share a worker.
				workers := time.Duration(c.concurrency)
				if c.badKeys {
					workers = max(1, workers/4)
				}
				first := time.Duration(c.bad) * max(c.slow, takes) / workers
				if limit := time.Duration(float64(alone)/c.of) + first + 2*takes; after > limit {
					t.Errorf("good events delivered after %s, want all within %s; alone they take %s", after, limit, alone)
				}
			})
		})
	}
}

// While nothing gets through, the target is spared: it is probed with growing pauses, also when every event has failed.
func TestTargetThatIsDownIsSpared(t *testing.T) {
	for _, n := range []int{1, 3, 1000} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			w := &webhook{takes: time.Millisecond, fail: func(*envelope.Event) (time.Duration, error) {
				if time.Since(start) < 30*time.Minute {
					return 0, errDown
				}
				return 0, nil
			}}
			r := newRig(t, all("s"), []Sink{{Name: "s", Sink: w, BatchEvents: 1}}, events(n, "t", 0))
			if err := r.run(time.Hour); err != nil {
				t.Fatal(err)
			}
			// One probe in 17 seconds on average, those of the first 100 ms, and what is delivered in the end.
			if most := n + 110*min(n, 3) + 100; w.sends > most {
				t.Errorf("%d events: %d sends in an hour, want at most %d", n, w.sends, most)
			}
			if _, after := w.lastGood(start); after > 32*time.Minute {
				t.Errorf("%d events: the last arrived %s after the outage", n, after-30*time.Minute)
			}
		})
	}
}

// A run of events that fail was taken for an outage by probe after probe, because each probe took the next of them.
func TestProbeIsTakenFromAnywhereInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := &webhook{takes: 100 * time.Millisecond, fail: func(e *envelope.Event) (time.Duration, error) {
			if strings.HasPrefix(e.ID, "bad") {
				return 0, errInternal
			}
			return 0, nil
		}}
		var in []*envelope.Event
		for i := range 100 {
			in = append(in, event(fmt.Sprintf("bad%d", i), "t", ""))
		}
		in = append(in, events(900, "t", 9)...)
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: w, BatchEvents: 1}}, in)
		_ = r.run(10 * time.Minute)
		n, after := w.lastGood(start)
		if n != 900 || after > 130*time.Second { // 100 s of sending if nothing is ever sent twice
			t.Errorf("%d of 900 good events after %s", n, after)
		}
		last := map[string]string{}
		for _, id := range w.order {
			var i int
			_, _ = fmt.Sscanf(id, "e%d", &i)
			key := fmt.Sprint(i % 9)
			if id < last[key] {
				t.Fatalf("%s of key %s after %s", id, key, last[key])
			}
			last[key] = id
		}
	})
}

// lateSink is ready only after a while; before that it must not be sent to.
type lateSink struct {
	bindingtest.MemorySink
	from time.Time
}

func (s *lateSink) Ready(context.Context) error {
	if time.Now().Before(s.from) {
		return errDown
	}
	return nil
}

// A sink that could not be reached at the start kept all sources from reading, so that the other sinks got nothing.
func TestSinkThatIsNotThereAtTheStartDelaysOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := &lateSink{from: time.Now().Add(10 * time.Minute)}
		late.Fail = func(*envelope.Event, int) error {
			if time.Now().Before(late.from) {
				t.Error("sent to a sink that was never ready")
			}
			return nil
		}
		good := &bindingtest.MemorySink{}
		r := newRig(t, all("late", "good"), []Sink{{Name: "late", Sink: late}, {Name: "good", Sink: good}}, events(100, "t", 5))
		p, err := New(r.settings)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(time.Minute)
		if n := len(good.Confirmed()); n != 100 {
			t.Errorf("the healthy sink got %d of 100 events", n)
		}
		for _, s := range p.Health() {
			if s.Err != nil || (s.Trouble != nil) != (s.Name == "sink late") {
				t.Errorf("%s: error %v, trouble %v", s.Name, s.Err, s.Trouble)
			}
		}
		time.Sleep(10 * time.Minute)
		if n := len(late.Confirmed()); n != 100 {
			t.Errorf("the late sink got %d of 100 events", n)
		}
		if got := p.Health()[0]; got.Err != nil || got.Trouble != nil {
			t.Errorf("the late sink is %v, %v", got.Err, got.Trouble)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestStopDoesNotWaitForASinkThatWasNeverThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := &lateSink{from: time.Now().Add(time.Hour)}
		r := newRig(t, all("late"), []Sink{{Name: "late", Sink: late}}, events(100, "t", 5))
		r.settings.Drain = time.Hour
		begin := time.Now()
		if err := r.run(time.Minute); err != nil || time.Since(begin) > 2*time.Minute {
			t.Errorf("stopped after %s with %v", time.Since(begin), err)
		}
		if n := failures(r.source.Outcomes()); n != 100 {
			t.Errorf("%d of 100 events stay at the source", n)
		}
	})
}

func TestSinkThatIsAwaitedKeepsTheSourcesFromReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late, good := &lateSink{from: time.Now().Add(time.Hour)}, &bindingtest.MemorySink{}
		r := newRig(t, all("late", "good"), []Sink{{Name: "late", Sink: late, AwaitReady: true}, {Name: "good", Sink: good}},
			events(10, "t", 0))
		if err := r.run(time.Minute); err != nil || len(good.Confirmed()) != 0 {
			t.Errorf("%v; %d events delivered before the awaited sink was there", err, len(good.Confirmed()))
		}
		if got := r.p.Health()[0].Err; got == nil {
			t.Error("the router is ready before the sink that it waits for")
		}
	})
}

// A source whose window was full stopped without a word, with a fraction of the window in flight.
func TestSourceThatWaitsForRoomSaysSoAndNamesTheSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		core, logs := observer.New(zap.InfoLevel)
		down := &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error {
			if time.Since(start) < time.Hour {
				return errDown
			}
			return nil
		}}
		good := &bindingtest.MemorySink{}
		rules := all("good")
		third := all("down")[0]
		third.Name, third.When = "third", when(t, "type", "third")
		var batches [][]*envelope.Event
		for b := range 20 {
			batch := events(150, "t", 0)
			for i, e := range batch {
				e.ID = fmt.Sprintf("%d-%d", b, i)
				if i%3 == 0 {
					e.Type = "third"
				}
			}
			batches = append(batches, batch)
		}
		r := newRig(t, append(rules, third), []Sink{{Name: "good", Sink: good}, {Name: "down", Sink: down}}, batches...)
		window := bindings.NewWindow(600, 0)
		r.source.Window = window
		r.settings.Sources[0].Window, r.settings.Log = window, zap.New(core)
		p, err := New(r.settings)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(time.Minute)
		// Batches of 150 have 50 events for the sink that is down each: ten fit, and an eleventh has no room for its 150.
		if u := window.Usage(); u.Events < 450 || u.Waiting.IsZero() || len(good.Confirmed()) < 1350 {
			t.Errorf("%+v, %d events delivered to the other sink: the room of what was delivered did not come back", u, len(good.Confirmed()))
		}
		said := logs.FilterMessage("source has stopped reading: its window is full").All()
		if len(said) != 1 || said[0].ContextMap()["sink"] != "down" || said[0].ContextMap()["error"] != errDown.Error() {
			t.Errorf("the log says %v, want once that sink down holds the source", said)
		}
		h := p.Health()
		if got := h[len(h)-1]; got.Err != nil || got.Trouble == nil || !strings.Contains(got.Trouble.Error(), "sink down has") {
			t.Errorf("the source is %v, %v", got.Err, got.Trouble)
		}
		if w := p.Ledger().Sources[0].Window; w.MaxEvents != 600 || w.Waiting < 50 {
			t.Errorf("the ledger says %+v", w)
		}
		time.Sleep(time.Hour)
		if n := len(good.Confirmed()) + len(down.Confirmed()); n != 20*150+20*50 {
			t.Errorf("%d deliveries after the outage, want all", n)
		}
		if logs.FilterMessage("source reads again").Len() != 1 {
			t.Error("nothing says that the source reads again")
		}
		if events, bytes := window.InFlight(); events != 0 || bytes != 0 {
			t.Errorf("%d events and %d bytes of the window are taken with nothing in flight", events, bytes)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
