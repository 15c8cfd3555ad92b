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

// declare puts those of the inherited declarations into an element's start tag whose prefix occurs in the element's
// text, and the default namespace always.
func declare(raw, inherited []byte) []byte {
	var used []byte
	for d := range bytes.SplitSeq(inherited, []byte{separator}) {
		name, _, _ := bytes.Cut(d, []byte("="))
		_, prefix, prefixed := bytes.Cut(name, []byte(":"))
		if len(d) > 0 && (!prefixed || bytes.Contains(raw, append(bytes.Clone(prefix), ':'))) {
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
