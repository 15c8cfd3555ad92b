//go:build brokers

package matrix

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

var kinds = []string{"kafka", "jetstream", "nats", "sqs", "http"}

// The sizes of a run. A queue moves fewer, because the emulator takes its time.
const (
	manyEvents = 10_000
	fewEvents  = 1_000
	manyKeys   = 500
	fewKeys    = 50
)

// config writes the configuration of one source and its sinks, each of which gets every event.
func config(p producer, sinks map[string]string) string {
	to := strings.Join(slices.Sorted(maps.Keys(sinks)), ", ")
	return routed(p, sinks, "{ name: all, from: in, when: { type: { prefix: com.example. } }, to: ["+to+"] }")
}

// routed writes the configuration of one source, its sinks and the routes between them.
func routed(p producer, sinks map[string]string, routes string) string {
	text := "sources:\n  in: { " + p.config + " }\nsinks:\n"
	for name, sink := range sinks {
		text += fmt.Sprintf("  %s: { %s", name, sink)
		if p.order != "" {
			text += ", order_by: " + p.order
		}
		text += " }\n"
	}
	return text + "routes: [ " + routes + " ]\n" +
		"unmatched: drop\ndead_letter: hold\nadmin: { listen: \"127.0.0.1:0\" }\nlog: { format: json }\n"
}

// TestMatrix moves events from every kind of source to every kind of sink, once written in binary and once in
// structured mode, and compares every one of them byte for byte.
func TestMatrix(t *testing.T) {
	f := newField(t)
	for _, from := range kinds {
		for _, to := range kinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				n, keys := manyEvents, manyKeys
				if from == "sqs" || to == "sqs" {
					n, keys = fewEvents, fewKeys
				}
				name := "m" + from[:1] + from[len(from)-1:] + to[:1] + to[len(to)-1:]
				events := makeEvents(name, n, keys)
				src := f.source(t, from, name)
				ledgers := map[string]*ledger{}
				sinks := map[string]string{}
				for _, mode := range []string{"binary", "structured"} {
					ledgers[mode] = newLedger(events)
					sinks[mode] = f.sink(t, to, name+mode[:1], ledgers[mode]).config + ", mode: " + mode
				}
				p := startRouter(t, config(src, sinks))
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				start := time.Now()
				if err := src.send(ctx, p, events); err != nil {
					t.Fatalf("%v\n%s", err, p.tail())
				}
				for mode, l := range ledgers {
					l.await(t, 20*time.Second)
					l.check(t, fmt.Sprintf("%s -> %s %s", from, to, mode), true, true)
				}
				t.Logf("%.1f s", time.Since(start).Seconds())
				p.stop()
				if t.Failed() {
					t.Log(p.tail())
				}
			})
		}
	}
}
