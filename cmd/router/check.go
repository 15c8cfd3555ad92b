package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/judge"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/internal/wire"
)

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
	var parts []wire.Reached
	if connect {
		p := a.progress("connecting", 0)
		parts, err = wire.Reach(ctx, cfg, a.events())
		p.end()
		if err != nil {
			return exit.OfConfig(err)
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

func (a *cli) printCheck(cfg *config.Config, results []judge.TestResult, parts []wire.Reached) {
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
	if judge.FailedTests(results) > 0 || slices.ContainsFunc(parts, func(p wire.Reached) bool { return !p.OK }) {
		return
	}
	fmt.Fprintf(a.stdout, "%s: %s, %s, %s, %s passed\n", s.good("ok"), phrase.Count(len(cfg.Sources), "source"),
		phrase.Count(len(cfg.Sinks), "sink"), phrase.Count(len(cfg.Routes), "route"), phrase.Count(len(results), "test"))
}
