package conformance

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/eventrouter/router/bindings/bindingtest"
)

var update = flag.Bool("update", false, "write docs/conformance.md anew")

const (
	root     = "../.."
	document = root + "/docs/conformance.md"
)

// measured is what the matrix found.
type measured struct {
	cells   map[[2]string]cell
	carried map[string]int // events that a source's form can carry
	sdk     *sdkReader
}

// checkDocument renders the document of what was measured and compares it with the one in the repository. The results of
// the tests that it names are those of a run: of one that -update makes, or else of the one that the document tells of,
// which TestResults holds to the log of another.
func checkDocument(t *testing.T, m measured) {
	t.Helper()
	rows := documentRows(t, findTests(t))
	have, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	results := writtenResults(string(have))
	if *update {
		outcomes := runTests(t, rows)
		results = map[string]string{}
		for _, r := range rows {
			results[r.id] = outcomes.of(r.tests)
		}
	}
	var b strings.Builder
	b.WriteString(preface)
	writeRequirements(&b, results)
	writeVectors(&b, rows, results)
	writeMatrix(&b, m)
	b.WriteString(losses)
	if *update {
		if err := os.WriteFile(document, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(have) != b.String() {
		t.Errorf("docs/conformance.md is stale: %s; run go test ./test/conformance -update", firstDifference(string(have), b.String()))
	}
	for _, r := range rows {
		if result := results[r.id]; !strings.HasPrefix(result, resultPass) && !strings.HasPrefix(result, resultSkip) {
			t.Errorf("%s: the result is %q", r.id, result)
		}
	}
}

// documentRow is a row of the document that has a result.
type documentRow struct {
	id    string
	tests []string // package.Test
}

// documentRows returns the requirements and the vectors with the tests that hold them, all of which have to exist.
func documentRows(t *testing.T, x *testIndex) []documentRow {
	t.Helper()
	var rows []documentRow
	for _, r := range requirements {
		for where := range strings.SplitSeq(r.where, ", ") {
			if found, err := filepath.Glob(filepath.Join(root, where)); err != nil || len(found) == 0 {
				t.Errorf("%s: there is no %s", r.id, where)
			}
		}
		rows = append(rows, documentRow{r.id, x.existing(t, strings.Fields(r.tests))})
	}
	for _, id := range vectorIDs {
		if vectorsApart[id] != "" {
			continue
		}
		tests := x.existing(t, strings.Fields(vectorTests[id]))
		if len(tests) == 0 {
			tests = slices.Sorted(maps.Keys(x.vectors[id]))
		}
		if len(tests) == 0 {
			t.Errorf("no test bears the number %s", id)
		}
		rows = append(rows, documentRow{"vector " + id, tests})
	}
	return rows
}

// cite renders tests as code.
func cite(tests []string) string { return "`" + strings.Join(tests, "`, `") + "`" }

func firstDifference(have, want string) string {
	a, b := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is\n%s\nand should be\n%s", i+1, a[i], b[i])
		}
	}
	return "one is longer"
}

const preface = `# Conformance

What of the CloudEvents specification is implemented where, which test holds it, and what becomes of an event between any
two transports. This page is written by a test, ` + "`go test ./test/conformance -update`" + `, which runs the tests that it names; the same
test fails where the page no longer says what was measured, or names a test that does not exist. The results are held to the
log of a whole run: ` + "`go test -json ./... >log; go test ./test/conformance -run TestResults -log $PWD/log`" + `.

A result is *pass* where every test of the row passed, *pass in part* where some of their cases were skipped, and *skip* where a
test was skipped as a whole.

The specification is the state of its main branch that is labelled 1.0.3-wip; specversion is 1.0. Of its own test data every
valid event and batch in JSON, protobuf and XML is accepted as the sample it stands for, and every invalid one is refused but
one: ` + "`invalidExtensionWithConflictingType`" + ` of the XML tests, which supposes a reader that was told the types of extensions
beforehand; an intermediary takes the type that the event states.

`

func writeRequirements(b *strings.Builder, results map[string]string) {
	b.WriteString("## Requirements\n\nThe numbers are those of the project's own list of the specification's rules: 1 attributes and types, " +
		"2 JSON, 3 HTTP,\n4 web hooks, 5 Kafka, 6 NATS, 7 the other formats, 8 SQS, 10 extensions, 11 filters, 12 CESQL, and D for decisions where the\nspecification is silent.\n\n" +
		"| | rule | implemented in | tested by | result |\n| --- | --- | --- | --- | --- |\n")
	for _, r := range requirements {
		where := cite(strings.Split(r.where, ", "))
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", r.id, r.rule, where, cite(strings.Fields(r.tests)), results[r.id])
	}
	b.WriteString("\n")
}

func writeVectors(b *strings.Builder, rows []documentRow, results map[string]string) {
	b.WriteString("## Vectors\n\nTraps that implementations are known to fall into, by number: A the JSON format, B the modes of HTTP, C header values,\n" +
		"D Kafka, E the other transports and formats, F filters and CESQL, G web hooks. The tests bear the numbers in their names or cases.\n\n" +
		"| vector | tested by | result |\n| --- | --- | --- |\n")
	tests := map[string][]string{}
	for _, r := range rows {
		tests[r.id] = r.tests
	}
	for _, id := range vectorIDs {
		if why := vectorsApart[id]; why != "" {
			fmt.Fprintf(b, "| %s | – | not ours: %s |\n", id, why)
			continue
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", id, cite(tests["vector "+id]), results["vector "+id])
	}
	b.WriteString("\n")
}

func writeMatrix(b *strings.Builder, m measured) {
	total := 0
	for _, c := range m.cells {
		total += c.delivered
	}
	fmt.Fprintf(b, "## From every source to every sink\n\n%d golden events (all types, odd characters, absent, empty and null data, nested events, 64 KiB) "+
		"go through the real sources and\nsinks, and through brokers in the test's process. Every cell has to hold every event that its source's form can carry, changed in\n"+
		"nothing but what the next section says: %d deliveries over %d pairs, all of which passed.\n\n", len(bindingtest.Events()), total, len(m.cells))
	b.WriteString("What arrives is read by decoders that share nothing with the router's: headers, percent-coding and JSON by the standard library,\n" +
		"protobuf by its own library and the specification's schema, XML token by token, Avro byte by byte. ")
	fmt.Fprintf(b, "What is HTTP or JSON, %d messages,\nis decoded by sdk-go as well, and has to be the same event. Where sdk-go departs from the specification it is held to exactly this:\n\n"+
		"| deviation of sdk-go | messages |\n| --- | --- |\n", m.sdk.messages)
	for _, d := range sdkDeviations {
		fmt.Fprintf(b, "| %s | %d |\n", d.what, m.sdk.seen[d.name])
	}
	b.WriteString("\nA cell is the number of events that arrived. V of them left as the very bytes they came in; S of them were to leave\nbinary and left structured, because binary " +
		"cannot carry them; R of them are refused for good, with a reason, because the\nformat has no way to write them.\n\n")
	columns := sinks()
	for _, group := range [][2]int{{0, 5}, {5, 10}, {10, len(columns)}} {
		b.WriteString("| from \\ to |")
		for _, to := range columns[group[0]:group[1]] {
			b.WriteString(" " + to.String() + " |")
		}
		b.WriteString("\n| --- |" + strings.Repeat(" --- |", group[1]-group[0]) + "\n")
		for _, from := range sources() {
			fmt.Fprintf(b, "| %s, %d events |", from, m.carried[from.String()])
			for _, to := range columns[group[0]:group[1]] {
				b.WriteString(" " + m.cells[[2]string{from.String(), to.String()}].summary() + " |")
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
