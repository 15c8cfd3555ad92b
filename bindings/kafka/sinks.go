package kafka

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/bits"
	"slices"

	"github.com/eventrouter/router/bindings"
)

const (
	// everySink is the mask of a record that is pending everywhere: it is not dispatched yet.
	everySink = ^uint64(0)
	// sharedBit stands for every sink that has no bit of its own: those beyond the first 63, and unknown ones. It is
	// pending while any of them is.
	sharedBit = 63
)

// sinkSet gives sinks their bits in the marks of trackers, and knows the routes' fingerprint. It is immutable. Bits stay
// when the plan changes, since marks have them.
type sinkSet struct {
	known  bool   // whether there was a plan; without one nothing is known of sinks
	number uint32 // counts plans
	routes uint64 // the plan's fingerprint
	// fingerprint is that of the routes and of what makes events of records: of other events, "done for a sink" says
	// nothing.
	fingerprint uint64
	bits        map[bindings.SinkID]uint8
	// sinks are those of the plan, by bit.
	sinks [64][]bindings.SinkID
	mask  uint64 // the bits of sinks
}

// follow returns the set for a new plan of a source that makes events of records in that way.
func (s *sinkSet) follow(p bindings.Plan, decoding string) *sinkSet {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", p.Fingerprint, decoding)
	next := &sinkSet{known: true, number: s.number, routes: p.Fingerprint, fingerprint: h.Sum64(), bits: map[bindings.SinkID]uint8{}}
	if !s.known || s.fingerprint != next.fingerprint {
		next.number++
	}
	maps.Copy(next.bits, s.bits)
	sinks := append([]bindings.SinkID{bindings.PolicySink}, p.Sinks...)
	slices.Sort(sinks)
	for _, id := range slices.Compact(sinks) {
		bit, ok := next.bits[id]
		if !ok {
			bit = uint8(min(len(next.bits), sharedBit))
			next.bits[id] = bit
		}
		next.sinks[bit] = append(next.sinks[bit], id)
		next.mask |= 1 << bit
	}
	return next
}

// by returns the number of the plan for a batch that was dispatched by those routes, 0 if they are not this plan's: the
// plan may change between a dispatch and the note of it.
func (s *sinkSet) by(routes uint64) uint32 {
	if s.routes != routes {
		return 0
	}
	return s.number
}

// bit returns the mask of a sink.
func (s *sinkSet) bit(id bindings.SinkID) uint64 {
	if bit, ok := s.bits[id]; ok {
		return 1 << bit
	}
	return 1 << sharedBit
}

// prior is the ledger that was stored when a partition was assigned, as the reading goroutine uses it.
type prior struct {
	ledger *doneLedger
	id     uint64 // of the topic; set before the first record is judged
	end    int64
	sinks  *sinkSet // by which known is
	known  map[uint64]skips
}

// skips is what a ledger says of a record.
type skips struct {
	all   bool // done for every sink of the plan
	sinks []bindings.SinkID
	mask  uint64 // of sinks, as far as they have bits of their own
}

func newPrior(l *doneLedger) *prior {
	if l == nil {
		return nil
	}
	return &prior{ledger: l, end: l.end()}
}

// judge says what is done of a record. Nothing is by other routes, or of a record that the ledger cannot mean.
func (p *prior) judge(s *sinkSet, offset int64, epoch int32) skips {
	if offset >= p.end || epoch > p.ledger.epoch || !s.known || s.fingerprint^p.id != p.ledger.fingerprint {
		return skips{}
	}
	mask := p.ledger.done(offset)
	if mask == 0 {
		return skips{}
	}
	if p.sinks != s {
		p.sinks, p.known = s, map[uint64]skips{}
	}
	v, ok := p.known[mask]
	if !ok {
		v = p.ledger.skips(s, mask)
		p.known[mask] = v
	}
	return v
}

// skips says what to skip of a record that is done for those lists.
func (l *doneLedger) skips(s *sinkSet, lists uint64) skips {
	var v skips
	for ; lists != 0; lists &= lists - 1 {
		v.sinks = append(v.sinks, l.lists[bits.TrailingZeros64(lists)].sinks...)
	}
	for _, id := range v.sinks {
		if bit := s.bit(id); bit != 1<<sharedBit {
			v.mask |= bit
		}
	}
	if len(s.sinks[sharedBit]) == 0 {
		v.mask |= 1 << sharedBit
	}
	v.all = true
	for _, sinks := range s.sinks {
		for _, id := range sinks {
			v.all = v.all && slices.Contains(v.sinks, id)
		}
	}
	// What no sink takes is for the policy, whatever was so before: nothing else would keep the event.
	v.sinks = slices.DeleteFunc(v.sinks, func(id bindings.SinkID) bool { return id == bindings.PolicySink })
	return v
}

// pending returns the mask of a record until it is dispatched.
func (v skips) pending() uint64 {
	if v.all {
		return 0
	}
	return everySink &^ v.mask
}
