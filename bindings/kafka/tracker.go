package kafka

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
)

// tracker knows which records of one partition are done, and for which sinks. It is a ring of what was delivered to us,
// in delivery order, with a mark each: offsets have holes (compaction, transaction markers), so arithmetic on
// them would get stuck or skip. The position to commit is the one behind the last record popped from the ring's
// head, which never passes a record that is not done (invariant 4). What is done beyond it is stored with it, as a ledger.
//
// A tracker belongs to an assignment and goes through these states: live; fenced, when the partition is being taken away
// and what was emitted may still come home; parked, when the assignment has ended. A parked tracker commits nothing (the
// fence), and still notes outcomes: when the partition comes back to this process, it may be resumed, so that what is done
// or still in the pipeline is not read again. One that is not resumed is void.
type tracker struct {
	topic     string
	partition int32

	mu         sync.Mutex // guards what follows
	state      trackerState
	id         uint64 // of the topic, see identify
	generation uint32 // counts assignments
	ring       []mark // length is a power of two
	head       uint64 // delivery number of the oldest record that is not released
	tail       uint64 // delivery number of the next record
	handed     uint64 // delivery number behind the last record that was emitted
	began      int64  // offset of the first record
	prior      *prior // what was stored at the assignment; nil once reading has passed it
	reached    kgo.EpochOffset
	committed  kgo.EpochOffset
	emitted    int           // batches in the pipeline
	idle       chan struct{} // closed once fenced and nothing is in the pipeline
	paused     bool          // fetching is paused, see held

	changes uint64 // counts what may change the ledger
	stored  ledgerNote
}

type trackerState uint8

const (
	live trackerState = iota
	fenced
	parked
	void
)

// mark is one delivered record.
type mark struct {
	offset int64
	// pending are the sinks that do not have it yet: all until it is dispatched, none when it is done.
	pending uint64
	epoch   int32
	// plan is the number of the one by which it was dispatched, 0 before. By another one it may be pending elsewhere.
	plan uint32
}

// none is the position of a tracker that has released nothing yet.
var none = kgo.EpochOffset{Epoch: -1, Offset: -1}

func newTracker(topic string, partition int32) *tracker {
	return &tracker{
		topic: topic, partition: partition,
		ring: make([]mark, 64), reached: none, committed: none, idle: make(chan struct{}),
	}
}

// identify takes the topic's id, zero from brokers that have none. The offsets of a ledger are other records in a topic that
// was deleted and created again, or in its copy in another cluster, where tools that copy topics take positions with all
// that is stored with them.
func (t *tracker) identify(id [16]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.id = binary.LittleEndian.Uint64(id[:8]) ^ binary.LittleEndian.Uint64(id[8:])
	if t.prior != nil {
		t.prior.id = t.id
	}
}

// add notes records as delivered and returns the delivery number of the first. What the ledger of the assignment has for
// all sinks is done at once. It reports false, and notes nothing, when the assignment has ended: the next owner reads them.
func (t *tracker) add(records []*kgo.Record, sinks *sinkSet) (first uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != live {
		return 0, false
	}
	first = t.tail
	if t.tail == 0 && len(records) > 0 {
		// Where reading began is stored too: another member would otherwise begin where start says. It passes nothing
		// (invariant 4).
		t.began = records[0].Offset
		t.reached = kgo.EpochOffset{Epoch: records[0].LeaderEpoch, Offset: records[0].Offset}
	}
	for _, r := range records {
		if t.tail-t.head == uint64(len(t.ring)) {
			t.grow()
		}
		m := mark{offset: r.Offset, epoch: r.LeaderEpoch, pending: everySink}
		if t.prior != nil {
			m.pending, m.plan = t.prior.judge(sinks, r.Offset, r.LeaderEpoch).pending(), sinks.number
		}
		*t.at(t.tail) = m
		t.tail++
	}
	if t.prior != nil {
		t.release()
	}
	return first, true
}

func (t *tracker) at(n uint64) *mark { return &t.ring[n&uint64(len(t.ring)-1)] }

func (t *tracker) grow() {
	old := t.ring
	t.ring = make([]mark, 2*len(old))
	for n := t.head; n != t.tail; n++ {
		*t.at(n) = old[n&uint64(len(old)-1)]
	}
}

// emit counts a batch out into the pipeline whose records end before delivery number end. It reports false when the
// assignment for which they were noted has ended in the meantime: the batch must not be emitted then.
func (t *tracker) emit(generation uint32, end uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != live || t.generation != generation {
		return false
	}
	t.handed = max(t.handed, end)
	t.emitted++
	return true
}

// stage notes for which sinks the records of a batch are pending. A record without any is done.
func (t *tracker) stage(b *batch, legs []bindings.Leg) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == void {
		return
	}
	sinks := b.run.source.sinks.Load()
	plan := sinks.by(b.Routes)
	for i := range b.spans.Messages(&b.Batch) {
		pending, left := uint64(0), int32(0)
		for e := int32(b.spans.First(i)); e < b.end(i); e++ {
			failed := b.Err(int(e)) != nil
			if failed || len(legs) > 0 && legs[0].Event == e {
				left++
			}
			for ; len(legs) > 0 && legs[0].Event == e; legs = legs[1:] {
				bit := sinks.bit(legs[0].Sink)
				if pending&bit != 0 {
					b.addLeg(i, bit)
				}
				pending |= bit
				if legs[0].Sink == bindings.PolicySink {
					pending = everySink // nobody has it, and a later version may know whom it is for
				}
			}
			if failed { // held: it is not known for which sinks, and no call of ended tells of it
				pending = everySink
				b.failed = append(b.failed, i)
			}
		}
		if len(b.spans) > 0 {
			b.left = append(b.left, left)
		}
		if n := b.first + uint64(i); n >= t.head {
			m := t.at(n)
			m.pending, m.plan = pending, plan
		}
	}
	t.changes++
	t.release()
}

// note sets the mark of a record. The caller holds mu.
func (t *tracker) note(n, pending uint64) {
	if n >= t.head {
		t.at(n).pending = pending
	}
}

// ended notes legs that have ended. Records without another one are done.
func (t *tracker) ended(b *batch, legs []bindings.Leg) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == void {
		return
	}
	sinks := b.run.source.sinks.Load()
	for _, leg := range legs {
		i := b.record(leg.Event)
		n := b.first + uint64(i)
		if n < t.head || slices.Contains(b.failed, i) {
			continue
		}
		m := t.at(n)
		if bit := sinks.bit(leg.Sink); !b.takeLeg(i, bit) {
			m.pending &^= bit
		}
		if leg.Last && b.lastOf(i) {
			m.pending = 0
		}
	}
	t.changes++
	t.release()
}

// settle takes a batch home whose first record has delivery number first. A record is done when all its events are.
// One that failed stays not done, forever in this process: it holds the position, and a restart delivers it again.
func (t *tracker) settle(first uint64, b *bindings.Batch, spans adapter.Spans) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.emitted--
	if t.state == void {
		return
	}
	for i := range spans.Messages(b) {
		if spans.Err(b, i) == nil {
			t.note(first+uint64(i), 0)
		}
	}
	t.changes++
	t.release()
	t.signal()
}

// release moves the position behind the done records at the ring's head. The caller holds mu.
func (t *tracker) release() {
	for t.head != t.tail {
		m := t.at(t.head)
		if m.pending != 0 {
			break
		}
		t.reached = kgo.EpochOffset{Epoch: m.epoch, Offset: m.offset + 1}
		t.head++
	}
	if t.prior != nil && t.tail > 0 && t.at(t.tail-1).offset+1 >= t.prior.end {
		t.prior = nil // the marks have all of it
	}
}

// signal wakes whoever waits for the fenced tracker. The caller holds mu.
func (t *tracker) signal() {
	if t.state != fenced || t.emitted > 0 {
		return
	}
	select {
	case <-t.idle:
	default:
		close(t.idle)
	}
}

// fence ends intake: nothing is added or emitted from now on. The channel is closed once what was emitted is home.
func (t *tracker) fence() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == live {
		t.state = fenced
	}
	t.signal()
	return t.idle
}

// park ends the assignment: nothing is committed from now on. It reports whether the tracker knows anything that is worth
// keeping.
func (t *tracker) park() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = parked
	return t.handed > 0
}

// drop makes the tracker void: outcomes that come later count for nothing.
func (t *tracker) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = void
}

// resume makes a parked tracker that of a new assignment, whose stored position is given, and returns where to read on:
// behind what was emitted, done or not. It reports false where what the tracker knows is of no use: the stored position is
// before what it has committed itself (somebody has rewound the group), or beyond what it has read.
func (t *tracker) resume(stored kgo.EpochOffset) (next kgo.EpochOffset, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	keep, next := t.known()
	if t.state != parked || t.handed == 0 || stored.Offset < t.least(stored) || stored.Offset > next.Offset {
		t.state = void
		return none, false
	}
	t.tail = keep
	for n := t.head; n != t.tail && t.at(n).offset < stored.Offset; n++ {
		t.at(n).pending = 0 // another owner is done with it
	}
	t.release()
	if t.reached.Offset < stored.Offset {
		t.reached = stored
	}
	t.state, t.paused, t.idle, t.stored = live, false, make(chan struct{}), ledgerNote{}
	t.generation++
	return next, true
}

// known returns the delivery number behind the records that were emitted or needed not be, and the position there. What
// is beyond was polled and never emitted. The caller holds mu.
func (t *tracker) known() (keep uint64, next kgo.EpochOffset) {
	keep = max(t.head, t.handed)
	for keep != t.tail && t.at(keep).pending == 0 {
		keep++
	}
	if keep == t.head {
		return keep, t.reached
	}
	m := t.at(keep - 1)
	return keep, kgo.EpochOffset{Epoch: m.epoch, Offset: m.offset + 1}
}

// least returns the least position that can be stored if nobody has rewound the group. The caller holds mu.
func (t *tracker) least(stored kgo.EpochOffset) int64 {
	if t.committed == none && stored.Offset >= 0 {
		return t.began
	}
	return t.committed.Offset // -1 if nothing was committed
}

// inherit gives a tracker what was stored when its partition was assigned.
func (t *tracker) inherit(stored kgo.EpochOffset, l *doneLedger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if stored.Offset >= 0 {
		t.committed = stored
	}
	if l != nil {
		t.prior = newPrior(l)
		t.prior.id = t.id
	}
	t.changes++
}

// startAt sets where the partition is to be read from, so that it is stored before anything is read.
func (t *tracker) startAt(p kgo.EpochOffset) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reached = p
}

// assignment returns what deliveries of the present assignment need to know.
func (t *tracker) assignment() (generation uint32, p *prior) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.generation, t.prior
}

// held returns how many delivered records the position is waiting for or waiting behind, and the offset of the one
// it waits for.
func (t *tracker) held() (records int, offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.head == t.tail {
		return 0, -1
	}
	return int(t.tail - t.head), t.at(t.head).offset
}

// setPaused notes whether fetching is paused and reports whether that is a change.
func (t *tracker) setPaused(paused bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed := t.paused != paused
	t.paused = paused
	return changed
}

// next returns the offset behind the last delivered record, and false if there was none.
func (t *tracker) next() (int64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tail == 0 {
		return 0, false
	}
	return t.at(t.tail-1).offset + 1, true
}
