package kafka

import (
	"encoding/base64"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/eventrouter/router/bindings"
)

// TestLedgerRoundTrip: what was written is read, and of what has no place the runs nearest the position.
func TestLedgerRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.Int64Range(0, 1<<50).Draw(t, "base")
		limit := rapid.SampledFrom([]int{0, 10, 64, 200, metadataLimit}).Draw(t, "limit")
		l := &doneLedger{
			fingerprint: rapid.Uint64().Draw(t, "fingerprint"),
			epoch:       rapid.Int32Range(-1, math.MaxInt32).Draw(t, "epoch"),
		}
		id := bindings.SinkID(0)
		for range rapid.IntRange(0, 6).Draw(t, "lists") {
			list := doneList{}
			for range rapid.IntRange(1, 4).Draw(t, "sinks") {
				id++
				list.sinks = append(list.sinks, id)
			}
			at := base
			for range rapid.IntRange(1, 300).Draw(t, "runs") {
				from := at + rapid.Int64Range(0, 300).Draw(t, "gap")
				at = from + rapid.Int64Range(1, 300).Draw(t, "length")
				list.runs = append(list.runs, doneRun{from, at})
			}
			l.lists = append(l.lists, list)
		}
		text, left := l.encode(base, limit)
		if len(text) > limit {
			t.Fatalf("%d characters, the limit is %d", len(text), limit)
		}
		got := decodeLedger(text, base)
		if text == "" {
			got = &doneLedger{fingerprint: l.fingerprint, epoch: l.epoch}
		}
		if got == nil || got.fingerprint != l.fingerprint || got.epoch != l.epoch {
			t.Fatalf("read %+v, wrote %+v", got, l)
		}
		sum := int64(0)
		for _, list := range l.lists {
			kept := 0
			for _, have := range got.lists {
				if have.sinks[0] == list.sinks[0] {
					kept = len(have.runs)
					if !reflect.DeepEqual(have.sinks, list.sinks) || !reflect.DeepEqual(have.runs, list.runs[:kept]) {
						t.Fatalf("read %+v, wrote %+v", have, list)
					}
				}
			}
			for _, r := range list.runs[kept:] {
				sum += r.to - r.from
			}
		}
		if left != sum {
			t.Fatalf("%d offsets have no place, counted %d", sum, left)
		}
	})
}

// ledgerOf returns the ledger of a ring of n records from offset 0 on: done says which sinks have record i.
func ledgerOf(sinks, n int, done func(sink, i int) bool) (text string, left int64) {
	var p bindings.Plan
	for s := range sinks {
		p.Sinks = append(p.Sinks, bindings.SinkID(100+s))
	}
	set := new(sinkSet).follow(p, "")
	tr := newTracker("t", 0)
	tr.add(records(0, n), set)
	tr.reached.Offset = 0
	for i := range n {
		pending := uint64(0)
		for s := range sinks {
			if !done(s, i) {
				pending |= set.bit(bindings.SinkID(100 + s))
			}
		}
		tr.at(uint64(i)).pending, tr.at(uint64(i)).plan = pending, set.number
	}
	tr.at(0).pending = set.bit(100) // or the position would move
	w := &ledgerWriter{sinks: set, limit: metadataLimit}
	return w.write(tr)
}

// TestLedgerSizes holds what outages cost in the metadata of a commit, which brokers bound by 4096.
func TestLedgerSizes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	oneDown := func(n int) func(int, int) bool {
		return func(s, i int) bool { return s > 0 && (i < n-128 || rnd.IntN(2) == 0) }
	}
	stuck := func(s, _ int) bool { return s > 0 && rnd.IntN(100) > 0 }
	for _, tc := range []struct {
		name      string
		sinks, n  int
		done      func(sink, i int) bool
		most      int // characters
		leftAtOne bool
	}{
		{"nothing done", 3, 10_000, func(int, int) bool { return false }, 64, false}, // the policy has all
		{"one sink of three down", 3, 10_000, func(s, _ int) bool { return s > 0 }, 96, false},
		{"one of two down, the rest ragged at the head", 2, 10_000, oneDown(10_000), 200, false},
		{"one of five down, the rest ragged at the head", 5, 10_000, oneDown(10_000), 700, false},
		{"one of ten down, the rest ragged at the head", 10, 10_000, oneDown(10_000), 1500, false},
		{"one of five down, 1 % of the others stuck", 5, 10_000, stuck, 1500, false},
		{"one of ten down, 1 % of the others stuck", 10, 10_000, stuck, 3400, false},
		{"one of two down, 1 % of the other stuck", 2, holdAtMost, stuck, metadataLimit, false},
		{"every second one at random", 10, 10_000, func(int, int) bool { return rnd.IntN(2) == 0 }, metadataLimit, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text, left := ledgerOf(tc.sinks, tc.n, tc.done)
			if len(text) > tc.most || (left > 0) != tc.leftAtOne {
				t.Errorf("%d characters and %d offsets without a place, want at most %d", len(text), left, tc.most)
			}
			t.Logf("%d characters, %d offsets without a place", len(text), left)
			if l := decodeLedger(text, 0); l == nil {
				t.Error("not read again")
			}
		})
	}
}

// TestDamagedLedgerIsNone: without a ledger events are repeated, with a wrong one they would be lost.
func TestDamagedLedgerIsNone(t *testing.T) {
	l := &doneLedger{fingerprint: 7, epoch: 3, lists: []doneList{{[]bindings.SinkID{9, 10}, []doneRun{{105, 110}, {120, 400}}}}}
	text, _ := l.encode(100, metadataLimit)
	if got := decodeLedger(text, 100); !reflect.DeepEqual(got, l) {
		t.Fatalf("read %+v, wrote %+v", got, l)
	}
	for i := range len(text) {
		for _, damaged := range []string{text[:i], text[:i] + "A" + text[i+1:], text[:i] + "_" + text[i+1:], text + text[i:]} {
			if damaged != text && decodeLedger(damaged, 100) != nil {
				t.Errorf("%q counts as a ledger", damaged)
			}
		}
	}
	for name, other := range map[string]string{
		"none": "", "a member id": "eventrouter-e905a863e256bc9766c5d6e3ef4e5e59", "another format": "d2." + text[3:],
		"no text": ledgerPrefix + "\xff\xfe",
	} {
		if decodeLedger(other, 100) != nil {
			t.Errorf("%s counts as a ledger", name)
		}
	}
	for _, base := range []int64{-1, 0, 99, 101} {
		if decodeLedger(text, base) != nil {
			t.Errorf("the ledger of position 100 counts for position %d", base)
		}
	}
}

func FuzzLedger(f *testing.F) {
	l := &doneLedger{epoch: -1, lists: []doneList{{[]bindings.SinkID{9}, []doneRun{{1, 2}, {300, 400}}}}}
	text, _ := l.encode(0, metadataLimit)
	body, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(text, ledgerPrefix))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, body[:len(body)-sumBytes], int64(0))
	f.Add("d1.AAAA", []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1}, int64(1<<62))
	f.Fuzz(func(t *testing.T, text string, body []byte, base int64) {
		decodeLedger(text, base)
		l := parseLedger(body, max(base, 0))
		if l == nil {
			return
		}
		for _, list := range l.lists {
			at := max(base, 0)
			for _, r := range list.runs {
				if r.from < at || r.to < r.from {
					t.Fatalf("runs %v from %d on", list.runs, base)
				}
				at = r.to
			}
			if rest := list.after(at); rest != nil {
				t.Fatalf("runs %v after the last one", rest)
			}
		}
		l.done(base)
		l.encode(max(base, 0), metadataLimit)
	})
}
