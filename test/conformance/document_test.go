package conformance

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/conformance.md anew")

const (
	root     = "../.."
	document = root + "/docs/conformance.md"
)

// checkDocument renders the document of what was measured and compares it with the one in the repository.
func checkDocument(t *testing.T, results map[[2]string]cell, carried map[string]int) {
	t.Helper()
	tests := findTests(t)
	var b strings.Builder
	b.WriteString(preface)
	writeRequirements(t, &b, tests)
	writeVectors(t, &b, tests)
	writeMatrix(&b, results, carried)
	b.WriteString(losses)
	if *update {
		if err := os.WriteFile(document, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("docs/conformance.md is stale: %s; run go test ./test/conformance -update", firstDifference(string(have), b.String()))
	}
}

func firstDifference(have, want string) string {
	a, b := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is\n%s\nand should be\n%s", i+1, a[i], b[i])
		}
	}
	return "one is longer"
}

// testIndex is every test of the repository, and which files mention which vector.
type testIndex struct {
	names   map[string]bool            // package.Test
	vectors map[string]map[string]bool // vector to packages
}

var (
	literal  = regexp.MustCompile(`^([A-G][0-9]+[a-z]?)\b`)
	inName   = regexp.MustCompile(`(?:^Test|Vector|Vectors|_|And)([A-G][0-9]+[a-z]?)(?:[A-Z_]|And|$)`)
	testFunc = regexp.MustCompile(`^(Test|Fuzz)[A-Z_]`)
)

func findTests(t *testing.T) testIndex {
	t.Helper()
	index := testIndex{map[string]bool{}, map[string]map[string]bool{}}
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
		return index.file(filepath.ToSlash(dir), path)
	})
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func (x *testIndex) file(dir, path string) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return err
	}
	note := func(vector string) {
		if x.vectors[vector] == nil {
			x.vectors[vector] = map[string]bool{}
		}
		x.vectors[vector][dir] = true
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && testFunc.MatchString(n.Name.Name) {
				x.names[dir+"."+n.Name.Name] = true
				for _, m := range inName.FindAllStringSubmatch(n.Name.Name, -1) {
					note(m[1])
				}
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && dir != "test/conformance" {
				if m := literal.FindStringSubmatch(text); m != nil {
					note(m[1])
				}
			}
		}
		return true
	})
	return nil
}

// cite renders tests as code and checks that they exist.
func (x *testIndex) cite(t *testing.T, tests string) string {
	t.Helper()
	var out []string
	for name := range strings.FieldsSeq(tests) {
		if !x.names[name] {
			t.Errorf("there is no test %s", name)
		}
		out = append(out, "`"+name+"`")
	}
	return strings.Join(out, ", ")
}

const preface = `# Conformance

What of the CloudEvents specification is implemented where, which test holds it, and what becomes of an event between any
two transports. This page is written by a test, ` + "`go test ./test/conformance -update`" + `, and the same test fails where the page no
longer says what was measured, or names a test that does not exist. The tests it names run with ` + "`go test ./...`" + `.

The specification is the state of its main branch that is labelled 1.0.3-wip; specversion is 1.0. Of its own test data every
valid event and batch in JSON, protobuf and XML is accepted as the sample it stands for, and every invalid one is refused but
one: ` + "`invalidExtensionWithConflictingType`" + ` of the XML tests, which supposes a reader that was told the types of extensions
beforehand; an intermediary takes the type that the event states.

`

func writeRequirements(t *testing.T, b *strings.Builder, x testIndex) {
	t.Helper()
	b.WriteString("## Requirements\n\nThe numbers are those of the project's own list of the specification's rules: 1 attributes and types, " +
		"2 JSON, 3 HTTP,\n4 web hooks, 5 Kafka, 6 NATS, 7 the other formats, 8 SQS, 10 extensions, and D for decisions where the specification is silent.\n\n" +
		"| | rule | implemented in | tested by |\n| --- | --- | --- | --- |\n")
	for _, r := range requirements {
		for where := range strings.SplitSeq(r.where, ", ") {
			if found, err := filepath.Glob(filepath.Join(root, where)); err != nil || len(found) == 0 {
				t.Errorf("%s: there is no %s", r.id, where)
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", r.id, r.rule, "`"+strings.ReplaceAll(r.where, ", ", "`, `")+"`", x.cite(t, r.tests))
	}
	b.WriteString("\nNot implemented:\n\n| | rule | why |\n| --- | --- | --- |\n")
	for _, r := range open {
		fmt.Fprintf(b, "| %s | %s | %s |\n", r.id, r.rule, r.tests)
	}
	b.WriteString("\n")
}

func writeVectors(t *testing.T, b *strings.Builder, x testIndex) {
	t.Helper()
	b.WriteString("## Vectors\n\nTraps that implementations are known to fall into, by number: A the JSON format, B the modes of HTTP, C header values,\n" +
		"D Kafka, E the other transports and formats, G web hooks. The tests bear the numbers in their names or cases.\n\n" +
		"| vector | tested in |\n| --- | --- |\n")
	for _, id := range vectorIDs {
		switch {
		case vectorsApart[id] != "":
			fmt.Fprintf(b, "| %s | not ours: %s |\n", id, vectorsApart[id])
		case vectorTests[id] != "":
			fmt.Fprintf(b, "| %s | %s |\n", id, x.cite(t, vectorTests[id]))
		case len(x.vectors[id]) > 0:
			fmt.Fprintf(b, "| %s | `%s` |\n", id, strings.Join(slices.Sorted(maps.Keys(x.vectors[id])), "`, `"))
		default:
			t.Errorf("no test bears the number %s", id)
		}
	}
	b.WriteString("\n")
}

func writeMatrix(b *strings.Builder, results map[[2]string]cell, carried map[string]int) {
	total, pairs := 0, 0
	for _, c := range results {
		total += c.delivered
		pairs++
	}
	fmt.Fprintf(b, "## From every source to every sink\n\nGolden events (all types, odd characters, absent, empty and null data, nested events, 64 KiB) "+
		"go through the real sources and\nsinks, and through brokers in the test's process. What arrives is read by readers of the test's own: JSON, headers and\n"+
		"percent-coding by the standard library; protobuf, XML and Avro by the codecs that their own tests hold to independent\nreaders of the schemas. "+
		"Every cell has to hold every event that its source's form can carry, changed in nothing but what the\nnext section says: %d deliveries over %d pairs.\n\n"+
		"A cell is the number of events that arrived. V of them left as the very bytes they came in; S of them were to leave\nbinary and left structured, because binary "+
		"cannot carry them; R of them are refused for good, with a reason, because the\nformat has no way to write them.\n\n", total, pairs)
	columns := sinks()
	for _, group := range [][2]int{{0, 5}, {5, 10}, {10, len(columns)}} {
		b.WriteString("| from \\ to |")
		for _, to := range columns[group[0]:group[1]] {
			b.WriteString(" " + to.String() + " |")
		}
		b.WriteString("\n| --- |" + strings.Repeat(" --- |", group[1]-group[0]) + "\n")
		for _, from := range sources() {
			fmt.Fprintf(b, "| %s, %d events |", from, carried[from.String()])
			for _, to := range columns[group[0]:group[1]] {
				b.WriteString(" " + results[[2]string{from.String(), to.String()}].summary() + " |")
			}
			b.WriteString("\n")
		}
		b.WriteString("\n")
	}
}

const losses = `## What a form changes

Nothing else may change; the matrix compares names, texts, types and data with exactly these rules.

| form | changes |
| --- | --- |
| binary, every transport | headers have no types: an extension arrives untyped, and becomes a string in JSON |
| binary over HTTP and NATS | empty data arrives as no data |
| JSON | of the types only Boolean and Integer stay apart from strings; white space around JSON data goes, that within it stays; data without datacontenttype that was JSON is named application/json when it leaves JSON |
| protobuf | a Timestamp is an instant in nanoseconds: offset, letter case and further digits are lost; year 0 and leap seconds travel as text; the Integer -0 becomes 0; untyped becomes String; proto_data becomes bytes of application/protobuf |
| XML | untyped becomes String; a name that begins with a digit has no XML form (refused); text with characters that XML lacks travels as base64 |
| Avro | String, URI, URI-reference, Timestamp arrive untyped; the Integer -0 becomes 0; data is written as bytes |
| stdout | line breaks between the tokens of JSON data become spaces, because one line is one event |
| SQS | U+FFFE and U+FFFF in JSON are written as escapes, because the service refuses them |

An event that arrives structured, that no route changes, and that leaves in the same format is the same bytes, whatever its order,
white space and unknown fields. The one exception is XML batches, whose events mean nothing without the batch's namespaces.
`
