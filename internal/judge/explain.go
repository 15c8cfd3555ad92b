package judge

import (
	"slices"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/sample"
	"github.com/eventrouter/router/routing"
)

// Explanation is what explain says of one event.
type Explanation struct {
	Where     string           `json:"where,omitempty"`
	ID        string           `json:"id"`
	Type      string           `json:"type"`
	Source    string           `json:"source"`
	Routes    []ExplainedRoute `json:"routes"`
	Legs      []Target         `json:"deliveries"`
	Unmatched bool             `json:"unmatched"`
	// Policy is what unmatched says, and DeadLetter what dead_letter does, where that is where the event goes.
	Policy     string `json:"unmatched_policy,omitempty"`
	DeadLetter string `json:"dead_letter,omitempty"`
}

// ExplainedRoute is what a route thought of the event.
type ExplainedRoute struct {
	Name      string `json:"name"`
	Place     string `json:"place"`
	Outcome   string `json:"outcome"`
	StoppedBy string `json:"stopped_by,omitempty"`
	// SampledOut is the N of a sample of one in N that leaves the event out.
	SampledOut int                `json:"sampled_out,omitempty"`
	Failed     *ExplainedFinding  `json:"failed,omitempty"`
	Findings   []ExplainedFinding `json:"predicates,omitempty"`
}

// ExplainedFinding is a predicate with what it saw.
type ExplainedFinding struct {
	Place     string `json:"place,omitempty"`
	Predicate string `json:"predicate"`
	Attribute string `json:"attribute,omitempty"`
	Value     string `json:"value,omitempty"`
	Present   bool   `json:"present"`
	Holds     bool   `json:"holds"`
	Note      string `json:"note,omitempty"`
	// Hint is a guess at what was meant instead.
	Hint string `json:"hint,omitempty"`

	// Finding is the predicate as the rule has it, for whoever words it otherwise.
	Finding *routing.Finding `json:"-"`
}

// Explain says what each route thinks of an event from a source, what each sink would get, and where it goes if no route
// matches. Without from, every route is asked; all is for every predicate, not only the first that fails.
func (j *Judge) Explain(s sample.Event, from string, all bool) (Explanation, error) {
	sinks, err := j.previewed()
	if err != nil {
		return Explanation{}, err
	}
	r := j.rule(from, s.Event)
	x := j.explain(s, from, all, r.SampledOut)
	for _, l := range r.Legs {
		x.Legs = append(x.Legs, shownTarget(j.cfg, l, sinks.of(l)))
	}
	if r.Dropped {
		x.Legs = append(x.Legs, Target{Sink: "drop"})
	}
	if x.Unmatched = r.Unmatched; x.Unmatched {
		if x.Policy = j.cfg.Unmatched; x.Policy == "dead_letter" {
			x.DeadLetter = j.cfg.DeadLetter
		}
	}
	return x, nil
}

// explain says what each route thought of an event; sampledOut are those that matched it and leave it out.
func (j *Judge) explain(s sample.Event, from string, all bool, sampledOut []string) Explanation {
	x := Explanation{
		Where: s.Where, ID: s.Event.ID, Type: s.Event.Type, Source: s.Event.Source, Legs: []Target{},
		Routes: []ExplainedRoute{},
	}
	ask := j.table.Explain
	if all {
		ask = j.table.ExplainAll
	}
	rules := j.table.Rules()
	for _, v := range ask(j.source(from), s.Event) {
		r := ExplainedRoute{Name: v.Name, Place: rules[v.Rule].Pos.String(), Outcome: v.Outcome.String()}
		if v.Outcome == routing.Stopped {
			r.StoppedBy = rules[v.StoppedBy].Name
		}
		if slices.Contains(sampledOut, v.Name) {
			r.SampledOut = rules[v.Rule].Sample
		}
		if v.Outcome == routing.Failed && v.Failure != nil {
			finding := j.finding(v.Failure, s.Event, v.Rule)
			r.Failed = &finding
		}
		for i := range v.Findings {
			r.Findings = append(r.Findings, j.finding(&v.Findings[i], s.Event, v.Rule))
		}
		x.Routes = append(x.Routes, r)
	}
	return x
}

// maxHinted is for how many routes hints are looked for, which takes some ten microseconds each: those of a file with
// a hundred thousand routes would fill no terminal anyway.
const maxHinted = 2000

func (j *Judge) finding(f *routing.Finding, e *envelope.Event, route int) ExplainedFinding {
	hint := ""
	if route < maxHinted {
		hint = j.cfg.AsWritten(config.RoutePath(route), j.hints.of(f, e))
	}
	f = j.shownFinding(f, route)
	return ExplainedFinding{
		Place: f.Pos.String(), Predicate: f.Predicate, Attribute: f.Attribute, Value: f.Value, Present: f.Present,
		Holds: f.Holds, Note: f.Note, Hint: hint, Finding: f,
	}
}
