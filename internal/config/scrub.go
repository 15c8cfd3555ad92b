package config

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/eventrouter/router/routing"
)

// shortValue is up to which length a replaced value is taken out of messages only where it stands as a word of its
// own, because it would be found everywhere. Parts of values that are as short are not looked for at all.
const shortValue = 3

// maxScrubbed is how much of a message is searched for parts of values. What is longer is shortened before, because it
// would be shortened after.
const maxScrubbed = 3000

// ellipsis is what stands for a text that is left out.
const ellipsis = "…"

// scrubber takes out of messages what variables stood for. It is made once for all messages about a part of the file.
type scrubber struct {
	whole *strings.Replacer // values of which every occurrence is replaced
	short []replacement
	// shown are the values with what stands for them, the longest first.
	shown []replacement
	// values and written are all that variables stood for and all that stands in the file, folded; words are those of the
	// values.
	values, written string
	words           map[string]bool
}

// scrub takes out of a message what variables at or below n stood for, and puts what was written in its place.
func (n *node) scrub(message string) string { return n.scrubber().scrub(message, false) }

// scrubber returns what scrubs messages about n, nil if no variable stands at or below it. More says what else of a value
// may stand alone.
func (n *node) scrubber(more ...func(replacement) []replacement) *scrubber {
	var all []replacement
	n.each(func(m *node) { all = append(all, m.replaced...) })
	if len(all) == 0 {
		return nil
	}
	for _, r := range slices.Clip(all) {
		for _, parts := range more {
			all = append(all, parts(r)...)
		}
	}
	s, oldnew := new(scrubber), []string(nil)
	var values, written strings.Builder
	for _, r := range pairs(all) {
		for _, v := range forms(r.value) {
			values.WriteString(fold(v) + "\x00")
			switch r := (replacement{written: routing.Clip(r.written), value: v}); {
			case len(v) > shortValue:
				s.shown = append(s.shown, r)
				oldnew = append(oldnew, v, r.written)
			case v != "":
				s.short = append(s.short, r)
			}
		}
	}
	n.each(func(m *node) {
		for _, text := range append(forms(m.key), forms(m.text)...) {
			written.WriteString(fold(text) + "\x00")
		}
	})
	s.whole, s.values, s.written = strings.NewReplacer(oldnew...), values.String(), written.String()
	s.words = map[string]bool{}
	for _, word := range wordRuns.FindAllString(s.values, -1) {
		s.words[word] = true
	}
	return s
}

// pairs returns each value once, the longest first, and the parts of values that are shown by themselves.
func pairs(all []replacement) []replacement {
	var list []replacement
	seen := map[string]bool{}
	for _, r := range all {
		if seen[r.value] {
			continue
		}
		seen[r.value] = true
		list = append(list, r)
		for _, part := range credentials(r.value) {
			list = append(list, replacement{written: ellipsis, value: part})
		}
	}
	slices.SortStableFunc(list, func(a, b replacement) int { return cmp.Compare(len(b.value), len(a.value)) })
	return list
}

// forms returns how messages show a text: as it is within quotes, and as it is.
func forms(s string) []string {
	quoted := strconv.Quote(s)
	if quoted = quoted[1 : len(quoted)-1]; quoted == s {
		return []string{s}
	}
	return []string{quoted, s}
}

// fold returns a text in the form in which parts of texts are compared: expressions have their names in lower case, and
// JSON has U+FFFD for what is no UTF-8.
func fold(s string) string { return strings.ToLower(strings.ToValidUTF8(s, "\uFFFD")) }

// scrub returns a message without what variables stood for: whole values first, then parts of them. Everywhere says that
// it shows such parts without marks around them, as messages about conditions do.
func (s *scrubber) scrub(message string, everywhere bool) string {
	if s == nil {
		return message
	}
	message = routing.ClipMiddle(s.whole.Replace(message), maxScrubbed)
	message = cut(message, append(s.clipped(message), s.marked(message, everywhere)...))
	for _, r := range s.short {
		word := regexp.MustCompile(`(^|[^\pL\pN])` + regexp.QuoteMeta(r.value) + `($|[^\pL\pN])`)
		message = word.ReplaceAllString(message, "${1}"+strings.ReplaceAll(r.written, "$", "$$")+"${2}")
	}
	return message
}

// hides reports whether a text is part of a value and of nothing that stands in the file. Quoted says that a message has
// it in quotes.
func (s *scrubber) hides(text string, quoted bool) bool {
	text = fold(text)
	return len(text) > shortValue && !public(text, quoted) && strings.Contains(s.values, text) && !strings.Contains(s.written, text)
}

// credentials returns the parts of a URL's user information: net/url quotes a URL that it cannot parse in pieces.
func credentials(value string) []string {
	_, rest, ok := strings.Cut(value, "://")
	end := strings.LastIndexByte(rest, '@')
	if !ok || end < 0 {
		return nil
	}
	return append(strings.FieldsFunc(rest[:end], func(r rune) bool { return strings.ContainsRune(":/?#@", r) }), rest[:end])
}
