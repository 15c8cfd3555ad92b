package routing

import "slices"

// A pattern without a literal beginning or end, such as *.order.*, may have literal text between. The index looks the
// pieces of an event's value up: each run of as many bytes as a piece of such a text has.

const (
	// minInside and maxInside are the lengths of the pieces.
	minInside = 3
	maxInside = 8
	// maxPieces is how many pieces of one pattern the index may choose from.
	maxPieces = 16
	// fewPieces is how many patterns an attribute has to be asked for before looking up all runs of its value is quicker
	// than trying them.
	fewPieces = 8
)

// pieces returns the pieces of the literal texts of a pattern, any of which every value that it admits has: a short text
// as a whole, a longer one cut up so that whatever tells it from others is in one of them.
func pieces(texts []string) (all []string) {
	for _, text := range texts {
		if len(text) < minInside {
			continue
		}
		for len(text) > maxInside {
			all = append(all, text[:maxInside])
			text = text[min(maxInside, len(text)-maxInside):]
		}
		all = append(all, text)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if n := len(all); n > maxPieces {
		for i := range maxPieces {
			all[i] = all[i*n/maxPieces]
		}
		all = all[:maxPieces]
	}
	return all
}

// wantPieces counts for each attribute the leaves that a piece leads to best, once it is known how many rules share each
// key.
func (x *indexer) wantPieces() {
	wanted := make([]int32, len(x.lower.attrNames))
	from := int32(0)
	for _, end := range x.ends {
		if c, _, ok := x.cheapest(x.found[from:end]); ok {
			if k := &x.keys.keys[c.ids[0]]; k.kind == byInside {
				wanted[k.slot]++
			}
		}
		from = end
	}
	x.wanted = wanted
}

// lookUpInside tries the entries that want a text anywhere in the value. Each of them is tried once, however often the
// value has the piece.
func (s *Scratch) lookUpInside(slot int32, text string, lengths uint16) {
	ix := &s.table.index
	for n := minInside; n <= maxInside; n++ {
		if lengths>>n&1 == 0 {
			continue
		}
		for i := 0; i+n <= len(text); i++ {
			if sum := spread(hashText(ix.seed, text[i:i+n]), slot); !ix.inside.tags.lack(sum) {
				s.tryPiece(text[i:i+n], slot, sum)
			}
		}
	}
}

// tryPiece tries what a piece of a value leads to, unless it has led there before.
func (s *Scratch) tryPiece(piece string, slot int32, sum uint64) {
	h := &s.table.index.inside
	p := h.tags.probe(sum)
	for at, ok := h.tags.next(&p); ok; at, ok = h.tags.next(&p) {
		b := &h.buckets[at]
		if k := &h.keys[b.key]; b.sum != uint32(sum>>24) || k.slot != slot || k.text != piece {
			continue
		}
		if s.pieces[b.key] != s.now {
			s.pieces[b.key] = s.now
			s.tryAll(b.postings)
		}
		return
	}
}
