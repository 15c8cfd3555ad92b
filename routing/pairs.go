package routing

import (
	"cmp"
	"math/bits"
	"slices"
)

// Many rules compare two attributes, such as type and source, with one value each. Each of the values may be common
// while few events have both, so the index looks them up together: nearly every event that such a rule does not match
// is passed over after one look.

// maxPairs is how many pairs of attributes are looked up together, each for every event; fewPaired is the share of the
// rules, one in so many, that makes a pair worth it.
const (
	maxPairs  = 4
	fewPaired = 16
)

// slotPair is a pair of attributes that are looked up together.
type slotPair struct {
	slots [2]int32
	mark  int32
	// lengths are what slotIndex.lengths is, for each of the two.
	lengths [2]uint64
}

// pairSum joins the hashes of two values.
func pairSum(a, b uint64, mark int32) uint64 {
	return spread(bits.RotateLeft64(a, 32)*0x9e3779b97f4a7c15^b, mark)
}

// pairIn returns the first two predicates of a conjunction, by slot, that compare different attributes with one value.
func pairIn(preds []pred) (a, b *pred) {
	for i := range preds {
		p := &preds[i]
		if p.op != opEqual || p.neg || p.test != nil {
			continue
		}
		switch {
		case a == nil || p.slot < a.slot:
			a, b = p, a
		case p.slot > a.slot && (b == nil || p.slot < b.slot):
			b = p
		}
	}
	return a, b
}

// choosePairs finds the pairs of attributes that most rules compare.
func (x *indexer) choosePairs(conditions [][]pred) {
	counts := map[[2]int32]int{}
	for _, preds := range conditions {
		if a, b := pairIn(preds); b != nil {
			counts[[2]int32{a.slot, b.slot}]++
		}
	}
	var pairs [][2]int32
	for slots, n := range counts {
		if n*fewPaired >= len(conditions) {
			pairs = append(pairs, slots)
		}
	}
	slices.SortFunc(pairs, func(a, b [2]int32) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	for i, slots := range pairs[:min(maxPairs, len(pairs))] {
		mark := key{kind: byPair, slot: int32(i)}.mark()
		x.table.index.pairs = append(x.table.index.pairs, slotPair{slots: slots, mark: mark})
	}
}

// pair returns the key of a rule whose pair of attributes was chosen.
func (x *indexer) pair(preds []pred) (id int32, ok bool) {
	a, b := pairIn(preds)
	if b == nil {
		return 0, false
	}
	pairs := x.table.index.pairs
	for i := range pairs {
		p := &pairs[i]
		if p.slots != [2]int32{a.slot, b.slot} {
			continue
		}
		for k, text := range [2]string{a.text, b.text} {
			p.lengths[k] |= 1 << min(len(text), maxLength)
		}
		seed := x.table.index.seed
		sum := pairSum(hashText(seed, a.text), hashText(seed, b.text), p.mark)
		return x.number(key{kind: byPair, slot: int32(i)}, sum), true
	}
	return 0, false
}

// lookUpPairs tries what the index has for two values at once. Two pairs of values may share a hash, and with it
// their postings: the entries check both values again.
func (s *Scratch) lookUpPairs(ix *index) {
	for i := range ix.pairs {
		p := &ix.pairs[i]
		a, b := &s.attrs[p.slots[0]], &s.attrs[p.slots[1]]
		if a.stamp != s.now || b.stamp != s.now || p.lengths[0]>>min(len(a.text), maxLength)&1 == 0 ||
			p.lengths[1]>>min(len(b.text), maxLength)&1 == 0 {
			continue
		}
		if sum := pairSum(a.hash(ix.seed), b.hash(ix.seed), p.mark); !ix.paired.tags.lack(sum) {
			ix.paired.walkSum(sum, s)
		}
	}
}
