package kafka

import (
	"fmt"
	"strings"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
)

// allowed are the topics that may be written where the topic comes from events.
type allowed struct {
	names    map[string]struct{}
	patterns []string // with at least one asterisk
}

// newAllowed returns nil where every topic may be written.
func newAllowed(topics []string) *allowed {
	if len(topics) == 0 {
		return nil
	}
	a := &allowed{names: map[string]struct{}{}}
	for _, t := range topics {
		if strings.Contains(t, "*") {
			a.patterns = append(a.patterns, t)
		} else {
			a.names[t] = struct{}{}
		}
	}
	return a
}

// check returns a permanent error for a topic that may not be written.
func (a *allowed) check(topic []byte) error {
	if a == nil {
		return nil
	}
	if _, ok := a.names[string(topic)]; ok {
		return nil
	}
	for _, p := range a.patterns {
		if like(envelope.String(topic), p) {
			return nil
		}
	}
	return bindings.Permanent(bindings.ReasonAddress, "", fmt.Errorf("kafka: topic %q is not among the topics that the sink may write", topic))
}

// like reports whether a name matches a pattern, in which an asterisk stands for any characters, also none.
func like(name, pattern string) bool {
	before, after, found := strings.Cut(pattern, "*")
	if !found {
		return name == pattern
	}
	if !strings.HasPrefix(name, before) {
		return false
	}
	name = name[len(before):]
	for {
		var part string
		part, after, found = strings.Cut(after, "*")
		if !found {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name = name[i+len(part):]
	}
}

// checkAllowed checks the list of topics. The errors are FieldErrors.
func (c *SinkConfig) checkAllowed() (errs []error) {
	if c.Topics != nil && len(c.Topics) == 0 {
		return []error{bindings.Invalid("topics", "is empty, which would allow all topics; remove the key if that is meant")}
	}
	if len(c.Topics) == 0 {
		return nil
	}
	if t, err := template.Compile(c.Topic, template.KafkaTopic); err == nil {
		if _, static := t.Static(); static {
			errs = append(errs, bindings.Invalid("topics", "topic is the same for all events, so that there is nothing to choose; remove topics"))
		}
	}
	for i, topic := range c.Topics {
		if err := checkTopic(strings.ReplaceAll(topic, "*", "x")); err != nil {
			errs = append(errs, bindings.Invalid(fmt.Sprintf("topics[%d]", i),
				"%q is neither a topic name (1 to 249 letters, digits, '.', '_' and '-') nor one with '*' for any characters", topic))
		}
	}
	return errs
}
