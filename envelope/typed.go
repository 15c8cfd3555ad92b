package envelope

import (
	"errors"
	"unicode/utf8"
)

// The formats beyond JSON live in packages of their own, which see of this one only what is exported. What they need
// beside the reading of header attributes is here.

// Typed takes one attribute of a structured message whose format tells types; for a core attribute the type is left
// aside, because the format's own rules decide which it may have (see [CoreKind]). A bad name is refused in either mode.
func (r *AttributeReader) Typed(name, value string, kind Kind) error { return r.put(name, value, kind) }

// FinishStructured is Finish for a message that says by its media type that it is an event, so that none of its faults
// makes it something else than a broken one.
func (r *AttributeReader) FinishStructured() error {
	err := r.Finish()
	if errors.Is(err, ErrNotCloudEvent) {
		return &AttributeError{Attribute: coreNames[coreSpecVersion], Rule: ruleRequired}
	}
	return err
}

// CoreKind returns the type that the specification gives a core attribute; ok is false for every other name.
func CoreKind(name string) (kind Kind, ok bool) {
	switch coreNumber(name) {
	case notCore:
		return KindUntyped, false
	case coreSource:
		return KindURIRef, true
	case coreDataSchema:
		return KindURI, true
	case coreTime:
		return KindTimestamp, true
	case coreSpecVersion, coreID, coreType, coreSubject, coreDataContentType:
	}
	return KindString, true
}

// TypedAttributes yields what Attributes yields with the type of each: the specification's own for core attributes.
// Unlike Attributes it also yields datacontenttype, as [Event.ContentType] has it, and leaves specversion to the format.
func (e *Event) TypedAttributes(yield func(Attr) bool) {
	for c := coreID; c <= coreDataSchema; c++ {
		value := *c.field(e)
		if c == coreDataContentType {
			value = e.ContentType()
		}
		if value == "" {
			continue
		}
		kind, _ := CoreKind(coreNames[c])
		if !yield(Attr{coreNames[c], value, kind}) {
			return
		}
	}
	for i := range e.count {
		if !yield(*e.Extension(i)) {
			return
		}
	}
}

// TextData reports whether the data is characters in UTF-8, by what the format it came in or its media type says and by
// its own bytes. Formats that know text and bytes apart ask it.
func (e *Event) TextData() bool {
	if e.Data == nil || e.DataKind == DataBinary || !utf8.Valid(e.Data) {
		return false
	}
	contentType := e.ContentType()
	return e.DataKind == DataText || e.DataKind == DataJSON || IsJSON(contentType) || isText(contentType)
}

// ValidValue reports whether value is the canonical text of a value of that type.
func ValidValue(value string, kind Kind) bool { return checkKind(value, kind) == "" }

// ValidName reports whether name can be the name of an attribute.
func ValidName(name string) bool { return validName(name) }
