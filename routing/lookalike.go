package routing

import (
	"slices"
	"strconv"
	"strings"
)

// Lookalike returns the matcher, with its text, that a text looks meant for where a word compares it as it stands: a star
// that is not in a glob, a percent sign of SQL, the anchors of a regular expression. The word is empty for a value that
// is compared as a whole. Of texts in the payload, which may well hold such characters, it doubts fewer. matcher is
// empty where nothing is doubted.
func Lookalike(word, text string, data bool) (matcher, meant string) {
	switch word {
	case "":
		return wholeLookalike(text, data)
	case "prefix":
		if body, ok := cutWildcard(text, strings.CutSuffix); ok {
			return starred("prefix", body)
		}
		if body, ok := strings.CutPrefix(text, "^"); ok && body != "" {
			return "prefix", body
		}
	case "suffix":
		if body, ok := cutWildcard(text, strings.CutPrefix); ok {
			return starred("suffix", body)
		}
	case "glob":
		return globLookalike(text)
	}
	return "", ""
}

// starred gives what a wildcard was cut off from to a glob if it has more of them.
func starred(word, body string) (matcher, meant string) {
	switch {
	case !strings.Contains(body, "*"):
		return word, body
	case word == "prefix":
		return "glob", body + "*"
	}
	return "glob", "*" + body
}

// cutWildcard cuts a star, or the percent sign of SQL or the wildcard of NATS beside a separator, from one end of a text.
func cutWildcard(text string, cut func(s, end string) (string, bool)) (body string, ok bool) {
	if body, ok = cut(text, "*"); ok && body != "" {
		return body, true
	}
	for _, wild := range []string{"%", ">"} {
		if body, ok = cut(text, wild); ok {
			atEnd := strings.HasSuffix(text, wild) && separated(body, strings.HasSuffix)
			atStart := strings.HasPrefix(text, wild) && separated(body, strings.HasPrefix)
			if atEnd || atStart && wild == "%" {
				return body, true
			}
		}
	}
	return "", false
}

// separated reports whether a text has a separator at one end.
func separated(text string, has func(s, end string) bool) bool {
	return slices.ContainsFunc([]string{".", "/", ":", "-", "_"}, func(s string) bool { return has(text, s) })
}

func wholeLookalike(text string, data bool) (matcher, meant string) {
	if body, ok := strings.CutPrefix(text, "^"); ok && body != "" {
		switch {
		case data && body[0] != '/' && !strings.ContainsAny(body, `\$`):
			return "", ""
		case strings.HasSuffix(body, "$"):
			return "regex", text
		case strings.ContainsAny(body, `\[]()*+?|`):
			return "regex", text + ".*"
		}
		return "prefix", body
	}
	if data && !besideSeparator(text) {
		return "", ""
	}
	head, atEnd := cutWildcard(text, strings.CutSuffix)
	tail, atStart := cutWildcard(text, strings.CutPrefix)
	switch {
	case text == "*":
		return "exists", "true"
	case atEnd && atStart && !strings.ContainsAny(text[1:len(text)-1], "*%"):
		return "glob", "*" + text[1:len(text)-1] + "*"
	case atEnd && !strings.ContainsAny(head, "*%"):
		return "prefix", head
	case atStart && !strings.ContainsAny(tail, "*%"):
		return "suffix", tail
	case strings.Contains(text, "*"):
		return "glob", text
	}
	return "", ""
}

// besideSeparator reports whether a text begins or ends with a wildcard that a separator sets off from the rest.
func besideSeparator(text string) bool {
	for _, wild := range []string{"*", "%"} {
		if body, ok := strings.CutSuffix(text, wild); ok {
			if separated(body, strings.HasSuffix) && len(body) > 1 {
				return true
			}
		}
		if body, ok := strings.CutPrefix(text, wild); ok {
			if separated(body, strings.HasPrefix) && len(body) > 1 {
				return true
			}
		}
	}
	return false
}

// globLookalike knows the classes and choices of other globs, which here are text.
func globLookalike(text string) (matcher, meant string) {
	if open := strings.IndexByte(text, '['); open >= 0 && strings.IndexByte(text[open:], ']') > 1 {
		return "regex", regexOf(text)
	}
	if open := strings.IndexByte(text, '{'); open >= 0 {
		if length := strings.IndexByte(text[open:], '}'); length > 0 && strings.Contains(text[open:open+length], ",") {
			return "regex", regexOf(text)
		}
	}
	return "", ""
}

// regexOf writes a glob with classes and choices as a regular expression.
func regexOf(glob string) string {
	var b strings.Builder
	var open []rune
	for _, r := range glob {
		inner := rune(0)
		if len(open) > 0 {
			inner = open[len(open)-1]
		}
		switch {
		case inner == '[' && r != ']':
			b.WriteRune(r)
			continue
		case r == '[' || r == '{':
			open = append(open, r)
		case r == ']' && inner == '[' || r == '}' && inner == '{':
			open = open[:len(open)-1]
		}
		switch {
		case r == '*':
			b.WriteString(".*")
		case r == '?':
			b.WriteByte('.')
		case r == '{':
			b.WriteByte('(')
		case r == '}':
			b.WriteByte(')')
		case r == ',' && inner == '{':
			b.WriteByte('|')
		case strings.ContainsRune(`.+()|^$\`, r):
			b.WriteRune('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// lookalike warns of a text that a word compares as it stands and that looks like a pattern.
func (p *parser) lookalike(v Value, s subject, word string) {
	if v.Kind != Scalar || len(v.Scalar) > maxPattern {
		return
	}
	matcher, meant := Lookalike(word, v.Scalar, s.data != nil)
	if matcher == "" {
		return
	}
	if matcher != "exists" {
		meant = scalarText(meant)
	}
	what := "a value alone is compared as it stands, wildcards and all"
	instead := s.name + ": { in: [" + quote(Clip(v.Scalar)) + "] }"
	switch word {
	case "prefix", "suffix":
		what, instead = "a "+word+" is compared as it stands, wildcards and all", "a regex"
	case "glob":
		what, instead = "in a glob only * and ? stand for something else", "a regex with backslashes before them"
	}
	p.warn(v, "%s: %s; write %s: { %s: %s }, or %s if these characters are meant", quote(Clip(v.Scalar)), what, s.name, matcher,
		Clip(meant), instead)
}

// oddNumber warns of a number without quotes that is not written as it would be compared: attributes are compared by
// their text, and numbers of a payload by their value where it can be read.
func (p *parser) oddNumber(v Value, s subject) {
	if v.Kind != Scalar || v.Quoted || len(v.Scalar) > maxPattern || isCore(s.name) && s.data == nil || !looksNumeric(v.Scalar) {
		return
	}
	canonical := plainNumber(v.Scalar)
	if canonical == v.Scalar {
		return
	}
	if _, ok := parseDecimal(v.Scalar); ok && s.data != nil {
		return
	}
	number := ""
	if canonical != "" {
		number = canonical + " for the number, or "
	}
	what := "attributes are compared by their text, and no number is written like this"
	if s.data != nil {
		what = "JSON does not write numbers like this, so that it is compared as text"
	}
	p.warn(v, "%s: %s; write %s%s in quotes for the text", Clip(v.Scalar), what, number, quote(Clip(v.Scalar)))
}

// looksNumeric reports whether readers of YAML, of one version or the other, take a bare scalar for a number.
func looksNumeric(text string) bool {
	body := strings.TrimLeft(text, "+-")
	if len(text)-len(body) > 1 || body == "" {
		return false
	}
	for prefix, digits := range map[string]string{"0x": "0123456789abcdefABCDEF_", "0o": "01234567_", "0b": "01_"} {
		if rest, ok := strings.CutPrefix(body, prefix); ok {
			return rest != "" && strings.Trim(rest, digits) == "" && strings.Trim(rest, "_") != ""
		}
	}
	plain := strings.ReplaceAll(body, "_", "")
	if strings.HasPrefix(body, "_") || strings.HasSuffix(body, "_") {
		return false
	}
	plain = strings.TrimSuffix(plain, ".")
	if strings.HasPrefix(plain, ".") {
		plain = "0" + plain
	}
	_, ok := parseDecimal(plain)
	return ok && !slices.Contains([]byte("+-"), plain[0])
}

// plainNumber returns how a number is written that looksNumeric takes, empty where that is long or not known.
func plainNumber(text string) string {
	body := strings.ReplaceAll(strings.TrimLeft(text, "+-"), "_", "")
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign = "-"
	}
	if len(body) > 1 && body[0] == '0' && isLetter(body[1]) && body[1] != 'e' && body[1] != 'E' {
		n, err := strconv.ParseUint(body, 0, 64)
		if err != nil {
			return ""
		}
		return sign + strconv.FormatUint(n, 10)
	}
	if strings.HasPrefix(body, ".") {
		body = "0" + body
	}
	d, ok := parseDecimal(strings.TrimSuffix(body, "."))
	if !ok || d.exp > 20 || d.exp < -20 {
		return ""
	}
	if d.sign() == 0 {
		return "0"
	}
	digits := d.whole + d.frac
	whole, frac := "0", digits
	if d.exp > 0 {
		digits += strings.Repeat("0", max(0, d.exp-len(digits)))
		whole, frac = digits[:d.exp], digits[d.exp:]
	} else {
		frac = strings.Repeat("0", -d.exp) + frac
	}
	if frac = strings.TrimRight(frac, "0"); frac != "" {
		whole += "." + frac
	}
	return sign + whole
}
