package envelope

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxSteps is how long a path may be. Data may lie deeper; nobody writes a condition on it by hand.
const maxSteps = 64

// Path is a parsed path into a JSON payload, such as order.items[0].sku. The zero value is the payload itself.
type Path struct {
	steps []pathStep
}

// pathStep is a member name, or an index where name is empty and index is not negative.
type pathStep struct {
	name  string
	index int
}

// ParsePath parses dot-separated member names and [index] steps; a name with other characters is quoted: a."b.c".
// Inside quotes a backslash stands before a quote and before a backslash.
func ParsePath(s string) (Path, error) {
	var p Path
	if !utf8.ValidString(s) {
		return p, fmt.Errorf("path %q: not UTF-8", s)
	}
	for rest := s; rest != "" || len(p.steps) == 0; {
		step, after, problem := cutStep(rest, len(p.steps) == 0)
		if problem != "" {
			return Path{}, fmt.Errorf("path %q: at byte %d: %s", s, len(s)-len(rest), problem)
		}
		p.steps = append(p.steps, step)
		rest = after
	}
	if len(p.steps) > maxSteps {
		return Path{}, fmt.Errorf("path %q: has more than %d steps", s, maxSteps)
	}
	return p, nil
}

// cutStep cuts one step from the front of s, with the dot before it unless it is the first.
func cutStep(s string, first bool) (step pathStep, rest, problem string) {
	if strings.HasPrefix(s, "[") {
		return cutIndex(s[1:])
	}
	if !first {
		var ok bool
		if s, ok = strings.CutPrefix(s, "."); !ok {
			return pathStep{}, "", "expected a dot or an index in brackets"
		}
	}
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		return cutQuoted(quoted)
	}
	end := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`.[]"\{}`, r) })
	if end < 0 {
		end = len(s)
	}
	if end == 0 {
		return pathStep{}, "", "expected a member name; one with other characters is quoted"
	}
	if end < len(s) && s[end] != '.' && s[end] != '[' {
		return pathStep{}, "", "a name with such a character is quoted"
	}
	return pathStep{name: s[:end], index: -1}, s[end:], ""
}

func cutIndex(s string) (step pathStep, rest, problem string) {
	digits, rest, ok := strings.Cut(s, "]")
	n, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil {
		return pathStep{}, "", "expected an index such as [0]"
	}
	return pathStep{index: int(n)}, rest, ""
}

func cutQuoted(s string) (step pathStep, rest, problem string) {
	var name strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return pathStep{name: name.String(), index: -1}, s[i+1:], ""
		case '\\':
			if i++; i == len(s) || s[i] != '"' && s[i] != '\\' {
				return pathStep{}, "", `a backslash in quotes stands before a quote or a backslash`
			}
			name.WriteByte(s[i])
		default:
			name.WriteByte(c)
		}
	}
	return pathStep{}, "", "the quoted name has no end"
}

// String returns the path in the form that ParsePath reads.
func (p Path) String() string {
	var b strings.Builder
	for i, step := range p.steps {
		if step.index >= 0 {
			b.WriteString("[" + strconv.Itoa(step.index) + "]")
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		if _, rest, problem := cutStep(step.name, true); problem == "" && rest == "" && step.name[0] != '[' && step.name[0] != '"' {
			b.WriteString(step.name)
			continue
		}
		b.WriteByte('"')
		b.WriteString(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(step.name))
		b.WriteByte('"')
	}
	return b.String()
}

// PathKind is the JSON type that a path led to.
type PathKind uint8

// The kinds a path can lead to. PathMissing means that there is nothing there, or that the data is not JSON.
const (
	PathMissing PathKind = iota
	PathNull
	PathBool
	PathNumber
	PathString
	PathObject
	PathArray
)

// Lookup finds the value in data. text is the unescaped text of a string and the raw JSON of everything else; without
// escapes it is a part of data and nothing is allocated. Lookup stops at the value: where an object repeats a name the
// first one counts, and what follows the value is not looked at.
func (p *Path) Lookup(data []byte) (text string, kind PathKind) {
	scan := NewJSONScanner(data)
	for i := range p.steps {
		if !scan.descend(&p.steps[i]) {
			return "", PathMissing
		}
	}
	raw, err := scan.Value()
	if err != nil {
		return "", PathMissing
	}
	kind = kindOf(raw[0])
	if kind == PathString {
		return unquote(raw), kind
	}
	return String(raw), kind
}

// descend reads on to just before the value that the step leads to.
func (s *JSONScanner) descend(step *pathStep) bool {
	if step.index >= 0 {
		return s.descendArray(step.index)
	}
	if !s.Open('{') {
		return false
	}
	for first := true; ; first = false {
		if more, err := s.More(first, '}'); err != nil || !more {
			return false
		}
		name, err := s.name()
		if err != nil {
			return false
		}
		if unquote(name) == step.name {
			return true
		}
		if s.skip() != nil {
			return false
		}
	}
}

func (s *JSONScanner) descendArray(index int) bool {
	if !s.Open('[') {
		return false
	}
	for i := 0; ; i++ {
		if more, err := s.More(i == 0, ']'); err != nil || !more {
			return false
		}
		if i == index {
			return true
		}
		if s.skip() != nil {
			return false
		}
	}
}

// kindOf returns the kind of a JSON value by its first byte.
func kindOf(c byte) PathKind {
	switch c {
	case 'n':
		return PathNull
	case 't', 'f':
		return PathBool
	case '"':
		return PathString
	case '{':
		return PathObject
	case '[':
		return PathArray
	}
	return PathNumber
}
