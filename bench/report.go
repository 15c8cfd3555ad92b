package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// result is one run of one contestant.
type result struct {
	Pair           string  `json:"pair"`
	Keys           int     `json:"keys"`
	Round          int     `json:"round"`
	Who            string  `json:"who"`
	Events         int     `json:"events"`
	Seconds        float64 `json:"seconds"` // from the first arrival to the last
	PerSecond      float64 `json:"events_per_second"`
	CPUSeconds     float64 `json:"cpu_seconds"` // user and system, the whole life of the process
	CPUMicros      float64 `json:"cpu_us_per_event"`
	AllocsPerEvent float64 `json:"allocs_per_event"`
	MaxRSSMiB      float64 `json:"max_rss_mib"`
	allocs         uint64
}

// report prints a pair's runs, their medians, and the ratios.
func report(w io.Writer, pair string, keys int, all []result) {
	fmt.Fprintf(w, "\nkafka -> %s, %s, %d events\n", pair, keyText(keys), all[0].Events)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "round\t\tevents/s\tCPU µs/event\tallocs/event\tmax RSS MiB\t")
	for _, r := range all {
		fmt.Fprintf(t, "%d\t%s\t%.0f\t%.2f\t%.1f\t%.0f\t\n", r.Round, r.Who, r.PerSecond, r.CPUMicros, r.AllocsPerEvent, r.MaxRSSMiB)
	}
	for _, who := range contestants {
		fmt.Fprintf(t, "median\t%s\t%.0f\t%.2f\t%.1f\t%.0f\t\n", who,
			median(column(all, who, perSecond)), median(column(all, who, cpu)), median(column(all, who, allocs)), median(column(all, who, rss)))
	}
	_ = t.Flush()
	for _, c := range [][2]string{{router, bare}, {again, bare}, {floor, bare}, {router, floor}} {
		ratios(w, c[0]+" / "+c[1]+", events per second", column(all, c[0], perSecond), column(all, c[1], perSecond))
		ratios(w, c[0]+" / "+c[1]+", CPU per event", column(all, c[0], cpu), column(all, c[1], cpu))
	}
}

func keyText(keys int) string {
	if keys == 0 {
		return "no keys"
	}
	return fmt.Sprintf("%d keys", keys)
}

func perSecond(r *result) float64 { return r.PerSecond }
func cpu(r *result) float64       { return r.CPUMicros }
func allocs(r *result) float64    { return r.AllocsPerEvent }
func rss(r *result) float64       { return r.MaxRSSMiB }

// column returns one figure of one contestant, by round: the order within a round does not matter.
func column(all []result, who string, figure func(*result) float64) []float64 {
	var values []float64
	for i := range all {
		if all[i].Who == who {
			values = append(values, figure(&all[i]))
		}
	}
	return values
}

// ratios prints how a contestant compares with another one in the same round.
func ratios(w io.Writer, title string, own, base []float64) {
	values := make([]float64, len(own))
	for i := range own {
		values[i] = own[i] / base[i]
	}
	fmt.Fprintf(w, "  %-38s median %.2f, from %.2f to %.2f\n", title, median(values), slices.Min(values), slices.Max(values))
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}
