package routing

import (
	"slices"
	"strings"
)

// radix finds every prefix of a value that is among its keys, in one walk along the value. A suffix radix does the
// same from the value's end; its keys are kept as they are and compared from their ends.
//
// Nodes are laid out level by level, so that the upper levels, which every event walks through, are neighbours in
// memory.
type radix struct {
	suffix bool
	nodes  []radixNode
	// children holds for every node a range of bytes from low on, and the number of the child for each; 0 is none.
	// Nodes whose bytes are too far apart have a list in sparse instead.
	children []int32
	sparse   []branch
}

type radixNode struct {
	// rest is what the value must continue with to come here from the parent, without the byte that chose this child.
	rest     string
	postings span
	children int32
	// low is the first byte with a child, width how many bytes from it on are in children. In a sparse node children
	// is a place in sparse and width the length of the list there.
	low    byte
	sparse bool
	width  uint16
}

// branch is one child in the list of a sparse node.
type branch struct {
	first byte
	node  int32
}

// Nodes are dense up to wide bytes, and beyond if they have a child for one byte in four; so the memory of a radix is
// bounded by its number of keys, whatever they are.
const (
	wide   = 32
	filled = 4
)

// span is a range of Table.postings.
type span struct{ from, to int32 }

type radixKey struct {
	text     string
	postings span
}

// newRadix builds a radix of distinct keys that are not empty. It sorts them.
func newRadix(keys []radixKey, suffix bool) *radix {
	r := &radix{suffix: suffix, nodes: make([]radixNode, 1, len(keys)+1)}
	slices.SortFunc(keys, func(a, b radixKey) int { return r.order(a.text, b.text) })
	jobs := []radixJob{{keys: keys}}
	for len(jobs) > 0 {
		next := jobs[0]
		jobs = r.branch(next, jobs[1:])
	}
	return r
}

// radixJob is a node whose children are still to be made, from keys that share their first depth bytes.
type radixJob struct {
	node, depth int
	keys        []radixKey
}

// branch makes the children of a node and appends what is to be done for them.
func (r *radix) branch(j radixJob, jobs []radixJob) []radixJob {
	if len(j.keys[0].text) == j.depth {
		r.nodes[j.node].postings = j.keys[0].postings
		j.keys = j.keys[1:]
	}
	if len(j.keys) == 0 {
		return jobs
	}
	first := len(r.nodes)
	low := r.at(j.keys[0].text, j.depth)
	high := r.at(j.keys[len(j.keys)-1].text, j.depth)
	var bytes [256]byte // of the children, in their order
	kids := bytes[:0]
	for len(j.keys) > 0 {
		count := r.group(j.keys, j.depth)
		text := j.keys[0].text
		depth := r.common(text, j.keys[count-1].text, j.depth)
		jobs = append(jobs, radixJob{node: len(r.nodes), depth: depth, keys: j.keys[:count]})
		r.nodes = append(r.nodes, radixNode{rest: r.cut(text, j.depth+1, depth)})
		kids = append(kids, r.at(text, j.depth))
		j.keys = j.keys[count:]
	}
	n := &r.nodes[j.node]
	n.low, n.width = low, uint16(high-low)+1
	if n.sparse = n.width > wide && int(n.width) > filled*len(kids); n.sparse {
		n.width, n.children = uint16(len(kids)), int32(len(r.sparse))
		for i, c := range kids {
			r.sparse = append(r.sparse, branch{c, int32(first + i)})
		}
		return jobs
	}
	n.children = int32(len(r.children))
	r.children = append(r.children, make([]int32, n.width)...)
	for i, c := range kids {
		r.children[n.children+int32(c-low)] = int32(first + i)
	}
	return jobs
}

// at returns the i-th byte of a key in the direction of the walk.
func (r *radix) at(key string, i int) byte {
	if r.suffix {
		return key[len(key)-1-i]
	}
	return key[i]
}

// cut returns the bytes from to to of a key in the direction of the walk.
func (r *radix) cut(key string, from, to int) string {
	if r.suffix {
		return key[len(key)-to : len(key)-from]
	}
	return key[from:to]
}

func (r *radix) order(a, b string) int {
	if !r.suffix {
		return strings.Compare(a, b)
	}
	i := r.common(a, b, 0)
	if i == len(a) || i == len(b) {
		return cmpInt(len(a), len(b))
	}
	return cmpInt(int(r.at(a, i)), int(r.at(b, i)))
}

// common returns how many bytes a and b share, given that they share the first i.
func (r *radix) common(a, b string, i int) int {
	for i < len(a) && i < len(b) && r.at(a, i) == r.at(b, i) {
		i++
	}
	return i
}

// group returns how many of the sorted keys have the byte at depth in common with the first.
func (r *radix) group(keys []radixKey, depth int) int {
	c := r.at(keys[0].text, depth)
	n := 1
	for n < len(keys) && r.at(keys[n].text, depth) == c {
		n++
	}
	return n
}

// child returns the node behind n for the byte c, nil if there is none.
func (r *radix) child(n *radixNode, c byte) *radixNode {
	if n.sparse {
		return r.listed(n, c)
	}
	i := c - n.low // wraps round for bytes below low, which makes them too large
	if uint16(i) >= n.width {
		return nil
	}
	number := r.children[n.children+int32(i)]
	if number == 0 {
		return nil
	}
	return &r.nodes[number]
}

// listed finds a child of a sparse node.
func (r *radix) listed(n *radixNode, c byte) *radixNode {
	for _, b := range r.sparse[n.children : n.children+int32(n.width)] {
		if b.first == c {
			return &r.nodes[b.node]
		}
	}
	return nil
}

// walkPrefix tries the postings of every key that text begins with.
func (r *radix) walkPrefix(text string, s *Scratch) {
	n := &r.nodes[0]
	for text != "" {
		if n = r.child(n, text[0]); n == nil {
			return
		}
		text = text[1:]
		if n.rest != "" {
			if !strings.HasPrefix(text, n.rest) {
				return
			}
			text = text[len(n.rest):]
		}
		if n.postings.from < n.postings.to {
			s.tryAll(n.postings)
		}
	}
}

// walkSuffix tries the postings of every key that text ends with.
func (r *radix) walkSuffix(text string, s *Scratch) {
	n := &r.nodes[0]
	for text != "" {
		if n = r.child(n, text[len(text)-1]); n == nil {
			return
		}
		text = text[:len(text)-1]
		if n.rest != "" {
			if !strings.HasSuffix(text, n.rest) {
				return
			}
			text = text[:len(text)-len(n.rest)]
		}
		if n.postings.from < n.postings.to {
			s.tryAll(n.postings)
		}
	}
}
