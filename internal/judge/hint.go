package judge

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/phrase"
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
	if f == nil || f.Holds || f.Negated {
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
		return p.wildcards(func(m routing.Value) bool { return is(f.Value, asks("hint", m)) })
	}
	return fmt.Sprintf("%s is %q; it %s", f.Attribute, f.Value, differs)
}

// wildcards looks for a text of the predicate that was meant as a pattern: one that holds when it is read as such.
func (p *hinted) wildcards(holds func(routing.Value) bool) string {
	all := textsOf(p.matcher)
	for _, word := range slices.Sorted(maps.Keys(all)) {
		for _, text := range all[word] {
			matcher, meant := routing.Lookalike(word, text, p.data)
			if matcher == "" {
				continue
			}
			v := routing.Value{Kind: routing.Scalar, Scalar: meant, Quoted: matcher != "exists"}
			if v.Quoted {
				meant = strconv.Quote(phrase.Shorten(meant, 40))
			}
			if holds(routing.Value{Kind: routing.Map, Fields: []routing.Field{{Key: matcher, Value: v}}}) {
				return fmt.Sprintf("%q is compared as it stands; write { %s: %s }", phrase.Shorten(text, 40), matcher, meant)
			}
		}
	}
	return ""
}

// textsOf returns the texts of a matcher by the word that they belong to, which is empty for whole values.
func textsOf(n *yaml.Node) map[string][]string {
	texts := map[string][]string{}
	add := func(word string, n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			texts[word] = append(texts[word], n.Value)
		}
		for _, item := range n.Content {
			if n.Kind == yaml.SequenceNode && item.Kind == yaml.ScalarNode {
				texts[word] = append(texts[word], item.Value)
			}
		}
	}
	if n.Kind != yaml.MappingNode {
		add("", n)
		return texts
	}
	for i := 0; i < len(n.Content); i += 2 {
		add(n.Content[i].Value, n.Content[i+1])
	}
	return texts
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
	if text := p.matcher.Value; strings.Contains(text, "*") {
		if v := (routing.Value{Kind: routing.Scalar, Scalar: strings.ReplaceAll(text, "*", "%")}); asks("cesql", v)(e) {
			return "the expression would hold if its stars were %, which is what LIKE has for any run of characters"
		}
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
