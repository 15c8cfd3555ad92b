package config

import (
	"regexp"
	"slices"
	"strings"
)

// repetitions warns of events that a target removes as repetitions of others, because the configuration gives different ones
// the same source and id. What producers do with their ids is out of its sight.
func (l *loader) repetitions(c *Config) {
	warned := map[string]bool{}
	for _, name := range c.SinkNames() {
		sink := c.Sinks[name]
		how := sink.removes()
		if how == "" {
			continue
		}
		for _, source := range c.reaches(name) {
			if wrap := c.root.at("sources", source, "wrap"); wrap != nil && !warned[source] && sameIDs(c, source) {
				warned[source] = true
				l.warn(wrap.get("id"), "different messages get the same source and id, and %s (%s) removes them as repetitions; take id "+
					"from what differs, or leave it away for {position}", name, how)
			}
		}
	}
}

// removes says what removes events whose source and id a sink's target has seen, empty if nothing does.
func (s *Sink) removes() string {
	switch {
	case s.NATS != nil && s.NATS.Stream != "":
		return "a stream's duplicate window"
	case s.SQS != nil && strings.HasSuffix(s.SQS.Queue, ".fifo") && (s.SQS.Dedup == "" || s.SQS.Dedup == "id"):
		return "a FIFO queue with dedup: id"
	}
	return ""
}

// anyPlaceholder finds the placeholders of a template, and braces that are doubled.
var anyPlaceholder = regexp.MustCompile(`\{\{|\{([^{}]+)\}`)

// repeated are the placeholders that many messages of a source have in common.
var repeated = []string{
	"kafka.topic", "kafka.key", "kafka.partition", "nats.subject", "nats.stream", "sqs.queue", "sqs.group", "http.path",
}

// sameIDs reports whether the templates of a source's wrap give different messages the same source and id.
func sameIDs(c *Config, source string) bool {
	s := c.Sources[source]
	if s.Wrap["id"] == "" { // which is {position}
		return false
	}
	var names []string
	for _, m := range anyPlaceholder.FindAllStringSubmatch(s.Wrap["id"]+" "+s.Wrap["source"], -1) {
		if m[1] != "" {
			names = append(names, m[1])
		}
	}
	for _, name := range names {
		switch {
		case name == "kafka.offset": // which every partition has
			manyTopics := s.Kafka != nil && (s.Kafka.TopicsRegex != "" || len(s.Kafka.Topics) > 1)
			if slices.Contains(names, "kafka.partition") && (!manyTopics || slices.Contains(names, "kafka.topic")) {
				return false
			}
		case !slices.Contains(repeated, name):
			return false
		}
	}
	return true
}
