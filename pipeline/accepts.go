package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// Accepts says which classified data a sink may be given. It is a sink's own choice: the dataclassification extension
// binds nobody who did not ask for it.
type Accepts struct {
	// Levels are the values of dataclassification, Regulations the entries of dataregulation.
	Levels, Regulations []string
}

// Check returns why the event may not be given to the sink, nil if it may. An event without a classification says
// nothing, and a label that is not listed is refused as one that is not known. The attributes are never changed.
func (a *Accepts) Check(e *envelope.Event) error {
	if a == nil {
		return nil
	}
	level := e.FindExtension("dataclassification")
	if level == nil {
		return nil
	}
	if !slices.Contains(a.Levels, level.Value) {
		return notAccepted("dataclassification", level.Value)
	}
	list := e.FindExtension("dataregulation")
	if list == nil {
		return nil
	}
	for rest, more := list.Value, true; more; {
		var entry string
		entry, rest, more = strings.Cut(rest, ",")
		if entry = strings.TrimSpace(entry); entry != "" && !slices.Contains(a.Regulations, entry) {
			return notAccepted("dataregulation", entry)
		}
	}
	return nil
}

func notAccepted(attribute, value string) error {
	return bindings.Permanent(bindings.ReasonClassification, "", fmt.Errorf("the sink does not accept %s %q", attribute, value))
}
