package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/lint"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/internal/sample"
)

// lintFinding is a finding with the file it is about.
type lintFinding struct {
	File string `json:"file"`
	lint.Finding
}

// lintReport is what lint says with --json.
type lintReport struct {
	OK         bool          `json:"ok"`
	Events     int           `json:"events"`
	Violations int           `json:"violations"`
	Warnings   int           `json:"warnings"`
	Findings   []lintFinding `json:"findings"`
}

func (a *cli) lintCommand() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "lint EVENT…",
		Short: "Hold events against the specification and good practice",
		Long: "lint reads events from files, or from standard input with -, and lists every rule of the CloudEvents\n" +
			"specification that they break, with its name and place, and the advice of good practice as warnings. An event\n" +
			"may be JSON, a batch, one event per line, XML, or a raw HTTP request.",
		Args: wantsSome("files with events, or - for standard input"),
		RunE: func(_ *cobra.Command, args []string) error { return a.lint(args, strict) },
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "take warnings for violations")
	return cmd
}

func (a *cli) lint(paths []string, strict bool) error {
	report := lintReport{Findings: []lintFinding{}}
	for _, path := range paths {
		if path == "" {
			return errNoName
		}
		text, err := a.readText(path)
		if err != nil {
			return &exit.Error{Code: exit.Environment, Err: err}
		}
		if len(text) > sample.MaxInput {
			return &exit.Error{Code: exit.Failed, Err: fmt.Errorf("%s: larger than %d MiB", path, sample.MaxInput>>20)}
		}
		result := lint.Text(text)
		report.Events += result.Events
		for _, f := range result.Findings {
			if strict {
				f.Severity = lint.Violation
			}
			report.count(f.Severity)
			report.Findings = append(report.Findings, lintFinding{path, f})
		}
	}
	report.OK = report.Violations == 0
	if a.json {
		a.writeJSON(report)
	} else {
		a.printLint(&report)
	}
	if report.OK {
		return nil
	}
	return &exit.Error{Code: exit.Failed, Err: errors.New("events break the specification"), Silent: true}
}

func (r *lintReport) count(s lint.Severity) {
	if s == lint.Violation {
		r.Violations++
	} else {
		r.Warnings++
	}
}

// printLint writes one line for each finding, in the form that editors take for a place.
func (a *cli) printLint(r *lintReport) {
	s := styleFor(a.stdout)
	for _, f := range r.Findings {
		place := f.File
		if f.Line > 0 {
			place += fmt.Sprintf(":%d", f.Line)
		}
		if strings.HasPrefix(f.Event, "[") {
			place += f.Event
		}
		word := s.bad("violation")
		if f.Severity == lint.Advice {
			word = s.dim("warning")
		}
		subject := ""
		if f.Place != "" {
			subject = s.bold(f.Place) + ": "
		}
		fmt.Fprintf(a.stdout, "%s: %s: %s%s (%s)\n", place, word, subject, f.Message, f.Rule)
	}
	fmt.Fprintf(a.stdout, "%s, %s, %s\n", phrase.Count(r.Events, "event"), phrase.Count(r.Violations, "violation"), phrase.Count(r.Warnings, "warning"))
}
