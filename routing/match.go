package routing

import (
	"slices"

	"github.com/eventrouter/router/envelope"
)

// Match returns the numbers of the rules that match e from that source, in file order and only up to the first one
// that stops. The slice belongs to s and is valid until its next use. With [AnySource] every rule is asked, whatever
// its From. Match does not allocate once s has met its longest result, but for what reading the payload needs.
//
// Rules that read the payload are tried last, and only those that a stop has not cut off.
func (t *Table) Match(s *Scratch, source int, e *envelope.Event) []int32 {
	s.begin(t, source, e)
	s.load()
	ix := &t.index
	if ix.scan.from < ix.scan.to {
		s.tryAll(ix.scan)
	}
	if ix.scansFrom {
		s.tryScanFrom()
	}
	s.lookUpPairs(ix)
	for _, slot := range ix.core {
		if s.attrs[slot].stamp == s.now {
			s.lookUp(slot, &ix.slots[slot])
		}
	}
	for _, slot := range s.present {
		s.lookUp(slot, &ix.slots[slot])
	}
	s.finish()
	return s.matched
}

// load copies the attributes of the event that any rule asks for into their slots. An empty core attribute is absent.
func (s *Scratch) load() {
	e, attrs, now := s.event, s.attrs[:len(coreSlots)], s.now
	if e.Source != "" {
		attrs[1].set(now, e.Source)
	}
	if e.Type != "" {
		attrs[2].set(now, e.Type)
	}
	if e.Subject != "" {
		attrs[3].set(now, e.Subject)
	}
	if s.table.usesSeldom {
		s.loadSeldom()
	}
	if len(s.attrs) > len(coreSlots) {
		s.loadExtensions()
	}
}

// loadSeldom loads the core attributes that few rules ask for.
func (s *Scratch) loadSeldom() {
	e := s.event
	texts := [len(coreSlots)]string{
		0: e.ID, 4: e.Time, 5: e.DataContentType, 6: e.DataSchema, 7: envelope.SpecVersion,
	}
	for slot, text := range texts {
		if text != "" {
			s.attrs[slot].set(s.now, text)
		}
	}
}

func (s *Scratch) loadExtensions() {
	for i := range s.event.NumExtensions() {
		a := s.event.Extension(i)
		slot, ok := s.table.extension(a.Name)
		if ok && s.attrs[slot].stamp != s.now { // the first of a name counts, as in Event.Get
			s.attrs[slot].set(s.now, a.Value)
			if s.table.index.slots[slot].any {
				s.present = append(s.present, slot)
			}
		}
	}
}

// fewNames is up to where comparing names one by one is quicker than a map.
const fewNames = 8

// extension returns the slot of an extension attribute that any rule asks for.
func (t *Table) extension(name string) (int32, bool) {
	if len(t.attrNames) > len(coreSlots)+fewNames {
		slot, ok := t.attrs[name]
		return slot, ok
	}
	for i := len(coreSlots); i < len(t.attrNames); i++ {
		if t.attrNames[i] == name {
			return int32(i), true
		}
	}
	return 0, false
}

// lookUp tries what the index has for the event's value of one attribute.
func (s *Scratch) lookUp(slot int32, ix *slotIndex) {
	v := &s.attrs[slot]
	if ix.lengths>>min(len(v.text), maxLength)&1 != 0 {
		// What walk does, here without a call: most values are passed over.
		h := s.table.index.hash
		if sum := spread(v.hash(s.table.index.seed), slot); !h.tags.lack(sum) {
			h.walkFound(v.text, slot, sum, s)
		}
	}
	for i := range ix.affixes {
		ix.affixes[i].walk(v.text, s)
	}
	if ix.seldom {
		if ix.fold {
			s.lookUpFolded(slot, v.text)
		}
		if ix.inside != 0 {
			s.lookUpInside(slot, v.text, ix.inside)
		}
		s.tryAll(ix.exists)
	}
}

// lookUpFolded tries the entries that compare without regard to case.
func (s *Scratch) lookUpFolded(slot int32, text string) {
	ix := &s.table.index
	if len(text) > 3*ix.longestFold { // one folded byte stands for at most three: the Kelvin sign folds to K
		return
	}
	s.folded = appendFolded(s.folded[:0], text)
	// The string lives only for the call, in which nobody writes to the buffer.
	folded := envelope.String(s.folded)
	ix.hash.walk(folded, foldSlot(slot), hashText(ix.seed, folded), s)
}

// tryScanFrom tries the entries that only their source leads to.
func (s *Scratch) tryScanFrom() {
	ix := &s.table.index
	if s.source != AnySource {
		if int(s.source) < len(ix.scanFrom) {
			s.tryAll(ix.scanFrom[s.source])
		}
		return
	}
	for _, found := range ix.scanFrom {
		s.tryAll(found)
	}
}

// tryAll tries candidates, and passes over those that their posting alone refuses.
func (s *Scratch) tryAll(found span) {
	for i := found.from; i < found.to; i++ {
		if p := &s.table.index.postings[i]; !s.refuses(p) {
			s.try(p.entry)
		}
	}
}

// tryKey is tryAll for a key that seems to be text: their hashes agree. It reports whether it really is. The key is
// looked at only once a posting has not been refused.
func (s *Scratch) tryKey(k *hashKey, found span, text string, slot int32) (same bool) {
	for i := found.from; i < found.to; i++ {
		p := &s.table.index.postings[i]
		if s.refuses(p) {
			continue
		}
		if !same {
			if same = k.slot == slot && k.text == text; !same {
				return false
			}
		}
		s.try(p.entry)
	}
	return same
}

// refuses reports whether a posting alone tells that its rule does not match.
func (s *Scratch) refuses(p *posting) bool {
	if p.guard >= 0 {
		if v := &s.attrs[p.guard]; v.stamp != s.now || uint32(v.hash(s.table.index.seed)) != p.sum {
			return true
		}
	}
	return p.from != fromAny && p.from != s.source && !s.listens(p)
}

// listens reports whether the rule of a posting, which has from, listens to the source.
func (s *Scratch) listens(p *posting) bool {
	return s.source == AnySource || p.from == fromList && s.table.from[s.table.entries[p.entry].rule].admits(s.source)
}

// try checks what an entry leaves open, and puts it off if the payload has to be read for it. A negative number is a
// switch.
func (s *Scratch) try(n int32) {
	if n < 0 {
		s.deferred = append(s.deferred, n)
		return
	}
	t := s.table
	e := &t.entries[n]
	if e.rule > s.limit || !s.holdsAll(t.preds[e.first:e.lazy]) {
		return
	}
	if s.seen[e.rule] == s.now {
		return
	}
	if e.lazy < e.end {
		s.deferred = append(s.deferred, n)
		return
	}
	s.accept(e.rule)
}

func (s *Scratch) holdsAll(preds []pred) bool {
	for i := range preds {
		if !s.holds(&preds[i]) {
			return false
		}
	}
	return true
}

func (s *Scratch) accept(rule int32) {
	s.seen[rule] = s.now
	s.matched = append(s.matched, rule)
	if s.table.rules[rule].Stop {
		s.limit = min(s.limit, rule)
	}
}

// finish tries what was put off, sorts the result and applies stop.
func (s *Scratch) finish() {
	t := s.table
	if len(s.deferred) > 0 {
		s.finishDeferred()
	}
	if len(s.matched) > 1 {
		slices.Sort(s.matched)
	}
	if s.limit < int32(len(t.rules)) {
		if end, found := slices.BinarySearch(s.matched, s.limit); found {
			s.matched = s.matched[:end+1]
		}
	}
}
