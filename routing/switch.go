package routing

import (
	"slices"

	"github.com/eventrouter/router/envelope"
)

// Rules that compare the payload, such as one for each customer, often share the rest of their condition. A switch
// stands for all of them in the index: once an event has come that far, the payload's value leads to the few rules
// that want it. The payload is still read only when a rule that can match asks for it.

// fewSwitched is how many rules behind one key have to compare one path for a switch to be worth it.
const fewSwitched = 4

// dataSwitch is what the postings of a key have that compare one path with values.
type dataSwitch struct {
	// path is the slot of the path, first the lowest rule behind the switch.
	path, first int32
}

// A posting whose entry is negative leads to the switch of that number.
func switchEntry(number int32) int32 { return ^number }

// switchBuilder replaces postings by switches.
type switchBuilder struct {
	table *Table
	keys  *keyTable
	// posts are those behind the switches, owners their keys.
	posts  []posting
	owners []int32
	text   []byte
}

// addSwitches replaces what it can in the postings, which lie by key, and adapts their spans.
func (x *indexer) addSwitches(spans []span) {
	t := x.table
	if len(t.paths) == 0 {
		return
	}
	b := switchBuilder{table: t, keys: newKeyTable(t.index.seed, len(t.paths))}
	kept := make([]posting, 0, len(t.index.postings))
	for i, s := range spans {
		from := int32(len(kept))
		kept = b.replace(kept, t.index.postings[s.from:s.to])
		spans[i] = span{from, int32(len(kept))}
	}
	if len(t.index.switches) == 0 {
		return
	}
	behind, own := sortPostings(b.posts, b.owners, len(b.keys.keys))
	entries := make([]hashEntry, len(own))
	for id, s := range own {
		k := b.keys.keys[id]
		offset := int32(len(kept))
		entries[id] = hashEntry{hashKey{k.text, k.slot}, b.keys.sums[id], span{s.from + offset, s.to + offset}}
	}
	t.index.postings, t.index.switched = append(kept, behind...), newHashIndex(entries)
}

// replace appends the postings of one key to kept, with switches for those that share a path.
func (b *switchBuilder) replace(kept, posts []posting) []posting {
	if len(posts) < fewSwitched {
		return append(kept, posts...)
	}
	counts := map[int32]int{}
	for i := range posts {
		if p := b.compared(&posts[i]); p != nil {
			counts[p.slot]++
		}
	}
	numbers := map[int32]int32{}
	for i := range posts {
		p := b.compared(&posts[i])
		if p == nil || counts[p.slot] < fewSwitched {
			kept = append(kept, posts[i])
			continue
		}
		number, known := numbers[p.slot]
		if !known {
			number = int32(len(b.table.index.switches))
			numbers[p.slot] = number
			first := b.table.entries[posts[i].entry].rule // postings of a key are in the order of the rules
			b.table.index.switches = append(b.table.index.switches, dataSwitch{path: p.slot, first: first})
			kept = append(kept, posting{entry: switchEntry(number), from: fromAny, guard: -1})
		}
		b.post(number, p.test, posts[i])
	}
	return kept
}

// compared returns the first predicate of an entry that compares a path with values, nil if there is none.
func (b *switchBuilder) compared(post *posting) *pred {
	e := &b.table.entries[post.entry]
	for i := e.lazy; i < e.end; i++ {
		if p := &b.table.preds[i]; p.op == opEqual && p.data && !p.neg {
			return p
		}
	}
	return nil
}

// post files a posting under all values that it compares with. Numbers are equal if their values are, however they
// are written.
func (b *switchBuilder) post(number int32, t *test, post posting) {
	for _, text := range t.values {
		b.add(number, text, post)
	}
	for _, d := range t.numerals {
		b.text = d.appendCanonical(append(b.text[:0], numeral))
		b.add(number, string(b.text), post)
	}
}

func (b *switchBuilder) add(number int32, text string, post posting) {
	k := key{kind: byValue, slot: number, text: text}
	id, _ := b.keys.id(k, b.keys.sum(k))
	b.posts, b.owners = append(b.posts, post), append(b.owners, id)
}

// numeral begins the key of a number in its canonical form, to tell it from texts.
const numeral = 0

// expand puts off the entries behind a switch that want the value that the event has.
func (s *Scratch) expand(number int32) {
	ix := &s.table.index
	v := s.look(ix.switches[number].path)
	if !v.present || !v.scalar() {
		return
	}
	ix.switched.walk(v.text, number, hashText(ix.seed, v.text), s)
	if v.kind != envelope.PathNumber {
		return
	}
	if d, ok := parseDecimal(v.text); ok {
		s.folded = d.appendCanonical(append(s.folded[:0], numeral))
		// The string lives only for the call, in which nobody writes to the buffer.
		text := envelope.String(s.folded)
		ix.switched.walk(text, number, hashText(ix.seed, text), s)
	}
}

// finishDeferred tries what reads the payload in the order of the rules, so that one with stop cuts off the others.
func (s *Scratch) finishDeferred() {
	s.sortDeferred(0)
	for i := 0; i < len(s.deferred); i++ {
		n := s.deferred[i]
		if n < 0 {
			if number := switchEntry(n); s.table.index.switches[number].first <= s.limit {
				s.expand(number)
				s.sortDeferred(i + 1)
			}
			continue
		}
		e := &s.table.entries[n]
		if e.rule <= s.limit && s.seen[e.rule] != s.now && s.holdsAll(s.table.preds[e.lazy:e.end]) {
			s.accept(e.rule)
		}
	}
}

// sortDeferred sorts what was put off by rule, from a place on.
func (s *Scratch) sortDeferred(from int) {
	slices.SortFunc(s.deferred[from:], func(a, b int32) int {
		return cmpInt(int(s.table.deferredRule(a)), int(s.table.deferredRule(b)))
	})
}

// deferredRule returns the rule of an entry, or the lowest one behind a switch.
func (t *Table) deferredRule(n int32) int32 {
	if n < 0 {
		return t.index.switches[switchEntry(n)].first
	}
	return t.entries[n].rule
}
