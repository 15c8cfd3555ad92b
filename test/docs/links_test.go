package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks wants every relative link to lead to a file, and to a heading of it where it names one.
func TestLinks(t *testing.T) {
	for _, document := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, document), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := document
			if target != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(document), target))
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", document, m[1])
				continue
			}
			if anchor != "" && !anchors(t, to)[anchor] {
				t.Errorf("%s: %s has no heading %s", document, to, anchor)
			}
		}
	}
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)

// anchors returns the names that the headings of a document have as link targets, in GitHub's way.
func anchors(t *testing.T, document string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for line := range strings.Lines(read(t, document)) {
		if text := strings.TrimLeft(line, "#"); text != line && strings.HasPrefix(text, " ") {
			name := notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(text)), "")
			found[strings.ReplaceAll(name, " ", "-")] = true
		}
	}
	return found
}

// TestTables wants every row of a table to have as many cells as its head.
func TestTables(t *testing.T) {
	for _, document := range documents(t) {
		head, code := 0, false
		for line := range strings.Lines(read(t, document)) {
			if strings.HasPrefix(line, "```") {
				code = !code
			}
			if code || !strings.HasPrefix(line, "|") {
				head = 0
				continue
			}
			n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
			if head == 0 {
				head = n
			}
			if n != head {
				t.Errorf("%s: %d cells, the head has %d: %s", document, n-1, head-1, line)
			}
		}
	}
}
