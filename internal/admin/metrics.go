package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eventrouter/router/pipeline"
)

// collector turns the pipeline's ledger into metrics when it is asked, so that the pipeline counts once.
type collector struct {
	settings Settings

	build, events, malformed, unmatched, failed, lost, skipped, used, bound, waiting, matched, outcomes, inFlight, lean, duplicates, drops, deadLetters, ready, reloads, current *prometheus.Desc
}

func newCollector(s Settings) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("router_"+name, help, labels, nil)
	}
	return &collector{
		settings:    s,
		build:       desc("build_info", "The running version; always 1.", "version"),
		events:      desc("source_events_total", "Events a source brought.", "source"),
		malformed:   desc("source_malformed_total", "Messages that were not CloudEvents.", "source"),
		unmatched:   desc("source_unmatched_total", "Events that no route matched.", "source"),
		failed:      desc("source_expression_errors_total", "CESQL expressions that ended in an error and so did not match.", "source"),
		lost:        desc("source_dropped_total", "Messages lost because a source had no room and its transport cannot wait.", "source"),
		skipped:     desc("source_skipped_total", "Deliveries not repeated after a restart, because the source had stored that they were done.", "source"),
		used:        desc("source_window_used", "How much of its window a source has in flight.", "source", "unit"),
		bound:       desc("source_window_bound", "The bound of a source's window.", "source", "unit"),
		waiting:     desc("source_waiting_seconds", "For how long a source has waited for room in its window, or refused what came for want of it; 0 if it does not.", "source"),
		matched:     desc("route_matched_total", "Events a route matched.", "route"),
		outcomes:    desc("sink_outcomes_total", "Deliveries to a sink by how they ended.", "sink", "outcome"),
		lean:        desc("sink_without_data_total", "Deliveries to a sink whose data was left out, because a dataref names it.", "sink"),
		duplicates:  desc("sink_duplicates_total", "Delivered events that the target had stored before and did not store again.", "sink"),
		inFlight:    desc("sink_in_flight", "Deliveries to a sink without an outcome yet.", "sink"),
		drops:       desc("drops_total", "Events a stated policy discarded.", "policy"),
		deadLetters: desc("dead_letters_total", "Dead letters that were confirmed."),
		reloads:     desc("config_reloads_total", "Attempts to apply a changed configuration.", "result"),
		current:     desc("config_current", "1 if the last reload succeeded or there was none, 0 if it failed."),
		ready:       desc("ready", "1 if the part is ready and nothing is wrong with it, 0 if not.", "part"),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	gauge(c.build, 1, c.settings.Version)
	l := c.settings.Ledger()
	for _, s := range l.Sources {
		counter(c.events, s.Events, s.Name)
		counter(c.malformed, s.Malformed, s.Name)
		counter(c.unmatched, s.Unmatched, s.Name)
		counter(c.failed, s.ExpressionErrors, s.Name)
		counter(c.lost, s.Dropped, s.Name)
		counter(c.skipped, s.Skipped, s.Name)
		if w := s.Window; w != nil {
			gauge(c.used, int64(w.Events), s.Name, "events")
			gauge(c.bound, int64(w.MaxEvents), s.Name, "events")
			gauge(c.used, int64(w.Bytes), s.Name, "bytes")
			gauge(c.bound, int64(w.MaxBytes), s.Name, "bytes")
			ch <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, w.Waiting, s.Name)
		}
	}
	for _, r := range l.Routes {
		counter(c.matched, r.Matched, r.Name)
	}
	for _, s := range append(l.Sinks, pipeline.SinkFigures{Name: "", Legs: l.Policies}) {
		counter(c.outcomes, s.Delivered, s.Name, "delivered")
		counter(c.outcomes, s.DeadLettered, s.Name, "dead_lettered")
		counter(c.outcomes, s.Dropped, s.Name, "dropped")
		counter(c.outcomes, s.Rejected, s.Name, "rejected")
		counter(c.outcomes, s.Returned, s.Name, "returned")
		counter(c.lean, s.WithoutData, s.Name)
		if s.Duplicates != nil {
			counter(c.duplicates, *s.Duplicates, s.Name)
		}
		gauge(c.inFlight, s.InFlight, s.Name)
	}
	for policy, n := range l.Drops {
		counter(c.drops, n, policy)
	}
	counter(c.deadLetters, l.DeadLetters)
	r := c.settings.Reloads()
	counter(c.reloads, r.Done, "done")
	counter(c.reloads, r.Failed, "failed")
	var current int64
	if r.Last == nil {
		current = 1
	}
	gauge(c.current, current)
	for _, part := range c.settings.Health() {
		var v int64
		if part.Err == nil && part.Trouble == nil {
			v = 1
		}
		gauge(c.ready, v, part.Name)
	}
}
