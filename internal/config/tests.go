package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// tests checks the tests and reads their events.
func (l *loader) tests(c *Config) {
	n := c.root.get("tests")
	if n == nil || n.kind != routing.List {
		return
	}
	var routes []string
	for _, r := range c.Routes {
		routes = append(routes, r.Name)
	}
	for i := range c.Tests {
		t, at := &c.Tests[i], n.items[i]
		t.Pos = at.pos
		if at.kind != routing.Map {
			continue
		}
		if from := at.get("from"); from != nil {
			l.reference(from, "source", c.SourceNames(), func(s string) bool { _, ok := c.Sources[s]; return ok })
		}
		if to := at.get("goes_to"); to != nil {
			l.reference(to, "sink", append(c.SinkNames(), wordDrop), func(s string) bool {
				_, ok := c.Sinks[s]
				return ok || s == wordDrop
			})
		}
		if names := at.get("routes"); names != nil {
			l.reference(names, "route", routes, func(s string) bool { return slices.Contains(routes, s) })
		}
		l.expectations(t, at)
		l.samples(t, i, at)
	}
}

// expectations checks what a test expects.
func (l *loader) expectations(t *Test, n *node) {
	if t.Unmatched && len(t.Routes) > 0 {
		l.add(n.get("unmatched"), "an event that routes match is not unmatched; remove unmatched or routes")
	}
	if t.GoesTo == nil && t.Routes == nil && !t.Unmatched && n.get("set") == nil && !n.damaged {
		l.add(n, "the test expects nothing; state goes_to, routes, unmatched: true or set")
	}
	set := n.get("set")
	if set == nil || set.bad {
		return
	}
	if set.kind != routing.Map {
		l.add(set, "expected a map of attributes to their values, or to null")
		return
	}
	for _, f := range set.fields {
		at := f.value
		switch {
		case at.bad || !l.attribute(f.key, at):
		case at.kind == routing.Map || at.kind == routing.List:
			l.add(at, "expected the value of an attribute, or null where it must be absent, got %s", got(at, stringsType))
		default:
			t.Expect = append(t.Expect, Expectation{
				Pos: f.pos, Name: f.key, Value: at.value, Absent: at.kind == routing.Null,
			})
		}
	}
}

// samples reads a test's events.
func (l *loader) samples(t *Test, i int, n *node) {
	event, events := n.get("event"), n.get("events")
	switch {
	case event != nil && events != nil:
		l.add(events, "a test has event or events, not both")
	case event != nil:
		l.inline(t, i, event)
	case events == nil:
		if !n.damaged {
			l.add(n, "the test has no event; state event, or events with the path of a file or folder")
		}
	case events.bad || events.wrong:
	case t.Events == "":
		l.add(events, "names no file or folder")
	default:
		l.readEvents(t, events)
	}
}

// inline makes an event of what stands in the configuration, by way of the JSON format: an extension keeps the type
// that YAML gives it, the attributes of the specification are all text.
func (l *loader) inline(t *Test, i int, n *node) {
	if n.broken() {
		return
	}
	if n.kind != routing.Map {
		l.add(n, "expected a map of attributes, got %s", got(n, stringsType))
		return
	}
	text := []byte("{")
	for _, d := range [][2]string{{"specversion", envelope.SpecVersion}, {"id", fmt.Sprintf("test-%d", i+1)}, {"source", "/test"}} {
		if n.get(d[0]) == nil {
			text = fmt.Appendf(text, "%q:%q,", d[0], d[1])
		}
	}
	for _, f := range n.fields {
		text = append(quoted(text, f.key), ':')
		if f.value.kind == routing.Scalar && slices.Contains(textAttributes, f.key) {
			text = quoted(text, f.value.value)
		} else {
			text = appendJSON(text, f.value)
		}
		text = append(text, ',')
	}
	text[len(text)-1] = '}'
	e := new(envelope.Event)
	if err := envelope.ParseJSON(e, text, envelope.Options{}); err != nil {
		at := n
		if a := new(envelope.AttributeError); errors.As(err, &a) {
			at, _ = n.nearest(a.Attribute)
		}
		l.add(at, "%s", n.scrub(err.Error()))
		return
	}
	t.Samples = []Sample{{Event: e}}
}

// textAttributes are the attributes whose values are text, however they look.
var textAttributes = []string{
	"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data_base64",
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// appendJSON writes a YAML value as JSON. What stood in quotes or came from a variable is a string.
func appendJSON(dst []byte, n *node) []byte {
	switch n.kind {
	case routing.Map:
		dst = append(dst, '{')
		for i, f := range n.fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(append(quoted(dst, f.key), ':'), f.value)
		}
		return append(dst, '}')
	case routing.List:
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, item)
		}
		return append(dst, ']')
	case routing.Null:
		return append(dst, "null"...)
	}
	plain := !n.quoted && len(n.replaced) == 0
	switch {
	case plain && n.tag == "!!bool":
		return append(dst, strings.ToLower(n.value)...)
	case plain && (n.tag == "!!int" || n.tag == "!!float") && jsonNumber.MatchString(n.value):
		return append(dst, n.value...)
	}
	return quoted(dst, n.value)
}

// quoted appends a JSON string; what is not UTF-8, which only a variable can bring in, is replaced.
func quoted(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\uFFFD"))
	return dst
}

// eventFiles are the names of files with events, by their ends.
var eventFiles = []string{".json", ".jsonl", ".ndjson"}

// readEvents reads the events of a file, or of every file in a folder.
func (l *loader) readEvents(t *Test, n *node) {
	path := t.Events
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(n.pos.File), path)
	}
	files := []string{path}
	if entries, err := l.env.ReadDir(path); err == nil {
		files = nil
		for _, e := range entries {
			if !e.IsDir() && slices.Contains(eventFiles, filepath.Ext(e.Name())) {
				files = append(files, filepath.Join(path, e.Name()))
			}
		}
		if files == nil {
			l.missing(n, "the folder %s holds no %s", n.quote(), strings.Join(eventFiles, ", "))
		}
	}
	for _, file := range files {
		text, err := l.env.ReadFile(file)
		switch {
		case err != nil:
			l.missing(n, "file %s: %v", n.quote(), cause(err))
		case len(text) > maxFile:
			l.add(n, "the file %s is larger than %d MiB", n.quote(), maxFile>>20)
		default:
			l.eventFile(t, n, file, text)
		}
	}
}

// eventFile reads the events of one file: one per line, a batch, or one alone.
func (l *loader) eventFile(t *Test, n *node, file string, text []byte) {
	name := filepath.Base(file)
	bad := func(line int, err error) {
		l.at(routing.Pos{File: n.scrub(file), Line: line, Column: 1}, n.path(), "%v", err)
	}
	if ext := filepath.Ext(file); ext == ".jsonl" || ext == ".ndjson" {
		line := 0
		for one := range bytes.Lines(text) {
			if line++; len(bytes.TrimSpace(one)) == 0 {
				continue
			}
			e := new(envelope.Event)
			if err := envelope.ParseJSON(e, bytes.TrimSpace(one), envelope.Options{}); err != nil {
				bad(line, err)
				continue
			}
			t.Samples = append(t.Samples, Sample{Name: fmt.Sprintf("%s:%d", name, line), Event: e})
		}
		return
	}
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '[' {
		var events []*envelope.Event
		err := envelope.ParseJSONBatch(trimmed, envelope.Options{}, func() *envelope.Event {
			events = append(events, new(envelope.Event))
			return events[len(events)-1]
		})
		if err != nil {
			bad(1, err)
			return
		}
		for i, e := range events {
			t.Samples = append(t.Samples, Sample{Name: fmt.Sprintf("%s[%d]", name, i), Event: e})
		}
		return
	}
	e := new(envelope.Event)
	if err := envelope.ParseJSON(e, bytes.TrimSpace(text), envelope.Options{}); err != nil {
		bad(1, err)
		return
	}
	t.Samples = append(t.Samples, Sample{Name: name, Event: e})
}
