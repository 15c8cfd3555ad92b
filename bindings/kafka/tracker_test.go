package kafka

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/eventrouter/router/bindings"
)

var errSink = errors.New("sink said no")

// records returns n records from an offset on, without holes.
func records(from int64, n int) []*kgo.Record {
	var rs []*kgo.Record
	for i := range n {
		rs = append(rs, &kgo.Record{Offset: from + int64(i), LeaderEpoch: 5})
	}
	return rs
}

// home returns a settled batch of n events of which those in failed have failed.
func home(n int, failed ...int) *bindings.Batch {
	b := bindings.NewBatch(nil, n)
	for range n {
		b.Add()
	}
	for _, i := range failed {
		b.Fail(i, errSink)
	}
	return b
}

// TestTrackerModel compares the tracker with the plain definition: the position is behind the longest prefix of
// delivered records that are all done (T-02, invariant 4, I4).
func TestTrackerModel(t *testing.T) {
	type record struct {
		offset int64
		epoch  int32
		done   bool
	}
	type sent struct {
		first uint64
		n     int
	}
	rapid.Check(t, func(t *rapid.T) {
		tr := newTracker("t", 0)
		var model []record
		var out []sent
		offset, epoch := int64(0), int32(0)
		fence := false
		check := func() {
			want := none
			if len(model) > 0 { // where reading began
				want = kgo.EpochOffset{Epoch: model[0].epoch, Offset: model[0].offset}
			}
			for _, m := range model {
				if !m.done {
					break
				}
				want = kgo.EpochOffset{Epoch: m.epoch, Offset: m.offset + 1}
			}
			if got := tr.reached; got != want {
				t.Fatalf("position %v, want %v of %v", got, want, model)
			}
			for i, m := range model {
				if !m.done {
					if n, at := tr.held(); n != len(model)-i || at != m.offset {
						t.Fatalf("held %d at %d, want %d at %d", n, at, len(model)-i, m.offset)
					}
					break
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"deliver": func(t *rapid.T) {
				var rs []*kgo.Record
				for range rapid.IntRange(1, 100).Draw(t, "n") {
					offset += int64(rapid.SampledFrom([]int{1, 1, 1, 2, 50}).Draw(t, "hole"))
					if rapid.IntRange(0, 30).Draw(t, "leader moves") == 0 {
						epoch++
					}
					rs = append(rs, &kgo.Record{Offset: offset, LeaderEpoch: epoch})
				}
				first, ok := tr.add(rs, nil)
				if ok == fence {
					t.Fatalf("accepted %v, fenced %v", ok, fence)
				}
				if !ok || !tr.emit(0, 0) {
					return
				}
				if first != uint64(len(model)) {
					t.Fatalf("first %d, want %d", first, len(model))
				}
				for _, r := range rs {
					model = append(model, record{r.Offset, r.LeaderEpoch, false})
				}
				out = append(out, sent{first, len(rs)})
			},
			"settle": func(t *rapid.T) {
				if len(out) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(out)-1).Draw(t, "which")
				o := out[i]
				out = append(out[:i], out[i+1:]...)
				var failed []int
				for j := range o.n {
					if rapid.IntRange(0, 40).Draw(t, "fails") == 0 {
						failed = append(failed, j)
					}
				}
				b := home(o.n, failed...)
				for j := range o.n {
					model[int(o.first)+j].done = b.Err(j) == nil
				}
				tr.settle(o.first, b, nil)
			},
			"fence": func(t *rapid.T) {
				if rapid.IntRange(0, 20).Draw(t, "really") == 0 {
					tr.fence()
					fence = true
				}
			},
			"": func(t *rapid.T) {
				check()
				if !fence {
					return
				}
				select {
				case <-tr.idle:
					if len(out) > 0 {
						t.Fatal("idle with batches out")
					}
				default:
					if len(out) == 0 {
						t.Fatal("not idle with all batches home")
					}
				}
			},
		})
		tr.park()
		reached := tr.reached
		for _, o := range out {
			tr.settle(o.first, home(o.n), nil)
		}
		if c, ok := tr.commitment(&ledgerWriter{sinks: noSinks()}, time.Now(), true); ok {
			t.Fatalf("a parked tracker commits %v", c)
		}
		if len(out) == 0 && tr.reached != reached {
			t.Fatalf("a parked tracker moved from %v to %v", reached, tr.reached)
		}
	})
}

// TestFailedEventHoldsItsPosition is rule 2 and T-01 in small: not marking the failed one is not enough.
func TestFailedEventHoldsItsPosition(t *testing.T) {
	tr := newTracker("t", 0)
	for i := range 10 {
		first, _ := tr.add(records(int64(10*i), 10), nil)
		tr.emit(0, 0)
		if i == 3 {
			tr.settle(first, home(10, 4), nil)
			continue
		}
		tr.settle(first, home(10), nil)
	}
	if p := tr.reached; p.Offset != 34 {
		t.Errorf("position %d, want 34: event 34 failed", p.Offset)
	}
	if n, at := tr.held(); n != 66 || at != 34 {
		t.Errorf("held %d at %d, want 66 at 34", n, at)
	}
}

// broker is a group's stored positions, and what the committer sent.
type broker struct {
	mu     sync.Mutex
	stored map[int32]int64
	sends  int
	err    error
	texts  []string
	limit  int // of metadata
}

func (b *broker) send(_ context.Context, all stores) (refusals, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sends++
	if b.err != nil {
		return nil, b.err
	}
	for topic, ps := range all.positions {
		for p, o := range ps {
			if b.stored == nil {
				b.stored = map[int32]int64{}
			}
			b.stored[p] = o.Offset
			if len(all.texts[topicPartition{topic, p}]) > b.limit {
				return refusals{{topic, p}: kerr.OffsetMetadataTooLarge}, nil
			}
			b.texts = append(b.texts, all.texts[topicPartition{topic, p}])
		}
	}
	return nil, nil
}

// noSinks is what a committer knows without a plan.
func noSinks() *sinkSet { return new(sinkSet) }

// TestLateSettleAfterRevokeDoesNotCommit is the measured fence bug: member A holds records of a partition that goes
// to B; when A's batch comes home later, A must not store a position for it (rule 4, I5, T-11).
func TestLateSettleAfterRevokeDoesNotCommit(t *testing.T) {
	for name, leave := range map[string]func(*committer, map[string][]int32){
		"revoked": func(c *committer, p map[string][]int32) { c.revoked(context.Background(), p) },
		"lost":    func(c *committer, p map[string][]int32) { c.lost(p) },
	} {
		t.Run(name, func(t *testing.T) {
			var b broker
			c := newCommitter(zap.NewNop(), time.Millisecond, noSinks)
			c.send = b.send
			c.assigned(map[string][]int32{"t": {0, 1}})
			a := c.tracker("t", 1)
			early, _ := a.add(records(0, 5), nil)
			a.emit(0, 0)
			late, _ := a.add(records(5, 5), nil)
			a.emit(0, 0)
			a.settle(early, home(5), nil)

			leave(c, map[string][]int32{"t": {1}})
			want, wantSends := int64(5), 1
			if name == "lost" {
				want, wantSends = 0, 0
			}
			a.settle(late, home(5), nil)
			c.commit(context.Background(), false)
			if b.stored[1] != want || b.sends != wantSends {
				t.Errorf("stored %d in %d sends, want %d in %d", b.stored[1], b.sends, want, wantSends)
			}

			// The partition comes back: the old batch belongs to nobody, the new assignment starts afresh.
			c.assigned(map[string][]int32{"t": {1}})
			if n, _ := c.tracker("t", 1).held(); n != 0 || len(c.trackers()) != 2 {
				t.Errorf("%d records held by the new assignment, %d trackers", n, len(c.trackers()))
			}
			if _, ok := a.add(records(10, 1), nil); ok || a.emit(0, 0) {
				t.Error("the old assignment still takes records")
			}
		})
	}
}

// TestRevokeWaitsForBatches: what comes home within the bound is committed before the partition goes.
func TestRevokeWaitsForBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b broker
		c := newCommitter(zap.NewNop(), drainWithin, noSinks)
		c.send = b.send
		c.assigned(map[string][]int32{"t": {0, 1}})
		in, out := c.tracker("t", 0), c.tracker("t", 1)
		first, _ := in.add(records(0, 5), nil)
		in.emit(0, 0)
		out.add(records(0, 5), nil)
		out.emit(0, 0) // never comes home
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(time.Second)
			in.settle(first, home(5), nil)
		})
		start := time.Now()
		c.revoked(context.Background(), map[string][]int32{"t": {0}})
		if d := time.Since(start); d != time.Second || b.stored[0] != 5 {
			t.Errorf("after %s stored %d, want 5 after 1s", d, b.stored[0])
		}
		start = time.Now()
		c.revoked(context.Background(), map[string][]int32{"t": {1}})
		if d := time.Since(start); d != drainWithin || b.stored[1] != 0 {
			t.Errorf("after %s stored %d, want 0 after %s", d, b.stored[1], drainWithin)
		}
		wg.Wait()
	})
}

// TestCommitIsRepeatedUntilStored: a failed commit is sent again, a stored one is not.
func TestCommitIsRepeatedUntilStored(t *testing.T) {
	b := broker{err: errors.New("no coordinator")}
	c := newCommitter(zap.NewNop(), drainWithin, noSinks)
	c.send = b.send
	c.assigned(map[string][]int32{"t": {0}})
	tr := c.tracker("t", 0)
	first, _ := tr.add(records(0, 5), nil)
	tr.emit(0, 0)
	c.commit(t.Context(), false)
	if b.sends != 1 || b.stored[0] != 0 {
		t.Errorf("stored %d in %d sends before anything was settled; want one try for the beginning", b.stored[0], b.sends)
	}
	tr.settle(first, home(5), nil)
	c.commit(t.Context(), false)
	b.err = nil
	c.commit(t.Context(), false)
	c.commit(t.Context(), false)
	if b.stored[0] != 5 || b.sends != 3 {
		t.Errorf("stored %d in %d sends, want 5 in 3", b.stored[0], b.sends)
	}
}

// TestTrackersFollowAssignments: 200 rebalances leave exactly the owned partitions (T-12).
func TestTrackersFollowAssignments(t *testing.T) {
	var b broker
	c := newCommitter(zap.NewNop(), drainWithin, noSinks)
	c.send = b.send
	for i := range 200 {
		p := map[string][]int32{"t": {0, 1, 2}}
		c.assigned(p)
		tr := c.tracker("t", 1)
		first, _ := tr.add(records(int64(i), 1), nil)
		tr.emit(0, 0)
		tr.settle(first, home(1), nil)
		if i%2 == 0 {
			c.revoked(context.Background(), p)
		} else {
			c.lost(p)
		}
		if n := len(c.trackers()); n != 0 {
			t.Fatalf("%d trackers after rebalance %d", n, i)
		}
	}
}

func TestTrackerAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("NOT TESTED: allocations, because the race detector is on")
	}
	tr := newTracker("t", 0)
	rs, b := records(0, 50), home(50)
	if n := testing.AllocsPerRun(100, func() {
		first, _ := tr.add(rs, nil)
		tr.emit(0, 0)
		tr.settle(first, b, nil)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
