package judge

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/routing"
)

// TestResult is what became of one event of a test.
type TestResult struct {
	Name  string `json:"name"`
	Place string `json:"place"`
	OK    bool   `json:"ok"`
	// Failures say what was expected and what happened.
	Failures []TestFailure `json:"failures,omitempty"`
	// Routes and GoesTo are what happened.
	Routes []string `json:"routes"`
	GoesTo []string `json:"goes_to"`
	// Explanation has a line for each route: whether it matched, and if not, the first predicate that failed.
	Explanation []string `json:"explanation,omitempty"`

	// broken is why a sink that the test asks could not be made.
	broken error
}

// TestFailure is one expectation that was not met.
type TestFailure struct {
	What     string `json:"what"`
	Expected string `json:"expected"`
	Actual   string `json:"actual"`
}

// Summary says in one line what failed.
func (r *TestResult) Summary() string {
	var failures []string
	for _, f := range r.Failures {
		failures = append(failures, f.What+": expected "+f.Expected+", got "+f.Actual)
	}
	return strings.Join(failures, "; ")
}

func (r *TestResult) fail(what, expected, actual string) {
	r.Failures = append(r.Failures, TestFailure{what, expected, actual})
}

// BrokenSink returns why a sink that a test asks could not be made, if there is one.
func BrokenSink(results []TestResult) error {
	for _, r := range results {
		if r.broken != nil {
			return r.broken
		}
	}
	return nil
}

// FailedTests is how many of the results are failures.
func FailedTests(results []TestResult) int {
	n := 0
	for _, r := range results {
		if !r.OK {
			n++
		}
	}
	return n
}

// Tests judges every event of every test. Where step is not nil, it is told how many more are done.
func Tests(cfg *config.Config, step func(n int)) []TestResult {
	j := New(cfg)
	defer j.Close(context.Background())
	var results []TestResult
	for i := range cfg.Tests {
		for _, sample := range cfg.Tests[i].Samples {
			results = append(results, j.test(&cfg.Tests[i], i, sample))
			if step != nil {
				step(1)
			}
		}
	}
	return results
}

func (j *Judge) test(t *config.Test, number int, sample config.Sample) TestResult {
	r := j.rule(t.From, sample.Event)
	res := TestResult{Name: testName(t, number, sample), Place: t.Pos.String(), Routes: orEmpty(r.Routes), GoesTo: orEmpty(r.sinks())}
	if t.GoesTo != nil && !sameNames(t.GoesTo, res.GoesTo) {
		res.fail("goes_to", phrase.Names(t.GoesTo), phrase.Names(res.GoesTo))
	}
	if t.Routes != nil && !sameNames(t.Routes, r.Routes) {
		res.fail("routes", phrase.Names(t.Routes), phrase.Names(r.Routes))
	}
	if t.Unmatched && !r.Unmatched {
		res.fail("unmatched", "no route to match", phrase.Names(r.Routes))
	}
	for _, l := range r.Legs {
		if l.Err != nil && t.DeadLetter != string(refusal(l.Err)) {
			res.fail(fmt.Sprintf("route %s, sink %s", l.Route, l.Sink), "its changes to apply", l.Err.Error())
		}
	}
	if len(t.Expect) > 0 {
		res.Failures = append(res.Failures, setFailures(t.Expect, r.Legs)...)
	}
	if t.DeadLetter != "" || len(t.Rendered) > 0 {
		j.testDeliveries(t, &r, &res)
	}
	res.OK = len(res.Failures) == 0
	if !res.OK {
		j.shownFailures(number, r.Legs, res.Failures)
		res.Explanation = j.testExplanation(t, &r, sample.Event)
	}
	return res
}

// fewRoutes is up to how many routes the explanation of a failed test has all of.
const fewRoutes = 40

// testExplanation says what the routes thought of the event of a failed test. Of many routes it has those that match
// and those that the test asks for, by name or by sink.
func (j *Judge) testExplanation(t *config.Test, r *ruling, e *envelope.Event) []string {
	var lines []string
	rules := j.table.Rules()
	shown := 0
	for _, v := range j.table.Explain(j.source(t.From), e) {
		rule := &rules[v.Rule]
		asked := slices.Contains(t.Routes, v.Name) || slices.ContainsFunc(rule.To, func(sink string) bool { return slices.Contains(t.GoesTo, sink) })
		if len(rules) > fewRoutes && v.Outcome != routing.Matched && (!asked || shown >= fewRoutes) {
			continue
		}
		shown++
		lines = append(lines, j.verdictLines(v, e)...)
		if slices.Contains(r.SampledOut, v.Name) {
			lines = append(lines, fmt.Sprintf("  sampled out (1 in %d)", rule.Sample))
		}
	}
	if left := len(rules) - shown; left > 0 {
		lines = append(lines, phrase.Count(left, "other route")+"; router explain shows all of them")
	}
	return lines
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

func sameNames(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
