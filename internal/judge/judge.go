// Package judge says what a configuration would do with events, without any broker: where each goes and why, whether the
// configuration's own tests hold and which routes they reach, and what differs between two configurations. It decides by
// the table and the changes of the running router, and asks the sinks what they would send.
package judge

import (
	"context"
	"slices"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/pipeline"
	"github.com/eventrouter/router/routing"
)

// Judge says where events go, by the same table and the same rules as the running router.
type Judge struct {
	cfg     *config.Config
	table   *routing.Table
	scratch *routing.Scratch
	// asked are the sinks that were asked what they would send; nil until one is.
	asked *previews
	hints hinter
}

// leg is one delivery of an event: to a sink, by the first route that named it, as the copy that the sink gets.
type leg struct {
	Sink  string
	Route string
	Event *envelope.Event
	// Set are the attributes that the route gave another value, nil for those that it removed.
	Set map[string]*string
	// Types are the types that attribute_types gave.
	Types map[string]string
	// rule is the number of the route, -1 where a policy leads to the sink.
	rule int
	// Err is why the route's changes cannot be applied; the event then goes to the dead letter.
	Err error
}

// ruling is what becomes of an event.
type ruling struct {
	Routes  []string
	Legs    []leg
	Dropped bool // a route said so
	// SampledOut are the routes that matched and whose sample leaves the event out.
	SampledOut []string
	// Unmatched is true where no route matched; Legs then hold the policy's sink, if it names one.
	Unmatched bool
}

// New returns a judge of a configuration; no sink is made until one has to be asked.
func New(cfg *config.Config) *Judge {
	return &Judge{cfg: cfg, table: cfg.Table, scratch: cfg.Table.NewScratch()}
}

// previewed returns what asks the sinks what they would send.
func (j *Judge) previewed() (*previews, error) {
	if j.asked != nil {
		return j.asked, nil
	}
	var err error
	j.asked, err = newPreviews(j.cfg)
	return j.asked, err
}

// Close releases the sinks that were asked.
func (j *Judge) Close(ctx context.Context) {
	if j.asked != nil {
		j.asked.close(ctx)
	}
}

// source returns the number of a source; every rule applies where it has no name.
func (j *Judge) source(name string) int {
	if id, ok := j.table.Source(name); ok {
		return id
	}
	return -1
}

func (j *Judge) rule(from string, e *envelope.Event) ruling {
	var r ruling
	matched := j.table.Match(j.scratch, j.source(from), e)
	if len(matched) == 0 {
		r.Unmatched = true
		if name := j.cfg.Unmatched; j.isSink(name) {
			r.Legs = append(r.Legs, leg{Sink: name, Event: e, rule: -1})
		}
		return r
	}
	type key struct{ sink, set string }
	seen := map[key]bool{}
	rules := j.table.Rules()
	for _, n := range matched {
		rule := rules[n]
		r.Routes = append(r.Routes, rule.Name)
		r.Dropped = r.Dropped || rule.Drop
		made, err := pipeline.Apply(rule, e)
		if made.SampledOut {
			r.SampledOut = append(r.SampledOut, rule.Name)
			continue
		}
		for _, sink := range rule.To {
			k := key{sink, made.Key}
			if !seen[k] {
				seen[k] = true
				r.Legs = append(r.Legs, leg{
					Sink: sink, Route: rule.Name, rule: int(n), Event: made.Event, Set: changes(rule, e, made.Event), Types: typed(rule, e, made.Event), Err: err,
				})
			}
		}
	}
	return r
}

// changes lists the values that a rule made different.
func changes(r routing.Rule, e, copied *envelope.Event) map[string]*string {
	if copied == nil {
		return nil
	}
	var changed map[string]*string
	names := make([]string, 0, len(r.Set)+1)
	for _, a := range r.Set {
		names = append(names, a.Name)
	}
	if r.Sample > 1 {
		names = append(names, "sampledrate")
	}
	for _, name := range names {
		before, had := e.Get(name)
		after, has := copied.Get(name)
		if had == has && before == after {
			continue
		}
		if changed == nil {
			changed = map[string]*string{}
		}
		changed[name] = nil
		if has {
			changed[name] = &after
		}
	}
	return changed
}

// typed lists the types that a rule gave, by attribute.
func typed(r routing.Rule, e, copied *envelope.Event) map[string]string {
	if copied == nil || copied == e {
		return nil
	}
	var types map[string]string
	for _, t := range r.Types {
		before, after := e.FindExtension(t.Name), copied.FindExtension(t.Name)
		if after == nil || before != nil && before.Kind == after.Kind {
			continue
		}
		if types == nil {
			types = map[string]string{}
		}
		types[t.Name] = routing.TypeName(after.Kind)
	}
	return types
}

func (j *Judge) isSink(name string) bool {
	_, ok := j.cfg.Sinks[name]
	return ok
}

// sinks returns the sinks of a ruling, each once, in the order of delivery; "drop" stands for a stated drop.
func (r *ruling) sinks() []string {
	var names []string
	for _, l := range r.Legs {
		if !slices.Contains(names, l.Sink) {
			names = append(names, l.Sink)
		}
	}
	if r.Dropped {
		names = append(names, "drop")
	}
	return names
}
