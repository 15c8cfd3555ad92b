package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/routing"
)

// testResult is what became of one test, or of one event of it.
type testResult struct {
	Name  string `json:"name"`
	Place string `json:"place"`
	OK    bool   `json:"ok"`
	// Failures say what was expected and what happened.
	Failures []string `json:"failures,omitempty"`
	// Routes and GoesTo are what happened.
	Routes []string `json:"routes"`
	GoesTo []string `json:"goes_to"`
	// Explanation lists the routes that did not match, with the first predicate that failed.
	Explanation []string `json:"explanation,omitempty"`
}

func (a *app) testCommand() *cobra.Command {
	var paths []string
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Run the tests of a configuration",
		Long:  "test runs the tests: of a configuration, without any broker, by the same rules as the running router.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.load(paths)
			if err != nil {
				return err
			}
			results := runTests(cfg)
			if a.json {
				a.writeJSON(map[string]any{"ok": failedTests(results) == 0, "tests": results})
			} else {
				a.printTests(results)
			}
			return testsError(results)
		},
	}
	configFlag(cmd, &paths)
	return cmd
}

// testsError is the outcome of a command that ran tests and reported them.
func testsError(results []testResult) error {
	if n := failedTests(results); n > 0 {
		return &codeError{code: exitFailed, err: fmt.Errorf("%s failed", count(n, "test")), silent: true}
	}
	return nil
}

func failedTests(results []testResult) int {
	n := 0
	for _, r := range results {
		if !r.OK {
			n++
		}
	}
	return n
}

func (a *app) printTests(results []testResult) {
	s := styleFor(a.stdout)
	for _, r := range results {
		if r.OK {
			fmt.Fprintf(a.stdout, "%s %s\n", s.good("ok  "), r.Name)
			continue
		}
		fmt.Fprintf(a.stdout, "%s %s  %s\n", s.bad("FAIL"), r.Name, s.dim(r.Place))
		for _, f := range r.Failures {
			fmt.Fprintf(a.stdout, "       %s\n", f)
		}
		for _, line := range r.Explanation {
			fmt.Fprintf(a.stdout, "       %s\n", s.dim(line))
		}
	}
	failed := failedTests(results)
	line := fmt.Sprintf("%d passed, %d failed", len(results)-failed, failed)
	if failed > 0 {
		line = s.bad(line)
	}
	fmt.Fprintln(a.stdout, line)
}

// runTests judges every event of every test.
func runTests(cfg *config.Config) []testResult {
	j := newJudge(cfg)
	var results []testResult
	for i := range cfg.Tests {
		for _, sample := range cfg.Tests[i].Samples {
			results = append(results, j.test(&cfg.Tests[i], i, sample))
		}
	}
	return results
}

func (j *judge) test(t *config.Test, number int, sample config.Sample) testResult {
	r := j.rule(t.From, sample.Event)
	res := testResult{Name: testName(t, number, sample), Place: t.Pos.String(), Routes: orEmpty(r.Routes), GoesTo: orEmpty(r.sinks())}
	fail := func(format string, args ...any) { res.Failures = append(res.Failures, fmt.Sprintf(format, args...)) }
	if t.GoesTo != nil && !sameNames(t.GoesTo, res.GoesTo) {
		fail("goes_to: expected %s, got %s", names(t.GoesTo), names(res.GoesTo))
	}
	if t.Routes != nil && !sameNames(t.Routes, r.Routes) {
		fail("routes: expected %s, got %s", names(t.Routes), names(r.Routes))
	}
	if t.Unmatched && !r.Unmatched {
		fail("unmatched: expected no route to match, got %s", names(r.Routes))
	}
	for _, l := range r.Legs {
		if l.Err != nil {
			fail("route %s, sink %s: %v", l.Route, l.Sink, l.Err)
		}
	}
	if len(t.Expect) > 0 {
		res.Failures = append(res.Failures, setFailures(t.Expect, r.Legs)...)
	}
	res.OK = len(res.Failures) == 0
	if !res.OK {
		for _, v := range j.table.Explain(j.source(t.From), sample.Event) {
			res.Explanation = append(res.Explanation, verdictLine(v, j.table.Rules()))
		}
	}
	return res
}

// setFailures says how the delivered copies differ from what a test's set expects of one of them: nothing if one of
// them has it all, otherwise what the closest one lacks.
func setFailures(expect []config.Expectation, legs []leg) []string {
	closest := []string{"set: the event is delivered nowhere"}
	for i, l := range legs {
		if l.Err != nil {
			continue
		}
		var failures []string
		for _, want := range expect {
			got, present := l.Event.Get(want.Name)
			switch {
			case want.Absent && present:
				failures = append(failures, fmt.Sprintf("set %s: expected none, got %q at sink %s", want.Name, got, l.Sink))
			case !want.Absent && !present:
				failures = append(failures, fmt.Sprintf("set %s: expected %q, got none at sink %s", want.Name, want.Value, l.Sink))
			case !want.Absent && got != want.Value:
				failures = append(failures, fmt.Sprintf("set %s: expected %q, got %q at sink %s", want.Name, want.Value, got, l.Sink))
			}
		}
		if i == 0 || len(failures) < len(closest) {
			closest = failures
		}
	}
	return closest
}

// testName is the test's own name, or what it is about.
func testName(t *config.Test, number int, sample config.Sample) string {
	name := t.Name
	if name == "" {
		name = fmt.Sprintf("tests[%d]", number)
		if sample.Event != nil {
			name += " " + sample.Event.Type
		}
	}
	if sample.Name != "" {
		name += " (" + sample.Name + ")"
	}
	return name
}

// verdictLine says in one line what a rule thought of an event.
func verdictLine(v routing.Verdict, rules []routing.Rule) string {
	switch v.Outcome {
	case routing.Matched:
		return fmt.Sprintf("route %s matches", v.Name)
	case routing.NotFrom:
		return fmt.Sprintf("route %s does not listen to this source", v.Name)
	case routing.Stopped:
		return fmt.Sprintf("route %s is not reached: route %s matched and stops", v.Name, rules[v.StoppedBy].Name)
	default:
		return fmt.Sprintf("route %s: %s", v.Name, findingText(v.Failure))
	}
}

// findingText says what a predicate wanted and what it saw.
func findingText(f *routing.Finding) string {
	if f == nil {
		return "does not match"
	}
	text := f.Predicate
	switch {
	case f.Attribute == "":
	case f.Present:
		text += fmt.Sprintf(", but %s is %q", f.Attribute, f.Value)
	default:
		text += fmt.Sprintf(", but the event has no %s", f.Attribute)
	}
	if f.Note != "" {
		text += " (" + f.Note + ")"
	}
	if pos := f.Pos.String(); pos != "" {
		text += "  " + pos
	}
	return text
}

func sameNames(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func names(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
