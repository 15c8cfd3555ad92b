package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// An ingress was closed at SIGTERM, and with it went every request of the drain. It answers 503 until the last source has
// drained, also one that has nothing under way itself.
func TestIngressAnswersForTheWholeDrain(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Ce-Id") == "1" {
			close(entered)
			<-release
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(target.Close) // after the router has ended
	l := start(t, strings.ReplaceAll(`
admin: { listen: "127.0.0.1:0" }
sources:
  in: { http: { listen: "127.0.0.1:0", path: / } }
  idle: { http: { listen: "localhost:0", path: / } }
sinks: { out: { http: { url: TARGET } } }
routes: [{ to: out }]
unmatched: drop
dead_letter: drop
`, "TARGET", target.URL))
	first := make(chan int, 1)
	go func() {
		status, _ := l.post("1", "x")
		first <- status
	}()
	<-entered
	l.stop()
	for _, name := range []string{"in", "idle"} {
		for range 2 {
			l.until503(name)
			time.Sleep(50 * time.Millisecond) // a source with nothing under way has ended by the second time
		}
	}
	close(release)
	if got := <-first; got != http.StatusNoContent {
		t.Errorf("the request under way got %d", got)
	}
}

// until503 sends events to a source until one gets 503. One that comes in before the source has heard of the stop may wait
// after the request that is under way; none may be refused a connection.
func (l *live) until503(source string) {
	l.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		status, err := l.try(source)
		var timeout interface{ Timeout() bool }
		switch {
		case status == http.StatusServiceUnavailable:
			return
		case err != nil && (!errors.As(err, &timeout) || !timeout.Timeout()):
			l.t.Fatalf("%s: while the router drains: %v", source, err)
		case time.Now().After(end):
			l.t.Fatalf("%s answers %d while the router drains, %v, want 503", source, status, err)
		}
	}
}

// try sends an event to a source, and waits a second for the answer.
func (l *live) try(source string) (status int, err error) {
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.in.wiring.IngressAddr(source)+"/", strings.NewReader("x"))
	if err != nil {
		l.t.Fatal(err)
	}
	for k, v := range map[string]string{"ce-specversion": "1.0", "ce-id": "2", "ce-source": "/s", "ce-type": "t"} {
		req.Header.Set(k, v)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}
