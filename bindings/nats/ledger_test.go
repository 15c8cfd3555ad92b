package nats

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/eventrouter/router/bindings"
)

func TestRecordComesBackAsItWas(t *testing.T) {
	want := &record{
		identity: 77, floor: 1000, newest: 5,
		done:   []stretch{{first: 1002, last: 1010, messages: 5}, {first: 1012, last: 90_000, messages: 80_000}},
		partly: map[bindings.SinkID][]uint64{5: {1001, 1011}, 9: {1001}},
	}
	got, err := decodeRecord(want.encode(1 << 20))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for n := range len(want.encode(1<<20)) - 1 {
		if _, err := decodeRecord(want.encode(1 << 20)[:n]); err == nil {
			t.Errorf("the first %d bytes were taken for a record", n)
		}
	}
	// What does not fit is left out from the end.
	small, err := decodeRecord(want.encode(4))
	if err != nil || small.floor != want.floor || len(small.done) > 1 {
		t.Errorf("got %+v, %v", small, err)
	}
}

// The set must never say done of a message that is not, whatever the order of deliveries and acknowledgements; and when
// everything is done it has nothing to remember.
func TestDoneSetKnowsWhatIsDone(t *testing.T) {
	for range 200 {
		d := newDoneSet()
		d.resume(10, 10, 0)
		type delivery struct{ seq, after uint64 }
		var all []delivery
		for seq, order := uint64(10), uint64(1); len(all) < 40; order++ {
			seq += 1 + rand.Uint64N(3) // the durable's subjects are some of the stream's
			all = append(all, delivery{seq, d.delivered(token{seq: seq}, order)})
		}
		done := map[uint64]bool{}
		for _, i := range rand.Perm(len(all)) {
			d.add(token{seq: all[i].seq}, all[i].after)
			done[all[i].seq] = true
			floor, stretches, _ := d.snapshot()
			for _, m := range all {
				in := m.seq <= floor || slices.ContainsFunc(stretches, func(s stretch) bool { return s.first <= m.seq && m.seq <= s.last })
				if in != done[m.seq] {
					t.Fatalf("message %d: done is %v, want %v; floor %d, %+v", m.seq, in, done[m.seq], floor, stretches)
				}
			}
		}
		if floor, stretches, _ := d.snapshot(); floor != all[len(all)-1].seq || len(stretches) != 0 || len(d.byAfter) != 0 {
			t.Fatalf("everything is done, and the set has floor %d and %+v", floor, stretches)
		}
	}
}

// What lies between two messages of ours may be somebody else's, unless the server's count of deliveries says that there
// was none.
func TestDoneSetSpansNothingThatSomebodyElseGot(t *testing.T) {
	d := newDoneSet()
	d.resume(10, 10, 0)
	held := d.delivered(token{seq: 11}, 1)
	d.add(token{seq: 12}, d.delivered(token{seq: 12}, 2))
	if !d.gap(4) || d.gap(3) {
		t.Error("a gap in the deliveries is not seen, or one is seen where there is none")
	}
	d.share()
	d.add(token{seq: 14}, d.delivered(token{seq: 14}, 4)) // 13 went to somebody else
	d.add(token{seq: 15}, d.delivered(token{seq: 15}, 5))
	d.add(token{seq: 11}, held)
	d.reset(11)
	for seq := uint64(11); seq < 16; seq++ {
		if d.has(seq) {
			t.Errorf("message %d is taken for done", seq)
		}
	}
}

func TestDoneSetRemembersOverResets(t *testing.T) {
	d := newDoneSet()
	d.resume(0, 0, 0)
	for seq := uint64(1); seq <= 6; seq++ {
		if after := d.delivered(token{seq: seq}, seq); seq != 1 && seq != 4 {
			d.add(token{seq: seq}, after)
		}
	}
	d.learn([]stretch{{first: 8, last: 9, messages: 2}}, 0)
	d.reset(0)
	d.delivered(token{seq: 1}, 1)
	d.add(token{seq: 2}, d.delivered(token{seq: 2}, 2)) // the others have not come again yet
	d.reset(0)
	for seq, want := range map[uint64]bool{1: false, 2: true, 3: true, 4: false, 5: true, 6: true, 7: false, 8: true, 9: true, 10: false} {
		if got := d.has(seq); got != want {
			t.Errorf("message %d: done is %v, want %v", seq, got, want)
		}
	}
}
