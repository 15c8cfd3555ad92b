package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// canaries are what variables stand for in FuzzLoad: short and long, with what messages put around values, with what is
// no UTF-8, and with what means something to those who read a value.
var canaries = []string{
	"qzxj-secret ", "qzxj", "a…qzxj…zjqx", "\xffqzxj\xe2\x82zjqx", "qz\"xjqz'zjqx`", "type = 'qzxj' zjqx_q", "(?P<qzxj-zjqx>", "zjqx[qzxjz-a]",
	"x{Qzxj}zjqx", "{{qzxj}}..zjqx", "{data.qzxj[zjqx}", "qzxj.zjqx.*", "QZXJ(zjqx) AND Qzxj = zjqx", "nats://qzxj:zj/qx@h:4222", "\nqzxj\tzjqx",
}

// everywhere is a configuration with a variable in each place whose text is taken apart.
const everywhere = `
sources:
  in: { http: { listen: "${V}" }, wrap: { type: "${V}", source: "a${V}" } }
  k: { kafka: { brokers: ["${V}"], group: g, topics_regex: "${V}" } }
  n: { nats: { url: "${V}", subjects: ["${V}", "a.${V}"], queue: "${V}" } }
sinks:
  out: { stdout: {}, dead_letter: "${V}", timeout: "${V}", mode: "${V}" }
  k: { kafka: { brokers: ["a:1"], topic: "${V}", key: "a${V}" } }
  n: { nats: { url: "nats://${V}:4222", subject: "${V}" } }
  q: { sqs: { queue: "https://sqs.eu-west-1.amazonaws.com/1/${V}", group_id: "${V}" } }
  h: { http: { url: "http://x/${V}", webhook: { origin: "${V}" } } }
  e: { http: { url: "${V}", sign: { secret: "${V}" }, headers: { a: "${V}" } } }
unmatched: drop
dead_letter: hold
routes:
  - { to: out, when: { type: "${V}", cesql: "${V}" } }
  - { to: out, when: { cesql: "type = '${V}'", filters: [{ sql: "${V}" }, { prefix: { type: "${V}" } }] } }
  - { to: out, when: { type: { regex: "${V}", glob: "${V}", gt: "${V}", prefix: "${V}", suffix: "${V}", equals_ignore_case: "${V}" } } }
  - { to: out, when: { type: { any: ["${V}", { not: "${V}" }] }, data: { a: "${V}", b: { regex: "(${V}" } } } }
  - { name: "${V}", from: "${V}", to: "${V}", set: { a: "${V}", b: "{${V}}", time: "${V}" }, attribute_types: { a: "${V}" }, sample: "${V}" }
tests:
  - { event: { type: "${V}", time: "${V}", data: "${V}" }, from: "${V}", goes_to: "${V}", renders: { out: "${V}" } }
  - { event: { type: t, source: "${V}", dataschema: "${V}" }, dead_letter: "${V}" }
`

// expressions are parts of routes that have nothing wrong with some values, and so get as far as being compiled.
var expressions = []string{
	`when: { type: "${V}", cesql: "${V}" }`,
	`when: { cesql: "${V}", type: "a${V}" }`,
	`when: { cesql: "type = '${V}' AND type LIKE '%${V}' OR subject = '${V}'" }`,
	`when: { type: { any: ["${V}", { glob: "${V}" }, { prefix: "${V}" }] } }`,
	`when: { all: [{ type: { equals_ignore_case: "${V}" } }, { type: { suffix: "b${V}" } }, { type: x }] }`,
	`when: { type: { gt: "${V}", regex: "${V}" } }`,
	`name: "${V}", set: { a: "${V}", time: "${V}" }`,
}

// FuzzLoad holds that no text makes Load panic, that what it refuses has a reason with a place, and that what stands
// in the environment is in no message, be it short or so long that messages clip it.
func FuzzLoad(f *testing.F) {
	for _, folder := range []string{"testdata/bad", "testdata/good"} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range entries {
			if text, err := os.ReadFile(folder + "/" + e.Name()); err == nil && !strings.HasPrefix(e.Name(), "alias-bomb") {
				f.Add(string(text))
			}
		}
	}
	f.Add(small)
	for i := range canaries { // every place that is read by itself, with a variable of each value
		for _, name := range []string{strings.Repeat("A", 1+i), strings.Repeat("B", 1+i)} {
			f.Add(strings.ReplaceAll(everywhere, "V", name))
			for _, route := range expressions {
				f.Add(strings.ReplaceAll(strings.Replace(small, "to: out", "to: out, "+route, 1), "V", name))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		env := memory(map[string]string{"c": text, "base": small})
		env.LookupEnv = func(name string) (string, bool) {
			sum := len(name)
			for _, c := range []byte(name) {
				sum += int(c)
			}
			return strings.Repeat(canaries[sum%len(canaries)], 1+sum%3*len(name)), name != "UNSET"
		}
		for _, paths := range [][]string{{"c"}, {"base", "c"}} {
			c, err := Load(paths, env)
			if err != nil {
				var p *Problems
				if !errors.As(err, &p) || len(p.List) == 0 {
					t.Fatalf("got %v", err)
				}
				for _, q := range p.List {
					if q.Message == "" || q.Pos.File == "" {
						t.Errorf("%+v has no place or no message", q)
					}
					if len(q.Message)+len(q.Path) > 10_000 {
						t.Errorf("%d bytes of message at a path of %d", len(q.Message), len(q.Path))
					}
				}
				noCanary(t, text, err.Error())
				noCanary(t, text, (&Problems{List: p.Warnings}).Error())
				continue
			}
			if c.Table == nil {
				t.Error("has no table")
			}
			noCanary(t, text, c.String())
			noCanary(t, text, (&Problems{List: c.Warnings}).Error())
		}
	})
}

// noCanary holds that what is shown of a configuration has nothing that variables stand for.
func noCanary(t *testing.T, text, shown string) {
	t.Helper()
	text, shown = strings.ToLower(text), strings.ToLower(shown)
	for _, word := range []string{"qzxj", "zjqx"} {
		if strings.Contains(shown, word) && !strings.Contains(text, word) {
			t.Errorf("shows what a variable stands for: %s", shown)
		}
	}
}

// BenchmarkLoad10000Routes is a large configuration: what a reload costs.
func BenchmarkLoad10000Routes(b *testing.B) {
	var text strings.Builder
	text.WriteString(strings.Replace(small, "routes: [{ to: out }]", "routes:", 1))
	for range 10_000 {
		text.WriteString("  - { when: { type: { prefix: com.acme. }, subject: a, region: [eu, us] }, to: out, set: { x: \"{type}\" } }\n")
	}
	env := memory(map[string]string{"c": text.String()})
	for b.Loop() {
		if _, err := Load([]string{"c"}, env); err != nil {
			b.Fatal(err)
		}
	}
}
