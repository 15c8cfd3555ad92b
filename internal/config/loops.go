package config

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/eventrouter/router/bindings/http"
	"github.com/eventrouter/router/bindings/kafka"
	"github.com/eventrouter/router/bindings/nats"
	"github.com/eventrouter/router/bindings/sqs"
	"github.com/eventrouter/router/bindings/template"
)

// loops warns of events that may come back to a source they came from. It only sees what the configuration says: a
// topic that another program copies back is out of its sight.
func (l *loader) loops(c *Config) {
	reported := map[string]bool{}
	for _, start := range c.SourceNames() {
		path := c.wayBack(start)
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
func (c *Config) wayBack(start string) []string {
	queue := [][]string{{start}}
	seen := map[string]bool{}
	for len(queue) > 0 {
		way := queue[0]
		queue = queue[1:]
		for _, sink := range c.sinksOf(way[len(way)-1]) {
			for _, source := range c.SourceNames() {
				from, to := c.Sources[source], c.Sinks[sink]
				if !meets(&to, &from) || seen[source] {
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

// meets reports whether a source reads what a sink writes.
func meets(to *Sink, from *Source) bool {
	switch {
	case to.Kafka != nil && from.Kafka != nil:
		return kafkaMeets(to.Kafka, from.Kafka)
	case to.NATS != nil && from.NATS != nil:
		return natsMeets(to.NATS, from.NATS)
	case to.SQS != nil && from.SQS != nil:
		return sqsMeets(to.SQS, from.SQS)
	case to.HTTP != nil && from.HTTP != nil:
		return httpMeets(to.HTTP, from.HTTP)
	}
	return false
}

func kafkaMeets(to *kafka.SinkConfig, from *kafka.SourceConfig) bool {
	t, err := template.Compile(to.Topic, template.KafkaTopic)
	if err != nil || !common(to.Brokers, from.Brokers) {
		return false
	}
	topic, ok := t.Static()
	if !ok {
		return false
	}
	if from.TopicsRegex != "" {
		whole, err := regexp.Compile(`^(?:` + from.TopicsRegex + `)$`)
		return err == nil && whole.MatchString(topic)
	}
	return slices.Contains(from.Topics, topic)
}

func natsMeets(to *nats.SinkConfig, from *nats.SourceConfig) bool {
	t, err := template.Compile(to.Subject, template.NATSSubject)
	if err != nil || !common(strings.Split(to.URL, ","), strings.Split(from.URL, ",")) {
		return false
	}
	if to.Stream != "" && from.Stream != "" && to.Stream != from.Stream {
		return false
	}
	filters := []string(from.Subjects)
	if len(filters) == 0 {
		if to.Stream != "" {
			return true
		}
		if from.Create != nil {
			filters = from.Create.Subjects
		}
	}
	subject, static := t.Static()
	if !static {
		subject = t.Prefix()
	}
	return slices.ContainsFunc(filters, func(f string) bool { return overlaps(f, subject, static) })
}

// overlaps reports whether a filter with wildcards takes a subject, or where only the beginning of the subject is
// known, whether it could.
func overlaps(filter, subject string, whole bool) bool {
	want, have := strings.Split(filter, "."), strings.Split(subject, ".")
	if !whole {
		have = have[:len(have)-1] // the last token goes on in a placeholder
	}
	for i, token := range have {
		switch {
		case i >= len(want):
			return false
		case want[i] == ">":
			return true
		case want[i] != "*" && want[i] != token:
			return false
		}
	}
	return !whole || len(want) == len(have)
}

func sqsMeets(to *sqs.SinkConfig, from *sqs.SourceConfig) bool {
	return to.Queue == from.Queue && to.Region == from.Region && to.Endpoint == from.Endpoint
}

// httpMeets recognises only a target on this machine, by the port.
func httpMeets(to *http.SinkConfig, from *http.SourceConfig) bool {
	u, err := url.Parse(to.URL)
	if err != nil {
		return false
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return false
	}
	_, port, err := net.SplitHostPort(from.Listen)
	root := func(path string) string { return "/" + strings.TrimPrefix(path, "/") }
	return err == nil && port == u.Port() && root(u.Path) == root(from.Path)
}

func common(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
