package routing

// cover is a set of keys of which an event hits at least one whenever a predicate holds. It is exact if hitting one
// means that the predicate holds.
type cover struct {
	ids   []int32
	exact bool
}

// covers appends the ways to index a leaf to found: none for what is negated or in the payload.
func (x *indexer) covers(p *pred) {
	if p.neg || p.data {
		return
	}
	switch p.op {
	case opEqual:
		x.coverValues(byValue, p)
	case opPrefix:
		x.coverValues(byPrefix, p)
	case opSuffix:
		x.coverValues(bySuffix, p)
	case opFold:
		x.folded = appendFolded(x.folded[:0], p.test.values[0])
		x.cover(key{byFold, p.slot, string(x.folded)}, true)
	case opExists:
		x.cover(key{kind: byExists, slot: p.slot}, true)
	case opGlob:
		prefix, suffix := p.test.glob.literals()
		x.coverPattern(p.slot, prefix, suffix, p.test.glob.inner())
	case opRegex:
		x.coverPattern(p.slot, p.test.regex.prefix, "", p.test.regex.inner)
	case opCompare:
		x.coverPattern(p.slot, "", "", nil)
	default: // a JSON null is only ever in the payload
	}
}

// cover adds a cover of one key.
func (x *indexer) cover(k key, exact bool) {
	x.arena = append(x.arena, x.id(k))
	x.found = append(x.found, cover{ids: x.arena[len(x.arena)-1:], exact: exact})
}

// coverValues adds a cover of the values of a predicate, each of which is a key.
func (x *indexer) coverValues(kind keyKind, p *pred) {
	if p.test == nil {
		x.cover(key{kind, p.slot, p.text}, true)
		return
	}
	start := len(x.arena)
	for _, v := range p.test.values {
		x.arena = append(x.arena, x.id(key{kind, p.slot, v}))
	}
	x.found = append(x.found, cover{ids: x.arena[start:], exact: true})
}

// coverPattern indexes a pattern by the literal text at its ends and between them. Where it has none at its ends, the
// attribute being there at all is a way too, which serves if there is no other, or too few rules for pieces.
func (x *indexer) coverPattern(slot int32, prefix, suffix string, inner []string) {
	if prefix != "" {
		x.cover(key{byPrefix, slot, prefix}, false)
	}
	if suffix != "" {
		x.cover(key{bySuffix, slot, suffix}, false)
	}
	for _, piece := range pieces(inner) {
		x.cover(key{byInside, slot, piece}, false)
	}
	if prefix == "" && suffix == "" {
		x.cover(key{kind: byExists, slot: slot}, false)
	}
}
