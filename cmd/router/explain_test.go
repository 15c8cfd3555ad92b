package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/eventrouter/router/internal/exit"
)

// TestExplainJSON holds the report of explain, which programs read: a match with set, a failed predicate of each kind
// with its hint, a stop, a route of another source, an unmatched event, and a delivery that would be refused.
func TestExplainJSON(t *testing.T) {
	file := goldenPath(t, "explain.json")
	workspace(t, map[string]string{"router.yaml": shop, "events/a.json": paidEvent, "events/b.jsonl": strings.Join([]string{
		`{"specversion":"1.0","id":"2","source":"/shop","type":"com.Acme.paid","tier":"Gold","data":{"order":{"totl":120}}}`,
		``,
		`{"specversion":"1.0","id":"3","source":"/probe/1","type":"com.acme.paid","region":"us"}`,
		`{"specversion":"1.0","id":"4","source":"/shop","type":"com.acme.paid","region":"us","data":{"order":{"total":120}}}`,
	}, "\n")})
	r := command(t, "explain", "--json", "--from", "orders", "events")
	if r.code != exit.Fine || r.stderr != "" {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	golden(t, file, r.stdout)
}

// TestExplainShapes holds that explain reads an event however it comes.
func TestExplainShapes(t *testing.T) {
	two := strings.Replace(paidEvent, `"id":"1"`, `"id":"2"`, 1)
	shapes := map[string]struct {
		text string
		want []string
	}{
		"one.json":    {paidEvent, []string{"event 1  type"}},
		"pretty.json": {strings.ReplaceAll(paidEvent, ",", ",\n  "), []string{"event 1 "}},
		"batch.json":  {"[" + paidEvent + "," + two + "]", []string{"event 1  [0]  type", "event 2  [1]  type"}},
		"lines.jsonl": {paidEvent + "\n\n" + two, []string{"event 1  line 1  type", "event 2  line 3  type"}},
		"binary.http": {
			"POST /events HTTP/1.1\r\nHost: x\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /shop\r\nce-type: com.acme.paid\r\nce-subject: o-1\r\nce-region: eu\r\n\r\n",
			[]string{"event 1 "},
		},
		"structured.http": {
			"POST / HTTP/1.1\nHost: x\nContent-Type: application/cloudevents+json\n\n" + paidEvent, []string{"event 1 "},
		},
		"batch.http": {
			"POST / HTTP/1.1\nHost: x\nContent-Type: application/cloudevents-batch+json\n\n[" + paidEvent + "]", []string{"event 1  [0]  type"},
		},
	}
	files := map[string]string{"router.yaml": shop}
	for name, s := range shapes {
		files[name] = s.text
	}
	workspace(t, files)
	for name, s := range shapes {
		for _, stdin := range []bool{false, true} {
			i, path := &invocation{}, name
			if stdin {
				i.stdin, path = s.text, "-"
			}
			r := i.run(t, "explain", path)
			if r.code != exit.Fine {
				t.Errorf("%s: exit %d: %s", name, r.code, r.stderr)
			}
			wants(t, r, append(s.want, "=> billing")...)
		}
	}
}

// The place stood at the end of the id, as in event 2ev.jsonl:2.
func TestExplainSetsThePlaceOff(t *testing.T) {
	workspace(t, map[string]string{
		"router.yaml": shop, "events/a.json": paidEvent, "events/b.json": "[" + paidEvent + "]", "events/c.jsonl": "\n" + paidEvent,
	})
	r := command(t, "explain", "events")
	for _, want := range []string{"event 1  a.json  type", "event 1  b.json[0]  type", "event 1  c.jsonl:2  type"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the output lacks %q:\n%s", want, r.stdout)
		}
	}
}

func TestExplainBadInput(t *testing.T) {
	workspace(t, map[string]string{
		"router.yaml": shop, "bad.jsonl": paidEvent + "\n{\"id\":1}\nnonsense\n", "text.json": "hello", "empty/readme.txt": "",
		"none/a.json": "[]", "batch.json": "[]", "blank.jsonl": "\n\n",
	})
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"explain", "none.json"}, exit.Environment, []string{"none.json: no such file"}},
		{[]string{"explain", "empty"}, exit.Environment, []string{"empty: the folder holds no file with events"}},
		// No event was explained without a word, and sent as 0 of 0.
		{[]string{"explain", "none"}, exit.Failed, []string{"no events in none"}},
		{[]string{"explain", "batch.json"}, exit.Failed, []string{"no events in batch.json"}},
		{[]string{"explain", "blank.jsonl"}, exit.Failed, []string{"no events in blank.jsonl"}},
		{[]string{"send", "--to", "screen", "batch.json"}, exit.Failed, []string{"no events in batch.json"}},
		{[]string{"diff", "router.yaml", "router.yaml", "--events", "batch.json"}, exit.Failed, []string{"no events in batch.json"}},
		{[]string{"explain", "bad.jsonl"}, exit.Failed, []string{"bad.jsonl:2: ", "bad.jsonl:3: "}},
		{[]string{"explain", "text.json"}, exit.Failed, []string{"text.json:1: "}},
		{[]string{"explain", "--from", "order", "-"}, exit.Config, []string{`did you mean "orders"?`}},
		{[]string{"explain"}, exit.Config, []string{"explain takes one file or folder with events"}},
		{[]string{"explain", "-c", "none.yaml", "-"}, exit.Environment, []string{"none.yaml: no such file"}},
	} {
		r := command(t, c.args...)
		if r.code != c.code {
			t.Errorf("%v: exit %d, want %d: %s", c.args, r.code, c.code, r.stderr)
		}
		wants(t, r, c.want...)
	}
}

// TestExplainHints holds that what is almost right leads to a hint.
func TestExplainHints(t *testing.T) {
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	for _, c := range []struct{ when, event, want string }{
		{"type: com.acme.paid", `"type":"com.Acme.paid"`, `type is "com.Acme.paid"; it differs only in case`},
		{"type: [a.b, com.acme.paid]", `"type":"COM.ACME.PAID"`, "differs only in case"},
		{"type: { prefix: com.acme. }", `"type":"com.Acme.paid"`, "differs only in case"},
		{"type: { glob: 'com.*.paid' }", `"type":"com.acme.Paid"`, "differs only in case"},
		{"type: { regex: 'com\\.[a-z]+\\.paid' }", `"type":"com.acme.Paid"`, "differs only in case"},
		{"source: /shop", `"source":"/shop/"`, "differs only in a slash at the end"},
		{"source: /shop/", `"source":"/shop"`, "differs only in a slash at the end"},
		{"region: eu", `"region":"eu "`, "differs only in white space around it"},
		{"regio: eu", `"region":"eu"`, `did you mean region? The event has region, which is "eu"`},
		{"customer: c1", `"data":{"customer":"c1"}`, "customer is in the payload: write data: { customer: … }"},
		{"data: { region: eu }", `"region":"eu","data":{}`, `region is an attribute, which is "eu": write it outside data`},
		{"data: { order.total: 1 }", `"data":{"order":{"Total":1}}`, "data.order has no total; did you mean Total?"},
		{"data: { order.id: 1 }", `"data":{"order":{"a":1,"b":2}}`, "data.order has no id; it has a, b"},
		{"data: { ordr.id: 1 }", `"data":{"order":{"id":1}}`, "data has no ordr; did you mean order?"},
		{"data: { ordr.id: 1 }", `"data":{"order":` + deep + `}`, "data has no ordr; did you mean order?"},
		{"data: { order.id: 1 }", `"data":{"order":{"x":` + deep + `,"a":1}}`, "data.order has no id; it has a, x"},
		{"data: { order.id.x: 1 }", `"data":{"order":{"id":1}}`, "data.order.id is 1 and has nothing below it"},
		{"data: { items.sku: 1 }", `"data":{"items":[{"sku":1}]}`, "data.items is an array: write items[0].sku"},
		{"data: { 'items[3].sku': 1 }", `"data":{"items":[{"sku":1}]}`, "data.items is an array with fewer elements"},
		{"data: { a: 1 }", `"datacontenttype":"text/plain","data":"hello"`, `the payload is not JSON; its content type is "text/plain"`},
		{"data: { a: { gt: 5 } }", `"data":{"a":{"b":1}}`, "the value is an object"},
		{"data: { a: 1 }", `"subject":"x"`, "the event has no data"},
		{"cesql: \"type = 'com.acme.paid'\"", `"type":"com.Acme.paid"`, "would hold if case did not matter"},
		{"cesql: \"regio = 'eu'\"", `"region":"eu"`, "did you mean region?"},
		{"cesql: \"missing > 5\"", `"subject":"x"`, "missing"},
		{"type: 'com.acme.*'", `"type":"com.acme.paid"`, `hint: "com.acme.*" is compared as it stands; write { prefix: "com.acme." }`},
		{"type: [x, '%.paid']", `"type":"com.acme.paid"`, `"%.paid" is compared as it stands; write { suffix: ".paid" }`},
		{"region: '*'", `"region":"eu"`, `"*" is compared as it stands; write { exists: true }`},
		{"type: ^com", `"type":"com.acme.paid"`, `write { prefix: "com" }`},
		{"type: { prefix: 'com.acme.*' }", `"type":"com.acme.paid"`, `write { prefix: "com.acme." }`},
		{"type: { glob: 'com.[ab]*' }", `"type":"com.acme.paid"`, `write { regex: "com\\.[ab].*" }`},
		{"cesql: \"type LIKE 'com.*'\"", `"type":"com.acme.paid"`, "the expression would hold if its stars were %"},
		{"cesql: \"region = EU\"", `"region":"EU"`, "the event has no attribute eu; write 'EU' if the text is meant"},
		{"attributes: { any: x }", `"any":"X"`, "differs only in case"},
		{"not: { type: t }", `"type":"t"`, `but type is "t"`},
	} {
		workspace(t, map[string]string{"router.yaml": strings.Replace(shop, "routes:\n", "routes:\n  - { name: mine, to: bus, when: { "+c.when+" } }\n", 1)})
		event := `{"specversion":"1.0","id":"1",` + c.event
		for name, value := range map[string]string{"type": "t", "source": "/s"} {
			if !strings.Contains(c.event, `"`+name+`":`) {
				event += `,"` + name + `":"` + value + `"`
			}
		}
		r := (&invocation{stdin: event + "}"}).run(t, "explain", "-")
		mine, _, _ := strings.Cut(r.stdout, "tests:")
		if !strings.Contains(mine, "- mine: ") || !strings.Contains(mine, c.want) {
			t.Errorf("%s with %s: got\n%s%s\nwant %q", c.when, c.event, r.stdout, r.stderr, c.want)
		}
	}
}

// TestNoHintsBelowNot: a value that a not refuses was said to be almost right, since not takes whatever is near it.
func TestNoHintsBelowNot(t *testing.T) {
	for _, c := range []struct{ when, event string }{
		{"region: { not: [eu, us] }", `"region":"eu"`},
		{"region: { not: eu }", `"region":"eu"`},
		{"region: { not: { equals_ignore_case: EU } }", `"region":"eu"`},
		{"region: { any: [{ not: eu }, x] }", `"region":"eu"`},
		{"region: { not: { not: EU } }", `"region":"eu"`},
		{"data: { order.total: { not: { gt: 5 } } }", `"data":{"order":{"total":10}}`},
		{"not: { region: eu }", `"region":"eu"`},
		{"not: { all: [{ region: EU }, { type: t }] }, region: us", `"region":"eu"`},
		{"not: { not: { cesql: \"region = 'EU'\" } }", `"region":"eu"`},
	} {
		workspace(t, map[string]string{"router.yaml": strings.Replace(shop, "routes:\n", "routes:\n  - { name: mine, to: bus, when: { "+c.when+" } }\n", 1)})
		for _, args := range [][]string{{"explain", "-"}, {"explain", "--all", "-"}} {
			r := (&invocation{stdin: `{"specversion":"1.0","id":"1","source":"/s","type":"t",` + c.event + `}`}).run(t, args...)
			_, mine, _ := strings.Cut(r.stdout, "- mine: ")
			mine, _, _ = strings.Cut(mine, "\n  - ")
			if mine == "" || strings.Contains(mine, "hint: ") {
				t.Errorf("%v %s with %s: got\n%s%s", args, c.when, c.event, r.stdout, r.stderr)
			}
		}
	}
}

// TestExplainAll holds that --all shows every predicate, those that hold too.
func TestExplainAll(t *testing.T) {
	workspace(t, map[string]string{"router.yaml": shop})
	r := (&invocation{stdin: strings.Replace(paidEvent, `"eu"`, `"jp"`, 1)}).run(t, "explain", "--all", "-")
	wants(t, r,
		`+ type: com.acme.paid, and type is "com.acme.paid"  router.yaml:14:19`,
		`- region: [eu, us], but region is "jp"  router.yaml:14:42`)
	short := (&invocation{stdin: paidEvent}).run(t, "explain", "-")
	if strings.Contains(short.stdout, "and type is") {
		t.Errorf("without --all: %s", short.stdout)
	}
}

// TestExplainFitsTheTerminal holds that no line is longer than the terminal is wide, whatever the event holds.
func TestExplainFitsTheTerminal(t *testing.T) {
	long := strings.Repeat("völlig-", 200)
	event := `{"specversion":"1.0","id":"` + long + `","source":"/shop","type":"com.` + long + `","subject":"` + long + `","region":"eu","data":{"order":{"total":"` + long + `"}}}`
	workspace(t, map[string]string{"router.yaml": shop})
	for _, width := range []int{40, 80, 200} {
		for _, args := range [][]string{{"explain", "-"}, {"explain", "--all", "-"}} {
			r := (&invocation{stdin: event, width: width}).run(t, args...)
			for line := range strings.Lines(r.stdout) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
					t.Errorf("width %d: a line of %d: %q", width, n, line)
				}
			}
		}
	}
	if r := (&invocation{stdin: event}).run(t, "explain", "-"); !strings.Contains(r.stdout, long) {
		t.Error("what is no terminal gets the whole value")
	}
}

// TestExplainPrintsNoControlCharacters holds that a payload cannot move the cursor of who explains it.
func TestExplainPrintsNoControlCharacters(t *testing.T) {
	workspace(t, map[string]string{"router.yaml": shop})
	for _, data := range []string{`{"\u001b[2Jx":1}`, `{"order":"\u001b[2J\u0007"}`, `{"order":{"total":"\u001b[2J"}}`, `{"order":{"\u009b2J":1}}`} {
		event := strings.Replace(paidEvent, `"region":"eu"`, `"data":`+data, 1)
		r := (&invocation{stdin: event}).run(t, "explain", "--all", "-")
		wants(t, r, "- big: ")
		if strings.ContainsAny(r.stdout, "\x1b\x07\u009b") {
			t.Errorf("%s: control characters in %q", data, r.stdout)
		}
	}
}

func TestWrapCountsNoColours(t *testing.T) {
	red := style{on: true}.bad("red")
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"a b c", 0, "a b c"},
		{"a " + red + " c", 7, "a " + red + " c"},
		{"a " + red + " c", 6, "a " + red + "|  c"},
		{"  one two three", 9, "  one two|    three"},
		{"abcdefgh", 4, "abcd|  ef|  gh"},
	} {
		if got := strings.Join(wrap(c.text, c.width, 2+2*(c.width/9)), "|"); got != c.want {
			t.Errorf("wrap(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}
