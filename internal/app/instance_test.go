package app

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/pipeline"
)

// The last line of the log had no figures when the drain time ran out, which is when they are asked for.
func TestLastLineHasTheFigures(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer target.Close()
	defer close(release)
	path := writeFile(t, t.TempDir(), "router.yaml", `sources: { in: { http: { listen: "127.0.0.1:0" } } }
sinks: { out: { http: { url: "`+target.URL+`", network: any } } }
unmatched: drop
dead_letter: hold
routes: [{ to: out }]
shutdown: { drain: 100ms }
admin: { listen: "127.0.0.1:0" }
`)
	cfg, err := config.Load([]string{path}, config.Env{})
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.InfoLevel)
	in, err := Build(cfg, Settings{Log: zap.New(core), Events: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- in.Run(ctx) }()
	url := "http://" + in.wiring.IngressAddr("in")
	eventually(t, "the router is ready", func() bool {
		resp, err := http.Get("http://" + in.AdminAddr().String() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"specversion":"1.0","id":"1","source":"/","type":"t"}`))
		req.Header.Set("Content-Type", "application/cloudevents+json")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}()
	<-asked
	stop()
	if err := <-ran; err == nil || !strings.Contains(err.Error(), "drain time") {
		t.Errorf("run returned %v", err)
	}
	last := logs.FilterMessage("router stopped").All()
	if len(last) != 1 {
		t.Fatalf("%d last lines", len(last))
	}
	fields := last[0].ContextMap()
	sinks, _ := fields["sinks"].([]pipeline.SinkFigures)
	sources, _ := fields["sources"].([]pipeline.SourceFigures)
	if fields["error"] == nil || len(sinks) != 1 || sinks[0].Returned != 1 || len(sources) != 1 || sources[0].Events != 1 {
		t.Errorf("%+v", fields)
	}
}
