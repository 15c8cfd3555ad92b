//go:build brokers

package matrix

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// The room of a window came back for whole batches only: with every third event for a sink that was down, a source
// stopped at 512 events of a window of 1,000, with 170 in flight, and nothing said so. A source goes on until the window
// is full of what is in flight, shows that, and says which sink holds it.
func TestWindowRoom(t *testing.T) {
	f := sharedField(t, "kafka", "nats")
	var wg sync.WaitGroup
	for _, from := range []string{"kafka", "jetstream"} {
		wg.Go(func() { t.Run(from, func(t *testing.T) { windowRun(t, f, from) }) })
	}
	wg.Wait()
}

func windowRun(t *testing.T, f *field, from string) {
	const (
		window = 1000
		// least is what must be in flight when the source stops: what is left may be less than a batch wants.
		least = 900
	)
	name := unique("w")
	events := makeEvents(name, 6*window, outageKeys)
	all, held := newLedger(events), newLedger(nil)
	held.expect((&book{takes: third.takes}).share(events))
	var src producer
	if from == "kafka" {
		src = f.kafkaSource(t, name, 1)
	} else {
		src = f.source(t, from, name)
	}
	src.config += fmt.Sprintf(", window: { events: %d }", window)
	down, proxy := f.through(t, "http", f.sink(t, "http", name, held).config)
	sinks := map[string]string{"hook": f.sink(t, "http", name, all).config, "down": down}
	p := startRouter(t, routed(src, sinks, third.routes("hook"))+quickly)
	proxy.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := src.send(ctx, p, events); err != nil {
		t.Fatal(err)
	}
	read, inFlight := settled(p)
	t.Logf("WINDOW %-10s of %d events: stopped after %.0f read, %.0f delivered to the healthy sink, %.0f in flight",
		from, window, read, float64(all.arrived()), inFlight)
	if inFlight < least || read < 3*least {
		t.Errorf("%s: the source stopped after %.0f events with %.0f in flight, want about %d and %d", from, read, inFlight, 3*window, window)
	}
	told(t, p, window, least)
	proxy.Pass()
	all.await(t, killPatience)
	held.await(t, killPatience)
	all.sound(t, "window, "+from+", healthy")
	held.sound(t, "window, "+from+", down")
	if p.stop(); t.Failed() {
		t.Log(p.tail())
	}
}

// settled waits until the source reads no more, and returns what it has read and what of it is in flight.
func settled(p *process) (read, inFlight float64) {
	const calm = 3 * time.Second
	since := time.Now()
	within(time.Minute, func() bool {
		time.Sleep(100 * time.Millisecond)
		if n, ok := p.metric(`router_source_events_total{source="in"}`); ok && n != read {
			read, since = n, time.Now()
		}
		return read > 0 && time.Since(since) > calm
	})
	inFlight, _ = p.metric(`router_sink_in_flight{sink="down"}`)
	return read, inFlight
}

// told demands that metrics, log and health report say that the source waits for room, and for which sink.
func told(t *testing.T, p *process, window, least float64) {
	t.Helper()
	used, ok := p.metric(`router_source_window_used{source="in",unit="events"}`)
	if !ok || used < least || used > window {
		t.Errorf("router_source_window_used is %.0f (there: %t), want about %.0f", used, ok, window)
	}
	if bound, ok := p.metric(`router_source_window_bound{source="in",unit="events"}`); !ok || bound != window {
		t.Errorf("router_source_window_bound is %.0f (there: %t), want %.0f", bound, ok, window)
	}
	var line logLine
	if took, ok := within(30*time.Second, func() bool { line = p.logged("source has stopped reading"); return line.Msg != "" }); !ok {
		t.Errorf("no log line says within %.0f s that the source has stopped reading", took.Seconds())
	} else if line.Source != "in" || line.Sink != "down" {
		t.Errorf("the log line %+v names not the source in and the sink down", line)
	}
	code, report, err := p.ask("/readyz?verbose")
	if code != 200 || !complains(report, "source in") || !strings.Contains(report, "down") {
		t.Errorf("/readyz?verbose answers %d (%v) and does not say that the source in waits for the sink down:\n%s", code, err, report)
	}
}

// logLine is a line of the router's log.
type logLine struct{ Msg, Source, Sink string }

// logged returns the first line of the log whose message begins so, or none.
func (p *process) logged(message string) logLine {
	text, _ := os.ReadFile(p.log)
	for raw := range strings.Lines(string(text)) {
		var line logLine
		if json.Unmarshal([]byte(raw), &line) == nil && strings.HasPrefix(line.Msg, message) {
			return line
		}
	}
	return logLine{}
}
