package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventrouter/router/internal/exit"
)

const (
	cleanEvent = `{"specversion":"1.0","id":"1","source":"https://shop.example","type":"com.example.paid.v1","time":"2026-03-01T10:20:30Z"}`
	plainEvent = `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`
	wrongEvent = "{\"specversion\":\"1.0\",\n\"id\":\"\",\n\"source\":\"/s\",\"type\":\"t\",\"Ext\":1}"
)

// lintRun runs the command on standard input and returns the exit code and what it wrote.
func lintRun(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &cli{stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs}
	code = a.run(t.Context(), append([]string{"lint"}, args...))
	return code, out.String(), errs.String()
}

func TestLint_ExitCodes(t *testing.T) {
	for _, c := range []struct {
		name, stdin string
		args        []string
		code        int
	}{
		{"clean", cleanEvent, []string{"-"}, exit.Fine},
		{"clean and strict", cleanEvent, []string{"--strict", "-"}, exit.Fine},
		{"warnings", plainEvent, []string{"-"}, exit.Fine},
		{"warnings and strict", plainEvent, []string{"--strict", "-"}, exit.Failed},
		{"violations", wrongEvent, []string{"-"}, exit.Failed},
		{"no file", "", []string{"/nowhere/event.json"}, exit.Environment},
		{"no argument", "", nil, exit.Config},
	} {
		if code, stdout, stderr := lintRun(t, c.stdin, c.args...); code != c.code {
			t.Errorf("%s: exit code %d, want %d\n%s%s", c.name, code, c.code, stdout, stderr)
		}
	}
}

func TestLint_Text(t *testing.T) {
	path := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(path, []byte(wrongEvent), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stdout, _ := lintRun(t, "", path)
	for _, want := range []string{
		path + ":2: violation: id: must not be empty", "(empty)\n", path + ":3: violation: Ext: is not an attribute name", "1 event, 2 violations, 0 warnings\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got\n%s\nwant it to contain %q", stdout, want)
		}
	}
}

func TestLint_JSON(t *testing.T) {
	code, stdout, _ := lintRun(t, wrongEvent, "--json", "-")
	var report struct {
		OK                           bool
		Events, Violations, Warnings int
		Findings                     []struct {
			File, Place, Rule, Severity, Message string
			Line                                 int
		}
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if code != exit.Failed || report.OK || report.Events != 1 || report.Violations != 2 || len(report.Findings) != 2 {
		t.Fatalf("exit code %d, %+v", code, report)
	}
	if f := report.Findings[0]; f.File != "-" || f.Place != "id" || f.Rule != "empty" || f.Line != 2 || f.Severity != "violation" || f.Message == "" {
		t.Errorf("got %+v", f)
	}
}
