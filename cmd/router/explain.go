package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/internal/sample"
	"github.com/eventrouter/router/routing"
)

// explanation is what explain says of one event.
type explanation struct {
	Where     string            `json:"where,omitempty"`
	ID        string            `json:"id"`
	Type      string            `json:"type"`
	Source    string            `json:"source"`
	Routes    []explainedRoute  `json:"routes"`
	Legs      []explainedTarget `json:"deliveries"`
	Unmatched bool              `json:"unmatched"`
	// Policy is what unmatched says, and DeadLetter what dead_letter does, where that is where the event goes.
	Policy     string `json:"unmatched_policy,omitempty"`
	DeadLetter string `json:"dead_letter,omitempty"`
}

// explainedRoute is what a route thought of the event.
type explainedRoute struct {
	Name      string `json:"name"`
	Place     string `json:"place"`
	Outcome   string `json:"outcome"`
	StoppedBy string `json:"stopped_by,omitempty"`
	// SampledOut is the N of a sample of one in N that leaves the event out.
	SampledOut int                `json:"sampled_out,omitempty"`
	Failed     *explainedFinding  `json:"failed,omitempty"`
	Findings   []explainedFinding `json:"predicates,omitempty"`
}

// explainedFinding is a predicate with what it saw.
type explainedFinding struct {
	Place     string `json:"place,omitempty"`
	Predicate string `json:"predicate"`
	Attribute string `json:"attribute,omitempty"`
	Value     string `json:"value,omitempty"`
	Present   bool   `json:"present"`
	Holds     bool   `json:"holds"`
	Note      string `json:"note,omitempty"`
	// Hint is a guess at what was meant instead.
	Hint string `json:"hint,omitempty"`

	finding *routing.Finding
}

func (a *app) explainCommand() *cobra.Command {
	var paths []string
	var from string
	var all bool
	cmd := &cobra.Command{
		Use:   "explain EVENT",
		Short: "Say where an event goes, and why not elsewhere",
		Long: "explain reads events from a file or folder, or from standard input with -, and says for every route\n" +
			"whether it matches, and if not, the first predicate that fails with the value it saw; then what each sink\n" +
			"would get. An event may be JSON, a batch, one event per line, or a raw HTTP request.",
		Args: wantsArgs(1, "one file or folder with events, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(paths)
			if err != nil {
				return err
			}
			if _, ok := cfg.Sources[from]; from != "" && !ok {
				return &exit.Error{Code: exit.Config, Err: unknownName("source", from, cfg.SourceNames())}
			}
			events, err := a.readEvents(args[0])
			if err != nil {
				return err
			}
			return a.explain(cmd.Context(), cfg, events, explainFlags{from, all})
		},
	}
	configFlag(cmd, &paths)
	cmd.Flags().StringVar(&from, "from", "", "the source the event comes from; without it every route is asked")
	cmd.Flags().BoolVar(&all, "all", false, "show every predicate, not only the first that fails")
	return cmd
}

type explainFlags struct {
	from string
	all  bool
}

// unknownName is the error for a name that the configuration does not have.
func unknownName(what, name string, known []string) error {
	text := fmt.Sprintf("no %s is named %q", what, name)
	if s := routing.Suggest(name, known); s != "" {
		text += fmt.Sprintf("; did you mean %q?", s)
	} else {
		text += "; there are " + phrase.Names(known)
	}
	return fmt.Errorf("%s", text)
}

func (a *app) explain(ctx context.Context, cfg *config.Config, events []sample.Event, f explainFlags) error {
	j := newJudge(cfg)
	defer j.close(ctx)
	sinks, err := j.previewed()
	if err != nil {
		return err
	}
	var list []explanation
	p := a.printer()
	out := bufio.NewWriterSize(p.w, 64<<10)
	p.w = out
	for i, s := range each(a.writing("explaining", len(events)), events) {
		r := j.rule(f.from, s.Event)
		x := j.explain(s, f, r.SampledOut)
		for _, l := range r.Legs {
			x.Legs = append(x.Legs, shownTarget(cfg, l, sinks.of(l)))
		}
		if r.Dropped {
			x.Legs = append(x.Legs, explainedTarget{Sink: "drop"})
		}
		if x.Unmatched = r.Unmatched; x.Unmatched {
			if x.Policy = cfg.Unmatched; x.Policy == "dead_letter" {
				x.DeadLetter = cfg.DeadLetter
			}
		}
		if a.json {
			list = append(list, x)
			continue
		}
		if i > 0 {
			p.line(0, "")
		}
		p.explanation(&x, f)
	}
	if a.json {
		a.writeJSON(map[string]any{"ok": true, "events": list})
	}
	return out.Flush()
}

// explain says what each route thought of an event; sampledOut are those that matched it and leave it out.
func (j *judge) explain(s sample.Event, f explainFlags, sampledOut []string) explanation {
	x := explanation{
		Where: s.Where, ID: s.Event.ID, Type: s.Event.Type, Source: s.Event.Source, Legs: []explainedTarget{},
		Routes: []explainedRoute{},
	}
	ask := j.table.Explain
	if f.all {
		ask = j.table.ExplainAll
	}
	rules := j.table.Rules()
	for _, v := range ask(j.source(f.from), s.Event) {
		r := explainedRoute{Name: v.Name, Place: rules[v.Rule].Pos.String(), Outcome: v.Outcome.String()}
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

func (j *judge) finding(f *routing.Finding, e *envelope.Event, route int) explainedFinding {
	hint := ""
	if route < maxHinted {
		hint = j.cfg.AsWritten(routePath(route), j.hints.of(f, e))
	}
	f = j.shownFinding(f, route)
	return explainedFinding{
		Place: f.Pos.String(), Predicate: f.Predicate, Attribute: f.Attribute, Value: f.Value, Present: f.Present,
		Holds: f.Holds, Note: f.Note, Hint: hint, finding: f,
	}
}

func (p *printer) explanation(x *explanation, f explainFlags) {
	most := p.most()
	p.line(0, "%s%s  type %s  source %s", p.bold("event "+phrase.Shorten(x.ID, most)), p.place(x.Where), phrase.Shorten(x.Type, most), phrase.Shorten(x.Source, most))
	for i := range x.Routes {
		r := &x.Routes[i]
		switch r.Outcome {
		case routing.Matched.String():
			out := ""
			if r.SampledOut > 0 {
				out = fmt.Sprintf(": sampled out (1 in %d)", r.SampledOut)
			}
			p.line(2, "%s %s%s  %s", p.good("+"), p.bold(r.Name), out, p.dim(r.Place))
		case routing.Failed.String():
			p.line(2, "%s %s: %s", p.bad("-"), p.bold(r.Name), findingText(r.Failed.finding, most))
			if r.Findings == nil {
				p.hint(6, r.Failed.Hint)
			}
		case routing.Stopped.String():
			p.line(2, "%s %s: not reached, route %s matched and stops", p.dim("."), p.bold(r.Name), r.StoppedBy)
		default:
			p.line(2, "%s %s: does not listen to %s", p.dim("."), p.bold(r.Name), f.from)
		}
		for k := range r.Findings {
			found := &r.Findings[k]
			mark := p.bad("-")
			if found.Holds {
				mark = p.good("+")
			}
			p.line(6, "%s %s", mark, findingText(found.finding, most))
			p.hint(8, found.Hint)
		}
	}
	if x.Unmatched {
		policy := x.Policy
		if x.DeadLetter != "" {
			policy += ", which is " + x.DeadLetter
		}
		p.line(2, "no route matches; unmatched: %s", policy)
	}
	p.targets(x.Legs)
}

// place says where an event stands that has others beside it, set off from what is before it: in a file that is named, or
// in the only one, in a line or as an element of a batch.
func (p *printer) place(where string) string {
	if where == "" {
		return ""
	}
	if number, ok := strings.CutPrefix(where, ":"); ok {
		where = "line " + number
	}
	return "  " + p.dim(where)
}

func (p *printer) hint(indent int, text string) {
	if text != "" {
		p.line(indent, "hint: %s", text)
	}
}

// targets writes a line for each delivery, the names of the sinks in a column.
func (p *printer) targets(targets []explainedTarget) {
	column := 0
	for i := range targets {
		column = max(column, len(targets[i].Sink))
	}
	for i := range targets {
		t := &targets[i]
		padding := ""
		text := p.target(t)
		if text != "" {
			padding = strings.Repeat(" ", column-len(t.Sink)+2)
		}
		p.line(2, "=> %s%s%s", t.Sink, padding, text)
		for _, name := range slices.Sorted(maps.Keys(t.Set)) {
			if v := t.Set[name]; v != nil {
				p.line(column+7, "set %s: %q", name, phrase.Shorten(*v, p.most()))
			} else {
				p.line(column+7, "set %s: removed", name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(t.Types)) {
			p.line(column+7, "type of %s: %s", name, t.Types[name])
		}
	}
}

// target says in one line what a sink would get.
func (p *printer) target(t *explainedTarget) string {
	var parts []string
	for _, part := range []string{t.Mode, phrase.Shorten(t.Address, p.most())} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if t.Key != "" {
		parts = append(parts, fmt.Sprintf("key %q", phrase.Shorten(t.Key, p.most())))
	}
	switch {
	case t.Limit > 0:
		parts = append(parts, fmt.Sprintf("%d of %d bytes", t.Bytes, t.Limit))
	case t.Bytes > 0:
		parts = append(parts, fmt.Sprintf("%d bytes", t.Bytes))
	}
	if t.DataDropped {
		parts = append(parts, "data dropped: dataref")
	}
	switch {
	case t.DeadLetter != "": // which the dead-letter policy decides about
		parts = append(parts, p.bad("would be refused: "+t.DeadLetter+": "+t.Error))
	case t.Error != "":
		parts = append(parts, p.bad("the sink cannot be asked: "+t.Error))
	}
	return strings.Join(parts, ", ")
}
