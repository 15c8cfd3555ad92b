package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/sample"
	"github.com/eventrouter/router/routing"
)

// maxInput bounds what is read as events from a file or standard input, in bytes.
const maxInput = 64 << 20

// explanation is what explain says of one event.
type explanation struct {
	Where     string            `json:"where,omitempty"`
	ID        string            `json:"id"`
	Type      string            `json:"type"`
	Source    string            `json:"source"`
	Routes    []explainedRoute  `json:"routes"`
	Legs      []explainedTarget `json:"deliveries"`
	Unmatched bool              `json:"unmatched"`
	Policy    string            `json:"unmatched_policy,omitempty"`
}

// explainedRoute is what a route thought of the event.
type explainedRoute struct {
	Name      string             `json:"name"`
	Place     string             `json:"place"`
	Outcome   string             `json:"outcome"`
	StoppedBy string             `json:"stopped_by,omitempty"`
	Failed    *explainedFinding  `json:"failed,omitempty"`
	Findings  []explainedFinding `json:"predicates,omitempty"`
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

	text string
}

// explainedTarget is a delivery as it would go on the wire.
type explainedTarget struct {
	Sink    string `json:"sink"`
	Route   string `json:"route,omitempty"`
	Mode    string `json:"mode,omitempty"`
	Address string `json:"address,omitempty"`
	Key     string `json:"key,omitempty"`
	Bytes   int    `json:"bytes,omitempty"`
	Limit   int    `json:"limit,omitempty"`
	Error   string `json:"error,omitempty"`
}

func (a *app) explainCommand() *cobra.Command {
	var paths []string
	var from string
	var all bool
	cmd := &cobra.Command{
		Use:   "explain EVENT",
		Short: "Say where an event goes, and why not elsewhere",
		Long: "explain reads events from a file, or from standard input with -, and says for every route whether it\n" +
			"matches, and if not, the first predicate that fails with the value it saw; then what each sink would get.\n" +
			"An event may be JSON, a batch, one event per line, or a raw HTTP request.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(paths)
			if err != nil {
				return err
			}
			if _, ok := cfg.Sources[from]; from != "" && !ok {
				return &codeError{code: exitConfig, err: unknownName("source", from, cfg.SourceNames())}
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
		text += "; there are " + names(known)
	}
	return fmt.Errorf("%s", text)
}

// readEvents reads events of any shape from a file, or from standard input for "-".
func (a *app) readEvents(path string) ([]sample.Event, error) {
	var text []byte
	var err error
	if path == "-" {
		text, err = io.ReadAll(io.LimitReader(a.stdin, maxInput+1))
	} else {
		text, err = readFile(path)
	}
	if err != nil {
		return nil, &codeError{code: exitEnvironment, err: err}
	}
	if len(text) > maxInput {
		return nil, &codeError{code: exitFailed, err: fmt.Errorf("%s: larger than %d MiB", path, maxInput>>20)}
	}
	events, err := sample.Read(text, envelope.Options{})
	if err != nil {
		return nil, &codeError{code: exitFailed, err: fmt.Errorf("%s: %w", path, err)}
	}
	return events, nil
}

func (a *app) explain(ctx context.Context, cfg *config.Config, events []sample.Event, f explainFlags) error {
	w, err := newWiring(cfg, zap.NewNop(), io.Discard)
	if err != nil {
		return configError(err)
	}
	defer w.close()
	j := newJudge(cfg)
	previews := map[string]bindings.Sink{}
	defer func() {
		for _, s := range previews {
			_ = s.Close(ctx) // it was only looked at
		}
	}()
	var list []explanation
	for _, s := range events {
		x := j.explain(s, f)
		r := j.rule(f.from, s.Event)
		for _, l := range r.Legs {
			x.Legs = append(x.Legs, w.preview(l, previews))
		}
		if r.Dropped {
			x.Legs = append(x.Legs, explainedTarget{Sink: "drop"})
		}
		if x.Unmatched = r.Unmatched; x.Unmatched {
			x.Policy = cfg.Unmatched
		}
		list = append(list, x)
	}
	if a.json {
		a.writeJSON(map[string]any{"ok": true, "events": list})
		return nil
	}
	for i := range list {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		a.printExplanation(&list[i], f)
	}
	return nil
}

func (j *judge) explain(s sample.Event, f explainFlags) explanation {
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
		if v.Outcome == routing.Failed && v.Failure != nil {
			finding := explainFinding(v.Failure)
			r.Failed = &finding
		}
		for i := range v.Findings {
			r.Findings = append(r.Findings, explainFinding(&v.Findings[i]))
		}
		x.Routes = append(x.Routes, r)
	}
	return x
}

func explainFinding(f *routing.Finding) explainedFinding {
	return explainedFinding{
		Place: f.Pos.String(), Predicate: f.Predicate, Attribute: f.Attribute, Value: f.Value, Present: f.Present,
		Holds: f.Holds, Note: f.Note, text: findingText(f),
	}
}

// preview says what a sink would send. Sinks are made once and never connected.
func (w *wiring) preview(l leg, made map[string]bindings.Sink) explainedTarget {
	t := explainedTarget{Sink: l.Sink, Route: l.Route}
	if l.Err != nil {
		t.Error = l.Err.Error()
		return t
	}
	sink := made[l.Sink]
	if sink == nil {
		s, err := w.sink(l.Sink)
		if err != nil {
			t.Error = err.Error()
			return t
		}
		sink = s.Sink
		made[l.Sink] = sink
	}
	p, ok := sink.(bindings.Previewer)
	if !ok {
		return t
	}
	wire, err := p.Preview(l.Event)
	if err != nil {
		t.Error = err.Error()
	}
	t.Mode, t.Address, t.Key, t.Bytes, t.Limit = wire.Mode, wire.Address, wire.Key, wire.Bytes, wire.Limit
	return t
}

func (a *app) printExplanation(x *explanation, f explainFlags) {
	s := styleFor(a.stdout)
	fmt.Fprintf(a.stdout, "%s  type %s  source %s\n", s.bold("event "+x.ID+x.Where), x.Type, x.Source)
	for _, r := range x.Routes {
		switch r.Outcome {
		case routing.Matched.String():
			fmt.Fprintf(a.stdout, "  %s %s  %s\n", s.good("+"), s.bold(r.Name), s.dim(r.Place))
		case routing.Failed.String():
			fmt.Fprintf(a.stdout, "  %s %s: %s\n", s.bad("-"), s.bold(r.Name), r.Failed.text)
		case routing.Stopped.String():
			fmt.Fprintf(a.stdout, "  %s %s: not reached, route %s matched and stops\n", s.dim("."), s.bold(r.Name), r.StoppedBy)
		default:
			fmt.Fprintf(a.stdout, "  %s %s: does not listen to %s\n", s.dim("."), s.bold(r.Name), f.from)
		}
		for _, p := range r.Findings {
			mark := s.bad("-")
			if p.Holds {
				mark = s.good("+")
			}
			fmt.Fprintf(a.stdout, "      %s %s\n", mark, p.text)
		}
	}
	if x.Unmatched {
		fmt.Fprintf(a.stdout, "  no route matches; unmatched: %s\n", x.Policy)
	}
	a.printTargets(x.Legs, s)
}

func (a *app) printTargets(targets []explainedTarget, s style) {
	if len(targets) == 0 {
		return
	}
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	for _, t := range targets {
		var parts []string
		for _, p := range []string{t.Mode, t.Address} {
			if p != "" {
				parts = append(parts, p)
			}
		}
		if t.Key != "" {
			parts = append(parts, fmt.Sprintf("key %q", t.Key))
		}
		switch {
		case t.Limit > 0:
			parts = append(parts, fmt.Sprintf("%d of %d bytes", t.Bytes, t.Limit))
		case t.Bytes > 0:
			parts = append(parts, fmt.Sprintf("%d bytes", t.Bytes))
		}
		if t.Error != "" {
			parts = append(parts, s.bad("dead letter: "+t.Error))
		}
		fmt.Fprintf(w, "  => %s\t%s\n", t.Sink, strings.Join(parts, ", "))
	}
	_ = w.Flush() // the reader is gone if this fails
}
