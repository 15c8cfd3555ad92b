package nats

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/envelope"
)

const anyURL = "nats://127.0.0.1:4222"

func TestSourceConfigIsChecked(t *testing.T) {
	for _, c := range []struct {
		name  string
		cfg   SourceConfig
		field string // empty: valid
	}{
		{"core", SourceConfig{URL: anyURL, Subjects: []string{"a.*", "b.>"}, Queue: "q"}, ""},
		{"stream", SourceConfig{URL: "h1:4222, tls://h2", Stream: "S"}, ""},
		{"no url", SourceConfig{Stream: "S"}, "url"},
		{"a url of another kind", SourceConfig{URL: "http://x", Stream: "S"}, "url"},
		{"neither subjects nor stream", SourceConfig{URL: anyURL}, "subjects"},
		{"an empty token", SourceConfig{URL: anyURL, Subjects: []string{"a..b"}}, "subjects"},
		{"> in the middle", SourceConfig{URL: anyURL, Subjects: []string{"a.>.b"}}, "subjects"},
		{"durable without stream", SourceConfig{URL: anyURL, Subjects: []string{"a"}, Durable: "d"}, "durable"},
		{"queue with stream", SourceConfig{URL: anyURL, Stream: "S", Queue: "q"}, "queue"},
		{"stream name", SourceConfig{URL: anyURL, Stream: "a.b"}, "stream"},
		{"start", SourceConfig{URL: anyURL, Stream: "S", Start: "last"}, "start"},
		{"short ack_wait", SourceConfig{URL: anyURL, Stream: "S", AckWait: 1}, "ack_wait"},
		{"two ways to authenticate", SourceConfig{URL: anyURL, Stream: "S", Creds: "c", Token: security.NewSecret("t")}, ""},
		{"password alone", SourceConfig{URL: anyURL, Stream: "S", Password: security.NewSecret("t")}, "password"},
		{"create without subjects", SourceConfig{URL: anyURL, Stream: "S", Create: &StreamConfig{}}, "create.subjects"},
		{"create storage", SourceConfig{URL: anyURL, Stream: "S", Create: &StreamConfig{Subjects: []string{"a"}, Storage: "ram"}}, "create.storage"},
	} {
		err := c.cfg.Validate()
		if c.field == "" && (c.name == "core" || c.name == "stream") {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		f, ok := errors.AsType[*bindings.FieldError](err)
		if !ok || f.Field != c.field {
			t.Errorf("%s: got %v, want an error of %q", c.name, err, c.field)
		}
	}
}

func TestSinkConfigIsChecked(t *testing.T) {
	for _, c := range []struct {
		name  string
		cfg   SinkConfig
		field string
	}{
		{"fixed", SinkConfig{URL: anyURL, Subject: "a.b"}, ""},
		{"template", SinkConfig{URL: anyURL, Subject: "a.{type}", Stream: "S", Create: &StreamConfig{}}, ""},
		{"no subject", SinkConfig{URL: anyURL}, "subject"},
		{"wildcard", SinkConfig{URL: anyURL, Subject: "a.*"}, "subject"},
		{"the server's own", SinkConfig{URL: anyURL, Subject: "$JS.API.STREAM.PURGE.S"}, "subject"},
		{"the server's own, template", SinkConfig{URL: anyURL, Subject: "$JS.{type}"}, "subject"},
		{"an inbox", SinkConfig{URL: anyURL, Subject: "_INBOX.{type}"}, "subject"},
		{"create without stream", SinkConfig{URL: anyURL, Subject: "a", Create: &StreamConfig{}}, "create"},
	} {
		err := c.cfg.Validate()
		f, ok := errors.AsType[*bindings.FieldError](err)
		if (c.field == "") != (err == nil) || c.field != "" && (!ok || f.Field != c.field) {
			t.Errorf("%s: got %v, want an error of %q", c.name, err, c.field)
		}
	}
}

func TestConstructorsReportTheEnvironmentAndShowNoSecret(t *testing.T) {
	_, err := NewSource(SourceConfig{URL: anyURL, Subjects: []string{"a"}, Creds: filepath.Join(t.TempDir(), "none")}, sourceSettings(zap.NewNop()), nil)
	if f, ok := errors.AsType[*bindings.FieldError](err); !ok || f.Field != "creds" || !f.Environment || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want a missing creds file", err)
	}
	_, err = NewSource(SourceConfig{URL: embeddedURL, Subjects: []string{"a"}}, sourceSettings(zap.NewNop()), nil)
	if f, ok := errors.AsType[*bindings.FieldError](err); !ok || f.Field != "url" {
		t.Errorf("embedded without a server: %v", err)
	}
	for _, address := range []string{"nats://user:hunter2@host:1:2", "ftp://user:hunter2@host"} {
		if err := (&SinkConfig{URL: address, Subject: "a"}).Validate(); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want an error without the password", err)
		}
	}
	s := newSource(t, SourceConfig{URL: "nats://user:hunter2@127.0.0.1:1", Subjects: []string{"a"}})
	if err := s.Ready(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want an error without the password", err)
	}
	for _, m := range []struct {
		mode   bindings.Mode
		format envelope.Format
	}{{bindings.ModeBatch, envelope.FormatJSON}, {bindings.ModeStructured, envelope.FormatAvro}} {
		settings := sinkSettings()
		settings.Mode, settings.Format = m.mode, m.format
		if _, err := NewSink(SinkConfig{URL: anyURL, Subject: "a"}, settings, nil); err == nil {
			t.Errorf("mode %v format %v was taken", m.mode, m.format)
		}
	}
}

// Hostile cases 82 to 87: whatever an event's attributes say, no such subject reaches the wire.
func TestSubjectInjection(t *testing.T) {
	k := newSink(t, SinkConfig{URL: anyURL, Subject: "{type}"})
	x := newEncoder()
	for _, c := range []struct{ n, value string }{
		{"82", "a.*"},
		{"82", "a.>"},
		{"82", ">"},
		{"82", "*"},
		{"83", "$JS.API.STREAM.PURGE.X"},
		{"84", "$SYS.REQ.SERVER.PING"},
		{"84", "_INBOX.x"},
		{"84", "$KV.b.k"},
		{"84", "_R_.x"},
		{"85", "a..b"},
		{"85", ".a"},
		{"85", "a."},
		{"85", ""},
		{"85", "."},
		{"86", "a b"},
		{"86", "a\tb"},
		{"86", "a\r\nPUB x 1\r\n"},
		{"87", "a\x00b"},
		{"87", "é"},
		{"87", strings.Repeat("x", 4096)},
	} {
		e := event("1")
		e.Type = c.value
		err := k.render(x, e)
		if err != nil {
			if reason(err) != bindings.ReasonAddress {
				t.Errorf("%s %q: %v is not a permanent address error", c.n, c.value, err)
			}
			continue
		}
		// What is not refused is escaped to something harmless.
		if bad := checkSubject([]byte(x.msg.Subject)); bad != nil || strings.ContainsAny(x.msg.Subject, "*>$ \t\r\n\x00") {
			t.Errorf("%s %q: rendered as %q: %v", c.n, c.value, x.msg.Subject, bad)
		}
	}
}

func TestCheckSubjectByItself(t *testing.T) {
	for _, s := range []string{"", ".", "a.", ".a", "a..b", "*", "a.>", "a b", "a\tb", "a\x00", "é", "$JS.x", "_INBOX.x", strings.Repeat("x", 256)} {
		if checkSubject([]byte(s)) == nil {
			t.Errorf("%q was taken", s)
		}
	}
	for _, s := range []string{"a", "a.b-c_d.1", "a.$x", "a%20b", strings.Repeat("x", 255)} {
		if err := checkSubject([]byte(s)); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		pattern, subject string
		want             bool
	}{
		{"a.b", "a.b", true},
		{"a.*", "a.b", true},
		{"a.>", "a.b.c", true},
		{">", "a", true},
		{"a.>", "a.>", true},
		{"a.>", "a", false},
		{"a.*", "a", false},
		{"a.*", "a.b.c", false},
		{"a.b", "a.*", false},
		{"a.*", "a.>", false},
		{"a", "a.b", false},
	} {
		if got := covers([]string{c.pattern}, c.subject); got != c.want {
			t.Errorf("covers(%q, %q) = %v", c.pattern, c.subject, got)
		}
	}
}
