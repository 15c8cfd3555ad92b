package lint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDocumentedRules: docs/linting.md lists exactly the rules that the code can name.
func TestDocumentedRules(t *testing.T) {
	text, err := os.ReadFile("../../docs/linting.md")
	if err != nil {
		t.Fatal(err)
	}
	violations, warnings, ok := strings.Cut(string(text), "\n## Warnings\n")
	_, violations, found := strings.Cut(violations, "\n## Violations\n")
	if !ok || !found {
		t.Fatal("docs/linting.md has no lists of violations and warnings")
	}
	for method, section := range map[string]string{"violation": violations, "advice": warnings} {
		documented := []string{}
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(section, -1) {
			documented = append(documented, m[1])
		}
		slices.Sort(documented)
		if named := namedRules(t, method); !slices.Equal(named, documented) {
			t.Errorf("%s: the code names %q, the document %q", method, named, documented)
		}
	}
}

// namedRules returns the rules in calls of a method of the linter; for violations also those that ruleOf returns.
func namedRules(t *testing.T, method string) []string {
	t.Helper()
	rules := map[string]bool{}
	take := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok {
			if rule, err := strconv.Unquote(lit.Value); err == nil {
				rules[rule] = true
			}
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == method && len(n.Args) > 2 {
					take(n.Args[1])
				}
			case *ast.FuncDecl:
				if n.Name.Name == "ruleOf" && method == "violation" {
					ast.Inspect(n, func(n ast.Node) bool {
						if r, ok := n.(*ast.ReturnStmt); ok {
							take(r.Results[0])
						}
						return true
					})
				}
			}
			return true
		})
	}
	list := []string{}
	for rule := range rules {
		list = append(list, rule)
	}
	slices.Sort(list)
	return list
}
