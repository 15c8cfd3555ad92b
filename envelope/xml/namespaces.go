package xml

import (
	"bytes"
	stdxml "encoding/xml"
	"slices"
)

// inherit returns the declarations that the element would lose outside its document, as the text of attributes, one
// space before each. All that are in scope count and are not made again by the element itself: which of them it uses can
// also hang on names in its text.
func (t *tokens) inherit(e *stdxml.StartElement, outside []declaration) []byte {
	seen := map[string]bool{}
	for _, a := range e.Attr {
		switch {
		case a.Name.Space == "xmlns":
			seen[a.Name.Local] = true
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			seen[""] = true
		}
	}
	var text []byte
	for _, d := range slices.Backward(outside) {
		if seen[d.prefix] {
			continue
		}
		seen[d.prefix] = true
		if d.prefix == "" && d.uri == "" {
			continue
		}
		text = append(text, separator)
		text = append(text, "xmlns"...)
		if d.prefix != "" {
			text = append(append(text, ':'), d.prefix...)
		}
		text = append(text, '=', '"')
		text = append(appendEscaped(text, d.uri), '"')
	}
	return text
}

// separator stands before each declaration that inherit returns. It is a character no XML document has, so that the
// list can be cut at it.
const separator = 0

// usedPrefixes returns everything in a text that may be a prefix: the name before each colon. No name begins with a
// digit, a point or a hyphen, which a text may have before one.
func usedPrefixes(text []byte) map[string]bool {
	used := map[string]bool{}
	for rest := text; ; {
		before, after, found := bytes.Cut(rest, []byte(":"))
		if !found {
			return used
		}
		name := before[bytes.LastIndexFunc(before, func(r rune) bool { return !nameCharacter(r) })+1:]
		used[string(bytes.TrimLeft(name, "0123456789.-"))] = true
		rest = after
	}
}

// nameCharacter reports whether a character may stand in a name; all beyond ASCII count.
func nameCharacter(r rune) bool {
	return r >= 0x80 || r == '_' || r == '-' || r == '.' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
}

// declare puts those of the inherited declarations into an element's start tag whose prefix occurs in the element's
// text, and the default namespace always.
func declare(raw, inherited []byte) []byte {
	var used []byte
	prefixes := usedPrefixes(raw)
	for d := range bytes.SplitSeq(inherited, []byte{separator}) {
		name, _, _ := bytes.Cut(d, []byte("="))
		_, prefix, prefixed := bytes.Cut(name, []byte(":"))
		if len(d) > 0 && (!prefixed || prefixes[string(prefix)]) {
			used = append(append(used, ' '), d...)
		}
	}
	if used == nil {
		return raw
	}
	// The name ends at the first white space, slash or bracket.
	at := 1 + bytes.IndexAny(raw[1:], " \t\r\n/>")
	out := make([]byte, 0, len(raw)+len(used))
	out = append(append(out, raw[:at]...), used...)
	return append(out, raw[at:]...)
}
