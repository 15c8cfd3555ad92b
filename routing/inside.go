package routing

// A pattern without a literal beginning or end, such as *.order.*, may have literal text between. The index looks the
// pieces of an event's value up: each run of as many bytes as such a text has, eight at most.

// minInside and maxInside are the lengths of the pieces that are looked up, maxInner is how many texts of one pattern, and
// pieces of one text, the index may choose from.
const (
	minInside = 3
	maxInside = 8
	maxInner  = 16
	// fewPieces is how many pieces an attribute has to be asked for before this is quicker than trying their rules.
	fewPieces = 8
)

// lastPiece returns the last piece of a text: names that count up, or become more special, differ there.
func lastPiece(text string) string { return text[max(0, len(text)-maxInside):] }

// coverInside adds covers for a text that every value which is admitted has somewhere: pieces from all over it, so that
// the rarest can be chosen.
func (x *indexer) coverInside(slot int32, text string) {
	if len(text) < minInside {
		return
	}
	x.coverPiece(slot, lastPiece(text))
	last := len(text) - maxInside
	for i := range min(last, maxInner-1) {
		at := i * last / min(last, maxInner-1)
		x.coverPiece(slot, text[at:at+maxInside])
	}
}

func (x *indexer) coverPiece(slot int32, piece string) {
	x.arena = append(x.arena, x.piece(slot, piece))
	x.found = append(x.found, cover{ids: x.arena[len(x.arena)-1:]})
}

// piece numbers the key of a piece.
func (x *indexer) piece(slot int32, piece string) int32 {
	for len(x.pieces) <= int(slot) {
		x.pieces = append(x.pieces, 0)
	}
	x.pieces[slot]++
	return x.id(key{byInside, slot, piece})
}

// lookUpInside tries the entries that want a text anywhere in the value.
func (s *Scratch) lookUpInside(slot int32, text string, lengths uint16) {
	ix := &s.table.index
	for n := minInside; n <= maxInside; n++ {
		if lengths>>n&1 == 0 {
			continue
		}
		for i := 0; i+n <= len(text); i++ {
			ix.inside.walk(text[i:i+n], slot, hashText(ix.seed, text[i:i+n]), s)
		}
	}
}
