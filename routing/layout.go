package routing

// build compiles the conditions and fills the index.
func (t *Table) build() {
	l := newLowerer()
	conditions := make([][]pred, len(t.rules))
	for i := range t.rules {
		conditions[i] = l.condition(t.rules[i].When)
	}
	t.index.seed = newHashSeed()
	x := newIndexer(t, l)
	x.choosePairs(conditions)
	for _, preds := range conditions {
		x.countRule(preds)
	}
	x.wantPieces()
	t.index.slots = make([]slotIndex, len(l.attrNames))
	for i, preds := range conditions {
		x.rule(int32(i), preds)
	}
	t.attrNames, t.attrs, t.paths = l.attrNames, l.attrs, l.pathList
	t.usesSeldom, t.expressions = l.usesSeldom, int(l.expressions)
	x.layout()
}

// layout sorts the postings by key and builds the structures that find them.
func (x *indexer) layout() {
	ix := &x.table.index
	var spans []span
	ix.postings, spans = sortPostings(x.posts, x.owners, len(x.keys.keys))
	x.addSwitches(spans)
	x.noteCrowds(spans)
	ix.scanFrom = make([]span, len(x.table.sourceIDs))
	var paired, inside []hashEntry
	hashed := make([]hashEntry, 0, len(x.keys.keys))
	affixes := map[key][]radixKey{}
	for id, k := range x.keys.keys {
		s := spans[id]
		if s.from == s.to {
			continue
		}
		switch k.kind {
		case byPair:
			paired = append(paired, hashEntry{hashKey{}, x.keys.sums[id], s})
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
		case byInside:
			ix.slots[k.slot].inside |= 1 << len(k.text)
			inside = append(inside, hashEntry{hashKey{k.text, k.slot}, x.keys.sums[id], s})
		case byFold:
			ix.slots[k.slot].fold = true
			ix.longestFold = max(ix.longestFold, len(k.text))
			hashed = append(hashed, hashEntry{hashKey{k.text, foldSlot(k.slot)}, x.keys.sums[id], s})
		}
	}
	ix.hash, ix.paired, ix.inside = newHashIndex(hashed), newSumIndex(paired), *newHashIndex(inside)
	for of, keys := range affixes {
		at := &ix.slots[of.slot]
		at.affixes = append(at.affixes, newRadixes(keys, of.kind == bySuffix)...)
	}
	for i := range ix.slots {
		at := &ix.slots[i]
		at.seldom = at.fold || at.inside != 0 || at.exists.from < at.exists.to
		at.any = at.lengths != 0 || len(at.affixes) > 0 || at.seldom
		if at.any && i < len(coreSlots) {
			ix.core = append(ix.core, int32(i))
		}
	}
}

// sortPostings lays out postings by the keys that own them, those of one key in the order of the rules.
func sortPostings(posts []posting, owners []int32, keys int) (sorted []posting, spans []span) {
	spans = make([]span, keys)
	for _, id := range owners {
		spans[id].to++
	}
	next := int32(0)
	for id := range spans {
		n := spans[id].to
		spans[id] = span{next, next}
		next += n
	}
	sorted = make([]posting, len(posts))
	for i, id := range owners {
		sorted[spans[id].to] = posts[i]
		spans[id].to++
	}
	return sorted, spans
}
