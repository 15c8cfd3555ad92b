package config

import (
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// The words that unmatched, dead_letter and to take beside the names of sinks.
const (
	wordDrop       = "drop"
	wordHold       = "hold"
	wordReject     = "reject"
	wordDeadLetter = "dead_letter"
)

var reserved = []string{wordDrop, wordHold, wordReject, wordDeadLetter}

// The choices of keys that take one of a few words; the empty text is the default.
var (
	modes      = []string{"binary", "structured", "batch"}
	starts     = []string{"now", "wait"}
	expiries   = []string{"deliver", "drop", "dead_letter"}
	dataRefs   = []string{"forward", "drop_data", "drop_data_when_too_large"}
	encodings  = []string{"json", "protobuf", "xml", "avro"}
	orders     = []string{"key", "partition", "subject", "source", "partitionkey", "none"}
	isolations = []string{"shared", "sink"}
	adapters   = []string{"sns", "eventbridge", "s3"}
	levels     = []string{"debug", "info", "warn", "error"}
	formats    = []string{"json", "text"}
)

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// blocks checks each part of the configuration by itself.
func (l *loader) blocks(c *Config) {
	root := c.root
	l.each("sources", root, func(name string, n *node) {
		s := c.Sources[name]
		l.source(&s, name, n)
	})
	l.each("sinks", root, func(name string, n *node) {
		s := c.Sinks[name]
		l.sink(&s, name, n)
	})
	l.retry(root.get("retry"), c.Retry)
	l.choice(root.at("log", "level"), c.Log.Level, levels)
	l.choice(root.at("log", "format"), c.Log.Format, formats)
	l.positive(root.at("limits", "event"), int64(c.Limits.Event))
	l.positive(root.at("limits", "attributes"), int64(c.Limits.Attributes))
	l.positive(root.at("shutdown", "drain"), int64(c.Shutdown.Drain))
	l.address(root.at("admin", "listen"), c.Admin.Listen)
	if n := root.get("embedded"); n != nil {
		l.fields(n, c.Embedded.Validate())
	}
	if n := root.get("tracing"); n != nil {
		l.add(n, "tracing is not built yet; remove the key")
	}
}

// each calls visit for every entry of a top-level map that could be read as one.
func (l *loader) each(key string, root *node, visit func(name string, n *node)) {
	m := root.get(key)
	if m == nil || m.kind != routing.Map {
		return
	}
	for _, f := range m.fields {
		visit(f.key, f.value)
	}
}

// name checks the name of a source, a sink or a route.
func (l *loader) name(name string, n *node, pos routing.Pos) {
	switch {
	case slices.Contains(reserved, name):
		l.key(n, pos, "the name %q is taken: it is a policy", name)
	case !namePattern.MatchString(name):
		l.key(n, pos, "the name %s must be lower-case letters, digits and hyphens, and begin with a letter or digit", n.scrub(fmt.Sprintf("%q", name)))
	}
}

func (l *loader) source(s *Source, name string, n *node) {
	l.name(name, n, n.parent.keyPos(name))
	if n.kind != routing.Map {
		return
	}
	l.kind(s.kinds(), n)
	if s.Wrap != nil {
		l.wrap(s.Wrap, n.get("wrap"))
	}
	for i, a := range s.Adapters {
		at := n.get("adapters").items[i]
		l.choice(at, a, adapters)
		if !at.bad && !at.wrong && slices.Contains(s.Adapters[:i], a) {
			l.add(at, "%s is named twice", at.quote())
		}
	}
	l.choice(n.get("isolation"), s.Isolation, isolations)
	if s.Isolation == "sink" {
		l.add(n.get("isolation"), "isolation: sink is not built yet; write shared, or remove the key")
	}
	l.positive(n.at("window", "events"), int64(s.Window.Events))
	l.positive(n.at("window", "bytes"), int64(s.Window.Bytes))
}

func (l *loader) sink(s *Sink, name string, n *node) {
	l.name(name, n, n.parent.keyPos(name))
	if n.kind != routing.Map {
		return
	}
	l.kind(s.kinds(), n)
	l.mode(s, n.get("mode"))
	l.format(s, n.get("format"))
	l.choice(n.get("order_by"), s.OrderBy, orders)
	l.choice(n.get("start"), s.Start, starts)
	l.choice(n.get("expired"), s.Expired, expiries)
	l.choice(n.get("dataref"), s.DataRef, dataRefs)
	l.accepts(n.get("accepts"))
	l.positive(n.get("concurrency"), int64(s.Concurrency))
	l.positive(n.at("batch", "events"), int64(s.Batch.Events))
	l.positive(n.at("batch", "bytes"), int64(s.Batch.Bytes))
	l.positive(n.at("batch", "linger"), int64(s.Batch.Linger))
	l.positive(n.get("timeout"), int64(s.Timeout))
	if s.Retry != nil {
		l.retry(n.get("retry"), *s.Retry)
	}
}

// kind checks that a block holds exactly one transport, and lets the transport check its own part.
func (l *loader) kind(kinds []kind, n *node) {
	var known, given []string
	for _, k := range kinds {
		known = append(known, k.name)
		at := n.get(k.name)
		if at == nil {
			continue
		}
		given = append(given, k.name)
		if k.config != nil && at.kind == routing.Map {
			l.emptyWords(at)
			l.fields(at, k.config.Validate())
		}
	}
	switch {
	case len(given) > 1:
		l.add(n, "has %s; it takes exactly one transport", strings.Join(given, " and "))
	case len(given) == 0 && !n.damaged:
		l.add(n, "has no transport; it takes exactly one of %s", strings.Join(known, ", "))
	}
}

func (l *loader) mode(s *Sink, n *node) {
	l.choice(n, s.Mode, modes)
	switch kind := s.Kind(); {
	case s.Mode == "batch" && kind != "http" && kind != "":
		l.add(n, "mode: batch is for http sinks; over %s write binary or structured", kind)
	case s.Mode == "binary" && kind == "stdout":
		l.add(n, "a stdout sink writes structured events only; remove the key")
	}
}

// format checks the event format of structured mode. Which a transport can carry is its binding's to say; here stands
// why, so that the message names the line.
func (l *loader) format(s *Sink, n *node) {
	l.choice(n, s.Format, encodings)
	kind := s.Kind()
	switch other := s.Format != "" && s.Format != "json"; {
	case !other || !slices.Contains(encodings, s.Format):
	case kind == "nats":
		l.add(n, "the NATS binding has the JSON format only; write json, or remove the key")
	case kind == "stdout":
		l.add(n, "a stdout sink writes JSON; remove the key")
	case kind == "sqs" && s.Format != "xml":
		l.add(n, "SQS messages are text, which %s is not; write json or xml", s.Format)
	case s.Mode == "batch" && s.Format == "avro":
		l.add(n, "avro has no batch, which mode: batch asks for; write json, protobuf or xml")
	}
}

// wrap checks the templates that make events of other messages.
func (l *loader) wrap(wrap map[string]string, n *node) {
	for _, name := range []string{"type", "source"} {
		if at := n.get(name); wrap[name] == "" && !n.wrong && (at == nil || !at.wrong && !at.bad) {
			l.add(n, "wrap needs %s, which every event has", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wrap)) {
		at := n.get(name)
		if l.attribute(name, at) && name == "specversion" {
			l.add(at, "specversion cannot be chosen; it is %s", envelope.SpecVersion)
		}
		l.template(wrap[name], at)
	}
}

// attribute checks the name of an attribute.
func (l *loader) attribute(name string, n *node) bool {
	switch {
	case name == "data" || name == "data_base64":
		l.add(n, "%s is the payload and not an attribute; payloads are never changed", name)
	case !attributePattern.MatchString(name):
		l.add(n, "%q is not the name of an attribute: those are lower-case letters and digits", name)
	default:
		return true
	}
	return false
}

var attributePattern = regexp.MustCompile(`^[a-z0-9]+$`)

// template checks the template of an attribute's value.
func (l *loader) template(src string, n *node) *template.Template {
	if n.bad || n.wrong {
		return nil
	}
	t, err := template.Compile(src, template.Raw)
	if err != nil {
		l.add(n, "%s", n.scrub(err.Error()))
		return nil
	}
	return t
}

// retry checks a retry policy.
func (l *loader) retry(n *node, r Retry) {
	l.positive(n.get("initial"), int64(r.Initial))
	l.positive(n.get("max"), int64(r.Max))
	l.positive(n.get("for"), int64(r.For))
	l.positive(n.get("attempts"), int64(r.Attempts))
	l.positive(n.get("max_after"), int64(r.MaxAfter))
	if r.Max > 0 && r.Max < r.Initial {
		l.add(n.get("max"), "max is shorter than initial")
	}
}

// positive checks a number that was stated: leaving it away is how to get the default, not 0.
func (l *loader) positive(n *node, v int64) {
	if n != nil && v <= 0 && !n.bad && !n.wrong {
		l.add(n, "must be more than 0; remove the key for the default")
	}
}

// choice checks a word.
func (l *loader) choice(n *node, word string, choices []string) {
	if n == nil || n.bad || n.wrong || slices.Contains(choices, word) {
		return
	}
	l.add(n, "expected %s, got %s%s", list(choices), n.quote(), didYouMean(n, choices))
}

// didYouMean ends a message with the choice that n is a slip of. What a variable stood for is not looked at.
func didYouMean(n *node, choices []string) string { return suggestion(n.text, choices) }

// suggestion ends a message with the choice that a word is a slip of.
func suggestion(word string, choices []string) string {
	if s := routing.Suggest(word, choices); s != "" {
		return fmt.Sprintf("; did you mean %q?", s)
	}
	return ""
}

// list prints choices as a, b or c.
func list(choices []string) string {
	if len(choices) == 1 {
		return choices[0]
	}
	last := len(choices) - 1
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}

// address checks a TCP address to listen on.
func (l *loader) address(n *node, address string) {
	if n == nil || n.bad || n.wrong {
		return
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		l.add(n, "expected an address such as 127.0.0.1:8081 or :8081, got %s", n.quote())
	}
}
