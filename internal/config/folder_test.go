package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHiddenFilesOfAFolderAreNotRead: the lock of an editor, a link to nothing, made a folder unreadable while somebody had
// a file of it open, and a hidden copy was merged into the configuration.
func TestHiddenFilesOfAFolderAreNotRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const routes = "routes: [ { name: one, to: out } ]\n"
	write("conf/base.yaml", "sources: { in: { http: { listen: \":0\" } } }\nsinks: { out: { stdout: {} } }\nunmatched: drop\n"+
		"dead_letter: drop\ntests: [ { events: ../events, goes_to: out } ]\n")
	write("conf/team.yml", routes)
	write("conf/.hidden.yaml", "nonsense: true\n")
	write("events/one.json", `{"specversion":"1.0","id":"1","source":"/s","type":"a"}`)
	write("events/.one.json", "nonsense")
	for _, lock := range []string{"conf/.#team.yml", "events/.#one.json"} {
		if err := os.Symlink("me@here.4711", filepath.Join(dir, lock)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load([]string{filepath.Join(dir, "conf")}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Routes) != 1 || len(c.Tests[0].Samples) != 1 {
		t.Errorf("%d routes and %d events, want 1 and 1", len(c.Routes), len(c.Tests[0].Samples))
	}

	write("named/.router.yaml", strings.Replace(routes, "one", "two", 1))
	if _, err := Load([]string{filepath.Join(dir, "named")}, Env{}); err == nil || !strings.Contains(err.Error(), "holds no *.yaml or *.yml") {
		t.Errorf("a folder with hidden files alone: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "conf/team.yml")); err != nil {
		t.Fatal(err)
	}
	c, err = Load([]string{filepath.Join(dir, "conf"), filepath.Join(dir, "named/.router.yaml")}, Env{})
	if err != nil || c.Routes[0].Name != "two" {
		t.Errorf("a hidden file that is named itself: %v", err)
	}
}
