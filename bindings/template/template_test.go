package template

import (
	"errors"
	"strings"
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

func sample() *envelope.Event {
	e := &envelope.Event{
		ID: "1", Source: "/shop/a b", Type: "com.acme.paid", Subject: "a/../b",
		Data: []byte(`{"id":"x 1","order":{"n":7,"ok":true,"no":null}}`), Key: []byte("k\x00"),
	}
	e.AddExtension("region", "eu", envelope.KindUntyped)
	e.AddExtension("dots", "..", envelope.KindUntyped)
	e.AddExtension("wild", "a.*.>", envelope.KindUntyped)
	e.AddExtension("api", "$JS.API.STREAM.PURGE.S", envelope.KindUntyped)
	e.Meta = envelope.Meta{Transport: "kafka", Channel: "orders", Partition: 3, Position: 4711}
	return e
}

func TestAppend(t *testing.T) {
	tests := []struct {
		name, src string
		target    Target
		want      string // empty: a permanent error with reason bad_address
	}{
		{"literal", "orders", KafkaTopic, "orders"},
		{"attributes", "{region}-{type}", Raw, "eu-com.acme.paid"},
		{"braces", "{{{id}}}", Raw, "{1}"},
		{"data text", "{data.id}", Raw, "x 1"},
		{"data number", "{data.order.n}-{data.order.ok}", Raw, "7-true"},
		{"data null", "{data.order.no}", Raw, ""},
		{"data missing", "{data.nothing}", Raw, ""},
		{"missing attribute", "x.{time}", Raw, ""},
		{"position", "{position}", Raw, "orders/3@4711"},
		{"meta", "{kafka.topic}/{kafka.partition}/{kafka.offset}/{kafka.key}", Raw, "orders/3/4711/k\x00"},
		{"other transport's meta", "{nats.subject}", Raw, ""},
		{"subject keeps dots of a value", "acme.{type}", NATSSubject, "acme.com.acme.paid"},
		{"82 subject wildcards are coded", "acme.{wild}", NATSSubject, "acme.a.%2A.%3E"},
		{"86 subject blanks are coded", "acme.{source}", NATSSubject, "acme.%2Fshop%2Fa%20b"},
		{"83 subject of the server's own space, coded", "{api}", NATSSubject, "%24JS.API.STREAM.PURGE.S"},
		{"85 subject with empty tokens", "acme.{dots}", NATSSubject, ""},
		{"topic in alphabet", "{type}.{region}", KafkaTopic, "com.acme.paid.eu"},
		{"88 topic outside the alphabet", "{source}", KafkaTopic, ""},
		{"88 topic of dots", "{dots}", KafkaTopic, ""},
		{"90 path is coded", "/e/{subject}?t={type}", URLPath, "/e/a%2F..%2Fb?t=com.acme.paid"},
		{"90 path of dots", "/e/{dots}/x", URLPath, ""},
		{"NUL in a path", "/{kafka.key}", URLPath, "/k%00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tpl, err := Compile(tt.src, tt.target)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tpl.Append([]byte("> "), sample())
			if tt.want == "" {
				permanent, ok := errors.AsType[*bindings.PermanentError](err)
				if !ok || permanent.Reason != bindings.ReasonAddress {
					t.Fatalf("got %q, %v; want a permanent error", got, err)
				}
				if string(got) != "> " {
					t.Errorf("left %q in the buffer", got)
				}
				return
			}
			if err != nil || string(got) != "> "+tt.want {
				t.Errorf("got %q, %v; want %q", got, err, "> "+tt.want)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	tests := []struct {
		src    string
		target Target
		want   string
	}{
		{"a{", Raw, "character 2"},
		{"a}b", Raw, "character 2"},
		{"{}", Raw, "empty placeholder"},
		{"{Type}", Raw, "neither an attribute"},
		{"{kafka.nothing}", Raw, "neither an attribute"},
		{"{data.a..b}", Raw, "data.a..b"},
		{"acme.*", NATSSubject, "wildcard"},
		{"acme.>", NATSSubject, "wildcard"},
		{"a b", NATSSubject, "' '"},
		{"$JS.API.x", NATSSubject, "belong to the server"},
		{"_INBOX.x", NATSSubject, "belong to the server"},
		{"a..b", NATSSubject, "empty token"},
		{"__consumer_offsets", KafkaTopic, "belong to Kafka"},
		{"a/b", KafkaTopic, "cannot stand in a Kafka topic"},
		{strings.Repeat("a", 250), KafkaTopic, "at most 249"},
		{"/a b", URLPath, "percent-coded"},
	}
	for _, tt := range tests {
		if _, err := Compile(tt.src, tt.target); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Compile(%q): %v, want an error with %q", tt.src, err, tt.want)
		}
	}
}

func TestStaticPrefixAndData(t *testing.T) {
	for src, want := range map[string]struct {
		static, prefix string
		ok, data       bool
	}{
		"orders":     {"orders", "orders", true, false},
		"a.{type}":   {"", "a.", false, false},
		"{data.x}":   {"", "", false, true},
		"":           {"", "", true, false},
		"{{x}}":      {"{x}", "{x}", true, false},
		"p-{source}": {"", "p-", false, false},
	} {
		tpl, err := Compile(src, Raw)
		if err != nil {
			t.Fatal(err)
		}
		static, ok := tpl.Static()
		if static != want.static || ok != want.ok || tpl.Prefix() != want.prefix || tpl.UsesData() != want.data {
			t.Errorf("%q: static %q %t, prefix %q, data %t; want %+v", src, static, ok, tpl.Prefix(), tpl.UsesData(), want)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	for _, target := range []Target{Raw, NATSSubject, KafkaTopic, URLPath} {
		tpl, err := Compile("acme.{type}.{region}", target)
		if err != nil {
			t.Fatal(err)
		}
		e, buf := sample(), make([]byte, 0, 256)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := tpl.Append(buf, e); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("target %d: %v allocations, want 0", target, n)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"", "a.{type}", "{data.a[0].\"b.c\"}", "{{}}", "{", "}", "{position}"} {
		f.Add(s, uint8(1), "v")
	}
	f.Fuzz(func(t *testing.T, src string, target uint8, value string) {
		tpl, err := Compile(src, Target(target%4))
		if err != nil {
			return
		}
		e := sample()
		e.Subject, e.Type = value, value
		out, err := tpl.Append(nil, e)
		if err != nil {
			return
		}
		if Target(target%4) == NATSSubject && strings.ContainsAny(string(out), " \t\r\n*>\x00") {
			t.Errorf("subject %q reaches the wire", out)
		}
	})
}
