package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/internal/exit"
)

func TestDiffWithEvents(t *testing.T) {
	after := strings.NewReplacer("tier: gold", "tier: silver", "gte: 100", "gte: 200", "to: screen", "to: [screen, archive]").Replace(shop)
	events := strings.Join([]string{
		paidEvent,
		strings.Replace(paidEvent, `"id":"1"`, `"id":"2"`, 1),
		`{"specversion":"1.0","id":"3","source":"/s","type":"t","data":{"order":{"total":150}}}`,
		`{"specversion":"1.0","id":"4","source":"/s","type":"t","data":{"order":{"total":250}}}`,
		`{"specversion":"1.0","id":"5","source":"/s","type":"com.acme.x","tier":"gold"}`,
	}, "\n")
	workspace(t, map[string]string{"old.yaml": shop, "new/a.yaml": after, "events.jsonl": events, "folder/a.json": "[" + paidEvent + "]"})
	r := command(t, "diff", "old.yaml", "new", "--events", "events.jsonl")
	if r.code != exit.Fine {
		t.Errorf("exit %d: without --fail-on-change it only tells", r.code)
	}
	wants(t, r, "4 of 5 events moved",
		`2 events: bus {region: null, tier: "gold"}, billing {region: null, tier: "gold"} -> bus {region: null, tier: "silver"}, billing {region: null, tier: "silver"}`,
		"1 event: archive -> unmatched (dead_letter)", "3  line 3  type t  source /s", "1 event: screen -> screen, archive")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"old.yaml", "new", "--events", "events.jsonl", "--fail-on-change"}, exit.Failed, "4 of 5 events moved"},
		{[]string{"old.yaml", "new", "--events", "events.jsonl", "--from", "hooks"}, exit.Fine, "2 of 5 events moved"},
		{[]string{"old.yaml", "new", "--events", "folder", "--fail-on-change"}, exit.Failed, "1 of 1 event moved"},
		{[]string{"old.yaml", "old.yaml", "--events", "events.jsonl", "--fail-on-change"}, exit.Fine, "0 of 5 events moved"},
		{[]string{"old.yaml", "none.yaml"}, exit.Environment, "none.yaml: no such file"},
		{[]string{"old.yaml", "new", "--events", "none.json"}, exit.Environment, "none.json: no such file"},
		{[]string{"old.yaml", "new", "--from", "order"}, exit.Config, `did you mean "orders"?`},
		{[]string{"old.yaml"}, exit.Config, "diff takes two configurations: the old one and the new one; got 1 argument"},
	} {
		r := command(t, append([]string{"diff"}, c.args...)...)
		if r.code != c.code {
			t.Errorf("%v: exit %d, want %d: %s", c.args, r.code, c.code, r.all())
		}
		wants(t, r, c.want)
	}
}

// TestDiffJSON holds the report that programs read.
func TestDiffJSON(t *testing.T) {
	file := goldenPath(t, "diff.json")
	after := strings.NewReplacer("tier: gold", "tier: silver", "name: big", "name: huge", "unmatched: dead_letter", "unmatched: drop",
		"screen: { stdout: {} }", "screen: { stdout: {}, timeout: 5s }").Replace(shop)
	workspace(t, map[string]string{"old.yaml": shop, "new.yaml": after, "events.json": paidEvent})
	r := command(t, "diff", "--json", "old.yaml", "new.yaml", "--events", "events.json")
	golden(t, file, r.stdout)
}

// TestDiffWithoutEvents holds for each change of a rule that events made of the rules themselves show it.
func TestDiffWithoutEvents(t *testing.T) {
	route := func(when string) string { return strings.Replace(shop, "routes:\n", "routes:\n  - "+when+"\n", 1) }
	for _, c := range []struct{ before, after string }{
		{"{ name: r, when: { type: a }, to: bus }", "{ name: r, when: { type: a }, to: archive }"},
		{"{ name: r, when: { type: a }, to: bus }", "{ name: r, when: { type: b }, to: bus }"},
		{"{ name: r, when: { type: { prefix: a. } }, to: bus }", "{ name: r, when: { type: { prefix: a.b. } }, to: bus }"},
		{"{ name: r, when: { type: { suffix: .x } }, to: bus }", "{ name: r, when: { type: { suffix: .y.x } }, to: bus }"},
		{"{ name: r, when: { type: { glob: 'a.*.c' } }, to: bus }", "{ name: r, when: { type: { glob: 'a.b.c' } }, to: bus }"},
		{"{ name: r, when: { type: { regex: 'a[0-9]{3}(x|y)+' } }, to: bus }", "{ name: r, when: { type: { regex: 'a[0-9]{4}' } }, to: bus }"},
		{"{ name: r, when: { level: { gt: 5 } }, to: bus }", "{ name: r, when: { level: { gte: 5 } }, to: bus }"},
		{"{ name: r, when: { level: { gt: 5, lt: 10 } }, to: bus }", "{ name: r, when: { level: { gt: 5 } }, to: bus }"},
		{"{ name: r, when: { region: { exists: true } }, to: bus }", "{ name: r, when: { region: eu }, to: bus }"},
		{"{ name: r, when: { region: { not: eu } }, to: bus }", "{ name: r, when: { region: { not: us } }, to: bus }"},
		{"{ name: r, when: { region: { equals_ignore_case: eu } }, to: bus }", "{ name: r, when: { region: eu }, to: bus }"},
		{"{ name: r, when: { data: { a.b: { gt: 5 } } }, to: bus }", "{ name: r, when: { data: { a.b: { gt: 6 } } }, to: bus }"},
		{"{ name: r, when: { data: { 'a[1].b': x } }, to: bus }", "{ name: r, when: { data: { 'a[1].b': y } }, to: bus }"},
		{"{ name: r, when: { cesql: \"region = 'eu' AND level > 3\" }, to: bus }", "{ name: r, when: { cesql: \"region = 'us' AND level > 3\" }, to: bus }"},
		{"{ name: r, when: { any: [{ type: a }, { source: /b }] }, to: bus }", "{ name: r, when: { type: a }, to: bus }"},
		{"{ name: r, when: { filters: [{ prefix: { type: a } }] }, to: bus }", "{ name: r, when: { filters: [{ prefix: { type: ab } }] }, to: bus }"},
		{"{ name: r, when: { type: a }, to: bus }", "{ name: r, when: { type: a }, from: orders, to: bus }"},
		{"{ name: r, when: { type: a }, to: bus, set: { x: '1' } }", "{ name: r, when: { type: a }, to: bus, set: { x: '2' } }"},
		{"{ name: r, when: { type: com.acme.paid }, to: bus }", "{ name: r, when: { type: com.acme.paid }, to: bus, stop: true }"},
		{"{ when: { type: a }, to: bus }", "{ when: { type: a }, to: archive }"},
	} {
		workspace(t, map[string]string{"old.yaml": route(c.before), "new.yaml": route(c.after)})
		r := command(t, "diff", "old.yaml", "new.yaml", "--json", "--fail-on-change")
		d := decoded(t, r.stdout)["difference"].(map[string]any)
		if r.code != exit.Failed || d["moved"] == 0.0 || d["synthesised"] != true || len(d["rules"].([]any)) == 0 {
			t.Errorf("%s -> %s: exit %d, moved %v of %v, rules %v", c.before, c.after, r.code, d["moved"], d["events"], d["rules"])
		}
	}
}

// TestDiffOfManyRules holds that a rule that changed is looked at however many there are beside it, in bounded time.
func TestDiffOfManyRules(t *testing.T) {
	var b strings.Builder
	b.WriteString(strings.SplitAfter(shop, "routes:\n")[0])
	for i := range 8000 {
		fmt.Fprintf(&b, "  - { name: r%d, when: { type: com.acme.t%d, data: { id: %d } }, to: bus }\n", i, i, i)
	}
	b.WriteString("unmatched: drop\ndead_letter: dead\n")
	workspace(t, map[string]string{"old.yaml": b.String(), "new.yaml": strings.Replace(b.String(), "com.acme.t7999,", "com.acme.u7999,", 1)})
	started := time.Now()
	d := decoded(t, command(t, "diff", "--json", "old.yaml", "new.yaml").stdout)["difference"].(map[string]any)
	const most = 5000 + 2*12 // the bound of what is synthesised, and what one rule may exceed it by
	if d["moved"] == 0.0 || d["events"].(float64) > most {
		t.Errorf("%v of %v events moved", d["moved"], d["events"])
	}
	if took := time.Since(started); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestDiffOfRules(t *testing.T) {
	after := strings.NewReplacer("name: big", "name: huge", "region: [eu, us]", "region: [us, eu]", "type: com.acme.paid, ", "",
		"  screen:", "  extra: { stdout: {} }\n  screen:").Replace(shop) +
		"retry: { max: 1m }\n"
	workspace(t, map[string]string{"old.yaml": shop, "new.yaml": after, "reordered.yaml": swapped(shop)})
	r := command(t, "diff", "old.yaml", "new.yaml")
	wants(t, r, "- route big  {when: {data: {order.total: {gte: 100}}}, to: [archive]}  old.yaml:17:5",
		"+ route huge  {when: {data: {order.total: {gte: 100}}}, to: [archive]}  new.yaml:18:5",
		"~ route paid  new.yaml:13:5", "    - {from: [orders], when: {region: [eu, us], type: com.acme.paid}", "    + {from: [orders], when: {region: [eu, us]}", "+ sink extra")
	wants(t, command(t, "diff", "old.yaml", "reordered.yaml"), "~ the order of the routes", "0 of ")
	if r := command(t, "diff", "old.yaml", "old.yaml", "--fail-on-change"); r.code != exit.Fine || strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("a file with itself: exit %d: %s", r.code, r.stdout)
	}
}

// A change of retry or of another key beside sources, sinks and routes was no change at all.
func TestDiffNamesEveryKey(t *testing.T) {
	for _, c := range []struct {
		more, want string
		code       int
	}{
		{"retry: { attempts: 3 }", "~ retry is configured differently: attempts\n", exit.Failed},
		{"limits: { event: 2KiB, attributes: 9 }", "~ limits is configured differently: event, attributes\n", exit.Failed},
		{"shutdown: { drain: 3s }", "~ shutdown is configured differently: drain\n", exit.Failed},
		{"embedded: { store: data }", "~ embedded is configured differently: store\n", exit.Failed},
		{"admin: { listen: 127.0.0.1:9 }", "~ admin is configured differently: listen; no event depends on it\n", exit.Fine},
		{"log: { level: debug }", "~ log is configured differently: level; no event depends on it\n", exit.Fine},
		{"tests: [{ event: { type: t }, unmatched: true }]", "0 of ", exit.Fine},
		{"retry: {}", "0 of ", exit.Fine},
	} {
		workspace(t, map[string]string{"old.yaml": shop, "new.yaml": shop + c.more + "\n", "event.json": paidEvent})
		r := command(t, "diff", "old.yaml", "new.yaml", "--fail-on-change")
		if r.code != c.code || !strings.HasPrefix(r.stdout, c.want) {
			t.Errorf("%s: exit %d, want %d: %s", c.more, r.code, c.code, r.all())
		}
		list := command(t, "diff", "old.yaml", "new.yaml", "--fail-on-change", "--json")
		if ok := decoded(t, list.stdout)["ok"]; list.code != c.code || ok != (c.code == exit.Fine) {
			t.Errorf("%s: exit %d, ok %v", c.more, list.code, ok)
		}
		if r := command(t, "diff", "old.yaml", "new.yaml", "--fail-on-change", "--events", "event.json"); r.code != exit.Fine {
			t.Errorf("%s: events that stay where they are: exit %d: %s", c.more, r.code, r.all())
		}
	}
}

// Another order of routes passed for no change, also where a stop or a common sink makes it one.
func TestDiffOfTheOrder(t *testing.T) {
	const (
		stops  = "~ the order of the routes: a stop hides other routes than before\n"
		shared = "~ the order of the routes: the first route of a sink gives"
		none   = "~ the order of the routes, which changes nothing\n"
	)
	a, b, c := "{ name: a, when: { type: a }, to: bus }", "{ name: b, when: { type: b }, to: archive }", "{ name: c, when: { type: c }, to: screen }"
	stop, also := "{ name: stop, when: { type: s }, to: drop, stop: true }", "{ name: also, when: { type: z }, to: [dead, bus] }"
	for _, k := range []struct {
		old, now []string
		want     string
		code     int
	}{
		{[]string{a, b}, []string{b, a}, none, exit.Fine},
		{[]string{a, b, c}, []string{c, a, b}, none, exit.Fine},
		{[]string{stop, a, b}, []string{stop, b, a}, none, exit.Fine},
		{[]string{a, b, stop}, []string{b, a, stop}, none, exit.Fine},
		{[]string{stop, a}, []string{a, stop}, stops, exit.Failed},
		{[]string{a, stop, b}, []string{b, stop, a}, stops, exit.Failed},
		{[]string{a, b, stop, c}, []string{a, stop, b, c}, stops, exit.Failed},
		{[]string{a, also}, []string{also, a}, shared, exit.Failed},
		{[]string{a, b, also}, []string{b, a, also}, none, exit.Fine},
		{[]string{a, stop}, []string{a, b, stop}, "+ route b", exit.Failed},
	} {
		file := func(routes []string) string {
			return strings.SplitAfter(shop, "routes:\n")[0] + "  - " + strings.Join(routes, "\n  - ") + "\nunmatched: drop\ndead_letter: dead\n"
		}
		workspace(t, map[string]string{"old.yaml": file(k.old), "new.yaml": file(k.now)})
		r := command(t, "diff", "old.yaml", "new.yaml", "--fail-on-change")
		if r.code != k.code || !strings.HasPrefix(r.stdout, k.want) {
			t.Errorf("%s -> %s: exit %d, want %d: %s", k.old, k.now, r.code, k.code, r.all())
		}
	}
}

// swapped changes the order of the last two routes.
func swapped(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.Contains(line, "name: big") {
			lines[i], lines[i+1] = lines[i+1], lines[i]
			break
		}
	}
	return strings.Join(lines, "")
}
