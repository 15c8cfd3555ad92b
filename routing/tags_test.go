package routing

import "testing"

// TestTagsRunOver: more places with one tag than a group has go on in the next groups, past the end too, and a walk
// finds each of them.
func TestTagsRunOver(t *testing.T) {
	const n = 30
	for _, sum := range []uint64{0, ^uint64(0), 0x7f << 56, 3} {
		tags := newTags(40)
		for range 2 { // neighbours with other tags
			tags.add(sum ^ 1<<60)
		}
		taken := map[uint64]bool{}
		for range n {
			taken[tags.add(sum)] = true
		}
		if len(taken) != n {
			t.Fatalf("sum %x: %d places for %d", sum, len(taken), n)
		}
		if tags.lack(sum) {
			t.Errorf("sum %x: it is said to be lacking", sum)
		}
		p := tags.probe(sum)
		for at, ok := tags.next(&p); ok; at, ok = tags.next(&p) {
			delete(taken, at)
		}
		if len(taken) > 0 {
			t.Errorf("sum %x: places %v were not found", sum, taken)
		}
	}
}

// TestTagsTellMost: what is not there is seldom taken for something that is.
func TestTagsTellMost(t *testing.T) {
	seed, tags := newHashSeed(), newTags(1000)
	for i := range 1000 {
		tags.add(hashText(seed, "in"+string(rune('0'+i))))
	}
	taken := 0
	for i := range 10_000 {
		if !tags.lack(hashText(seed, "out"+string(rune('0'+i)))) {
			taken++
		}
	}
	if taken > 1500 {
		t.Errorf("%d of 10,000 that are not there need a second look", taken)
	}
}
