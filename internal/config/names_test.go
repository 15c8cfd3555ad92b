package config

import (
	"strings"
	"testing"
)

// frame is a configuration into which tests put routes, a sink's address and more.
func frame(route, topic, more string) string {
	return "sources: { in: { http: { listen: \"127.0.0.1:1\" } } }\n" +
		"sinks: { out: { kafka: { brokers: [k:9092], topic: \"" + topic + "\" } }, log: { stdout: {} } }\n" +
		"unmatched: log\ndead_letter: hold\nroutes:\n  - { to: out, " + route + " }\n" + more
}

// said loads a configuration and returns its warnings and its problems.
func said(t *testing.T, text string) (warnings, problems string) {
	t.Helper()
	c, err := loadText(t, text)
	if err != nil {
		return "", err.Error()
	}
	var b strings.Builder
	for _, w := range c.Warnings {
		b.WriteString(w.Error() + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n"), ""
}

// TestMisspeltNamesWereSilent: check said ok to an attribute that is a letter away from a known one, wherever but in a
// plain condition.
func TestMisspeltNamesWereSilent(t *testing.T) {
	const test = "tests: [{ event: { type: a, NAME: x }, unmatched: true }]\n"
	doubt := func(name, likely string) string {
		return name + " is read as an extension attribute; did you mean " + likely + "? If the extension is meant, "
	}
	more := func(when ...string) string {
		return "  - { to: log, when: { " + strings.Join(when, " } }\n  - { to: log, when: { ") + " } }\n"
	}
	for _, c := range []struct{ route, topic, more, want string }{
		{`when: { typ: a }`, "t", "", "c.yaml:6:24: routes[0].when.typ: " + doubt("typ", "type") + "write attributes: { typ: … }"},
		{`when: { filters: [{ exact: { typ: a } }] }`, "t", "", "c.yaml:6:45: routes[0].when.filters[0].exact.typ: " + doubt("typ", "type") + "write attributes: { typ: … }"},
		{`when: { filters: [{ prefix: { sourc: a } }] }`, "t", "", "prefix.sourc: " + doubt("sourc", "source")},
		{`when: { filters: [{ not: { suffix: { subjet: a } } }] }`, "t", "", "suffix.subjet: " + doubt("subjet", "subject")},
		{`when: { cesql: "tpe = 1" }`, "t", "", "c.yaml:6:31: routes[0].when.cesql: " + doubt("tpe", "type") + "write attributes: { tpe: … }"},
		{`when: { filters: [{ sql: "EXISTS subjct" }] }`, "t", "", "filters[0].sql: " + doubt("subjct", "subject")},
		{`when: { dataclasification: x }`, "t", "", "when.dataclasification: " + doubt("dataclasification", "dataclassification") + "write attributes: { dataclasification: … }"},
		{`when: { type: a }`, "a-{typ}", "", "c.yaml:2:52: sinks.out.kafka.topic: " + doubt("typ", "type") + "give it to the event of a test"},
		{`set: { typ: x }`, "t", "", "c.yaml:6:23: routes[0].set.typ: " + doubt("typ", "type") + "give it to the event of a test"},
		{`set: { region: "{sourc}" }`, "t", "", "c.yaml:6:31: routes[0].set.region: " + doubt("sourc", "source")},
		{`attribute_types: { sampldrate: Integer }`, "t", "", "c.yaml:6:35: routes[0].attribute_types.sampldrate: " + doubt("sampldrate", "sampledrate")},
		{`when: { tennantid: x }`, "t", more("tenantid: a", "tenantid: b"), "when.tennantid: " + doubt("tennantid", "tenantid")},

		{`when: { tennantid: x }`, "t", more("tenantid: a"), ""},
		{`when: { attributes: { typ: a } }`, "{typ}", "", ""},
		{`set: { typ: x }`, "{typ}", strings.ReplaceAll(test, "NAME", "typ"), ""},
		{`set: { sampldrate: x }`, "t", strings.ReplaceAll(test, "NAME", "sampldrate"), ""},
		{`when: { shard1: x }`, "t", more("shard2: a", "shard2: b"), ""},
		{`when: { region: x }`, "t", more("regions: a", "regions: b"), ""},
		{`when: { object: x, resource: y, uid: z, ids: z, mode: x, region: eu }`, "{object}-{uid}-{resource}-{project}", "", ""},
		{`set: { sequence: "1", partitionkey: "{subject}", oauthid: x, severity: y }`, "t", "", ""},
	} {
		got, problems := said(t, frame(c.route, c.topic, c.more))
		if problems != "" {
			t.Errorf("%s: %s", c.route, problems)
		}
		if c.want == "" && got != "" || !strings.Contains(got, c.want) || c.want != "" && strings.Contains(got, "\n") {
			t.Errorf("%s, %s:\n got %s\nwant %s", c.route, c.topic, got, c.want)
		}
	}
}

// TestMisspeltNamesInAddresses: every address that a sink renders is looked at, and so is wrap.
func TestMisspeltNamesInAddresses(t *testing.T) {
	text := `
sources:
  in: { http: { listen: "127.0.0.1:1" }, wrap: { type: "a.{posision}", source: /s, subjct: x } }
sinks:
  a: { kafka: { brokers: [k:9092], topic: t, key: "{typ}" } }
  b: { nats: { url: "nats://n", subject: "s.{typ}.{{typ}}" } }
  c: { http: { url: "https://x/{typ}" } }
  d: { sqs: { queue: q.fifo, region: eu-central-1, group_id: "{typ}" } }
unmatched: drop
dead_letter: hold
routes: [{ to: [a, b, c, d] }]
`
	got, problems := said(t, text)
	for _, want := range []string{
		"c.yaml:3:56: sources.in.wrap.type: posision is read as an extension attribute; did you mean position?",
		"sources.in.wrap.subjct: subjct", "c.yaml:5:51: sinks.a.kafka.key: typ", "sinks.b.nats.subject: typ",
		"sinks.c.http.url: typ", "sinks.d.sqs.group_id: typ",
	} {
		if strings.Count(got, want) != 1 {
			t.Errorf("not once %s in:\n%s%s", want, got, problems)
		}
	}
	if n := strings.Count(got, "\n") + 1; n != 6 {
		t.Errorf("got %d warnings, want 6:\n%s", n, got)
	}
}

// TestDoubtfulNamesKeepSecrets: what a variable stands for is not shown in a warning.
func TestDoubtfulNamesKeepSecrets(t *testing.T) {
	env := memory(map[string]string{"c.yaml": frame(`when: { cesql: "${QUERY}" }`, "t", "")})
	env.LookupEnv = func(string) (string, bool) { return "sourc = 'planted'", true }
	c, err := Load([]string{"c.yaml"}, env)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.Warnings {
		if strings.Contains(w.Error(), "planted") {
			t.Errorf("%v", w)
		}
	}
}

// TestJSONPathRoot: a payload path that begins with $ was taken for a member called $ without a word.
func TestJSONPathRoot(t *testing.T) {
	for path, want := range map[string]string{
		"$.order.total": `routes[0].when.data["$.order.total"]: "$.order.total" asks for a member that is called $; a path begins at the payload itself: drop the $ and write order.total`,
		"$[0].a":        "drop the $ and write [0].a",
		"$ref":          "",
		"order.$ref":    "",
	} {
		got, problems := said(t, frame(`when: { data: { "`+path+`": 5 } }`, "t", ""))
		if problems != "" || want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %s%s, want %s", path, got, problems, want)
		}
	}
}
