package routing

import (
	"slices"
	"strconv"
	"strings"
)

// whenText writes a node as a "when" map.
func whenText(n *node) string {
	nodes := flatten(nil, n)
	if len(nodes) == 0 {
		return "{filters: []}" // the one way to write that everything passes inside another condition
	}
	if text, ok := mapText(nodes); ok {
		return text
	}
	return "{" + keyAll + ": " + listText(nodes, whenText) + "}"
}

// flatten dissolves conditions that are ANDed into their parts. A matcher stays whole.
func flatten(dst []*node, n *node) []*node {
	if n.op != opAll || n.attr != "" {
		return append(dst, n)
	}
	for _, k := range n.kids {
		dst = flatten(dst, k)
	}
	return dst
}

// mapText writes nodes that are ANDed as one "when" map. ok is false where two of them would need the same key.
func mapText(nodes []*node) (text string, ok bool) {
	sections := map[string]map[string]string{}
	for _, n := range nodes {
		section, key, value := entryText(n)
		if sections[section] == nil {
			sections[section] = map[string]string{}
		}
		if other, twice := sections[section][key]; twice && other != value {
			return "", false
		}
		sections[section][key] = value
	}
	fields := sections[""]
	for _, section := range []string{keyData, keyAttributes} {
		if sections[section] != nil {
			if fields == nil {
				fields = map[string]string{}
			}
			fields[section] = fieldsText(sections[section])
		}
	}
	return fieldsText(fields), true
}

func fieldsText(fields map[string]string) string {
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(scalarText(k))
		b.WriteString(": ")
		b.WriteString(fields[k])
	}
	b.WriteByte('}')
	return b.String()
}

// entryText returns the key and the value that a node is in a "when" map, and the section it belongs in: data,
// attributes, or none.
func entryText(n *node) (section, key, value string) {
	switch {
	case n.data != nil:
		return keyData, n.attr, matcherText(n)
	case n.attr != "" && isReserved(n.attr):
		return keyAttributes, n.attr, matcherText(n)
	case n.attr != "":
		return "", n.attr, matcherText(n)
	}
	switch n.op {
	case opNot:
		return "", keyNot, whenText(n.kids[0])
	case opAny:
		return "", keyAny, listText(n.kids, whenText)
	case opAll:
		return "", keyAll, listText(n.kids, whenText)
	default:
		return "", keyCESQL, quote(n.test.values[0])
	}
}

// predicateText writes a node as an explanation quotes it: without braces, as one line of a file.
func predicateText(n *node) string {
	section, key, value := entryText(n)
	if section != "" {
		return section + ": {" + scalarText(key) + ": " + value + "}"
	}
	return scalarText(key) + ": " + value
}

// matcherText writes what stands behind an attribute's name.
func matcherText(n *node) string {
	if n.op == opEqual || n.op == opNull {
		return valuesText(n)
	}
	return "{" + matcherFields(n) + "}"
}

func matcherFields(n *node) string {
	switch n.op {
	case opAll:
		parts := make([]string, len(n.kids))
		for i, k := range n.kids {
			parts[i] = matcherFields(k)
		}
		slices.Sort(parts)
		return strings.Join(slices.Compact(parts), ", ")
	case opAny:
		return "any: " + listText(n.kids, matcherText)
	case opNot:
		if n.kids[0].op == opExists {
			return "exists: false"
		}
		return "not: " + matcherText(n.kids[0])
	case opExists:
		return "exists: true"
	case opCompare:
		return n.test.bound.word + ": " + n.test.bound.text
	case opEqual:
		return "in: " + listText(n.test.values, n.scalar)
	default:
		return wordOf(n.op) + ": " + valuesText(n)
	}
}

// wordOf names the matchers that are written as a word and one or several texts.
func wordOf(o op) string {
	switch o {
	case opPrefix:
		return "prefix"
	case opSuffix:
		return "suffix"
	case opFold:
		return "equals_ignore_case"
	case opGlob:
		return "glob"
	default:
		return "regex"
	}
}

func valuesText(n *node) string {
	if n.op == opNull {
		return "null"
	}
	first := n.test.values[0]
	if !slices.ContainsFunc(n.test.values, func(v string) bool { return v != first }) {
		return n.scalar(first)
	}
	return listText(n.test.values, n.scalar)
}

// scalar writes one value of a leaf. In data a number without quotes means more than its text, so it stays bare.
func (n *node) scalar(s string) string {
	if n.op == opEqual && len(n.test.numerals) > 0 {
		if d, ok := parseDecimal(s); ok && slices.ContainsFunc(n.test.numerals, func(m decimal) bool { return m == d }) {
			return s
		}
	}
	return scalarText(s)
}

// listText writes a list in canonical order: sorted, because none of the lists of a condition has an order that means
// anything, and without repetitions.
func listText[T any](items []T, text func(T) string) string {
	parts := make([]string, len(items))
	for i, item := range items {
		parts[i] = text(item)
	}
	slices.Sort(parts)
	return "[" + strings.Join(slices.Compact(parts), ", ") + "]"
}

// scalarText writes a text bare where every YAML reader takes it for that very text, and quoted elsewhere.
func scalarText(s string) string {
	if s == "" || !isLetter(s[0]) && s[0] != '/' {
		return quote(s)
	}
	for i := range len(s) {
		if !isLetter(s[i]) && !isDigit(s[i]) && !strings.ContainsRune("-_./", rune(s[i])) {
			return quote(s)
		}
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return quote(s)
	}
	return s
}

// quote writes a double-quoted YAML scalar; Go's escapes are YAML's, too.
func quote(s string) string { return strconv.Quote(s) }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
