package judge

import (
	"context"
	"slices"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/routing"
)

// Coverage says which routes the tests of a configuration reach.
type Coverage struct {
	Routes  int     `json:"routes"`
	Covered int     `json:"covered"`
	Percent float64 `json:"percent"`
	// Unmatched says that some event of a test matches no route.
	Unmatched bool            `json:"unmatched"`
	Each      []RouteCoverage `json:"each"`

	// CatchAll says that a route takes every event, so that none is unmatched.
	CatchAll bool `json:"-"`
}

// RouteCoverage is the coverage of one route.
type RouteCoverage struct {
	Name  string `json:"name"`
	Place string `json:"place"`
	// Matched is how many events of the tests the route matched, Failed how many its condition refused.
	Matched int `json:"matched"`
	Failed  int `json:"failed"`
	// ShadowedBy are the routes whose stop kept events from the route that its condition would have taken.
	ShadowedBy []string `json:"shadowed_by,omitempty"`
}

// CoverageOf asks every route about every event of the tests.
func CoverageOf(cfg *config.Config) Coverage {
	j := New(cfg)
	defer j.Close(context.Background())
	rules := j.table.Rules()
	c := Coverage{Routes: len(rules), Percent: 100, Each: make([]RouteCoverage, len(rules))}
	for i, r := range rules {
		c.Each[i] = RouteCoverage{Name: r.Name, Place: r.Pos.String()}
		c.CatchAll = c.CatchAll || r.When == nil && r.From == nil
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
func (r *RouteCoverage) add(v routing.Verdict, rules []routing.Rule) bool {
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
