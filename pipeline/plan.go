package pipeline

import (
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"

	"github.com/eventrouter/router/routing"
)

// plan is the compiled form of a configuration's routes and policies. It is immutable; an event in flight keeps the
// one it was dispatched with.
type plan struct {
	table       *routing.Table
	fingerprint uint64 // of what decides where events go
	rules       []planRule
	sources     []int // the table's numbers of the pipeline's sources
	unmatched   target
	dead        target
	// dispatchers are recycled per plan because their scratch belongs to its table.
	dispatchers sync.Pool
}

// planRule is what a matching route does.
type planRule struct {
	name  string
	lanes []*lane
	drop  bool
	set   *setter // nil where the route delivers every event as it is
	// matched is the route's counter; it outlives the plan.
	matched *atomic.Int64
	// dropped counts what "to: drop" discarded; nil for other routes.
	dropped *atomic.Int64
	// sample is 1 in so many, 0 for all; sampled counts what it leaves out.
	sample  uint64
	sampled *atomic.Int64
}

// target is a policy with its sink resolved.
type target struct {
	action Action
	lane   *lane
}

func (p *Pipeline) resolve(pol Policy) (target, error) {
	if pol.Action != ToSink {
		return target{action: pol.Action}, nil
	}
	i, ok := p.laneOf[pol.Sink]
	if !ok {
		return target{}, fmt.Errorf("no sink named %s", pol.Sink)
	}
	return target{ToSink, p.lanes[i]}, nil
}

// resolveDead resolves a dead-letter policy, which cannot pass the event on to yet another policy.
func (p *Pipeline) resolveDead(pol Policy) (target, error) {
	if pol.Action == Reject || pol.Action == ToDead {
		return target{}, errors.New("must be a sink, hold or drop")
	}
	return p.resolve(pol)
}

// compile binds a table's rules to the pipeline's lanes.
func (p *Pipeline) compile(table *routing.Table, unmatched Policy) (*plan, error) {
	pl := &plan{table: table}
	for _, s := range p.settings.Sources {
		number, known := table.Source(s.Name)
		if !known {
			return nil, fmt.Errorf("pipeline: the routes know no source %s", s.Name)
		}
		pl.sources = append(pl.sources, number)
	}
	var err error
	if pl.dead, err = p.resolveDead(p.settings.DeadLetter); err != nil {
		return nil, fmt.Errorf("pipeline: dead_letter: %w", err)
	}
	if pl.unmatched, err = p.resolve(unmatched); err != nil {
		return nil, fmt.Errorf("pipeline: unmatched: %w", err)
	}
	setters := map[string]*setter{}
	rules := table.Rules()
	pl.rules = make([]planRule, 0, len(rules))
	for _, r := range rules {
		pr := planRule{name: r.Name, drop: r.Drop, matched: p.stats.route(r.Name)}
		if r.Drop {
			pr.dropped = p.stats.drop("route " + r.Name)
		}
		if r.Sample > 1 {
			pr.sample, pr.sampled = uint64(r.Sample), p.stats.drop("route "+r.Name+" sampled")
		}
		for _, name := range r.To {
			i, ok := p.laneOf[name]
			if !ok {
				return nil, fmt.Errorf("pipeline: route %s: no sink named %s", r.Name, name)
			}
			pr.lanes = append(pr.lanes, p.lanes[i])
		}
		if pr.set, err = newSetter(r, setters); err != nil {
			return nil, fmt.Errorf("pipeline: route %s: %w", r.Name, err)
		}
		pl.rules = append(pl.rules, pr)
	}
	pl.fingerprint = p.fingerprint(table, unmatched)
	pl.dispatchers.New = func() any { return newDispatcher(p, pl) }
	return pl, nil
}

// fingerprint returns a hash of everything that decides to which sinks an event goes, the same in every process.
func (p *Pipeline) fingerprint(table *routing.Table, unmatched Policy) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%v %v\n", unmatched, p.settings.DeadLetter) // a hash takes all that is written to it
	for _, r := range table.Rules() {
		fmt.Fprintf(h, "%q %q %q %t %t %t %d %q\n", r.When, r.From, r.To, r.Stop, r.Drop, r.RewriteSource, r.Sample, SetKey(r))
	}
	return h.Sum64()
}
