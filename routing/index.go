package routing

// The index finds candidates: the rules one of whose necessary predicates, their access, holds for an event. What
// the access does not say is checked for each candidate (Scratch.try). Whatever is in the index only decides how much
// there is to check, never what matches.

// posting leads from a key of the index to an entry, or to a switch. It holds what refuses most candidates without touching them.
type posting struct {
	entry int32
	// from is the only source of the rule, or fromAny, or fromList.
	from int32
	// guard is the slot of another attribute that the rule compares with one value, whose hash is sum; -1 for none.
	guard int32
	sum   uint32
}

// slotIndex is what an event's value of one attribute is looked up in.
type slotIndex struct {
	// any says that there is anything below.
	any bool
	// lengths has a bit for every length of the exact values, the last one for all that are longer: most values of
	// an attribute that is seldom asked for are passed over without hashing them.
	lengths uint64
	affixes []radix
	exists  span
	// inside has a bit for every length of the texts that values may have anywhere in them.
	inside uint16
	// seldom says that there is what follows, inside or exists.
	seldom, fold bool
}

// maxLength is the last bit of slotIndex.lengths.
const maxLength = 63

// index is the immutable index of a table.
type index struct {
	seed  hashSeed
	slots []slotIndex
	// core are the slots of core attributes that there is anything for.
	core []int32
	hash *hashIndex
	// paired finds the postings of pairs.
	pairs  []slotPair
	paired *hashIndex
	// switched finds the postings behind the switches.
	switches []dataSwitch
	switched *hashIndex
	postings []posting
	// scan are the entries without any access that listen to every source; scanFrom those that listen to some.
	scan      span
	scanFrom  []span
	scansFrom bool
	// longestFold is the longest folded key: values that are much longer cannot equal any.
	longestFold int
	// inside finds the postings of the pieces that a value has anywhere in it.
	inside hashIndex
}

const noPair = -1

// indexer builds an index in three steps: count how many predicates share each key, choose for every rule the keys
// with the fewest, and lay out the postings by key.
type indexer struct {
	table *Table
	lower *lowerer
	keys  *keyTable
	// fans says how many predicates share each key.
	fans []int32
	// pairOf is the key of each rule's pair, or noPair.
	pairOf []int32
	// wanted says for each attribute how many leaves a piece of its value leads to best, once that is counted.
	wanted []int32
	// posts are the postings in the order of the rules, owners their keys.
	posts  []posting
	owners []int32
	folded []byte
	// found are the covers of all leaves, in the order in which counting visits them; ends is where each leaf's end,
	// and from where the next leaf's begin. arena holds their ids.
	found []cover
	ends  []int32
	from  int32
	arena []int32
}

func newIndexer(t *Table, l *lowerer) *indexer {
	n := len(t.rules)
	t.preds, t.entries = make([]pred, 0, n+n/2), make([]entry, 0, n)
	return &indexer{
		table: t, lower: l, keys: newKeyTable(t.index.seed, 2*n), fans: make([]int32, 0, 2*n),
		posts: make([]posting, 0, n), owners: make([]int32, 0, n), pairOf: make([]int32, 0, n),
		found: make([]cover, 0, 2*n), ends: make([]int32, 0, 2*n), arena: make([]int32, 0, 2*n),
	}
}

// id numbers a key.
func (x *indexer) id(k key) int32 { return x.number(k, x.keys.sum(k)) }

// number numbers a key whose hash is known.
func (x *indexer) number(k key, sum uint64) int32 {
	id, added := x.keys.id(k, sum)
	if added {
		x.fans = append(x.fans, 0)
	}
	return id
}

// countRule counts what could become the access of a rule: its pair, or any of its predicates.
func (x *indexer) countRule(preds []pred) {
	id, ok := x.pair(preds)
	if !ok {
		id = noPair
		x.count(preds)
	}
	x.pairOf = append(x.pairOf, id)
}

// count adds the keys of all predicates that could become an access.
func (x *indexer) count(preds []pred) {
	for i := range preds {
		p := &preds[i]
		if p.group != nil {
			x.count(p.group.parts)
			continue
		}
		if p.op == opCESQL {
			x.count(x.lower.implied[p.test])
			continue
		}
		first := len(x.found)
		x.covers(p)
		for _, c := range x.found[first:] {
			for _, id := range c.ids {
				x.fans[id]++
			}
		}
		x.ends = append(x.ends, int32(len(x.found)))
	}
}

// next returns the covers of the next leaf. Choosing visits all leaves in the order of counting, so that no key has
// to be looked up twice.
func (x *indexer) next() []cover {
	from, to := x.from, x.ends[0]
	x.from, x.ends = to, x.ends[1:]
	return x.found[from:to]
}

// fanout estimates how many rules an event that hits the cover leads to: the rules that share its most crowded key,
// weighted by how often events hit keys of that kind.
func (x *indexer) fanout(c cover) int {
	worst := 0
	for _, id := range c.ids {
		k := &x.keys.keys[id]
		weight := [...]int{byValue: 2, byPrefix: 8, bySuffix: 8, byFold: 3, byInside: 16, byExists: 1 << 10}[k.kind]
		if k.kind == byInside && x.wanted != nil && x.wanted[k.slot] < fewPieces {
			weight = 1 << 20 // rather than trying every rule on the attribute
		}
		if (k.kind == byPrefix || k.kind == bySuffix) && len(k.text) < 3 {
			weight *= 4
		}
		worst = max(worst, weight*int(x.fans[id]))
	}
	return worst
}

// passedOver weighs what an expression implies of attributes that may be missing. An event without one makes the expression
// end in an error, which is counted only if something else leads to the rule, so that this is preferred while it leads
// to few.
const passedOver = 8

// access chooses the best cover of a predicate; ok is false where only a scan will do. exact is false for everything
// but leaves and alternatives of leaves.
func (x *indexer) access(p *pred) (best cover, fanout int, ok bool) {
	switch {
	case p.op == opAny && p.group != nil:
		return x.accessAny(p.group.parts)
	case p.group != nil:
		i, c, fanout := x.choose(p.group.parts)
		c.exact = false
		return c, fanout, i >= 0
	case p.op == opCESQL:
		i, c, fanout := x.choose(x.lower.implied[p.test])
		c.exact = false
		return c, fanout * passedOver, i >= 0
	}
	return x.cheapest(x.next())
}

// cheapest returns the cover that leads to the fewest rules; ok is false if there is none.
func (x *indexer) cheapest(covers []cover) (best cover, fanout int, ok bool) {
	for _, c := range covers {
		if f := x.fanout(c); !ok || f < fanout {
			best, fanout, ok = c, f, true
		}
	}
	return best, fanout, ok
}

// accessAny joins the covers of alternatives: every one of them needs an access.
func (x *indexer) accessAny(parts []pred) (all cover, fanout int, ok bool) {
	all.exact, ok = true, len(parts) > 0
	for i := range parts {
		c, f, has := x.access(&parts[i])
		ok = ok && has
		all.ids = append(all.ids, c.ids...)
		all.exact = all.exact && c.exact
		fanout += f
	}
	return all, fanout, ok
}

// choose returns the predicate of a conjunction with the best access, -1 if there is none.
func (x *indexer) choose(parts []pred) (best int, c cover, fanout int) {
	best = -1
	for i := range parts {
		if k, f, ok := x.access(&parts[i]); ok && (best < 0 || f < fanout) {
			best, c, fanout = i, k, f
		}
	}
	return best, c, fanout
}

// rule adds one rule to the index.
func (x *indexer) rule(n int32, preds []pred) {
	origin := &x.table.from[n]
	post := posting{from: origin.only, guard: -1}
	if id := x.pairOf[n]; id != noPair {
		post.entry = x.table.add(n, preds, -1)
		x.post(id, post)
		return
	}
	at, c, _ := x.choose(preds)
	if at < 0 {
		post.entry = x.table.add(n, preds, -1)
		x.scan(post, origin)
		return
	}
	x.guard(&post, preds, at)
	if !c.exact {
		at = -1
	}
	post.entry = x.table.add(n, preds, at)
	for _, id := range c.ids {
		x.post(id, post)
	}
}

func (x *indexer) post(id int32, p posting) {
	x.posts = append(x.posts, p)
	x.owners = append(x.owners, id)
}

// scan files an entry that has to be tried for every event, at least only for those of its sources.
func (x *indexer) scan(p posting, o *origin) {
	switch o.only {
	case fromAny:
		x.post(x.id(key{kind: byScan}), p)
	case fromList:
		for _, source := range o.list {
			x.post(x.id(key{kind: byScanFrom, slot: source}), p)
		}
	default:
		x.post(x.id(key{kind: byScanFrom, slot: o.only}), p)
	}
}

// guard looks for another exact predicate of the conjunction.
func (x *indexer) guard(post *posting, preds []pred, access int) {
	for i := range preds {
		p := &preds[i]
		if i != access && p.op == opEqual && !p.neg && p.test == nil && p.group == nil {
			post.guard = p.slot
			post.sum = uint32(hashText(x.table.index.seed, p.text))
			return
		}
	}
}
