package pipeline

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// The defaults of a lane.
const (
	defaultBatchEvents = 256
	defaultBatchBytes  = 4 << 20
)

// lookahead is how many times a full batch, and minLookahead how many deliveries at least, a shard looks past those
// that have to wait, to find others that need not. It bounds the work of a cut when one key blocks.
const (
	lookahead    = 4
	minLookahead = 1024
)

// lane carries deliveries to one sink. Its shards share nothing but the sink and its pause, so that a key, which
// always picks the same shard, is sent by one worker at a time (invariant 5).
type lane struct {
	p              *Pipeline
	sink           Sink
	number         int
	shards         []*shard
	firstShard     int // number of the first shard among those of all lanes
	keepsOrder     bool
	orderAttribute string
	limiter        *rate.Limiter
	dead           target
	counts         *sinkCounts
	// pausedUntil is when the target wants to be called again, in Unix nanoseconds: a RetryAfter stops all shards.
	pausedUntil atomic.Int64
	report      sinkReport
	turn        atomic.Uint32 // spreads events without a key over the shards
}

// shard is one worker with its queue.
type shard struct {
	lane *lane

	mu     sync.Mutex // guards in and closed
	in     []delivery
	closed bool
	wake   chan struct{} // holds at most one token

	// What follows belongs to the worker.
	queue    []delivery // queue[head:] is pending, in order
	head     int
	batch    []delivery
	events   []*envelope.Event
	busy     keySet
	letters  []delivery // dead letters of the Send that is being settled, the last one first
	refused  refusals   // those of the Send that is being settled
	timer    *time.Timer
	failures int   // consecutive Sends in which every event failed
	paused   int64 // not before this time, in Unix nanoseconds
	lingers  int64 // since when a batch fills, 0 if none does
}

func newLane(p *Pipeline, number, firstShard int) *lane {
	sink := p.settings.Sinks[number]
	if sink.Concurrency <= 0 {
		sink.Concurrency = 1
	}
	if sink.BatchEvents <= 0 {
		sink.BatchEvents = defaultBatchEvents
	}
	if sink.BatchBytes <= 0 {
		sink.BatchBytes = defaultBatchBytes
	}
	sink.Retry = sink.Retry.withDefaults()
	l := &lane{
		p: p, sink: sink, number: number, firstShard: firstShard, counts: &p.stats.sinks[number],
		orderAttribute: map[Order]string{
			OrderSubject: "subject", OrderSource: "source", OrderPartitionKey: "partitionkey",
		}[sink.Order],
	}
	// A sink keeps the order of the source's own keys; of any other order it knows nothing.
	if k, ok := sink.Sink.(bindings.OrderKeeper); ok && sink.Order == OrderKey {
		l.keepsOrder = k.KeepsOrder()
	}
	if sink.Rate > 0 {
		// A tenth of a second's worth at a time: a batch waits for all of its events' share, so that larger ones would
		// leave in bursts after long silences.
		burst := max(1, int(sink.Rate/10))
		l.limiter = rate.NewLimiter(rate.Limit(sink.Rate), burst)
		l.sink.BatchEvents = min(l.sink.BatchEvents, burst)
	}
	for range sink.Concurrency {
		l.shards = append(l.shards, newShard(l))
	}
	return l
}

func newShard(l *lane) *shard {
	s := &shard{lane: l, wake: make(chan struct{}, 1), timer: time.NewTimer(0)}
	s.timer.Stop()
	return s
}

func (p *Pipeline) shard(n int) *shard {
	for _, l := range p.lanes {
		if n < l.firstShard+len(l.shards) {
			return l.shards[n-l.firstShard]
		}
	}
	panic("pipeline: no such shard")
}

// pick chooses a shard: the key's own, or in turn, a batch's worth each, for an event that nothing orders.
func (l *lane) pick(key uint64) int {
	n := uint64(len(l.shards))
	if key == 0 {
		return int(uint64(l.turn.Add(1)) / uint64(l.sink.BatchEvents) % n)
	}
	return int(key % n)
}

func (l *lane) close() {
	for _, s := range l.shards {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.signal()
	}
}

// push appends deliveries; they are copied.
func (s *shard) push(ds []delivery) {
	s.mu.Lock()
	s.in = append(s.in, ds...)
	s.mu.Unlock()
	s.signal()
}

func (s *shard) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take moves what was pushed to the worker's queue and reports whether the shard was closed.
func (s *shard) take() (closed bool) {
	if s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.in) == 0 {
		return s.closed
	}
	if len(s.queue) == 0 {
		s.queue, s.in = s.in, s.queue
		return s.closed
	}
	if s.head > len(s.queue)/2 {
		n := copy(s.queue, s.queue[s.head:])
		clear(s.queue[n:])
		s.queue, s.head = s.queue[:n], 0
	}
	s.queue = append(s.queue, s.in...)
	clear(s.in)
	s.in = s.in[:0]
	return s.closed
}

// cut moves the next Send's deliveries from the queue to s.batch, in their order, passing over those that have to
// wait: for their time, or for an earlier one of their key (invariant 5). It returns when the earliest of the
// waiting may go, 0 if none waits for a time.
func (s *shard) cut(now int64) (wakeAt int64) {
	l := s.lane
	s.batch = s.batch[:0]
	if p := max(s.paused, l.pausedUntil.Load()); p > now {
		return p
	}
	s.busy.reset()
	end := min(len(s.queue), s.head+max(lookahead*l.sink.BatchEvents, minLookahead))
	bytes, i := 0, s.head
	for ; i < end && len(s.batch) < l.sink.BatchEvents; i++ {
		d := &s.queue[i]
		if d.key != 0 && s.busy.has(d.key) {
			continue
		}
		if d.next > now {
			if wakeAt == 0 || d.next < wakeAt {
				wakeAt = d.next
			}
			if d.blocks() {
				s.busy.add(d.key)
			}
			if d.held {
				end = len(s.queue) // it may wait for ever; what need not wait for it is found behind it, however far
			}
			continue
		}
		size := d.event.Size()
		if bytes += size; bytes > l.sink.BatchBytes && len(s.batch) > 0 {
			break
		}
		if d.key != 0 && (!l.keepsOrder || l.mayShrink(d)) {
			s.busy.add(d.key)
		}
		s.batch = append(s.batch, *d)
		d.batch = nil // marks it as taken
	}
	s.compact(i)
	return wakeAt
}

// blocks reports whether what follows of the same key has to wait for this delivery. A dead letter that its sink can
// never take waits for an operator; the dead letters behind it need not.
func (d *delivery) blocks() bool { return d.key != 0 && (!d.held || !d.dead) }

// compact closes the gaps that the taken deliveries left in queue[head:end].
func (s *shard) compact(end int) {
	w := end
	for i := end - 1; i >= s.head; i-- {
		if s.queue[i].batch == nil {
			continue
		}
		w--
		if w != i {
			s.queue[w] = s.queue[i]
		}
	}
	clear(s.queue[s.head:w])
	s.head = w
}

// putBack returns failed deliveries to the front of the queue, in their order. There is room: they were taken from
// there, and nothing was appended since.
func (s *shard) putBack(d delivery) {
	s.head--
	s.queue[s.head] = d
}

// pending reports whether the worker has anything left.
func (s *shard) pending() bool { return s.head < len(s.queue) }

// keySet is a set of hashes that is emptied in no time: entries of an older generation count as free.
type keySet struct {
	slots []keySlot
	gen   uint32
	used  int
}

type keySlot struct {
	key uint64
	gen uint32
}

func (k *keySet) reset() {
	k.used = 0
	if k.gen++; k.gen == 0 { // wrapped: old entries could look new
		clear(k.slots)
		k.gen = 1
	}
}

func (k *keySet) find(key uint64) *keySlot {
	mask := uint64(len(k.slots) - 1)
	for i := key & mask; ; i = (i + 1) & mask {
		s := &k.slots[i]
		if s.gen != k.gen || s.key == key {
			return s
		}
	}
}

func (k *keySet) has(key uint64) bool {
	if len(k.slots) == 0 {
		return false
	}
	return k.find(key).gen == k.gen
}

func (k *keySet) add(key uint64) {
	if 2*(k.used+1) > len(k.slots) {
		k.grow()
	}
	if s := k.find(key); s.gen != k.gen {
		*s = keySlot{key, k.gen}
		k.used++
	}
}

func (k *keySet) grow() {
	old := k.slots
	k.slots = make([]keySlot, max(64, 2*len(old)))
	for _, s := range old {
		if s.gen == k.gen {
			*k.find(s.key) = s
		}
	}
}

// newEvent returns an empty event for a copy that a route, a sink or a dead letter changes.
func (p *Pipeline) newEvent() *envelope.Event { return p.events.Get().(*envelope.Event) }

// release gives the delivery's own copy back, if it has one.
func (p *Pipeline) release(d *delivery) {
	if d.own {
		d.event.Reset()
		p.events.Put(d.event)
	}
	d.event, d.own = nil, false
}
