package envelope

import "errors"

// Validate checks the whole event against the specification: required attributes, names, and the grammar of every
// value. It reports all violations, joined, each an AttributeError. In lenient mode the grammar of URIs, a fragment in
// dataschema among it, is left aside; decoders accept such values in either mode, because they forward their text.
// A malformed event reports why it is one.
func (e *Event) Validate(o Options) error {
	if e.Malformed != nil {
		return e.Malformed
	}
	var v violations
	for c := coreID; c <= coreDataSchema; c++ {
		value := *c.field(e)
		switch {
		case value != "":
			v.add(coreNames[c], c.check(value))
		case c <= coreType:
			v.add(coreNames[c], ruleRequired)
		}
	}
	if !o.Lenient {
		v.checkURIs(e)
	}
	if o.MaxAttributes > 0 && e.count > o.MaxAttributes {
		v.add("", "has more extension attributes than the limit allows")
	}
	v.checkExtensions(e, o)
	return errors.Join(v...)
}

// violations gathers AttributeErrors; a valid event costs it nothing.
type violations []error

func (v *violations) add(attribute, rule string) {
	if rule != "" {
		*v = append(*v, &AttributeError{Attribute: attribute, Rule: rule})
	}
}

func (v *violations) checkURIs(e *Event) {
	if e.Source != "" && !validURIReference(e.Source) {
		v.add("source", ruleURIRef)
	}
	if e.DataSchema != "" && !validAbsoluteURI(e.DataSchema) {
		v.add("dataschema", ruleURI)
	}
}

func (v *violations) checkExtensions(e *Event, o Options) {
	var names map[string]struct{}
	if e.count > manyNames {
		names = make(map[string]struct{}, e.count)
	}
	for i := range e.count {
		a := e.Extension(i)
		v.add(a.Name, e.checkExtensionName(a, names))
		v.add(a.Name, checkKind(a.Value, a.Kind))
		if !o.Lenient {
			v.add(a.Name, checkURIKind(a.Value, a.Kind))
		}
	}
}

// checkExtensionName returns the rule that the name of an extension breaks, or the empty string. names, where it is not
// nil, collects the names met so far.
func (e *Event) checkExtensionName(a *Attr, names map[string]struct{}) (rule string) {
	if coreNumber(a.Name) != notCore {
		return "is a core attribute and cannot be an extension"
	}
	if !validName(a.Name) {
		return ruleName
	}
	repeated := false
	if names == nil {
		repeated = e.FindExtension(a.Name) != a
	} else {
		_, repeated = names[a.Name]
		names[a.Name] = struct{}{}
	}
	if repeated {
		return ruleDuplicate
	}
	return ""
}

const (
	ruleURI    = "must be an absolute URI without a fragment (RFC 3986 section 4.3)"
	ruleURIRef = "must be a URI reference (RFC 3986 section 4.1)"
)

// checkKind returns the rule that value breaks as a value of that type, or the empty string. URIs are judged by their
// characters alone.
func checkKind(value string, kind Kind) (rule string) {
	switch kind {
	case KindBoolean:
		if !validBoolean(value) {
			return "must be true or false"
		}
	case KindInteger:
		if !validInteger(value) {
			return "must be an integer from -2147483648 to 2147483647, without exponent, fraction or leading zeros"
		}
	case KindBinary:
		if !validBinary(value) {
			return "must be base64 in the standard alphabet with padding"
		}
	case KindTimestamp:
		if !validTimestamp(value) {
			return "must be an RFC 3339 timestamp such as 2018-04-05T17:31:00Z"
		}
	case KindUntyped, KindString, KindURI, KindURIRef:
		if !validString(value) {
			return ruleCharacters
		}
	}
	return ""
}

// checkURIKind returns the rule of the URI grammar that value breaks, or the empty string.
func checkURIKind(value string, kind Kind) (rule string) {
	switch {
	case kind == KindURI && !validAbsoluteURI(value):
		return ruleURI
	case kind == KindURIRef && !validURIReference(value):
		return ruleURIRef
	}
	return ""
}
