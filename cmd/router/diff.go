package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/internal/sample"
)

// maxExamples is how many events a move names.
const maxExamples = 3

// difference is what diff reports.
type difference struct {
	// Events is how many events were compared, and Moved how many of them change their sinks, what a route or a sink makes
	// of them, or whether a sink refuses them. Synthesised says that they were made of the rules' own predicates.
	Events      int    `json:"events"`
	Moved       int    `json:"moved"`
	Synthesised bool   `json:"synthesised"`
	Moves       []move `json:"moves"`
	// Rules and Parts are what was added, removed or changed.
	Rules []changedRule `json:"rules"`
	Parts []changedPart `json:"parts"`
	// Reordered says that rules which both files have stand in another order, and Order what that changes, if anything.
	Reordered bool   `json:"reordered"`
	Order     string `json:"order,omitempty"`
	// Unasked are sinks that could not be made, with the reason: what they would refuse is not compared.
	Unasked []string `json:"unasked,omitempty"`
}

// move is a group of events that go from the same outcome to the same outcome.
type move struct {
	Count  int       `json:"count"`
	Before outcome   `json:"before"`
	After  outcome   `json:"after"`
	From   []string  `json:"from,omitempty"`
	Events []example `json:"examples"`
}

// example is an event that moves.
type example struct {
	Where  string          `json:"where,omitempty"`
	From   string          `json:"from,omitempty"`
	ID     string          `json:"id"`
	Type   string          `json:"type"`
	Source string          `json:"source"`
	Event  json.RawMessage `json:"event,omitempty"`
}

// outcome is where an event goes.
type outcome struct {
	Routes []string `json:"routes"`
	GoesTo []string `json:"goes_to"`
	// Unmatched is the policy, where no route matches.
	Unmatched string `json:"unmatched,omitempty"`
	// Set is what the copies for each sink have otherwise than the event.
	Set map[string][]map[string]*string `json:"set,omitempty"`
	// Refused are the reasons for which copies would be refused, by sink, and DataDropped the sinks whose dataref makes
	// the event go without its data.
	Refused     map[string][]string `json:"refused,omitempty"`
	DataDropped []string            `json:"data_dropped,omitempty"`
	// Types are the types that copies for each sink were given, and SampledOut the routes that matched and deliver other
	// events of their sample.
	Types      map[string][]string `json:"types,omitempty"`
	SampledOut []string            `json:"sampled_out,omitempty"`
}

// key is equal for outcomes that are the same to the sinks.
func (o *outcome) key() string {
	same := *o
	same.Routes, same.GoesTo = nil, slices.Sorted(slices.Values(o.GoesTo))
	if len(o.GoesTo) > 0 {
		// A sink gets the event by policy as it does by a route; what others do not get is no matter of its own.
		same.Unmatched, same.SampledOut = "", nil
	}
	text, _ := json.Marshal(same) // maps and strings can always be encoded, in a fixed order
	return string(text)
}

func (a *app) diffCommand() *cobra.Command {
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
			d, err := diff(before, after, list, events == "", from)
			p.end()
			if err != nil {
				return err
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
func (a *app) reportDiff(d *difference, fail bool) error {
	changed := d.changed()
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

// changed reports whether there is something that --fail-on-change is for. Events that somebody gave decide for themselves;
// where there are none, whatever can lead an event elsewhere is a change.
func (d *difference) changed() bool {
	return d.Moved > 0 || d.Synthesised && (len(d.Rules) > 0 || d.Order != "" || slices.ContainsFunc(d.Parts, changedPart.decides))
}

// diff compares two configurations by their rules and by the events, or by events made of the rules.
func diff(before, after *config.Config, events []sample.Event, synthesised bool, from string) (difference, error) {
	d := difference{Synthesised: synthesised, Moves: []move{}, Rules: []changedRule{}, Parts: []changedPart{}}
	d.compareRules(before, after)
	d.compareParts(before, after)
	if synthesised {
		differ := map[string]bool{}
		for _, r := range d.Rules {
			differ[r.Name] = true
		}
		events = synthesise(differ, before.Table, after.Table)
	}
	d.Events = len(events)
	sources := []string{from}
	if from == "" {
		sources = commonSources(before, after)
	}
	pair, err := newJudges(before, after, synthesised)
	if err != nil {
		return d, err
	}
	defer pair.close()
	moves := map[string]*move{}
	var order []string
	for i := range events {
		moved := false
		counted := map[string]bool{}
		for _, source := range sources {
			was, is := pair.outcomes(source, events[i].Event)
			if was.key() == is.key() {
				continue
			}
			key := was.key() + "\x00" + is.key()
			if moves[key] == nil {
				moves[key] = &move{Before: was, After: is, Events: []example{}}
				order = append(order, key)
			}
			moves[key].add(&events[i], source, counted[key], synthesised)
			moved, counted[key] = true, true
		}
		if moved {
			d.Moved++
		}
	}
	for _, key := range order {
		d.Moves = append(d.Moves, *moves[key])
	}
	slices.SortStableFunc(d.Moves, func(a, b move) int { return b.Count - a.Count })
	d.shown(before, after)
	d.Unasked = pair.unasked
	return d, nil
}

// commonSources returns the sources that both configurations have; an empty name, which every route listens to, if
// there are none.
func commonSources(before, after *config.Config) []string {
	var common []string
	for _, name := range before.SourceNames() {
		if _, ok := after.Sources[name]; ok {
			common = append(common, name)
		}
	}
	if common == nil {
		return []string{""}
	}
	return common
}

// add counts an event of a source; again says that the event was counted already, for another source.
func (m *move) add(s *sample.Event, source string, again, whole bool) {
	if source != "" && !slices.Contains(m.From, source) {
		m.From = append(m.From, source)
	}
	if again {
		return
	}
	m.Count++
	if len(m.Events) < maxExamples {
		x := example{Where: s.Where, From: source, ID: s.Event.ID, Type: s.Event.Type, Source: s.Event.Source}
		if whole {
			x.Event = envelope.AppendJSON(nil, s.Event)
		}
		m.Events = append(m.Events, x)
	}
}
