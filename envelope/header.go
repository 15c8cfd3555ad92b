package envelope

import (
	"fmt"
	"slices"
	"strconv"
)

// manyNames is how many names are compared one by one before a set takes over, so that a message made of nothing but
// attributes costs no more than linear time.
const manyNames = 32

// AttributeReader collects the attributes of a binary-mode message. The zero value is ready for Begin; it is meant to
// live on the stack of a decode function.
type AttributeReader struct {
	e       *Event
	options Options
	seen    uint16 // a bit for each core attribute
	dropped int
	// null holds the extension names that came with a JSON null: unset, and still not to be repeated.
	null  []string
	names map[string]struct{}
}

// Begin starts to fill e, which the caller has Reset.
func (r *AttributeReader) Begin(e *Event, o Options) {
	*r = AttributeReader{e: e, options: o, null: r.null[:0]}
}

// Attribute takes one attribute: name without the carrier's prefix (lower-cased by the caller where the carrier is
// case-insensitive), value decoded. It refuses duplicates, bad names and forbidden characters with an AttributeError.
// A lenient reader drops what has a bad name; see Dropped.
func (r *AttributeReader) Attribute(name, value string) error {
	if r.options.Lenient && !validName(name) {
		r.dropped++
		return nil
	}
	return r.put(name, value, KindUntyped)
}

// Dropped returns how many attributes a lenient reader left out because their names were not attribute names.
func (r *AttributeReader) Dropped() int { return r.dropped }

// Finish checks what can only be checked at the end: that the required attributes are there, and that a
// DataContentType the caller assigned by itself is a media type. A message without a single attribute is
// ErrNotCloudEvent; every other failure is an AttributeError.
func (r *AttributeReader) Finish() error {
	if r.seen == 0 && r.e.count == 0 && r.dropped == 0 {
		return errNoAttributes
	}
	if err := r.required(); err != nil {
		return err
	}
	if ct := r.e.DataContentType; ct != "" && !r.has(coreDataContentType) {
		if rule := coreDataContentType.check(ct); rule != "" {
			return &AttributeError{Attribute: "datacontenttype", Rule: rule}
		}
	}
	return nil
}

var errNoAttributes = fmt.Errorf("%w: it has no attributes", ErrNotCloudEvent)

// required checks that the four required attributes were set.
func (r *AttributeReader) required() error {
	const all = 1<<coreSpecVersion | 1<<coreID | 1<<coreSource | 1<<coreType
	if r.seen&all != all {
		return r.missing()
	}
	return nil
}

func (r *AttributeReader) missing() error {
	for c := coreSpecVersion; c <= coreType; c++ {
		if !r.has(c) {
			return &AttributeError{Attribute: coreNames[c], Rule: ruleRequired}
		}
	}
	return nil
}

func (r *AttributeReader) has(c coreAttribute) bool { return r.seen&(1<<c) != 0 }

// put checks one attribute and stores it.
func (r *AttributeReader) put(name, value string, kind Kind) error {
	c := coreNumber(name)
	if c == notCore {
		return r.extension(name, value, kind)
	}
	if r.has(c) {
		return &AttributeError{Attribute: name, Rule: ruleDuplicate}
	}
	r.seen |= 1 << c
	if rule := c.check(value); rule != "" {
		return &AttributeError{Attribute: name, Rule: rule}
	}
	if field := c.field(r.e); field != nil {
		*field = value
	}
	return nil
}

// extension checks one extension attribute and adds it to the event.
func (r *AttributeReader) extension(name, value string, kind Kind) error {
	if err := r.newName(name); err != nil {
		return err
	}
	if rule := checkKind(value, kind); rule != "" {
		return &AttributeError{Attribute: name, Rule: rule}
	}
	if limit := r.options.MaxAttributes; limit > 0 && r.e.count >= limit {
		return &AttributeError{Attribute: name, Rule: "exceeds the limit of " + strconv.Itoa(limit) +
			" extension attributes"}
	}
	r.e.AddExtension(name, value, kind)
	return nil
}

// newName checks that name is the name of an attribute and was not used before.
func (r *AttributeReader) newName(name string) error {
	if !validName(name) {
		return &AttributeError{Attribute: name, Rule: ruleName}
	}
	if r.used(name) {
		return &AttributeError{Attribute: name, Rule: ruleDuplicate}
	}
	return nil
}

// used reports whether an extension of that name was met before, and keeps the name in mind once there are many.
func (r *AttributeReader) used(name string) bool {
	if r.e.count+len(r.null) < manyNames {
		return r.e.FindExtension(name) != nil || slices.Contains(r.null, name)
	}
	if r.names == nil {
		r.names = make(map[string]struct{}, 2*manyNames)
		for i := range r.e.count {
			r.names[r.e.Extension(i).Name] = struct{}{}
		}
		for _, n := range r.null {
			r.names[n] = struct{}{}
		}
	}
	if _, ok := r.names[name]; ok {
		return true
	}
	r.names[name] = struct{}{}
	return false
}

// Attributes yields every attribute but datacontenttype, which carriers put elsewhere, as name and canonical text:
// specversion, id, source, type, subject, time, dataschema, then the extensions in their order.
func (e *Event) Attributes(yield func(name, value string) bool) {
	if !yield("specversion", SpecVersion) {
		return
	}
	for c := coreID; c <= coreDataSchema; c++ {
		value := *c.field(e)
		if value != "" && c != coreDataContentType && !yield(coreNames[c], value) {
			return
		}
	}
	for i := range e.count {
		if a := e.Extension(i); !yield(a.Name, a.Value) {
			return
		}
	}
}
