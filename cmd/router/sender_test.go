package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eventrouter/router/internal/exit"
)

// send delivered what the sink of the configuration does not accept, and data that its dataref should have replaced.
func TestSendKeepsToWhatTheSinkSays(t *testing.T) {
	var got []string
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if len(body) > 100 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		got = append(got, r.Header.Get("ce-id")+":"+string(body))
	}))
	defer target.Close()
	workspace(t, map[string]string{"router.yaml": `sources: { in: { http: { listen: "127.0.0.1:0" } } }
sinks:
  public: { stdout: {}, accepts: { dataclassification: [public] } }
  lean: { stdout: {}, dataref: drop_data }
  small: { http: { url: "` + target.URL + `", network: any }, mode: binary, dataref: drop_data_when_too_large }
unmatched: drop
dead_letter: drop
routes: [{ to: [public, lean, small] }]
`})
	event := func(to string, more ...string) result {
		return command(t, append([]string{"send", "--to", to, "--type", "t", "--id", "1"}, more...)...)
	}
	r := event("public", "--data", "1", "--attribute", "dataclassification=secret")
	if r.code != exit.Failed || r.stdout != "" {
		t.Errorf("exit %d, delivered %q", r.code, r.stdout)
	}
	wants(t, r, `event 1: the sink does not accept dataclassification "secret"`, "0 of 1 event confirmed")
	if r := event("public", "--data", "1", "--attribute", "dataclassification=public"); r.code != exit.Fine || r.stdout == "" {
		t.Errorf("exit %d: %s", r.code, r.all())
	}
	r = event("lean", "--data", "4711", "--attribute", "dataref=https://x.example/1")
	if r.code != exit.Fine || strings.Contains(r.stdout, "4711") || !strings.Contains(r.stdout, "dataref") {
		t.Errorf("exit %d: %s", r.code, r.all())
	}
	large := strings.Repeat("1", 200)
	if r := event("small", "--data", large, "--attribute", "dataref=https://x.example/1"); r.code != exit.Fine {
		t.Errorf("exit %d: %s", r.code, r.all())
	}
	r = event("small", "--data", large)
	if r.code != exit.Failed {
		t.Errorf("exit %d: %s", r.code, r.all())
	}
	wants(t, r, "413", "0 of 1 event confirmed")
	if strings.Join(got, " ") != "1:" {
		t.Errorf("the target took %q", got)
	}
}
