package cesql

import (
	"strings"
	"unicode/utf8"
)

// pattern is a compiled LIKE pattern: literal runs between wildcards.
type pattern []patternPart

// patternPart is a literal run, or a wildcard if it has none.
type patternPart struct {
	literal string
	many    bool // %, else _
}

// compilePattern reads a pattern (§3.4.3). Only \% and \_ are escapes; every other backslash stands for itself.
func compilePattern(s string) pattern {
	var p pattern
	var run strings.Builder
	flush := func() {
		if run.Len() > 0 {
			p = append(p, patternPart{literal: run.String()})
			run.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '%' || s[i+1] == '_'):
			i++
			run.WriteByte(s[i])
		case c == '%':
			flush()
			if len(p) == 0 || !p[len(p)-1].many {
				p = append(p, patternPart{many: true})
			}
		case c == '_':
			flush()
			p = append(p, patternPart{})
		default:
			run.WriteByte(c)
		}
	}
	flush()
	return p
}

// match tells whether the whole of s matches. It needs no stack: after a mismatch it goes on behind the last %, which
// is always enough, because an earlier % could only have taken what the last one can take too. Steps are taken from
// the budget; a match that runs out of it is false and leaves a negative budget.
func (p pattern) match(s string, budget *int) bool {
	part, pos := 0, 0
	star, starPos := -1, 0
	for part < len(p) || pos < len(s) {
		if *budget--; *budget < 0 {
			return false
		}
		if part < len(p) {
			if p[part].many {
				star, starPos = part, pos
				part++
				continue
			}
			if n, ok := p[part].take(s[pos:]); ok {
				*budget -= n / 8
				part, pos = part+1, pos+n
				continue
			}
		}
		if star < 0 {
			return false
		}
		if star == len(p)-1 {
			return true
		}
		next, ok := p[star+1].seek(s, starPos)
		if !ok {
			return false
		}
		*budget -= (next - starPos) / 8
		part, pos, starPos = star+1, next, next
	}
	return true
}

// take matches one literal run or one code point at the start of s and returns its length.
func (p patternPart) take(s string) (int, bool) {
	if p.literal != "" {
		return len(p.literal), strings.HasPrefix(s, p.literal)
	}
	_, n := utf8.DecodeRuneInString(s)
	return n, n > 0
}

// seek returns the next place behind from where the part can begin, after a try at from failed.
func (p patternPart) seek(s string, from int) (int, bool) {
	_, n := utf8.DecodeRuneInString(s[from:])
	if n == 0 {
		return 0, false
	}
	from += n
	if p.literal == "" {
		return from, true
	}
	i := strings.Index(s[from:], p.literal)
	return from + i, i >= 0
}

// fixed returns the literal runs that every match begins and ends with, and whether the pattern is nothing but one.
func (p pattern) fixed() (prefix, suffix string, exact bool) {
	switch len(p) {
	case 0:
		return "", "", true
	case 1:
		return p[0].literal, p[0].literal, p[0].literal != ""
	}
	return p[0].literal, p[len(p)-1].literal, false
}

// inner returns the literal runs that every match has between those of fixed.
func (p pattern) inner() (literals []string) {
	for i := 1; i < len(p)-1; i++ {
		if p[i].literal != "" {
			literals = append(literals, p[i].literal)
		}
	}
	return literals
}
