package pipeline

import "container/heap"

// line holds deliveries that have to wait, in their order: one that failed, and with it what follows of its key, or
// what follows one of its key that is being sent. A delivery without a key has a line of its own.
type line struct {
	key   uint64
	ds    ring
	place int  // in the heap, -1 outside of it
	out   bool // it is in lines.out
}

// next is when the first of the line may go.
func (l *line) next() int64 { return l.ds.front().next }

// lines are all lines of a shard. A line waits for its time in the heap, or is ready, or is out: taken from, or added to,
// since the last settle.
type lines struct {
	byKey   map[uint64]*line
	waiting lineHeap
	ready   []*line // ready[head:], those that waited only for an earlier one of their key
	head    int
	out     []*line
	free    []*line
}

// maxFreeLines is how many empty lines are kept for reuse; more are left to the collector.
const maxFreeLines = 1024

// of returns the line of a key, nil if there is none.
func (ls *lines) of(key uint64) *line {
	if len(ls.byKey) == 0 {
		return nil
	}
	return ls.byKey[key]
}

// open returns the line of a key, which it makes if there is none; key 0 gets a line of its own. A new line is out.
func (ls *lines) open(key uint64) *line {
	if key != 0 {
		if l := ls.of(key); l != nil {
			return l
		}
	}
	var l *line
	if n := len(ls.free); n > 0 {
		l = ls.free[n-1]
		ls.free = ls.free[:n-1]
	} else {
		l = &line{}
	}
	l.key, l.place, l.out = key, -1, true
	ls.out = append(ls.out, l)
	if key != 0 {
		if ls.byKey == nil {
			ls.byKey = map[uint64]*line{}
		}
		ls.byKey[key] = l
	}
	return l
}

// len returns how many lines there are, beside those that are out.
func (ls *lines) len() int { return len(ls.waiting) + len(ls.ready) - ls.head }

// takeReady takes the next ready line out, nil if there is none.
func (ls *lines) takeReady() *line {
	if ls.head == len(ls.ready) {
		return nil
	}
	l := ls.ready[ls.head]
	ls.ready[ls.head] = nil
	if ls.head++; ls.head == len(ls.ready) {
		ls.ready, ls.head = ls.ready[:0], 0
	}
	l.out = true
	ls.out = append(ls.out, l)
	return l
}

// unready moves all ready lines to the heap.
func (ls *lines) unready() {
	for _, l := range ls.ready[ls.head:] {
		heap.Push(&ls.waiting, l)
	}
	clear(ls.ready)
	ls.ready, ls.head = ls.ready[:0], 0
}

// first returns the line whose first delivery may go earliest, nil if none waits for a time.
func (ls *lines) first() *line {
	if len(ls.waiting) == 0 {
		return nil
	}
	return ls.waiting[0]
}

// takeOut takes a line from the heap until the next settle, unless it is out already.
func (ls *lines) takeOut(l *line) {
	if l.out {
		return
	}
	heap.Remove(&ls.waiting, l.place)
	l.out = true
	ls.out = append(ls.out, l)
}

// putBack puts a delivery to the front of its line. What was taken together is put back in the reverse order.
func (ls *lines) putBack(d delivery) {
	key := d.key
	if !d.blocks() {
		key = 0
	}
	l := ls.open(key)
	ls.takeOut(l)
	l.ds.pushFront(d)
}

// settle takes back the lines that are out.
func (ls *lines) settle() {
	if ls.head > len(ls.ready)/2 { // under a steady load there are always some, so that ready never starts anew by itself
		n := copy(ls.ready, ls.ready[ls.head:])
		clear(ls.ready[n:])
		ls.ready, ls.head = ls.ready[:n], 0
	}
	for _, l := range ls.out {
		l.out = false
		switch {
		case l.ds.len() == 0:
			ls.drop(l)
		case l.next() == 0:
			ls.ready = append(ls.ready, l)
		default:
			heap.Push(&ls.waiting, l)
		}
	}
	clear(ls.out)
	ls.out = ls.out[:0]
}

// drop forgets an empty line that is not in the heap.
func (ls *lines) drop(l *line) {
	if l.key != 0 {
		delete(ls.byKey, l.key)
	}
	if len(ls.free) < maxFreeLines && cap(l.ds.slots) <= 64 {
		ls.free = append(ls.free, l)
	}
}

// reorder makes the heap right again after lines were removed from it.
func (ls *lines) reorder() { heap.Init(&ls.waiting) }

// lineHeap orders lines by when they may go.
type lineHeap []*line

func (h lineHeap) Len() int           { return len(h) }
func (h lineHeap) Less(i, j int) bool { return h[i].next() < h[j].next() }
func (h lineHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *lineHeap) Push(x any) {
	l := x.(*line)
	l.place = len(*h)
	*h = append(*h, l)
}

// Pop implements heap.Interface.
func (h *lineHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	l.place = -1
	return l
}

// ring is a queue of deliveries with two ends.
type ring struct {
	slots []delivery // its length is a power of two, or 0
	head  int
	n     int
}

func (r *ring) len() int         { return r.n }
func (r *ring) front() *delivery { return &r.slots[r.head] }

// at returns the i-th delivery from the front.
func (r *ring) at(i int) *delivery { return &r.slots[(r.head+i)&(len(r.slots)-1)] }

func (r *ring) pushFront(d delivery) {
	r.grow()
	r.head = (r.head - 1) & (len(r.slots) - 1)
	r.slots[r.head] = d
	r.n++
}

func (r *ring) pushBack(d delivery) {
	r.grow()
	r.slots[(r.head+r.n)&(len(r.slots)-1)] = d
	r.n++
}

func (r *ring) popFront() delivery {
	d := r.slots[r.head]
	r.slots[r.head] = delivery{}
	r.head = (r.head + 1) & (len(r.slots) - 1)
	r.n--
	return d
}

func (r *ring) grow() {
	if r.n < len(r.slots) {
		return
	}
	wider := make([]delivery, max(1, 2*len(r.slots)))
	for i := range r.n {
		wider[i] = *r.at(i)
	}
	r.slots, r.head = wider, 0
}
