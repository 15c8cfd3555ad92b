package pipeline

import "github.com/eventrouter/router/bindings"

// ender counts outcomes and tells the batches, a run of deliveries of one batch at a time.
type ender struct {
	p      *Pipeline
	batch  *bindings.Batch
	counts *sinkCounts
	n      int // outcomes of batch, counted by counts

	confirmed int64
	legs      []bindings.Leg // those of batch that ended as they should
}

func (e *ender) delivered(d *delivery) {
	if d.dead {
		d.counts.deadLettered.Add(1)
		e.p.stats.deadLetters.Add(1)
		e.end(d, true)
		return
	}
	e.end(d, true)
	e.confirmed++
}

// dropped ends a delivery that a dead-letter policy drops.
func (e *ender) dropped(d *delivery) {
	d.counts.dropped.Add(1)
	e.p.stats.dead.Add(1)
	e.end(d, true)
}

// expired ends a delivery of an event that has expired and is to be dropped then.
func (e *ender) expired(d *delivery) {
	d.counts.dropped.Add(1)
	e.p.stats.expired.Add(1)
	e.end(d, true)
}

// returned ends a delivery that stays the source's: its event counts as failed (invariant 2).
func (e *ender) returned(d *delivery, cause error) {
	d.batch.Fail(int(d.index), cause)
	d.counts.returned.Add(1)
	e.end(d, false)
}

// end counts a delivery. done is false where its event stays the source's.
func (e *ender) end(d *delivery, done bool) {
	e.p.release(d)
	if e.batch != d.batch || e.counts != d.counts {
		e.flush()
		e.batch, e.counts = d.batch, d.counts
	}
	if done {
		e.legs = append(e.legs, bindings.Leg{Event: d.index, Sink: d.counts.id})
	}
	e.n++
}

// flush tells the batch; the figures come first, because the batch may be gone afterwards.
func (e *ender) flush() {
	if e.n == 0 {
		return
	}
	if e.confirmed > 0 {
		e.counts.delivered.Add(e.confirmed)
	}
	b, n := e.batch, e.n
	e.p.stats.pending(b.Source, e.counts).Add(-int64(n))
	if len(e.legs) > 0 {
		b.Ended(e.legs)
		e.legs = e.legs[:0]
	}
	e.batch, e.counts, e.n, e.confirmed = nil, nil, 0, 0
	b.Done(n)
}
