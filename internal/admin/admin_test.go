package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/eventrouter/router/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves these figures and returns what asks them.
func start(t *testing.T, health *[]pipeline.Status) (*Server, func(path, host string) (int, string)) {
	t.Helper()
	ledger := pipeline.Ledger{
		Sources: []pipeline.SourceFigures{{Name: "in", Events: 7, Malformed: 1, Dropped: 5}},
		Routes:  []pipeline.RouteFigures{{Name: "all", Matched: 6}},
		Sinks: []pipeline.SinkFigures{
			{Name: "out", Legs: pipeline.Legs{Legs: 6, Delivered: 4, InFlight: 2, WithoutData: 3}, Duplicates: new(int64(2))},
			{Name: "silent"},
		},
		Drops: map[string]int64{"unmatched": 3},
	}
	s, err := Listen("127.0.0.1:0", Settings{
		Health: func() []pipeline.Status { return *health }, Ledger: func() pipeline.Ledger { return ledger },
		Reloads: func() Reloads { return Reloads{Done: 2, Failed: 1, Last: errors.New("a.yaml:3:1: typo")} },
		Version: "1.2.3", Log: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, func(path, host string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
}

func TestReadyzNamesWhatIsNotReady(t *testing.T) {
	health := []pipeline.Status{{Name: "sink out"}, {Name: "source in", Err: errors.New("kafka: no broker answers")}}
	s, get := start(t, &health)
	code, body := get("/readyz", "")
	if code != http.StatusServiceUnavailable || !strings.Contains(body, "[+]sink out ok") ||
		!strings.Contains(body, "[-]source in: kafka: no broker answers") {
		t.Errorf("%d %q", code, body)
	}
	if code, _ := get("/livez", ""); code != http.StatusOK {
		t.Errorf("livez %d: a process that waits for a broker lives", code)
	}
	health[1].Err, health[0].Trouble = nil, errors.New("not reached yet")
	if code, body := get("/readyz?verbose", ""); code != http.StatusOK || !strings.Contains(body, "[!]sink out: not reached yet\n") {
		t.Errorf("%d %q, want 200 and the trouble of the sink", code, body)
	}
	health[0].Trouble = nil
	if code, body := get("/readyz", ""); code != http.StatusOK || body != "ok\n" {
		t.Errorf("%d %q, want 200 ok", code, body)
	}
	if _, body := get("/readyz?verbose", ""); !strings.Contains(body, "[+]source in ok") ||
		!strings.Contains(body, "a.yaml:3:1: typo") {
		t.Errorf("verbose %q", body)
	}
	s.Stopping()
	if code, body := get("/healthz", ""); code != http.StatusServiceUnavailable || !strings.Contains(body, "stopping") {
		t.Errorf("while stopping: %d %q", code, body)
	}
}

func TestLedgerAndMetricsAgree(t *testing.T) {
	_, get := start(t, &[]pipeline.Status{{Name: "sink out"}})
	_, body := get("/api/ledger", "")
	var l pipeline.Ledger
	if err := json.Unmarshal([]byte(body), &l); err != nil || l.Sinks[0].InFlight != 2 || l.Drops["unmatched"] != 3 {
		t.Errorf("ledger %s: %v", body, err)
	}
	_, metrics := get("/metrics", "")
	for _, want := range []string{
		`router_build_info{version="1.2.3"} 1`, `router_source_events_total{source="in"} 7`,
		`router_source_malformed_total{source="in"} 1`, `router_source_dropped_total{source="in"} 5`, `router_route_matched_total{route="all"} 6`,
		`router_sink_outcomes_total{outcome="delivered",sink="out"} 4`, `router_sink_in_flight{sink="out"} 2`,
		`router_sink_without_data_total{sink="out"} 3`, `router_sink_duplicates_total{sink="out"} 2`,
		`router_drops_total{policy="unmatched"} 3`, `router_ready{part="sink out"} 1`, "go_goroutines",
		`router_config_reloads_total{result="failed"} 1`, `router_config_current 0`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(metrics, `router_sink_duplicates_total{sink="silent"}`) || strings.Count(body, "duplicates") != 1 {
		t.Error("a target that does not tell has figures of duplicates")
	}
}

func TestOtherHostNamesAreRefusedOnLoopback(t *testing.T) {
	_, get := start(t, &[]pipeline.Status{})
	for host, want := range map[string]int{
		"evil.example": 403, "evil.example:80": 403, "localhost": 200, "localhost:1": 200, "127.0.0.1:9": 200, "[::1]:9": 200,
	} {
		if code, _ := get("/livez", host); code != want {
			t.Errorf("host %s: %d, want %d", host, code, want)
		}
	}
}

func TestPortInUse(t *testing.T) {
	s, _ := start(t, &[]pipeline.Status{})
	if _, err := Listen(s.Addr().String(), Settings{Log: zap.NewNop()}); err == nil {
		t.Error("a port in use was bound")
	}
}
