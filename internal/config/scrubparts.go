package config

import (
	"cmp"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// public reports whether a word is one that messages hold, whatever the values are: {type} is part of many a hint. What
// stands in quotes is rarely a hint.
func public(word string, quoted bool) bool {
	return slices.Contains(textAttributes, word) || word == "acme" || !quoted && slices.Contains(messageWords, word)
}

// messageWords are what messages about conditions consist of, besides the attributes of the specification.
var messageWords = strings.Fields(`
	above absent accepts after alone alternative applies apart argument arguments asks attribute attributes backslashes before
	begins behind belongs below between boolean both bytes call called cannot carrier cesql character characters choice closing
	compared compares condition conditions contains contradict data deep deeper depends dialect dialects digits directly
	does doubled each either element else empty ends envelope equal equals equals_ignore_case error errors evaluation event events
	every exact exists expression expressions extension fails false filter filters first from function functions give glob group
	have here holds implementations instead integer into invalid itself json keys least leave left length letters levels like limit
	list literal longer look lower many matcher matchers matches mean meant member missing more most must name names needs neither
	nested never none nothing number numbers numeric once only operand operator other outside over parentheses parsing pattern
	payload position precedence prefix quote quotes range read regex regular repetition result right route routes rules satisfy
	shorten shorter should side sides sign skip some something stand stands star stops string subject such suffix take takes text
	texts than that their them there they this tighter time topic total tried trim true under unexpected upper valid value values
	want what when where whether which whole whose wild wildcards with within without word words would write written yield yields`)

// span is a part of a message with what stands in its place.
type span struct {
	from, to int
	instead  string
}

// clipped finds what a message shows of values that were shortened: what stands before an ellipsis, and what behind it.
func (s *scrubber) clipped(message string) []span {
	var found []span
	covered := 0 // up to where the message is taken out already: a value may hold ellipses itself
	for at := range message {
		if at < covered || !strings.HasPrefix(message[at:], ellipsis) {
			continue
		}
		before, behind := message[:at], message[at+len(ellipsis):]
		if part := s.longest(ends(before)); s.hides(part, true) {
			found = append(found, span{at - len(part), at, s.begun(part)})
		}
		if part := s.longest(begins(behind)); s.hides(part, true) {
			covered = at + len(ellipsis) + len(part)
			found = append(found, span{at + len(ellipsis), covered, ""})
		}
	}
	return found
}

// longest returns the longest part of a value among n texts, each of which holds the one before.
func (s *scrubber) longest(n int, text func(int) string) string {
	first := sort.Search(n, func(i int) bool { return !strings.Contains(s.values, fold(text(i))) })
	if first == 0 {
		return ""
	}
	return text(first - 1)
}

// ends returns what a text ends with, one character more each time.
func ends(text string) (n int, end func(int) string) {
	starts := runeStarts(text)
	return len(starts), func(i int) string { return text[starts[len(starts)-1-i]:] }
}

// begins returns what a text begins with, one character more each time.
func begins(text string) (n int, begin func(int) string) {
	stops := append(runeStarts(text), len(text))[1:]
	return len(stops), func(i int) string { return text[:stops[i]] }
}

// runeStarts returns where the characters of a text begin.
func runeStarts(text string) []int {
	var all []int
	for i := range text {
		all = append(all, i)
	}
	return all
}

// begun returns what was written for the value that a text is the beginning of.
func (s *scrubber) begun(text string) string {
	for _, r := range s.shown {
		if len(r.value) >= len(text) && strings.EqualFold(r.value[:len(text)], text) {
			return r.written
		}
	}
	return ""
}

// marks are what parsers put around a piece of their source. Between an ellipsis and one of them stands a piece, too.
const marks = "\"`'{}" + ellipsis

// marked finds the parts of values that stand between marks: a parser names the piece of its source that is wrong, and a
// hint repeats pieces of it.
func (s *scrubber) marked(message string, everywhere bool) []span {
	var found []span
	from, inner := 0, marker{}
	for at, r := range message {
		if strings.ContainsRune(marks, r) {
			found = append(found, s.piece(message[from:at], from, inner, everywhere)...)
			from = at + utf8.RuneLen(r)
		}
		inner.next(r)
	}
	return append(found, s.piece(message[from:], from, inner, everywhere)...)
}

// piece finds the parts of values in a piece of a message, which begins at from: all of it, or the words of it. Outside
// of marks only whole words of values count, since there the message itself speaks.
func (s *scrubber) piece(piece string, from int, in marker, everywhere bool) []span {
	const between = " :,;.()"
	end := from + len(piece)
	text := strings.TrimLeft(piece, between)
	from = end - len(text)
	if text = strings.TrimRight(text, between); s.hides(text, in.quote != 0) {
		return []span{{from, from + len(text), ellipsis}}
	}
	var found []span
	for _, at := range wordRuns.FindAllStringIndex(text, -1) {
		word := text[at[0]:at[1]]
		if (in.inside() || everywhere && s.words[fold(word)]) && s.hides(word, in.quote != 0) {
			found = append(found, span{from + at[0], from + at[1], ellipsis})
		}
	}
	return found
}

var wordRuns = regexp.MustCompile(`[\pL\pN]+`)

// marker tells what is within marks from what is between two pairs of them.
type marker struct {
	quote, last rune // the quote that is open, and the character before
	braces      int
}

func (m *marker) inside() bool { return m.quote != 0 || m.braces > 0 }

func (m *marker) next(r rune) {
	switch {
	case m.last == '\\' && m.quote == '"':
		r = 0 // it is escaped, and escapes nothing itself
	case r == m.quote:
		m.quote = 0
	case m.quote != 0:
	case r == '"', r == '`', r == '\'' && !unicode.IsLetter(m.last):
		m.quote = r
	case r == '{':
		m.braces++
	case r == '}':
		m.braces = max(0, m.braces-1)
	}
	m.last = r
}

// ellipses are several in a row, with nothing but what joins words between them.
var ellipses = regexp.MustCompile(ellipsis + `([-._/]?` + ellipsis + `)+`)

// cut replaces spans, of which some may overlap; of two that begin at the same place the longer one counts.
func cut(message string, spans []span) string {
	if len(spans) == 0 {
		return message
	}
	slices.SortStableFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	var b strings.Builder
	at := 0
	for _, s := range spans {
		if s.to <= at {
			continue
		}
		b.WriteString(message[at:max(at, s.from)] + s.instead)
		at = s.to
	}
	return ellipses.ReplaceAllString(b.String()+message[at:], ellipsis)
}
