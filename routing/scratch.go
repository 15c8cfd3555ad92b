package routing

import (
	"math"

	"github.com/eventrouter/router/envelope"
)

// coreSlots are the attributes with fixed slots, which Scratch.load knows by number.
var coreSlots = [...]string{
	"id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "specversion",
}

// isRequired reports whether every event has the attribute of a slot.
func isRequired(slot int32) bool {
	return slot < int32(len(coreSlots)) && (slot <= 2 || coreSlots[slot] == "specversion")
}

// Scratch is the memory that matching needs beside the table. One goroutine uses it at a time. After a reload it may
// be given to another table, which makes it anew.
type Scratch struct {
	table *Table
	event *envelope.Event
	// now stamps what belongs to the event at hand, so that nothing has to be cleared between events.
	now   uint32
	attrs []slotValue
	data  []dataValue
	// expressions are the results of CESQL, by the slots of their predicates.
	expressions []expressionValue
	seen        []uint32
	// present are the slots of extensions that the event fills and that the index has anything for.
	present []int32
	folded  []byte
	// pieces are stamps of the pieces of values that have led to their entries, by their number in the index.
	pieces []uint32
	// limit is the lowest rule with stop that matched so far: no rule behind it can match any more.
	limit    int32
	source   int32
	matched  []int32
	deferred []int32
	errors   int // expressions of the event at hand that ended in an error
}

// Errors returns how many CESQL expressions ended in an error, and therefore did not hold, in the last Match. Only
// those count that had to be evaluated: the rest of the condition, a type or source that the expression asks for, or
// what led to the rule may have decided before.
func (s *Scratch) Errors() int { return s.errors }

type slotValue struct {
	stamp uint32
	// sum is the hash of text, zero until something asks for it.
	sum  uint64
	text string
}

// set gives a slot the value of the event that now stands for.
func (v *slotValue) set(now uint32, text string) { v.stamp, v.sum, v.text = now, 0, text }

// hash returns the value's hash, which is made at most once.
func (v *slotValue) hash(seed hashSeed) uint64 {
	if v.sum == 0 {
		v.sum = hashText(seed, v.text)
	}
	return v.sum
}

type dataValue struct {
	stamp uint32
	value value
}

type expressionValue struct {
	stamp uint32
	holds bool
}

// NewScratch returns memory for matching with t.
func (t *Table) NewScratch() *Scratch {
	s := new(Scratch)
	s.adopt(t)
	return s
}

func (s *Scratch) adopt(t *Table) {
	*s = Scratch{
		table: t,
		attrs: make([]slotValue, len(t.attrNames)),
		data:  make([]dataValue, len(t.paths)),
		seen:  make([]uint32, len(t.rules)),

		pieces: make([]uint32, len(t.index.inside.keys)),

		expressions: make([]expressionValue, t.expressions),
	}
}

// begin takes up an event.
func (s *Scratch) begin(t *Table, source int, e *envelope.Event) {
	if s.table != t || s.now == math.MaxUint32 { // old stamps would look new after four billion events
		s.adopt(t)
	}
	s.now++
	s.event, s.source, s.limit, s.errors = e, int32(source), int32(len(t.rules)), 0
	s.matched, s.deferred, s.present = s.matched[:0], s.deferred[:0], s.present[:0]
}

// look returns the value at a JSON path and finds it at most once per event.
func (s *Scratch) look(slot int32) value {
	d := &s.data[slot]
	if d.stamp != s.now {
		d.stamp, d.value = s.now, lookData(s.table.paths[slot], s.event)
	}
	return d.value
}

func (s *Scratch) holds(p *pred) bool {
	switch {
	case p.group != nil:
		return s.holdsGroup(p)
	case p.op == opCESQL:
		return s.evaluate(p) != p.neg
	case p.data:
		v := s.look(p.slot)
		return (v.present && p.test.holds(v)) != p.neg
	}
	v := &s.attrs[p.slot]
	return (v.stamp == s.now && p.admits(v.text)) != p.neg
}

// evaluate returns whether an expression is true. It is evaluated at most once per event, however many keys lead to its
// rule, so that its error counts once.
func (s *Scratch) evaluate(p *pred) bool {
	x := &s.expressions[p.slot]
	if x.stamp != s.now {
		holds, failed := p.test.expr.Test(s.event)
		x.stamp, x.holds = s.now, holds
		if failed {
			s.errors++
		}
	}
	return x.holds
}

func (s *Scratch) holdsGroup(p *pred) bool {
	for i := range p.group.parts {
		if s.holds(&p.group.parts[i]) == (p.op == opAny) {
			return p.op == opAny
		}
	}
	return p.op == opAll
}
