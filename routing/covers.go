package routing

import (
	"slices"

	"github.com/eventrouter/router/routing/cesql"
)

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
	case opCESQL:
		for _, c := range x.lower.implied[p.test] {
			x.coverConjunct(c)
		}
	default: // a JSON null is only ever in the payload
	}
}

// cover adds a cover of one key.
func (x *indexer) cover(k key, exact bool) {
	x.arena = append(x.arena, x.id(k))
	x.found = append(x.found, cover{ids: x.arena[len(x.arena)-1:], exact: exact})
}

// coverList adds a cover of several keys.
func (x *indexer) coverList(kind keyKind, slot int32, values []string, exact bool) {
	start := len(x.arena)
	for _, v := range values {
		x.arena = append(x.arena, x.id(key{kind, slot, v}))
	}
	x.found = append(x.found, cover{ids: x.arena[start:], exact: exact})
}

func (x *indexer) coverValues(kind keyKind, p *pred) {
	if p.test == nil {
		x.cover(key{kind, p.slot, p.text}, true)
		return
	}
	x.coverList(kind, p.slot, p.test.values, true)
}

// coverPattern indexes a pattern by the literal text at its ends and between them, or else by the attribute being there
// at all.
func (x *indexer) coverPattern(slot int32, prefix, suffix string, inner []string) {
	before := len(x.found)
	if prefix != "" {
		x.cover(key{byPrefix, slot, prefix}, false)
	}
	if suffix != "" {
		x.cover(key{bySuffix, slot, suffix}, false)
	}
	known := len(x.found) > before
	for _, literal := range inner[:min(len(inner), maxInner)] {
		x.coverInside(slot, literal)
	}
	if !known {
		x.cover(key{kind: byExists, slot: slot}, false)
	}
}

// coverConjunct indexes an expression by something that it implies and that is no predicate of its own.
func (x *indexer) coverConjunct(c cesql.Conjunct) {
	switch c.Op {
	case cesql.Either:
		x.coverEither(c.Either)
	case cesql.Contains:
		slot := x.lower.attr(c.Attribute)
		x.coverInside(slot, c.Values[0])
		x.cover(key{kind: byExists, slot: slot}, false)
	default:
		start := len(x.arena)
		x.conjunctKeys(c)
		x.found = append(x.found, cover{ids: x.arena[start:]})
	}
}

// coverEither indexes a choice by one conjunct of each alternative, the one that probably leads to it least often.
func (x *indexer) coverEither(alternatives [][]cesql.Conjunct) {
	start := len(x.arena)
	for _, all := range alternatives {
		best, kind := -1, byScan
		for i, c := range all {
			if k, ok := indexed(c); ok && k < kind {
				best, kind = i, k
			}
		}
		if best < 0 {
			x.arena = x.arena[:start]
			return
		}
		x.conjunctKeys(all[best])
	}
	x.found = append(x.found, cover{ids: x.arena[start:]})
}

// indexed returns the kind of the keys of a conjunct; ok is false where it has none.
func indexed(c cesql.Conjunct) (kind keyKind, ok bool) {
	if c.Op == cesql.Either || slices.Contains(c.Values, "") {
		return 0, false
	}
	kind = conjunctKind(c.Op)
	return kind, kind != byInside || len(c.Values[0]) >= minInside
}

// conjunctKeys adds the keys of a conjunct that is no Either to the arena.
func (x *indexer) conjunctKeys(c cesql.Conjunct) {
	slot, kind := x.lower.attr(c.Attribute), conjunctKind(c.Op)
	switch kind {
	case byExists:
		x.arena = append(x.arena, x.id(key{kind: byExists, slot: slot}))
	case byInside:
		x.arena = append(x.arena, x.piece(slot, lastPiece(c.Values[0])))
	default:
		for _, v := range c.Values {
			x.arena = append(x.arena, x.id(key{kind, slot, v}))
		}
	}
}

// conjunctKind translates what an expression implies.
func conjunctKind(o cesql.Op) keyKind {
	switch o {
	case cesql.Prefix:
		return byPrefix
	case cesql.Suffix:
		return bySuffix
	case cesql.Contains:
		return byInside
	case cesql.Exists:
		return byExists
	default:
		return byValue
	}
}
