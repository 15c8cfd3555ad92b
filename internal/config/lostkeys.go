package config

import (
	"slices"
	"strings"
)

// lostKeys warns of Kafka sinks that get events which another transport keeps in order, and write them without a record
// key: Kafka spreads such records over the partitions, and their order is lost. Dead letters have no order to lose.
func (l *loader) lostKeys(c *Config) {
	for _, to := range c.SinkNames() {
		sink := c.Sinks[to]
		if !keepsNoKey(&sink) {
			continue
		}
		from := c.sourcesOf(to)
		at := slices.IndexFunc(from, func(name string) bool { return c.orderOf(name).by != "" })
		if at < 0 {
			continue
		}
		order := c.orderOf(from[at])
		advice := "write"
		if slices.ContainsFunc(from, func(name string) bool { return c.orderOf(name) != order }) {
			advice = "give them a sink of their own with" // what else comes here does not have that value
		}
		l.warn(c.root.at("sinks", to, "kafka"), "events of %s are in order by %s, and key: keep gives them no record key, so "+
			"Kafka loses that order; %s key: \"%s\", or write key: none if order does not matter", from[at], order.by, advice, order.key)
	}
}

// keepsNoKey reports whether a sink writes a record key only where the event brought one from Kafka.
func keepsNoKey(s *Sink) bool {
	return s.Kafka != nil && (s.Kafka.Key == "" || s.Kafka.Key == "keep") && s.OrderBy != "none"
}

// sourcesOf returns the sources whose events routes bring to a sink.
func (c *Config) sourcesOf(sink string) []string {
	return slices.DeleteFunc(c.SourceNames(), func(name string) bool {
		for i := range c.Rules {
			r := &c.Rules[i]
			if (r.From == nil || slices.Contains(r.From, name)) && slices.Contains(r.To, sink) {
				return false
			}
		}
		return true
	})
}

// order says by what a transport keeps events in order, and the key that keeps it in Kafka.
type order struct{ by, key string }

// orderOf returns the order of a source that brings no record keys, empty where it has none.
func (c *Config) orderOf(source string) order {
	switch s := c.Sources[source]; {
	case s.NATS != nil:
		return order{"NATS subject", "{nats.subject}"}
	case s.SQS != nil && strings.HasSuffix(s.SQS.Queue, ".fifo"):
		return order{"SQS message group", "{sqs.group}"}
	}
	return order{}
}
