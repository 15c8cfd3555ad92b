// Package docs holds the documents to what they say: every configuration in them loads and passes its tests, every
// console session gives the output that it shows, every configuration key is described, and every link leads somewhere.
package docs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is the folder of README.md.
const root = "../.."

// block is a fenced block of a document. A second word after the language names the file that the block is:
//
//	```yaml router.yaml
type block struct {
	document string
	line     int
	language string
	name     string
	text     string
}

// documents returns the paths of all documents, from the root on.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			rel, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, filepath.ToSlash(rel))
		}
	}
	for _, want := range []string{"README.md", "docs/configuration.md"} {
		if !slices.Contains(all, want) {
			t.Fatalf("%s is missing", want)
		}
	}
	return all
}

func read(t *testing.T, document string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// blocks returns the fenced blocks of a document, in order.
func blocks(t *testing.T, document string) []block {
	t.Helper()
	var all []block
	var open *block
	var body strings.Builder
	line := 0
	for text := range strings.Lines(read(t, document)) {
		line++
		fence, isFence := strings.CutPrefix(strings.TrimRight(text, "\n"), "```")
		switch {
		case open == nil && isFence:
			words := append(strings.Fields(fence), "", "")
			open = &block{document: document, line: line, language: words[0], name: words[1]}
			body.Reset()
		case isFence:
			open.text = body.String()
			all = append(all, *open)
			open = nil
		case open != nil:
			body.WriteString(text)
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block is never closed", document, open.line)
	}
	return all
}

// TestConsoleSessions runs what the console blocks show, a document's blocks in one folder that holds the named blocks
// before them, and compares the output. The commands are those that need no network and whose output is always the
// same; commands that do are in sh blocks, which are not run.
func TestConsoleSessions(t *testing.T) {
	bin := binary(t)
	sessions := 0
	for _, document := range documents(t) {
		dir := t.TempDir()
		for _, b := range blocks(t, document) {
			if b.name != "" {
				write(t, filepath.Join(dir, b.name), b.text)
			}
			if b.language != "console" {
				continue
			}
			sessions++
			for _, s := range steps(b) {
				s.run(t, bin, dir)
			}
		}
	}
	if sessions < 4 {
		t.Errorf("found %d console blocks, want at least 4", sessions)
	}
}

// step is a command of a console block with the output it shows.
type step struct {
	block   block
	command string
	want    string
}

// steps splits a console block. A line that begins with "$ " is a command, lines that begin with "> " go on with it.
func steps(b block) []step {
	var all []step
	for text := range strings.Lines(b.text) {
		if command, ok := strings.CutPrefix(text, "$ "); ok {
			all = append(all, step{block: b, command: command})
			continue
		}
		last := &all[len(all)-1]
		if more, ok := strings.CutPrefix(text, "> "); ok {
			last.command += more
		} else {
			last.want += text
		}
	}
	return all
}

func (s step) run(t *testing.T, bin, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", s.command)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + dir, "NO_COLOR=1"}
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := string(out); got != s.want {
		t.Errorf("%s:%d: $ %s\ngot:\n%s\nwant:\n%s", s.block.document, s.block.line, s.command, got, s.want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var build struct {
	once sync.Once
	err  error
	out  []byte
}

// binary builds the router once and returns the folder it is in.
func binary(t *testing.T) string {
	t.Helper()
	build.once.Do(func() {
		cmd := exec.Command("go", "build", "-o", filepath.Join(binDir, "router"), "./cmd/router")
		cmd.Dir = root
		build.out, build.err = cmd.CombinedOutput()
	})
	if build.err != nil {
		t.Fatalf("%v\n%s", build.err, build.out)
	}
	return binDir
}

// binDir is where the binary is built; TestMain makes it and removes it.
var binDir string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if binDir, err = os.MkdirTemp("", "router-docs-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(binDir)
		return m.Run()
	}())
}
