package routing

import "math/bits"

// tags say in which places of a hash table to look: a byte for each place, eight side by side in a word. Most look-ups
// find nothing, and one word tells them so, without a branch that goes one way or the other by chance. The places of a
// group that is full go on in the next one.
type tags []uint64

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
	// groupSize is how many places a group has, groupFill how many of them are taken on average at most.
	groupSize = 8
	groupFill = 5
)

// newTags returns room for n places; numbers of places are below 8*len.
func newTags(n int) tags {
	size := 1
	for size*groupFill < n {
		size *= 2
	}
	return make(tags, size)
}

// tag returns the tag of a hash, eight times. A tag is never zero: that is an empty place.
func tag(sum uint64) uint64 { return (sum>>56 | 0x80) * lowBits }

// hits returns a bit for each place of a group that may have the tag: all that do, and seldom another.
func hits(group, tag uint64) uint64 {
	other := group ^ tag
	return (other - lowBits) &^ other & highBits
}

// full reports whether a group has no empty place.
func full(group uint64) bool { return group&highBits == highBits }

// lack reports that no place has the tag of a hash, after one look that most callers need no more than.
func (t tags) lack(sum uint64) bool {
	group := t[sum&uint64(len(t)-1)]
	return hits(group, tag(sum)) == 0 && !full(group)
}

// probe goes through the places that may have the tag of a hash.
type probe struct{ at, wanted, found uint64 }

// probe begins at the group of a hash.
func (t tags) probe(sum uint64) probe {
	at, wanted := sum&uint64(len(t)-1), tag(sum)
	return probe{at: at, wanted: wanted, found: hits(t[at], wanted)}
}

// next returns the number of another place; ok is false when there is none.
func (t tags) next(p *probe) (number uint64, ok bool) {
	for p.found == 0 {
		if !full(t[p.at]) {
			return 0, false
		}
		p.at = (p.at + 1) & uint64(len(t)-1)
		p.found = hits(t[p.at], p.wanted)
	}
	number = place(p.at, p.found)
	p.found &= p.found - 1
	return number, true
}

// place returns the number of the place in a group that the lowest bit of hits stands for.
func place(group, hits uint64) uint64 { return group*groupSize + uint64(bits.TrailingZeros64(hits)/8) }

// add takes a place for a hash and returns its number.
func (t tags) add(sum uint64) uint64 {
	at := sum & uint64(len(t)-1)
	for full(t[at]) {
		at = (at + 1) & uint64(len(t)-1)
	}
	free := ^t[at] & highBits
	byteAt := bits.TrailingZeros64(free) / 8
	t[at] |= (sum>>56 | 0x80) & 0xff << (8 * byteAt)
	return at*groupSize + uint64(byteAt)
}
