package routing

import (
	"errors"
	"fmt"
	"slices"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing/cesql"
)

// Outcome says what became of a rule for one event.
type Outcome uint8

// The outcomes.
const (
	// Matched rules deliver.
	Matched Outcome = iota
	// Failed rules have a predicate that does not hold.
	Failed
	// NotFrom rules do not listen to the event's source.
	NotFrom
	// Stopped rules come after a rule that matched and stops.
	Stopped
)

// String returns the outcome as a word.
func (o Outcome) String() string {
	return [...]string{"matched", "failed", "not from", "stopped"}[o]
}

// Verdict is what one rule thinks of an event, and why.
type Verdict struct {
	// Rule is the rule's number, Name its name.
	Rule    int
	Name    string
	Outcome Outcome
	// StoppedBy is the number of the rule that ended the list, for Stopped; otherwise -1.
	StoppedBy int
	// Holds says whether the condition holds, also for rules that are not asked.
	Holds bool
	// Failure is the first predicate in the order of the file that makes the condition false, nil if it holds.
	Failure *Finding
	// Findings are all predicates in the order of the file, only from ExplainAll.
	Findings []Finding
}

// Finding is a predicate with the value it saw.
type Finding struct {
	Pos  Pos
	Path string
	// Predicate is the predicate in the syntax of the file.
	Predicate string
	// Attribute is the attribute's name, or "data." and the JSON path. It is empty where a predicate looks at
	// several.
	Attribute string
	// Value is what the event has there, and Present says whether it has anything.
	Value   string
	Present bool
	Holds   bool
	// Negated is true where a not stands above the predicate or in it: a value that only looks like one that it names is
	// no mistake then.
	Negated bool
	// Note adds what the rest does not say, such as the error of a CESQL expression.
	Note string
}

// Explain returns for every rule what became of it and the first predicate that failed. It works on the conditions as
// they were written, without the index.
func (t *Table) Explain(source int, e *envelope.Event) []Verdict {
	return t.explain(source, e, false)
}

// ExplainAll is Explain with every predicate of every rule.
func (t *Table) ExplainAll(source int, e *envelope.Event) []Verdict {
	return t.explain(source, e, true)
}

func (t *Table) explain(source int, e *envelope.Event, all bool) []Verdict {
	verdicts := make([]Verdict, len(t.rules))
	stop := -1
	for i := range t.rules {
		r := &t.rules[i]
		v := Verdict{Rule: i, Name: r.Name, StoppedBy: -1, Holds: true}
		if r.When != nil {
			v.Failure = failure(r.When.root, e)
			v.Holds = v.Failure == nil
			if all {
				v.Findings = findings(nil, r.When.root, e, false)
			}
		}
		switch {
		case stop >= 0:
			v.Outcome, v.StoppedBy = Stopped, stop
		case !t.from[i].admits(int32(source)):
			v.Outcome = NotFrom
		case !v.Holds:
			v.Outcome = Failed
		case r.Stop:
			stop = i
		}
		verdicts[i] = v
	}
	return verdicts
}

// failure returns the first predicate that makes n false, nil if n holds.
func failure(n *node, e *envelope.Event) *Finding {
	if n.holds(e) {
		return nil
	}
	if n.attr != "" && n.op != opAll {
		f := finding(n, e)
		return &f
	}
	switch n.op {
	case opAll:
		for _, k := range n.kids {
			if f := failure(k, e); f != nil {
				return f
			}
		}
	case opAny:
		return failureOfAny(n, e)
	case opNot:
		return failureOfNot(n, e)
	default:
	}
	f := finding(n, e)
	return &f
}

// failureOfAny names the first alternative: where none holds, each of them is a reason, and one is enough to go on.
func failureOfAny(n *node, e *envelope.Event) *Finding {
	f := failure(n.kids[0], e)
	if others := len(n.kids) - 1; others > 0 {
		note := fmt.Sprintf("none of %d alternatives holds; this is the first", others+1)
		if f.Note != "" {
			note = f.Note + "; " + note
		}
		f.Note = note
	}
	return f
}

// failureOfNot describes a negated condition that holds. If it is about one thing only, its value is the reason.
func failureOfNot(n *node, e *envelope.Event) *Finding {
	f := finding(n, e)
	if k := n.kids[0]; k.attr != "" || k.op == opCESQL {
		inner := finding(k, e)
		f.Attribute, f.Value, f.Present, f.Note = inner.Attribute, inner.Value, inner.Present, inner.Note
	} else {
		f.Note = "the condition below not holds"
	}
	return &f
}

// finding describes one node by itself.
func finding(n *node, e *envelope.Event) Finding {
	f := Finding{Pos: n.pos, Path: n.path, Predicate: predicateText(n), Holds: n.holds(e), Negated: negates(n)}
	if n.op == opCESQL {
		f.Note = cesqlNote(n, e)
	}
	if n.attr == "" {
		return f
	}
	v := n.look(e)
	f.Attribute, f.Value, f.Present = n.attr, v.text, v.present
	if n.data == nil {
		return f
	}
	f.Attribute = keyData + "." + n.attr
	switch {
	case e.Data == nil:
		f.Note = "the event has no data"
	case v.present && !v.scalar():
		f.Note = "the value is " + kindName(v.kind)
	}
	return f
}

// negates reports whether a not is part of the predicate. That of exists is none: nothing near a value is absent.
func negates(n *node) bool {
	return n.op == opNot && n.kids[0].op != opExists || slices.ContainsFunc(n.kids, negates)
}

func kindName(k envelope.PathKind) string {
	switch k {
	case envelope.PathNull:
		return "null"
	case envelope.PathObject:
		return "an object"
	case envelope.PathArray:
		return "an array"
	default:
		return "a scalar"
	}
}

// cesqlNote tells why an expression does not let the event pass.
func cesqlNote(n *node, e *envelope.Event) string {
	v, err := n.test.expr.Eval(e)
	if err == nil {
		return fmt.Sprintf("the result is %v", v)
	}
	note := err.Error()
	if failed, ok := errors.AsType[*cesql.Error](err); ok && failed.Kind == cesql.MissingAttributeError {
		all := n.test.expr.Attributes()
		i := slices.IndexFunc(all, func(a cesql.Attribute) bool { return a.Offset == failed.Offset })
		if i >= 0 && all[i].Text != "" && !isCore(all[i].Name) {
			note += "; write '" + all[i].Text + "' if the text is meant"
		}
	}
	return note
}

// findings appends every predicate below n in the order of the file. A negation is a predicate of its own, followed
// by what it negates where that is a whole condition.
func findings(dst []Finding, n *node, e *envelope.Event, negated bool) []Finding {
	combines := n.attr == "" && (n.op == opAll || n.op == opAny || n.op == opNot)
	if !combines || n.op == opNot {
		f := finding(n, e)
		f.Negated = f.Negated || negated
		dst = append(dst, f)
	}
	if combines {
		for _, k := range n.kids {
			dst = findings(dst, k, e, negated || n.op == opNot)
		}
	}
	return dst
}
