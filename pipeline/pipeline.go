// Package pipeline joins sources, routes and sinks: it matches each event on the source's own goroutine, appends one
// delivery per target to that sink's lane, and settles the source's batch when the last of its deliveries has an
// outcome. All retries and dead letters live here; sources and sinks only classify.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// Order says which events keep their order on the way to a sink.
type Order uint8

// The orders. OrderKey is the default: events that share the source's own key.
const (
	OrderKey Order = iota
	OrderPartition
	OrderSubject
	OrderSource
	OrderPartitionKey
	OrderNone
)

// Action is what a policy does with an event.
type Action uint8

// The actions of the unmatched and dead-letter policies.
const (
	Drop   Action = iota // discard it and count that
	Hold                 // keep it pending, and with it its place at the source
	Reject               // let the source refuse it; a source that cannot gives it to the dead letter
	ToDead               // give it to the dead-letter policy
	ToSink               // deliver it to Policy.Sink
)

// Policy is a stated decision about events that no ordinary delivery will end.
type Policy struct {
	Action Action
	Sink   string // for ToSink
}

// Retry is how transient failures are repeated: full jitter between nothing and Initial doubled with each attempt,
// at most Max. For and Attempts bound it, 0 for no bound; what exceeds them goes to the dead letter.
type Retry struct {
	Initial, Max time.Duration
	For          time.Duration
	Attempts     int
	// MaxAfter bounds what a target may ask for (Retry-After), 0 for no bound.
	MaxAfter time.Duration
}

// Source is a source with its name.
type Source struct {
	Name   string
	Source bindings.Source
	// Window is the one that Source takes room from, for what is told of it; it may be nil.
	Window *bindings.Window
}

// Sink is a sink with its name and the policies of its lane. Zero values of Concurrency, BatchEvents, BatchBytes and
// Retry take defaults.
type Sink struct {
	Name string
	// Identity tells the sink from another one that had its name before: what a source has stored of one does not hold for
	// the other. It is the same in every process.
	Identity string
	Sink     bindings.Sink
	Order    Order
	// Concurrency is the number of shards, each a worker that sends one batch at a time.
	Concurrency int
	// BatchEvents and BatchBytes bound what one Send gets. Linger waits that long for a batch to fill.
	BatchEvents, BatchBytes int
	Linger                  time.Duration
	// AwaitReady keeps the sources from reading until the sink has been ready once. Without it only what is for this
	// sink waits.
	AwaitReady bool
	// Timeout bounds one Send, 0 for no bound.
	Timeout time.Duration
	// Rate bounds events per second, 0 for no bound.
	Rate  float64
	Retry Retry
	// DeadLetter is what becomes of events that failed for good.
	DeadLetter Policy
	// Expired is what becomes of events whose expirytime has passed; by default they are delivered.
	Expired Expired
	// DataRef is what becomes of data that a dataref names as well; by default it is forwarded.
	DataRef DataRef
	// Accepts is what classified data the sink may be given; nil asks nothing.
	Accepts *Accepts
}

// Settings is what a pipeline is made of.
type Settings struct {
	Sources []Source
	Sinks   []Sink
	Table   *routing.Table
	// Unmatched is the policy for events that no route matched; DeadLetter the one for malformed messages and for
	// events that a policy sends to the dead letter.
	Unmatched, DeadLetter Policy
	// Drain is how long a stop waits for deliveries before it gives up on them.
	Drain time.Duration
	Log   *zap.Logger
}

// Pipeline runs sources into sinks. New makes one, Run runs it once.
type Pipeline struct {
	settings Settings
	log      *zap.Logger
	lanes    []*lane
	laneOf   map[string]int
	plan     atomic.Pointer[plan]
	stats    *stats
	health   health
	held     heldBatches
	events   sync.Pool // of *envelope.Event: copies that routes, sinks and dead letters change
	draining atomic.Bool
}

// New compiles the routes against the sinks. Nothing is started.
func New(s Settings) (*Pipeline, error) {
	p := &Pipeline{settings: s, log: s.Log, laneOf: map[string]int{}, stats: newStats(s)}
	p.events.New = func() any { return new(envelope.Event) }
	if p.log == nil {
		p.log = zap.NewNop()
	}
	if p.settings.Drain <= 0 {
		p.settings.Drain = 25 * time.Second
	}
	shards := 0
	for i, sink := range s.Sinks {
		if _, dup := p.laneOf[sink.Name]; dup {
			return nil, fmt.Errorf("pipeline: sink %s is defined twice", sink.Name)
		}
		p.laneOf[sink.Name] = i
		l := newLane(p, i, shards)
		shards += len(l.shards)
		p.lanes = append(p.lanes, l)
	}
	for _, l := range p.lanes {
		dead, err := p.resolveDead(l.sink.DeadLetter)
		if err != nil {
			return nil, fmt.Errorf("pipeline: sink %s: dead letter: %w", l.sink.Name, err)
		}
		if dead.lane == l {
			dead = target{action: Hold} // a dead-letter sink has no dead letter of its own
		}
		l.dead = dead
		if dead.action == Hold {
			// A held event waits forever, and what follows it of its key must not pass it; a sink that keeps order
			// fails the followers of a transient failure only.
			l.keepsOrder = false
		}
	}
	if err := p.SetRoutes(s.Table, s.Unmatched); err != nil {
		return nil, err
	}
	p.settings.Table = nil // the plan has it; a reload replaces that one
	return p, nil
}

// SetRoutes replaces the routes and the unmatched policy, at any time. Events dispatched before keep theirs. When it
// fails, nothing has changed.
func (p *Pipeline) SetRoutes(table *routing.Table, unmatched Policy) error {
	pl, err := p.compile(table, unmatched)
	if err != nil {
		return err
	}
	p.plan.Store(pl)
	for _, src := range p.settings.Sources {
		if f, ok := src.Source.(bindings.PlanFollower); ok {
			f.OnPlan(bindings.Plan{Fingerprint: pl.fingerprint, Sinks: p.stats.sinkIDs()})
		}
	}
	return nil
}

// Run starts the lanes, waits for the sinks that are to be awaited, runs the sources until ctx is done, and stops in the
// other order. What is for a sink that is not ready waits for it; the other sinks get their events. Run returns nil after a stop in which every batch came home settled, an error if a source failed or
// deliveries had to be given up after the drain time (those events stay at their source).
func (p *Pipeline) Run(ctx context.Context) error {
	sendCtx, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	var workers sync.WaitGroup
	srcCtx, stop := context.WithCancel(ctx)
	sinks := p.openSinks(srcCtx)
	var watcher sync.WaitGroup
	watcher.Go(func() { p.watchWindows(srcCtx) })
	for _, l := range p.lanes {
		for _, s := range l.shards {
			workers.Go(func() { s.work(sendCtx) })
		}
	}
	broken := p.watchSinks()
	drained := make(chan error, 1)
	go func() { drained <- p.runSources(srcCtx, stop, sinks) }()

	var err error
	select {
	case err = <-drained:
	case <-srcCtx.Done():
		err = p.drain(drained, giveUp)
	case err = <-broken:
		stop()
		p.releaseHeld()
		giveUp(bindings.ErrStopped) // there is nothing to wait for: the events stay at their sources
		err = errors.Join(err, <-drained)
	}
	for _, l := range p.lanes {
		l.close()
	}
	workers.Wait()
	stop()
	sinks.wait()
	watcher.Wait()
	return errors.Join(err, p.closeSinks())
}

// watchSinks returns where a sink that fails for good is reported.
func (p *Pipeline) watchSinks() <-chan error {
	broken := make(chan error, 1)
	for _, l := range p.lanes {
		f, ok := l.sink.Sink.(bindings.FailureReporter)
		if !ok {
			continue
		}
		name := "sink " + l.sink.Name
		f.OnFailure(func(err error) {
			err = fmt.Errorf("%s: %w", name, err)
			p.health.fail(name, err)
			select {
			case broken <- err:
			default:
			}
		})
	}
	return broken
}

// drain waits for the sources to come home, and after the drain time makes every Send fail so that they do
// (invariant 7).
func (p *Pipeline) drain(drained <-chan error, giveUp context.CancelCauseFunc) error {
	p.releaseHeld()
	timer := time.NewTimer(p.settings.Drain)
	defer timer.Stop()
	select {
	case err := <-drained:
		return err
	case <-timer.C:
	}
	left := p.stats.inFlight()
	giveUp(bindings.ErrStopped)
	err := <-drained
	return errors.Join(err, fmt.Errorf(
		"pipeline: deliveries still pending after the drain time of %s: %d; their events stay at the source",
		p.settings.Drain, left))
}

// runSources waits for the sinks that are to be awaited, then runs every source until it returns. The first failure
// stops all.
func (p *Pipeline) runSources(ctx context.Context, stop context.CancelFunc, sinks *opening) error {
	if !sinks.await(ctx) {
		return nil
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex // guards errs
		errs []error
	)
	for i, src := range p.settings.Sources {
		wg.Go(func() {
			name := "source " + src.Name
			if r, ok := src.Source.(bindings.Readier); ok && !p.awaitReady(ctx, name, r, p.health.set) {
				return
			}
			if f, ok := src.Source.(bindings.ReadReporter); ok {
				p.health.set(name, errSubscribing)
				f.OnReading(func(err error) { p.health.set(name, err) })
			} else {
				p.health.set(name, nil)
			}
			if f, ok := src.Source.(bindings.FailureReporter); ok {
				f.OnFailure(func(err error) {
					p.health.fail(name, err)
					p.log.Error("source failed for good; the router stops", zap.String("source", src.Name), zap.Error(err))
					stop()
				})
			}
			err := src.Source.Run(ctx, func(b *bindings.Batch) { p.dispatch(b, i) })
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
				p.health.fail(name, err)
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
				stop()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (p *Pipeline) closeSinks() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	errs := make([]error, len(p.lanes))
	var wg sync.WaitGroup
	for i, l := range p.lanes {
		wg.Go(func() {
			if err := l.sink.Sink.Close(ctx); err != nil {
				errs[i] = fmt.Errorf("sink %s: close: %w", l.sink.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
