package config

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/invopop/jsonschema"
)

// schema is short for what the rules below are full of.
type schema = jsonschema.Schema

// schemaChoices are the keys that take one of a few words. The lists of this package are those that Load checks.
var schemaChoices = map[string][]string{
	"Sink.mode": modes, "Sink.format": encodings, "Sink.start": starts, "Sink.expired": expiries, "Sink.dataref": dataRefs, "Sink.order_by": orders, "Log.level": levels, "Log.format": formats,
	"Source.isolation":                  {"shared"}, // sink is not built yet
	"KafkaSourceConfig.start":           transportWords["kafka.start"],
	"KafkaSinkConfig.compression":       transportWords["kafka.compression"],
	"KafkaSinkConfig.acks":              transportWords["kafka.acks"],
	"KafkaSinkConfig.timestamp":         transportWords["kafka.timestamp"],
	"KafkaSASL.mechanism":               {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"},
	"NatsSourceConfig.start":            transportWords["nats.start"],
	"NatsStreamConfig.storage":          transportWords["nats.create.storage"],
	"NatsStreamConfig.retention":        transportWords["nats.create.retention"],
	"NatsStreamConfig.discard":          transportWords["nats.create.discard"],
	"SqsSinkConfig.dedup":               transportWords["sqs.dedup"],
	"HttpSourceConfig.header_encoding":  transportWords["http.header_encoding"],
	"HttpSinkConfig.network":            transportWords["http.network"],
	"HttpHMAC.attributes":               transportWords["http.auth.hmac.attributes"],
	"HttpSign.attributes":               transportWords["http.sign.attributes"],
	"Test.dead_letter":                  refusals,
	"KafkaSourceConfig.isolation_level": transportWords["kafka.isolation_level"],
}

// schemaRequired are the keys that a block cannot do without. The root has none: a file may be one of several.
var schemaRequired = map[string][]string{
	"KafkaSourceConfig": {"brokers", "group"}, "KafkaSinkConfig": {"brokers", "topic"},
	"NatsSourceConfig": {"url"}, "NatsSinkConfig": {"url", "subject"}, "SqsSourceConfig": {"queue"},
	"SqsSinkConfig": {"queue"}, "HttpSourceConfig": {"listen"}, "HttpSinkConfig": {"url"}, "Route": {"to"},
	"Accepts": {"dataclassification"}, "KafkaSASL": {"mechanism", "username", "password"}, "HttpBasic": {"username", "password"},
}

// schemaPositive are the numbers that, where they are stated, are more than 0.
var schemaPositive = []string{
	"Sink.concurrency", "Batch.events", "Window.events", "Limits.attributes", "Retry.attempts",
}

const attributeName = "^[a-z0-9]+$"

// refine adds to the schema what the types do not say.
func refine(s *schema) {
	s.Title = "router configuration"
	s.Description = "Configuration of the router: sources, sinks, and the routes between them."
	s.PatternProperties = map[string]*schema{"^x-": {Description: "A place for YAML anchors; it is ignored."}}
	names := &schema{Pattern: namePattern.String(), Not: &schema{Enum: words(reserved)}}
	for _, key := range []string{"sources", "sinks"} {
		property(s, key).PropertyNames = names
	}
	replace(s, "tracing", &schema{Not: jsonschema.TrueSchema, Description: "Tracing is not built yet."})
	for key, choices := range schemaChoices {
		def, name := define(s, key)
		replace(def, name, &schema{AnyOf: []*schema{{Enum: words(choices)}, {Type: "string", Pattern: variable}}})
	}
	for name, keys := range schemaRequired {
		s.Definitions[name].Required = keys
	}
	for _, key := range schemaPositive {
		def, name := define(s, key)
		replace(def, name, withVariable(&schema{Type: "integer", ExclusiveMinimum: "0"}))
	}
	s.Definitions["Source"].OneOf = exactlyOne("kafka", "nats", "sqs", "http")
	s.Definitions["Sink"].OneOf = exactlyOne("kafka", "nats", "sqs", "http", "stdout")
	s.Definitions["KafkaSourceConfig"].OneOf = exactlyOne("topics", "topics_regex")
	s.Definitions["NatsSourceConfig"].AnyOf = exactlyOne("subjects", "stream")
	replace(s.Definitions["Source"], "adapters", withVariable(&schema{Type: "array", Items: &schema{AnyOf: []*schema{
		{Enum: words(adapters)}, {Type: "string", Pattern: variable},
	}}}))
	wrap := property(s.Definitions["Source"], "wrap")
	wrap.Required, wrap.PropertyNames = []string{"type", "source"}, &schema{Pattern: attributeName}
	refineRoute(s)
	refineTest(s)
	refineWhen(s)
}

func refineRoute(s *schema) {
	route := s.Definitions["Route"]
	// true and 5 are names, too: they have the letters and digits that names have.
	name := &schema{AnyOf: []*schema{pattern(namePattern.String()), {Type: "integer", Minimum: "0"}, {Type: "boolean"}}}
	replace(route, "name", &schema{AllOf: []*schema{name, {Not: &schema{Enum: words(reserved)}}}})
	replace(route, "when", ref("when"))
	least := uint64(1)
	for _, key := range []string{"from", "to"} {
		replace(route, key, &schema{AnyOf: []*schema{text(), {Type: "array", Items: text(), MinItems: &least, UniqueItems: true}}})
	}
	set := assignments()
	for _, name := range []string{"id", "specversion"} {
		set.Properties.Set(name, &schema{Not: jsonschema.TrueSchema, Description: "A route never changes it."})
	}
	replace(route, "sample", withVariable(&schema{Type: "integer", Minimum: "1", Maximum: "2147483647"}))
	for _, name := range []string{"type", "source"} {
		set.Properties.Set(name, text())
	}
	replace(route, "set", set)
	types := &schema{AnyOf: []*schema{{Enum: words(attributeTypes())}, {Type: "string", Pattern: typePattern()}}}
	replace(route, "attribute_types", &schema{
		Type: "object", MinProperties: &least, AdditionalProperties: types,
		PropertyNames: &schema{Pattern: attributeName, Not: &schema{Enum: words(coreAttributes)}},
	})
	setsSource, rewrites := object(), object()
	setsSource.Properties.Set("set", &schema{Type: "object", Required: []string{"source"}})
	setsSource.Required = []string{"set"}
	rewrites.Properties.Set("rewrite_source", &schema{Const: true})
	rewrites.Required = []string{"rewrite_source"}
	route.If, route.Then = setsSource, rewrites
}

// coreAttributes have types of their own.
var coreAttributes = append([]string{"data"}, textAttributes...)

// typePattern is what stands for a type in any case, or a variable in its place.
func typePattern() string {
	var any strings.Builder
	for _, name := range attributeTypes() {
		any.WriteString("|^")
		for _, r := range name {
			if lower, upper := unicode.ToLower(r), unicode.ToUpper(r); lower != upper {
				any.WriteString("[" + string(upper) + string(lower) + "]")
			} else {
				any.WriteRune(r)
			}
		}
		any.WriteString("$")
	}
	return variable + any.String()
}

// assignments are attributes with their values, or null.
func assignments() *schema {
	s := object()
	s.Type, s.PropertyNames = "object", &schema{Pattern: attributeName, Not: &schema{Const: "data"}}
	s.AdditionalProperties = &schema{Extras: map[string]any{"type": []string{"string", "number", "boolean", "null"}}}
	return s
}

func refineTest(s *schema) {
	test := s.Definitions["Test"]
	test.OneOf = exactlyOne("event", "events")
	for _, key := range append([]string{"unmatched"}, expectationKeys...) {
		test.AnyOf = append(test.AnyOf, &schema{Required: []string{key}})
	}
	event := object()
	event.Type, event.Required = "object", []string{"type"}
	event.PropertyNames = &schema{Pattern: "^([a-z0-9]+|data_base64)$"}
	event.Properties.Set("type", text())
	event.Properties.Set("data", &schema{Description: "The payload, as text or as YAML, which stands for JSON."})
	event.AdditionalProperties = &schema{Extras: map[string]any{"type": []string{"string", "number", "boolean"}}}
	replace(test, "event", event)
	least := uint64(1)
	set := assignments()
	set.MinProperties = &least
	replace(test, "set", set)
	fields := object()
	fields.Type, fields.MinProperties, fields.AdditionalProperties = "object", &least, jsonschema.FalseSchema
	for _, key := range []string{"subject", "topic", "queue", "url", "path", "key", "mode"} {
		fields.Properties.Set(key, text())
	}
	replace(test, "renders", &schema{Type: "object", MinProperties: &least, AdditionalProperties: &schema{AnyOf: []*schema{
		{Type: "string", Pattern: "^(subject|topic|queue|url|path|key|mode) |" + variable}, fields,
	}}})
}

// refineWhen describes the grammar of conditions.
func refineWhen(s *schema) {
	one := uint64(1)
	scalar := &schema{Extras: map[string]any{"type": []string{"string", "number", "boolean"}}}
	scalars := &schema{Type: "array", Items: scalar, MinItems: &one}
	oneOrMore := func(of *schema) *schema {
		return &schema{AnyOf: []*schema{of, {Type: "array", Items: of, MinItems: &one}}}
	}
	number := withVariable(&schema{Type: "number"})

	words := object()
	words.Type, words.AdditionalProperties, words.MinProperties = "object", jsonschema.FalseSchema, &one
	for _, w := range []struct {
		word, description string
		value             *schema
	}{
		{"in", "Equal to one of them.", scalars},
		{"prefix", "Begins with it, or with one of them.", oneOrMore(scalar)},
		{"suffix", "Ends with it, or with one of them.", oneOrMore(scalar)},
		{"glob", "The whole value; * is any run of characters and ? is one.", scalar},
		{"regex", "The whole value; RE2.", scalar},
		{"equals_ignore_case", "Equal if case does not count.", scalar},
		{"exists", "The attribute is there, or with false is not.", &schema{Type: "boolean"}},
		{"gt", "A number greater than it.", number},
		{"gte", "A number greater than it, or equal to it.", number},
		{"lt", "A number less than it.", number},
		{"lte", "A number less than it, or equal to it.", number},
		{"not", "The matcher does not hold, or the attribute is missing.", ref("matcher")},
		{"any", "One of the matchers holds.", &schema{Type: "array", Items: ref("matcher"), MinItems: &one}},
	} {
		w.value = &schema{AllOf: []*schema{w.value}, Description: w.description}
		words.Properties.Set(w.word, w.value)
	}
	s.Definitions["matcher"] = &schema{
		Description: "A value, a list of values of which one is meant, or a map of matcher words, all of which hold.",
		AnyOf:       []*schema{scalar, scalars, words},
	}

	attributes := func() *schema {
		a := object()
		a.Type, a.MinProperties, a.PropertyNames = "object", &one, &schema{Pattern: attributeName}
		a.AdditionalProperties = ref("matcher")
		return a
	}
	conditions := &schema{Type: "array", Items: ref("when"), MinItems: &one}
	when := object()
	when.Type, when.PropertyNames = "object", &schema{Pattern: attributeName}
	when.Description = "A map of attributes to matchers, all of which hold; and keys with a meaning of their own."
	when.AdditionalProperties = ref("matcher")
	data := object()
	data.Type, data.MinProperties = "object", &one
	data.AdditionalProperties = &schema{AnyOf: []*schema{ref("matcher"), {Type: "null"}}}
	for _, k := range []struct {
		key, description string
		value            *schema
	}{
		{"all", "All of the conditions hold.", conditions},
		{"any", "One of the conditions holds.", conditions},
		{"not", "The condition does not hold.", ref("when")},
		{"cesql", "A CESQL 1.0 expression.", &schema{Type: "string", Pattern: `\S`}},
		{"filters", "Filters of the CloudEvents Subscriptions API; all of them pass.", &schema{Type: "array", Items: ref("filter")}},
		{"data", "JSON paths into the payload, and matchers.", data},
		{"attributes", "Attributes whose names have a meaning of their own in a condition, and matchers.", attributes()},
	} {
		when.Properties.Set(k.key, &schema{AllOf: []*schema{k.value}, Description: k.description})
	}
	s.Definitions["when"] = when
	s.Definitions["filter"] = filterSchema(&one)
}

func filterSchema(one *uint64) *schema {
	texts := func() *schema {
		return &schema{
			Type: "object", MinProperties: one, PropertyNames: &schema{Pattern: attributeName}, AdditionalProperties: text(),
		}
	}
	f := object()
	f.Type, f.AdditionalProperties, f.MinProperties, f.MaxProperties = "object", jsonschema.FalseSchema, one, one
	f.Description = "A filter of the CloudEvents Subscriptions API: exactly one dialect."
	for _, dialect := range []string{"exact", "prefix", "suffix"} {
		f.Properties.Set(dialect, texts())
	}
	for _, dialect := range []string{"all", "any"} {
		f.Properties.Set(dialect, &schema{Type: "array", Items: ref("filter"), MinItems: one})
	}
	f.Properties.Set("not", ref("filter"))
	f.Properties.Set("sql", &schema{Type: "string", Pattern: `\S`})
	return f
}

func object() *schema { return &schema{Properties: jsonschema.NewProperties()} }

func ref(name string) *schema { return &schema{Ref: "#/$defs/" + name} }

func words(list []string) []any {
	all := make([]any, len(list))
	for i, w := range list {
		all[i] = w
	}
	return all
}

func exactlyOne(keys ...string) []*schema {
	var all []*schema
	for _, key := range keys {
		all = append(all, &schema{Required: []string{key}})
	}
	return all
}

// define returns the definition and the key of a path such as Sink.mode.
func define(s *schema, key string) (def *schema, name string) {
	for i := range key {
		if key[i] == '.' {
			def, name = s.Definitions[key[:i]], key[i+1:]
			break
		}
	}
	if def == nil {
		panic(fmt.Sprintf("no definition for %s", key))
	}
	property(def, name)
	return def, name
}

func property(s *schema, key string) *schema {
	p, ok := s.Properties.Get(key)
	if !ok {
		panic(fmt.Sprintf("no property %s", key))
	}
	return p
}

// replace describes a key anew and keeps its description.
func replace(s *schema, key string, with *schema) {
	if with.Description == "" {
		with.Description = property(s, key).Description
	}
	s.Properties.Set(key, with)
}
