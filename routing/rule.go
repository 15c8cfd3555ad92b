package routing

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
}

// Assignment sets an attribute to a template's result, or removes it.
type Assignment struct {
	Pos      Pos
	Name     string
	Template string
	Remove   bool
}
