package routing

import "hash/maphash"

// build compiles the conditions and fills the index.
func (t *Table) build() {
	l := newLowerer()
	conditions := make([][]pred, len(t.rules))
	for i := range t.rules {
		conditions[i] = l.condition(t.rules[i].When)
	}
	t.index.seed = maphash.MakeSeed()
	x := newIndexer(t, l)
	for _, preds := range conditions {
		x.count(preds)
	}
	t.index.slots = make([]slotIndex, len(l.attrNames))
	for i, preds := range conditions {
		x.rule(int32(i), preds)
	}
	x.layout()
	t.attrNames, t.attrs, t.paths = l.attrNames, l.attrs, l.pathList
	t.markUsed(conditions)
}

// layout sorts the postings by key and builds the structures that find them.
func (x *indexer) layout() {
	spans := x.sortPostings()
	ix := &x.table.index
	ix.scanFrom = make([]span, len(x.table.sourceIDs))
	hashed := make([]hashEntry, 0, len(x.keys.keys))
	affixes := map[key][]radixKey{}
	for id, k := range x.keys.keys {
		s := spans[id]
		if s.from == s.to {
			continue
		}
		switch k.kind {
		case byScan:
			ix.scan = s
		case byScanFrom:
			ix.scanFrom[k.slot], ix.scansFrom = s, true
		case byExists:
			ix.slots[k.slot].exists = s
		case byPrefix, bySuffix:
			of := key{kind: k.kind, slot: k.slot}
			affixes[of] = append(affixes[of], radixKey{text: k.text, postings: s})
		case byValue:
			ix.slots[k.slot].lengths |= 1 << min(len(k.text), maxLength)
			hashed = append(hashed, hashEntry{hashKey{k.text, k.slot}, x.keys.sums[id], s})
		case byFold:
			ix.slots[k.slot].fold = true
			ix.longestFold = max(ix.longestFold, len(k.text))
			hashed = append(hashed, hashEntry{hashKey{k.text, foldSlot(k.slot)}, x.keys.sums[id], s})
		}
	}
	ix.hash = newHashIndex(hashed)
	for of, keys := range affixes {
		at := &ix.slots[of.slot]
		at.affixes = append(at.affixes, newRadixes(keys, of.kind == bySuffix)...)
	}
}

// sortPostings lays out the postings by key, those of one key in the order of the rules.
func (x *indexer) sortPostings() []span {
	spans := make([]span, len(x.keys.keys))
	for _, id := range x.owners {
		spans[id].to++
	}
	next := int32(0)
	for id := range spans {
		n := spans[id].to
		spans[id] = span{next, next}
		next += n
	}
	sorted := make([]posting, len(x.posts))
	for i, id := range x.owners {
		sorted[spans[id].to] = x.posts[i]
		spans[id].to++
	}
	x.table.index.postings = sorted
	return spans
}

// markUsed notes which core attributes any rule asks for.
func (t *Table) markUsed(conditions [][]pred) {
	for _, preds := range conditions {
		t.markPreds(preds)
	}
}

func (t *Table) markPreds(preds []pred) {
	for i := range preds {
		p := &preds[i]
		switch {
		case p.group != nil:
			t.markPreds(p.group.parts)
		case p.op == opCESQL:
			for _, c := range p.test.expr.Conjuncts() {
				t.markSlot(t.attrs[c.Attribute])
			}
		case !p.data:
			t.markSlot(p.slot)
		}
	}
}

func (t *Table) markSlot(slot int32) {
	if slot < int32(len(coreSlots)) {
		t.coreUsed |= 1 << slot
	}
}
