package app

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/internal/config"
)

// liveHeap is what is reachable.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what pools kept for one more round
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// built is an instance of a file, which is not run.
func built(t *testing.T, path string, s Settings) *Instance {
	t.Helper()
	cfg, err := config.Load([]string{path}, s.Env)
	if err != nil {
		t.Fatal(err)
	}
	in, err := Build(cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = in.admin.Close(t.Context())
	})
	return in
}

// TestRoutesKeepNoFileInMemory: a router with 100,000 routes kept every value of their file, its places and the rules of
// the first load besides those that ran: 4.4 KB of live heap a route, and 8.5 KB after a reload.
func TestRoutesKeepNoFileInMemory(t *testing.T) {
	const n, most = 20_000, 2000
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nroutes:\n", strings.Replace(fmt.Sprintf(reloadConfig, "a", "drop"), "routes: [ { name: only, when: { type: a }, to: out } ]", "", 1))
	for i := range n {
		fmt.Fprintf(&b, "  - { name: r%d, when: { type: com.acme.t%d, source: { prefix: /s%d } }, to: out }\n", i, i, i%1000)
	}
	path := filepath.Join(t.TempDir(), "router.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	before := liveHeap()
	in := built(t, path, Settings{Log: zap.NewNop(), Events: io.Discard})
	loaded := liveHeap() - before
	if loaded > n*most {
		t.Errorf("%d bytes of live heap a route after the load, want %d at most", loaded/n, most)
	}
	for range 3 {
		in.reload([]string{path}, true)
	}
	if last := in.reloads.figures(); last.Done != 3 {
		t.Fatalf("reloads %+v", last)
	}
	if again := liveHeap() - before; again > loaded+loaded/10 {
		t.Errorf("%d bytes of live heap a route after three reloads, %d before", again/n, loaded/n)
	}
	runtime.KeepAlive(in)
}

// TestRefusalIsLoggedOnce: one change and a SIGHUP for it were up to four lines of the same refusal.
func TestRefusalIsLoggedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "router.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := fmt.Sprintf(reloadConfig, "a", "drop")
	write(good)
	core, logs := observer.New(zap.ErrorLevel)
	in := built(t, path, Settings{Log: zap.New(core), Events: io.Discard})
	step := func(what, text string, asked []bool, lines int, failed int64) {
		t.Helper()
		write(text)
		for _, by := range asked {
			in.reload([]string{path}, by)
		}
		if got := len(logs.TakeAll()); got != lines {
			t.Errorf("%s: %d lines, want %d", what, got, lines)
		}
		if got := in.reloads.figures().Failed; got != failed {
			t.Errorf("%s: %d failures counted, want %d", what, got, failed)
		}
	}
	step("a change seen in steps, and a signal", "routes: [ { nam: x } ]", []bool{false, true, false, false}, 1, 2)
	step("another mistake", "routes: [ { nom: x } ]", []bool{true, false}, 1, 3)
	step("taken back", good, []bool{false}, 0, 3)
	step("the same mistake again", "routes: [ { nom: x } ]", []bool{false, false}, 1, 4)
}
