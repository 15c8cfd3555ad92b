package routing

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

func TestZZMin(t *testing.T) {
	if os.Getenv("ZZ") == "" {
		t.Skip()
	}
	for _, n := range []int{1000, 100000} {
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		rules := mixedRules(t, n, rng)
		bt := time.Hour
		for range 20 {
			b0 := time.Now()
			compile(t, rules)
			bt = min(bt, time.Since(b0))
		}
		table := compile(t, rules)
		events := mixedEvents(n, rng)
		s := table.NewScratch()
		best := time.Hour
		for range 2000 {
			t0 := time.Now()
			for i := range events {
				table.Match(s, AnySource, &events[i])
			}
			best = min(best, time.Since(t0))
		}
		fmt.Println(n, float64(best.Nanoseconds())/1024, "ns; build", bt)
	}
}
