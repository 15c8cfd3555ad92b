package judge

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/routing"
)

// What a report shows of addresses, conditions, attributes that a route sets and errors has variables as the file has them:
// such reports stand in the logs of pull requests, and the address of a chat hook is a secret.

// The keys of sinks that addresses and keys of deliveries come from.
var (
	addressKeys = []string{"kafka.topic", "nats.subject", "http.url", "sqs.queue"}
	orderKeys   = []string{"kafka.key", "sqs.group_id", "nats.subject"}
)

// written shows a text that parts of a configuration brought about.
func written(cfg *config.Config, text string, paths ...string) string {
	for _, path := range paths {
		text = cfg.AsWritten(path, text)
	}
	return text
}

// paths are the parts that a delivery comes from: the keys of its sink, or all of it, and its route.
func (l *leg) paths(keys ...string) []string {
	var all []string
	for _, key := range keys {
		all = append(all, config.SinkPath(l.Sink)+"."+key)
	}
	if keys == nil {
		all = append(all, config.SinkPath(l.Sink))
	}
	if l.rule >= 0 {
		all = append(all, config.RoutePath(l.rule))
	}
	return all
}

// shownTarget is a delivery as a report has it.
func shownTarget(cfg *config.Config, l leg, t Target) Target {
	t.Address = written(cfg, t.Address, l.paths(addressKeys...)...)
	t.Key = written(cfg, t.Key, l.paths(orderKeys...)...)
	t.Error = written(cfg, t.Error, l.paths()...)
	t.Set = shownSet(cfg, t.Set, l.paths()[1:]...)
	return t
}

// shownSet are attributes that a route changed.
func shownSet(cfg *config.Config, set map[string]*string, paths ...string) map[string]*string {
	if set == nil {
		return nil
	}
	shown := map[string]*string{}
	for name, value := range set {
		if shown[name] = value; value != nil {
			text := written(cfg, *value, paths...)
			shown[name] = &text
		}
	}
	return shown
}

// routesPath is the place of all routes.
const routesPath = "routes"

// shown puts the words of the files into the moves of a comparison, which compared what variables stand for.
func (d *Difference) shown(before, after *config.Config) {
	hidden := d.Synthesised && (patternsVary(before) || patternsVary(after))
	for i := range d.Moves {
		m := &d.Moves[i]
		m.Before.shown(before)
		m.After.shown(after)
		if !d.Synthesised {
			continue
		}
		for k := range m.Events { // they are made of the values in conditions
			x := &m.Events[k]
			if hidden {
				x.Type, x.Source, x.Event = ellipsis, ellipsis, nil
				continue
			}
			words := func(text string) string { return after.AsWritten(routesPath, before.AsWritten(routesPath, text)) }
			x.Type, x.Source = words(x.Type), words(x.Source)
			if x.Event = json.RawMessage(words(string(x.Event))); !json.Valid(x.Event) {
				x.Event = nil // a variable stood for a number
			}
		}
	}
}

// ellipsis stands for what is not shown.
const ellipsis = "…"

// patternsVary reports whether a regular expression comes from a variable: a text that is made to match it holds pieces of
// the expression, which nobody can tell from others.
func patternsVary(cfg *config.Config) bool {
	for i := range cfg.Rules {
		if when := cfg.Rules[i].When; when != nil {
			if text := when.String(); strings.Contains(text, "regex") && cfg.AsWritten(config.RoutePath(i), text) != text {
				return true
			}
		}
	}
	return false
}

// shown puts the words of the file into what copies have otherwise than the event.
func (o *Outcome) shown(cfg *config.Config) {
	for _, copies := range o.Set {
		for i, set := range copies {
			copies[i] = shownSet(cfg, set, routesPath)
		}
	}
}

// shownFinding is a predicate of a route as a report has it. What the event has is shown as it is.
func (j *Judge) shownFinding(f *routing.Finding, rule int) *routing.Finding {
	if f == nil {
		return nil
	}
	shown := *f
	shown.Predicate = j.cfg.AsWritten(config.RoutePath(rule), f.Predicate)
	shown.Note = j.cfg.AsWritten(config.RoutePath(rule), f.Note)
	return &shown
}

// shownFailures are what a failed test says, in the words of the file.
func (j *Judge) shownFailures(number int, legs []leg, failures []TestFailure) {
	paths := []string{fmt.Sprintf("tests[%d]", number)}
	for i := range legs {
		paths = append(paths, legs[i].paths()...)
	}
	for i := range failures {
		f := &failures[i]
		f.Expected, f.Actual = written(j.cfg, f.Expected, paths...), written(j.cfg, f.Actual, paths...)
	}
}
