package sqs

import (
	"container/heap"
	"sync"
	"time"

	"github.com/eventrouter/router/bindings"
)

// phase is what the source wants of a message it holds.
type phase uint8

const (
	inFlight  phase = iota // its events are with the pipeline: keep it hidden
	deleting               // its events were confirmed: delete it, and keep it hidden until that is confirmed
	releasing              // its events failed: make it visible after a delay
	forgotten              // it is no longer ours
)

// held is a message that was received and is neither deleted nor given back.
type held struct {
	id, group  string
	deliveries int

	// All that follows is guarded by the ledger's mutex.
	handle   string    // the newest receipt handle
	received time.Time // when that was given
	until    time.Time // when the message becomes visible, as far as is known
	phase    phase
	delay    time.Duration // how long a released message stays hidden
	due      time.Time     // when its visibility is to be changed
	place    int           // in the heap, -1 outside of it
	changing bool          // a visibility call is under way
	tries    int           // of the delete or the release
	ready    time.Time     // when the delete may be tried
	since    time.Time     // when the delete was asked for
}

// ledger knows every message that the source holds, by message id, with the newest receipt handle. Receivers and
// settlers write into it; the keeper and the deleters carry out what it says.
type ledger struct {
	visibility time.Duration
	fifo       bool
	room       *bindings.Window // bounds how many messages are held, the confirmed that wait for their delete included

	change chan struct{} // the keeper has something new to look at
	delete chan struct{} // the deleters have
	empty  chan struct{} // closed when nothing is held and nothing will be

	mu      sync.Mutex // guards what follows, and the messages
	byID    map[string]*held
	dues    dueHeap
	deletes []*held
	closing bool
	ended   bool
}

func newLedger(visibility time.Duration, fifo bool, room *bindings.Window) *ledger {
	return &ledger{
		visibility: visibility, fifo: fifo, room: room, byID: map[string]*held{},
		change: make(chan struct{}, 1), delete: make(chan struct{}, 1), empty: make(chan struct{}),
	}
}

// poke wakes who waits for the channel, now or next time.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// admission is what becomes of a message that was just received.
type admission uint8

const (
	admitted  admission = iota // it is held now, and its events are to be emitted
	known                      // it is held already: only its newer receipt handle counts, for the older deletes nothing
	givenBack                  // it is held until it is visible again, for it would overtake another
)

// admit takes a message that was just received. batch are the messages of the same receive that were admitted before.
func (l *ledger) admit(h *held, now time.Time, batch []*held) admission {
	l.mu.Lock()
	defer l.mu.Unlock()
	h.received, h.until, h.due, h.place = now, now.Add(l.visibility), now.Add(l.visibility/2), -1
	if old := l.byID[h.id]; old != nil {
		if old.phase != releasing {
			l.adopt(old, h)
			return known
		}
		l.forget(old) // it is visible again already, so this is the next delivery
	}
	verdict := admitted
	if l.overtakes(h, batch) {
		verdict, h.phase, h.due = givenBack, releasing, now
	}
	l.byID[h.id] = h
	l.schedule(h)
	return verdict
}

// adopt gives a message in flight the receipt handle of its newer delivery.
func (l *ledger) adopt(old, h *held) {
	old.handle, old.received, old.until, old.due = h.handle, h.received, h.until, h.due
	if old.place >= 0 {
		heap.Remove(&l.dues, old.place)
	}
	if !old.changing {
		l.schedule(old)
	}
}

// overtakes reports whether the message would overtake an earlier one of its FIFO group that is still being delivered
// (invariant 5). The queue's lock of the group makes that impossible until the visibility of an earlier message lapses.
func (l *ledger) overtakes(h *held, batch []*held) bool {
	if !l.fifo || h.group == "" {
		return false
	}
	together := 0
	for _, b := range batch {
		if b.group == h.group && b.phase == inFlight {
			together++
		}
	}
	for _, other := range l.byID {
		if other.group == h.group && other.phase == inFlight {
			together--
		}
	}
	return together < 0
}

// confirm wants the message deleted.
func (l *ledger) confirm(h *held, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.phase != inFlight {
		return
	}
	h.phase, h.ready, h.since = deleting, now, now
	l.deletes = append(l.deletes, h)
	poke(l.delete)
}

// release wants the message visible again after a delay.
func (l *ledger) release(h *held, delay time.Duration, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.phase != inFlight {
		return
	}
	h.phase, h.delay, h.due = releasing, min(delay, maxVisibility-now.Sub(h.received)-time.Second), now
	if h.place >= 0 {
		heap.Remove(&l.dues, h.place)
	}
	if !h.changing {
		l.schedule(h)
	}
}

// schedule puts the message among those whose visibility is to be changed.
func (l *ledger) schedule(h *held) {
	heap.Push(&l.dues, h)
	if h.place == 0 {
		poke(l.change)
	}
}

// forget ends the ledger's interest in a message.
func (l *ledger) forget(h *held) {
	if h.phase == forgotten {
		return
	}
	h.phase = forgotten
	if l.byID[h.id] == h {
		delete(l.byID, h.id)
	}
	if h.place >= 0 {
		heap.Remove(&l.dues, h.place)
	}
	l.room.Release(1, 0)
	l.endIfEmpty()
}

// close says that no message will be admitted any more.
func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	l.endIfEmpty()
	poke(l.delete) // what gathers for a full batch goes out now
}

func (l *ledger) endIfEmpty() {
	if l.closing && !l.ended && len(l.byID) == 0 {
		l.ended = true
		close(l.empty)
	}
}

// left returns how many messages are held.
func (l *ledger) left() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID)
}

// dueHeap orders messages by when their visibility is to be changed.
type dueHeap []*held

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	m := x.(*held)
	m.place = len(*h)
	*h = append(*h, m)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	old := *h
	m := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	m.place = -1
	return m
}
