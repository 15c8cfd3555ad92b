package docs

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryMetricIsDescribed wants docs/operations.md to list the metrics that the admin server has, and no others.
func TestEveryMetricIsDescribed(t *testing.T) {
	var want []string
	for _, m := range regexp.MustCompile(`desc\("([a-z_]+)"`).FindAllStringSubmatch(read(t, "internal/admin/metrics.go"), -1) {
		want = append(want, "router_"+m[1])
	}
	if len(want) < 10 {
		t.Fatalf("found %d metrics in the code, want more", len(want))
	}
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(router_[a-z_]+)`").FindAllStringSubmatch(read(t, "docs/operations.md"), -1) {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("described: %v\nin the code: %v", got, want)
	}
}

// TestEveryCommandIsNamed wants the README to name every command that the binary has.
func TestEveryCommandIsNamed(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), filepath.Join(binary(t), "router"), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(out), "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	readme, commands := read(t, "README.md"), 0
	for line := range strings.Lines(list) {
		name := strings.Fields(line)[0]
		commands++
		if name != "help" && !strings.Contains(readme, "`"+name+"`") {
			t.Errorf("the README does not name %s", name)
		}
	}
	if commands < 8 {
		t.Errorf("found %d commands, want more", commands)
	}
}

// TestReasonsAreDescribed wants docs/guarantees.md to list every reason of a dead letter that the code gives.
func TestReasonsAreDescribed(t *testing.T) {
	guarantees := read(t, "docs/guarantees.md")
	found := regexp.MustCompile(`(Reason\w+) +Reason += "([a-z_]+)"`).FindAllStringSubmatch(read(t, "bindings/errors.go"), -1)
	if len(found) < 8 {
		t.Fatalf("found %d reasons, want more", len(found))
	}
	for _, m := range found {
		if given := slices.ContainsFunc(sources(t), func(text string) bool {
			return strings.Contains(text, "bindings."+m[1])
		}); given != strings.Contains(guarantees, "`"+m[2]+"`") {
			t.Errorf("reason %s: given by the code is %v, described is %v", m[2], given, !given)
		}
	}
}

// sources returns the texts of the Go files that may give a reason.
func sources(t *testing.T) []string {
	t.Helper()
	var texts []string
	for _, pattern := range []string{"pipeline/*.go", "bindings/*/*.go"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			rel, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, read(t, rel))
		}
	}
	return texts
}
