package nats

import (
	"slices"
	"sync"
)

// stretch is a run of messages of the durable that are all done, and between which nothing was delivered to anybody
// else. Sequences in it that were never delivered belong to other subjects or were deleted.
type stretch struct {
	after       uint64 // the message that was delivered before first
	first, last uint64
	messages    int
}

// doneSet knows which messages above the durable's ack floor are acknowledged, because a reset of the durable makes the
// server forget it.
type doneSet struct {
	mu      sync.Mutex // guards what follows
	floor   uint64     // everything up to here is done
	last    uint64     // newest message delivered
	order   uint64     // consumer sequence of the latest delivery
	shared  bool       // somebody else gets messages too, so that nothing is known of what lies between ours
	byLast  map[uint64]stretch
	byAfter map[uint64]uint64 // last of the stretch
	before  []stretch         // sorted: what was done before the last reset, and may come again
	high    uint64            // newest message that is done
	newest  int64             // when the newest of those that are done was stored
	wiped   int               // how often all of it was forgotten, see delivered
	added   int               // messages added above the floor since the last snapshot
}

func newDoneSet() *doneSet {
	return &doneSet{byLast: map[uint64]stretch{}, byAfter: map[uint64]uint64{}}
}

// resume says from where the server goes on to deliver.
func (d *doneSet) resume(floor, last, order uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last, d.order, d.shared = last, order, false
	if floor < d.floor {
		d.floor = floor // somebody has set the durable back
	}
	d.raise(floor)
}

// raise drops what the floor has passed.
func (d *doneSet) raise(floor uint64) {
	if floor <= d.floor {
		return
	}
	d.floor = floor
	for last, s := range d.byLast {
		if last <= floor {
			delete(d.byLast, last)
			delete(d.byAfter, s.after)
		}
	}
	d.before = slices.DeleteFunc(d.before, func(s stretch) bool { return s.last <= floor })
}

// doneUpTo returns the sequence up to which everything is done, 0 if nothing is known.
func (d *doneSet) doneUpTo() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.floor
}

// learn adds what another process has done, the newest of it stored at that time.
func (d *doneSet) learn(more []stretch, newest int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range more {
		d.high = max(d.high, s.last)
	}
	d.newest = max(d.newest, newest)
	d.before = join(slices.Concat(d.before, more))
}

// reset says that the server delivers everything above the floor again.
func (d *doneSet) reset(floor uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = d.all()
	clear(d.byLast)
	clear(d.byAfter)
	d.floor, d.last, d.order, d.shared = floor, floor, 0, false
	d.before = slices.DeleteFunc(d.before, func(s stretch) bool { return s.last <= floor })
}

// all returns every stretch, sorted.
func (d *doneSet) all() []stretch {
	all := slices.Clone(d.before)
	for _, s := range d.byLast {
		all = append(all, s)
	}
	return join(all)
}

// join sorts stretches, and joins those that overlap.
func join(all []stretch) []stretch {
	slices.SortFunc(all, func(a, b stretch) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	joined := all[:0]
	for _, s := range all {
		if n := len(joined); n > 0 && s.first <= joined[n-1].last {
			joined[n-1].last = max(joined[n-1].last, s.last)
			joined[n-1].messages = max(joined[n-1].messages, s.messages)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// share says that somebody else gets messages of the durable too.
func (d *doneSet) share() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shared = true
	clear(d.byLast)
	clear(d.byAfter)
}

// gap reports whether deliveries before this one went to somebody else, while we took ourselves to be the only reader.
func (d *doneSet) gap(order uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.shared && order != d.order+1
}

// delivered notes a delivery and returns after which message it came. A message that was stored after all that are done, and
// comes before one of them, took the sequence of another one: the stream has lost its end in a crash, or was restored from
// a backup. Nothing that is known holds any more.
func (d *doneSet) delivered(t token, order uint64) (after uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.order = order
	if t.seq <= d.high && t.stored > d.newest {
		clear(d.byLast)
		clear(d.byAfter)
		d.before, d.high = nil, 0
		d.wiped++
	}
	if d.shared || t.seq <= d.last {
		return t.seq - 1
	}
	after, d.last = d.last, t.seq
	return after
}

// times returns when the newest message that is done was stored, and how often everything was forgotten.
func (d *doneSet) times() (newest int64, wiped int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.newest, d.wiped
}

// has reports whether the message was done before the durable was reset.
func (d *doneSet) has(seq uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, found := slices.BinarySearchFunc(d.before, seq, func(s stretch, seq uint64) int {
		switch {
		case s.last < seq:
			return -1
		case s.first > seq:
			return 1
		}
		return 0
	})
	return found && i < len(d.before)
}

// passed reports whether the server has delivered later messages, so that this one does not come any more.
func (d *doneSet) passed(seq uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return seq < d.last
}

// add says that the server has confirmed the acknowledgement of a message that was delivered after another.
func (d *doneSet) add(t token, after uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seq := t.seq
	if d.shared || seq <= d.floor {
		return
	}
	d.high, d.newest = max(d.high, seq), max(d.newest, t.stored)
	s := stretch{after: after, first: seq, last: seq, messages: 1}
	if left, ok := d.byLast[after]; ok {
		delete(d.byLast, after)
		delete(d.byAfter, left.after)
		s.after, s.first, s.messages = left.after, left.first, left.messages+1
	}
	if last, ok := d.byAfter[seq]; ok {
		right := d.byLast[last]
		delete(d.byLast, last)
		delete(d.byAfter, seq)
		s.last, s.messages = right.last, s.messages+right.messages
	}
	if s.after <= d.floor {
		d.floor = s.last
		return
	}
	d.byLast[s.last], d.byAfter[s.after] = s, s.last
	d.added++
}

// snapshot returns what is done above the floor. changed says whether anything was added since the last one.
func (d *doneSet) snapshot() (floor uint64, done []stretch, changed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed = d.added > 0
	d.added = 0
	d.before = slices.DeleteFunc(d.before, func(s stretch) bool { return s.last <= d.floor })
	return d.floor, d.all(), changed
}

// messages returns how many messages stretches are known to hold.
func messages(all []stretch) (n int) {
	for _, s := range all {
		n += s.messages
	}
	return n
}
