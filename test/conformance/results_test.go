package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var logFile = flag.String("log", "", "the output of go test -json ./..., which the results in docs/conformance.md are held to")

// The results of a row.
const (
	resultPass = "pass"
	resultPart = "pass in part"
	resultSkip = "skip"
	resultFail = "fail"
	resultNone = "not run"
)

// module is what package paths in a log begin with.
const module = "github.com/eventrouter/router/"

// outcomes are the results of tests by package.Test.
type outcomes map[string]string

// of returns the result of a row: the worst of its tests.
func (o outcomes) of(tests []string) string {
	worst := resultPass
	order := []string{resultPass, resultPart, resultSkip, resultNone, resultFail}
	for _, name := range tests {
		result := o[name]
		if result == "" {
			result = resultNone
		}
		if slices.Index(order, result) > slices.Index(order, worst) {
			worst = result
		}
	}
	return worst
}

// readLog reads the outcomes from the output of go test -json.
func readLog(r io.Reader) (outcomes, error) {
	o, skipped := outcomes{}, map[string]bool{}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 && trimmed[0] == '{' {
			var event struct{ Action, Package, Test string }
			if err := json.Unmarshal(trimmed, &event); err != nil {
				return nil, err
			}
			top, _, part := strings.Cut(event.Test, "/")
			name := strings.TrimPrefix(event.Package, module) + "." + top
			switch event.Action {
			case resultPass, resultFail, resultSkip:
				if part {
					skipped[name] = skipped[name] || event.Action == resultSkip
				} else {
					o[name] = event.Action
				}
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	for name, some := range skipped {
		if some && o[name] == resultPass {
			o[name] = resultPart
		}
	}
	return o, nil
}

// runTests runs the tests that the document names, but those of this package, one of which is running.
func runTests(t *testing.T, rows []documentRow) outcomes {
	t.Helper()
	packages, names := map[string]bool{}, map[string]bool{}
	own := outcomes{}
	for _, r := range rows {
		for _, test := range r.tests {
			dir, name, _ := strings.Cut(test, ".")
			if dir == "test/conformance" {
				own[test] = resultPass // the document is written when the matrix has passed
				continue
			}
			packages["./"+dir], names[name] = true, true
		}
	}
	args := append([]string{"test", "-json", "-run", "^(" + strings.Join(slices.Sorted(maps.Keys(names)), "|") + ")$"}, slices.Sorted(maps.Keys(packages))...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output() // fails where a test fails, which the log says better
	o, parseErr := readLog(bytes.NewReader(out))
	if parseErr != nil || len(o) == 0 {
		t.Fatalf("go test: %v, %v\n%s", err, parseErr, stderr.Bytes())
	}
	maps.Copy(o, own)
	return o
}

// writtenResults returns the results in the document, by the ids of its rows.
func writtenResults(document string) map[string]string {
	results := map[string]string{}
	prefix := ""
	for line := range strings.Lines(document) {
		if strings.HasPrefix(line, "## ") {
			prefix = map[string]string{"## Requirements\n": "", "## Vectors\n": "vector "}[line]
			if line != "## Requirements\n" && line != "## Vectors\n" {
				break
			}
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |\n"), " | ")
		if strings.HasPrefix(line, "| ") && len(cells) > 2 {
			results[prefix+cells[0]] = cells[len(cells)-1]
		}
	}
	return results
}

// TestResults holds the results in the document to the log of a whole run. What is skipped there and was not when the
// document was written is reported and is no mistake of the document.
func TestResults(t *testing.T) {
	if *logFile == "" {
		t.Skip("NOT TESTED: the results in docs/conformance.md, because there is no log; run go test -json ./... >log and give -log $PWD/log")
	}
	file, err := os.Open(*logFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	o, err := readLog(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, complaint := range compareResults(documentRows(t, findTests(t)), writtenResults(string(text)), o) {
		if strings.HasPrefix(complaint, "NOT TESTED") {
			t.Log(complaint)
		} else {
			t.Error(complaint)
		}
	}
}

// compareResults lists the rows whose result was another one in a run.
func compareResults(rows []documentRow, written map[string]string, o outcomes) []string {
	var all []string
	for _, r := range rows {
		got, want := o.of(r.tests), written[r.id]
		switch {
		case got == want:
		case got == resultSkip || got == resultPart && want == resultPass:
			all = append(all, fmt.Sprintf("NOT TESTED in this run: %s is %s, and the document says %s", r.id, got, want))
		default:
			all = append(all, fmt.Sprintf("%s is %s, and the document says %q; run go test ./test/conformance -update", r.id, got, want))
		}
	}
	return all
}

// TestResults_Log holds the reading of logs: the worst test of a row decides, and a skipped case shows.
func TestResults_Log(t *testing.T) {
	line := func(action, pkg, test string) string {
		return fmt.Sprintf(`{"Action":%q,"Package":%q,"Test":%q}`+"\n", action, module+pkg, test)
	}
	o, err := readLog(strings.NewReader("not JSON\n" + line("run", "a", "TestA") + line("pass", "a", "TestA/x") + line("pass", "a", "TestA") +
		line("pass", "a", "TestB/x") + line("skip", "a", "TestB/y") + line("pass", "a", "TestB") + line("skip", "b/c", "TestC") +
		line("fail", "b/c", "TestD/x") + line("fail", "b/c", "TestD") + line("pass", "a", "")))
	if err != nil {
		t.Fatal(err)
	}
	rows := []documentRow{
		{"1", []string{"a.TestA"}},
		{"2", []string{"a.TestA", "a.TestB"}},
		{"3", []string{"b/c.TestC", "a.TestB"}},
		{"4", []string{"a.TestA", "b/c.TestD", "b/c.TestC"}},
		{"5", []string{"a.TestA", "a.TestE"}},
	}
	want := []string{resultPass, resultPart, resultSkip, resultFail, resultNone}
	for i, r := range rows {
		if got := o.of(r.tests); got != want[i] {
			t.Errorf("%s: got %q, want %q", r.id, got, want[i])
		}
	}
	doc := "## Requirements\n| | rule | result |\n| --- | --- | --- |\n| 1 | x | pass |\n| 2 | x | pass |\n| 3 | x | pass |\n| 4 | x | pass |\n| 5 | x | pass |\n## Vectors\n| A1 | `a.TestA` | skip |\n## Next\n| 1 | x | fail |\n"
	complaints := compareResults(append(rows, documentRow{"vector A1", []string{"a.TestA"}}), writtenResults(doc), o)
	if len(complaints) != 5 || !strings.HasPrefix(complaints[0], "NOT TESTED in this run: 2 ") || !strings.HasPrefix(complaints[1], "NOT TESTED in this run: 3 ") ||
		!strings.HasPrefix(complaints[2], "4 is fail") || !strings.HasPrefix(complaints[3], "5 is not run") || !strings.HasPrefix(complaints[4], "vector A1 is pass") {
		t.Errorf("got %q", complaints)
	}
}
