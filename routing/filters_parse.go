package routing

import "strings"

// dialects returns the filter dialects of the CloudEvents Subscriptions API.
func dialects() []string {
	return []string{"exact", "prefix", "suffix", "all", "any", "not", "sql"}
}

// filters reads the array of the CloudEvents Subscriptions API (§3.2.4), all of whose members have to pass. An empty
// array lets everything pass.
func (p *parser) filters(v Value, depth int) *node {
	if v.Kind != List {
		return p.fail(v, "filters is a list, such as filters: [{ exact: { type: com.acme.x } }]; got %s", describe(v))
	}
	n := &node{op: opAll, pos: v.Pos, path: v.Path}
	for _, item := range v.Items {
		n.kids = append(n.kids, p.filter(item, depth+1))
	}
	return single(n)
}

// filter reads one filter: a map with a dialect as its only key.
func (p *parser) filter(v Value, depth int) *node {
	if p.tooDeep(v, depth) {
		return nil
	}
	if v.Kind != Map || len(v.Fields) != 1 {
		return p.fail(v, "a filter is a map with exactly one dialect of %s; got %s",
			strings.Join(dialects(), ", "), describeFields(v))
	}
	f := v.Fields[0]
	switch f.Key {
	case "exact":
		return p.filterAttributes(f, opEqual)
	case "prefix":
		return p.filterAttributes(f, opPrefix)
	case "suffix":
		return p.filterAttributes(f, opSuffix)
	case keyAll:
		return p.filterList(f, opAll, depth)
	case keyAny:
		return p.filterList(f, opAny, depth)
	case keyNot:
		return p.filterNot(f, depth)
	case "sql":
		return p.cesql(f.Value)
	}
	hint := didYouMean(f.Key, dialects())
	if likely := foreignDialect(f.Key); likely != "" {
		hint = "; did you mean " + likely + "?"
	}
	return p.failKey(f, "%s is not a filter dialect; there are %s%s", quote(Clip(f.Key)), strings.Join(dialects(), ", "), hint)
}

// foreignDialect translates what the filters are called elsewhere.
func foreignDialect(word string) string {
	switch strings.ToLower(word) {
	case "cesql", "cloudeventssql", "expression", "query":
		return "sql"
	case "and", "allof":
		return keyAll
	case "or", "anyof", "oneof":
		return keyAny
	case "none", "nor", "noneof":
		return "not: { any: [ … ] }"
	case "eq", "equals", "equal", "is":
		return "exact"
	case "startswith":
		return "prefix"
	case "endswith":
		return "suffix"
	}
	return ""
}

func describeFields(v Value) string {
	if v.Kind != Map || len(v.Fields) < 2 {
		return describe(v)
	}
	keys := make([]string, 0, 3)
	for _, f := range v.Fields[:min(3, len(v.Fields))] {
		keys = append(keys, Clip(f.Key))
	}
	return "the keys " + strings.Join(keys, ", ")
}

// filterAttributes reads the map of attributes to texts of exact, prefix and suffix; all of them have to pass.
func (p *parser) filterAttributes(f Field, o op) *node {
	if f.Value.Kind != Map || len(f.Value.Fields) == 0 {
		return p.fail(f.Value, "%s is a map of at least one attribute to a text, such as %s: { type: com.acme.x }; got %s",
			f.Key, f.Key, describe(f.Value))
	}
	n := &node{op: opAll, pos: f.Pos, path: f.Value.Path}
	for _, a := range f.Value.Fields {
		p.attributeName(a)
		p.mention(a)
		if a.Value.Kind != Scalar || a.Value.Scalar == "" {
			n.kids = append(n.kids, p.fail(a.Value, "the %s filter for %s takes a text that is not empty; got %s",
				f.Key, a.Key, describe(a.Value)))
			continue
		}
		s := subject{name: a.Key}
		p.filterLookalike(a, o)
		if o == opEqual {
			p.oddNumber(a.Value, s)
		}
		text, _ := p.text(a.Value, s, "the "+f.Key+" filter")
		n.kids = append(n.kids, s.node(o, Value{Pos: a.Pos, Path: a.Value.Path}, newTest(o, []string{text})))
	}
	return single(n)
}

// filterLookalike warns of patterns, which the dialects of texts do not have.
func (p *parser) filterLookalike(a Field, o op) {
	word := map[op]string{opPrefix: "prefix", opSuffix: "suffix"}[o]
	if len(a.Value.Scalar) > maxPattern {
		return
	}
	matcher, meant := Lookalike(word, a.Value.Scalar, false)
	switch matcher {
	case "prefix", "suffix":
		p.warn(a.Value, "%s: a filter compares texts as they stand, wildcards and all; write %s: { %s: %s }", quote(Clip(a.Value.Scalar)),
			matcher, a.Key, Clip(scalarText(meant)))
	case "":
	default:
		p.warn(a.Value, "%s: a filter compares texts as they stand, wildcards and all; a sql filter has LIKE, where %% is any run of "+
			"characters", quote(Clip(a.Value.Scalar)))
	}
}

func (p *parser) filterList(f Field, o op, depth int) *node {
	if f.Value.Kind != List || len(f.Value.Items) == 0 {
		return p.fail(f.Value, "%s takes a list with at least one filter; got %s", f.Key, describe(f.Value))
	}
	n := &node{op: o, pos: f.Pos, path: f.Value.Path}
	for _, item := range f.Value.Items {
		n.kids = append(n.kids, p.filter(item, depth+1))
	}
	return single(n)
}

func (p *parser) filterNot(f Field, depth int) *node {
	if f.Value.Kind != Map {
		return p.fail(f.Value, "not takes exactly one filter, such as not: { exact: { type: com.acme.x } }; got %s",
			describe(f.Value))
	}
	return p.negate(f, p.filter(f.Value, depth+1))
}
