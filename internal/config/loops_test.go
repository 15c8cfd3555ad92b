package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLoops(t *testing.T) {
	for _, c := range []struct{ name, source, sink, routes, want string }{
		{"kafka topic", `kafka: { brokers: [a:1, b:1], topics: [t, u], group: g }`, `kafka: { brokers: [b:1], topic: u }`, "", "in → out → in"},
		{"kafka other topic", `kafka: { brokers: [a:1], topics: [t], group: g }`, `kafka: { brokers: [a:1], topic: u }`, "", ""},
		{"kafka other brokers", `kafka: { brokers: [a:1], topics: [t], group: g }`, `kafka: { brokers: [b:1], topic: t }`, "", ""},
		{"kafka regex", `kafka: { brokers: [a:1], topics_regex: "t.*", group: g }`, `kafka: { brokers: [a:1], topic: tt }`, "", "in → out → in"},
		{"kafka regex of the whole name", `kafka: { brokers: [a:1], topics_regex: "t", group: g }`, `kafka: { brokers: [a:1], topic: tt }`, "", ""},
		{"kafka template", `kafka: { brokers: [a:1], topics: [t], group: g }`, `kafka: { brokers: [a:1], topic: "{type}" }`, "", "in → out → in"},
		{"kafka template that cannot be it", `kafka: { brokers: [a:1], topics: [orders.new], group: g }`, `kafka: { brokers: [a:1], topic: "orders.{type}.dead" }`, "", ""},
		{"kafka regex and template", `kafka: { brokers: [a:1], topics_regex: 'orders\..*', group: g }`, `kafka: { brokers: [a:1], topic: "orders.{type}" }`, "", "in → out → in"},
		{"kafka regex and template apart", `kafka: { brokers: [a:1], topics_regex: 'orders\.[a-z]+', group: g }`, `kafka: { brokers: [a:1], topic: "orders.{type}.0" }`, "", ""},
		{"kafka regex and template within", `kafka: { brokers: [a:1], topics_regex: '(?i)ORDERS\.(eu|us)\.v\d', group: g }`, `kafka: { brokers: [a:1], topic: "orders.{region}.v{version}" }`, "", "in → out → in"},
		{"kafka regex with word boundary", `kafka: { brokers: [a:1], topics_regex: '.*\bdead\b.*', group: g }`, `kafka: { brokers: [a:1], topic: "{kafka.topic}_dead" }`, "", "in → out → in"},
		{"kafka regex with word boundary apart", `kafka: { brokers: [a:1], topics_regex: '[a-z]+\bdead', group: g }`, `kafka: { brokers: [a:1], topic: "a{subject}dead" }`, "", ""},
		{"kafka template held to topics", `kafka: { brokers: [a:1], topics_regex: 'orders\..*', group: g }`, `kafka: { brokers: [a:1], topic: "{type}", topics: [paid, "bills.*"] }`, "", ""},
		{"kafka template held to such topics", `kafka: { brokers: [a:1], topics_regex: 'orders\..*', group: g }`, `kafka: { brokers: [a:1], topic: "{type}", topics: [paid, "orders.*"] }`, "", "in → out → in"},
		{"kafka mirror", `kafka: { brokers: [a:1], topics_regex: '[^.]*', group: g }`, `kafka: { brokers: [a:1], topic: "{kafka.topic}.copy" }`, "", ""},
		{"kafka brokers in another order and spelling", `kafka: { brokers: [a:1, "LOCALHOST:2"], topics: [t], group: g }`, `kafka: { brokers: ["[::1]:2", c:1], topic: t }`, "", "in → out → in"},
		{"stream", `nats: { url: "nats://a", stream: S }`, `nats: { url: "nats://a", stream: S, subject: a.b }`, "", "in → out → in"},
		{"other stream", `nats: { url: "nats://a", stream: S }`, `nats: { url: "nats://a", stream: T, subject: a.b }`, "", ""},
		{"other server", `nats: { url: "nats://a", stream: S }`, `nats: { url: "nats://b", stream: S, subject: a.b }`, "", ""},
		{"filter takes it", `nats: { url: "nats://a", stream: S, subjects: [a.>] }`, `nats: { url: "nats://a", stream: S, subject: "a.{type}" }`, "", "in → out → in"},
		{"filter does not", `nats: { url: "nats://a", stream: S, subjects: [b.>] }`, `nats: { url: "nats://a", stream: S, subject: "a.{type}" }`, "", ""},
		{"stream takes core subjects", `nats: { url: "nats://a", stream: S, create: { subjects: [a.*] } }`, `nats: { url: "nats://a", subject: a.b }`, "", "in → out → in"},
		{"stream of unknown subjects", `nats: { url: "nats://a", stream: S }`, `nats: { url: "nats://a", subject: a.b }`, "", ""},
		{"template goes on otherwise", `nats: { url: "nats://a", subjects: [a.*.c] }`, `nats: { url: "nats://a", subject: "a.{type}.d" }`, "", ""},
		{"template goes on alike", `nats: { url: "nats://a", subjects: [a.*.c] }`, `nats: { url: "nats://a", subject: "a.{type}.c" }`, "", "in → out → in"},
		{"template in a token", `nats: { url: "nats://a", subjects: [a.b-1.>] }`, `nats: { url: "nats://a", subject: "a.b-{n}.c" }`, "", "in → out → in"},
		{"server in another spelling", `nats: { url: "nats://u:p@A", subjects: [a] }`, `nats: { url: "b, tls://a:4222", subject: a }`, "", "in → out → in"},
		{"embedded by its address", `nats: { url: embedded, subjects: [a] }`, `nats: { url: "nats://localhost:4333", subject: a }`, "[{ to: out }]\nembedded: { listen: ':4333' }", "in → out → in"},
		{"core", `nats: { url: "nats://a", subjects: [a.*] }`, `nats: { url: "nats://a", subject: a.b }`, "", "in → out → in"},
		{"core longer", `nats: { url: "nats://a", subjects: [a.*] }`, `nats: { url: "nats://a", subject: a.b.c }`, "", ""},
		{"core shorter", `nats: { url: "nats://a", subjects: [a.b.c] }`, `nats: { url: "nats://a", subject: a.b }`, "", ""},
		{"core rest", `nats: { url: "nats://a", subjects: [">"] }`, `nats: { url: "nats://a", subject: a.b }`, "", "in → out → in"},
		{"queue", `sqs: { queue: q, region: r }`, `sqs: { queue: q, region: r }`, "", "in → out → in"},
		{"queue by its URL", `sqs: { queue: "https://sqs.eu-west-1.amazonaws.com/1/q" }`, `sqs: { queue: q, region: eu-west-1 }`, "", "in → out → in"},
		{"queue by its ARN", `sqs: { queue: "arn:aws:sqs:eu-west-1:1:q" }`, `sqs: { queue: "https://eu-west-1.queue.amazonaws.com/1/q" }`, "", "in → out → in"},
		{"queue of another region's ARN", `sqs: { queue: "arn:aws:sqs:eu-west-1:1:q" }`, `sqs: { queue: q, region: eu-west-2 }`, "", ""},
		{"queue of another account", `sqs: { queue: "arn:aws:sqs:r:1:q" }`, `sqs: { queue: "arn:aws:sqs:r:2:q" }`, "", ""},
		{"queue of an emulator", `sqs: { queue: "http://localhost:9324/1/q" }`, `sqs: { queue: q, endpoint: "http://127.0.0.1:9324/" }`, "", "in → out → in"},
		{"queue of an emulator and of AWS", `sqs: { queue: q, endpoint: "http://127.0.0.1:9324" }`, `sqs: { queue: q }`, "", ""},
		{"queue behind a private endpoint", `sqs: { queue: q }`, `sqs: { queue: q, endpoint: "https://vpce-1.sqs.r.vpce.amazonaws.com" }`, "", "in → out → in"},
		{"other region", `sqs: { queue: q, region: r }`, `sqs: { queue: q, region: s }`, "", ""},
		{"own port", `http: { listen: ":80", path: /x }`, `http: { url: "http://localhost:80/x" }`, "", "in → out → in"},
		{"own port, default path", `http: { listen: "127.0.0.1:80" }`, `http: { url: "http://127.0.0.1:80" }`, "", "in → out → in"},
		{"other port", `http: { listen: ":80" }`, `http: { url: "http://[::1]:81" }`, "", ""},
		{"other host", `http: { listen: ":80" }`, `http: { url: "http://example.com:80" }`, "", ""},
		{"template in the path", `http: { listen: ":80" }`, `http: { url: "http://localhost:80/%7Bx/{type}" }`, "", ""},
		{"template makes the path", `http: { listen: ":80", path: /in/x }`, `http: { url: "http://localhost/in/{type}?a={id}" }`, "", "in → out → in"},
		{"template makes another path", `http: { listen: ":80", path: /in/x }`, `http: { url: "http://localhost/in/{type}/y" }`, "", ""},
		{"coded path", `http: { listen: ":80", path: /in }`, `http: { url: "http://LOCALHOST.:80/%69n" }`, "", "in → out → in"},
		{"address of the machine", `http: { listen: "10.0.0.5:80" }`, `http: { url: "http://10.0.0.5/" }`, "", "in → out → in"},
		{"unspecified address", `http: { listen: ":80" }`, `http: { url: "http://0.0.0.0:80" }`, "", "in → out → in"},
		{"not reachable", `sqs: { queue: q, region: r }`, `sqs: { queue: q, region: r }`, `[{ from: other, to: out }, { to: drop }]`, ""},
		{"different kinds", `sqs: { queue: q }`, `http: { url: "http://x/" }`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			for _, w := range warningsOf(t, c.source, c.sink, "hold\nroutes: "+cmp.Or(c.routes, "[{ to: out }]")) {
				if way, ok := strings.CutPrefix(w.Message, "events can go round: "); ok {
					got += way
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// warningsOf returns what a configuration with a source in, another one, and a sink out is warned of. The sink stands on
// the second line.
func warningsOf(t *testing.T, source, sink, deadLetterAndRoutes string) []Problem {
	t.Helper()
	config, err := loadText(t, "sources: { in: { "+source+" }, other: { http: { listen: '127.0.0.1:1', path: /other } } }\n"+
		"sinks: { out: { "+sink+" } }\nunmatched: drop\ndead_letter: "+deadLetterAndRoutes)
	if err != nil {
		t.Fatal(err)
	}
	return config.Warnings
}

// TestLoopOfDeadLetters holds that the ways of unmatched events and of dead letters count too.
func TestLoopOfDeadLetters(t *testing.T) {
	c, err := loadText(t, `
sources: { in: { sqs: { queue: q } }, again: { sqs: { queue: d } } }
sinks: { out: { stdout: {}, dead_letter: own }, own: { sqs: { queue: d } }, lost: { sqs: { queue: q } } }
unmatched: lost
dead_letter: hold
routes: [{ to: out }]`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Error())
	}
	want := []string{
		"c.yaml:3:54: sinks.own: events can go round: again → own → again",
		"c.yaml:3:83: sinks.lost: events can go round: in → lost → in",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestLoopOfDeadLettersThatARegexReads: a source of every topic reads the dead letters that it brought about, fixed or not.
func TestLoopOfDeadLettersThatARegexReads(t *testing.T) {
	for topic, want := range map[string]bool{"orders.dead": true, "{kafka.topic}.dead": true, "dead.orders": false, "{kafka.topic}-dead": false} {
		c, err := loadText(t, `
sources: { in: { kafka: { brokers: [a:1], topics_regex: 'orders\.[a-z]+(\.dead)?', group: g } } }
sinks: { out: { stdout: {} }, dead: { kafka: { brokers: ["A:1"], topic: "`+topic+`" } } }
unmatched: drop
dead_letter: dead
routes: [{ to: out }]`)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(fmt.Sprint(c.Warnings), "in → dead → in"); got != want {
			t.Errorf("%s: got %v, want a loop %t", topic, c.Warnings, want)
		}
	}
}

// TestLoopThroughAStreamThatASinkCreates holds that what one part says of a stream counts for all.
func TestLoopThroughAStreamThatASinkCreates(t *testing.T) {
	c, err := loadText(t, `
sources: { in: { nats: { url: "nats://a", stream: S } } }
sinks: { out: { nats: { url: "nats://a", subject: b.c } }, more: { nats: { url: "nats://a:4222", stream: S, subject: "b.{type}", create: {} } } }
unmatched: out
dead_letter: hold`)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Warnings); !strings.Contains(got, "in → out → in") {
		t.Errorf("got %s", got)
	}
}

// TestLargePatternsAreComparedInTime holds that no pattern keeps check waiting.
func TestLargePatternsAreComparedInTime(t *testing.T) {
	began := time.Now()
	for _, regex := range []string{"(a?){400}b", "(a|b)*a(a|b){400}", "(.?.?.?){300}", "(a*)*c|((a|b)+)+", "(?:" + strings.Repeat("a|", 5000) + "b)"} {
		for _, literals := range [][]string{strings.Split(strings.Repeat("a,", 100), ","), make([]string, 200)} {
			m := meeting{patterns: map[string]*automaton{}}
			m.overlap(regex, expression(literals, topicText))
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestOverlapAgreesWithMatching compares patterns with all short texts.
func TestOverlapAgreesWithMatching(t *testing.T) {
	var texts []string
	for length, last := 0, []string{""}; length <= 4; length++ {
		texts = append(texts, last...)
		var next []string
		for _, s := range last {
			for _, c := range "abAB.-" {
				next = append(next, s+string(c))
			}
		}
		last = next
	}
	patterns := []string{
		``, `a`, `a.b`, `a\.b`, `(a|b)+`, `[^.]*`, `.*`, `a*\.`, `(?i)b`, `\bab\b`, `a\Bb`, `^a$|^b$`, `a^b`, `(?:a.){2}`, `[a-z.]{3,4}`,
		`a+?b*?`, `(?s:.+)`, `b$`, `.\b.`, `\.+`, `(ab|ba)*`, `[[:upper:]]+`, `(?i:A)\.?`,
	}
	both := 0
	for _, a := range patterns {
		for _, b := range patterns {
			one, other := regexp.MustCompile(`^(?:`+a+`)$`), regexp.MustCompile(`^(?:`+b+`)$`)
			want := slices.ContainsFunc(texts, func(s string) bool { return one.MatchString(s) && other.MatchString(s) })
			if got := overlap(compilePattern(a), compilePattern(b)); got != want {
				t.Errorf("%s and %s: got %t, want %t", a, b, got, want)
			}
			if want {
				both++
			}
		}
	}
	if both < 100 || both > len(patterns)*len(patterns)-100 {
		t.Errorf("%d pairs overlap, which says little", both)
	}
}
