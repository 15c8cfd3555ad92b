package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
)

// errFull is what a full disk says.
var errFull = &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

// Commands whose report did not arrive were fine, or wrong command lines.
func TestLostReportsAreFailures(t *testing.T) {
	workspace(t, map[string]string{
		"router.yaml": shop, "event.json": paidEvent, "events.jsonl": strings.Repeat(paidEvent+"\n", 50),
		"failing.yaml": shop + "tests:\n  - { event: { type: t }, goes_to: bus }\n",
	})
	for _, line := range []string{
		"--help", "check --help", "version", "version --json", "schema", "completion bash", "completion zsh", "check", "check --json", "test",
		"explain event.json", "explain events.jsonl --json", "diff router.yaml router.yaml", "graph", "graph --format dot", "graph --json",
		"lint event.json", "demo --show-config", "test -c failing.yaml",
	} {
		var stderr bytes.Buffer
		a := &cli{stdin: strings.NewReader(""), stdout: fullDisk{}, stderr: &stderr, env: config.Env{}}
		code := a.run(t.Context(), strings.Fields(line))
		if said := "router: " + errFull.Error() + "\n"; code != exit.Failed || stderr.String() != said {
			t.Errorf("%s: exit %d, want %d: %q, want %q", line, code, exit.Failed, stderr.String(), said)
		}
	}
	// What is wrong beside that is told, and decides the code.
	var stderr bytes.Buffer
	a := &cli{stdin: strings.NewReader(""), stdout: fullDisk{}, stderr: &stderr}
	if code := a.run(t.Context(), []string{"check", "-c", "none.yaml"}); code != exit.Environment || !strings.Contains(stderr.String(), "none.yaml") {
		t.Errorf("exit %d: %s", code, &stderr)
	}
}

// closed runs a command as a process whose standard output nobody reads, and says how it ended.
func closed(t *testing.T, args ...string) (state *os.ProcessState, stderr string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	var said bytes.Buffer
	cmd := program(t, args...)
	cmd.Stdout, cmd.Stderr = w, &said
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState, said.String()
}

// A command whose reader had gone complained of that, and send tried for half a minute and then had a line for every
// event. They end as other programs do.
func TestClosedPipesEndCommands(t *testing.T) {
	workspace(t, map[string]string{"router.yaml": shop, "event.json": paidEvent, "events.jsonl": strings.Repeat(paidEvent+"\n", 500)})
	for _, line := range []string{
		`send --sink {"stdout":{}} events.jsonl`, "send --to screen events.jsonl", "send --to screen --json events.jsonl", "schema", "graph", "graph --json",
		"explain events.jsonl", "explain --json event.json", "completion bash", "--help", "version", "lint event.json",
	} {
		began := time.Now()
		state, said := closed(t, strings.Split(line, " ")...)
		status, ok := state.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() || status.Signal() != syscall.SIGPIPE || said != "" {
			t.Errorf("%s: %v, said %q; want the end that SIGPIPE makes, without a word", line, state, said)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: took %v", line, took)
		}
	}
}

// A router whose stdout sink nobody reads any more has to say so, and not just to vanish.
func TestClosedPipesEndTheRouterWithAnError(t *testing.T) {
	workspace(t, map[string]string{"router.yaml": `sources: { in: { http: { listen: "127.0.0.1:0" } } }
sinks: { out: { stdout: {} } }
unmatched: drop
dead_letter: hold
routes: [{ to: out }]
admin: { listen: "127.0.0.1:0" }
log: { format: json }
`})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	cmd := program(t, "run")
	cmd.Stdout = w
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(stderr)
	address := regexp.MustCompile(`"listening".*"address":"([^"]+)","path":"([^"]+)"`)
	for lines.Scan() {
		fmt.Fprintln(&said, lines.Text())
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+found[1]+found[2], strings.NewReader(paidEvent))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/cloudevents+json")
			go func() { // answered when the router ends
				if resp, err := http.DefaultClient.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				http.DefaultClient.CloseIdleConnections()
			}()
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exit.Failed || !strings.Contains(said.String(), "broken pipe") {
		t.Errorf("%v: %s", err, &said)
	}
}
