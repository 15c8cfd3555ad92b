package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// plan is the compiled form of a configuration's routes and policies. It is immutable; an event in flight keeps the
// one it was dispatched with.
type plan struct {
	table     *routing.Table
	rules     []planRule
	sources   []int // the table's numbers of the pipeline's sources
	unmatched target
	dead      target
	// dispatchers are recycled per plan because their scratch belongs to its table.
	dispatchers sync.Pool
}

// planRule is what a matching route does.
type planRule struct {
	name  string
	lanes []*lane
	drop  bool
	set   *setter // nil where the route delivers the event as it is
	// matched is the route's counter; it outlives the plan.
	matched *atomic.Int64
	// dropped counts what "to: drop" discarded.
	dropped *atomic.Int64
}

// target is a policy with its sink resolved.
type target struct {
	action Action
	lane   *lane
}

// setter applies a route's set. Equal sets of several routes share one setter, so that a sink which both name gets
// the event once.
type setter struct {
	variant string
	ops     []setOp
}

type setOp struct {
	name  string
	value *template.Template // nil removes the attribute
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
	for _, r := range table.Rules() {
		pr := planRule{name: r.Name, drop: r.Drop, matched: p.stats.route(r.Name), dropped: p.stats.drop("route " + r.Name)}
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
	pl.dispatchers.New = func() any { return newDispatcher(p, pl) }
	return pl, nil
}

func newSetter(r routing.Rule, known map[string]*setter) (*setter, error) {
	if len(r.Set) == 0 {
		return nil, nil
	}
	s := &setter{variant: r.Name}
	for _, a := range r.Set {
		op := setOp{name: a.Name}
		if !a.Remove {
			t, err := template.Compile(a.Template, template.Raw)
			if err != nil {
				return nil, fmt.Errorf("set: %s: %w", a.Name, err)
			}
			op.value = t
		}
		s.ops = append(s.ops, op)
	}
	key := SetKey(r)
	if same := known[key]; same != nil {
		return same, nil
	}
	known[key] = s
	return s, nil
}

// SetKey returns a text that is equal for rules that change events in the same way, empty for one that changes
// nothing. A sink gets an event once for each of them.
func SetKey(r routing.Rule) string {
	var key strings.Builder
	for _, a := range r.Set {
		fmt.Fprintf(&key, "%q=%q,%t;", a.Name, a.Template, a.Remove)
	}
	return key.String()
}

// apply makes dst the event that the route delivers. Every template sees the original.
func (s *setter) apply(dst, e *envelope.Event) error {
	e.CopyTo(dst)
	dst.Variant = s.variant
	for i := range s.ops {
		op := &s.ops[i]
		if op.value == nil {
			dst.Remove(op.name)
			continue
		}
		text, err := op.value.Append(nil, e)
		if err != nil {
			return bindings.Permanent(bindings.ReasonTransform, "", fmt.Errorf("set %s: %w", op.name, err))
		}
		dst.Set(op.name, string(text), envelope.KindUntyped)
	}
	if err := dst.Validate(envelope.Options{Lenient: true}); err != nil {
		return bindings.Permanent(bindings.ReasonTransform, "", fmt.Errorf("set makes an invalid event: %w", err))
	}
	return nil
}

// ApplySet returns the event that a rule delivers: e itself where the rule sets nothing, a changed copy otherwise.
// Commands that explain or test a configuration use it; it does what the running router does.
func ApplySet(r routing.Rule, e *envelope.Event) (*envelope.Event, error) {
	s, err := newSetter(r, map[string]*setter{})
	if err != nil || s == nil {
		return e, err
	}
	dst := new(envelope.Event)
	if err := s.apply(dst, e); err != nil {
		return nil, err
	}
	return dst, nil
}
