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
	// open is false until the sink is ready for the first time; what is for it waits until then.
	open atomic.Bool
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
	queue     []delivery // queue[head:] is what nothing keeps from going, in order; none of it was sent before
	head      int
	lines     lines // what has to wait
	batch     []delivery
	bytes     int // of the batch
	events    []*envelope.Event
	busy      keySet // keys of the batch whose next event has to wait for its outcome
	ends      ender
	letters   []delivery // dead letters of the Send that is being settled, the last one first
	refused   refusals   // those of the Send that is being settled
	timer     *time.Timer
	target    targetHealth
	lingers   int64               // since when a batch fills, 0 if none does
	givenBack map[uint64]struct{} // keys whose held event was given back at the stop
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
	l.open.Store(true)
	for range sink.Concurrency {
		l.shards = append(l.shards, newShard(l))
	}
	return l
}

func newShard(l *lane) *shard {
	s := &shard{lane: l, wake: make(chan struct{}, 1), timer: time.NewTimer(0), ends: ender{p: l.p}}
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

// wakeAll makes every shard look again at what it has.
func (l *lane) wakeAll() {
	for _, s := range l.shards {
		s.signal()
	}
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

// pending reports whether the queue has anything left.
func (s *shard) pending() bool { return s.head < len(s.queue) }

// waits reports whether anything is left, in the queue or in a line.
func (s *shard) waits() bool { return s.pending() || s.lines.len() > 0 }

// blocks reports whether what follows of the same key has to wait for this delivery. A dead letter that its sink can
// never take waits for an operator; the dead letters after it need not.
func (d *delivery) blocks() bool { return d.key != 0 && (!d.held || !d.dead) }

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
