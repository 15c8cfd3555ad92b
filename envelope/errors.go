package envelope

import "errors"

// ErrNotCloudEvent marks a message that carries no sign of being a CloudEvent at all, in contrast to one that is one
// and breaks a rule. Only such messages may be wrapped.
var ErrNotCloudEvent = errors.New("not a CloudEvent")

// AttributeError is a rule of the specification that an event breaks, and where.
type AttributeError struct {
	// Attribute is the attribute's, header's or member's name; it may be empty where the message as a whole is wrong.
	Attribute string
	// Rule says what was expected, in words a producer can act on.
	Rule string
}

// Error returns the attribute and the rule.
func (e *AttributeError) Error() string {
	if e.Attribute == "" {
		return e.Rule
	}
	return e.Attribute + ": " + e.Rule
}
