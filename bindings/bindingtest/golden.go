// Package bindingtest holds what the tests of every binding share: golden events, what it means for two events to be
// equal, and suites that hold a binding to the contract of package bindings.
package bindingtest

import (
	"fmt"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// NamedEvent is a golden event: one that every binding has to carry.
type NamedEvent struct {
	// Name is short, unique and fit for the name of a subtest.
	Name string
	// Why says what the event is there for: what a careless codec would do to it.
	Why string
	// Event is valid by the specification and has no original bytes, no metadata and no key.
	Event *envelope.Event
}

// Events returns the golden events, made anew at every call, so that a test may change them.
func Events() []NamedEvent {
	var b goldenBuilder
	b.requiredAttributes()
	b.optionalAttributes()
	b.extensions()
	b.types()
	b.jsonData()
	b.otherData()
	b.contentTypes()
	b.sizes()
	return b.events
}

// Find returns the golden event of that name. It panics where there is none, because that is a mistake in the test.
func Find(name string) *envelope.Event {
	for _, n := range Events() {
		if n.Name == name {
			return n.Event
		}
	}
	panic("bindingtest: no golden event named " + name)
}

// Loss states what a carrier may lose of an event. The values can be combined with |.
type Loss uint8

// The losses. Nothing else of attributes and data may change.
const (
	// LossStringTypes lets the types that JSON writes as strings (String, Binary, URI, URI-reference, Timestamp)
	// become KindUntyped; Boolean and Integer stay.
	LossStringTypes Loss = 1 << iota
	// LossTypes lets every type become KindUntyped.
	LossTypes
	// LossEmptyData lets a present, empty payload become an absent one.
	LossEmptyData
	// LossJSONSpace lets white space around a JSON payload go; that inside it stays.
	LossJSONSpace
)

// The losses of the usual carriers.
const (
	// Structured is what the JSON format loses, over every transport.
	Structured = LossStringTypes | LossJSONSpace
	// Headers is what carriers of string headers lose in binary mode. Those that cannot tell an empty payload from an
	// absent one add LossEmptyData.
	Headers = LossTypes
)

// Equal compares two events by their attributes and data and returns what differs in words, the empty string where
// nothing does: a is what was sent and b what arrived, with at most the losses of rule. The order of extensions,
// DataKind, original bytes, keys and metadata are not compared; a content type that DataKind implies is taken as if it
// were written out.
func Equal(a, b *envelope.Event, rule Loss) string {
	var d diff
	for _, name := range []string{"id", "source", "type", "subject", "time", "dataschema"} {
		x, _ := a.Get(name)
		y, _ := b.Get(name)
		d.text(name, x, y)
	}
	d.text("datacontenttype", a.ContentType(), b.ContentType())
	d.extensions(a, b, rule)
	d.data(a, b, rule)
	if b.Malformed != nil {
		d.add("malformed: got %v", b.Malformed)
	}
	return strings.Join(d, "\n")
}

// diff gathers the lines of a difference.
type diff []string

func (d *diff) add(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

func (d *diff) text(name, want, got string) {
	if want != got {
		d.add("%s: got %s, want %s", name, short(got), short(want))
	}
}

func (d *diff) extensions(a, b *envelope.Event, rule Loss) {
	for i := range a.NumExtensions() {
		want := a.Extension(i)
		got := b.FindExtension(want.Name)
		if got == nil {
			d.add("%s: missing, want %s", want.Name, short(want.Value))
			continue
		}
		d.text(want.Name, want.Value, got.Value)
		if kind := arrives(want.Kind, rule); got.Kind != want.Kind && got.Kind != kind {
			d.add("%s: got type %d, want %d", want.Name, got.Kind, kind)
		}
	}
	seen := map[string]bool{}
	for i := range b.NumExtensions() {
		x := b.Extension(i)
		switch {
		case a.FindExtension(x.Name) == nil:
			d.add("%s: got %s, want it absent", x.Name, short(x.Value))
		case seen[x.Name]:
			d.add("%s: there more than once", x.Name)
		}
		seen[x.Name] = true
	}
}

// arrives returns the type that an attribute may have behind a carrier.
func arrives(k envelope.Kind, rule Loss) envelope.Kind {
	typed := k == envelope.KindBoolean || k == envelope.KindInteger
	if rule&LossTypes != 0 || rule&LossStringTypes != 0 && !typed {
		return envelope.KindUntyped
	}
	return k
}

func (d *diff) data(a, b *envelope.Event, rule Loss) {
	want, got := a.Data, b.Data
	if rule&LossEmptyData != 0 && len(want) == 0 && len(got) == 0 {
		return
	}
	if (want == nil) != (got == nil) {
		d.add("data: got present %t, want %t", got != nil, want != nil)
		return
	}
	x, y := string(want), string(got)
	if rule&LossJSONSpace != 0 && envelope.IsJSON(a.ContentType()) {
		const space = " \t\r\n"
		x, y = strings.Trim(x, space), strings.Trim(y, space)
	}
	d.text("data", x, y)
}

// short keeps a difference readable where values are large.
func short(s string) string {
	const limit = 120
	if len(s) <= limit {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:limit], len(s))
}
