package judge

import (
	"fmt"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/routing"
)

// verdictLines says what a rule thought of an event: a line, and another one with the hint if there is one.
func (j *Judge) verdictLines(v routing.Verdict, e *envelope.Event) []string {
	switch v.Outcome {
	case routing.Matched:
		return []string{fmt.Sprintf("route %s matches", v.Name)}
	case routing.NotFrom:
		return []string{fmt.Sprintf("route %s does not listen to this source", v.Name)}
	case routing.Stopped:
		return []string{fmt.Sprintf("route %s is not reached: route %s matched and stops", v.Name, j.table.Rules()[v.StoppedBy].Name)}
	default: // it failed
	}
	lines := []string{fmt.Sprintf("route %s: %s", v.Name, FindingText(j.shownFinding(v.Failure, v.Rule), 0))}
	if h := j.cfg.AsWritten(config.RoutePath(v.Rule), j.hints.of(v.Failure, e)); h != "" {
		lines = append(lines, "  hint: "+h)
	}
	return lines
}

// FindingText says what a predicate wanted and what it saw. A value longer than most characters is shortened; 0 shows
// all of it.
func FindingText(f *routing.Finding, most int) string {
	if f == nil {
		return "does not match"
	}
	text := phrase.Shorten(f.Predicate, most)
	switch {
	case f.Attribute == "":
	case f.Present:
		but := "but"
		if f.Holds {
			but = "and"
		}
		text += fmt.Sprintf(", %s %s is %q", but, f.Attribute, phrase.Shorten(f.Value, most))
	case f.Holds:
		text += fmt.Sprintf(", and the event has no %s", f.Attribute)
	default:
		text += fmt.Sprintf(", but the event has no %s", f.Attribute)
	}
	if f.Note != "" {
		text += " (" + phrase.Shorten(f.Note, 2*most) + ")"
	}
	if pos := f.Pos.String(); pos != "" {
		text += "  " + pos
	}
	return text
}
