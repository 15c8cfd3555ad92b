package sqs

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker/fakesqs"
)

// delivery is one emitted event as the pipeline saw it.
type delivery struct {
	id    string
	at    time.Duration // since the harness was built
	event *envelope.Event
}

// harness runs a source against a fake queue, in the place of the pipeline: every event takes latency, and then has the
// outcome that judge says.
type harness struct {
	t       *testing.T
	server  *fakesqs.Server
	source  *Source
	window  *bindings.Window
	latency time.Duration
	judge   func(e *envelope.Event, nth int) error // nth delivery of that id, from 1
	start   time.Time
	logs    *observer.ObservedLogs
	stop    context.CancelFunc
	ended   chan error

	mu        sync.Mutex // guards what follows
	delivered []delivery
	count     map[string]int
	most      int // events in flight at once
}

// newHarness builds a harness and the queue; run it within a synctest bubble.
func newHarness(t *testing.T, c SourceConfig, s bindings.SourceSettings) *harness {
	t.Helper()
	h := &harness{t: t, server: fakesqs.NewUnbound(), start: time.Now(), count: map[string]int{}, ended: make(chan error, 1)}
	h.server.CreateQueue(t, c.Queue, nil)
	h.judge = func(*envelope.Event, int) error { return nil }
	ref, err := parseQueue(c.Queue)
	if err != nil {
		t.Fatal(err)
	}
	if s.Window == nil {
		s.Window = bindings.NewWindow(100, 0)
	}
	h.window = s.Window
	s.Name = "src"
	core, logs := observer.New(zapcore.InfoLevel)
	s.Log, h.logs = zap.New(core), logs
	if h.source, err = newSource(c.withDefaults(), s, ref, direct(h.server)); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *harness) run() { h.runWith(h.emit) }

func (h *harness) runWith(emit func(*bindings.Batch)) {
	ctx, cancel := context.WithCancel(h.t.Context())
	h.stop = cancel
	go func() { h.ended <- h.source.Run(ctx, emit) }()
}

// end stops the source and returns how long it took.
func (h *harness) end() time.Duration {
	h.t.Helper()
	start := time.Now()
	h.stop()
	if err := <-h.ended; err != nil {
		h.t.Errorf("Run: %v", err)
	}
	if events, bytes := h.window.InFlight(); events != 0 || bytes != 0 {
		h.t.Errorf("the window still holds %d events, %d bytes", events, bytes)
	}
	return time.Since(start)
}

func (h *harness) emit(b *bindings.Batch) {
	h.mu.Lock()
	nth := make([]int, len(b.Events))
	for i := range b.Events {
		e := b.Events[i].Clone()
		e.Malformed = b.Events[i].Malformed
		h.count[e.ID]++
		nth[i] = h.count[e.ID]
		h.delivered = append(h.delivered, delivery{e.ID, time.Since(h.start), e})
	}
	events, _ := h.window.InFlight()
	h.most = max(h.most, events)
	h.mu.Unlock()
	b.Expect(len(b.Events))
	go func() {
		time.Sleep(h.latency)
		n := len(b.Events)
		for i := range n {
			if err := h.judge(&b.Events[i], nth[i]); err != nil {
				b.Fail(i, err)
			}
		}
		b.Done(n)
	}()
}

func (h *harness) deliveries() []delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.delivered
}

// sequence prints the delivered ids in their order.
func (h *harness) sequence() string {
	var out []string
	for _, d := range h.deliveries() {
		out = append(out, d.id)
	}
	return strings.Join(out, " ")
}

// put sends events with those ids into the queue, in the group that the id begins with where the queue is FIFO.
func (h *harness) put(ids ...string) {
	h.t.Helper()
	k := sinkOn(h.t, h.server, SinkConfig{Queue: h.source.ref.name}, bindings.ModeDefault)
	for _, id := range ids {
		e := event(id)
		e.Key = []byte(id[:1])
		if err := k.Send(h.t.Context(), []*envelope.Event{e}); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *harness) putBodies(bodies ...string) {
	h.t.Helper()
	k := sinkOn(h.t, h.server, SinkConfig{Queue: h.source.ref.name}, bindings.ModeDefault)
	for _, body := range bodies {
		if _, err := k.client.SendMessage(h.t.Context(), sendInput(h.server.URL()+"/0/"+h.source.ref.name, body)); err != nil {
			h.t.Fatal(err)
		}
	}
}

// wait lets d of the bubble's time pass.
func (h *harness) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (h *harness) wantDepth(visible, inFlight int) {
	h.t.Helper()
	v, f, _ := h.server.Depth(h.source.ref.name)
	if v != visible || f != inFlight {
		h.t.Errorf("after %v: %d messages visible and %d in flight, want %d and %d", time.Since(h.start), v, f, visible, inFlight)
	}
}

func names(prefix string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(prefix, i))
	}
	return out
}
