package pipeline

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventrouter/router/bindings"
)

// sinkCounts counts the legs of one sink. At every moment legs = delivered + dead-lettered + dropped + rejected +
// returned + in flight.
type sinkCounts struct {
	id     bindings.SinkID
	number int // of the column in stats.pendings

	legs, delivered, deadLettered, dropped, rejected, returned atomic.Int64
	// withoutData counts legs that left their data out; they end like any other.
	withoutData atomic.Int64
}

// sourceCounts counts the events of one source.
type sourceCounts struct {
	events, malformed, unmatched, failed, skipped atomic.Int64
}

// sourceTally gathers one batch's figures before they are added at once.
type sourceTally struct {
	events, malformed, unmatched, failed, skipped int64
}

func (c *sourceCounts) add(t *sourceTally) {
	c.events.Add(t.events)
	if t.malformed > 0 {
		c.malformed.Add(t.malformed)
	}
	if t.unmatched > 0 {
		c.unmatched.Add(t.unmatched)
	}
	if t.failed > 0 {
		c.failed.Add(t.failed)
	}
	if t.skipped > 0 {
		c.skipped.Add(t.skipped)
	}
}

// stats are a pipeline's figures. They outlive every plan.
type stats struct {
	sourceNames, sinkNames []string
	sources                []sourceCounts
	sinks                  []sinkCounts
	// policy counts events that end without a sink of their own: malformed, unmatched, rejected.
	policy      sinkCounts
	deadLetters atomic.Int64
	// pendings are the legs in flight: a row for each source, in it a number for each sink and one for the policies.
	pendings [][]atomic.Int64

	// unmatched, dead and expired count what the policies of those names dropped; they are entries of drops.
	unmatched, dead, expired *atomic.Int64

	mu     sync.Mutex // guards the maps; their values are atomic
	routes map[string]*atomic.Int64
	order  []string
	drops  map[string]*atomic.Int64
}

func newStats(s Settings) *stats {
	st := &stats{
		sources: make([]sourceCounts, len(s.Sources)), sinks: make([]sinkCounts, len(s.Sinks)),
		routes: map[string]*atomic.Int64{}, drops: map[string]*atomic.Int64{},
	}
	st.unmatched, st.dead, st.expired = st.drop("unmatched"), st.drop("dead_letter"), st.drop("expired")
	for _, src := range s.Sources {
		st.sourceNames = append(st.sourceNames, src.Name)
	}
	for i, sink := range s.Sinks {
		st.sinkNames = append(st.sinkNames, sink.Name)
		st.sinks[i].id, st.sinks[i].number = bindings.NewSinkID(sink.Name, sink.Identity), i
	}
	st.policy.id, st.policy.number = bindings.PolicySink, len(s.Sinks)
	st.pendings = make([][]atomic.Int64, len(s.Sources))
	for i := range st.pendings {
		st.pendings[i] = make([]atomic.Int64, len(s.Sinks)+1)
	}
	return st
}

// sinkIDs returns the ids of all sinks.
func (s *stats) sinkIDs() []bindings.SinkID {
	all := make([]bindings.SinkID, len(s.sinks))
	for i := range s.sinks {
		all[i] = s.sinks[i].id
	}
	return all
}

// pending returns the number of legs in flight from a source that are counted there.
func (s *stats) pending(source int, c *sinkCounts) *atomic.Int64 {
	return &s.pendings[source][c.number]
}

// route returns the counter of a route, the same one for the same name.
func (s *stats) route(name string) *atomic.Int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.routes[name]
	if c == nil {
		c = new(atomic.Int64)
		s.routes[name] = c
		s.order = append(s.order, name)
	}
	return c
}

// drop returns the counter of what a stated policy discards, the same one for the same policy.
func (s *stats) drop(policy string) *atomic.Int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.drops[policy]
	if c == nil {
		c = new(atomic.Int64)
		s.drops[policy] = c
	}
	return c
}

func (s *stats) inFlight() int64 {
	n := s.policy.snapshot().InFlight
	for i := range s.sinks {
		n += s.sinks[i].snapshot().InFlight
	}
	return n
}

// Legs are the outcomes of the deliveries to one sink. Returned are those that were pending when the router stopped:
// their events stay at the source. WithoutData are those, however they end, whose data a dataref stands for.
type Legs struct {
	Legs         int64 `json:"legs"`
	Delivered    int64 `json:"delivered"`
	DeadLettered int64 `json:"dead_lettered"`
	Dropped      int64 `json:"dropped"`
	Rejected     int64 `json:"rejected,omitempty"`
	Returned     int64 `json:"returned,omitempty"`
	InFlight     int64 `json:"in_flight"`
	WithoutData  int64 `json:"without_data,omitempty"`
}

// snapshot reads the outcomes before the total, so that what is in flight is never negative.
func (c *sinkCounts) snapshot() Legs {
	l := Legs{
		Delivered: c.delivered.Load(), DeadLettered: c.deadLettered.Load(), Dropped: c.dropped.Load(),
		Rejected: c.rejected.Load(), Returned: c.returned.Load(), WithoutData: c.withoutData.Load(),
	}
	l.Legs = c.legs.Load()
	l.InFlight = l.Legs - l.Delivered - l.DeadLettered - l.Dropped - l.Rejected - l.Returned
	return l
}

// SourceFigures are what a source brought.
type SourceFigures struct {
	Name      string `json:"name"`
	Events    int64  `json:"events"`
	Malformed int64  `json:"malformed"`
	Unmatched int64  `json:"unmatched"`
	// ExpressionErrors counts CESQL expressions that ended in an error for an event, and so did not match.
	ExpressionErrors int64 `json:"expression_errors,omitempty"`
	// Skipped counts legs that were not repeated after a restart, because the source had stored that they were done.
	Skipped int64 `json:"skipped,omitempty"`
	// Window is how full the source's window is; nil for a source without one.
	Window *WindowFigures `json:"window,omitempty"`
	// Dropped counts messages that never became events, because the source had no room and its transport cannot wait.
	Dropped int64 `json:"dropped,omitempty"`
}

// WindowFigures is how full the window of a source is. A bound of 0 is none.
type WindowFigures struct {
	Events    int `json:"events"`
	MaxEvents int `json:"max_events"`
	Bytes     int `json:"bytes"`
	MaxBytes  int `json:"max_bytes"`
	// Waiting is for how many seconds the source has waited for room, 0 if it does not.
	Waiting float64 `json:"waiting_seconds"`
}

func windowFigures(w *bindings.Window) *WindowFigures {
	if w == nil {
		return nil
	}
	u := w.Usage()
	f := &WindowFigures{Events: u.Events, MaxEvents: u.MaxEvents, Bytes: u.Bytes, MaxBytes: u.MaxBytes}
	if !u.Waiting.IsZero() {
		f.Waiting = time.Since(u.Waiting).Seconds()
	}
	return f
}

// SinkFigures are what became of a sink's deliveries.
type SinkFigures struct {
	Name string `json:"name"`
	Legs
	// Duplicates are confirmed events, dead letters among them, that the target had stored before and did not store again;
	// nil if the target does not tell.
	Duplicates *int64 `json:"duplicates,omitempty"`
}

// RouteFigures is how many events a route matched.
type RouteFigures struct {
	Name    string `json:"name"`
	Matched int64  `json:"matched"`
}

// Ledger is the balance of a pipeline. Drops are counted by the policy that dropped: "unmatched", "dead_letter", "expired",
// "route NAME", or "route NAME sampled".
type Ledger struct {
	Sources  []SourceFigures  `json:"sources"`
	Routes   []RouteFigures   `json:"routes"`
	Sinks    []SinkFigures    `json:"sinks"`
	Policies Legs             `json:"policies"`
	Drops    map[string]int64 `json:"drops"`
	// DeadLetters is how many dead letters were confirmed.
	DeadLetters int64 `json:"dead_letters"`
}

func (p *Pipeline) sinkFigures(i int) SinkFigures {
	f := SinkFigures{Name: p.stats.sinkNames[i], Legs: p.stats.sinks[i].snapshot()}
	if d, ok := p.settings.Sinks[i].Sink.(bindings.DuplicateCounter); ok && d.TellsDuplicates() {
		n := d.Duplicates()
		f.Duplicates = &n
	}
	return f
}

// Ledger returns the figures as they are now.
func (p *Pipeline) Ledger() Ledger {
	s := p.stats
	l := Ledger{Drops: map[string]int64{}, DeadLetters: s.deadLetters.Load(), Policies: s.policy.snapshot()}
	for i := range s.sinks {
		l.Sinks = append(l.Sinks, p.sinkFigures(i))
	}
	for i := range s.sources {
		c := &s.sources[i]
		figures := SourceFigures{
			Name: s.sourceNames[i], Events: c.events.Load(), Malformed: c.malformed.Load(), Unmatched: c.unmatched.Load(),
			ExpressionErrors: c.failed.Load(), Skipped: c.skipped.Load(), Window: windowFigures(p.settings.Sources[i].Window),
		}
		if d, ok := p.settings.Sources[i].Source.(bindings.DropCounter); ok {
			figures.Dropped = d.Dropped()
		}
		l.Sources = append(l.Sources, figures)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.order {
		l.Routes = append(l.Routes, RouteFigures{name, s.routes[name].Load()})
	}
	for name, c := range s.drops {
		if n := c.Load(); n > 0 {
			l.Drops[name] = n
		}
	}
	return l
}
