package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/eventrouter/router/internal/exit"
)

// openTerminal returns both ends of a terminal: what is written to the second one can be read from the first.
func openTerminal(t *testing.T) (outside, inside *os.File) {
	t.Helper()
	outside, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("NOT TESTED: progress on a terminal: %v", err)
	}
	t.Cleanup(func() { outside.Close() })
	control := func(request uintptr) int32 {
		var n int32
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, outside.Fd(), request, uintptr(unsafe.Pointer(&n))); errno != 0 {
			t.Fatal(errno)
		}
		return n
	}
	control(syscall.TIOCSPTLCK) // with 0, which unlocks
	inside, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", control(syscall.TIOCGPTN)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("NOT TESTED: progress on a terminal: %v", err)
	}
	t.Cleanup(func() { inside.Close() })
	return outside, inside
}

// onScreen is what a command that has taken an hour already writes to a terminal as its standard error.
func onScreen(t *testing.T, stdout *bytes.Buffer, args ...string) string {
	t.Helper()
	outside, inside := openTerminal(t)
	a := &cli{stdin: strings.NewReader(""), stdout: stdout, stderr: inside, began: time.Now().Add(-time.Hour)}
	read := make(chan string)
	go func() {
		var all []byte
		buf := make([]byte, 4096)
		for {
			n, err := outside.Read(buf) // fails once the other end is closed
			if all = append(all, buf[:n]...); err != nil {
				read <- string(all)
				return
			}
		}
	}()
	if code := a.run(t.Context(), args); code != exit.Fine {
		t.Errorf("%s: exit code %d: %s", args[0], code, stdout)
	}
	inside.Close()
	return <-read
}

// progressConfig is a configuration whose one test takes no time.
const progressConfig = `
sources: { in: { http: { listen: "127.0.0.1:0", path: / } } }
sinks: { out: { stdout: {} } }
routes: [ { name: only, when: { type: com.acme.paid }, to: out } ]
unmatched: drop
dead_letter: hold
admin: { listen: "127.0.0.1:0" }
`

// TestCommandsShowProgress: nothing told a command that reads a large file from one that hangs.
func TestCommandsShowProgress(t *testing.T) {
	workspace(t, map[string]string{
		"router.yaml": progressConfig + "tests: [ { event: { type: x }, unmatched: true } ]\n",
		"event.json":  paidEvent,
	})
	const reading = "\rreading the configuration, "
	commands := []struct {
		args []string
		want []string
	}{
		{[]string{"check"}, []string{reading, "\rtesting 0 of 1, "}},
		{[]string{"test"}, []string{reading, "\rtesting 0 of 1, "}},
		{[]string{"explain", "event.json"}, []string{reading, "\rreading events, ", "\rexplaining 0 of 1, "}},
		{[]string{"diff", "router.yaml", "router.yaml", "--events", "event.json"}, []string{reading, "\rreading events, ", "\rcomparing, "}},
		{[]string{"send", "--to", "out", "event.json"}, []string{"\rreading events, ", reading, "\rsending 0 of 1, "}},
	}
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1") // which is about colours
	for _, c := range commands {
		var stdout bytes.Buffer
		screen := onScreen(t, &stdout, c.args...)
		rest := screen
		for _, want := range c.want {
			var found bool
			if _, rest, found = strings.Cut(rest, want); !found || !strings.Contains(rest, "\x1b[K\r\x1b[K") {
				t.Errorf("%s: the screen lacks %q, or it is not erased: %q", c.args[0], want, screen)
			}
		}
		if strings.Contains(stdout.String(), "\x1b") {
			t.Errorf("%s: progress is on standard output: %q", c.args[0], &stdout)
		}
	}
	if _, inside := openTerminal(t); (&cli{stdout: inside, stderr: inside}).writing("sending", 1) != nil {
		t.Error("what is written to a terminal is mixed with progress")
	}
	if screen := onScreen(t, &bytes.Buffer{}, "check", "--json"); screen != "" {
		t.Errorf("with --json: %q", screen)
	}
	t.Setenv("TERM", "dumb")
	if screen := onScreen(t, &bytes.Buffer{}, "check"); screen != "" {
		t.Errorf("on a terminal that erases nothing: %q", screen)
	}
}
