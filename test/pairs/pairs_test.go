// Package pairs runs the pipeline from one transport to another within the test's process, with real clients on both
// sides of in-process brokers, and takes the target away again and again meanwhile. A ledger says whether anything was
// lost, changed or put out of order.
package pairs

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
	"github.com/eventrouter/router/pipeline"
	"github.com/eventrouter/router/routing"
)

const (
	total    = 2000
	keys     = 20
	patience = 60 * time.Second
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// origin is a transport that events come from.
type origin struct {
	source bindings.Source
	// write sends events as another program does.
	write func(ctx context.Context, events []*envelope.Event) error
	// unordered says that the source's events have no key.
	unordered bool
}

// target is a transport that events go to.
type target struct {
	sink  bindings.Sink
	proxy *testbroker.Proxy
	// trouble adds what goes wrong beyond the network; it may be nil. calm ends it.
	trouble, calm func()
	// read returns the structured messages that are at the target, in their order.
	read func(t *testing.T) [][]byte
}

// made returns the events of a run. Event i has the key i modulo keys.
func made() []*envelope.Event {
	events := make([]*envelope.Event, total)
	for i := range events {
		events[i] = &envelope.Event{
			ID: fmt.Sprintf("pair-%d", i), Source: "/pairs/a%20b", Type: "com.example.pair", Subject: "Grüße, \"€\" 100%",
			Time: "2026-03-01T10:20:30.120+02:00", DataContentType: "application/json; charset=utf-8",
			Data: fmt.Appendf(nil, `{"n": %d, "big":12345678901234567890,"f":1.0}`, i), Key: fmt.Appendf(nil, "key%02d", i%keys),
		}
		events[i].AddExtension("partitionkey", string(events[i].Key), envelope.KindString)
	}
	return events
}

func TestPairs(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, pair := range []struct {
		from string
		open func(t *testing.T, w *bindings.Window) origin
		to   string
		make func(t *testing.T) target
	}{
		{"kafka", fromKafka, "jetstream", toJetStream},
		{"jetstream", fromJetStream, "kafka", toKafka},
		{"kafka", fromKafka, "http", toHTTP},
		{"jetstream", fromJetStream, "sqs", toSQS},
		{"sqs", fromSQS, "jetstream", toJetStream},
		{"http", fromHTTP, "kafka", toKafka},
		{"kafka", fromKafka, "kafka", toKafka},
	} {
		t.Run(pair.from+" to "+pair.to, func(t *testing.T) {
			t.Parallel()
			window := bindings.NewWindow(500, 8<<20)
			run(t, window, pair.open(t, window), pair.make(t))
		})
	}
}

// run moves all events from o to g while g comes and goes.
func run(t *testing.T, window *bindings.Window, o origin, g target) {
	table, problems := routing.Compile([]routing.Rule{{Name: "all", To: []string{"out"}}}, []string{"in"}, []string{"out"})
	if table == nil {
		t.Fatal(problems)
	}
	p, err := pipeline.New(pipeline.Settings{
		Sources: []pipeline.Source{{Name: "in", Source: o.source}},
		Sinks: []pipeline.Sink{{
			Name: "out", Sink: g.sink, Concurrency: 4, BatchEvents: 100, Timeout: time.Second,
			Retry: pipeline.Retry{Initial: 10 * time.Millisecond, Max: 100 * time.Millisecond},
		}},
		Table: table, DeadLetter: pipeline.Policy{Action: pipeline.Hold}, Drain: 20 * time.Second, Log: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	ended := make(chan error, 1)
	wg.Go(func() { ended <- p.Run(ctx) })
	sent := made()
	written := make(chan error, 1)
	wg.Go(func() { written <- o.write(ctx, sent) })
	wg.Go(func() { g.disturb(ctx) })

	done := func() bool { return p.Ledger().Sinks[0].Delivered >= total }
	for end := time.Now().Add(patience); !done() && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	delivered := p.Ledger().Sinks[0].Legs
	if err := <-written; err != nil {
		t.Errorf("the writer: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the pipeline: %v", err)
	}
	wg.Wait()
	g.proxy.Pass()
	if delivered.Delivered < total || delivered.DeadLettered != 0 {
		t.Errorf("the pipeline's ledger: %+v, want %d delivered", delivered, total)
	}
	if n, size := window.InFlight(); n != 0 || size != 0 {
		t.Errorf("the window still holds %d events and %d bytes", n, size)
	}
	check(t, sent, g.read(t), !o.unordered)
}

// disturb lets everything go wrong that can, one after the other, and then leaves the target alone.
func (g *target) disturb(ctx context.Context) {
	wait := func(d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if g.trouble != nil {
		g.trouble()
		defer g.calm()
	}
	defer g.proxy.Pass()
	for range 3 {
		g.proxy.LoseResponse()
		if !wait(60 * time.Millisecond) {
			return
		}
		g.proxy.Cut()
		if !wait(40 * time.Millisecond) {
			return
		}
		g.proxy.Pass()
		g.proxy.Delay(3 * time.Millisecond)
		if !wait(60 * time.Millisecond) {
			return
		}
		g.proxy.BlackHole()
		if !wait(100 * time.Millisecond) {
			return
		}
		g.proxy.Pass()
		if !wait(100 * time.Millisecond) {
			return
		}
	}
}

// check is the ledger of the target: nothing lost, changed or invented, and the first arrivals of a key in its order.
func check(t *testing.T, sent []*envelope.Event, texts [][]byte, ordered bool) {
	t.Helper()
	place := map[string]int{}
	for i, e := range sent {
		place[e.ID] = i
	}
	seen, last := map[int]bool{}, map[int]int{}
	changed, reordered, duplicates := 0, 0, 0
	var examples []string
	for _, text := range texts {
		e, err := bindingtest.ReadJSON(text)
		if err != nil {
			t.Fatalf("invented: %v", err)
		}
		i, ok := place[e.ID]
		if !ok {
			t.Fatalf("invented: %s", text)
		}
		if diff := bindingtest.Equal(sent[i], e, bindingtest.Headers); diff != "" {
			changed++
			examples = append(examples, e.ID+": "+diff)
		}
		if seen[i] {
			duplicates++
			continue
		}
		seen[i] = true
		if before, ok := last[i%keys]; ok && before > i {
			reordered++
			examples = append(examples, fmt.Sprintf("key %d: event %d came after %d", i%keys, i, before))
		}
		last[i%keys] = i
	}
	t.Logf("%d events at the target, %d of them duplicates", len(texts), duplicates)
	if lost := total - len(seen); lost > 0 || changed > 0 || ordered && reordered > 0 {
		t.Errorf("%d lost, %d changed, %d out of order:\n%s", lost, changed, reordered, strings.Join(examples[:min(5, len(examples))], "\n"))
	}
}
