package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventrouter/router/internal/exit"
)

// shopTests are tests of the shop that all hold, one for each sort of expectation.
const shopTests = `tests:
  - { event: { type: com.acme.paid, source: /probe/1 }, goes_to: drop, routes: tests }
  - name: paid
    event: { type: com.acme.paid, region: eu, subject: o 1 }
    from: orders
    goes_to: [billing, bus]
    routes: [paid]
    set: { tier: gold, region: null }
    renders: { bus: subject acme.com.acme.paid, billing: { path: /events/o%201, mode: binary } }
  - { event: { type: com.acme.paid, region: eu }, from: orders, dead_letter: bad_address }
  - { event: { type: t, source: /a/b, data: { order: { total: 100 } } }, renders: { archive: { topic: archive, key: /a/b } } }
  - { event: { type: t }, unmatched: true, dead_letter: unmatched }
  - { events: sample, from: hooks, unmatched: true }
`

const sampleRequest = "POST / HTTP/1.1\nHost: x\nce-specversion: 1.0\nce-id: 9\nce-source: /h\nce-type: com.acme.raw\n\n"

func TestTestsThatHold(t *testing.T) {
	workspace(t, map[string]string{
		"router.yaml": shop + shopTests, "sample/a.json": paidEvent, "sample/b.http": sampleRequest, "sample/c.jsonl": "\n" + paidEvent,
	})
	r := command(t, "test")
	if r.code != exit.Fine {
		t.Errorf("exit %d", r.code)
	}
	wants(t, r, "ok   paid\n", "(a.json)", "(b.http)", "(c.jsonl:2)", "8 passed, 0 failed")
}

// TestTestJSON holds the report that programs read, with a test that fails and the coverage.
func TestTestJSON(t *testing.T) {
	file := goldenPath(t, "test.json")
	workspace(t, map[string]string{"router.yaml": shop + "tests:\n" +
		"  - { event: { type: com.Acme.paid, region: eu }, from: orders, goes_to: [bus, billing], name: typo }\n" +
		"  - { event: { type: com.acme.paid, source: /probe/1 }, goes_to: drop }\n"})
	golden(t, file, command(t, "test", "--json", "--coverage").stdout)
}

// TestFailures holds for each sort of expectation that a wrong one fails, and says what was expected and what happened.
func TestFailures(t *testing.T) {
	for _, c := range []struct{ test, what, expected, actual string }{
		{"from: orders, goes_to: [bus, archive]", "goes_to", "bus, archive", "bus, billing"},
		{"from: orders, routes: [paid, big]", "routes", "paid, big", "paid"},
		{"from: orders, unmatched: true", "unmatched", "no route to match", "paid"},
		{"from: orders, set: { tier: silver }", "set tier, sink bus", `"silver"`, `"gold"`},
		{"from: orders, set: { region: eu }", "set region, sink bus", `"eu"`, "no such attribute"},
		{"from: orders, set: { tier: null }", "set tier, sink bus", "no such attribute", `"gold"`},
		{"from: hooks, set: { tier: gold }", "set", "a delivery", "the event is delivered nowhere"},
		{"from: orders, renders: { bus: subject acme.x }", "renders bus", "subject acme.x", "subject acme.com.acme.paid"},
		{"from: orders, renders: { billing: path /events }", "renders billing", "path /events", "path /events/o-1"},
		{"from: orders, renders: { bus: mode structured }", "renders bus", "mode structured", "mode binary"},
		{"from: orders, renders: { archive: key x }", "renders archive", "key x", "nothing: the event does not go there"},
		{"from: orders, dead_letter: too_large", "dead_letter", "too_large", "nothing is refused"},
		{"from: hooks, dead_letter: bad_set", "dead_letter", "bad_set", "unmatched"},
	} {
		workspace(t, map[string]string{"router.yaml": shop +
			"tests:\n  - { event: { type: com.acme.paid, subject: o-1, region: eu }, " + c.test + " }\n"})
		r := command(t, "test", "--json")
		if r.code != exit.Failed {
			t.Errorf("%s: exit %d: %s", c.test, r.code, r.all())
		}
		want := fmt.Sprintf(`{"what":%q,"expected":%q,"actual":%q}`, c.what, c.expected, c.actual)
		flat := strings.Join(strings.Fields(strings.ReplaceAll(r.stdout, `": `, `":`)), " ")
		flat = strings.NewReplacer("{ ", "{", " }", "}", ", \"", ",\"").Replace(flat)
		if !strings.Contains(flat, want) {
			t.Errorf("%s: no failure %s in\n%s", c.test, want, r.stdout)
		}
		human := command(t, "test")
		wants(t, human, "FAIL tests[0] com.acme.paid  router.yaml:22:5", c.what+"  expected "+c.expected, "got      "+c.actual, "route big: ")
	}
}

// TestSetThatCannotBeApplied holds that a dead letter for bad_set can be expected, and fails the test otherwise.
func TestSetThatCannotBeApplied(t *testing.T) {
	broken := strings.Replace(shop, "set: { tier: gold, region: null }", "set: { time: '{subject}' }", 1)
	test := "tests:\n  - { event: { type: com.acme.paid, subject: noon, region: eu }, from: orders, %s }\n"
	workspace(t, map[string]string{
		"bad.yaml":  broken + fmt.Sprintf(test, "goes_to: [bus, billing]"),
		"good.yaml": broken + fmt.Sprintf(test, "dead_letter: bad_set"),
	})
	if r := command(t, "test", "-c", "good.yaml"); r.code != exit.Fine {
		t.Errorf("expected bad_set: exit %d: %s", r.code, r.all())
	}
	r := command(t, "test", "-c", "bad.yaml")
	if r.code != exit.Failed {
		t.Errorf("exit %d", r.code)
	}
	wants(t, r, "route paid, sink bus  expected its changes to apply", "time")
}

// TestRendersOfASinkThatCannotBeMade holds that what the environment lacks is told apart from a test that fails.
func TestRendersOfASinkThatCannotBeMade(t *testing.T) {
	workspace(t, map[string]string{"router.yaml": strings.Replace(shop, `"nats://n1:4222",`, `"nats://n1:4222", creds: none.creds,`, 1) +
		"tests:\n  - { event: { type: com.acme.paid, subject: o-1, region: eu }, from: orders, renders: { bus: subject acme.com.acme.paid } }\n"})
	for _, name := range []string{"test", "check"} {
		r := command(t, name)
		if r.code != exit.Environment {
			t.Errorf("%s: exit %d: %s", name, r.code, r.all())
		}
		wants(t, r, "router.yaml:5:", "sinks.bus.nats.creds: open none.creds: no such file")
	}
}

func TestCoverage(t *testing.T) {
	text := strings.Replace(shop, "routes:\n", `routes:
  - { name: wall, when: { type: { prefix: com.wall. } }, to: drop, stop: true }
  - { name: hidden, when: { type: com.wall.x }, to: bus }
  - { name: alone, from: hooks, when: { type: com.wall.x }, to: bus }
`, 1) + "tests:\n" +
		"  - { event: { type: com.wall.x }, from: orders, goes_to: drop }\n" +
		"  - { event: { type: com.acme.paid, region: eu }, from: orders, routes: paid }\n"
	workspace(t, map[string]string{"router.yaml": text})
	r := command(t, "test", "--coverage", "--json")
	if r.code != exit.Fine {
		t.Fatalf("exit %d: %s", r.code, r.all())
	}
	c := decoded(t, r.stdout)["coverage"].(map[string]any)
	if c["routes"] != 7.0 || c["covered"] != 2.0 || c["percent"] != 28.5 || c["unmatched"] != false {
		t.Errorf("got %v", c)
	}
	each := map[string]map[string]any{}
	for _, x := range c["each"].([]any) {
		each[x.(map[string]any)["name"].(string)] = x.(map[string]any)
	}
	if got := fmt.Sprint(each["hidden"]["shadowed_by"], each["alone"]["shadowed_by"], each["wall"]["matched"], each["wall"]["failed"]); got != "[wall] <nil> 1 1" {
		t.Errorf("got %s: hidden is shadowed, alone does not even listen", got)
	}
	wants(t, command(t, "test", "--coverage"), "coverage: 2 of 7 routes, 28.5%",
		"hidden: no test reaches it, route wall stops the events that it would match  router.yaml:12:5",
		"alone: no test reaches it  router.yaml:13:5", "no test has an event that no route matches")
}

// TestFailedTestOfManyRoutesIsShort: of a thousand routes a failed test showed all, with a hint for each.
func TestFailedTestOfManyRoutesIsShort(t *testing.T) {
	var routes strings.Builder
	for i := range 100 {
		fmt.Fprintf(&routes, "  - { name: r%d, when: { type: t%d }, to: %s }\n", i, i, []string{"a", "b"}[i%20/19])
	}
	workspace(t, map[string]string{"router.yaml": `sources: { in: { http: { listen: "127.0.0.1:0" } } }
sinks: { a: { stdout: {} }, b: { stdout: {} } }
unmatched: drop
dead_letter: drop
routes:
` + routes.String() + `tests:
  - { event: { type: t7 }, from: in, goes_to: [b], routes: [r8] }
`})
	r := command(t, "test")
	if r.code != exit.Failed {
		t.Errorf("exit %d", r.code)
	}
	wants(t, r, "route r7 matches", "route r8: type: t8", "route r19: type: t19", "route r99: type: t99", "93 other routes; router explain shows all of them")
	if strings.Contains(r.all(), "route r9:") {
		t.Errorf("it shows a route that nobody asked for:\n%s", r.all())
	}
}
