package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/eventrouter/router/pipeline"
)

// A stream kept one of two events with the same id, and nothing said that the other, which counts as delivered, is not there.
func TestWhatAStreamRemovedAsADuplicateShows(t *testing.T) {
	r := start(t, `sources: { in: { http: { listen: "127.0.0.1:0", path: / } } }
sinks:
  store: { nats: { url: embedded, stream: S, subject: "s.{type}", create: {} } }
  core: { nats: { url: embedded, subject: "c.{type}" } }
embedded: { store: "`+t.TempDir()+`" }
unmatched: drop
dead_letter: hold
routes: [{ to: [store, core] }]
admin: { listen: "127.0.0.1:0" }
`)
	for _, id := range []string{"1", "2", "1", "1"} {
		if code, body := r.post(id, "x"); code != http.StatusNoContent {
			t.Fatalf("%d %s", code, body)
		}
	}
	_, body := r.get("/api/ledger")
	var l pipeline.Ledger
	if err := json.Unmarshal([]byte(body), &l); err != nil {
		t.Fatal(err)
	}
	for _, s := range l.Sinks {
		if want := s.Name == "store"; s.Delivered != 4 || want != (s.Duplicates != nil) || want && *s.Duplicates != 2 {
			t.Errorf("%s: %d delivered, duplicates %v", s.Name, s.Delivered, s.Duplicates)
		}
	}
	_, metrics := r.get("/metrics")
	if !strings.Contains(metrics, `router_sink_duplicates_total{sink="store"} 2`) || strings.Contains(metrics, `router_sink_duplicates_total{sink="core"}`) {
		t.Error("the metrics do not say what the stream removed")
	}
}
