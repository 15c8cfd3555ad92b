package kafka

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/internal/testbroker"
)

// sinkDesk is a pipeline for tests that sends every event to several sinks, and tells its source of each.
type sinkDesk struct {
	sinks []string
	// routes stands for the fingerprint of the routes, 1 if it is 0.
	routes uint64
	// takes says whether a sink confirms an event; if not, the event waits until the desk is closed.
	takes func(sink, id string) bool

	mu   sync.Mutex // guards what follows
	got  map[string]int
	wait []wait
}

type wait struct {
	batch *bindings.Batch
	event int32
}

// plan is that of a desk; routes stands for the routes' fingerprint.
func plan(routes uint64, sinks ...string) bindings.Plan {
	p := bindings.Plan{Fingerprint: routes}
	for _, s := range sinks {
		p.Sinks = append(p.Sinks, bindings.NewSinkID(s))
	}
	return p
}

func (d *sinkDesk) emit(b *bindings.Batch) {
	b.Routes = max(d.routes, 1)
	var legs []bindings.Leg
	for i := range b.Events {
		for _, s := range d.sinks {
			if id := bindings.NewSinkID(s); !b.Skips(i, id) {
				legs = append(legs, bindings.Leg{Event: int32(i), Sink: id})
			}
		}
	}
	var ended []bindings.Leg
	var waits []wait
	d.mu.Lock()
	if d.got == nil {
		d.got = map[string]int{}
	}
	for _, l := range legs {
		for _, s := range d.sinks {
			id := b.Events[l.Event].ID
			switch {
			case bindings.NewSinkID(s) != l.Sink:
			case d.takes(s, id):
				d.got[s+" "+id]++
				ended = append(ended, l)
			default:
				waits = append(waits, wait{b, l.Event})
			}
		}
	}
	d.mu.Unlock()
	b.Stage(legs)
	b.Expect(len(legs))
	d.mu.Lock()
	d.wait = append(d.wait, waits...)
	d.mu.Unlock()
	if len(ended) > 0 {
		b.Ended(ended)
		b.Done(len(ended))
	}
}

// close ends what waits as the end of the drain time does.
func (d *sinkDesk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.wait {
		w.batch.Fail(int(w.event), errSink)
		w.batch.Done(1)
	}
	d.wait = nil
}

// took returns how many different events a sink has, and how many it has in all.
func (d *sinkDesk) took(sink string) (different, all int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, n := range d.got {
		if strings.HasPrefix(k, sink+" ") {
			different++
			all += n
		}
	}
	return different, all
}

// life is one run of a source with a desk.
type life struct {
	*sinkDesk
	result chan error
	cancel context.CancelFunc
}

// begin runs a source with a desk.
func begin(t *testing.T, src *Source, d *sinkDesk) *life {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{d, make(chan error, 1), cancel}
	go func() { l.result <- src.Run(ctx, d.emit) }()
	t.Cleanup(func() { cancel(); d.close() })
	return l
}

// stop ends the source gracefully, and what waits with it.
func (l *life) stop(t *testing.T) {
	t.Helper()
	l.cancel()
	time.Sleep(20 * time.Millisecond) // nothing is emitted any more
	l.close()
	select {
	case err := <-l.result:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Run did not return")
	}
}

// crash ends the source without that it can store anything.
func (l *life) crash(t *testing.T, p *testbroker.Proxy) {
	t.Helper()
	p.Cut()
	l.stop(t)
	p.Pass()
}

// TestStopRepeatsNothingConfirmed: one of two sinks is down and the other has 2,000 of 3,000 events. A stop and a start gave
// it 1,998 of them again.
func TestStopRepeatsNothingConfirmed(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	seed(t, c, 1, 3000)
	open := func() *Source {
		src := newSource(t, c, settings("a"))
		src.OnPlan(plan(1, "up", "down"))
		return src
	}
	down := true
	var n int
	d := &sinkDesk{sinks: []string{"up", "down"}}
	d.takes = func(sink, _ string) bool {
		if sink == "down" {
			return !down
		}
		n++
		return n <= 2000 || !down
	}
	first := begin(t, open(), d)
	eventually(t, "2,000 events", func() bool { got, _ := d.took("up"); return got == 2000 })
	eventually(t, "all are read", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.wait) == 4000 })
	first.stop(t)
	if got := position(t, c, 0); got != 0 {
		t.Errorf("position %d, and the first event is not done", got)
	}
	down = false
	second := begin(t, open(), d)
	eventually(t, "the rest", func() bool { got, _ := d.took("down"); return got == 3000 })
	second.stop(t)
	for _, sink := range d.sinks {
		if got, all := d.took(sink); got != 3000 || all != 3000 {
			t.Errorf("sink %s has %d events, and %d repetitions", sink, got, all-got)
		}
	}
	if got := position(t, c, 0); got != 3000 {
		t.Errorf("position %d, want 3000", got)
	}
}

// TestTwoCrashesRepeatLittle: what is done must survive a second crash too, before all of it was read again.
func TestTwoCrashesRepeatLittle(t *testing.T) {
	const n = 20_000
	c := cluster(t, kfake.SeedTopics(1, "in"))
	seed(t, c, 1, n)
	p := testbroker.NewProxy(t, c.ListenAddrs()[0])
	down := true
	d := &sinkDesk{sinks: []string{"a", "b", "down"}}
	d.takes = func(sink, _ string) bool { return sink != "down" || !down }
	open := func(window int) *Source {
		s := settings("a")
		s.Window = bindings.NewWindow(window, 0)
		src := newSource(t, c, s)
		src.cfg.InstanceID, src.bound = "one", 100*time.Millisecond // whose place the next one takes at once
		src.opts = append(src.opts, through(p))
		src.OnPlan(plan(1, "a", "b", "down"))
		return src
	}
	read := func(l *life, want int) {
		t.Helper()
		eventually(t, fmt.Sprint(want, " events"), func() bool { got, _ := l.took("a"); return got >= want })
		time.Sleep(commitEvery + ledgersEvery + 200*time.Millisecond) // it stands still, and is stored
		l.crash(t, p)
	}
	read(begin(t, open(10_240), d), 10_000)
	read(begin(t, open(1024), d), 10_000) // the second one does not get as far as the first
	read(begin(t, open(16_384), d), 16_000)
	down = false
	last := begin(t, open(16_384), d)
	eventually(t, "all", func() bool { got, _ := d.took("down"); return got == n })
	last.stop(t)
	for _, sink := range d.sinks {
		if got, all := d.took(sink); got != n || all != n {
			t.Errorf("sink %s has %d events, and %d repetitions", sink, got, all-got)
		}
	}
}

// TestMovedPartitionRepeatsNothingConfirmed: the next owner of a partition knows what the one before has delivered.
func TestMovedPartitionRepeatsNothingConfirmed(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(2, "in"))
	seed(t, c, 2, 500)
	d := &sinkDesk{sinks: []string{"up", "down"}}
	d.takes = func(sink, _ string) bool { return sink == "up" }
	open := func() *Source {
		src := newSource(t, c, settings("a"))
		src.OnPlan(plan(1, "up", "down"))
		return src
	}
	a := begin(t, open(), d)
	eventually(t, "all events", func() bool { got, _ := d.took("up"); return got == 1000 })
	b := begin(t, open(), d)
	eventually(t, "the other one has a partition, and its events wait there", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.wait) == 1500
	})
	a.cancel()
	b.stop(t)
	a.stop(t)
	if got, all := d.took("up"); got != 1000 || all != 1000 {
		t.Errorf("%d events, and %d repetitions", got, all-got)
	}
}

// TestLedgerOfOtherRoutesIsIgnored: what was not for a sink before may be for it now. So is metadata of another position:
// whoever rewinds a group wants the events again.
func TestLedgerOfOtherRoutesIsIgnored(t *testing.T) {
	for name, tc := range map[string]struct {
		routes uint64
		rewind bool
		again  int
	}{
		"same routes": {1, false, 100}, "other routes": {2, false, 199}, "a rewind": {1, true, 200},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t, kfake.SeedTopics(1, "in"))
			seed(t, c, 1, 100)
			d := &sinkDesk{sinks: []string{"up", "down"}}
			d.takes = func(sink, id string) bool { return sink == "up" || id == "0/0" }
			src := newSource(t, c, settings("a"))
			src.OnPlan(plan(1, "up", "down"))
			l := begin(t, src, d)
			eventually(t, "all events", func() bool { got, _ := d.took("up"); return got == 100 })
			eventually(t, "a position", func() bool { return position(t, c, 0) == 1 })
			l.stop(t)
			if tc.rewind {
				rewind(t, c)
			}
			src = newSource(t, c, settings("a"))
			src.OnPlan(plan(tc.routes, "up", "down"))
			d.routes = tc.routes
			l = begin(t, src, d)
			eventually(t, "the rest is read again", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.wait) == 99 })
			l.stop(t)
			if _, all := d.took("up"); all != tc.again {
				t.Errorf("the sink has %d, want %d", all, tc.again)
			}
		})
	}
}

// rewind moves the group back as tools do that keep what is stored with a position.
func rewind(t *testing.T, c *kfake.Cluster) {
	t.Helper()
	adm := kadm.NewClient(client(t, c))
	stored, err := adm.FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	o, _ := stored.Lookup("in", 0)
	if !strings.HasPrefix(o.Metadata, ledgerPrefix) {
		t.Fatalf("metadata %q, want a ledger", o.Metadata)
	}
	o.At = 0
	var back kadm.Offsets
	back.Add(o.Offset)
	if err := adm.CommitAllOffsets(t.Context(), "g", back); err != nil {
		t.Fatal(err)
	}
}

// TestStuckEventRepeatsNothing: one event stays pending while its partition is read on, as far as holdAtMost. That bounds
// what is read ahead; what is confirmed is not repeated.
func TestStuckEventRepeatsNothing(t *testing.T) {
	const n = holdAtMost + 3*pollRecords
	c := cluster(t, kfake.SeedTopics(1, "in"))
	seed(t, c, 1, n)
	d := &sinkDesk{sinks: []string{"sink"}}
	stuck := true
	d.takes = func(_, id string) bool { return id != "0/5" || !stuck }
	open := func() *Source {
		s := settings("a")
		s.Window = bindings.NewWindow(1000, 1<<20)
		src := newSource(t, c, s)
		src.OnPlan(plan(1, "sink"))
		return src
	}
	src := open()
	l := begin(t, src, d)
	eventually(t, "reading has gone on", func() bool { got, _ := d.took("sink"); return got >= holdAtMost-1 })
	time.Sleep(300 * time.Millisecond)
	if got, _ := d.took("sink"); got > holdAtMost+pollRecords {
		t.Errorf("%d events were read while one is pending, want at most %d", got, holdAtMost+pollRecords)
	}
	if events, bytes := src.settings.Window.InFlight(); events != 1 || bytes > 512*1024 {
		t.Errorf("%d events and %d bytes in flight, want the one that is pending and its batch", events, bytes)
	}
	l.stop(t)
	stuck = false
	l = begin(t, open(), d)
	eventually(t, "all", func() bool { got, _ := d.took("sink"); return got == n })
	l.stop(t)
	if got, all := d.took("sink"); all != got {
		t.Errorf("%d repetitions", all-got)
	}
}

// TestRecordOfSeveralEvents: a sink has a record when it has all its events, and not one of them.
func TestRecordOfSeveralEvents(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	produce(t, client(t, c), raw(bindingtest.S3Notification("R", 3)), raw(bindingtest.S3Notification("S", 3)), ceRecord("in", 0, "one"))
	s := settings("a")
	s.Adapters = []string{"s3"}
	d := &sinkDesk{sinks: []string{"up", "some", "down"}}
	down := true
	d.takes = func(sink, id string) bool {
		return !down || sink == "up" || sink == "some" && !strings.Contains(id, ".2.")
	}
	open := func() *Source {
		src := newSource(t, c, s)
		src.OnPlan(plan(1, d.sinks...))
		return src
	}
	l := begin(t, open(), d)
	eventually(t, "all events", func() bool { got, _ := d.took("up"); return got == 7 })
	l.stop(t)
	before, _ := d.took("some")
	down = false
	l = begin(t, open(), d)
	eventually(t, "all of the rest", func() bool { got, _ := d.took("down"); return got == 7 })
	l.stop(t)
	if got, all := d.took("up"); got != 7 || all != 7 {
		t.Errorf("%d events, %d repetitions", got, all-got)
	}
	// It had two of the three events of both records, which come again as a whole, and the third record.
	if got, all := d.took("some"); before != 5 || got != 7 || all != 7+4 {
		t.Errorf("%d events before, %d after, %d repetitions, want 5, 7 and 4", before, got, all-got)
	}
}
