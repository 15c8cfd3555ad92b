package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/judge"
	"github.com/eventrouter/router/internal/phrase"
)

func (a *cli) testCommand() *cobra.Command {
	var paths []string
	var coverage bool
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Run the tests of a configuration",
		Long: "test runs the tests: of a configuration, without any broker, by the same rules as the running router.\n" +
			"With --coverage it also lists the routes that no test reaches, and those that a stop hides from all of them.",
		Args: wantsNone,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.load(paths)
			if err != nil {
				return err
			}
			return a.test(cfg, coverage)
		},
	}
	configFlag(cmd, &paths)
	cmd.Flags().BoolVar(&coverage, "coverage", false, "list the routes that no test reaches")
	return cmd
}

func (a *cli) test(cfg *config.Config, coverage bool) error {
	results := a.runTests(cfg)
	report := map[string]any{"ok": judge.FailedTests(results) == 0, "tests": results}
	if !a.json {
		a.printTests(results)
	}
	if coverage {
		c := judge.CoverageOf(cfg)
		report["coverage"] = c
		if !a.json {
			a.printCoverage(c)
		}
	}
	if a.json {
		a.writeJSON(report)
	}
	return testsError(results)
}

// testsError is the outcome of a command that ran tests and reported them.
func testsError(results []judge.TestResult) error {
	n := judge.FailedTests(results)
	if n == 0 {
		return nil
	}
	code := exit.Failed
	if err := judge.BrokenSink(results); err != nil {
		code = exit.CodeOfConfig(err)
	}
	return &exit.Error{Code: code, Err: fmt.Errorf("%s failed", phrase.Count(n, "test")), Silent: true}
}

func (a *cli) printTests(results []judge.TestResult) {
	p := a.printer()
	for _, r := range results {
		if r.OK {
			p.line(0, "%s %s", p.good("ok  "), r.Name)
			continue
		}
		p.line(0, "%s %s  %s", p.bad("FAIL"), r.Name, p.dim(r.Place))
		for _, f := range r.Failures {
			indent := strings.Repeat(" ", len(f.What))
			p.line(7, "%s  expected %s", f.What, f.Expected)
			p.line(7, "%s  got      %s", indent, f.Actual)
		}
		for _, line := range r.Explanation {
			p.line(7, "%s", p.dim(line))
		}
	}
	failed := judge.FailedTests(results)
	line := fmt.Sprintf("%d passed, %d failed", len(results)-failed, failed)
	if failed > 0 {
		line = p.bad(line)
	}
	p.line(0, "%s", line)
}

func (a *cli) printCoverage(c judge.Coverage) {
	p := a.printer()
	p.line(0, "coverage: %d of %s, %g%%", c.Covered, phrase.Count(c.Routes, "route"), c.Percent)
	for _, r := range c.Each {
		switch {
		case r.Matched > 0:
		case r.ShadowedBy != nil:
			p.line(2, "%s: no test reaches it, route %s stops the events that it would match  %s",
				p.bold(r.Name), phrase.Names(r.ShadowedBy), p.dim(r.Place))
		default:
			p.line(2, "%s: no test reaches it  %s", p.bold(r.Name), p.dim(r.Place))
		}
	}
	if !c.Unmatched && !c.CatchAll {
		p.line(2, "no test has an event that no route matches")
	}
}
