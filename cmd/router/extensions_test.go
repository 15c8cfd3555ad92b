package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/pipeline"
	"github.com/eventrouter/router/routing"
)

const optIns = `sources: { in: { http: { listen: "127.0.0.1:0" } } }
sinks:
  out: { stdout: {} }
  bare: { stdout: {}, dataref: drop_data }
  queue: { sqs: { queue: q, region: eu-central-1 }, dataref: drop_data_when_too_large }
  inner: { stdout: {}, accepts: { dataclassification: [public], dataregulation: [gdpr] } }
routes:
  - { name: some, when: { type: s }, to: out, sample: 10 }
  - { name: typed, when: { type: a }, to: out, attribute_types: { seq: Integer } }
  - { name: referred, when: { type: d }, to: [bare, queue] }
  - { name: gated, when: { type: c }, to: inner }
unmatched: drop
dead_letter: drop
`

// sampleID returns an id that a sample of one in ten takes, or leaves out, of events with that sampledrate.
func sampleID(t *testing.T, rate string, taken bool) string {
	t.Helper()
	for i := range 1000 {
		if id := fmt.Sprint(i); chosen(id, rate, 10) == taken {
			return id
		}
	}
	t.Fatal("no id is found")
	return ""
}

func TestExplainOptIns(t *testing.T) {
	workspace(t, map[string]string{"router.yaml": optIns})
	event := func(typ, id, rest string) string {
		return `{"specversion":"1.0","id":"` + id + `","source":"/s","type":"` + typ + `"` + rest + `}`
	}
	for _, c := range []struct {
		event  string
		human  []string
		json   []string
		absent string
	}{
		{
			event("s", sampleID(t, "", false), ""),
			[]string{"+ some: sampled out (1 in 10)  router.yaml:8:5"},
			[]string{`"sampled_out": 10`, `"deliveries": []`, `"unmatched": false`},
			"=>",
		},
		{event("s", sampleID(t, "3", true), `,"sampledrate":3`), []string{"+ some  router", "=> out", `set sampledrate: "30"`}, []string{`"sampledrate": "30"`}, "sampled out"},
		{
			event("s", sampleID(t, "x", true), `,"sampledrate":"x"`),
			[]string{`would be refused: bad_set: sample: sampledrate: a value of the shape "a" is no Integer above 0`},
			nil, "set sampledrate",
		},
		{event("a", "1", `,"seq":"5"`), []string{"=> out", "type of seq: Integer"}, []string{`"types": {`, `"seq": "Integer"`}, "set "},
		{event("a", "1", `,"seq":5`), []string{"=> out"}, nil, "type of"},
		{
			event("a", "1", `,"seq":"five"`),
			[]string{`would be refused: bad_set: attribute_types seq: a value of the shape "aaaa" is no Integer`},
			[]string{`"dead_letter": "bad_set"`},
			"type of",
		},
		{
			event("d", "1", `,"dataref":"/x","data":"`+strings.Repeat("y", 2000)+`"`),
			[]string{"=> bare", "data dropped: dataref", "=> queue", "of 1048576 bytes"},
			[]string{`"data_dropped": true`},
			"dead letter",
		},
		{
			event("d", "1", `,"dataref":"/x","data":"`+strings.Repeat("y", 1<<20)+`"`),
			[]string{"of 1048576 bytes, data dropped: dataref"},
			nil, "dead letter",
		},
		{event("d", "1", `,"data":"`+strings.Repeat("y", 1<<20)+`"`), []string{"would be refused: too_large"}, nil, "data dropped"},
		{event("c", "1", `,"dataclassification":"public"`), []string{"=> inner"}, nil, "refused"},
		{
			event("c", "1", `,"dataclassification":"secret"`),
			[]string{`=> inner  would be refused: classification: the sink does not accept dataclassification "secret"`},
			[]string{`"dead_letter": "classification"`},
			"",
		},
	} {
		i := &invocation{stdin: c.event}
		human, report := i.run(t, "explain", "-"), (&invocation{stdin: c.event}).run(t, "explain", "--json", "-")
		name := c.event[:min(len(c.event), 120)]
		if human.code != exit.Fine || report.code != exit.Fine {
			t.Errorf("%s: exit %d, %d: %s", name, human.code, report.code, human.all())
		}
		wants(t, human, c.human...)
		wants(t, report, c.json...)
		if c.absent != "" && strings.Contains(human.all(), c.absent) {
			t.Errorf("%s: says %q:\n%s", name, c.absent, human.all())
		}
	}
}

func TestTestsOfOptIns(t *testing.T) {
	in, out := sampleID(t, "", true), sampleID(t, "", false)
	tests := `tests:
  - { event: { type: s, source: /s, id: "` + in + `" }, goes_to: out, set: { sampledrate: "10" } }
  - { event: { type: s, source: /s, id: "` + out + `" }, goes_to: [], routes: some }
  - { event: { type: a, seq: five }, dead_letter: bad_set }
  - { event: { type: a, seq: "5" }, goes_to: out }
  - { event: { type: c, dataclassification: secret }, dead_letter: classification }
  - { event: { type: c, dataclassification: public, dataregulation: "gdpr, itar" }, dead_letter: classification }
`
	workspace(t, map[string]string{
		"router.yaml": optIns + tests, "bad.yaml": optIns + `tests: [ { event: { type: s, source: /s, id: "` + out + `" }, goes_to: out } ]`,
	})
	for range 2 {
		if r := command(t, "check"); r.code != exit.Fine {
			t.Errorf("exit %d: %s", r.code, r.all())
		}
	}
	r := command(t, "test", "-c", "bad.yaml")
	if r.code != exit.Failed {
		t.Errorf("exit %d", r.code)
	}
	wants(t, r, "goes_to  expected out", "got      none", "route some matches", "sampled out (1 in 10)")
}

// TestDiffSeesOptIns: a route that samples or types otherwise is another route, whether or not an event shows it.
func TestDiffSeesOptIns(t *testing.T) {
	id := sampleID(t, "", false)
	files := map[string]string{
		"old.yaml": optIns, "events.jsonl": `{"specversion":"1.0","id":"` + id + `","source":"/s","type":"s"}` + "\n" +
			`{"specversion":"1.0","id":"2","source":"/s","type":"a","seq":"5"}`,
	}
	changes := map[string][]string{
		"sample: 10 }|sample: 1 }":                            {`sample: 10}`, "sampled out -> out"},
		"sample: 10 }|sample: 2000000000 }":                   {"sample: 10}", "sample: 2000000000}"},
		"seq: Integer|seq: String":                            {"attribute_types: {seq: Integer}", "attribute_types: {seq: String}", "out {seq: Integer} -> out {seq: String}"},
		"seq: Integer|seq: Boolean":                           {"out {seq: Integer} -> out (refused: bad_set)"},
		"drop_data }|forward }":                               {"~ sink bare is configured differently: dataref"},
		"dataclassification: [public]|dataclassification: []": {"~ sink inner is configured differently: accepts.dataclassification"},
	}
	for change, want := range changes {
		before, after, _ := strings.Cut(change, "|")
		files["new.yaml"] = strings.Replace(optIns, before, after, 1)
		workspace(t, files)
		wants(t, command(t, "diff", "old.yaml", "new.yaml", "--events", "events.jsonl"), want...)
		if r := command(t, "diff", "old.yaml", "new.yaml", "--fail-on-change"); r.code != exit.Failed {
			t.Errorf("%s: exit %d: %s", change, r.code, r.all())
		}
	}
}

func TestGraphLabelsOptIns(t *testing.T) {
	workspace(t, map[string]string{"router.yaml": optIns})
	wants(t, command(t, "graph"), `-- "1 in 10" -->`, `-- "types of seq" -->`)
}

// chosen reports whether a sample of one in n takes an event of post, or one that has been sampled at a rate before.
func chosen(id, rate string, n int) bool {
	e := &envelope.Event{ID: id, Source: "/s", Type: "t"}
	if rate != "" {
		e.AddExtension("sampledrate", rate, envelope.KindInteger)
	}
	o, _ := pipeline.Apply(routing.Rule{Sample: n}, e) // a rate that cannot be multiplied is an error of what is taken
	return !o.SampledOut
}
