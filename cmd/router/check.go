package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/judge"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/internal/wire"
	"github.com/eventrouter/router/pipeline"
)

// connectLimit is how long check --connect waits for a broker or target.
const connectLimit = 10 * time.Second

// reached is what check --connect found of one part.
type reached struct {
	Part  string `json:"part"`
	Place string `json:"place"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	// Limit is the largest message that a sink's target takes, where it is known, and LimitFrom says who says so.
	Limit     int    `json:"limit,omitempty"`
	LimitFrom string `json:"limit_from,omitempty"`
}

func (a *cli) checkCommand() *cobra.Command {
	var paths []string
	var connect bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration and run its tests",
		Long: "check reads a configuration, lists everything that is wrong with it, and runs its tests:. Nothing is\n" +
			"started. With --connect it also reaches every broker and target.",
		Args: wantsNone,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.check(cmd.Context(), paths, connect) },
	}
	configFlag(cmd, &paths)
	cmd.Flags().BoolVar(&connect, "connect", false, "also reach every broker and target")
	return cmd
}

func (a *cli) check(ctx context.Context, paths []string, connect bool) error {
	cfg, err := a.load(paths)
	if err != nil {
		return err
	}
	if err := judge.CheckSinks(ctx, cfg); err != nil {
		return exit.OfConfig(err)
	}
	results := a.runTests(cfg)
	var parts []reached
	if connect {
		p := a.progress("connecting", 0)
		parts, err = a.connect(ctx, cfg)
		p.end()
		if err != nil {
			return err
		}
	}
	unreached := 0
	for _, p := range parts {
		if !p.OK {
			unreached++
		}
	}
	if a.json {
		a.writeJSON(map[string]any{
			"ok": judge.FailedTests(results)+unreached == 0, "warnings": problemList(cfg.Warnings), "tests": results, "parts": parts,
		})
	} else {
		a.printCheck(cfg, results, parts)
	}
	if unreached > 0 {
		return &exit.Error{Code: exit.Environment, Err: fmt.Errorf("%s not reached", phrase.Count(unreached, "part")), Silent: true}
	}
	return testsError(results)
}

func (a *cli) printCheck(cfg *config.Config, results []judge.TestResult, parts []reached) {
	s := styleFor(a.stdout)
	if judge.FailedTests(results) > 0 {
		a.printTests(results)
	}
	for _, p := range parts {
		switch {
		case p.OK && p.Limit > 0:
			fmt.Fprintf(a.stdout, "%s %s  takes up to %d bytes (%s)\n", s.good("ok  "), p.Part, p.Limit, p.LimitFrom)
		case p.OK:
			fmt.Fprintf(a.stdout, "%s %s\n", s.good("ok  "), p.Part)
		default:
			fmt.Fprintf(a.stdout, "%s %s  %s\n       %s\n", s.bad("FAIL"), p.Part, s.dim(p.Place), p.Error)
		}
	}
	if judge.FailedTests(results) > 0 || slices.ContainsFunc(parts, func(p reached) bool { return !p.OK }) {
		return
	}
	fmt.Fprintf(a.stdout, "%s: %s, %s, %s, %s passed\n", s.good("ok"), phrase.Count(len(cfg.Sources), "source"),
		phrase.Count(len(cfg.Sinks), "sink"), phrase.Count(len(cfg.Routes), "route"), phrase.Count(len(results), "test"))
}

// connect reaches every part at once and says what it found. A part that cannot be made, such as an ingress whose port
// a running router has, is a finding like any other.
func (a *cli) connect(ctx context.Context, cfg *config.Config) ([]reached, error) {
	w, err := wire.New(cfg, zap.NewNop(), a.events())
	if err != nil {
		return nil, exit.OfConfig(err)
	}
	defer w.Close()
	var list []reached
	var parts []any
	var paths []string
	var sinks []pipeline.Sink
	add := func(name, path string, part any, err error) {
		r := reached{Part: name, Place: cfg.Pos(path).String(), OK: err == nil}
		if err != nil {
			r.Error, part = cfg.AsWritten(path, err.Error()), nil
		}
		list, parts, paths = append(list, r), append(parts, part), append(paths, path)
	}
	for _, name := range cfg.SinkNames() {
		sink, err := w.Sink(name)
		add("sink "+name, "sinks."+name, sink.Sink, err)
		if err == nil {
			sinks = append(sinks, sink)
		}
	}
	for _, name := range cfg.SourceNames() {
		src, err := w.Source(name, bindings.NewWindow(0, 0))
		add("source "+name, "sources."+name, src, err)
	}
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Go(func() {
			if err := wire.Ready(ctx, part, connectLimit); err != nil {
				list[i].OK, list[i].Error = false, cfg.AsWritten(paths[i], err.Error())
			} else if limited, ok := part.(bindings.Limited); ok {
				limit := limited.Limit()
				list[i].Limit, list[i].LimitFrom = limit.Bytes, limit.From
			}
		})
	}
	wg.Wait()
	wire.CloseSinks(ctx, sinks)
	return list, nil
}
