package sample

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventrouter/router/envelope"
)

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.json", "a.http", "c.ndjson", "d.jsonl", "readme.txt", "e.json/x.json", ".#b.json"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, file := range Files(dir, os.ReadDir) {
		got = append(got, filepath.Base(file))
	}
	if s, want := strings.Join(got, " "), "a.http b.json c.ndjson d.jsonl"; s != want {
		t.Errorf("got %s, want %s: by name, without other files and folders", s, want)
	}
	if got := Files("none.json", os.ReadDir); len(got) != 1 || got[0] != "none.json" {
		t.Errorf("what is no folder: got %v", got)
	}
	if got := Files(".", func(string) ([]fs.DirEntry, error) { return nil, nil }); got != nil {
		t.Errorf("an empty folder: got %v", got)
	}
}

func TestReadFile(t *testing.T) {
	one := `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`
	for _, c := range []struct{ name, text, want string }{
		{"x/a.json", one, "a.json"},
		{"x/a.json", "[" + one + "]", "a.json[0]"},
		{"x/a.json", one + "\n" + one, "a.json:1 a.json:2"},
		{"x/a.jsonl", one, "a.jsonl:1"},
		{"x/a.ndjson", "\n" + one, "a.ndjson:2"},
		{"x/a.http", "POST / HTTP/1.1\nHost: x\nContent-Type: application/cloudevents+json\n\n" + one, "a.http"},
	} {
		events, err := ReadFile(c.name, []byte(c.text), envelope.Options{})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		var got []string
		for _, e := range events {
			got = append(got, e.Where)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: got %s, want %s", c.text, s, c.want)
		}
	}
}

func TestLineErrors(t *testing.T) {
	one := `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`
	events, err := ReadFile("a.jsonl", []byte(one+"\nx\n"+one+"\n{}"), envelope.Options{})
	if len(events) != 2 {
		t.Errorf("got %d events: the good ones are returned beside the errors", len(events))
	}
	var lines []int
	for _, e := range LineErrors(err) {
		lines = append(lines, e.Line)
	}
	if len(lines) != 2 || lines[0] != 2 || lines[1] != 4 {
		t.Errorf("got lines %v, want 2 and 4", lines)
	}
	if got := LineErrors(errors.New("x")); len(got) != 1 || got[0].Line != 1 {
		t.Errorf("an error about no line: got %v", got)
	}
	if LineErrors(nil) != nil {
		t.Error("no error gives no lines")
	}
}

// FuzzRead holds that no text makes Read panic, and that every event it returns is valid but for the grammar of its URIs,
// for which no decoder refuses an event.
func FuzzRead(f *testing.F) {
	one := `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}`
	f.Add(one)
	f.Add("[" + one + "," + one + "]")
	f.Add(one + "\n\n" + one)
	f.Add("POST / HTTP/1.1\nHost: x\nce-specversion: 1.0\nce-id: 1\nce-source: /s\nce-type: t\n\nhello")
	f.Add("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/cloudevents-batch+json\r\n\r\n[]")
	f.Add("PUT ")
	f.Add(strings.Replace("["+one+","+one+"]", "/s", "/[", 1))
	f.Fuzz(func(t *testing.T, text string) {
		events, _ := Read([]byte(text), envelope.Options{})
		for _, e := range events {
			if e.Event == nil {
				t.Fatal("an event is nil")
			}
			if err := e.Event.Validate(envelope.Options{Lenient: true}); err != nil {
				t.Fatalf("an event is invalid: %v", err)
			}
		}
	})
}
