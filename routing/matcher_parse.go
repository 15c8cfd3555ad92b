package routing

import (
	"slices"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// subject is what a matcher is about: an attribute, or a JSON path.
type subject struct {
	name string
	data *envelope.Path
	// depth counts matchers inside matchers.
	depth int
}

func (s subject) node(o op, at Value, t *test) *node {
	return &node{op: o, pos: at.Pos, path: at.Path, attr: s.name, data: s.data, test: t}
}

func (s subject) deeper() subject {
	s.depth++
	return s
}

// matcherWords returns the words of a matcher.
func matcherWords() []string {
	return []string{
		"in", "prefix", "suffix", "glob", "regex", "exists", "gt", "gte", "lt", "lte", "equals_ignore_case", "not", "any",
	}
}

func isMatcherWord(s string) bool {
	return slices.Contains(matcherWords(), s)
}

// matcher reads what stands behind an attribute: a scalar, a list of scalars, or a map of matcher words.
func (p *parser) matcher(v Value, s subject) *node {
	if p.tooDeep(v, s.depth) {
		return nil
	}
	switch v.Kind {
	case Scalar:
		p.lookalike(v, s, "")
		return p.equal(v, []Value{v}, s)
	case List:
		if len(v.Items) == 0 {
			return p.fail(v, "the list of values for %s is empty; nothing could match it", s.name)
		}
		for _, item := range v.Items {
			p.lookalike(item, s, "")
		}
		return p.equal(v, v.Items, s)
	case Null:
		if s.data != nil {
			return s.node(opNull, v, newTest(opNull, nil))
		}
		return p.fail(v, "%s has no matcher; for an absent attribute write %s: { exists: false }", s.name, s.name)
	default:
		return p.words(v, s)
	}
}

// words reads a map of matcher words, which are ANDed.
func (p *parser) words(v Value, s subject) *node {
	if len(v.Fields) == 0 {
		return p.fail(v, "the matcher for %s is empty; one of %s belongs here", s.name, strings.Join(matcherWords(), ", "))
	}
	n := s.node(opAll, v, nil)
	for _, f := range v.Fields {
		n.kids = append(n.kids, p.word(f, s))
	}
	return single(n)
}

// equal reads one or several values that are compared as a whole.
func (p *parser) equal(at Value, items []Value, s subject) *node {
	values := make([]string, 0, len(items))
	var numerals []decimal
	for _, item := range items {
		text, ok := p.text(item, s, aValue)
		if !ok {
			continue
		}
		p.oddNumber(item, s)
		values = append(values, text)
		if d, numeric := parseDecimal(text); numeric && s.data != nil && !item.Quoted {
			numerals = append(numerals, d)
		}
	}
	t := newTest(opEqual, values)
	t.numerals = numerals
	return s.node(opEqual, at, t)
}

// aValue is what messages call a text that is compared as a whole.
const aValue = "a value"

// text reads one text of a matcher. Empty texts are refused, except that a JSON string may be compared with one.
func (p *parser) text(v Value, s subject, what string) (string, bool) {
	switch {
	case v.Kind == Map && what == aValue:
		p.fail(v, "%s for %s is a text, a number, true or false; for a choice of matchers write %s: { any: [ … ] }",
			what, s.name, s.name)
	case v.Kind != Scalar:
		p.fail(v, "%s for %s is a text, a number, true or false; got %s", what, s.name, describe(v))
	case len(v.Scalar) > maxText:
		p.fail(v, "%s for %s has %d bytes; the limit is %d; shorten it", what, s.name, len(v.Scalar), maxText)
	case v.Scalar == "" && (s.data == nil || what != aValue):
		p.fail(v, "%s for %s is empty; write { exists: true } for any value and { exists: false } for none", what, s.name)
	default:
		return v.Scalar, true
	}
	return "", false
}

// pattern reads the text of a pattern, whose limit is lower than that of other texts.
func (p *parser) pattern(v Value, s subject, what string) (string, bool) {
	if v.Kind == Scalar && len(v.Scalar) > maxPattern {
		p.fail(v, "%s for %s has %d bytes; the limit is %d; write shorter ones below any, which takes any number, or whole "+
			"values as a list", what, s.name, len(v.Scalar), maxPattern)
		return "", false
	}
	return p.text(v, s, what)
}

// word reads one key of a matcher map.
func (p *parser) word(f Field, s subject) *node {
	switch f.Key {
	case "in":
		return p.in(f, s)
	case "prefix":
		return p.affix(f, s, opPrefix)
	case "suffix":
		return p.affix(f, s, opSuffix)
	case "glob":
		return p.glob(f, s)
	case "regex":
		return p.regex(f, s)
	case "exists":
		return p.exists(f, s)
	case "gt", "gte", "lt", "lte":
		return p.compare(f, s)
	case "equals_ignore_case":
		return p.fold(f, s)
	case "not":
		n := s.node(opNot, Value{Pos: f.Pos, Path: f.Value.Path}, nil)
		n.kids = []*node{p.matcher(f.Value, s.deeper())}
		return n
	case "any":
		return p.anyOf(f, s)
	}
	return p.unknownWord(f, s)
}

func (p *parser) in(f Field, s subject) *node {
	if f.Value.Kind != List || len(f.Value.Items) == 0 {
		return p.fail(f.Value, "in takes a list with at least one value, such as in: [a, b]; got %s", describe(f.Value))
	}
	n := p.equal(f.Value, f.Value.Items, s)
	n.pos = f.Pos
	return n
}

// affix reads prefix and suffix: one text or a list of them.
func (p *parser) affix(f Field, s subject, o op) *node {
	items := []Value{f.Value}
	if f.Value.Kind == List {
		items = f.Value.Items
	}
	if len(items) == 0 {
		return p.fail(f.Value, "the list of %s for %s is empty; nothing could match it", f.Key, s.name)
	}
	var values []string
	for _, item := range items {
		if text, ok := p.text(item, s, "the "+f.Key); ok {
			p.lookalike(item, s, f.Key)
			values = append(values, text)
		}
	}
	return s.node(o, Value{Pos: f.Pos, Path: f.Value.Path}, newTest(o, values))
}

func (p *parser) glob(f Field, s subject) *node {
	text, ok := p.pattern(f.Value, s, "the glob")
	t := newTest(opGlob, []string{text})
	if ok {
		p.lookalike(f.Value, s, f.Key)
		t.glob = newGlob(text)
	}
	return s.node(opGlob, Value{Pos: f.Pos, Path: f.Value.Path}, t)
}

func (p *parser) regex(f Field, s subject) *node {
	text, ok := p.pattern(f.Value, s, "the regular expression")
	t := newTest(opRegex, []string{text})
	if ok {
		var err error
		if t.regex, err = newPattern(text); err != nil {
			return p.fail(f.Value, "%v", err)
		}
	}
	return s.node(opRegex, Value{Pos: f.Pos, Path: f.Value.Path}, t)
}

func (p *parser) exists(f Field, s subject) *node {
	at := Value{Pos: f.Pos, Path: f.Value.Path}
	n := s.node(opExists, at, newTest(opExists, nil))
	if f.Value.Kind == Scalar && !f.Value.Quoted {
		switch f.Value.Scalar {
		case "true", "True", "TRUE":
			return n
		case "false", "False", "FALSE":
			not := s.node(opNot, at, nil)
			not.kids = []*node{n}
			return not
		}
	}
	return p.fail(f.Value, "exists takes true or false; got %s", describe(f.Value))
}

func (p *parser) compare(f Field, s subject) *node {
	limit, ok := parseDecimal(f.Value.Scalar)
	if f.Value.Kind != Scalar || !ok {
		return p.fail(f.Value, "%s takes a number, such as %s: 5; got %s", f.Key, f.Key, describe(f.Value))
	}
	if len(f.Value.Scalar) > maxPattern || limit.exp > maxText || limit.exp < -maxText {
		return p.fail(f.Value, "the number for %s is out of range: at most %d digits and exponents to %d",
			f.Key, maxPattern, maxText)
	}
	t := newTest(opCompare, nil)
	t.bound = bound{word: f.Key, limit: limit, text: f.Value.Scalar}
	return s.node(opCompare, Value{Pos: f.Pos, Path: f.Value.Path}, t)
}

func (p *parser) fold(f Field, s subject) *node {
	text, _ := p.text(f.Value, s, "the value of equals_ignore_case")
	return s.node(opFold, Value{Pos: f.Pos, Path: f.Value.Path}, newTest(opFold, []string{text}))
}

func (p *parser) anyOf(f Field, s subject) *node {
	if f.Value.Kind != List || len(f.Value.Items) == 0 {
		return p.fail(f.Value, "any takes a list with at least one matcher, such as any: [{ prefix: a }, b]; got %s",
			describe(f.Value))
	}
	n := s.node(opAny, Value{Pos: f.Pos, Path: f.Value.Path}, nil)
	for _, item := range f.Value.Items {
		n.kids = append(n.kids, p.matcher(item, s.deeper()))
	}
	return n
}

func (p *parser) unknownWord(f Field, s subject) *node {
	member := ""
	if s.data != nil {
		member = "; for a member of " + s.name + " write " + memberPath(s.name, f) + ": …"
	}
	if hint := foreignWord(f.Key, s.name); hint != "" {
		return p.failKey(f, "%s is not a matcher; write %s%s", quote(Clip(f.Key)), hint, member)
	}
	return p.failKey(f, "%s is not a matcher; there are %s%s%s", quote(Clip(f.Key)),
		strings.Join(matcherWords(), ", "), didYouMean(f.Key, matcherWords()), member)
}

// memberPath returns the path of a member that was written as a map below another one, as YAML or JSON would have it.
func memberPath(path string, f Field) string {
	for depth := 0; ; depth++ {
		switch {
		case f.Key != "" && strings.Trim(f.Key, "0123456789") == "":
			path += "[" + f.Key + "]"
		case validPathName(f.Key):
			path += "." + f.Key
		default:
			path += "." + quote(f.Key)
		}
		if f.Value.Kind != Map || len(f.Value.Fields) != 1 || isMatcherWord(f.Value.Fields[0].Key) || depth == maxDepth {
			return Clip(path)
		}
		f = f.Value.Fields[0]
	}
}

func validPathName(name string) bool { return name != "" && !strings.ContainsAny(name, ".[]\" \\") }

// foreignWord translates words that other routers and filter languages use.
func foreignWord(word, attr string) string {
	switch strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(word)) {
	case "eq", "equal", "equals", "exact", "is", "value", "=", "==":
		return attr + ": VALUE"
	case "ne", "neq", "anythingbut", "notequals", "!=", "<>":
		return "not: VALUE"
	case "startswith", "beginswith", "hasprefix":
		return "prefix: TEXT"
	case "endswith", "hassuffix":
		return "suffix: TEXT"
	case "contains", "like", "wildcard", "shellstyle":
		return "glob: \"*TEXT*\""
	case "matches", "match", "pattern", "regexp", "re", "=~":
		return "regex: EXPRESSION"
	case "ignorecase", "equalsignorecase", "iequals":
		return "equals_ignore_case: TEXT"
	case "oneof", "anyof", "or":
		return "any: [ … ], or in: [ … ] for whole values"
	case "notin", "noneof", "nin":
		return "not: [ … ]"
	case "all", "allof", "and":
		return "the matchers side by side; several keys are ANDed"
	case ">", "greaterthan", "morethan", "above", "over":
		return "gt: NUMBER"
	case ">=", "ge", "greaterthanorequal", "greaterorequal", "atleast", "min":
		return "gte: NUMBER"
	case "<", "lessthan", "below", "under":
		return "lt: NUMBER"
	case "<=", "le", "lessthanorequal", "lessorequal", "atmost", "max":
		return "lte: NUMBER"
	case "between", "range":
		return "gte: LOWEST and lte: HIGHEST"
	case "numeric":
		return "gt, gte, lt or lte"
	case "present", "absent", "missing":
		return "exists: true or exists: false"
	}
	return ""
}
