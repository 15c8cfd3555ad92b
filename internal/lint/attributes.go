package lint

import (
	"errors"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// The violations, by name:
//
//	syntax           the text is not JSON, XML or an HTTP request, or a request's body is not what its header says
//	specversion      specversion is absent or not 1.0
//	required         a required attribute is absent
//	empty            an attribute is empty that must not be
//	name             a name is not one or more of a-z and 0-9, or is data
//	duplicate        something is there more than once
//	type             a value is of a type that its attribute, or any attribute, cannot have
//	value            a value breaks the grammar of its type
//	data             the members of data contradict each other or the content type
//	header           a header cannot be decoded
//	content-type     the media type is missing, doubled or not one that is read
//	format           another rule of the event's format
//
// The advice, by name: reverse-dns, version, absolute-source, dataschema, name-length, name-letter, size, sensitive, time,
// datacontenttype, unique.

// reject lists the violations of an error of the codecs.
func (l *linter) reject(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			l.reject(one)
		}
		return
	}
	var ae *envelope.AttributeError
	if !errors.As(err, &ae) {
		l.violation("", "format", "%s", err)
		return
	}
	message := ae.Rule
	if outer := err.Error(); ae.Attribute == "" && !strings.HasSuffix(outer, ": "+ae.Rule) {
		message = outer
	}
	l.violation(ae.Attribute, ruleOf(ae), "%s", message)
}

// ruleOf names the rule that a codec's error is about.
func ruleOf(e *envelope.AttributeError) string {
	switch {
	case e.Attribute == "specversion":
		return "specversion"
	case strings.HasPrefix(e.Rule, "is required"):
		return "required"
	case strings.HasPrefix(e.Rule, "must not be empty"):
		return "empty"
	case strings.HasPrefix(e.Rule, "is not an attribute name"), strings.HasPrefix(e.Rule, "is a core attribute"):
		return "name"
	case strings.HasPrefix(e.Rule, "must not appear more than once"):
		return "duplicate"
	case strings.HasPrefix(e.Attribute, "data") && e.Attribute != "dataschema" && e.Attribute != "datacontenttype":
		return "data"
	case e.Attribute == "":
		return "format"
	}
	return "value"
}

// loose is an event that is read without regard to rules, so that all that it breaks can be listed.
type loose struct {
	event envelope.Event
	names map[string]bool
}

func newLoose() *loose { return &loose{names: map[string]bool{}} }

// put takes an attribute. What an event cannot hold is reported at once, the rest by finish.
func (l *linter) put(e *loose, name, value string, kind envelope.Kind) {
	if e.names[name] {
		l.violation(name, "duplicate", "must not appear more than once")
		return
	}
	e.names[name] = true
	_, core := envelope.CoreKind(name)
	switch {
	case name == "specversion":
		if value != envelope.SpecVersion {
			l.violation(name, "specversion", "must be %s, not %q", envelope.SpecVersion, value)
		}
	case core && kind != envelope.KindUntyped:
		l.violation(name, "type", "must be a string")
	case core && value == "":
		l.violation(name, "empty", "must not be empty; leave the attribute out")
	default:
		if core {
			e.event.Set(name, value, envelope.KindString)
		} else {
			e.event.AddExtension(name, value, kind)
		}
		probe := envelope.Event{ID: "1", Source: "/", Type: "t"}
		probe.Set(name, value, kind)
		if err := probe.Validate(envelope.Options{}); err != nil {
			l.reject(err)
		}
	}
}

// finish lists what is absent.
func (l *linter) finish(e *loose) {
	if !e.names["specversion"] {
		l.violation("specversion", "specversion", "is required and must be %s", envelope.SpecVersion)
	}
	for _, name := range []string{"id", "source", "type"} {
		if !e.names[name] {
			l.violation(name, "required", "is required")
		}
	}
}
