package config

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/eventrouter/router/routing"
)

// unreadable records the first character that no YAML file may hold. The parser refuses it too, but knows no place.
func (r *reader) unreadable(text []byte) bool {
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		return false // the mark of UTF-16, which the parser reads
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	pos := routing.Pos{File: r.file, Line: 1, Column: 1}
	for len(text) > 0 {
		c, size := utf8.DecodeRune(text)
		switch {
		case c == utf8.RuneError && size == 1:
			r.at(pos, "", "not valid YAML: what stands here is not UTF-8; save the file with the encoding UTF-8")
			return true
		case c == 0:
			r.at(pos, "", "not valid YAML: a NUL character stands here; remove it, or save the file with the encoding UTF-8")
			return true
		case !printable(c):
			r.at(pos, "", "not valid YAML: the control character U+%04X stands here; remove it, or write %s in a text in "+
				"double quotes", c, escaped(c))
			return true
		}
		text = text[size:]
		if pos.Column++; c == '\n' {
			pos.Line, pos.Column = pos.Line+1, 1
		}
	}
	return false
}

// printable reports whether YAML allows a character.
func printable(c rune) bool {
	switch {
	case c == '\t', c == '\n', c == '\r', c == 0x85:
		return true
	case c < 0x20, c >= 0x7f && c < 0xa0, c == 0xfffe, c == 0xffff:
		return false
	}
	return true
}

// escaped is how a text in double quotes holds a character that cannot stand in it.
func escaped(c rune) string {
	if c <= 0xff {
		return fmt.Sprintf("\\x%02X", c)
	}
	return fmt.Sprintf("\\u%04X", c)
}
