package routing

import (
	"slices"
	"testing"
)

// TestExpressionIsCheckedBeforeItIsEvaluated: what an expression asks of a type or source refuses an event without
// evaluating the rest; what it asks of an attribute that may be missing does not, so that the error is counted.
func TestExpressionIsCheckedBeforeItIsEvaluated(t *testing.T) {
	table := compile(t, []Rule{
		{Name: "a", When: condition(t, `{ cesql: "type = 'a' AND source LIKE '/x%' AND region = 'eu'" }`)},
		{Name: "b", When: condition(t, `{ any: [{ cesql: "source LIKE '%/z' AND INT(region) > 3" }, { type: c }] }`)},
		{Name: "c", When: condition(t, `{ not: { cesql: "type = 'a' AND region = 'eu'" } }`)},
	})
	s := table.NewScratch()
	for _, tc := range []struct {
		event  []string
		want   []int32
		errors int
	}{
		{[]string{"type=a", "source=/x/1", "region=eu"}, []int32{0}, 0},
		{[]string{"type=a", "source=/x/1", "region=us"}, []int32{2}, 0},
		{[]string{"type=a", "source=/y", "region=eu"}, nil, 0},
		{[]string{"type=a", "source=/x/1"}, []int32{2}, 2}, // a and c
		{[]string{"type=a", "source=/y"}, []int32{2}, 1},   // c
		{[]string{"type=b", "source=/x/z", "region=4"}, []int32{1, 2}, 0},
		{[]string{"type=b", "source=/x/z", "region=x"}, []int32{2}, 1},
		{[]string{"type=b", "source=/x/y", "region=x"}, []int32{2}, 0},
		{[]string{"type=c", "source=/x/y"}, []int32{1, 2}, 0},
	} {
		got := table.Match(s, AnySource, event(tc.event...))
		if !slices.Equal(got, tc.want) || s.Errors() != tc.errors {
			t.Errorf("%q: rules %v and %d errors, want %v and %d", tc.event, got, s.Errors(), tc.want, tc.errors)
		}
	}
}
