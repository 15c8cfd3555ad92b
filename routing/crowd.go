package routing

import "fmt"

// manyTried is how many rules that have to be tried one after the other are worth a warning: some ten microseconds for
// each event that comes to them.
const manyTried = 1000

// crowd is a key of the index behind which too many rules wait to be tried one by one.
type crowd struct {
	key   key
	rules int
	first int32
}

// noteCrowds finds the keys whose postings neither a second value nor a switch tells apart.
func (x *indexer) noteCrowds(spans []span) {
	t := x.table
	for id, s := range spans {
		if s.to-s.from <= manyTried {
			continue
		}
		c := crowd{key: x.keys.keys[id]}
		for _, p := range t.index.postings[s.from:s.to] {
			if p.guard >= 0 || p.entry < 0 {
				continue
			}
			if c.rules++; c.rules == 1 {
				c.first = t.entries[p.entry].rule
			}
		}
		if c.rules > manyTried {
			t.crowds = append(t.crowds, c)
		}
	}
}

// reviewCrowds warns of rules that matching has to try one after the other.
func (r *reviewer) reviewCrowds() {
	for _, c := range r.table.crowds {
		rule := &r.table.rules[c.first]
		r.warn(rule.Pos, "", "%d rules, of which %s is the first, are tried one after the other for %s; a type, source or "+
			"other attribute with one value, or a longer literal text in it, would tell them apart", c.rules, rule.Name,
			r.table.crowdText(c.key))
	}
}

// crowdText says which events come to the rules behind a key.
func (t *Table) crowdText(k key) string {
	switch k.kind {
	case byScan:
		return "every event"
	case byScanFrom:
		for name, id := range t.sourceIDs {
			if int32(id) == k.slot {
				return "every event from " + name
			}
		}
		return "every event from one source"
	case byPair:
		slots := t.index.pairs[k.slot].slots
		return fmt.Sprintf("every event with their %s and %s", t.attrNames[slots[0]], t.attrNames[slots[1]])
	case byExists:
		return "every event that has " + t.attrNames[k.slot]
	case byPrefix:
		return fmt.Sprintf("every event whose %s begins with %s", t.attrNames[k.slot], quote(Clip(k.text)))
	case bySuffix:
		return fmt.Sprintf("every event whose %s ends with %s", t.attrNames[k.slot], quote(Clip(k.text)))
	case byInside:
		return fmt.Sprintf("every event whose %s contains %s", t.attrNames[k.slot], quote(Clip(k.text)))
	}
	return fmt.Sprintf("every event whose %s is %s", t.attrNames[k.slot], quote(Clip(k.text)))
}
