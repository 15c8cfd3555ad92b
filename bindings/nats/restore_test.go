package nats

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/internal/testbroker"
)

// The sinks of pickySinks.
const (
	sinkA bindings.SinkID = 5
	sinkB bindings.SinkID = 9
)

// pickySinks stands in for a pipeline with two sinks that every event goes to. What hold says of a sink and an event
// stays in flight until the process ends.
type pickySinks struct {
	hold func(sink bindings.SinkID, id string) bool

	mu   sync.Mutex // guards what follows
	got  map[bindings.SinkID]map[string]int
	open []func()
}

func newPickySinks(hold func(bindings.SinkID, string) bool) *pickySinks {
	return &pickySinks{hold: hold, got: map[bindings.SinkID]map[string]int{sinkA: {}, sinkB: {}}}
}

func (p *pickySinks) emit(b *bindings.Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var legs, ended []bindings.Leg
	var held []int
	for i := range b.Events {
		id := strings.Clone(b.Events[i].ID)
		for _, sink := range []bindings.SinkID{sinkA, sinkB} {
			if b.Skips(i, sink) {
				continue
			}
			leg := bindings.Leg{Event: int32(i), Sink: sink}
			legs = append(legs, leg)
			if p.hold(sink, id) {
				held = append(held, i)
				continue
			}
			p.got[sink][id]++
			ended = append(ended, leg)
		}
	}
	b.Stage(legs)
	b.Expect(len(legs))
	if len(legs) == 0 {
		return
	}
	b.Ended(ended)
	if len(held) > 0 {
		p.open = append(p.open, func() {
			for _, i := range held {
				b.Fail(i, bindings.ErrStopped)
			}
			b.Done(len(held))
		})
	}
	b.Done(len(ended))
}

func (p *pickySinks) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, end := range p.open {
		end()
	}
	p.open = nil
}

func (p *pickySinks) count(sink bindings.SinkID) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.got[sink])
}

// process runs a source behind a proxy of its own; end stops it, after cutting it off if it is to crash.
func process(t *testing.T, n *testbroker.NATS, cfg SourceConfig, emit func(*bindings.Batch), log *zap.Logger) (end func(crash bool), proxy *testbroker.Proxy) {
	t.Helper()
	proxy = testbroker.NewProxy(t, strings.TrimPrefix(n.URL, "nats://"))
	cfg.URL, cfg.Stream = "nats://"+proxy.Addr().String(), "S"
	s, err := NewSource(cfg, sourceSettings(log), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, emit) }()
	wait := sync.OnceFunc(func() {
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wait() })
	eventually(t, "the source reads", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.running && s.status == nil })
	return func(crash bool) {
		if crash {
			proxy.Cut()
			cancel()
			return
		}
		cancel()
		wait()
	}, proxy
}

// One event whose sink is down holds back neither the acknowledgements of its batch, nor those of what comes after it; and
// neither a crash nor a stop repeats what the sinks had, although the durable is reset to its ack floor.
func TestStreamRepeatsOnlyWhatASinkLacks(t *testing.T) {
	for _, c := range []struct {
		name      string
		crash     bool
		retention jetstream.RetentionPolicy
	}{
		{"crash", true, jetstream.LimitsPolicy},
		{"stop", false, jetstream.LimitsPolicy},
		{"crash, work queue", true, jetstream.WorkQueuePolicy},
		{"crash, interest", true, jetstream.InterestPolicy},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := testbroker.NewNATS(t, nil)
			js := manager(t, client(t, n.URL))
			makeStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Retention: c.retention})
			if err := newSource(t, SourceConfig{URL: n.URL, Stream: "S", Subjects: []string{"s.a"}}).ensureConsumer(t.Context(), client(t, n.URL), 0); err != nil {
				t.Fatal(err)
			}
			const total = 2000
			publishMany(t, js, "s.a", "e", total)
			down := true
			first := newPickySinks(func(sink bindings.SinkID, id string) bool { return down && sink == sinkB && id == "e-3" })
			end, _ := process(t, n, SourceConfig{Subjects: []string{"s.a"}}, first.emit, zap.NewNop())
			eventually(t, "everything arrives", func() bool { return first.count(sinkA) == total })
			eventually(t, "all but one are acknowledged", func() bool { a, u := pending(t, js, "router-in"); return a == 1 && u == 0 })
			if c.crash {
				time.Sleep(3 * ledgerEvery)
			} else {
				time.AfterFunc(50*time.Millisecond, first.giveUp)
			}
			end(c.crash)
			first.giveUp()
			second := newPickySinks(func(bindings.SinkID, string) bool { return false })
			end, _ = process(t, n, SourceConfig{Subjects: []string{"s.a"}}, second.emit, zap.NewNop())
			eventually(t, "the last one is acknowledged", func() bool { a, u := pending(t, js, "router-in"); return a == 0 && u == 0 })
			end(false)
			if a, b := second.count(sinkA), second.got[sinkB]; a != 0 || len(b) != 1 || b["e-3"] != 1 {
				t.Errorf("after the restart one sink got %d events again, and the other one %v; want 0 and e-3", a, b)
			}
		})
	}
}

// Routes may deliver an event to one sink twice, changed in different ways. That one of the two has arrived does not mean that
// the sink has the event.
func TestStreamSinkThatGetsAnEventTwiceIsNotSkipped(t *testing.T) {
	leases := newLeases()
	leases.take(token{seq: 7}, "", 6)
	leases.take(token{seq: 8}, "", 7)
	b := &streamBatch{r: &streamReader{leases: leases, acker: &acker{wake: make(chan struct{}, 1)}}, tokens: []token{{seq: 7}, {seq: 8}}, open: []int{1, 1}}
	b.Init(b)
	b.Add()
	b.Add()
	b.Stage([]bindings.Leg{{Event: 0, Sink: sinkA}, {Event: 0, Sink: sinkB}, {Event: 0, Sink: sinkA}, {Event: 1, Sink: sinkA}, {Event: 1, Sink: sinkB}})
	b.Batch.Ended([]bindings.Leg{{Event: 0, Sink: sinkA}, {Event: 0, Sink: sinkB}, {Event: 1, Sink: sinkA}})
	got := map[uint64][]bindings.SinkID{}
	b.partly(func(t token, sink bindings.SinkID) { got[t.seq] = append(got[t.seq], sink) })
	if want := map[uint64][]bindings.SinkID{7: {sinkB}, 8: {sinkA}}; !reflect.DeepEqual(got, want) {
		t.Errorf("had: %v, want %v", got, want)
	}
}

// Of two routes to one sink the change of one can fail, and its event is held. It was acknowledged when the other leg had
// ended, or a restart took the sink for one that has the event.
func TestStreamEventThatIsHeldIsNeitherAcknowledgedNorSkipped(t *testing.T) {
	a := &acker{wake: make(chan struct{}, 1)}
	held := newLeases()
	held.take(token{seq: 7}, "reply", 0)
	b := &streamBatch{r: &streamReader{acker: a, leases: held}, tokens: []token{{seq: 7}}, open: []int{1}}
	b.Init(b)
	b.Add()
	b.Fail(0, bindings.ErrStopped)
	b.Stage([]bindings.Leg{{Event: 0, Sink: sinkA}})
	b.Batch.Ended([]bindings.Leg{{Event: 0, Sink: sinkA}})
	if b.open[0] != 1 {
		t.Error("the message was acknowledged")
	}
	b.partly(func(m token, sink bindings.SinkID) {
		t.Errorf("message %d: sink %d is said to have all of it", m.seq, sink)
	})
}

// What is on its way when a connection is lost comes again at once, before newer events of its subject, and what the process
// holds is not emitted twice.
func TestStreamReconnectsKeepTheOrder(t *testing.T) {
	n, js, _ := broker(t)
	l := newLives(t, n, js, SourceConfig{})
	var mu sync.Mutex
	queue := make(chan *bindings.Batch, 10_000)
	var sink sync.WaitGroup
	sink.Go(func() { l.deliver(context.Background(), queue) })
	end, proxy := process(t, n, SourceConfig{}, func(b *bindings.Batch) {
		mu.Lock()
		defer mu.Unlock()
		b.Expect(len(b.Events))
		queue <- b
	}, zap.NewNop())
	l.pace = 20 * time.Millisecond
	stop := l.produce(20, 600)
	for range 4 {
		time.Sleep(1200 * time.Millisecond)
		proxy.Cut()
		time.Sleep(20 * time.Millisecond)
		proxy.Pass()
	}
	total := stop()
	eventually(t, "everything arrives", func() bool { return l.different() == total })
	end(false)
	close(queue)
	sink.Wait()
	l.verdict(total)
	if l.repeats != 0 {
		t.Errorf("%d events were emitted twice", l.repeats)
	}
}

// With other readers there the durable is not reset, and what one of them gives back goes to the others at once.
func TestStreamWithOtherReadersIsNotReset(t *testing.T) {
	n, js, _ := broker(t)
	core, logs := observer.New(zap.InfoLevel)
	log := zap.New(core)
	const total = 1000
	publishMany(t, js, "s.a", "e", total)
	holding := newPickySinks(func(bindings.SinkID, string) bool { return true })
	endFirst, _ := process(t, n, SourceConfig{}, holding.emit, log)
	eventually(t, "the first reader holds events", func() bool { a, _ := pending(t, js, "router-in"); return a > 0 })
	taking := newPickySinks(func(bindings.SinkID, string) bool { return false })
	endSecond, _ := process(t, n, SourceConfig{}, taking.emit, log)
	time.AfterFunc(100*time.Millisecond, holding.giveUp)
	began := time.Now()
	endFirst(false)
	eventually(t, "the other one gets everything", func() bool { return taking.count(sinkA) == total })
	if waited := time.Since(began); waited > 10*time.Second {
		t.Errorf("it took %s, about ack_wait", waited)
	}
	endSecond(false)
	if n := logs.FilterMessageSnippet("was reset").Len(); n != 0 {
		t.Errorf("the durable was reset %d times", n)
	}
	for id, times := range taking.got[sinkA] {
		if times != 1 {
			t.Errorf("%s came %d times", id, times)
		}
	}
}

// Of several readers that start at once after a crash, one resets the durable before any of them reads.
func TestStreamReadersThatStartAtOnceResetOnce(t *testing.T) {
	n, js, _ := broker(t)
	const total = 2000
	publishMany(t, js, "s.a", "e", total)
	holding := newPickySinks(func(bindings.SinkID, string) bool { return true })
	end, _ := process(t, n, SourceConfig{}, holding.emit, zap.NewNop())
	eventually(t, "events are in flight", func() bool { a, _ := pending(t, js, "router-in"); return a == total })
	end(true)
	holding.giveUp()
	core, logs := observer.New(zap.InfoLevel)
	taking := newPickySinks(func(bindings.SinkID, string) bool { return false })
	var starts sync.WaitGroup
	ends := make([]func(bool), 3)
	for i := range ends {
		starts.Go(func() { ends[i], _ = process(t, n, SourceConfig{}, taking.emit, zap.New(core)) })
	}
	starts.Wait()
	eventually(t, "everything arrives", func() bool { return taking.count(sinkA) == total })
	for _, end := range ends {
		end(false)
	}
	if n := logs.FilterMessageSnippet("was reset").Len(); n != 1 {
		t.Errorf("the durable was reset %d times, want once", n)
	}
	for id, times := range taking.got[sinkA] {
		if times != 1 {
			t.Errorf("%s came %d times", id, times)
		}
	}
}

// Whoever sets a durable back wants everything again.
func TestStreamThatIsSetBackIsReadAgain(t *testing.T) {
	n, js, _ := broker(t)
	const total = 300
	publishMany(t, js, "s.a", "e", total)
	first := newPickySinks(func(sink bindings.SinkID, id string) bool { return sink == sinkB && id == "e-9" })
	end, _ := process(t, n, SourceConfig{}, first.emit, zap.NewNop())
	eventually(t, "all but one are acknowledged", func() bool { a, u := pending(t, js, "router-in"); return a == 1 && u == 0 })
	time.AfterFunc(50*time.Millisecond, first.giveUp)
	end(false)
	if _, err := js.ResetConsumerToSequence(t.Context(), "S", "router-in", 1); err != nil {
		t.Fatal(err)
	}
	second := newPickySinks(func(bindings.SinkID, string) bool { return false })
	end, _ = process(t, n, SourceConfig{}, second.emit, zap.NewNop())
	eventually(t, "everything comes again", func() bool { return second.count(sinkA) == total && second.count(sinkB) == total })
	end(false)
}

// A stream that loses its end in a crash of the machine, or is restored from a backup, gives the same sequences to other
// messages. It is the same stream, and so is its durable.
func TestStreamThatLostItsEndSkipsNothing(t *testing.T) {
	for name, restart := range map[string]bool{"before a restart": true, "while the source runs": false} {
		t.Run(name, func(t *testing.T) { loseTheEnd(t, restart) })
	}
}

func loseTheEnd(t *testing.T, restart bool) {
	n, js, _ := broker(t)
	dir := filepath.Join(n.Server().StoreDir(), "$G", "streams", "S")
	backup := filepath.Join(t.TempDir(), "S")
	var free atomic.Bool
	sinks := newPickySinks(func(sink bindings.SinkID, id string) bool {
		return !free.Load() && (id == "e-9" || sink == sinkB && id == "f-10")
	})
	begin := func() func(bool) {
		end, _ := process(t, n, SourceConfig{}, sinks.emit, zap.NewNop())
		return end
	}
	stop := func(end func(bool)) {
		time.AfterFunc(50*time.Millisecond, sinks.giveUp)
		end(false)
	}
	publishMany(t, js, "s.a", "e", 50)
	end := begin()
	eventually(t, "all but one are acknowledged", func() bool { a, u := pending(t, js, "router-in"); return a == 1 && u == 0 })
	stop(end)
	n.Stop()
	if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	n.Start()
	js = manager(t, client(t, n.URL))
	publishMany(t, js, "s.a", "f", 50)
	end = begin()
	eventually(t, "all but two are acknowledged", func() bool { a, u := pending(t, js, "router-in"); return a == 2 && u == 0 })
	time.Sleep(2 * ledgerEvery)
	if restart {
		stop(end)
	}
	n.Stop()
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(backup))); err != nil {
		t.Fatal(err)
	}
	n.Start()
	js = manager(t, client(t, n.URL))
	publishMany(t, js, "s.a", "other", 60)
	free.Store(true)
	sinks.giveUp() // comes again where it is still there
	if restart {
		end = begin()
	}
	eventually(t, "nothing is left", func() bool { a, u := pending(t, js, "router-in"); return a == 0 && u == 0 })
	end(false)
	for _, sink := range []bindings.SinkID{sinkA, sinkB} {
		others := 0
		for id := range sinks.got[sink] {
			if strings.HasPrefix(id, "other") {
				others++
			}
		}
		if others != 60 || sinks.got[sink]["e-9"] != 1 {
			t.Errorf("sink %d: %d of 60 events that took the place of lost ones arrived; e-9 %d times", sink, others, sinks.got[sink]["e-9"])
		}
	}
}

// The entry of a ledger is written once more when all of it is done: with the floor of before, it would still count for
// whoever sets the durable back to read again what the entry has.
func TestLedgerEndsWithWhatItHas(t *testing.T) {
	n, js, _ := broker(t)
	const total = 100
	publishMany(t, js, "s.a", "e", total)
	var free atomic.Bool
	sinks := newPickySinks(func(sink bindings.SinkID, id string) bool {
		return sink == sinkB && id == "e-9" && !free.Load()
	})
	end, _ := process(t, n, SourceConfig{}, sinks.emit, zap.NewNop())
	entry := func() *record {
		kv, err := js.KeyValue(t.Context(), ledgerBucket)
		if err != nil {
			return &record{}
		}
		e, err := kv.Get(t.Context(), newLedger("S", "router-in", zap.NewNop()).key)
		if err != nil {
			return &record{}
		}
		r, err := decodeRecord(e.Value())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	eventually(t, "the ledger has what is done", func() bool { return entry().last() == total })
	free.Store(true)
	sinks.giveUp()
	eventually(t, "the ledger has nothing above the floor", func() bool { r := entry(); return r.last() == 0 && r.floor == total })
	end(false)
}

func TestResetNeedsTheServer(t *testing.T) {
	for version, want := range map[string]bool{"2.15.2": true, "2.15.0-beta.1": true, "3.0.0": true, "2.14.9": false, "1.20.0": false, "": false} {
		if got := resets(version); got != want {
			t.Errorf("%q: %v, want %v", version, got, want)
		}
	}
}
