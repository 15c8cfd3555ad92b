package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/pipeline"
	"github.com/eventrouter/router/routing"
)

// routes is a table of one route, to a sink.
func routes(t *testing.T, to string) *routing.Table {
	t.Helper()
	table, problems := routing.Compile([]routing.Rule{{Name: "all", To: []string{to}}}, []string{"in"}, []string{"up", "down"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return table
}

// piped starts a pipeline with the source "in" and the sinks "up" and "down".
func piped(t *testing.T, src *Source, table *routing.Table, dead pipeline.Policy, identity string, up, down *bindingtest.MemorySink) (*pipeline.Pipeline, func()) {
	t.Helper()
	lane := pipeline.Sink{Order: pipeline.OrderNone, Concurrency: 4, BatchEvents: 100}
	a, b := lane, lane
	a.Name, a.Sink, a.Identity = "up", up, identity+"up"
	b.Name, b.Sink, b.Identity = "down", down, identity+"down"
	p, err := pipeline.New(pipeline.Settings{
		Sources: []pipeline.Source{{Name: "in", Source: src, Window: src.settings.Window}},
		Sinks:   []pipeline.Sink{a, b}, Table: table, Drain: 200 * time.Millisecond, DeadLetter: dead,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- p.Run(ctx) }()
	return p, func() {
		t.Helper()
		cancel()
		select {
		case <-result: // an error if events were given up
		case <-time.After(patience):
			t.Fatal("Run did not return")
		}
	}
}

func refusing() *bindingtest.MemorySink {
	return &bindingtest.MemorySink{Fail: func(*envelope.Event, int) error { return errSink }}
}

// TestRoutesReloadedAwayFromADeadSink: events wait for a sink that is down, and a reload sends what comes from then on to
// another one. What waited was noted as done for that other one, since the routes before did not mean it, under the
// fingerprint of the routes after: a restart gave it to nobody, and committed it.
func TestRoutesReloadedAwayFromADeadSink(t *testing.T) {
	const n = 200
	for _, window := range []int{n + 10, n / 2} {
		c := cluster(t, kfake.SeedTopics(1, "in"))
		seed(t, c, 1, n)
		open := func() *Source {
			s := settings("in")
			s.Window = bindings.NewWindow(window, 0)
			return newSource(t, c, s)
		}
		down := refusing()
		src := open()
		p, stop := piped(t, src, routes(t, "down"), pipeline.Policy{}, "", new(bindingtest.MemorySink), down)
		eventually(t, "all that has room waits", func() bool { events, _ := src.settings.Window.InFlight(); return events == min(window, n) })
		if err := p.SetRoutes(routes(t, "up"), pipeline.Policy{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * commitEvery)
		stop()
		up := new(bindingtest.MemorySink)
		_, stop = piped(t, open(), routes(t, "up"), pipeline.Policy{}, "", up, refusing())
		eventually(t, "the position", func() bool { return position(t, c, 0) == n })
		stop()
		if got := len(up.Confirmed()); got != n {
			t.Errorf("window %d: %d of %d events reached the sink of the new routes, and the position passed all", window, got, n)
		}
	}
}

// TestReloadWhileASkipWaits: what the ledger of the last start says of a record holds for the routes of then, also if they
// change while the record waits for room.
func TestReloadWhileASkipWaits(t *testing.T) {
	b := bindings.NewBatch(nil, 1)
	b.Add()
	up := bindings.NewSinkID("up")
	b.SkipBy(1)
	b.SkipSinks(0, []bindings.SinkID{up})
	for routes, want := range map[uint64]bool{1: true, 2: false} {
		if b.Routes = routes; b.Skips(0, up) != want {
			t.Errorf("routes %d: skipped %v, want %v", routes, !want, want)
		}
	}
}

// TestDispatchedByTheRoutesBefore: the plan of a source changes after that of the pipeline, so that a batch may be noted
// under the other one.
func TestDispatchedByTheRoutesBefore(t *testing.T) {
	for name, tc := range map[string]struct {
		routes uint64
		done   bool
	}{"the same": {2, true}, "those before": {1, false}} {
		t.Run(name, func(t *testing.T) {
			set := new(sinkSet).follow(plan(1, "x", "y"), "").follow(plan(2, "x", "y"), "")
			r := &run{source: &Source{}}
			r.source.sinks.Store(set)
			tr := newTracker("t", 0)
			tr.add(records(0, 1), set)
			tr.emit(0, 1)
			b := r.batch()
			b.tracker = tr
			b.Add()
			b.Routes = tc.routes
			b.Stage([]bindings.Leg{{Event: 0, Sink: bindings.NewSinkID("x")}})
			text, _ := (&ledgerWriter{sinks: set, limit: metadataLimit}).write(tr)
			if got := decodeLedger(text, 0) != nil; got != tc.done {
				t.Errorf("done for y by the new routes: %v, want %v", got, tc.done)
			}
		})
	}
}

// TestSinksThatSwapTheirNames: what a sink has does not count for another one that got its name.
func TestSinksThatSwapTheirNames(t *testing.T) {
	const n = 100
	c := cluster(t, kfake.SeedTopics(1, "in"))
	seed(t, c, 1, n)
	open := func() *Source {
		s := settings("in")
		s.Window = bindings.NewWindow(1000, 0)
		return newSource(t, c, s)
	}
	names := []string{"up", "down"}
	table, problems := routing.Compile([]routing.Rule{{Name: "all", To: names}}, []string{"in"}, names)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	one := new(bindingtest.MemorySink)
	_, stop := piped(t, open(), table, pipeline.Policy{}, "", one, refusing())
	eventually(t, "one has all", func() bool { return len(one.Confirmed()) == n })
	time.Sleep(2 * commitEvery)
	stop()
	two := new(bindingtest.MemorySink)
	_, stop = piped(t, open(), table, pipeline.Policy{}, "swapped ", two, new(bindingtest.MemorySink))
	eventually(t, "the position", func() bool { return position(t, c, 0) == n })
	stop()
	if got := len(two.Confirmed()); got != n {
		t.Errorf("the other target has %d of %d events, because the one before it had them", got, n)
	}
}

// TestMalformedUntilTheRestart: a message that is no event waits for a dead-letter sink that is down. After a restart with
// other settings of the source, or another version, it is an event, and goes to the sink that it is for.
func TestMalformedUntilTheRestart(t *testing.T) {
	for name, mend := range map[string]func(*bindings.SourceSettings){
		"other settings":  func(s *bindings.SourceSettings) { s.Adapters = []string{"s3"} },
		"another version": nil,
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t, kfake.SeedTopics(1, "in"))
			produce(t, client(t, c), raw(bindingtest.S3Notification("R", 1)), ceRecord("in", 0, "one"))
			s := settings("in")
			dead := pipeline.Policy{Action: pipeline.ToSink, Sink: "down"}
			_, stop := piped(t, newSource(t, c, s), routes(t, "up"), dead, "", new(bindingtest.MemorySink), refusing())
			time.Sleep(4 * commitEvery)
			stop()
			up := new(bindingtest.MemorySink)
			if mend != nil {
				mend(&s)
			}
			src := newSource(t, c, s)
			if mend == nil { // it decodes more, by the same settings
				with, err := NewSource(src.cfg, bindings.SourceSettings{Window: s.Window, Adapters: []string{"s3"}})
				if err != nil {
					t.Fatal(err)
				}
				src.adapters = with.adapters
			}
			_, stop = piped(t, src, routes(t, "up"), dead, "", up, new(bindingtest.MemorySink))
			eventually(t, "the position", func() bool { return position(t, c, 0) == 2 })
			stop()
			if got := len(up.Confirmed()); got != 1 && got != 2 || up.Confirmed()[0].Meta.Position != 0 {
				t.Errorf("the sink has %d events, want the one that was malformed", got)
			}
		})
	}
}

// TestEventUntilTheRestart: an event waits for its sink. After a restart it is malformed, and a dead letter.
func TestEventUntilTheRestart(t *testing.T) {
	set := new(sinkSet).follow(plan(1, "x", "y"), "")
	y := bindings.NewSinkID("y")
	l := &doneLedger{fingerprint: set.fingerprint, epoch: 5, lists: []doneList{{[]bindings.SinkID{bindings.PolicySink, y}, []doneRun{{10, 20}}}}}
	v := newPrior(l).judge(set, 12, 5)
	if has(v, bindings.PolicySink) || !has(v, y) || v.all {
		t.Errorf("skipped %v, want y alone: the policy keeps what no sink takes", v.sinks)
	}
}

// TestLedgerOfAnotherTopic: a tool that copies topics to another cluster, or puts positions back after a topic was created
// again, takes the ledger along. The records at its offsets are others there.
func TestLedgerOfAnotherTopic(t *testing.T) {
	const n = 100
	d := &sinkDesk{sinks: []string{"up", "down"}}
	d.takes = func(sink, id string) bool { return sink == "up" || id == "0/0" }
	read := func(c *kfake.Cluster, want int) {
		t.Helper()
		src := newSource(t, c, settings("a"))
		src.OnPlan(plan(1, "up", "down"))
		l := begin(t, src, d)
		eventually(t, "all events wait", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.wait) == n-1 })
		time.Sleep(2 * commitEvery)
		l.stop(t)
		if _, all := d.took("up"); all != want {
			t.Errorf("the sink has %d events, want %d", all, want)
		}
	}
	one, two := cluster(t, kfake.SeedTopics(1, "in")), cluster(t, kfake.SeedTopics(1, "in"))
	seed(t, one, 1, n)
	seed(t, two, 1, n)
	read(one, n)
	stored, err := kadm.NewClient(client(t, one)).FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	o, _ := stored.Lookup("in", 0)
	if decodeLedger(o.Metadata, o.At) == nil {
		t.Fatalf("metadata %q, want a ledger", o.Metadata)
	}
	var copied kadm.Offsets
	copied.Add(o.Offset)
	if err := kadm.NewClient(client(t, two)).CommitAllOffsets(t.Context(), "g", copied); err != nil {
		t.Fatal(err)
	}
	read(two, n+n-1) // the position holds, and no more
}
