package config

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/routing"
)

// Problem is a mistake in the configuration, or something that it needs and the machine lacks.
type Problem struct {
	routing.Problem
	// Environment is true where the configuration is well formed and the machine is not as it says, such as a missing
	// file. A command that meets only such problems exits with 3 instead of 2.
	Environment bool
}

// Problems is the error of Load: everything that is wrong, by file and line. It is never empty.
type Problems struct {
	List []Problem
	// Warnings are what is legal and yet cannot be what its author wanted; often it explains a problem.
	Warnings []Problem
}

// Error prints one problem per line as file:line:column: path: message.
func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i := range p.List {
		lines[i] = p.List[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Environment reports whether every problem is one of the machine and none is one of the configuration.
func (p *Problems) Environment() bool {
	return !slices.ContainsFunc(p.List, func(q Problem) bool { return !q.Environment })
}

// collector gathers problems and warnings of one Load.
type collector struct {
	problems, warnings []Problem
}

// at records a mistake at a place that has no node.
func (c *collector) at(pos routing.Pos, path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Problem: routing.Problemf(pos, path, format, args...)})
}

// add records a mistake at a node.
func (c *collector) add(n *node, format string, args ...any) { c.key(n, n.pos, format, args...) }

// key records a mistake about a node whose place is elsewhere, such as at its key.
func (c *collector) key(n *node, pos routing.Pos, format string, args ...any) {
	c.at(pos, n.path(), format, args...)
	n.wrong = true
	n.damage()
}

// missing records something that the machine lacks.
func (c *collector) missing(n *node, format string, args ...any) {
	c.add(n, format, args...)
	c.problems[len(c.problems)-1].Environment = true
}

// warn records something legal that cannot be what its author wanted.
func (c *collector) warn(n *node, format string, args ...any) {
	c.warnings = append(c.warnings, Problem{Problem: routing.Warningf(n.pos, n.path(), format, args...)})
}

// routing records what the routing package found below n.
func (c *collector) routing(n *node, found []routing.Problem) {
	if len(found) == 0 {
		return
	}
	values := n.scrubber()
	for _, p := range found {
		p.Message = values.scrub(p.Message, true)
		if p.Pos.Line == 0 {
			p.Pos = n.pos
		}
		if p.Path == "" {
			p.Path = n.path()
		}
		if p.Warning {
			c.warnings = append(c.warnings, Problem{Problem: p})
		} else {
			c.problems = append(c.problems, Problem{Problem: p})
			n.damage()
		}
	}
}

// fields records the errors of a Validate method, each at the key it names below block. Where strict decoding already
// refused something, a complaint about a key that is absent, or about the map in which it stands, may only be its echo and
// is left out.
func (c *collector) fields(block *node, err error) {
	damaged := block.damaged
	for _, e := range flatten(err) {
		field, environment := "", false
		message := e.Error()
		if f := new(bindings.FieldError); errors.As(e, &f) {
			field, environment, message = f.Field, f.Environment, f.Err.Error()
		}
		place, exact := block.nearest(field)
		echo := place.damaged
		if place == block || !exact { // which a complaint before this one may have marked
			echo = damaged
		}
		if echo {
			continue
		}
		path := place.path()
		if !exact { // the key is absent: it is the binding's own, and none that somebody wrote
			path = strings.TrimPrefix(block.path()+"."+routing.Clip(field), ".")
		}
		c.at(place.pos, path, "%s", block.scrub(message))
		block.damage()
		c.problems[len(c.problems)-1].Environment = environment
	}
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// err returns what was collected, nil if there is nothing.
func (c *collector) err() error {
	if len(c.problems) == 0 {
		return nil
	}
	return &Problems{List: tidy(c.problems), Warnings: tidy(c.warnings)}
}

// tidy sorts by place and drops repetitions, which anchors that are used several times bring about.
func tidy(list []Problem) []Problem {
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message),
		)
	})
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(p Problem) bool {
		key := p.Pos.String() + "\x00" + p.Message
		if p.Pos.Line == 0 {
			key += "\x00" + p.Path
		}
		if seen[key] {
			return true
		}
		seen[key] = true
		return false
	})
}
