package pipeline

import (
	"errors"
	"hash/maphash"
	"slices"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// delivery is one event on its way to one sink.
type delivery struct {
	batch *bindings.Batch
	// event is the batch's own event, or a copy that belongs to this delivery (own).
	event *envelope.Event
	plan  *plan
	key   uint64 // what orders it, 0 for nothing
	next  int64  // not before this time, in Unix nanoseconds
	first int64  // when it was first tried
	index int32  // of the event in the batch
	rule  int32  // the first rule that named the sink, -1 for a policy
	// attempts counts failed Sends.
	attempts int32
	own      bool
	// counts is where the outcome of the leg is counted: the lane that was to deliver the event, or the policies. It
	// stays when the delivery moves on as a dead letter, which dead then says.
	counts *sinkCounts
	dead   bool
	// held is true for a delivery that failed for good and that the policy keeps.
	held bool
}

// dispatcher turns batches into deliveries; it holds what one emitting goroutine needs and is recycled.
type dispatcher struct {
	p       *Pipeline
	plan    *plan
	scratch *routing.Scratch
	staged  [][]delivery // by shard number
	touched []int
	seen    []leg
	counts  []int64        // staged ordinary deliveries, by lane
	legs    []bindings.Leg // staged deliveries, by event
	held    []*sinkCounts  // of the batch's events that a policy holds
}

// leg is a sink with the change made for it: what an event must not be delivered to twice.
type leg struct {
	lane *lane
	set  *setter
}

func newDispatcher(p *Pipeline, pl *plan) *dispatcher {
	shards := 0
	for _, l := range p.lanes {
		shards += len(l.shards)
	}
	return &dispatcher{p: p, plan: pl, scratch: pl.table.NewScratch(), staged: make([][]delivery, shards), counts: make([]int64, len(p.lanes))}
}

// dispatch matches every event of a batch of the source with that number and hands its deliveries to the lanes. It is
// the emit of a source and never blocks.
func (p *Pipeline) dispatch(b *bindings.Batch, source int) {
	pl := p.plan.Load()
	b.Source, b.Routes = source, pl.fingerprint
	d := pl.dispatchers.Get().(*dispatcher)
	tally := sourceTally{events: int64(len(b.Events))}
	total := 0
	if !d.refuseBatch(b, pl.sources[source], &tally) {
		for i := range b.Events {
			total += d.stage(b, int32(i), pl.sources[source], &tally)
		}
	}
	p.stats.sources[source].add(&tally)
	d.count(source)
	b.Stage(d.legs)
	d.legs = d.legs[:0]
	// The count is complete before the first hand-off: a lane may finish before the next line runs.
	b.Expect(total + len(d.held))
	d.flush()
	if len(d.held) > 0 {
		p.held.add(b, d.held) // what is held keeps the batch from being settled before
		d.held = d.held[:0]
	}
	pl.dispatchers.Put(d)
}

// refuseBatch rejects a whole HTTP batch if one of its events is to be rejected: the request has one answer, and a sender
// that mends and repeats a refused one should not deliver its good events twice.
func (d *dispatcher) refuseBatch(b *bindings.Batch, source int, tally *sourceTally) bool {
	if d.plan.unmatched.action != Reject || len(b.Events) < 2 || b.Events[0].Meta.Transport != "http" {
		return false
	}
	rejected := false
	for i := range b.Events {
		if b.Events[i].Malformed == nil && len(d.plan.table.Match(d.scratch, source, &b.Events[i])) == 0 {
			b.Fail(i, bindings.Permanent(bindings.ReasonUnmatched, "", errUnmatched))
			tally.unmatched++
			rejected = true
		}
	}
	if !rejected {
		return false
	}
	d.p.stats.policy.legs.Add(int64(len(b.Events)))
	d.p.stats.policy.rejected.Add(int64(len(b.Events)))
	for i := range b.Events {
		b.Fail(i, errBatchRefused) // the first error of an event stays
	}
	return true
}

// stage finds what becomes of one event and returns the number of deliveries staged.
func (d *dispatcher) stage(b *bindings.Batch, i int32, source int, tally *sourceTally) int {
	e := &b.Events[i]
	if e.Malformed != nil {
		tally.malformed++
		return d.policy(b, i, malformed(e.Malformed), tally)
	}
	rules := d.plan.table.Match(d.scratch, source, e)
	tally.failed += int64(d.scratch.Errors())
	if len(rules) == 0 {
		tally.unmatched++
		return d.noMatch(b, i, tally)
	}
	n := 0
	d.seen = d.seen[:0]
	for _, r := range rules {
		rule := &d.plan.rules[r]
		rule.matched.Add(1)
		if rule.drop {
			rule.dropped.Add(1)
			continue
		}
		if rule.sample > 0 && sampledOut(e, rule.sample) {
			rule.sampled.Add(1)
			continue
		}
		set := rule.set.of(e)
		for _, l := range rule.lanes {
			if d.delivered(leg{l, set}) {
				continue
			}
			n += d.stageLeg(b, i, r, leg{l, set}, tally)
		}
	}
	return n
}

// malformed gives the reason for a message that could not be decoded, unless its source has a better one.
func malformed(err error) error {
	if _, ok := errors.AsType[*bindings.PermanentError](err); ok {
		return err
	}
	return bindings.Permanent(bindings.ReasonMalformed, "", err)
}

// delivered reports whether this event has that leg already, and remembers it.
func (d *dispatcher) delivered(l leg) bool {
	if slices.Contains(d.seen, l) {
		return true
	}
	d.seen = append(d.seen, l)
	return false
}

func (d *dispatcher) stageLeg(b *bindings.Batch, i, rule int32, to leg, tally *sourceTally) int {
	e := &b.Events[i]
	if b.Skips(int(i), to.lane.counts.id) {
		tally.skipped++
		return 0
	}
	dv := delivery{batch: b, event: e, plan: d.plan, index: i, rule: rule, counts: to.lane.counts}
	if to.set != nil {
		dv.event, dv.own = d.p.newEvent(), true
		if err := to.set.apply(dv.event, e); err != nil {
			to.lane.counts.legs.Add(1)
			return d.giveUp(dv, to.lane, err)
		}
	}
	d.counts[to.lane.number]++
	d.push(to.lane, dv)
	return 1
}

// noMatch applies the unmatched policy.
func (d *dispatcher) noMatch(b *bindings.Batch, i int32, tally *sourceTally) int {
	cause := bindings.Permanent(bindings.ReasonUnmatched, "", errUnmatched)
	switch t := d.plan.unmatched; t.action {
	case Drop:
		d.p.stats.unmatched.Add(1)
		return 0
	case ToSink:
		return d.stageLeg(b, i, -1, leg{lane: t.lane}, tally)
	case Reject:
		if b.Events[i].Meta.Transport == "http" {
			b.Fail(int(i), cause)
			d.p.stats.policy.legs.Add(1)
			d.p.stats.policy.rejected.Add(1)
			return 0
		}
	default:
	}
	return d.policy(b, i, cause, tally)
}

// policy ends an event that has no sink of its own as the general dead-letter policy says.
func (d *dispatcher) policy(b *bindings.Batch, i int32, cause error, tally *sourceTally) int {
	if b.Skips(int(i), bindings.PolicySink) {
		tally.skipped++
		return 0
	}
	d.p.stats.policy.legs.Add(1)
	dv := delivery{batch: b, event: &b.Events[i], plan: d.plan, index: i, rule: -1, counts: &d.p.stats.policy}
	return d.giveUp(dv, nil, cause)
}

// giveUp ends a leg that failed before it reached a lane and returns the number of deliveries staged for it. from is the lane it was meant for, nil for none.
func (d *dispatcher) giveUp(dv delivery, from *lane, cause error) int {
	t := d.plan.dead
	if from != nil {
		t = from.dead
	}
	switch t.action {
	case Drop:
		dv.counts.dropped.Add(1)
		d.p.stats.dead.Add(1)
		d.p.release(&dv)
		return 0
	case Hold:
		dv.batch.Fail(int(dv.index), cause)
		d.p.release(&dv)
		if handsBack(&dv) {
			dv.counts.returned.Add(1)
			return 0
		}
		d.p.reportHeld(from, &dv, cause)
		d.held = append(d.held, dv.counts)
		return 0
	default:
		d.p.stats.pending(dv.batch.Source, dv.counts).Add(1)
		d.push(t.lane, deadLetter(d.p, dv, from, cause))
		return 1
	}
}

func (d *dispatcher) push(l *lane, dv delivery) {
	if l.sink.DataRef == DropData && !dv.dead && d.p.dropData(&dv) {
		dv.counts.withoutData.Add(1)
	}
	dv.key = l.orderKey(dv.event)
	n := l.firstShard + l.pick(dv.key)
	if len(d.staged[n]) == 0 {
		d.touched = append(d.touched, n)
	}
	d.staged[n] = append(d.staged[n], dv)
	d.legs = append(d.legs, bindings.Leg{Event: dv.index, Sink: dv.counts.id})
}

// count adds the staged legs to the lanes' figures; it must come before any of them can end.
func (d *dispatcher) count(source int) {
	for i, n := range d.counts {
		if n > 0 {
			c := d.p.lanes[i].counts
			c.legs.Add(n)
			d.p.stats.pending(source, c).Add(n)
			d.counts[i] = 0
		}
	}
}

// flush hands the staged deliveries to their shards, one lock each.
func (d *dispatcher) flush() {
	for _, n := range d.touched {
		d.p.shard(n).push(d.staged[n])
		clear(d.staged[n])
		d.staged[n] = d.staged[n][:0]
	}
	d.touched = d.touched[:0]
}

// keySeed makes the hashes of ordering keys differ from process to process, so that nobody can choose keys that all
// land on one shard.
var keySeed = maphash.MakeSeed()

// orderKey returns the hash of what orders the event on this lane, 0 if nothing does.
func (l *lane) orderKey(e *envelope.Event) uint64 {
	var h uint64
	switch l.sink.Order {
	case OrderNone:
		return 0
	case OrderKey:
		if e.Key == nil {
			return 0
		}
		h = maphash.Bytes(keySeed, e.Key)
	case OrderPartition:
		h = partitionKey(&e.Meta)
	default:
		v, ok := e.Get(l.orderAttribute)
		if !ok {
			return 0
		}
		h = maphash.String(keySeed, v)
	}
	return max(h, 1)
}

// partitionKey stands for the partition or stream an event came from.
func partitionKey(m *envelope.Meta) uint64 {
	name := m.Stream
	if name == "" {
		name = m.Channel
	}
	return maphash.String(keySeed, name)*31 + maphash.String(keySeed, m.SourceName) + uint64(m.Partition)*0x9e3779b97f4a7c15
}
