package config

import (
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/nats"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// Config is a checked configuration: every name in it refers to something, every template and rule compiles.
type Config struct {
	// Sources are where events come from, by name.
	Sources map[string]Source `yaml:"sources,omitempty"`
	// Sinks are where events go to, by name.
	Sinks map[string]Sink `yaml:"sinks,omitempty"`
	// Routes are the rules; every route that matches delivers.
	Routes []Route `yaml:"routes,omitempty"`
	// Unmatched is what becomes of an event that no route matches: drop, dead_letter, reject or the name of a sink.
	// It must be stated.
	Unmatched string `yaml:"unmatched,omitempty"`
	// DeadLetter is what becomes of an event that a sink can never take: the name of a sink, hold or drop. It must be
	// stated.
	DeadLetter string `yaml:"dead_letter,omitempty"`
	// Retry is how a failed delivery is repeated, unless the sink says otherwise.
	Retry Retry `yaml:"retry,omitempty"`
	// Tests are events with where they must go; router test and router check run them.
	Tests []Test `yaml:"tests,omitempty"`
	// Admin is the server of metrics, health and the live view.
	Admin Admin `yaml:"admin,omitempty"`
	// Log is how the router logs, to standard error.
	Log Log `yaml:"log,omitempty"`
	// Limits bound the events that sources accept.
	Limits Limits `yaml:"limits,omitempty"`
	// Shutdown is how the router stops.
	Shutdown Shutdown `yaml:"shutdown,omitempty"`
	// Embedded is the JetStream server inside the process, which url: embedded refers to.
	Embedded nats.EmbeddedConfig `yaml:"embedded,omitempty"`
	// Tracing is not built yet; stating it is an error.
	Tracing *Tracing `yaml:"tracing,omitempty"`

	// Rules are the routes as the routing package compiles them, in the order of Routes.
	Rules []routing.Rule `yaml:"-"`
	// Table is the compiled Rules; its route numbers are the indices of Rules.
	Table *routing.Table `yaml:"-"`
	// Warnings are what is legal and yet cannot be what its author wanted.
	Warnings []Problem `yaml:"-"`

	root  *node
	shown *shownParts
}

// Retry is how a failed delivery is repeated. With neither for nor attempts, it is repeated forever: an outage
// becomes back-pressure and not a flood of dead letters.
type Retry struct {
	// Initial is the wait before the first repetition; 100ms by default. It doubles each time.
	Initial time.Duration `yaml:"initial,omitempty"`
	// Max is the longest wait; 30s by default.
	Max time.Duration `yaml:"max,omitempty"`
	// For is how long to go on; absent, forever.
	For time.Duration `yaml:"for,omitempty"`
	// Attempts is how often to try, the first time included; absent, forever.
	Attempts int `yaml:"attempts,omitempty"`
	// MaxAfter is the longest wait that a target can ask for, as with the header Retry-After; 5m by default.
	MaxAfter time.Duration `yaml:"max_after,omitempty"`
}

// Admin is the server of metrics, health and the live view.
type Admin struct {
	// Listen is its address; 127.0.0.1:8081 by default.
	Listen string `yaml:"listen,omitempty"`
}

// Log is how the router logs, to standard error.
type Log struct {
	// Level is debug, info (default), warn or error.
	Level string `yaml:"level,omitempty"`
	// Format is json or text; by default it is text on a terminal and json elsewhere.
	Format string `yaml:"format,omitempty"`
}

// Limits bound the events that sources accept.
type Limits struct {
	// Event is the largest event in bytes; 1MiB by default.
	Event bindings.Size `yaml:"event,omitempty"`
	// Attributes is the most extension attributes of an event; 64 by default.
	Attributes int `yaml:"attributes,omitempty"`
}

// Shutdown is how the router stops.
type Shutdown struct {
	// Drain is how long deliveries may take to finish after the signal; 25s by default.
	Drain time.Duration `yaml:"drain,omitempty"`
}

// Tracing is where traces go.
type Tracing struct {
	// OTLP is the address of the collector.
	OTLP string `yaml:"otlp,omitempty"`
}

// Route is one rule as it was written.
type Route struct {
	// Name is the route's name in metrics, logs and dead letters; route-N by default, with N counted from 1.
	Name string `yaml:"name,omitempty"`
	// From is the source, or the sources, that the route listens to; absent, all of them.
	From bindings.Strings `yaml:"from,omitempty"`
	// When is the condition; absent, every event matches.
	When routing.Value `yaml:"when,omitempty"`
	// To is the sink, or the sinks, that get the event; drop discards it on purpose.
	To bindings.Strings `yaml:"to,omitempty"`
	// Stop ends the list of routes for an event that matched this one.
	Stop bool `yaml:"stop,omitempty"`
	// Set gives attributes of the delivered copy a value, which may be a template, or removes them with null.
	Set routing.Value `yaml:"set,omitempty"`
	// RewriteSource allows set to change the source attribute.
	RewriteSource bool `yaml:"rewrite_source,omitempty"`
	// AttributeTypes are the types of extensions that came from a carrier of strings, such as HTTP headers, by name:
	// Boolean, Integer, String, Binary, URI, URI-reference or Timestamp. A typed format then writes them typed.
	AttributeTypes map[string]string `yaml:"attribute_types,omitempty"`
	// Sample delivers one in so many of the matching events, chosen by source and id, and multiplies the sampledrate of
	// what it delivers; absent, all of them.
	Sample int `yaml:"sample,omitempty"`
}

// Test is events with what must become of each of them.
type Test struct {
	// Name is shown in reports.
	Name string `yaml:"name,omitempty"`
	// Event is the event: its attributes, and data as text or as YAML, which stands for JSON. A missing specversion,
	// id or source gets a value.
	Event routing.Value `yaml:"event,omitempty"`
	// Events is a file (.json: one event or a batch, .jsonl or .ndjson: one per line, .http: a raw request) or a folder
	// of such files, from the configuration file's own folder on. It is given instead of event.
	Events string `yaml:"events,omitempty"`
	// From is the source that the event comes from; absent, every route judges it, whatever its own from.
	From string `yaml:"from,omitempty"`
	// GoesTo are the sinks that must get the event, and no others; drop is a destination too. Absent, where it goes is
	// not looked at.
	GoesTo bindings.Strings `yaml:"goes_to,omitempty"`
	// Routes are the routes that must match, and no others. Absent, they are not looked at.
	Routes bindings.Strings `yaml:"routes,omitempty"`
	// Unmatched says that no route may match.
	Unmatched bool `yaml:"unmatched,omitempty"`
	// Set are attributes that one of the delivered copies must have, all of them together, or with null must not have.
	Set routing.Value `yaml:"set,omitempty"`
	// Renders are what sinks must get: by sink, a map of subject, topic, queue, url or path, key and mode, or one of
	// these with its value as one text, such as "subject acme.paid".
	Renders routing.Value `yaml:"renders,omitempty"`
	// DeadLetter is the reason for which the event, or a delivery of it, must be refused: bad_address, bad_set,
	// classification, too_large, unencodable or unmatched.
	DeadLetter string `yaml:"dead_letter,omitempty"`

	// Pos is where the test stands.
	Pos routing.Pos `yaml:"-"`
	// Samples are the events, parsed.
	Samples []Sample `yaml:"-"`
	// Expect are the attributes of Set.
	Expect []Expectation `yaml:"-"`
	// Rendered are the fields of Renders.
	Rendered []Rendering `yaml:"-"`
}

// Sample is an event of a test.
type Sample struct {
	// Name tells the sample apart from others of its test: the file, and the number in it. It is empty for event.
	Name  string
	Event *envelope.Event
}

// SourceNames returns the names of the sources in the order they were written.
func (c *Config) SourceNames() []string { return c.root.get("sources").keys() }

// SinkNames returns the names of the sinks in the order they were written.
func (c *Config) SinkNames() []string { return c.root.get("sinks").keys() }

// SourceKind returns the transport of a source, such as kafka.
func (c *Config) SourceKind(name string) string {
	s := c.Sources[name]
	return s.Kind()
}

// SinkKind returns the transport of a sink.
func (c *Config) SinkKind(name string) string {
	s := c.Sinks[name]
	return s.Kind()
}

// Pos returns the place of a YAML path such as sinks.bus.nats.url, or of its nearest ancestor that was written.
func (c *Config) Pos(path string) routing.Pos {
	n, _ := c.root.nearest(path)
	return n.pos
}

func (n *node) keys() []string {
	if n == nil {
		return nil
	}
	keys := make([]string, len(n.fields))
	for i, f := range n.fields {
		keys[i] = f.key
	}
	return keys
}
