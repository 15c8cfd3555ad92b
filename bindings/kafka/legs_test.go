package kafka

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/bindings"
)

// TestFailedAtDispatchIsNotDone: an event that is held before it has any leg comes again for every sink.
func TestFailedAtDispatchIsNotDone(t *testing.T) {
	set := new(sinkSet).follow(plan(1, "x", "y"), "")
	r := &run{source: &Source{}}
	r.source.sinks.Store(set)
	tr := newTracker("t", 0)
	tr.add(records(0, 3), set)
	tr.emit(0, 3)
	b := r.batch()
	b.tracker = tr
	for range 3 {
		b.Add()
	}
	x, y := bindings.NewSinkID("x"), bindings.NewSinkID("y")
	b.Fail(1, errSink)
	legs := []bindings.Leg{{Event: 0, Sink: x}, {Event: 1, Sink: y}, {Event: 2, Sink: x}, {Event: 2, Sink: x}, {Event: 2, Sink: y}}
	b.Routes = 1
	b.Stage(legs)
	b.Batch.Ended(legs[1:3])
	w := &ledgerWriter{sinks: set, limit: metadataLimit}
	text, _ := w.write(tr)
	p := newPrior(decodeLedger(text, 0))
	for _, tc := range []struct {
		offset int64
		x, y   bool
		why    string
	}{
		{0, false, true, "it is not for y"},
		{1, false, false, "it failed before it had a leg for x"},
		{2, false, false, "one of two for x is pending, and y"},
	} {
		v := p.judge(set, tc.offset, 5)
		if has(v, x) != tc.x || has(v, y) != tc.y || v.all {
			t.Errorf("offset %d: x %v, y %v, want %v, %v: %s", tc.offset, has(v, x), has(v, y), tc.x, tc.y, tc.why)
		}
	}
	b.Batch.Ended(legs[3:])
	if text, _ = w.write(tr); newPrior(decodeLedger(text, 0)).judge(set, 2, 5).all != true {
		t.Error("event 2 has ended everywhere and is not done")
	}
}

func has(v skips, id bindings.SinkID) bool { return slices.Contains(v.sinks, id) }

// TestManySinksShareABit: sinks beyond the 63rd are one: each has an event when all of them have it.
func TestManySinksShareABit(t *testing.T) {
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprint("sink", i))
	}
	set := new(sinkSet).follow(plan(1, names...), "")
	shared := 0
	for _, n := range names {
		if set.bit(bindings.NewSinkID(n)) == 1<<sharedBit {
			shared++
		}
	}
	if shared != 101-63 || len(set.sinks[sharedBit]) != shared {
		t.Errorf("%d sinks share a bit, want %d", shared, 101-63)
	}
	if again := set.follow(plan(2, names[50:]...), ""); again.bit(bindings.NewSinkID(names[60])) != set.bit(bindings.NewSinkID(names[60])) {
		t.Error("a sink has another bit in the next plan, and marks have the old one")
	}
	text, left := ledgerOf(100, 1000, func(s, i int) bool { return i%100 != s })
	l := decodeLedger(text, 0)
	if l == nil || left != 0 || len(l.lists) != 64 {
		t.Fatalf("%d offsets without a place, want 64 lists", left)
	}
	for _, list := range l.lists {
		for _, id := range list.sinks {
			for i := range 1000 {
				if list.has(int64(i)) && i%100 == int(id)-100 {
					t.Fatalf("sink %d is said to have record %d", id, i)
				}
			}
		}
	}
}

// TestSinkThatJoinsLater: what was dispatched to a sink before the source knew it is not done for it.
func TestSinkThatJoinsLater(t *testing.T) {
	set := new(sinkSet).follow(plan(1, "x"), "")
	y := bindings.NewSinkID("y")
	tr := newTracker("t", 0)
	tr.add(records(0, 3), set)
	for n := range uint64(3) {
		tr.note(n, set.bit(y))
		tr.at(n).plan = set.number
	}
	set = set.follow(plan(1, "x", "y"), "")
	text, _ := (&ledgerWriter{sinks: set, limit: metadataLimit}).write(tr)
	if l := decodeLedger(text, 0); l != nil {
		t.Errorf("ledger %+v, want none", l)
	}
}

// TestOtherRecordsAtTheSameOffsets: after an unclean election of a leader the offsets of a ledger may be other records.
func TestOtherRecordsAtTheSameOffsets(t *testing.T) {
	set := new(sinkSet).follow(plan(1, "x"), "")
	l := &doneLedger{fingerprint: set.fingerprint, epoch: 5, lists: []doneList{
		{[]bindings.SinkID{bindings.PolicySink, bindings.NewSinkID("x")}, []doneRun{{10, 20}}},
	}}
	p := newPrior(l)
	if !p.judge(set, 12, 5).all || p.judge(set, 12, 6).all || p.judge(set, 20, 5).all || p.judge(set, 9, 5).all {
		t.Error("want offset 12 of epoch 5 alone")
	}
	// A ring that has read records of a later epoch does not carry the rest of an older ledger on.
	for epoch, want := range map[int32]bool{5: true, 6: false} {
		tr := newTracker("t", 0)
		tr.inherit(kgo.EpochOffset{Offset: 0}, l)
		tr.add([]*kgo.Record{{Offset: 0, LeaderEpoch: epoch}}, set)
		w := &ledgerWriter{sinks: set, limit: metadataLimit}
		text, _ := w.write(tr)
		got := decodeLedger(text, 0)
		if carried := got != nil && got.done(15) != 0; carried != want {
			t.Errorf("epoch %d: carried on %v, want %v", epoch, carried, want)
		}
	}
}

// TestLongMetadataIsShortened: a broker that takes less metadata stores the position all the same.
func TestLongMetadataIsShortened(t *testing.T) {
	set := new(sinkSet).follow(plan(1, "x", "y"), "")
	b := broker{limit: 100}
	c := newCommitter(settings("a").Log, 0, func() *sinkSet { return set })
	c.send = b.send
	c.assigned(map[string][]int32{"t": {0}})
	tr := c.tracker("t", 0)
	tr.add(records(0, 1000), set)
	tr.emit(0, 1000)
	for i := range 1000 {
		tr.at(uint64(i)).pending, tr.at(uint64(i)).plan = set.bit(bindings.NewSinkID("x")), set.number
		if i%3 == 0 {
			tr.at(uint64(i)).pending = everySink
		}
	}
	tr.at(0).pending = 0
	tr.release()
	for range 8 {
		tr.changes++
		c.commit(t.Context(), true)
	}
	if b.stored[0] != 1 || len(b.texts) == 0 || b.texts[0] != "" {
		t.Errorf("stored %d with %q, want the position without metadata first", b.stored[0], b.texts)
	}
	if last := b.texts[len(b.texts)-1]; len(last) > 100 || decodeLedger(last, 1) == nil {
		t.Errorf("stored %q, want a ledger of at most 100 characters", last)
	}
}

// TestLongLedgersAreStoredSeldom: the ledger of a position that does not move is stored at every commit if it is short, once
// a second if it is not, and always the last time. Nothing is stored where nothing has changed.
func TestLongLedgersAreStoredSeldom(t *testing.T) {
	set := new(sinkSet).follow(plan(1, "x"), "")
	tr := newTracker("t", 0)
	tr.inherit(kgo.EpochOffset{Epoch: 5, Offset: 0}, nil)
	tr.add(records(0, 2000), set)
	w := &ledgerWriter{sinks: set, limit: metadataLimit}
	now := time.Now()
	store := func(after time.Duration, last bool) bool {
		now = now.Add(after)
		c, ok := tr.commitment(w, now, last)
		if ok {
			tr.confirm(c)
		}
		return ok
	}
	done := func(n int) {
		tr.note(uint64(n), 0)
		tr.changes++
	}
	if store(0, false) {
		t.Error("stored that nothing is done")
	}
	for i := 1; i < 4; i++ {
		if done(2 * i); !store(commitEvery, false) || store(commitEvery, false) {
			t.Error("a short ledger is stored at once, and once")
		}
	}
	for i := range 900 {
		done(2*i + 2)
	}
	if !store(ledgersEvery, false) {
		t.Error("a long ledger is not stored")
	}
	done(1901)
	if store(commitEvery, false) || !store(ledgersEvery, false) {
		t.Error("a long ledger is stored once a second")
	}
	done(1903)
	if !store(0, true) || store(0, true) {
		t.Error("the last time it is stored, and once")
	}
}

// TestResume: a partition that comes back goes on where this process has left it.
func TestResume(t *testing.T) {
	at := func(offset int64) kgo.EpochOffset { return kgo.EpochOffset{Epoch: 5, Offset: offset} }
	for name, tc := range map[string]struct {
		committed, stored int64
		next, reached     int64 // next is -1 where it does not go on
	}{
		"nobody else had it":            {100, 100, 130, 104},
		"an answer to a commit is lost": {100, 104, 130, 104},
		"nothing was committed":         {-1, -1, 130, 104},
		"another owner read on":         {100, 115, 130, 115},
		"another owner read all":        {100, 130, 130, 130},
		"another owner read further":    {100, 131, -1, 0},
		"somebody has rewound":          {100, 99, -1, 0},
		"rewound before the first":      {-1, 99, -1, 0},
		"the position is gone":          {100, -1, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCommitter(settings("a").Log, 0, noSinks)
			p := map[string][]int32{"t": {0}}
			c.assigned(p)
			tr := c.tracker("t", 0)
			if tc.committed >= 0 {
				tr.inherit(at(tc.committed), nil)
			}
			first, _ := tr.add(records(100, 40), nil)
			tr.emit(0, first+30) // ten are polled and not emitted
			for i := range 4 {
				tr.note(first+uint64(i), 0)
			}
			tr.note(first+20, 0)
			tr.release()
			c.lost(p)
			c.assigned(p)
			tp := topicPartition{"t", 0}
			next := c.fetched(tp, at(tc.stored), "")
			now := c.tracker("t", 0)
			if tc.next < 0 {
				if now == tr || next.Offset != tc.stored {
					t.Fatalf("goes on at %d, want a new beginning at %d", next.Offset, tc.stored)
				}
				tr.settle(first, home(30), nil)
				if tr.reached.Offset != 104 {
					t.Error("a void tracker moved")
				}
				return
			}
			if now != tr || next.Offset != tc.next || tr.reached.Offset != tc.reached {
				t.Fatalf("goes on at %d with position %d, want %d with %d", next.Offset, tr.reached.Offset, tc.next, tc.reached)
			}
			if tr.emit(0, first+40) {
				t.Error("what was polled before is emitted, and will be read again")
			}
			n, ok := tr.add(records(130, 10), nil)
			if generation, _ := tr.assignment(); !ok || !tr.emit(generation, n+10) {
				t.Fatal("the new assignment takes no records")
			}
			tr.settle(first, home(30), nil) // of the assignment before
			tr.settle(n, home(10), nil)
			if tr.reached.Offset != 140 {
				t.Errorf("position %d when all is done, want 140", tr.reached.Offset)
			}
		})
	}
}

// TestParkedIsForgotten: what is known of a partition that does not come back is not kept for good.
func TestParkedIsForgotten(t *testing.T) {
	c := newCommitter(settings("a").Log, 0, noSinks)
	p := map[string][]int32{"t": {0, 1}}
	c.assigned(p)
	c.tracker("t", 0).add(records(0, 1), nil)
	c.tracker("t", 0).emit(0, 1)
	c.lost(p)
	if len(c.parked) != 1 {
		t.Errorf("%d parked, want the one that has emitted", len(c.parked))
	}
	c.forget(time.Now().Add(parkedFor + time.Second))
	if len(c.parked) != 0 {
		t.Error("still parked")
	}
}

// TestLegAllocations: a leg that ends costs no allocation.
func TestLegAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("NOT TESTED: allocations, because the race detector is on")
	}
	set := new(sinkSet).follow(plan(1, "x", "y"), "")
	r := &run{source: &Source{}}
	r.source.sinks.Store(set)
	r.source.settings.Window = bindings.NewWindow(0, 0)
	tr := newTracker("t", 0)
	rs := records(0, 50)
	var legs []bindings.Leg
	for i := range int32(50) {
		legs = append(legs, bindings.Leg{Event: i, Sink: bindings.NewSinkID("x")}, bindings.Leg{Event: i, Sink: bindings.NewSinkID("y")})
	}
	if n := testing.AllocsPerRun(100, func() {
		b := r.batch()
		b.first, _ = tr.add(rs, set)
		tr.emit(0, b.first+50)
		b.tracker = tr
		for range 50 {
			b.Add()
		}
		r.home.Add(1)
		b.Routes = 1
		b.Stage(legs)
		b.Expect(len(legs))
		b.Batch.Ended(legs)
		b.Done(len(legs))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n, _ := tr.held(); n != 0 {
		t.Errorf("%d records are not done", n)
	}
}
