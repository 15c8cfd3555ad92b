package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/pipeline"
	"github.com/eventrouter/router/routing"
)

// routed runs a pipeline with the source "in" to the sinks until done says so, and stops it.
func routed(t *testing.T, src *Source, sinks map[string]*bindingtest.MemorySink, done func() bool) {
	t.Helper()
	names := []string{"up", "down"}
	table, problems := routing.Compile([]routing.Rule{{Name: "all", To: names}}, []string{"in"}, names)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s := pipeline.Settings{
		Sources: []pipeline.Source{{Name: "in", Source: src, Window: src.settings.Window}}, Table: table, Drain: 200 * time.Millisecond,
	}
	for _, name := range names {
		s.Sinks = append(s.Sinks, pipeline.Sink{Name: name, Sink: sinks[name], Order: pipeline.OrderNone, Concurrency: 4, BatchEvents: 100})
	}
	p, err := pipeline.New(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- p.Run(ctx) }()
	eventually(t, "the pipeline is done", done)
	cancel()
	select {
	case <-result: // an error if events were given up
	case <-time.After(patience):
		t.Fatal("Run did not return")
	}
}

// TestRoutedStopRepeatsNothingConfirmed is TestStopRepeatsNothingConfirmed with the real pipeline: a sink is down, what the
// other one has confirmed does not come again after a stop.
func TestRoutedStopRepeatsNothingConfirmed(t *testing.T) {
	const n = 3000
	c := cluster(t, kfake.SeedTopics(3, "in"))
	seed(t, c, 3, n/3)
	times := map[string]int{}
	open := func() *Source {
		s := settings("in")
		s.Window = bindings.NewWindow(16_384, 0)
		return newSource(t, c, s)
	}
	count := func(sink *bindingtest.MemorySink) {
		for _, e := range sink.Confirmed() {
			times[e.ID]++
		}
	}
	refuse := func(*envelope.Event, int) error { return errSink }
	up := new(bindingtest.MemorySink)
	up.Fail = func(e *envelope.Event, _ int) error {
		if e.Meta.Position >= 700 { // 2,100 of 3,000
			return errSink
		}
		return nil
	}
	routed(t, open(), map[string]*bindingtest.MemorySink{"up": up, "down": {Fail: refuse}}, func() bool {
		return len(up.Confirmed()) == 2100
	})
	count(up)
	up, down := new(bindingtest.MemorySink), new(bindingtest.MemorySink)
	routed(t, open(), map[string]*bindingtest.MemorySink{"up": up, "down": down}, func() bool {
		return len(down.Confirmed()) == n && len(up.Confirmed()) >= n-2100
	})
	count(up)
	again := 0
	for _, k := range times {
		again += k - 1
	}
	if len(times) != n || again > n/100 {
		t.Errorf("%d events, %d of them again; want %d, and at most 1 %% again", len(times), again, n)
	}
	t.Logf("%d of 2,100 confirmed events came again", again)
	for p := range int32(3) {
		if got := position(t, c, p); got != n/3 {
			t.Errorf("partition %d: position %d", p, got)
		}
	}
}
