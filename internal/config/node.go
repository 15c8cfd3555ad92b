package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/eventrouter/router/routing"
)

// node is a value of a configuration file with its place. Aliases and merge keys are expanded and variables replaced;
// what was written stays beside what it became.
type node struct {
	kind   routing.ValueKind
	pos    routing.Pos
	parent *node
	key    string // the key in a parent that is a map
	index  int    // the index in a parent that is a list

	// text is a scalar as written, value the same after the replacement of variables.
	text, value string
	tag         string // the YAML type that a plain scalar has by its looks, such as !!int
	quoted      bool
	replaced    []replacement

	// bad says that the value could not be read, which is recorded already.
	bad bool
	// wrong says that a mistake is recorded at this node, damaged that one is recorded here or below.
	wrong, damaged bool
	// secret says that the value was read into a secret.
	secret bool

	items  []*node
	fields []*field
	// joined says that the items were written as one text, and whole are the items as they were written, where some of them
	// held several.
	joined bool
	whole  []*node
}

// field is a key of a map.
type field struct {
	key   string
	pos   routing.Pos
	value *node
}

// replacement is a variable and what it stood for.
type replacement struct{ written, value string }

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// damage marks n and everything above it.
func (n *node) damage() {
	for ; n != nil && !n.damaged; n = n.parent {
		n.damaged = true
	}
}

// segment returns the part of a path that leads from the parent to n.
func (n *node) segment() string {
	switch {
	case n.parent.kind == routing.List:
		return "[" + strconv.Itoa(n.index) + "]"
	case plainKey.MatchString(n.key):
		return "." + routing.Clip(n.key)
	}
	return "[" + strconv.Quote(routing.Clip(n.key)) + "]"
}

// path returns the YAML path from the root, such as routes[2].when.type.
func (n *node) path() string {
	var parts []string
	for ; n.parent != nil; n = n.parent {
		parts = append(parts, n.segment())
	}
	var b strings.Builder
	for _, part := range slices.Backward(parts) {
		b.WriteString(part)
	}
	return strings.TrimPrefix(b.String(), ".")
}

// get returns the value of a key, nil if there is none.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, f := range n.fields {
		if f.key == key {
			return f.value
		}
	}
	return nil
}

// at walks down a list of keys, nil if one is absent.
func (n *node) at(keys ...string) *node {
	for _, k := range keys {
		n = n.get(k)
	}
	return n
}

// nearest follows a path below n as far as it exists; exact tells whether that was to its end.
func (n *node) nearest(path string) (found *node, exact bool) {
	rest := path
	if rest != "" && rest[0] != '[' {
		rest = "." + rest
	}
	for rest != "" {
		next, left := n.step(rest)
		if next == nil {
			return n, false
		}
		n, rest = next, left
	}
	return n, true
}

// step finds the child that a path leads to first, and what is left of the path behind it.
func (n *node) step(path string) (child *node, rest string) {
	if n.kind == routing.List {
		number, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
		i, err := strconv.Atoi(number)
		if !ok || err != nil || i < 0 || i >= len(n.items) {
			return nil, ""
		}
		return n.items[i], rest
	}
	for _, f := range n.fields {
		rest, ok := strings.CutPrefix(path, f.value.segment())
		if !ok {
			// A binding may name an unusual key, such as a header, without the quotes.
			rest, ok = strings.CutPrefix(path, "."+f.key)
		}
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return f.value, rest
		}
	}
	return nil, ""
}

// each calls visit for n and everything below it.
func (n *node) each(visit func(*node)) {
	visit(n)
	for _, i := range n.items {
		i.each(visit)
	}
	for _, f := range n.fields {
		f.value.each(visit)
	}
}

// broken reports whether anything at or below n could not be read.
func (n *node) broken() bool {
	bad := false
	n.each(func(m *node) { bad = bad || m.bad })
	return bad
}

// literal returns the text of a scalar where a text belongs: TRUE is a password of four letters there, and no Boolean.
func (n *node) literal() string {
	if n.tag == "!!bool" && !n.quoted && len(n.replaced) == 0 {
		return n.text
	}
	return n.value
}

// asValue returns the subtree in the form that the routing package reads.
func (n *node) asValue() routing.Value { return n.valueAt(n.path()) }

func (n *node) valueAt(path string) routing.Value {
	v := routing.Value{Kind: n.kind, Pos: n.pos, Path: path, Scalar: n.value, Quoted: n.quoted}
	for _, i := range n.items {
		v.Items = append(v.Items, i.valueAt(path+i.segment()))
	}
	for _, f := range n.fields {
		v.Fields = append(v.Fields, routing.Field{Key: f.key, Pos: f.pos, Value: f.value.valueAt(path + f.value.segment())})
	}
	return v
}

// quote shows a scalar as it was written, shortened.
func (n *node) quote() string {
	return strconv.Quote(routing.Clip(n.text))
}
