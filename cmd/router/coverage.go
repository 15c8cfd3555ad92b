package main

import (
	"context"
	"slices"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/routing"
)

// coverage says which routes the tests of a configuration reach.
type coverage struct {
	Routes  int     `json:"routes"`
	Covered int     `json:"covered"`
	Percent float64 `json:"percent"`
	// Unmatched says that some event of a test matches no route.
	Unmatched bool           `json:"unmatched"`
	Each      []routeCovered `json:"each"`

	catchAll bool // a route takes every event, so that none is unmatched
}

// routeCovered is the coverage of one route.
type routeCovered struct {
	Name  string `json:"name"`
	Place string `json:"place"`
	// Matched is how many events of the tests the route matched, Failed how many its condition refused.
	Matched int `json:"matched"`
	Failed  int `json:"failed"`
	// ShadowedBy are the routes whose stop kept events from the route that its condition would have taken.
	ShadowedBy []string `json:"shadowed_by,omitempty"`
}

// coverageOf asks every route about every event of the tests.
func coverageOf(cfg *config.Config) coverage {
	j := newJudge(cfg)
	defer j.close(context.Background())
	rules := j.table.Rules()
	c := coverage{Routes: len(rules), Percent: 100, Each: make([]routeCovered, len(rules))}
	for i, r := range rules {
		c.Each[i] = routeCovered{Name: r.Name, Place: r.Pos.String()}
		c.catchAll = c.catchAll || r.When == nil && r.From == nil
	}
	for i := range cfg.Tests {
		t := &cfg.Tests[i]
		for _, s := range t.Samples {
			matched := false
			for _, v := range j.table.Explain(j.source(t.From), s.Event) {
				listens := t.From == "" || rules[v.Rule].From == nil || slices.Contains(rules[v.Rule].From, t.From)
				matched = listens && c.Each[v.Rule].add(v, rules) || matched
			}
			c.Unmatched = c.Unmatched || !matched
		}
	}
	for i := range c.Each {
		if c.Each[i].Matched > 0 {
			c.Covered++
		}
	}
	if c.Routes > 0 {
		c.Percent = float64(c.Covered*1000/c.Routes) / 10
	}
	return c
}

// add counts a verdict and reports whether it is a match.
func (r *routeCovered) add(v routing.Verdict, rules []routing.Rule) bool {
	switch {
	case v.Outcome == routing.Matched:
		r.Matched++
		return true
	case v.Outcome == routing.Failed:
		r.Failed++
	case v.Outcome == routing.Stopped && v.Holds:
		if name := rules[v.StoppedBy].Name; !slices.Contains(r.ShadowedBy, name) {
			r.ShadowedBy = append(r.ShadowedBy, name)
		}
	}
	return false
}

func (a *app) printCoverage(c coverage) {
	p := a.printer()
	p.line(0, "coverage: %d of %s, %g%%", c.Covered, phrase.Count(c.Routes, "route"), c.Percent)
	for _, r := range c.Each {
		switch {
		case r.Matched > 0:
		case r.ShadowedBy != nil:
			p.line(2, "%s: no test reaches it, route %s stops the events that it would match  %s",
				p.bold(r.Name), phrase.Names(r.ShadowedBy), p.dim(r.Place))
		default:
			p.line(2, "%s: no test reaches it  %s", p.bold(r.Name), p.dim(r.Place))
		}
	}
	if !c.Unmatched && !c.catchAll {
		p.line(2, "no test has an event that no route matches")
	}
}
