package config

import (
	"slices"
	"strings"
)

// loops warns of events that may come back to a source they came from. It only sees what the configuration says: a
// topic that another program copies back is out of its sight.
func (l *loader) loops(c *Config) {
	meetings := c.meetings()
	reported := map[string]bool{}
	for _, start := range c.SourceNames() {
		path := c.wayBack(start, meetings)
		if path == nil {
			continue
		}
		// A loop over several sources is found from each of them.
		members := slices.Clone(path[:len(path)-1])
		slices.Sort(members)
		if key := strings.Join(members, " "); !reported[key] {
			reported[key] = true
			l.warn(c.root.at("sinks", path[1]), "events can go round: %s", strings.Join(path, " → "))
		}
	}
}

// wayBack returns the shortest way from a source over sinks and other sources back to it, nil if there is none.
func (c *Config) wayBack(start string, meetings map[string][]string) []string {
	queue := [][]string{{start}}
	seen := map[string]bool{}
	for len(queue) > 0 {
		way := queue[0]
		queue = queue[1:]
		for _, sink := range c.sinksOf(way[len(way)-1]) {
			for _, source := range meetings[sink] {
				if seen[source] {
					continue
				}
				next := append(slices.Clone(way), sink, source)
				if source == start {
					return next
				}
				seen[source] = true
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// sinksOf returns the sinks that events of a source can reach, dead letters included.
func (c *Config) sinksOf(source string) []string {
	names := []string{c.Unmatched, c.DeadLetter}
	for _, r := range c.Rules {
		if r.From == nil || slices.Contains(r.From, source) {
			names = append(names, r.To...)
		}
	}
	for _, name := range names {
		names = append(names, c.Sinks[name].DeadLetter)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool {
		_, ok := c.Sinks[name]
		return !ok
	})
}
