package routing

import (
	"fmt"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// chooser is where random choices come from: a seeded generator, or rapid, which can shrink them.
type chooser interface{ IntN(n int) int }

// generator makes random rules and events over alphabets so small that they often meet.
type generator struct {
	chooser
	// dense makes it ask for patterns of few attributes, so that they share a way through the index.
	dense bool
}

func (g generator) pick(items ...string) string { return items[g.IntN(len(items))] }

func (g generator) word() string {
	n := 1 + g.IntN(3)
	if g.IntN(8) == 0 {
		n += g.IntN(9)
	}
	var b strings.Builder
	for range n {
		b.WriteString(g.pick("a", "b", "ab", "A", "é", "ſ", "k", "."))
	}
	return b.String()
}

// piece returns a text that many words have somewhere.
func (g generator) piece() string {
	return g.pick("aba", "abab", "bab", "éa", "aa", "ababab", "abababab", "aabababab", "bbb", "aab", "a.b", "baa")
}

func (g generator) number() string {
	return g.pick("0", "5", "-5", "5.0", "5.5", "1e1", "10", "-0.5e1", "9007199254740993", "9007199254740992")
}

func (g generator) scalar() string {
	if g.IntN(4) == 0 {
		return g.pick(g.number(), `"`+g.number()+`"`, "true")
	}
	return `"` + g.word() + `"`
}

func (g generator) attribute() string {
	if g.dense {
		return g.pick("type", "source")
	}
	return g.pick("type", "source", "subject", "id", "exta", "extb", "time")
}

func (g generator) list(most int, item func() string) string {
	items := make([]string, 1+g.IntN(most))
	for i := range items {
		items[i] = item()
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func (g generator) text() string { return `"` + g.word() + `"` }

func (g generator) texts() string {
	if g.IntN(3) > 0 {
		return g.text()
	}
	return g.list(3, g.text)
}

func (g generator) glob() string {
	var b strings.Builder
	for range 1 + g.IntN(4) {
		b.WriteString(g.pick("*", "?", "a", "b", "é", ".", "*"+g.piece()+"*"))
	}
	return `"` + b.String() + `"`
}

func (g generator) matcher(depth int) string {
	if depth > 2 || !g.dense && g.IntN(3) == 0 {
		if g.IntN(4) == 0 {
			return g.list(10, g.scalar)
		}
		return g.scalar()
	}
	deeper := func() string { return g.matcher(depth + 1) }
	words := map[string]func() string{
		"in":     func() string { return g.list(3, g.scalar) },
		"prefix": g.texts, "suffix": g.texts, "glob": g.glob, "equals_ignore_case": g.text,
		"regex": func() string {
			return g.pick(`"a+b?"`, `"ab.*"`, `"(a|b)+"`, `".*"`, `"(?i)k."`, `"a|b"`,
				`".*`+g.piece()+`.*"`, `"a?(`+g.piece()+`)+.*"`, `".*(`+g.piece()+`)?b*"`, `"[ab]*`+g.piece()+`(a|b|A)*"`)
		},
		"exists": func() string { return g.pick("true", "false") },
		"gt":     g.number, "gte": g.number, "lt": g.number, "lte": g.number,
		"not": deeper, "any": func() string { return g.list(3, deeper) },
	}
	fields := map[string]string{}
	for range 1 + g.IntN(2) {
		word := matcherWords()[g.IntN(len(matcherWords()))]
		if g.dense {
			word = g.pick("glob", "regex")
		}
		fields[word] = words[word]()
	}
	return flow(fields)
}

// flow writes a map in a fixed order, so that a seed always means the same.
func flow(fields map[string]string) string { return fieldsText(fields) }

func (g generator) cesql() string { return `"` + g.expression(0) + `"` }

func (g generator) expression(depth int) string {
	if depth < 3 && g.IntN(3) == 0 {
		return fmt.Sprintf("(%s %s %s)", g.expression(depth+1), g.pick("AND", "OR", "AND"), g.expression(depth+1))
	}
	attr, word := g.pick("type", "source", "subject", "id", "specversion", "exta"), strings.Trim(g.text(), `"`)
	return g.pick(
		fmt.Sprintf("%s = '%s'", attr, word),
		fmt.Sprintf("%s LIKE '%s%%'", attr, word),
		fmt.Sprintf("%s LIKE '%%%s' AND EXISTS extb", attr, word),
		fmt.Sprintf("%s LIKE '%%%s_%%'", attr, g.piece()),
		fmt.Sprintf("%s IN ('a', '%s')", attr, word),
		fmt.Sprintf("NOT (%s = '%s')", attr, word),
		fmt.Sprintf("%s = 'a' OR %s = '%s'", attr, attr, word),
		"exta = 5", "extb = TRUE", "subject", "EXISTS subject AND NOT EXISTS exta", "INT(extb) > 3", "specversion = '1.0'",
	)
}

func (g generator) filter(depth int) string {
	deeper := func() string { return g.filter(depth + 1) }
	k := g.IntN(7)
	if depth > 1 {
		k = g.IntN(4)
	}
	switch k {
	case 0, 1, 2:
		return fmt.Sprintf("{ %s: { %s: %s } }", g.pick("exact", "prefix", "suffix"), g.attribute(), g.text())
	case 3:
		return "{ sql: " + g.cesql() + " }"
	case 4:
		return "{ not: " + deeper() + " }"
	}
	return "{ " + g.pick("all", "any") + ": " + g.list(3, deeper) + " }"
}

func (g generator) when(depth int) string {
	fields := map[string]string{}
	deeper := func() string { return g.when(depth + 1) }
	for range 1 + g.IntN(3) {
		k := g.IntN(12)
		if depth > 1 {
			k = g.IntN(7)
		}
		switch k {
		default:
			fields[g.attribute()] = g.matcher(0)
		case 6:
			fields["data"] = flow(map[string]string{g.pick("x", "x.y", "z"): g.matcher(0)})
		case 7:
			fields["all"] = g.list(3, deeper)
		case 8:
			fields["any"] = g.list(3, deeper)
		case 9:
			fields["not"] = deeper()
		case 10:
			fields["cesql"] = g.cesql()
		case 11:
			fields["filters"] = g.list(2, func() string { return g.filter(0) })
		}
	}
	return flow(fields)
}

func (g generator) event() *envelope.Event {
	e := &envelope.Event{ID: g.word(), Source: g.word(), Type: g.word()}
	value := func() string { return strings.Trim(g.scalar(), `"`) }
	for _, name := range []string{"subject", "exta", "extb"} {
		if g.IntN(3) > 0 {
			e.Set(name, value(), envelope.KindString)
		}
	}
	switch g.IntN(4) {
	case 0:
		e.Data = fmt.Appendf(nil, `{"x":{"y":%s},"z":%s}`, g.json(), g.json())
	case 1:
		e.Data = fmt.Appendf(nil, `{"x":%s}`, g.json())
	case 2:
		e.Data = []byte("no json")
	}
	return e
}

func (g generator) json() string {
	return g.pick("null", "true", "[1]", "{}", g.number(), g.number(), g.text(), g.text())
}

// rules makes n rules, and returns their conditions as they were written, too.
func (g generator) rules(n int, condition func(string) (*Condition, Value)) ([]Rule, []Value) {
	rules, whens := make([]Rule, n), make([]Value, n)
	for i := range rules {
		rules[i] = Rule{Name: fmt.Sprint(i), To: []string{"s"}, Stop: g.IntN(12) == 0}
		if g.IntN(10) > 0 {
			rules[i].When, whens[i] = condition(g.when(0))
		}
		switch g.IntN(5) {
		case 0:
			rules[i].From = []string{g.pick("s1", "s2")}
		case 1:
			rules[i].From = []string{"s3", "s1"}
		}
	}
	return rules, whens
}
