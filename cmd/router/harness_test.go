package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eventrouter/router/internal/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// asRouter is the variable that makes the test binary the program itself.
const asRouter = "ROUTER_TEST_AS_ROUTER"

// TestMain holds that no command leaves a goroutine behind.
func TestMain(m *testing.M) {
	if os.Getenv(asRouter) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// program prepares a command as a process of its own, for what a signal or a file descriptor decides.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asRouter+"=1")
	return cmd
}

// workspace makes a folder with these files the working directory.
func workspace(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

// result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// all is both outputs, for tests that do not care which one it is.
func (r result) all() string { return r.stdout + r.stderr }

// command runs a command in process.
func command(t *testing.T, args ...string) result {
	t.Helper()
	return (&invocation{}).run(t, args...)
}

// invocation is a command with more than its arguments.
type invocation struct {
	stdin string
	width int
}

func (i *invocation) run(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &cli{
		stdin: strings.NewReader(i.stdin), stdout: &stdout, stderr: &stderr, width: i.width,
		env: config.Env{LookupEnv: func(string) (string, bool) { return "", false }},
	}
	code := a.run(t.Context(), args)
	return result{code, stdout.String(), stderr.String()}
}

// decoded reads a --json report.
func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return v
}

// golden compares text with a golden file, or writes the file with -update. The path is from this folder on, wherever
// the test works.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got:\n%s\nwant:\n%s", filepath.Base(file), got, want)
	}
}

// goldenPath returns the absolute path of a golden file; it is taken before a test changes the working directory.
func goldenPath(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// wants reports each text that a command's output lacks.
func wants(t *testing.T, r result, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.all(), text) {
			t.Errorf("the output lacks %q:\n%s", text, r.all())
		}
	}
}

// shop is a configuration with a route of every sort.
const shop = `sources:
  orders: { kafka: { brokers: ["k1:9092"], topics: [orders], group: router } }
  hooks: { http: { listen: "127.0.0.1:0", path: /events } }
sinks:
  bus: { nats: { url: "nats://n1:4222", stream: ORDERS, subject: "acme.{type}" } }
  billing: { http: { url: "https://billing.acme.example/events/{subject}" } }
  archive: { kafka: { brokers: ["k1:9092"], topic: archive, key: "{source}" } }
  screen: { stdout: {} }
  dead: { kafka: { brokers: ["k1:9092"], topic: orders.dead } }
routes:
  - { name: tests, when: { source: { prefix: /probe } }, to: drop, stop: true }
  - name: paid
    from: orders
    when: { type: com.acme.paid, region: [eu, us] }
    to: [bus, billing]
    set: { tier: gold, region: null }
  - { name: big, when: { data: { order.total: { gte: 100 } } }, to: archive }
  - { name: rich, when: { cesql: "tier = 'gold' AND type LIKE 'com.acme.%'" }, to: screen }
unmatched: dead_letter
dead_letter: dead
`

const paidEvent = `{"specversion":"1.0","id":"1","source":"/shop","type":"com.acme.paid","subject":"o-1","region":"eu"}`

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

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within ten seconds", what)
		}
	}
}
