package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/judge"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/internal/sample"
	"github.com/eventrouter/router/routing"
)

func (a *cli) explainCommand() *cobra.Command {
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
			return a.explain(cmd.Context(), cfg, events, from, all)
		},
	}
	configFlag(cmd, &paths)
	cmd.Flags().StringVar(&from, "from", "", "the source the event comes from; without it every route is asked")
	cmd.Flags().BoolVar(&all, "all", false, "show every predicate, not only the first that fails")
	return cmd
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

func (a *cli) explain(ctx context.Context, cfg *config.Config, events []sample.Event, from string, all bool) error {
	j := judge.New(cfg)
	defer j.Close(ctx)
	var list []judge.Explanation
	p := a.printer()
	out := bufio.NewWriterSize(p.w, 64<<10)
	p.w = out
	for i, s := range each(a.writing("explaining", len(events)), events) {
		x, err := j.Explain(s, from, all)
		if err != nil {
			return exit.OfConfig(err)
		}
		if a.json {
			list = append(list, x)
			continue
		}
		if i > 0 {
			p.line(0, "")
		}
		p.explanation(&x, from)
	}
	if a.json {
		a.writeJSON(map[string]any{"ok": true, "events": list})
	}
	return out.Flush()
}

func (p *printer) explanation(x *judge.Explanation, from string) {
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
			p.line(2, "%s %s: %s", p.bad("-"), p.bold(r.Name), judge.FindingText(r.Failed.Finding, most))
			if r.Findings == nil {
				p.hint(6, r.Failed.Hint)
			}
		case routing.Stopped.String():
			p.line(2, "%s %s: not reached, route %s matched and stops", p.dim("."), p.bold(r.Name), r.StoppedBy)
		default:
			p.line(2, "%s %s: does not listen to %s", p.dim("."), p.bold(r.Name), from)
		}
		for k := range r.Findings {
			found := &r.Findings[k]
			mark := p.bad("-")
			if found.Holds {
				mark = p.good("+")
			}
			p.line(6, "%s %s", mark, judge.FindingText(found.Finding, most))
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
func (p *printer) targets(targets []judge.Target) {
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
func (p *printer) target(t *judge.Target) string {
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
