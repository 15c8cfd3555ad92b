//go:build unix

package config

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestVariablesOfFilesTakeRegularFilesOnly: ${file:} of a pipe waited for a writer, at the start and at every reload, and one
// of a device or a folder gave what it had.
func TestVariablesOfFilesTakeRegularFilesOnly(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, size := range map[string]int{"large": maxReplaced + 1, "fits": maxReplaced - 10} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("x", size)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for to, from := range map[string]string{"link": "fits", "link-to-pipe": "pipe", "nowhere": "none"} {
		if err := os.Symlink(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "router.yaml")
	for name, want := range map[string]string{
		"pipe": "is not a regular file but a pipe", "link-to-pipe": "is not a regular file but a pipe", "socket": "is not a regular file but a socket",
		".": "is not a regular file but a folder", "/dev/zero": "is not a regular file but a device", "/dev/null": "is not a regular file but a device",
		"large": "is larger than", "nowhere": "no such file or directory", "fits": "", "link": "",
	} {
		text := strings.Replace(small, "stdout: {}", `http: { url: "https://x", auth: { bearer: "${file:`+name+`}" } }`, 1)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := Load([]string{path}, Env{})
			done <- err
		}()
		select {
		case err := <-done:
			problems, ok := errors.AsType[*Problems](err)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) ||
				ok && name != "large" && !problems.Environment() {
				t.Errorf("%s: got %v, want %q", name, err, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: is still being read", name)
		}
	}
}

// TestEventsOfTestsAreRegularFiles holds the same of what events names, and that the configuration itself may be a pipe.
func TestEventsOfTestsAreRegularFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"pipe.json", "config"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		_ = os.WriteFile(filepath.Join(dir, "config"), []byte(small+"tests: [{ events: pipe.json, goes_to: out }]\n"), 0o600)
	}()
	done := make(chan error, 1)
	go func() {
		_, err := Load([]string{filepath.Join(dir, "config")}, Env{})
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "tests[0].events") || !strings.Contains(err.Error(), "is not a regular file but a pipe") {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the events are still being read")
	}
}
