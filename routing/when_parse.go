package routing

import (
	"slices"
	"strings"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing/cesql"
)

// The keys of a "when" that are not attributes.
const (
	keyAll        = "all"
	keyAny        = "any"
	keyNot        = "not"
	keyCESQL      = "cesql"
	keyFilters    = "filters"
	keyData       = "data"
	keyAttributes = "attributes"
)

// maxDepth bounds the nesting of conditions, so that neither parsing nor matching can exhaust a stack.
const maxDepth = 64

// reservedKeys returns the keys of a "when" that have a meaning of their own.
func reservedKeys() []string {
	return []string{keyAll, keyAny, keyNot, keyCESQL, keyFilters, keyData, keyAttributes}
}

func isReserved(name string) bool {
	switch name {
	case keyAll, keyAny, keyNot, keyCESQL, keyFilters, keyData, keyAttributes:
		return true
	}
	return false
}

// coreAttributes returns the names of the attributes that the specification defines.
func coreAttributes() []string {
	return []string{"id", "source", "specversion", "type", "datacontenttype", "dataschema", "subject", "time"}
}

// ParseWhen reads a whole "when". It reports everything that is wrong with it at once; the condition is nil if any of
// the problems is an error.
func ParseWhen(v Value) (*Condition, []Problem) {
	p := &parser{}
	root := p.when(v, 0)
	if v.Kind == Map && len(v.Fields) == 0 {
		p.warn(v, "an empty when matches every event; leave it out if that is meant")
	}
	if p.failed {
		return nil, p.problems
	}
	return &Condition{root: root, mentions: p.mentions}, p.problems
}

// parser collects problems while it builds nodes. Where something is wrong it goes on with a node that nobody will
// use, so that one run finds everything.
type parser struct {
	problems []Problem
	failed   bool
	mentions []Mention
	// meant is true below "attributes".
	meant bool
}

func (p *parser) fail(at Value, format string, args ...any) *node {
	p.failed = true
	p.problems = append(p.problems, Problemf(at.Pos, at.Path, format, args...))
	return &node{op: opAll, pos: at.Pos, path: at.Path}
}

func (p *parser) failKey(f Field, format string, args ...any) *node {
	return p.fail(Value{Pos: f.Pos, Path: f.Value.Path}, format, args...)
}

func (p *parser) warn(at Value, format string, args ...any) {
	p.problems = append(p.problems, Warningf(at.Pos, at.Path, format, args...))
}

// tooDeep reports whether depth is beyond the limit, and says so once per branch.
func (p *parser) tooDeep(at Value, depth int) bool {
	if depth <= maxDepth {
		return false
	}
	p.fail(at, "conditions may be nested %d levels deep, this is deeper; all and any take any number of conditions side by "+
		"side, and two nots cancel out", maxDepth)
	return true
}

// when reads a map of attributes and reserved keys.
func (p *parser) when(v Value, depth int) *node {
	if p.tooDeep(v, depth) {
		return nil
	}
	if v.Kind != Map {
		return p.fail(v, "a condition is a map of attributes to matchers, such as { type: com.acme.x }; got %s", describe(v))
	}
	if len(v.Fields) == 0 && depth > 0 {
		return p.fail(v, "the condition is empty")
	}
	n := &node{op: opAll, pos: v.Pos, path: v.Path}
	for _, f := range v.Fields {
		n.kids = append(n.kids, p.whenKey(f, depth))
	}
	return single(n)
}

// single unwraps a conjunction of one part.
func single(n *node) *node {
	if len(n.kids) == 1 && n.op == opAll {
		return n.kids[0]
	}
	return n
}

func (p *parser) whenKey(f Field, depth int) *node {
	switch f.Key {
	case keyAll:
		return p.whenList(f, opAll, depth)
	case keyAny:
		return p.whenList(f, opAny, depth)
	case keyNot:
		if f.Value.Kind == List {
			return p.fail(f.Value, "not takes one condition, such as not: { type: a }; so that none of several holds, write "+
				"not: { any: [ … ] }")
		}
		return p.negate(f, p.when(f.Value, depth+1))
	case keyCESQL:
		return p.cesql(f.Value)
	case keyFilters:
		return p.filters(f.Value, depth)
	case keyData:
		return p.section(f, p.dataField, "JSON paths, such as data: { order.total: { gt: 100 } }")
	case keyAttributes:
		return p.section(f, p.meantField, "attributes to matchers, such as attributes: { any: x }")
	}
	if instead := foreignCombination(f); instead != "" {
		return p.failKey(f, "%s is no key of a condition; write %s", f.Key, instead)
	}
	switch {
	case isMatcherWord(f.Key):
		p.matcherAsName(f)
	case holdsExpression(f):
		p.doubt(f, keyCESQL)
	}
	return p.attributeField(f, reservedKeys()...)
}

// foreignCombination returns what to write for a combination of conditions that is called something else elsewhere. An
// attribute of that name has no conditions behind it.
func foreignCombination(f Field) string {
	conditions := func(v Value) bool {
		return v.Kind == Map && len(v.Fields) > 0 && !slices.ContainsFunc(v.Fields, func(f Field) bool { return isMatcherWord(f.Key) })
	}
	if !conditions(f.Value) && !slices.ContainsFunc(f.Value.Items, conditions) {
		return ""
	}
	switch strings.ToLower(f.Key) {
	case "and", "allof", "every", "both", "must":
		return keyAll + ": [ … ]"
	case "or", "anyof", "oneof", "some", "either", "should":
		return keyAny + ": [ … ]"
	case "none", "nor", "noneof", "neither", "mustnot":
		return keyNot + ": { " + keyAny + ": [ … ] }"
	}
	return ""
}

// holdsExpression reports whether what stands behind an attribute's name is likely a CESQL expression.
func holdsExpression(f Field) bool {
	switch f.Key {
	case "sql", "expression", "expr", "condition", "query":
	default:
		return false
	}
	expr, err := cesql.Parse(f.Value.Scalar)
	return f.Value.Kind == Scalar && err == nil && expr.Type() == cesql.Boolean && strings.ContainsAny(f.Value.Scalar, " =<>")
}

// doubt warns of an attribute's name that is likely a slip of a key.
func (p *parser) doubt(f Field, likely string) {
	p.warn(Value{Pos: f.Pos, Path: f.Value.Path}, "%s", DoubtfulName(f.Key, likely, "write attributes: { "+f.Key+": … }"))
}

func (p *parser) negate(f Field, n *node) *node {
	return &node{op: opNot, pos: f.Pos, path: f.Value.Path, kids: []*node{n}}
}

func (p *parser) whenList(f Field, o op, depth int) *node {
	v := f.Value
	if v.Kind != List {
		return p.fail(v, "%s takes a list of conditions, such as %s: [{ type: a }, { source: b }]; got %s",
			f.Key, f.Key, describe(v))
	}
	if len(v.Items) == 0 {
		return p.fail(v, "the list of %s is empty; it needs at least one condition", f.Key)
	}
	n := &node{op: o, pos: f.Pos, path: v.Path}
	for _, item := range v.Items {
		n.kids = append(n.kids, p.when(item, depth+1))
	}
	return single(n)
}

// section reads the map below data or attributes.
func (p *parser) section(f Field, field func(Field) *node, holds string) *node {
	v := f.Value
	if v.Kind != Map || len(v.Fields) == 0 {
		return p.fail(v, "%s is a map of %s; got %s", f.Key, holds, describe(v))
	}
	n := &node{op: opAll, pos: f.Pos, path: v.Path}
	for _, f := range v.Fields {
		n.kids = append(n.kids, field(f))
	}
	return single(n)
}

// meantField reads an attribute below "attributes".
func (p *parser) meantField(f Field) *node {
	p.meant = true
	defer func() { p.meant = false }()
	return p.attributeField(f)
}

// attributeField reads an attribute with its matcher; alike are words that the name may be a slip of too.
func (p *parser) attributeField(f Field, alike ...string) *node {
	p.attributeName(f)
	p.mention(f, alike...)
	return p.matcher(f.Value, subject{name: f.Key})
}

func (p *parser) dataField(f Field) *node {
	path, err := envelope.ParsePath(f.Key)
	if bare, ok := withoutRoot(f.Key); ok {
		p.warn(Value{Pos: f.Pos, Path: f.Value.Path}, "%s asks for a member that is called $; a path begins at the payload "+
			"itself: drop the $ and write %s", quote(Clip(f.Key)), bare)
	} else if bare, ok := strings.CutPrefix(f.Key, keyData+"."); ok && err == nil {
		p.warn(Value{Pos: f.Pos, Path: f.Value.Path}, "%s asks for a member that is called data; a path begins at the payload "+
			"itself: write %s, or '\"data\".%s' if there is such a member", Clip(f.Key), Clip(bare), Clip(bare))
	}
	if err != nil {
		return p.failKey(f, "the JSON path %s is not valid: %v", quote(Clip(f.Key)), err)
	}
	return p.matcher(f.Value, subject{name: f.Key, data: &path})
}

// attributeName checks that an event can have an attribute of that name.
func (p *parser) attributeName(f Field) {
	name := f.Key
	switch {
	case name == "":
		p.failKey(f, "an attribute name is empty")
	case name == keyData:
		p.failKey(f, "data is the payload and no attribute; write data: { PATH: … } as a key of when")
	case validName(name):
	case pathOf(name) != "":
		p.failKey(f, "%s is not an attribute name; for a value of the payload write data: { %s: … }", quote(Clip(name)), pathOf(name))
	case validName(strings.ToLower(name)):
		p.failKey(f, "attribute names are lower case: write %s, not %s", strings.ToLower(name), name)
	default:
		p.failKey(f, "%s is not an attribute name: names have only the letters a to z and digits%s",
			quote(Clip(name)), didYouMean(name, append(reservedKeys(), coreAttributes()...)))
	}
}

// pathOf returns the path that an attribute's name likely is, empty if it is none.
func pathOf(name string) string {
	path := name
	for _, root := range []string{"$.", keyData + "."} {
		path = strings.TrimPrefix(path, root)
	}
	if _, err := envelope.ParsePath(path); err != nil || !strings.ContainsAny(name, ".[") {
		return ""
	}
	return Clip(path)
}

func validName(name string) bool {
	for i := range len(name) {
		if (name[i] < 'a' || name[i] > 'z') && !isDigit(name[i]) {
			return false
		}
	}
	return name != ""
}

// withoutRoot returns a path without the $ that begins one in JSONPath. Here it would be a member's name, which is legal
// and next to never meant.
func withoutRoot(path string) (bare string, ok bool) {
	if bare, ok = strings.CutPrefix(path, "$."); !ok {
		bare, ok = strings.CutPrefix(path, "$")
		ok = ok && strings.HasPrefix(bare, "[")
	}
	return Clip(bare), ok && bare != ""
}

// mention notes an attribute's name, and warns of one that is legal for an extension and yet looks like something else.
// Below "attributes" names are taken as they are.
func (p *parser) mention(f Field, alike ...string) {
	m := Mention{Name: f.Key, Pos: f.Pos, Path: f.Value.Path, Meant: p.meant}
	if likely := SuggestCore(f.Key, alike...); likely != "" && !p.meant && validName(f.Key) && !isMatcherWord(f.Key) {
		m.Doubted = true
		p.doubt(f, likely)
	}
	p.mentions = append(p.mentions, m)
}

// matcherAsName warns of a matcher that stands where an attribute belongs.
func (p *parser) matcherAsName(f Field) {
	p.warn(Value{Pos: f.Pos, Path: f.Value.Path}, "%s is read as an extension attribute; a matcher stands below an attribute, "+
		"such as type: { %s: … }; if the extension is meant, write attributes: { %s: … }", f.Key, f.Key, f.Key)
}

func isCore(name string) bool {
	switch name {
	case "id", "source", "specversion", "type", "datacontenttype", "dataschema", "subject", "time":
		return true
	}
	return false
}

func (p *parser) cesql(v Value) *node {
	if v.Kind != Scalar || strings.TrimSpace(v.Scalar) == "" {
		return p.fail(v, "a CESQL expression is a text, such as cesql: \"type = 'com.acme.x'\"; got %s", describe(v))
	}
	expr, err := cesql.Parse(v.Scalar)
	if err != nil {
		return p.fail(v, "the CESQL expression is not valid: %v", err)
	}
	for _, w := range expr.Warnings() {
		p.warn(v, "CESQL: %s", w)
	}
	for _, a := range expr.Attributes() {
		p.mention(Field{Key: a.Name, Pos: v.Pos, Value: v})
		p.mentions[len(p.mentions)-1].Bare = a.Text
	}
	t := newTest(opCESQL, []string{v.Scalar})
	t.expr = expr
	return &node{op: opCESQL, pos: v.Pos, path: v.Path, test: t}
}

// describe names what was found where something else was expected.
func describe(v Value) string {
	switch {
	case v.Kind == Null:
		return "nothing"
	case v.Kind == List && len(v.Items) == 0:
		return "an empty list"
	case v.Kind == List:
		return "a list"
	case v.Kind == Map && len(v.Fields) == 0:
		return "an empty map"
	case v.Kind == Map:
		return "a map"
	case v.Scalar == "":
		return "an empty text"
	}
	return quote(Clip(v.Scalar))
}
