package routing

import (
	"slices"

	"github.com/eventrouter/router/envelope"
)

// AnySource as the source of a match asks every rule, whatever its From.
const AnySource = -1

// Table is a compiled list of rules. It is immutable: any number of goroutines may match with it, each with its own
// [Scratch].
type Table struct {
	rules     []Rule
	sourceIDs map[string]int
	from      []origin
	attrNames []string
	attrs     map[string]int32
	paths     []*envelope.Path
	preds     []pred
	entries   []entry
	index     index
	crowds    []crowd
	// usesSeldom says that a rule asks for another core attribute than type, source and subject.
	usesSeldom bool
	// expressions is how many CESQL expressions the rules have.
	expressions int
}

// origin is the From of a rule by numbers: any, one source, or a sorted list.
type origin struct {
	only int32
	list []int32
}

const (
	fromAny  = -1
	fromList = -2
)

func (o *origin) admits(source int32) bool {
	if source == AnySource || o.only == fromAny || o.only == source {
		return true
	}
	if o.only != fromList {
		return false
	}
	_, found := slices.BinarySearch(o.list, source)
	return found
}

// entry is one way into a rule: the predicates that are left to check once the index led here.
type entry struct {
	rule int32
	// first to lazy are the predicates on attributes in Table.preds, lazy to end those that read the payload.
	first, lazy, end int32
}

// Compile builds the table of rules over the configured sources, whose positions are their ids, and sinks; nil sinks
// are not checked. The table is nil if any of the problems is an error.
func Compile(rules []Rule, sources, sinks []string) (*Table, []Problem) {
	t, problems := newTable(rules, sources, sinks)
	problems = append(problems, t.review()...)
	if slices.ContainsFunc(problems, func(p Problem) bool { return !p.Warning }) {
		return nil, problems
	}
	return t, problems
}

func newTable(rules []Rule, sources, sinks []string) (*Table, []Problem) {
	t := &Table{rules: rules, sourceIDs: make(map[string]int, len(sources))}
	for i, name := range sources {
		t.sourceIDs[name] = i
	}
	problems := t.resolve(sources, sinks)
	t.build()
	return t, problems
}

// Source returns the id of a source.
func (t *Table) Source(name string) (id int, ok bool) {
	id, ok = t.sourceIDs[name]
	return id, ok
}

// Rules returns the rules in file order. The caller does not change them.
func (t *Table) Rules() []Rule { return t.rules }

// resolve turns names into numbers and reports those that do not exist.
func (t *Table) resolve(sources, sinks []string) []Problem {
	var problems []Problem
	known := make(map[string]bool, len(sinks))
	for _, s := range sinks {
		known[s] = true
	}
	t.from = make([]origin, len(t.rules))
	for i := range t.rules {
		r := &t.rules[i]
		o, unknown := t.origin(r)
		t.from[i] = o
		if r.From != nil && len(r.From) == 0 {
			problems = append(problems, r.problem("from is an empty list; leave it out to listen to every source"))
		}
		for _, name := range unknown {
			problems = append(problems, r.problem("there is no source %s%s", name, didYouMean(name, sources)))
		}
		for _, name := range r.To {
			if sinks != nil && !known[name] {
				problems = append(problems, r.problem("there is no sink %s%s", name, didYouMean(name, sinks)))
			}
		}
	}
	return problems
}

func (r *Rule) problem(format string, args ...any) Problem {
	return Problemf(r.Pos, "route "+Clip(r.Name), format, args...)
}

func (t *Table) origin(r *Rule) (o origin, unknown []string) {
	if r.From == nil {
		return origin{only: fromAny}, nil
	}
	o.only = fromList
	for _, name := range r.From {
		if id, ok := t.sourceIDs[name]; ok {
			o.list = append(o.list, int32(id))
		} else {
			unknown = append(unknown, name)
		}
	}
	if len(o.list) == 1 {
		return origin{only: o.list[0]}, unknown
	}
	slices.Sort(o.list)
	return o, unknown
}

// add appends an entry for the predicates except the one at number access, which the index has checked, and returns
// its number.
func (t *Table) add(rule int32, preds []pred, access int) int32 {
	e := entry{rule: rule, first: int32(len(t.preds))}
	for i := range preds {
		if i != access {
			t.preds = append(t.preds, preds[i])
		}
	}
	e.end = int32(len(t.preds))
	e.lazy = e.end
	for e.lazy > e.first && t.preds[e.lazy-1].lazy {
		e.lazy--
	}
	t.entries = append(t.entries, e)
	return int32(len(t.entries) - 1)
}
