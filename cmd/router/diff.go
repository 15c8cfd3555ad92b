package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/judge"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/internal/sample"
)

func (a *cli) diffCommand() *cobra.Command {
	var events, from string
	var fail bool
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say which events move between two configurations",
		Long: "diff compares two configurations, files or folders: which rules and other keys were added, removed or changed,\n" +
			"and which events of a sample (--events: a file of any shape, a folder, or - for standard input) change their sinks, what\n" +
			"set makes of them, or whether a sink refuses them. Without a sample, the events are made of the rules' own\n" +
			"conditions.",
		Args: wantsArgs(2, "two configurations: the old one and the new one"),
		RunE: func(_ *cobra.Command, args []string) error {
			before, err := a.load(args[:1])
			if err != nil {
				return err
			}
			after, err := a.load(args[1:])
			if err != nil {
				return err
			}
			for _, cfg := range []*config.Config{before, after} {
				if _, ok := cfg.Sources[from]; from != "" && !ok {
					return &exit.Error{Code: exit.Config, Err: unknownName("source", from, cfg.SourceNames())}
				}
			}
			var list []sample.Event
			if events != "" {
				if list, err = a.readEvents(events); err != nil {
					return err
				}
			}
			p := a.progress("comparing", 0)
			d, err := judge.Diff(before, after, list, events == "", from)
			p.end()
			if err != nil {
				return exit.OfConfig(err)
			}
			return a.reportDiff(&d, fail)
		},
	}
	cmd.Flags().StringVar(&events, "events", "", "events to compare with: a file, a folder, or - for standard input")
	cmd.Flags().StringVar(&from, "from", "", "the source the events come from; without it every source that both have is tried")
	cmd.Flags().BoolVar(&fail, "fail-on-change", false, "exit with 1 if an event moved, or without --events if anything changed that can move one")
	return cmd
}

// reportDiff prints a difference and turns it into an exit code.
func (a *cli) reportDiff(d *judge.Difference, fail bool) error {
	changed := d.Changed()
	if a.json {
		a.writeJSON(map[string]any{"ok": !changed, "difference": d})
	} else {
		a.printer().difference(d)
	}
	if fail && changed {
		return &exit.Error{Code: exit.Failed, Err: fmt.Errorf("%s moved", phrase.Count(d.Moved, "event")), Silent: true}
	}
	return nil
}

// difference prints what diff found.
func (p *printer) difference(d *judge.Difference) {
	for _, r := range d.Rules {
		switch r.Change {
		case judge.ChangeAdded:
			p.line(0, "%s route %s  %s  %s", p.good("+"), p.bold(r.Name), r.After, p.dim(r.Place))
		case judge.ChangeRemoved:
			p.line(0, "%s route %s  %s  %s", p.bad("-"), p.bold(r.Name), r.Before, p.dim(r.Place))
		default:
			p.line(0, "~ route %s  %s", p.bold(r.Name), p.dim(r.Place))
			p.line(4, "%s %s", p.bad("-"), r.Before)
			p.line(4, "%s %s", p.good("+"), r.After)
		}
	}
	switch {
	case d.Order != "":
		p.line(0, "~ the order of the routes: %s", d.Order)
	case d.Reordered:
		p.line(0, "~ the order of the routes, which changes nothing")
	}
	for _, part := range d.Parts {
		switch {
		case part.Before != "" || part.After != "":
			p.line(0, "~ %s: %s, was %s", part.Part, part.After, part.Before)
		case part.Change == judge.ChangeAdded:
			p.line(0, "%s %s", p.good("+"), part.Part)
		case part.Change == judge.ChangeRemoved:
			p.line(0, "%s %s", p.bad("-"), part.Part)
		case !part.Decides():
			p.line(0, "~ %s is configured differently: %s; no event depends on it", part.Part, strings.Join(part.Keys, ", "))
		default:
			p.line(0, "~ %s is configured differently: %s", part.Part, strings.Join(part.Keys, ", "))
		}
	}
	for _, unasked := range d.Unasked {
		p.line(0, "%s; what it would refuse is not compared", unasked)
	}
	made := ""
	if d.Synthesised {
		made = ", made of the rules' conditions,"
	}
	p.line(0, "%d of %s%s moved", d.Moved, phrase.Count(d.Events, "event"), made)
	for i := range d.Moves {
		p.move(&d.Moves[i])
	}
}

func (p *printer) move(m *judge.Move) {
	p.line(2, "%s: %s -> %s", phrase.Count(m.Count, "event"), outcomeText(&m.Before), p.bold(outcomeText(&m.After)))
	for _, x := range m.Events {
		from := ""
		if x.From != "" {
			from = "  from " + x.From
		}
		if x.Event != nil {
			p.line(6, "%s%s", phrase.Shorten(string(x.Event), 2*p.most()), from)
		} else {
			p.line(6, "%s%s  type %s  source %s%s", x.ID, p.place(x.Where), x.Type, x.Source, from)
		}
	}
}

// outcomeText says in one line where an event goes, and with which attributes.
func outcomeText(o *judge.Outcome) string {
	switch {
	case len(o.GoesTo) > 0:
	case len(o.SampledOut) > 0:
		return "sampled out"
	default:
		return "unmatched (" + o.Unmatched + ")"
	}
	parts := make([]string, len(o.GoesTo))
	for i, sink := range o.GoesTo {
		parts[i] = sink
		for _, set := range o.Set[sink] {
			parts[i] += " " + judge.SetText(set)
		}
		for _, types := range o.Types[sink] {
			parts[i] += " " + types
		}
		for _, reason := range o.Refused[sink] {
			parts[i] += " (refused: " + reason + ")"
		}
		if slices.Contains(o.DataDropped, sink) {
			parts[i] += " (data dropped: dataref)"
		}
	}
	return strings.Join(parts, ", ")
}
