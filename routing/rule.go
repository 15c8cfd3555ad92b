package routing

import "github.com/eventrouter/router/envelope"

// Rule is one route as a user wrote it.
type Rule struct {
	Name string
	Pos  Pos
	// From are the sources the rule listens to; nil means every source.
	From []string
	// When is the condition; nil matches every event.
	When *Condition
	// To are the sinks; Drop is "to: drop".
	To   []string
	Drop bool
	// Stop ends the list of rules for an event that this rule matched.
	Stop bool
	// Set changes the copy of the event that this rule delivers, in the order written.
	Set []Assignment
	// RewriteSource allows Set to change the source attribute.
	RewriteSource bool
	// Types are the types that untyped extensions get on the copy that this rule delivers.
	Types []Typing
	// Sample delivers one in so many of the events that the rule matched; 0 and 1 deliver them all.
	Sample int
}

// Assignment sets an attribute to a template's result, or removes it.
type Assignment struct {
	Pos      Pos
	Name     string
	Template string
	Remove   bool
}

// Typing gives an extension that came from a carrier of strings its type.
type Typing struct {
	Pos  Pos
	Name string
	Kind envelope.Kind
}

// TypeName returns what the specification calls a type of attributes, empty for a kind that is none.
func TypeName(k envelope.Kind) string {
	switch k {
	case envelope.KindBoolean:
		return "Boolean"
	case envelope.KindInteger:
		return "Integer"
	case envelope.KindString:
		return "String"
	case envelope.KindBinary:
		return "Binary"
	case envelope.KindURI:
		return "URI"
	case envelope.KindURIRef:
		return "URI-reference"
	case envelope.KindTimestamp:
		return "Timestamp"
	case envelope.KindUntyped:
	}
	return ""
}
