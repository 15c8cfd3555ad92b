package routing

import (
	"unicode"
	"unicode/utf8"
)

// hashIndex finds the postings of an exact value. Its seed is random, so that nobody can choose values that collide.
type hashIndex struct {
	tags    tags
	buckets []bucket // at the places of the tags
	keys    []hashKey
}

// bucket holds some bits of a key's hash and its postings, so that neither a miss nor a hit that the postings refuse
// touches the key, which is far away in memory.
type bucket struct {
	sum uint32
	// key is the number of a key.
	key      int32
	postings span
}

type hashKey struct {
	text string
	slot int32
}

// foldSlot keeps folded values apart from exact ones in the same index.
func foldSlot(slot int32) int32 { return ^slot }

// hashEntry is a key to be indexed, with the hash of its text and slot.
type hashEntry struct {
	hashKey
	sum      uint64
	postings span
}

func newHashIndex(entries []hashEntry) *hashIndex {
	h := newSumIndex(entries)
	h.keys = make([]hashKey, len(entries))
	for i := range entries {
		h.keys[i] = entries[i].hashKey
	}
	return h
}

// newSumIndex makes an index without keys, for walkSum.
func newSumIndex(entries []hashEntry) *hashIndex {
	h := &hashIndex{tags: newTags(len(entries))}
	h.buckets = make([]bucket, len(h.tags)*groupSize)
	for i := range entries {
		e := &entries[i]
		h.buckets[h.tags.add(e.sum)] = bucket{sum: uint32(e.sum >> 24), key: int32(i), postings: e.postings}
	}
	return h
}

// spread makes the hash of a value depend on its attribute.
func spread(sum uint64, slot int32) uint64 { return sum ^ uint64(uint32(slot))*0x9e3779b97f4a7c15 }

// walk tries the postings of a value whose hash is known.
func (h *hashIndex) walk(text string, slot int32, sum uint64, s *Scratch) {
	if sum = spread(sum, slot); h.tags.lack(sum) {
		return
	}
	h.walkFound(text, slot, sum, s)
}

// walkFound is walk where the tags leave it open.
func (h *hashIndex) walkFound(text string, slot int32, sum uint64, s *Scratch) {
	p := h.tags.probe(sum)
	for at, ok := h.tags.next(&p); ok; at, ok = h.tags.next(&p) {
		b := &h.buckets[at]
		if b.sum == uint32(sum>>24) && s.tryKey(&h.keys[b.key], b.postings, text, slot) {
			return
		}
	}
}

// walkSum tries the postings of whatever has a hash.
func (h *hashIndex) walkSum(sum uint64, s *Scratch) {
	p := h.tags.probe(sum)
	for at, ok := h.tags.next(&p); ok; at, ok = h.tags.next(&p) {
		if b := &h.buckets[at]; b.sum == uint32(sum>>24) {
			s.tryAll(b.postings)
		}
	}
}

// appendFolded appends a form of s that two texts share exactly if strings.EqualFold says they are equal: every
// character is replaced by the smallest of those that fold to each other.
func appendFolded(dst []byte, s string) []byte {
	for _, r := range s {
		if r < utf8.RuneSelf && r != 'K' && r != 'k' && r != 'S' && r != 's' {
			if r >= 'a' && r <= 'z' {
				r -= 'a' - 'A'
			}
			dst = append(dst, byte(r))
			continue
		}
		smallest := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			smallest = min(smallest, f)
		}
		dst = utf8.AppendRune(dst, smallest)
	}
	return dst
}
