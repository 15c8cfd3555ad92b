package main

import (
	"strings"
	"testing"
	"unicode/utf8"
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
	if r.code != exitFine || r.stderr != "" {
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
		"one.json":    {paidEvent, []string{"event 1 "}},
		"pretty.json": {strings.ReplaceAll(paidEvent, ",", ",\n  "), []string{"event 1 "}},
		"batch.json":  {"[" + paidEvent + "," + two + "]", []string{"event 1[0]", "event 2[1]"}},
		"lines.jsonl": {paidEvent + "\n\n" + two, []string{"event 1:1", "event 2:3"}},
		"binary.http": {
			"POST /events HTTP/1.1\r\nHost: x\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /shop\r\nce-type: com.acme.paid\r\nce-subject: o-1\r\nce-region: eu\r\n\r\n",
			[]string{"event 1 "},
		},
		"structured.http": {
			"POST / HTTP/1.1\nHost: x\nContent-Type: application/cloudevents+json\n\n" + paidEvent, []string{"event 1 "},
		},
		"batch.http": {
			"POST / HTTP/1.1\nHost: x\nContent-Type: application/cloudevents-batch+json\n\n[" + paidEvent + "]", []string{"event 1[0]"},
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
			if r.code != exitFine {
				t.Errorf("%s: exit %d: %s", name, r.code, r.stderr)
			}
			wants(t, r, append(s.want, "=> billing")...)
		}
	}
}

func TestExplainBadInput(t *testing.T) {
	workspace(t, map[string]string{
		"router.yaml": shop, "bad.jsonl": paidEvent + "\n{\"id\":1}\nnonsense\n", "text.json": "hello", "empty/readme.txt": "",
	})
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"explain", "none.json"}, exitEnvironment, []string{"none.json: no such file"}},
		{[]string{"explain", "empty"}, exitEnvironment, []string{"empty: the folder holds no file with events"}},
		{[]string{"explain", "bad.jsonl"}, exitFailed, []string{"bad.jsonl:2: ", "bad.jsonl:3: "}},
		{[]string{"explain", "text.json"}, exitFailed, []string{"text.json:1: "}},
		{[]string{"explain", "--from", "order", "-"}, exitConfig, []string{`did you mean "orders"?`}},
		{[]string{"explain"}, exitConfig, []string{"explain takes one file or folder with events"}},
		{[]string{"explain", "-c", "none.yaml", "-"}, exitEnvironment, []string{"none.yaml: no such file"}},
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
		{"data: { order.id.x: 1 }", `"data":{"order":{"id":1}}`, "data.order.id is 1 and has nothing below it"},
		{"data: { items.sku: 1 }", `"data":{"items":[{"sku":1}]}`, "data.items is an array: write items[0].sku"},
		{"data: { 'items[3].sku': 1 }", `"data":{"items":[{"sku":1}]}`, "data.items is an array with fewer elements"},
		{"data: { a: 1 }", `"datacontenttype":"text/plain","data":"hello"`, `the payload is not JSON; its content type is "text/plain"`},
		{"data: { a: { gt: 5 } }", `"data":{"a":{"b":1}}`, "the value is an object"},
		{"data: { a: 1 }", `"subject":"x"`, "the event has no data"},
		{"cesql: \"type = 'com.acme.paid'\"", `"type":"com.Acme.paid"`, "would hold if case did not matter"},
		{"cesql: \"regio = 'eu'\"", `"region":"eu"`, "did you mean region?"},
		{"cesql: \"missing > 5\"", `"subject":"x"`, "missing"},
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
