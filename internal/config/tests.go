package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/sample"
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
		l.expectations(c, t, at)
		l.samples(t, i, at)
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
	number := (n.tag == "!!int" || n.tag == "!!float") && jsonNumber.MatchString(n.value)
	if plain && (n.tag == "!!bool" || number) {
		return append(dst, n.value...)
	}
	return quoted(dst, n.value)
}

// quoted appends a JSON string; what is not UTF-8, which only a variable can bring in, is replaced.
func quoted(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\uFFFD"))
	return dst
}

// readEvents reads the events of a file, or of every file in a folder.
func (l *loader) readEvents(t *Test, n *node) {
	path := t.Events
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(n.pos.File), path)
	}
	files := sample.Files(path, l.env.ReadDir)
	if files == nil {
		l.missing(n, "the folder %s holds no %s", n.quote(), list(sample.Extensions()))
	}
	found := len(l.problems)
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
	if files != nil && len(t.Samples) == 0 && len(l.problems) == found {
		l.add(n, "there is no event in %s, so that the test would test nothing", n.quote())
	}
}

// eventFile reads the events of one file.
func (l *loader) eventFile(t *Test, n *node, file string, text []byte) {
	events, err := sample.ReadFile(file, text, envelope.Options{})
	for _, bad := range sample.LineErrors(err) {
		l.at(routing.Pos{File: n.scrub(file), Line: bad.Line, Column: 1}, n.path(), "%v", bad.Err)
	}
	for _, e := range events {
		t.Samples = append(t.Samples, Sample{Name: e.Where, Event: e.Event})
	}
}
