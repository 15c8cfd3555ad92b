//go:build brokers

package matrix

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buildDir holds the router while the tests run.
var buildDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "router-matrix-") })

// routerBinary returns the router to test: $ROUTER_TEST_BINARY, or one that is built once per test run.
var routerBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("ROUTER_TEST_BINARY"); path != "" {
		return filepath.Abs(path)
	}
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "router")
	cmd := exec.Command("go", "build", "-o", path, "github.com/eventrouter/router/cmd/router")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	shared.stop()
	if dir, err := buildDir(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// process is a running router.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	log    string
	config string
	done   chan error
	http   bool // the source is HTTP: there is an ingress to wait for

	admin string

	mu      sync.Mutex // guards ingress
	ingress string
}

// startRouter starts the router on a configuration and waits until it is ready.
func startRouter(t *testing.T, config string) *process {
	t.Helper()
	p := newProcess(t, config)
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// newProcess prepares a router that is not started yet.
func newProcess(t *testing.T, config string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{
		t: t, config: filepath.Join(dir, "router.yaml"), log: filepath.Join(dir, "router.log"),
		http: strings.Contains(config, "in: { http:"),
	}
	if err := os.WriteFile(p.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd != nil {
			_ = p.cmd.Process.Kill()
		}
	})
	return p
}

// start starts the router, again after a kill, and waits until it is ready. The log begins anew.
func (p *process) start() error {
	if err := p.launch(); err != nil {
		return err
	}
	return p.await(60 * time.Second)
}

// launch starts the router without waiting for anything.
func (p *process) launch() error {
	binary, err := routerBinary()
	if err != nil {
		return err
	}
	logFile, err := os.Create(p.log)
	if err != nil {
		return err
	}
	defer logFile.Close()
	cmd := exec.Command(binary, "run", "-c", p.config)
	cmd.Stderr, cmd.Stdout = logFile, logFile
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	p.cmd, p.done, p.admin = cmd, done, ""
	p.mu.Lock()
	p.ingress = ""
	p.mu.Unlock()
	go func() { done <- cmd.Wait() }()
	return nil
}

// await waits until the router is ready.
func (p *process) await(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		p.readAddresses()
		if p.ready() && (!p.http || p.ingressURL() != "") {
			return nil
		}
		select {
		case err := <-p.done:
			return fmt.Errorf("the router ended: %w\n%s", err, p.tail())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the router is not ready after %s\n%s", patience, p.tail())
		}
	}
}

// terminate asks the router to end with SIGTERM and returns how long it took, and how it ended. One that does not end
// within patience is killed.
func (p *process) terminate(patience time.Duration) (time.Duration, error) {
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case err := <-p.done:
		return time.Since(began), err
	case <-time.After(patience):
		p.kill()
		return time.Since(began), fmt.Errorf("it did not end within %s of SIGTERM and was killed", patience)
	}
}

// readAddresses finds the bound ports in the log.
func (p *process) readAddresses() {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var line struct{ Msg, Admin, Address string }
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue
		}
		switch line.Msg {
		case "router started":
			p.admin = line.Admin
		case "listening":
			p.mu.Lock()
			p.ingress = line.Address
			p.mu.Unlock()
		}
	}
}

func (p *process) ready() bool {
	code, _, err := p.ask("/readyz")
	return err == nil && code == http.StatusOK
}

// ask gets a path of the router's admin server.
func (p *process) ask(path string) (code int, body string, err error) {
	if p.admin == "" {
		if p.readAddresses(); p.admin == "" {
			return 0, "", errors.New("the router has not said where its admin server listens")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// metric returns the value of a metric, which is written with its labels as the admin server writes them. It is false
// if there is none.
func (p *process) metric(name string) (float64, bool) {
	_, body, err := p.ask("/metrics")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			return n, err == nil
		}
	}
	return 0, false
}

func (p *process) tail() string {
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-4000):])
}

// kill ends the router as a power cut would.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Errorf("kill: %v", err)
	}
	<-p.done
}

// dump ends the router and returns the end of its log with the stacks of all goroutines.
func (p *process) dump() string {
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err == nil {
		select {
		case err := <-p.done:
			p.done <- err
		case <-time.After(10 * time.Second):
		}
	}
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-100_000):])
}

// stop ends the router as an orchestrator would, and demands that it drains.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Errorf("the router ended with %v\n%s", err, p.tail())
		}
	case <-time.After(40 * time.Second):
		p.t.Errorf("the router does not end\n%s", p.tail())
		p.kill()
	}
}

// ingressURL is where the HTTP source listens now, empty until that is known; it may change with a restart.
func (p *process) ingressURL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ingress == "" {
		return ""
	}
	return "http://" + p.ingress + "/events"
}
