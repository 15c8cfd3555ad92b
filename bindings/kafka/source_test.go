package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// desk is a pipeline for tests: it takes batches and settles them as told.
type desk struct {
	// judge returns the outcome of an event. Nil means that batches stay out until settleAll.
	judge func(e *envelope.Event) error

	mu   sync.Mutex // guards what follows
	seen map[string]int
	out  []*bindings.Batch
}

func (d *desk) emit(b *bindings.Batch) {
	d.mu.Lock()
	if d.seen == nil {
		d.seen = map[string]int{}
	}
	for i := range b.Events {
		d.seen[b.Events[i].ID]++
	}
	b.Expect(len(b.Events))
	if d.judge == nil {
		d.out = append(d.out, b)
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()
	settle(b, d.judge)
}

func settle(b *bindings.Batch, judge func(e *envelope.Event) error) {
	for i := range b.Events {
		if err := judge(&b.Events[i]); err != nil {
			b.Fail(i, err)
		}
	}
	b.Done(len(b.Events))
}

func fine(*envelope.Event) error { return nil }

// settleAll takes all batches home that are out.
func (d *desk) settleAll() {
	d.mu.Lock()
	out := d.out
	d.out = nil
	d.mu.Unlock()
	for _, b := range out {
		settle(b, fine)
	}
}

// count returns how many different events were seen.
func (d *desk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.seen)
}

func (d *desk) times(id string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen[id]
}

// newSource returns a source of topic "in" in group "g".
func newSource(t testing.TB, c *kfake.Cluster, s bindings.SourceSettings) *Source {
	t.Helper()
	src, err := NewSource(SourceConfig{Brokers: c.ListenAddrs(), Topics: bindings.Strings{"in"}, Group: "g"}, s)
	if err != nil {
		t.Fatal(err)
	}
	src.drain = 200 * time.Millisecond
	return src
}

// start runs a source; stop ends it and returns what Run returned.
func start(t testing.TB, src *Source, d *desk) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- src.Run(ctx, d.emit) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			select {
			case err = <-result:
			case <-time.After(patience):
				t.Error("Run did not return")
			}
		})
		return err
	}
	t.Cleanup(func() { d.settleAll(); stop() })
	return stop
}

// position returns the group's stored offset, -1 without one.
func position(t testing.TB, c *kfake.Cluster, partition int32) int64 {
	t.Helper()
	resp, err := kadm.NewClient(client(t, c)).FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := resp.Lookup("in", partition); ok {
		return o.At
	}
	return -1
}

// seed writes n events to each of the partitions, ids p/0 to p/n-1.
func seed(t testing.TB, c *kfake.Cluster, partitions, n int) {
	t.Helper()
	cl := client(t, c)
	var rs []*kgo.Record
	for p := range partitions {
		for i := range n {
			rs = append(rs, ceRecord("in", int32(p), fmt.Sprintf("%d/%d", p, i)))
		}
	}
	produce(t, cl, rs...)
}

func TestSourceReadsCommitsAndLeaves(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(3, "in"))
	seed(t, c, 3, 1000)
	s := settings("orders")
	s.Window = bindings.NewWindow(600, 1<<20)
	d := &desk{judge: fine}
	stop := start(t, newSource(t, c, s), d)
	eventually(t, "all events", func() bool { return d.count() == 3000 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for p := range int32(3) {
		if got := position(t, c, p); got != 1000 {
			t.Errorf("partition %d: position %d, want 1000", p, got)
		}
	}
	for id, n := range d.seen {
		if n != 1 {
			t.Errorf("event %s came %d times", id, n)
		}
	}
	if events, bytes := s.Window.InFlight(); events != 0 || bytes != 0 {
		t.Errorf("window holds %d events, %d bytes", events, bytes)
	}
	if g := c.GroupInfo("g"); g != nil && len(g.Members) != 0 {
		t.Errorf("%d members left in the group", len(g.Members))
	}
}

// TestEveryNthEventFails is T-01: failures hold the position of their partition, and a restart delivers from there.
func TestEveryNthEventFails(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(2, "in"))
	seed(t, c, 2, 100)
	d := &desk{judge: func(e *envelope.Event) error {
		if e.Meta.Partition == 0 && e.Meta.Position%7 == 6 {
			return errSink
		}
		return nil
	}}
	stop := start(t, newSource(t, c, settings("a")), d)
	eventually(t, "all events", func() bool { return d.count() == 200 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if p0, p1 := position(t, c, 0), position(t, c, 1); p0 != 6 || p1 != 100 {
		t.Errorf("positions %d and %d, want 6 and 100", p0, p1)
	}
	again := &desk{judge: fine}
	stop = start(t, newSource(t, c, settings("a")), again)
	eventually(t, "the rest", func() bool { return again.count() == 94 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if again.times("0/5") != 0 || again.times("0/6") != 1 || position(t, c, 0) != 100 {
		t.Errorf("event 5 came %d times, event 6 %d times, position %d", again.times("0/5"), again.times("0/6"), position(t, c, 0))
	}
}

// TestRebalanceFencesTheOldOwner: A holds everything, B takes a partition over, A's late outcomes move nothing (T-11).
func TestRebalanceFencesTheOldOwner(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(2, "in"))
	seed(t, c, 2, 20)
	a, b := new(desk), new(desk)
	srcA, srcB := newSource(t, c, settings("a")), newSource(t, c, settings("b"))
	stopA := start(t, srcA, a)
	eventually(t, "A has all", func() bool { return a.count() == 40 })
	stopB := start(t, srcB, b)
	eventually(t, "B has a partition's events", func() bool { return b.count() == 20 })
	taken := int32(0)
	if b.times("1/0") > 0 {
		taken = 1
	}
	a.settleAll()
	kept := 1 - taken
	eventually(t, "A commits what it kept", func() bool { return position(t, c, kept) == 20 })
	if err := stopA(); err != nil {
		t.Fatal(err)
	}
	if got := position(t, c, taken); got > 0 {
		t.Errorf("position %d of the partition that B holds, and B has settled nothing", got)
	}
	b.settleAll()
	if err := stopB(); err != nil {
		t.Fatal(err)
	}
	if got := position(t, c, taken); got != 20 {
		t.Errorf("position %d after B settled, want 20", got)
	}
}

// TestRebalanceChurn: members come and go under load; at the end nothing is missing and the positions are at the end.
func TestRebalanceChurn(t *testing.T) {
	const partitions, n = 4, 3000
	c := cluster(t, kfake.SeedTopics(partitions, "in"))
	all := &desk{judge: func(e *envelope.Event) error {
		if e.Meta.Position%50 == 0 {
			time.Sleep(time.Millisecond)
		}
		return nil
	}}
	s := settings("a")
	s.Window = bindings.NewWindow(200, 0)
	stop := start(t, newSource(t, c, s), all)
	var feeding sync.WaitGroup
	cl := client(t, c)
	feeding.Go(func() {
		for i := range n {
			for p := range int32(partitions) {
				cl.Produce(context.Background(), ceRecord("in", p, fmt.Sprintf("%d/%d", p, i)), nil)
			}
			if i%100 == 0 {
				time.Sleep(20 * time.Millisecond)
			}
		}
		if err := cl.Flush(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for range 4 {
		other := start(t, newSource(t, c, settings("b")), all)
		time.Sleep(150 * time.Millisecond)
		if err := other(); err != nil {
			t.Error(err)
		}
	}
	feeding.Wait()
	eventually(t, "all events", func() bool { return all.count() == partitions*n })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for p := range int32(partitions) {
		if got := position(t, c, p); got != n {
			t.Errorf("partition %d: position %d, want %d", p, got, n)
		}
	}
}

// TestPurgedPositionStops is T-24: what was lost is said, not skipped.
func TestPurgedPositionStops(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	seed(t, c, 1, 50)
	adm := kadm.NewClient(client(t, c))
	var o kadm.Offsets
	o.AddOffset("in", 0, 10, -1)
	if err := adm.CommitAllOffsets(t.Context(), "g", o); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteRecords("in", 0, 30); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := newSource(t, c, settings("a")).Run(ctx, new(desk).emit)
	if err == nil || !strings.Contains(err.Error(), "topic in partition 0: offset 10") {
		t.Errorf("error %v, want one that names topic, partition and offset", err)
	}
	if got := position(t, c, 0); got != 10 {
		t.Errorf("position %d, want it left at 10", got)
	}
}

// TestReadTopicMadeAgainStops: the source went on without a new event and without an end, and what was in the pipeline
// meanwhile would have been committed as a position in the new topic, whose first events a restart would then skip.
func TestReadTopicMadeAgainStops(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	seed(t, c, 1, 10)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	d := new(desk) // the batches stay out until the topic is another one
	src := newSource(t, c, settings("a"))
	// Newer brokers are told of which topic of that name a position is, and refuse it; older ones are not.
	src.opts = append(src.opts, kgo.MaxVersions(kversion.V3_6_0()))
	failed := make(chan error, 1)
	src.OnFailure(func(err error) { failed <- err })
	done := make(chan error, 1)
	go func() { done <- src.Run(ctx, d.emit) }()
	eventually(t, "ten events", func() bool { return d.count() == 10 })
	deleteTopic(t, c, "in")
	if err := c.CreateTopic("in", 1, nil); err != nil {
		t.Fatal(err)
	}
	produce(t, client(t, c), ceRecord("in", 0, "new"))
	select {
	case err := <-failed:
		if !errors.Is(err, kerr.UnknownTopicID) || !strings.Contains(err.Error(), "topic in was deleted and recreated") {
			t.Errorf("error %v", err)
		}
	case <-ctx.Done():
		t.Fatal("the source goes on")
	}
	d.settleAll()
	if err := <-done; !errors.Is(err, kerr.UnknownTopicID) {
		t.Errorf("Run returned %v", err)
	}
	if got := position(t, c, 0); got > 0 {
		t.Errorf("position %d of the old topic is stored for the new one", got)
	}
	again := &desk{judge: fine}
	start(t, newSource(t, c, settings("a")), again)
	eventually(t, "a restart reads the new topic", func() bool { return again.times("new") == 1 })
}

// TestWindowStopsReading: a full window stops the source and neither loses the group nor blocks the end.
func TestWindowStopsReading(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	seed(t, c, 1, 5000)
	s := settings("a")
	s.Window = bindings.NewWindow(1000, 0)
	d := new(desk)
	src := newSource(t, c, s)
	stop := start(t, src, d)
	eventually(t, "a full window", func() bool { n, _ := s.Window.InFlight(); return n > 1000-batchEvents })
	time.Sleep(100 * time.Millisecond)
	if n, _ := s.Window.InFlight(); n > 1000 {
		t.Errorf("%d events in flight, the window is 1000", n)
	}
	d.judge = nil
	for d.count() < 5000 {
		d.settleAll()
		time.Sleep(time.Millisecond)
	}
	d.settleAll()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := position(t, c, 0); got != 5000 {
		t.Errorf("position %d, want 5000", got)
	}
}

// TestStopWaitsForBatches: Run returns only when its batches are home, and commits them (T-10, T-20).
func TestStopWaitsForBatches(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	seed(t, c, 1, 10)
	d := new(desk)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	src := newSource(t, c, settings("a"))
	go func() { result <- src.Run(ctx, d.emit) }()
	eventually(t, "the events", func() bool { return d.count() == 10 })
	cancel()
	select {
	case <-result:
		t.Fatal("Run returned with a batch out")
	case <-time.After(100 * time.Millisecond):
	}
	d.settleAll()
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if got := position(t, c, 0); got != 10 {
		t.Errorf("position %d, want 10", got)
	}
}

func TestStartAndRegex(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in", "in2", "other"))
	seed(t, c, 1, 5)
	cfg := SourceConfig{Brokers: c.ListenAddrs(), TopicsRegex: "in.?", Group: "g", Start: "earliest", IsolationLevel: "read_uncommitted"}
	src, err := NewSource(cfg, settings("a"))
	if err != nil {
		t.Fatal(err)
	}
	produce(t, client(t, c), ceRecord("in2", 0, "second"), ceRecord("other", 0, "no"))
	d := &desk{judge: fine}
	stop := start(t, src, d)
	eventually(t, "events of both topics", func() bool { return d.count() == 6 })
	stop()
	if d.times("no") != 0 {
		t.Error("the expression must match the whole name")
	}
	cfg = SourceConfig{Brokers: c.ListenAddrs(), Topics: bindings.Strings{"in"}, Group: "late", Start: "latest", InstanceID: "one"}
	if src, err = NewSource(cfg, settings("a")); err != nil {
		t.Fatal(err)
	}
	d = &desk{judge: fine}
	stop = start(t, src, d)
	eventually(t, "the assignment", func() bool {
		g := c.GroupInfo("late")
		return g != nil && g.State == "Stable"
	})
	for i := 0; d.count() == 0 && i < 200; i++ {
		produce(t, client(t, c), ceRecord("in", 0, fmt.Sprint("new", i)))
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if d.times("0/0") != 0 || d.count() == 0 {
		t.Errorf("saw %v, want new events only", d.seen)
	}
}

// TestNoWayAroundThePipeline is I7: what is not an event is emitted too.
func TestNoWayAroundThePipeline(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	produce(t, client(t, c),
		&kgo.Record{Topic: "in", Value: []byte("plain"), Key: []byte("k"), Headers: headers("x", "y")},
		&kgo.Record{Topic: "in", Headers: required("ce_id", "again")},
		&kgo.Record{Topic: "in", Headers: required(), Value: []byte{}},
		&kgo.Record{Topic: "in", Headers: required(), Value: nil})
	s := settings("a")
	s.Wrap = func(e *envelope.Event) error {
		if e.Meta.Channel != "in" || string(e.Key) != "k" || string(e.Data) != "plain" || len(e.Meta.Headers) != 1 {
			return fmt.Errorf("wrapping %+v", e)
		}
		e.ID, e.Source, e.Type = "wrapped", "/kafka", "t"
		return nil
	}
	var mu sync.Mutex
	got := map[int64]envelope.Event{}
	d := &desk{judge: func(e *envelope.Event) error {
		mu.Lock()
		defer mu.Unlock()
		got[e.Meta.Position] = *e.Clone()
		return nil
	}}
	stop := start(t, newSource(t, c, s), d)
	eventually(t, "all records", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 4 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if e := got[0]; e.Malformed != nil || e.ID != "wrapped" {
		t.Errorf("not wrapped: %+v", e)
	}
	if e := got[1]; e.Malformed == nil || e.ID != "" || len(e.Meta.Headers) != 5 {
		t.Errorf("not malformed with all its headers: %+v", e)
	}
	if e := got[2]; e.Data == nil || e.Key != nil {
		t.Errorf("data %#v, key %#v; want empty and null", e.Data, e.Key)
	}
	if e := got[3]; e.Data != nil {
		t.Errorf("data %#v of a null value", e.Data)
	}
}

func TestSourceReady(t *testing.T) {
	c := cluster(t)
	src := newSource(t, c, settings("a"))
	if err := src.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "topic in") {
		t.Errorf("without the topic: %v", err)
	}
	if err := c.CreateTopic("in", 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := src.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := src.Ready(ctx); err == nil {
		t.Error("ready without a broker")
	}
}

// TestHeldPartitionIsPaused: what is done behind a failed event does not grow without bound.
func TestHeldPartitionIsPaused(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	src := newSource(t, c, settings("a"))
	r := &run{source: src, committer: newCommitter(src.settings.Log, 0, noSinks), client: client(t, c)}
	r.committer.assigned(map[string][]int32{"in": {0}})
	tr := r.committer.tracker("in", 0)
	first, _ := tr.add(records(0, holdAtMost), nil)
	tr.emit(0, 0)
	r.restrain(tr)
	if paused := r.client.PauseFetchPartitions(nil); len(paused["in"]) != 1 {
		t.Errorf("paused %v", paused)
	}
	r.release()
	if paused := r.client.PauseFetchPartitions(nil); len(paused["in"]) != 1 {
		t.Error("let go while the position is held")
	}
	tr.settle(first, home(holdAtMost), nil)
	r.release()
	if paused := r.client.PauseFetchPartitions(nil); len(paused) != 0 {
		t.Errorf("still paused: %v", paused)
	}
}

// TestDeliverAllocations: from a polled record to its settled event there is no allocation of ours.
func TestDeliverAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("NOT TESTED: allocations, because the race detector is on")
	}
	c := cluster(t)
	src := newSource(t, c, settings("a"))
	r := &run{source: src, emit: func(b *bindings.Batch) { b.Expect(1); b.Done(1) }}
	tr := newTracker("in", 0)
	var rs []*kgo.Record
	for i := range 100 {
		rs = append(rs, ceRecord("in", 0, fmt.Sprint(i)))
	}
	d := delivery{tracker: tr}
	if n := testing.AllocsPerRun(100, func() {
		d.records = rs
		d.first, _ = tr.add(rs, nil)
		if err := r.deliver(context.Background(), &d); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for 100 events", n)
	}
}

func TestCut(t *testing.T) {
	big := &kgo.Record{Value: make([]byte, batchBytes)}
	small := &kgo.Record{Value: make([]byte, 10)}
	many := make([]*kgo.Record, batchEvents+1)
	for i := range many {
		many[i] = small
	}
	wide, narrow := bindings.NewWindow(0, 0), bindings.NewWindow(3, 25)
	for _, tc := range []struct {
		window  *bindings.Window
		records []*kgo.Record
		n, size int
	}{
		{wide, []*kgo.Record{big, small}, 1, batchBytes},
		{wide, []*kgo.Record{small, big, small}, 1, 10},
		{wide, []*kgo.Record{small, small}, 2, 20},
		{wide, many, batchEvents, 10 * batchEvents},
		{narrow, many, 2, 20},
		{bindings.NewWindow(3, 0), many, 3, 30},
		{narrow, []*kgo.Record{big, small}, 1, batchBytes},
	} {
		s := &Source{settings: bindings.SourceSettings{Window: tc.window}}
		most, err := s.limit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n, size := most.cut(tc.records); n != tc.n || size != tc.size {
			t.Errorf("cut %d records: %d of %d bytes, want %d of %d", len(tc.records), n, size, tc.n, tc.size)
		}
	}
}

func TestComplaint(t *testing.T) {
	var c complaint
	now := time.Now()
	for i, tc := range []struct {
		err   error
		after time.Duration
		want  bool
	}{
		{nil, 0, false},
		{errSink, 0, true},
		{errSink, time.Second, false},
		{errSink, time.Minute, true},
		{errors.New("other"), time.Minute, true},
	} {
		if got := c.fresh(tc.err, now.Add(tc.after)); got != tc.want {
			t.Errorf("%d: %v, want %v", i, got, tc.want)
		}
	}
}

// TestLatestKeepsItsPlace: what "start: latest" has read and not settled is read again after a crash.
func TestLatestKeepsItsPlace(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	cfg := SourceConfig{Brokers: c.ListenAddrs(), Topics: bindings.Strings{"in"}, Group: "late", Start: "latest"}
	open := func() *Source {
		src, err := NewSource(cfg, settings("a"))
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
	failing := &desk{judge: func(*envelope.Event) error { return errSink }}
	stop := start(t, open(), failing)
	eventually(t, "the assignment", func() bool {
		g := c.GroupInfo("late")
		return g != nil && g.State == "Stable"
	})
	n := 0
	for ; failing.count() == 0 && n < 200; n++ {
		produce(t, client(t, c), ceRecord("in", 0, fmt.Sprint("new", n)))
		time.Sleep(10 * time.Millisecond)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	first := failing.seen
	d := &desk{judge: fine}
	stop = start(t, open(), d)
	eventually(t, "the same events again", func() bool {
		for id := range first {
			if d.times(id) == 0 {
				return false
			}
		}
		return true
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
