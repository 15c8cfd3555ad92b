package routing

import (
	"math/bits"
	"strings"
)

// radix finds every prefix of a value that is among its keys, in one walk along the value. A suffix radix does the
// same from the value's end; its keys are kept as they are and compared from their ends.
//
// What all keys have in common is compared once. The next bytes, as many as every key has but no more than a word,
// are looked up in a hash table, so that most values are passed over after one look and most others have left the
// crowded upper levels behind them. From there a tree leads on. Its nodes are laid out level by level, and the
// children of a node stand side by side in the order of their first bytes: one step down the tree reads one node.
type radix struct {
	suffix bool
	// common is what all keys begin with, then come width bytes that are looked up in heads.
	common string
	width  int
	mask   uint64 // the bits of width bytes
	tags   tags
	heads  []radixHead // at the places of the tags
	seed   uint64
	nodes  []radixNode
	// text holds the rests of all nodes.
	text string
	// wide are the children of the nodes whose first bytes are too far apart for radixNode.has.
	wide []byteSet
}

// radixHead leads from some bytes, read as a number, to a node.
type radixHead struct {
	bytes uint64
	node  int32
}

// radixNode takes 32 bytes, half a cache line.
type radixNode struct {
	// has says which of the 64 bytes from low on have a child. In a wide node it is a place in radix.wide.
	has      uint64
	postings span
	// children is the number of the first child.
	children int32
	// rest to rest+size of radix.text is what the value must continue with to come here from the parent, without the
	// byte that chose this child.
	rest, size int32
	low        byte
	isWide     bool
}

// word is how many bytes a head has at most.
const word = 8

// widthMask returns the bits of some bytes, at least one and at most a word.
func widthMask(width int) uint64 { return ^uint64(0) >> (8 * (word - width) & 63) }

// fewBytes reads up to a word as a number, the first byte lowest.
func fewBytes(text string) (n uint64) {
	for i := range len(text) {
		n |= uint64(text[i]) << (8 * i)
	}
	return n
}

// find returns the node that a head leads to, nil if there is none.
func (r *radix) find(head, sum uint64) *radixNode {
	p := r.tags.probe(sum)
	for at, ok := r.tags.next(&p); ok; at, ok = r.tags.next(&p) {
		if h := &r.heads[at]; h.bytes == head {
			return &r.nodes[h.node]
		}
	}
	return nil
}

// sum returns the hash of a head. The seed is random, so that nobody can choose keys that collide.
func (r *radix) sum(head uint64) uint64 {
	return fold(head^r.seed, 0x9e3779b97f4a7c15)
}

// child returns the node behind n for the byte c, nil if there is none.
func (r *radix) child(n *radixNode, c byte) *radixNode {
	if n.isWide {
		return r.wideChild(n, c)
	}
	at := c - n.low // wraps round for bytes below low, which makes them too large
	if at >= 64 || n.has>>at&1 == 0 {
		return nil
	}
	return &r.nodes[n.children+int32(bits.OnesCount64(n.has&(1<<at-1)))]
}

func (r *radix) wideChild(n *radixNode, c byte) *radixNode {
	less, in := r.wide[n.has].rank(c)
	if !in {
		return nil
	}
	return &r.nodes[n.children+less]
}

// walk tries the postings of every key that text begins with, or ends with in a suffix radix. The head is looked up
// before what is common is compared, because that refuses more.
func (r *radix) walk(text string, s *Scratch) {
	rest := len(text) - len(r.common) - r.width
	if rest < 0 {
		return
	}
	at := len(r.common)
	if r.suffix {
		at = rest
	}
	var head uint64
	if tail := text[at:]; len(tail) >= word {
		head = low64(tail) & r.mask
	} else {
		head = fewBytes(tail[:r.width])
	}
	sum := r.sum(head)
	if r.tags.lack(sum) {
		return
	}
	if n := r.find(head, sum); n != nil {
		r.walkOn(text, n, s)
	}
}

// walkOn goes on where a head leads to a node.
func (r *radix) walkOn(text string, n *radixNode, s *Scratch) {
	switch after := len(r.common) + r.width; {
	case r.suffix && strings.HasSuffix(text, r.common):
		r.walkSuffix(text[:len(text)-after], n, s)
	case !r.suffix && strings.HasPrefix(text, r.common):
		r.walkPrefix(text[after:], n, s)
	}
}

// walkPrefix goes on from a node along text.
func (r *radix) walkPrefix(text string, n *radixNode, s *Scratch) {
	for n != nil {
		if n.size != 0 {
			if !strings.HasPrefix(text, r.text[n.rest:n.rest+n.size]) {
				return
			}
			text = text[n.size:]
		}
		if n.postings.from < n.postings.to {
			s.tryAll(n.postings)
		}
		if text == "" {
			return
		}
		n = r.child(n, text[0])
		text = text[1:]
	}
}

// walkSuffix goes on from a node along text from its end.
func (r *radix) walkSuffix(text string, n *radixNode, s *Scratch) {
	for n != nil {
		if n.size != 0 {
			if !strings.HasSuffix(text, r.text[n.rest:n.rest+n.size]) {
				return
			}
			text = text[:len(text)-int(n.size)]
		}
		if n.postings.from < n.postings.to {
			s.tryAll(n.postings)
		}
		if text == "" {
			return
		}
		n = r.child(n, text[len(text)-1])
		text = text[:len(text)-1]
	}
}

// byteSet is a set of bytes.
type byteSet [4]uint64

func (b *byteSet) add(c byte) { b[c>>6] |= 1 << (c & 63) }

// window returns which of the 64 bytes from low on are in the set.
func (b *byteSet) window(low byte) uint64 {
	at, shift := low>>6, low&63
	has := b[at] >> shift
	if shift > 0 && at < 3 {
		has |= b[at+1] << (64 - shift)
	}
	return has
}

// rank returns how many bytes of the set are less than c, and whether c is in it.
func (b *byteSet) rank(c byte) (less int32, in bool) {
	at, bit := c>>6, uint64(1)<<(c&63)
	for _, w := range b[:at] {
		less += int32(bits.OnesCount64(w))
	}
	return less + int32(bits.OnesCount64(b[at]&(bit-1))), b[at]&bit != 0
}
