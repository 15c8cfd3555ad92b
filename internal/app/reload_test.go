package app

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/internal/config"
)

// safeBuffer is a buffer that a router writes to while a test reads it.
type safeBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

const reloadConfig = `
sources: { in: { http: { listen: "127.0.0.1:0", path: / } } }
sinks: { out: { stdout: {} } }
routes: [ { name: only, when: { type: %s }, to: out } ]
unmatched: %s
dead_letter: hold
admin: { listen: "127.0.0.1:0" }
`

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within ten seconds", what)
		}
	}
}

func TestReloadTakesOverRoutesAndRefusesTheRest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "router.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf(reloadConfig, "a", "drop"))
	out := &safeBuffer{}
	cfg, err := config.Load([]string{path}, config.Env{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := Build(cfg, Settings{Log: zap.NewNop(), Events: out})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ctx, stop := context.WithCancel(t.Context())
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	watching := in.Watch(ctx, []string{path}, hangups)
	ran := make(chan error, 1)
	go func() { ran <- in.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		<-watching
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	post := func(typ, id string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+in.wiring.IngressAddr("in")+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range map[string]string{"specversion": "1.0", "id": id, "source": "/s", "type": typ} {
			req.Header.Set("ce-"+k, v)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	arrived := func(id string) bool { return strings.Contains(out.String(), `"id":"`+id+`"`) }

	if post("a", "1"); !arrived("1") {
		t.Fatalf("the first routes do not route: %s", out)
	}
	write(fmt.Sprintf(reloadConfig, "b", "reject"))
	eventually(t, "a changed file is applied", func() bool { return in.reloads.figures().Done == 1 })
	if code := post("a", "2"); code != http.StatusUnprocessableEntity || arrived("2") {
		t.Errorf("the old route still routes, or the new policy does not reject: %d", code)
	}
	if post("b", "3"); !arrived("3") {
		t.Error("the new route does not route")
	}

	write("routes: [ { nam: only } ]")
	eventually(t, "a broken file is refused", func() bool { return in.reloads.figures().Failed == 1 })
	if post("b", "4"); !arrived("4") {
		t.Error("a broken file stopped the routes")
	}
	write(fmt.Sprintf(reloadConfig, "b", "reject"))
	eventually(t, "a mistake that was taken back is forgotten", func() bool { return in.reloads.figures().Last == nil })

	write(strings.Replace(fmt.Sprintf(reloadConfig, "c", "drop"), "sinks: {", "sinks: { more: { stdout: {} },", 1))
	eventually(t, "another sink is refused", func() bool {
		last := in.reloads.figures().Last
		return last != nil && strings.Contains(last.Error(), "sinks")
	})

	write(fmt.Sprintf(reloadConfig, "c", "drop") + "tests: [ { event: { type: d }, goes_to: out } ]\n")
	eventually(t, "routes whose tests fail are refused", func() bool {
		last := in.reloads.figures().Last
		return last != nil && strings.Contains(last.Error(), "1 test failed")
	})
	if post("b", "5"); !arrived("5") {
		t.Error("routes whose tests fail were applied")
	}

	done := in.reloads.figures().Done
	write(fmt.Sprintf(reloadConfig, "c", "drop"))
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "SIGHUP reads the file", func() bool { return in.reloads.figures().Done > done })
	if post("c", "6"); !arrived("6") {
		t.Error("the routes of the last file do not route")
	}
}
