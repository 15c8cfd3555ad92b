package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/eventrouter/router/routing"
)

// transportPlaceholder finds what a template takes from the transport of a source, and braces that are doubled.
var transportPlaceholder = regexp.MustCompile(`\{\{|\{((?:kafka|nats|sqs|http)\.[a-z]+)\}`)

// metadata checks that the sources whose events get to a template can fill what it takes from their transport. Where none
// can, every delivery would be refused.
func (l *loader) metadata(c *Config) {
	if len(l.problems) > 0 { // a source that is misspelt would seem to be missing
		return
	}
	for _, name := range c.SourceNames() {
		if wrap := c.root.at("sources", name, "wrap"); wrap != nil {
			for _, f := range wrap.fields {
				l.filled(c, f.value, []string{name})
			}
		}
	}
	for _, name := range c.SinkNames() {
		from := c.reaches(name)
		for _, n := range addresses(c.root.at("sinks", name)) {
			l.filled(c, n, from)
		}
	}
	for i := range c.Rules {
		set := c.root.get("routes").items[i].get("set")
		if set == nil || c.Rules[i].Drop {
			continue
		}
		from := c.Rules[i].From
		if from == nil {
			from = c.SourceNames()
		}
		for _, f := range set.fields {
			l.filled(c, f.value, from)
		}
	}
}

// filled checks one template against the sources whose events it is rendered for.
func (l *loader) filled(c *Config, n *node, from []string) {
	if n == nil || n.kind != routing.Scalar || len(from) == 0 {
		return
	}
	var seen []string
	for _, found := range transportPlaceholder.FindAllStringSubmatch(n.value, -1) {
		name := found[1]
		if name == "" || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		lacking := slices.DeleteFunc(slices.Clone(from), func(source string) bool { return c.fills(source, name) })
		switch kind, _, _ := strings.Cut(name, "."); {
		case len(lacking) == 0:
		case len(lacking) < len(from):
			l.warn(n, "{%s} has no value for events of %s, which can come here and would be refused; give them a route with from, or a "+
				"sink, of their own", name, c.described(lacking))
		case name == "nats.stream" && slices.ContainsFunc(from, func(s string) bool { return c.Sources[s].NATS != nil }):
			l.add(n, "{%s} is filled by JetStream sources alone, those with stream, and none comes here: events come from %s",
				name, c.described(from))
		default:
			l.add(n, "{%s} is filled by %s sources alone, and none comes here: events come from %s%s", name, kind, c.described(from),
				c.equivalent(name, from))
		}
	}
}

// equivalent ends a message with what the only kind of source has in the place of a placeholder.
func (c *Config) equivalent(name string, from []string) string {
	kind := c.kindOf(from[0])
	if slices.ContainsFunc(from, func(s string) bool { return c.kindOf(s) != kind }) {
		return ""
	}
	for _, alike := range [][]string{
		{"kafka.topic", "nats.subject", "sqs.queue", "http.path"},
		{"kafka.key", "sqs.group"},
		{"kafka.offset", "nats.sequence", "sqs.message", "http.request"},
	} {
		if !slices.Contains(alike, name) {
			continue
		}
		for _, other := range alike {
			if strings.HasPrefix(other, kind+".") {
				return "; did you mean {" + other + "}?"
			}
		}
	}
	return ""
}

// fills reports whether a source can fill a placeholder of a transport.
func (c *Config) fills(source, placeholder string) bool {
	s := c.Sources[source]
	return strings.HasPrefix(placeholder, s.Kind()+".") && (placeholder != "nats.stream" || s.NATS.Stream != "")
}

func (c *Config) kindOf(source string) string {
	s := c.Sources[source]
	return s.Kind()
}

// described names sources with their kinds.
func (c *Config) described(sources []string) string {
	const most = 4
	var all []string
	for _, s := range sources[:min(len(sources), most)] {
		all = append(all, s+" ("+c.kindOf(s)+")")
	}
	if len(sources) > most {
		all = append(all, "…")
	}
	return strings.Join(all, ", ")
}

// reaches returns the sources whose events can get to a sink: by routes, unmatched, or as dead letters of another sink,
// which has no dead letters of its own.
func (c *Config) reaches(sink string) []string {
	from := c.sends(sink)
	if c.DeadLetter == sink {
		from = append(from, c.SourceNames()...)
	}
	for name, s := range c.Sinks {
		if s.DeadLetter == sink {
			from = append(from, c.sends(name)...)
		}
	}
	slices.Sort(from)
	return slices.Compact(from)
}

// sends returns the sources whose events get to a sink by routes, or because they match none.
func (c *Config) sends(sink string) []string {
	from := c.sourcesOf(sink)
	if c.Unmatched == sink {
		from = append(from, slices.DeleteFunc(c.SourceNames(), c.takesAll)...)
	}
	return from
}

// takesAll reports whether a route without a condition takes every event of a source, so that none is unmatched.
func (c *Config) takesAll(source string) bool {
	return slices.ContainsFunc(c.Rules, func(r routing.Rule) bool {
		return r.When == nil && (r.From == nil || slices.Contains(r.From, source))
	})
}
