package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
)

// tracker knows which records of one assignment of one partition are done. It is a ring of what was delivered to us,
// in delivery order, with a done mark each: offsets have holes (compaction, transaction markers), so arithmetic on
// them would get stuck or skip. The position to commit is the one behind the last record popped from the ring's
// head, which never passes a record that is not done (invariant 4).
//
// A tracker lives as long as its assignment. A partition that comes back gets a new one, so that a late outcome of
// the old assignment meets a void tracker and moves nothing (the fence). It goes through three states: live; fenced,
// when the partition is being taken away and what was emitted may still come home; void.
type tracker struct {
	topic     string
	partition int32

	mu        sync.Mutex // guards what follows
	state     trackerState
	ring      []mark // length is a power of two
	head      uint64 // delivery number of the oldest record that is not released
	tail      uint64 // delivery number of the next record
	reached   kgo.EpochOffset
	committed kgo.EpochOffset
	emitted   int           // batches in the pipeline
	idle      chan struct{} // closed once fenced and nothing is in the pipeline
	paused    bool          // fetching is paused, see held
}

type trackerState uint8

const (
	live trackerState = iota
	fenced
	void
)

// mark is one delivered record.
type mark struct {
	offset int64
	epoch  int32
	done   bool
}

// none is the position of a tracker that has released nothing yet.
var none = kgo.EpochOffset{Epoch: -1, Offset: -1}

func newTracker(topic string, partition int32) *tracker {
	return &tracker{
		topic: topic, partition: partition,
		ring: make([]mark, 64), reached: none, committed: none, idle: make(chan struct{}),
	}
}

// add notes records as delivered and returns the delivery number of the first. It reports false, and notes nothing,
// when the assignment has ended: the next owner reads them.
func (t *tracker) add(records []*kgo.Record) (first uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != live {
		return 0, false
	}
	first = t.tail
	if t.reached == none && len(records) > 0 {
		// Where reading began is stored too: a restart of "start: latest" would otherwise begin behind what was read and
		// not yet settled. It passes nothing (invariant 4).
		t.reached = kgo.EpochOffset{Epoch: records[0].LeaderEpoch, Offset: records[0].Offset}
	}
	for _, r := range records {
		if t.tail-t.head == uint64(len(t.ring)) {
			t.grow()
		}
		*t.at(t.tail) = mark{offset: r.Offset, epoch: r.LeaderEpoch}
		t.tail++
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

// emit counts a batch out into the pipeline. It reports false when the assignment has ended in the meantime: the
// batch must not be emitted then.
func (t *tracker) emit() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != live {
		return false
	}
	t.emitted++
	return true
}

// settle takes a batch home whose first record has delivery number first. A record is done when all its events are.
// One that failed stays not done, for ever in this assignment: it holds the position, and a restart delivers it again.
func (t *tracker) settle(first uint64, b *bindings.Batch, spans adapter.Spans) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.emitted--
	if t.state == void {
		return
	}
	for i := range spans.Messages(b) {
		if spans.Err(b, i) == nil {
			t.at(first + uint64(i)).done = true
		}
	}
	for t.head != t.tail {
		m := t.at(t.head)
		if !m.done {
			break
		}
		t.reached = kgo.EpochOffset{Epoch: m.epoch, Offset: m.offset + 1}
		t.head++
	}
	t.signal()
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

// end makes the tracker void: outcomes that come later count for nothing. It returns the position that may still be
// committed for it, and false if that was committed before or if nothing was released.
func (t *tracker) end() (kgo.EpochOffset, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = void
	return t.reached, t.reached != t.committed
}

// position returns the position to commit, and false if there is nothing new.
func (t *tracker) position() (kgo.EpochOffset, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reached, t.state != void && t.reached != t.committed
}

// confirm notes that the broker has stored a position.
func (t *tracker) confirm(p kgo.EpochOffset) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.committed = p
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
