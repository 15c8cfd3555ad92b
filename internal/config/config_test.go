package config

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// variables is the environment of every test.
var variables = map[string]string{
	"EMPTY": "", "NUMBER": "7", "SIZE": "64KiB", "LETTERS": "q q", "DIR": "planted-dir", "NAME": "planted-name",
	"WORD": "planted-word", "DSN": "nats://planted-user:planted-pass@h:planted-port", "NATS_URL": "nats://n1:4222",
	"USER_NAME": "planted-user", "PASSWORD": "planted-pass", "BIG": strings.Repeat("x", 600_000),
}

func testEnv() Env {
	return Env{LookupEnv: func(name string) (string, bool) {
		v, ok := variables[name]
		return v, ok
	}}
}

// cases returns the files and folders of a folder of test cases.
func cases(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) == ".yaml" {
			all = append(all, filepath.Join(folder, e.Name()))
		}
	}
	return all
}

// load loads a case; unless it says that it stands alone, the base completes it.
func load(t *testing.T, path string) (*Config, error) {
	t.Helper()
	paths := []string{"testdata/base.yaml", path}
	if text, err := os.ReadFile(path); err == nil && bytes.HasPrefix(text, []byte("# alone\n")) {
		paths = paths[1:]
	}
	return Load(paths, testEnv())
}

// golden compares with a golden file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil && got != "" {
		t.Errorf("%v; got:\n%s", err, got)
	} else if got != string(want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", path, got, want)
	}
}

func TestBad(t *testing.T) {
	for _, path := range cases(t, "testdata/bad") {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			_, err := load(t, path)
			if _, ok := errors.AsType[*Problems](err); !ok {
				t.Fatalf("got error %v, want *Problems", err)
			}
			golden(t, filepath.Join("testdata/bad", name+".err"), err.Error()+"\n")
			for _, word := range []string{"planted", "q q"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("the error shows what a variable stands for (%s)", word)
				}
			}
		})
	}
}

func TestGood(t *testing.T) {
	for _, path := range cases(t, "testdata/good") {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			c, err := load(t, path)
			if err != nil {
				t.Fatal(err)
			}
			var warnings strings.Builder
			for _, w := range c.Warnings {
				if !w.Warning {
					t.Errorf("%v is no warning", w)
				}
				warnings.WriteString(w.Error() + "\n")
			}
			golden(t, filepath.Join("testdata/good", name+".warn"), warnings.String())
		})
	}
}
