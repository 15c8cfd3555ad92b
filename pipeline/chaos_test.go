package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// dice is a random source that several goroutines share.
type dice struct {
	mu  sync.Mutex // guards rng
	rng *rand.Rand
}

func (d *dice) roll(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// chaosSource emits batches that it uses again, takes window, and holds the pipeline to what it promises an observer of
// legs: an event whose last leg has ended is acknowledged at once, and must not fail after that.
type chaosSource struct {
	window *bindings.Window
	events []*envelope.Event
	dice   *dice
	free   chan *bindings.Batch

	home  sync.WaitGroup
	mu    sync.Mutex // guards what follows
	sent  []string
	acked map[string]bool
	ended map[string]int // legs, by event and sink
	errs  map[string]error
	wrong []string
}

func (s *chaosSource) Run(ctx context.Context, emit func(*bindings.Batch)) error {
	for next := 0; next < len(s.events) && ctx.Err() == nil; {
		if s.dice.roll(3) == 0 {
			sleep(ctx, time.Duration(s.dice.roll(300))*time.Millisecond)
		}
		most, _, err := s.window.Await(ctx)
		if err != nil {
			break
		}
		var b *bindings.Batch
		select {
		case b = <-s.free:
		default:
			b = bindings.NewBatch(s, 4)
		}
		for range min(1+s.dice.roll(20), most, len(s.events)-next) {
			s.events[next].CopyTo(b.Add())
			next++
		}
		if s.window.Acquire(ctx, len(b.Events), b.Size()) != nil {
			break
		}
		b.Hold(s.window, b.Size())
		s.mu.Lock()
		for i := range b.Events {
			s.sent = append(s.sent, b.Events[i].ID)
		}
		s.mu.Unlock()
		s.home.Add(1)
		emit(b)
	}
	<-ctx.Done()
	s.home.Wait()
	return nil //nolint:nilerr // the end that was asked for is no failure
}

func (s *chaosSource) Staged(b *bindings.Batch, legs []bindings.Leg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := 0
	for i := range b.Events {
		if (next == len(legs) || int(legs[next].Event) != i) && b.Err(i) == nil {
			s.acknowledge(b.Events[i].ID)
		}
		for next < len(legs) && int(legs[next].Event) == i {
			next++
		}
	}
}

func (s *chaosSource) Ended(b *bindings.Batch, legs []bindings.Leg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range legs {
		id := b.Events[l.Event].ID
		s.ended[fmt.Sprint(id, " ", l.Sink)]++
		if l.Last {
			s.acknowledge(id)
		}
	}
}

// acknowledge notes an event as done. The caller holds mu.
func (s *chaosSource) acknowledge(id string) {
	if s.acked[id] {
		s.wrong = append(s.wrong, id+" was acknowledged twice")
	}
	s.acked[id] = true
}

func (s *chaosSource) Settle(b *bindings.Batch) {
	s.mu.Lock()
	for i := range b.Events {
		id, err := b.Events[i].ID, b.Err(i)
		if _, twice := s.errs[id]; twice {
			s.wrong = append(s.wrong, id+" was settled twice")
		}
		s.errs[id] = err
		if s.acked[id] != (err == nil) {
			s.wrong = append(s.wrong, fmt.Sprintf("%s was acknowledged: %t; its outcome is %v", id, s.acked[id], err))
		}
	}
	s.mu.Unlock()
	b.Free()
	b.Reset()
	select {
	case s.free <- b:
	default:
	}
	s.home.Done()
}

// chaosSink takes its time, fails events in every way there is, and keeps what it confirmed, in order.
type chaosSink struct {
	dice    *dice
	slow    int // up to so many milliseconds for a Send
	faults  int // one event in so many fails
	hard    int // one event in so many fails for good, 0 for none
	limit   int // data larger than that is refused, 0 for no limit
	readyAt time.Time
	ordered bool

	mu        sync.Mutex // guards what follows
	confirmed []string
	refused   map[string]bool
}

func (s *chaosSink) KeepsOrder() bool { return s.ordered }

func (s *chaosSink) Ready(context.Context) error {
	if time.Now().Before(s.readyAt) {
		return errDown
	}
	return nil
}

func (*chaosSink) Close(context.Context) error { return nil }

func (s *chaosSink) Send(ctx context.Context, events []*envelope.Event) error {
	if time.Now().Before(s.readyAt) {
		panic("sent before the sink was ready")
	}
	if s.slow > 0 && !sleep(ctx, time.Duration(s.dice.roll(s.slow))*time.Millisecond) {
		return ctx.Err()
	}
	switch s.dice.roll(40) {
	case 0:
		return errDown
	case 1:
		return bindings.PauseTarget(errInternal, time.Duration(s.dice.roll(3000))*time.Millisecond)
	case 2:
		return make(bindings.BatchError, len(events)+1)
	}
	errs, broken := make(bindings.BatchError, len(events)), map[string]bool{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range events {
		switch errs[i] = s.outcome(e); {
		case s.ordered && broken[string(e.Key)] && e.Key != nil:
			errs[i] = bindings.NotSent(errDown)
		case errs[i] == nil:
			s.confirmed = append(s.confirmed, e.ID)
		case reasonOf(errs[i]) == "":
			broken[string(e.Key)] = true
		case reasonOf(errs[i]) != bindings.ReasonTooLarge || e.FindExtension("dataref") == nil:
			s.refused[e.ID] = true
		}
	}
	return errs
}

func (s *chaosSink) outcome(e *envelope.Event) error {
	if s.limit > 0 && len(e.Data) > s.limit {
		return bindings.Permanent(bindings.ReasonTooLarge, "", errors.New("large"))
	}
	if s.hard > 0 && s.dice.roll(s.hard) == 0 {
		return bindings.Permanent(bindings.ReasonRejected, "400", errors.New("no"))
	}
	if s.dice.roll(s.faults) > 0 {
		return nil
	}
	switch s.dice.roll(4) {
	case 0:
		return bindings.NotSent(errDown)
	case 1:
		return bindings.RetryAfter(errDown, time.Duration(s.dice.roll(2000))*time.Millisecond)
	case 2:
		return errInternal
	}
	return errDown
}

// chaosEvent is an event that meets every policy by chance.
func chaosEvent(rng *rand.Rand, id string) *envelope.Event {
	e := event(id, []string{"a", "b", "c", "lost"}[min(rng.IntN(9)/2, 3)], "")
	if k := rng.IntN(6); k > 0 {
		e.Key = []byte{byte('0' + k)}
	}
	if rng.IntN(8) == 0 {
		e.AddExtension("n", []string{"1", "one"}[rng.IntN(2)], envelope.KindUntyped)
	}
	if rng.IntN(3) == 0 {
		e.AddExtension("dataref", "/x", envelope.KindUntyped)
	}
	if rng.IntN(4) == 0 {
		e.Data = make([]byte, 100)
	}
	if rng.IntN(10) == 0 {
		e.AddExtension("expirytime", time.Now().Add(time.Duration(rng.IntN(20))*time.Second).Format(time.RFC3339), envelope.KindUntyped)
	}
	if rng.IntN(40) == 0 {
		e.Malformed = errors.New("no event")
	}
	return e
}

// chaos is one run with everything that can go wrong.
type chaos struct {
	seed   uint64
	rng    *rand.Rand
	source *chaosSource
	sinks  map[string]*chaosSink
	p      *Pipeline
	tables []*routing.Table
}

func newChaos(t *testing.T, seed uint64) *chaos {
	rng := rand.New(rand.NewPCG(seed, 7))
	d := &dice{rng: rand.New(rand.NewPCG(seed, 8))}
	c := &chaos{seed: seed, rng: rng, sinks: map[string]*chaosSink{}}
	never, later := time.Now().Add(1000*time.Hour), time.Now().Add(time.Duration(rng.IntN(20))*time.Second)
	of := func(s *chaosSink) *chaosSink {
		s.dice, s.refused = d, map[string]bool{}
		return s
	}
	c.sinks["keeps"] = of(&chaosSink{slow: 50, faults: 6, hard: 40, limit: 50, ordered: true})
	c.sinks["holds"] = of(&chaosSink{slow: 20, faults: 8, hard: []int{0, 200}[rng.IntN(2)], limit: 50})
	c.sinks["late"] = of(&chaosSink{slow: 500, faults: 20, readyAt: []time.Time{later, never}[rng.IntN(2)]})
	c.sinks["spends"] = of(&chaosSink{faults: 3})
	c.sinks["dead"] = of(&chaosSink{slow: 10, faults: 10, hard: []int{0, 100}[rng.IntN(2)]})
	toDead, retry := Policy{Action: ToSink, Sink: "dead"}, Retry{Max: 2 * time.Second, MaxAfter: 3 * time.Second}
	sinks := []Sink{
		{Name: "keeps", Sink: c.sinks["keeps"], BatchEvents: 1 + rng.IntN(9), Concurrency: 1 + rng.IntN(3), Retry: retry, DeadLetter: toDead, DataRef: DropTooLarge, BatchBytes: 1000},
		{Name: "holds", Sink: c.sinks["holds"], BatchEvents: 1 + rng.IntN(9), Concurrency: 1 + rng.IntN(3), Retry: retry, DeadLetter: Policy{Action: Hold}, DataRef: DropTooLarge},
		{Name: "late", Sink: c.sinks["late"], BatchEvents: 4, Retry: retry, DeadLetter: toDead, Timeout: 400 * time.Millisecond, Expired: DropExpired},
		{Name: "spends", Sink: c.sinks["spends"], BatchEvents: 4, Concurrency: 2, Retry: Retry{Max: time.Second, Attempts: 2}, Expired: LetterExpired, DeadLetter: []Policy{{Action: Drop}, toDead}[rng.IntN(2)], Linger: 20 * time.Millisecond, Order: []Order{OrderKey, OrderNone}[rng.IntN(2)]},
		{Name: "dead", Sink: c.sinks["dead"], Retry: retry},
	}
	rules := []routing.Rule{
		{Name: "keeps", When: when(t, "type", "a"), To: []string{"keeps"}},
		{Name: "holds", To: []string{"holds"}, Types: []routing.Typing{{Name: "n", Kind: envelope.KindInteger}}, When: when(t, "type", "a")},
		{Name: "again", When: when(t, "type", "b"), To: []string{"holds", "spends"}},
		{Name: "late", When: when(t, "type", "c"), To: []string{"late", "keeps"}},
		{Name: "some", When: when(t, "type", "a"), To: []string{"spends"}, Sample: 2},
	}
	for range 3 {
		table, problems := routing.Compile(slices.Clone(rules), []string{"in"}, []string{"keeps", "holds", "late", "spends", "dead"})
		for _, p := range problems {
			if !p.Warning {
				t.Fatal(problems)
			}
		}
		c.tables = append(c.tables, table)
		rng.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
	}
	w := bindings.NewWindow([]int{0, 30, 200}[rng.IntN(3)], []int{0, 100 << 10}[rng.IntN(2)])
	c.source = &chaosSource{
		window: w, dice: d, free: make(chan *bindings.Batch, 8), acked: map[string]bool{}, ended: map[string]int{}, errs: map[string]error{},
	}
	for i := range 100 + rng.IntN(400) {
		c.source.events = append(c.source.events, chaosEvent(rng, fmt.Sprintf("%05d", i)))
	}
	var err error
	c.p, err = New(Settings{
		Sources: []Source{{Name: "in", Source: c.source, Window: w}}, Sinks: sinks, Table: c.tables[0], Drain: 5 * time.Second, Log: zap.NewNop(),
		Unmatched: c.unmatched(toDead), DeadLetter: []Policy{toDead, {Action: Hold}}[rng.IntN(2)],
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *chaos) unmatched(toDead Policy) Policy {
	return []Policy{{Action: Drop}, {Action: ToDead}, toDead}[c.rng.IntN(3)]
}

// run stops the pipeline after a random time, while routes are exchanged.
func (c *chaos) run(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.p.Run(ctx) }()
	for range 1 + c.rng.IntN(3) {
		time.Sleep(time.Duration(c.rng.IntN(60000)) * time.Millisecond)
		if err := c.p.SetRoutes(c.tables[c.rng.IntN(len(c.tables))], c.unmatched(Policy{Action: ToSink, Sink: "dead"})); err != nil {
			t.Error(err)
		}
	}
	stop()
	began := time.Now()
	<-done // an error says that the drain time was too short, which the sinks decide
	if took := time.Since(began); took > c.p.settings.Drain+100*time.Millisecond {
		t.Errorf("seed %d: the stop took %s", c.seed, took)
	}
}

// check holds the run to the invariants.
func (c *chaos) check(t *testing.T) {
	for _, wrong := range c.source.wrong {
		t.Errorf("seed %d: %s", c.seed, wrong)
	}
	for _, id := range c.source.sent {
		if _, home := c.source.errs[id]; !home {
			t.Errorf("seed %d: %s did not come home", c.seed, id)
		}
	}
	if events, bytes := c.source.window.InFlight(); events != 0 || bytes != 0 {
		t.Errorf("seed %d: the window has %d events and %d bytes after the stop", c.seed, events, bytes)
	}
	l := c.p.Ledger()
	for _, s := range l.Sinks {
		if s.InFlight != 0 {
			t.Errorf("seed %d: sink %s: %+v", c.seed, s.Name, s.Legs)
		}
	}
	if l.Policies.InFlight != 0 || int(l.Sources[0].Events) != len(c.source.sent) {
		t.Errorf("seed %d: %+v, %d sent, policies %+v", c.seed, l.Sources[0], len(c.source.sent), l.Policies)
	}
	for i := range c.p.stats.pendings[0] {
		if n := c.p.stats.pendings[0][i].Load(); n != 0 {
			t.Errorf("seed %d: %d pending in column %d", c.seed, n, i)
		}
	}
	for _, name := range []string{"keeps", "holds", "late"} {
		c.checkOrder(t, name)
	}
	c.checkDelivered(t)
}

// checkOrder wants the first confirmations of each key in order, and nothing confirmed that follows an event which went
// back to the source.
func (c *chaos) checkOrder(t *testing.T, name string) {
	s := c.sinks[name]
	first, last := map[string]bool{}, map[string]string{}
	key := map[string]string{}
	for _, e := range c.source.events {
		key[e.ID] = string(e.Key)
	}
	for _, id := range s.confirmed {
		k := key[id]
		if first[id] || k == "" {
			first[id] = true
			continue
		}
		if first[id] = true; id < last[k] {
			t.Errorf("seed %d: sink %s: key %s: %s after %s", c.seed, name, k, id, last[k])
		}
		last[k] = id
	}
	if name != "holds" {
		return
	}
	for _, e := range c.source.events {
		k := key[e.ID]
		if k == "" || e.Malformed != nil || first[e.ID] || c.source.errs[e.ID] == nil || e.Type != "a" && e.Type != "b" || e.ID > last[k] {
			continue
		}
		if a := e.FindExtension("n"); a != nil && a.Value == "one" && e.Type == "a" {
			continue // held before it had a place in the lane
		}
		t.Errorf("seed %d: sink %s: key %s: %s went back and %s was delivered", c.seed, name, k, e.ID, last[k])
	}
}

// checkDelivered wants every acknowledged event at each of its sinks, or among the dead letters where that is the policy.
func (c *chaos) checkDelivered(t *testing.T) {
	at := map[string]map[string]bool{}
	for name, s := range c.sinks {
		at[name] = map[string]bool{}
		for _, id := range s.confirmed {
			at[name][id] = true
		}
	}
	to := map[string][]string{"a": {"keeps", "holds"}, "b": {"holds"}, "c": {"keeps", "late"}}
	for _, e := range c.source.events {
		err, home := c.source.errs[e.ID]
		if !home || err != nil {
			continue
		}
		want := to[e.Type]
		if e.Malformed != nil {
			continue // its dead letter has another id
		}
		for _, name := range want {
			expired := name == "late" && e.FindExtension("expirytime") != nil
			letter := name != "holds" && at["dead"][e.ID]
			if !at[name][e.ID] && !letter && !expired {
				t.Errorf("seed %d: %s (%s) was acknowledged and sink %s does not have it", c.seed, e.ID, e.Type, name)
			}
		}
	}
}

// TestNothingIsLostOrReorderedWhateverFails: events with and without keys, sinks that fail in every way, are slow or not
// there, policies that hold, drop and expire, reloads, and a stop at any time.
func TestNothingIsLostOrReorderedWhateverFails(t *testing.T) {
	for seed := range uint64(chaosSeeds) {
		synctest.Test(t, func(t *testing.T) {
			c := newChaos(t, seed)
			c.run(t)
			c.check(t)
		})
	}
}

// chaosSeeds is how many runs a test does; each takes a few milliseconds.
const chaosSeeds = 100
