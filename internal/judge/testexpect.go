package judge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/internal/config"
)

// testDeliveries compares what sinks would send with what a test's renders and dead_letter expect.
func (j *Judge) testDeliveries(t *config.Test, r *ruling, res *TestResult) {
	p, err := j.previewed()
	if err != nil {
		res.broken = err
		res.fail("renders", "the sinks to be made", err.Error())
		return
	}
	var targets []Target
	for _, l := range r.Legs {
		target := p.of(l)
		if target.broken != nil && (t.DeadLetter != "" || asked(t, l.Sink)) {
			res.broken = target.broken
		}
		targets = append(targets, target)
	}
	res.Failures = append(res.Failures, renderFailures(t.Rendered, targets)...)
	if t.DeadLetter != "" {
		deadLetterFailure(t.DeadLetter, j.cfg.Unmatched, r, targets, res)
	}
}

func asked(t *config.Test, sink string) bool {
	return slices.ContainsFunc(t.Rendered, func(r config.Rendering) bool { return r.Sink == sink })
}

// renderFailures says of each sink how its deliveries differ from what is expected of one of them: nothing if one of
// them has it all, otherwise what the closest one lacks.
func renderFailures(expect []config.Rendering, targets []Target) []TestFailure {
	var failures []TestFailure
	for len(expect) > 0 {
		n := 1
		for n < len(expect) && expect[n].Sink == expect[0].Sink {
			n++
		}
		failures = append(failures, closestRendering(expect[:n], targets)...)
		expect = expect[n:]
	}
	return failures
}

func closestRendering(expect []config.Rendering, targets []Target) []TestFailure {
	sink := expect[0].Sink
	closest := []TestFailure{{"renders " + sink, expect[0].Field + " " + expect[0].Value, "nothing: the event does not go there"}}
	found := false
	for i := range targets {
		t := &targets[i]
		if t.Sink != sink {
			continue
		}
		var failures []TestFailure
		for _, want := range expect {
			switch got := t.field(want.Field); {
			case t.Error != "":
				failures = append(failures, TestFailure{"renders " + sink, want.Field + " " + want.Value, refusedText(t)})
			case got != want.Value:
				failures = append(failures, TestFailure{"renders " + sink, want.Field + " " + want.Value, want.Field + " " + got})
			}
		}
		if !found || len(failures) < len(closest) {
			closest, found = failures, true
		}
	}
	return closest
}

func refusedText(t *Target) string {
	if t.DeadLetter == "" {
		return t.Error
	}
	return t.DeadLetter + ": " + t.Error
}

// deadLetterFailure checks that the event, or a delivery of it, is refused for the reason.
func deadLetterFailure(reason, unmatched string, r *ruling, targets []Target, res *TestResult) {
	var actual []string
	if r.Unmatched && (unmatched == "dead_letter" || unmatched == "reject") {
		if reason == string(bindings.ReasonUnmatched) {
			return
		}
		actual = append(actual, string(bindings.ReasonUnmatched))
	}
	for i := range targets {
		switch t := &targets[i]; {
		case t.DeadLetter == reason:
			return
		case t.Error != "":
			actual = append(actual, fmt.Sprintf("sink %s: %s", t.Sink, refusedText(t)))
		}
	}
	if actual == nil {
		actual = []string{"nothing is refused"}
	}
	res.fail("dead_letter", reason, strings.Join(actual, "; "))
}

// setFailures says how the delivered copies differ from what a test's set expects of one of them: nothing if one of
// them has it all, otherwise what the closest one lacks.
func setFailures(expect []config.Expectation, legs []leg) []TestFailure {
	closest := []TestFailure{{"set", "a delivery", "the event is delivered nowhere"}}
	found := false
	for _, l := range legs {
		if l.Err != nil {
			continue
		}
		var failures []TestFailure
		for _, want := range expect {
			got, present := l.Event.Get(want.Name)
			if present == want.Absent || got != want.Value {
				failures = append(failures, TestFailure{
					fmt.Sprintf("set %s, sink %s", want.Name, l.Sink), attributeText(want.Value, !want.Absent), attributeText(got, present),
				})
			}
		}
		if !found || len(failures) < len(closest) {
			closest, found = failures, true
		}
	}
	return closest
}

func attributeText(value string, present bool) string {
	if !present {
		return "no such attribute"
	}
	return fmt.Sprintf("%q", value)
}
