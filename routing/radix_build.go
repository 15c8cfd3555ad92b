package routing

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// span is a range of Table.postings.
type span struct{ from, to int32 }

type radixKey struct {
	text     string
	postings span
}

// newRadixes builds the radixes of distinct keys that are not empty: one for the short keys and one for the others,
// because the shortest key bounds what a head can tell. It sorts the keys.
func newRadixes(keys []radixKey, suffix bool) []radix {
	order := radix{suffix: suffix}
	slices.SortFunc(keys, func(a, b radixKey) int { return order.order(a.text, b.text) })
	var short, long []radixKey
	for _, k := range keys {
		if len(k.text) < word {
			short = append(short, k)
		} else {
			long = append(long, k)
		}
	}
	var all []radix
	for _, keys := range [][]radixKey{short, long} {
		if len(keys) > 0 {
			all = append(all, *newRadix(keys, suffix))
		}
	}
	return all
}

// newRadix builds a radix of sorted keys.
func newRadix(keys []radixKey, suffix bool) *radix {
	r := &radix{suffix: suffix, seed: rand.Uint64(), nodes: make([]radixNode, 0, len(keys)+1)}
	b := radixBuilder{radix: r}
	shortest := len(keys[0].text)
	for i := range keys {
		shortest = min(shortest, len(keys[i].text))
	}
	first, last := keys[0].text, keys[len(keys)-1].text
	depth := min(r.shared(first, last, 0), shortest-1) // a head has at least one byte
	r.common = r.cut(first, 0, depth)
	r.width = min(shortest-depth, word)
	r.mask = widthMask(r.width)
	b.heads(keys, depth)
	for len(b.jobs) > 0 {
		next := b.jobs[0]
		b.jobs = b.jobs[1:]
		b.branch(next)
	}
	r.text = b.rests.String()
	return r
}

// radixBuilder makes the nodes of a radix level by level.
type radixBuilder struct {
	*radix
	jobs  []radixJob
	rests strings.Builder
}

// radixJob is a node whose children are still to be made, from sorted keys that share their first depth bytes.
type radixJob struct {
	node, depth int
	keys        []radixKey
}

// heads makes the nodes that the hash table leads to, and the table.
func (b *radixBuilder) heads(keys []radixKey, depth int) {
	var heads []radixHead
	for depth += b.width; len(keys) > 0; {
		count := b.group(keys, depth-b.width, depth)
		bytes := b.cut(keys[0].text, depth-b.width, depth)
		heads = append(heads, radixHead{fewBytes(bytes), int32(len(b.nodes))})
		b.node(keys[:count], depth)
		keys = keys[count:]
	}
	b.tags = newTags(len(heads))
	b.radix.heads = make([]radixHead, len(b.tags)*groupSize)
	for _, h := range heads {
		b.radix.heads[b.tags.add(b.sum(h.bytes))] = h
	}
}

// node makes the node for keys that share their first depth bytes; what else they share becomes its rest.
func (b *radixBuilder) node(keys []radixKey, depth int) {
	first := keys[0].text
	end := b.shared(first, keys[len(keys)-1].text, depth)
	n := radixNode{rest: int32(b.rests.Len()), size: int32(end - depth)}
	b.rests.WriteString(b.cut(first, depth, end))
	if len(first) == end {
		n.postings = keys[0].postings
		keys = keys[1:]
	}
	if len(keys) > 0 {
		b.jobs = append(b.jobs, radixJob{node: len(b.nodes), depth: end, keys: keys})
	}
	b.nodes = append(b.nodes, n)
}

// branch makes the children of a node.
func (b *radixBuilder) branch(j radixJob) {
	var has byteSet
	n := &b.nodes[j.node]
	n.children = int32(len(b.nodes))
	n.low = b.at(j.keys[0].text, j.depth)
	n.isWide = b.at(j.keys[len(j.keys)-1].text, j.depth)-n.low >= 64
	for keys := j.keys; len(keys) > 0; {
		count := b.group(keys, j.depth, j.depth+1)
		has.add(b.at(keys[0].text, j.depth))
		b.node(keys[:count], j.depth+1)
		keys = keys[count:]
	}
	if n = &b.nodes[j.node]; n.isWide {
		n.has = uint64(len(b.wide))
		b.wide = append(b.wide, has)
	} else {
		n.has = has.window(n.low)
	}
}

// group returns how many of the sorted keys have the bytes from to to in common with the first.
func (r *radix) group(keys []radixKey, from, to int) int {
	bytes := r.cut(keys[0].text, from, to)
	n := 1
	for n < len(keys) && len(keys[n].text) >= to && r.cut(keys[n].text, from, to) == bytes {
		n++
	}
	return n
}

// at returns the i-th byte of a key in the direction of the walk.
func (r *radix) at(key string, i int) byte {
	if r.suffix {
		return key[len(key)-1-i]
	}
	return key[i]
}

// cut returns the bytes from to to of a key, counted in the direction of the walk.
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
	i := r.shared(a, b, 0)
	if i == len(a) || i == len(b) {
		return cmpInt(len(a), len(b))
	}
	return cmpInt(int(r.at(a, i)), int(r.at(b, i)))
}

// shared returns how many bytes a and b share, given that they share the first i.
func (r *radix) shared(a, b string, i int) int {
	for i < len(a) && i < len(b) && r.at(a, i) == r.at(b, i) {
		i++
	}
	return i
}
