package conformance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// testIndex is every test of the repository, and the tests that bear the number of a vector.
type testIndex struct {
	names   map[string]bool            // package.Test
	vectors map[string]map[string]bool // vector to package.Test
}

var (
	literal  = regexp.MustCompile(`^([A-G][0-9]+[a-z]?)\b`)
	inName   = regexp.MustCompile(`(?:^Test|Vector|Vectors|_|And)([A-G][0-9]+[a-z]?)(?:[A-Z_]|And|$)`)
	testFunc = regexp.MustCompile(`^(Test|Fuzz)[A-Z_]`)
)

// declaration is what a function or a variable of a test package says and uses.
type declaration struct {
	vectors map[string]bool
	uses    map[string]bool
}

func findTests(t *testing.T) *testIndex {
	t.Helper()
	packages := map[string]map[string]*declaration{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && path != root || d.Name() == "testdata"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		if packages[dir] == nil {
			packages[dir] = map[string]*declaration{}
		}
		return declarations(packages[dir], path)
	})
	if err != nil {
		t.Fatal(err)
	}
	x := &testIndex{map[string]bool{}, map[string]map[string]bool{}}
	for dir, all := range packages {
		x.add(dir, all)
	}
	return x
}

// declarations adds those of a file.
func declarations(all map[string]*declaration, path string) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return err
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				all[d.Name.Name] = declare(d)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					for _, name := range v.Names {
						all[name.Name] = declare(v)
					}
				}
			}
		}
	}
	return nil
}

// declare looks for the numbers of vectors at the beginning of texts, and for names.
func declare(n ast.Node) *declaration {
	d := &declaration{map[string]bool{}, map[string]bool{}}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			d.uses[n.Name] = true
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				if m := literal.FindStringSubmatch(text); m != nil {
					d.vectors[m[1]] = true
				}
			}
		}
		return true
	})
	return d
}

// add takes the tests of a package. A vector in a table that stands by itself belongs to the tests that use the table.
func (x *testIndex) add(dir string, all map[string]*declaration) {
	for name := range all {
		if !testFunc.MatchString(name) {
			continue
		}
		test := dir + "." + name
		x.names[test] = true
		if dir == "test/conformance" {
			continue // it lists all numbers, and tests none of them by number
		}
		for _, m := range inName.FindAllStringSubmatch(name, -1) {
			x.note(m[1], test)
		}
		seen := map[string]bool{}
		for pending := []string{name}; len(pending) > 0; {
			d := all[pending[0]]
			pending = pending[1:]
			for vector := range d.vectors {
				x.note(vector, test)
			}
			for use := range d.uses {
				if all[use] != nil && !seen[use] && !testFunc.MatchString(use) {
					seen[use] = true
					pending = append(pending, use)
				}
			}
		}
	}
}

func (x *testIndex) note(vector, test string) {
	if x.vectors[vector] == nil {
		x.vectors[vector] = map[string]bool{}
	}
	x.vectors[vector][test] = true
}

// existing checks that tests exist, and returns them.
func (x *testIndex) existing(t *testing.T, tests []string) []string {
	t.Helper()
	for _, name := range tests {
		if !x.names[name] {
			t.Errorf("there is no test %s", name)
		}
	}
	return tests
}
