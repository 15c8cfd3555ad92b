package routing

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// The limits that keep one pattern's cost per event small, whatever somebody writes into a rule.
const (
	maxPattern = 1024
	// maxProgram bounds the steps a regular expression may take per byte of a value.
	maxProgram = 2000
	// maxText bounds every other text of a rule: no attribute of an event that any transport carries is longer.
	maxText = 64 << 10
)

// glob is a pattern of literal parts between stars. A part may contain question marks.
type glob struct {
	source string
	parts  []string
}

func newGlob(source string) *glob {
	g := &glob{source: source}
	for i, part := range strings.Split(source, "*") {
		// Neighbouring stars mean one star; the parts at both ends are anchors and stay even if empty.
		if part != "" || i == 0 {
			g.parts = append(g.parts, part)
		}
	}
	if strings.HasSuffix(source, "*") {
		g.parts = append(g.parts, "")
	}
	return g
}

// match reports whether the whole of s fits. Taking each inner part at its first place is enough, so that the time is
// at most the product of both lengths and usually their sum.
func (g *glob) match(s string) bool {
	rest, ok := cutPart(s, g.parts[0])
	if len(g.parts) == 1 || !ok {
		return ok && rest == ""
	}
	last := g.parts[len(g.parts)-1]
	for _, part := range g.parts[1 : len(g.parts)-1] {
		if rest, ok = findPart(rest, part); !ok {
			return false
		}
	}
	return endsWithPart(rest, last)
}

// cutPart removes the part from the beginning of s.
func cutPart(s, part string) (rest string, ok bool) {
	for part != "" {
		if s == "" {
			return s, false
		}
		if part[0] == '?' {
			_, n := utf8.DecodeRuneInString(s)
			s, part = s[n:], part[1:]
			continue
		}
		if s[0] != part[0] {
			return s, false
		}
		s, part = s[1:], part[1:]
	}
	return s, true
}

// findPart cuts s behind the first occurrence of the part.
func findPart(s, part string) (rest string, ok bool) {
	if !strings.Contains(part, "?") {
		_, rest, ok = strings.Cut(s, part)
		return rest, ok
	}
	for {
		if rest, ok = cutPart(s, part); ok || s == "" {
			return rest, ok
		}
		_, n := utf8.DecodeRuneInString(s)
		s = s[n:]
	}
}

// endsWithPart walks both from their ends, by characters where the part has a question mark.
func endsWithPart(s, part string) bool {
	for part != "" {
		if s == "" {
			return false
		}
		if part[len(part)-1] == '?' {
			_, n := utf8.DecodeLastRuneInString(s)
			s, part = s[:len(s)-n], part[:len(part)-1]
			continue
		}
		if s[len(s)-1] != part[len(part)-1] {
			return false
		}
		s, part = s[:len(s)-1], part[:len(part)-1]
	}
	return true
}

// literals returns what every match begins and ends with.
func (g *glob) literals() (prefix, suffix string) {
	prefix, suffix = g.parts[0], g.parts[len(g.parts)-1]
	if i := strings.IndexByte(prefix, '?'); i >= 0 {
		prefix = prefix[:i]
	}
	return prefix, suffix[strings.LastIndexByte(suffix, '?')+1:]
}

// inner returns literal texts that every match has, those at its ends left out.
func (g *glob) inner() (texts []string) {
	last := len(g.parts) - 1
	for i, part := range g.parts {
		between := strings.Split(part, "?")
		if i == 0 {
			between = between[1:]
		}
		if i == last && len(between) > 0 {
			between = between[:len(between)-1]
		}
		texts = append(texts, between...)
	}
	return texts
}

// pattern is a regular expression that has to match the whole value.
type pattern struct {
	source string
	// prefix is what every match begins with.
	prefix string
	// inner are texts that every match has somewhere.
	inner []string
	regex *regexp.Regexp
}

// newPattern compiles source, which has at most maxPattern bytes. The error tells what to change.
func newPattern(source string) (*pattern, error) {
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("the regular expression is not valid RE2: %w", err)
	}
	if cost := programCost(tree); cost > maxProgram {
		return nil, fmt.Errorf("the regular expression needs more than %d steps; use smaller repetition counts", maxProgram)
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, fmt.Errorf("the regular expression is not valid RE2: %w", err)
	}
	prefix, _ := program.Prefix()
	regex, err := regexp.Compile(`\A(?:` + source + `)\z`)
	if err != nil { // a \Q without its \E takes the rest for literal text
		regex, err = regexp.Compile(`\A(?:` + source + `\E)\z`)
	}
	if err != nil {
		return nil, fmt.Errorf("the regular expression is not valid RE2: %w", err)
	}
	return &pattern{source: source, prefix: prefix, inner: required(nil, tree), regex: regex}, nil
}

func (p *pattern) match(s string) bool { return p.regex.MatchString(s) }

// required appends the literal texts that every match of an expression has in it. What a text with U+FFFD matches may be
// written in other bytes.
func required(texts []string, tree *syntax.Regexp) []string {
	switch tree.Op {
	case syntax.OpLiteral:
		if text := string(tree.Rune); tree.Flags&syntax.FoldCase == 0 && !strings.ContainsRune(text, utf8.RuneError) {
			texts = append(texts, text)
		}
	case syntax.OpConcat, syntax.OpCapture, syntax.OpPlus:
		for _, sub := range tree.Sub {
			texts = required(texts, sub)
		}
	case syntax.OpRepeat:
		if tree.Min > 0 {
			texts = required(texts, tree.Sub[0])
		}
	default: // an alternative, or what may be absent
	}
	return texts
}

// programCost estimates the size of the compiled program without building it: repetitions multiply, and a nest of
// them would otherwise take its memory before anybody could count it.
func programCost(tree *syntax.Regexp) int {
	cost := 1
	if tree.Op == syntax.OpLiteral {
		cost += len(tree.Rune)
	}
	for _, sub := range tree.Sub {
		cost = min(cost+programCost(sub), maxProgram+1)
	}
	if tree.Op == syntax.OpRepeat {
		cost *= max(tree.Min, tree.Max, 1)
	}
	return min(cost, maxProgram+1)
}
