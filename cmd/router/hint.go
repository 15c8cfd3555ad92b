package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// hinter guesses why predicates that failed were not meant to. It remembers how it read them: many events may fail for
// the same ones.
type hinter struct{ read map[string]*hinted }

// hinted is a predicate, and what it asks of a value: as it was written, and blind for case.
type hinted struct {
	predicate
	ok              bool
	written, folded func(*envelope.Event) bool
}

// predicate reads what was printed of a predicate.
func (h *hinter) predicate(text string) *hinted {
	p := h.read[text]
	if p == nil {
		p = new(hinted)
		if p.predicate, p.ok = parsePredicate(text); p.ok {
			key, blind := "hint", lower
			if p.name == "cesql" && !p.data {
				key, blind = "cesql", func(_, text string) string { return strings.ToLower(text) }
			}
			p.written, p.folded = asks(key, value(p.matcher, "", asWritten)), asks(key, value(p.matcher, "", blind))
		}
		if h.read == nil {
			h.read = map[string]*hinted{}
		}
		h.read[text] = p
	}
	return p
}

// of returns a guess, empty where there is no idea: a value that is almost right, an attribute or a JSON path that is
// written differently.
func (h *hinter) of(f *routing.Finding, e *envelope.Event) string {
	if f == nil || f.Holds {
		return ""
	}
	path, data := strings.CutPrefix(f.Attribute, "data.")
	switch {
	case f.Attribute == "":
		return h.expression(f, e)
	case f.Present:
		return h.value(f)
	case data:
		return hintPath(path, e)
	}
	return hintAttribute(f.Attribute, e)
}

// lower is what makes a matcher blind for case.
func lower(word, text string) string {
	if word == "regex" {
		return "(?i)" + text
	}
	return strings.ToLower(text)
}

// value tries the matcher on values that look like the one it refused.
func (h *hinter) value(f *routing.Finding) string {
	p := h.predicate(f.Predicate)
	if !p.ok {
		return ""
	}
	is := func(text string, asked func(*envelope.Event) bool) bool {
		e := &envelope.Event{ID: "1", Source: "/", Type: "t"}
		e.Set("hint", text, envelope.KindString)
		return asked(e)
	}
	var differs string
	switch {
	case is(strings.ToLower(f.Value), p.folded):
		differs = "differs only in case"
	case is(strings.TrimSpace(f.Value), p.written):
		differs = "differs only in white space around it"
	case is(strings.TrimRight(f.Value, "/"), p.written) || is(f.Value+"/", p.written):
		differs = "differs only in a slash at the end"
	default:
		return ""
	}
	return fmt.Sprintf("%s is %q; it %s", f.Attribute, f.Value, differs)
}

// expression looks for the attribute that a CESQL expression failed for, or says that it would hold if case did not
// matter.
func (h *hinter) expression(f *routing.Finding, e *envelope.Event) string {
	p := h.predicate(f.Predicate)
	if !p.ok || p.name != "cesql" {
		return ""
	}
	if _, rest, missing := strings.Cut(f.Note, "no attribute "); missing {
		name, _, _ := strings.Cut(rest, " ")
		return hintAttribute(strings.TrimRight(name, ",;."), e)
	}
	folded := e.Clone()
	e.Attributes(func(name, text string) bool {
		if _, core := envelope.CoreKind(name); !core || name == "type" || name == "subject" || name == "source" {
			folded.Set(name, strings.ToLower(text), envelope.KindString)
		}
		return true
	})
	if p.folded(folded) {
		return "the expression would hold if case did not matter; compare it with the values of the event"
	}
	return ""
}

// hintAttribute looks for what the event has instead of an attribute.
func hintAttribute(name string, e *envelope.Event) string {
	var has []string
	e.Attributes(func(name, _ string) bool {
		has = append(has, name)
		return true
	})
	if s := routing.Suggest(name, has); s != "" {
		text, _ := e.Get(s)
		return fmt.Sprintf("did you mean %s? The event has %s, which is %q", s, s, text)
	}
	if _, kind := lookup(name, e); kind != envelope.PathMissing {
		return fmt.Sprintf("%s is in the payload: write data: { %s: … }", name, name)
	}
	return ""
}

// hintPath says how far a JSON path leads, and what is there instead.
func hintPath(path string, e *envelope.Event) string {
	if text, ok := e.Get(path); ok && path != "data" {
		return fmt.Sprintf("%s is an attribute, which is %q: write it outside data", path, text)
	}
	if e.Data == nil {
		return ""
	}
	if !json.Valid(e.Data) {
		return "the payload is not JSON; its content type is " + quoteOr(e.DataContentType, "not stated")
	}
	there, rest := "", path
	text, kind := envelope.String(e.Data), kindOfJSON(e.Data)
	for i, c := range path {
		if i == 0 || c != '.' && c != '[' {
			continue
		}
		t, k := lookup(path[:i], e)
		if k == envelope.PathMissing {
			break
		}
		there, rest, text, kind = "."+path[:i], strings.TrimPrefix(path[i:], "."), t, k
	}
	return hintMember("data"+there, rest, text, kind)
}

// hintMember says what is at a place that the rest of a path does not lead on from.
func hintMember(place, rest, text string, kind envelope.PathKind) string {
	switch kind {
	case envelope.PathArray:
		if !strings.HasPrefix(rest, "[") {
			return fmt.Sprintf("%s is an array: write %s[0].%s", place, strings.TrimPrefix(place, "data."), rest)
		}
		return place + " is an array with fewer elements"
	case envelope.PathObject:
	default:
		return fmt.Sprintf("%s is %s and has nothing below it", place, printable(shorten(text, 40)))
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil || len(members) == 0 {
		return place + " is an empty object"
	}
	all := slices.Sorted(maps.Keys(members))
	for i := range all {
		all[i] = printable(shorten(all[i], 40))
	}
	step := rest
	if i := strings.IndexAny(rest, ".["); i > 0 {
		step = rest[:i]
	}
	if s := routing.Suggest(step, all); s != "" {
		return fmt.Sprintf("%s has no %s; did you mean %s?", place, step, s)
	}
	const most = 8
	if len(all) > most {
		all = append(all[:most], "…")
	}
	return fmt.Sprintf("%s has no %s; it has %s", place, step, strings.Join(all, ", "))
}

func lookup(path string, e *envelope.Event) (text string, kind envelope.PathKind) {
	p, err := envelope.ParsePath(path)
	if err != nil || e.Data == nil {
		return "", envelope.PathMissing
	}
	return p.Lookup(e.Data)
}

// kindOfJSON tells an object or an array at the root of a JSON document from everything else.
func kindOfJSON(data []byte) envelope.PathKind {
	switch data = bytes.TrimSpace(data); data[0] {
	case '{':
		return envelope.PathObject
	case '[':
		return envelope.PathArray
	}
	return envelope.PathString
}

func quoteOr(text, empty string) string {
	if text == "" {
		return empty
	}
	return fmt.Sprintf("%q", text)
}

// printable quotes a text that a terminal would not print as it is: payloads come from strangers.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
