package cesql

import (
	"strings"
	"unicode/utf8"
)

// tokenKind is what a token is.
type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokWord
	tokInteger // digits only; the parser gives them their sign
	tokString
	tokSymbol
	tokKeyword
)

// token is a piece of the source. Text is the source's own text, except that keywords are in upper case.
type token struct {
	kind tokenKind
	pos  int
	text string
}

// end returns the offset behind the token.
func (t token) end() int { return t.pos + len(t.text) }

// is tells whether the token is that symbol or keyword.
func (t token) is(text string) bool {
	return (t.kind == tokSymbol || t.kind == tokKeyword) && t.text == text
}

// describe names the token for an error message, cut so that a message stays one line.
func (t token) describe() string {
	if t.kind == tokEnd {
		return "the end"
	}
	text := t.text
	if cut := 40; len(text) > cut {
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	if t.kind == tokString {
		return "the string " + text
	}
	return "`" + text + "`"
}

// lex returns the token at or after offset pos.
func lex(src string, pos int) (token, *Error) {
	for pos < len(src) && strings.IndexByte(" \t\r\n", src[pos]) >= 0 {
		pos++
	}
	if pos == len(src) {
		return token{kind: tokEnd, pos: pos}, nil
	}
	switch c := src[pos]; {
	case c == '\'' || c == '"':
		return lexString(src, pos)
	case isWordByte(c) && c != '_':
		return lexWord(src, pos), nil
	case strings.IndexByte("()*/%+-,=<>!", c) >= 0:
		return lexSymbol(src, pos)
	}
	r, _ := utf8.DecodeRuneInString(src[pos:])
	hint := map[rune]string{'&': "; write AND", '|': "; write OR", '.': "; an expression has attributes, and cannot look into the payload"}[r]
	return token{}, parseError(pos, "unexpected character `"+string(r)+"`"+hint)
}

// lexWord reads a keyword, an integer or a name.
func lexWord(src string, pos int) token {
	end, digits := pos, true
	for end < len(src) && isWordByte(src[end]) {
		digits = digits && src[end] >= '0' && src[end] <= '9'
		end++
	}
	t := token{kind: tokWord, pos: pos, text: src[pos:end]}
	if digits {
		t.kind = tokInteger
		return t
	}
	for _, k := range [...]string{"AND", "OR", "XOR", "NOT", "LIKE", "EXISTS", "IN", "TRUE", "FALSE"} {
		if foldsTo(t.text, k) {
			t.kind, t.text = tokKeyword, k
		}
	}
	return t
}

// lexSymbol reads an operator or a punctuation mark, the longest that fits.
func lexSymbol(src string, pos int) (token, *Error) {
	if pos+1 < len(src) {
		switch src[pos : pos+2] {
		case "!=", "<>", "<=", ">=":
			return token{kind: tokSymbol, pos: pos, text: src[pos : pos+2]}, nil
		case "==":
			return token{}, parseError(pos, "unexpected `==`; write = for equal")
		}
	}
	if src[pos] == '!' {
		return token{}, parseError(pos, "unexpected character `!`; write != for unequal and NOT for negation")
	}
	return token{kind: tokSymbol, pos: pos, text: src[pos : pos+1]}, nil
}

// lexString reads a string literal with its delimiters.
func lexString(src string, pos int) (token, *Error) {
	delim := src[pos]
	for i := pos + 1; i < len(src); i++ {
		switch {
		case src[i] == '\\':
			i++
		case src[i] == delim && i+1 < len(src) && src[i+1] == delim:
			i++
		case src[i] == delim:
			return token{kind: tokString, pos: pos, text: src[pos : i+1]}, nil
		}
	}
	return token{}, parseError(pos, "the string that begins here has no closing "+string(delim))
}

// unquote returns the value of a string literal, and whether it used a doubled delimiter.
func unquote(raw string) (value string, doubled bool) {
	delim, body := raw[0], raw[1:len(raw)-1]
	if strings.IndexByte(body, delim) < 0 {
		return body, false
	}
	var b strings.Builder
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '\\' && i+1 < len(body):
			if i++; body[i] != delim {
				b.WriteByte(c)
			}
		case c == delim:
			doubled = true
			i++
		}
		b.WriteByte(body[i])
	}
	return b.String(), doubled
}

// isWordByte tells whether c can stand in a name. The underscore is for functions only.
func isWordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// parseError makes an error of kind ParseError.
func parseError(pos int, message string) *Error {
	return &Error{Kind: ParseError, Offset: pos, Message: message}
}
