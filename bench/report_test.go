package main

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

// TestRatiosCompareWithinARound holds that a slow minute of the machine, which hits all contestants of a round, does
// not show in the ratio, and that the order within a round does not matter.
func TestRatiosCompareWithinARound(t *testing.T) {
	all := []result{
		{Round: 1, Who: bare, PerSecond: 100},
		{Round: 1, Who: router, PerSecond: 90},
		{Round: 2, Who: router, PerSecond: 9},
		{Round: 2, Who: bare, PerSecond: 10},
	}
	var out strings.Builder
	ratios(&out, "speed", column(all, router, perSecond), column(all, bare, perSecond))
	if got, want := strings.Join(strings.Fields(out.String()), " "), "speed median 0.90, from 0.90 to 0.90"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRecord(t *testing.T) {
	a := record(rand.New(rand.NewPCG(1, 2)), "topic", 7, 5, 1024)
	b := record(rand.New(rand.NewPCG(1, 2)), "topic", 7, 0, 1024)
	if len(a.Value) != 1024 || string(a.Value) != string(b.Value) {
		t.Errorf("the data of an event has %d bytes, want 1024, or differs between runs", len(a.Value))
	}
	if string(a.Key) != "key-2" || b.Key != nil {
		t.Errorf("keys %q and %q, want key-2 and none", a.Key, b.Key)
	}
	if len(a.Headers) != 9 {
		t.Errorf("%d headers, want 9", len(a.Headers))
	}
}
