package config

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/eventrouter/router/routing"
)

// maxFile is the largest configuration file in bytes. maxAliased is how many values the aliases of a file may expand
// to; without it, a few hundred bytes of nested aliases fill the memory.
const (
	maxFile    = 10 << 20
	maxAliased = 100_000
)

// reader turns one YAML file into nodes.
type reader struct {
	*collector
	env  Env
	file string

	aliased int                 // how many values came from aliases
	depth   int                 // how many aliases surround the current value
	outer   routing.Pos         // the outermost of them
	open    map[*yaml.Node]bool // the anchors being read, to notice one that holds itself
}

// read parses a file's text; nil if there is nothing to go on with.
func (r *reader) read(text []byte) *node {
	top := routing.Pos{File: r.file, Line: 1, Column: 1}
	if len(text) > maxFile {
		r.at(top, "", "the file is larger than %d MiB", maxFile>>20)
		return nil
	}
	if r.unreadable(text) {
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return &node{kind: routing.Map, pos: top}
	case err != nil:
		r.syntax(err, text)
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		r.at(r.pos(&second), "", "a second document begins here; write one document per file, or several files")
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err, text)
	}
	return r.document(document.Content[0], top)
}

func (r *reader) document(y *yaml.Node, top routing.Pos) *node {
	if y.Kind == yaml.ScalarNode && y.ShortTag() == "!!null" { // nothing but comments
		return &node{kind: routing.Map, pos: top}
	}
	if y.Kind != yaml.MappingNode {
		r.at(r.pos(y), "", "expected a map with keys such as sources, sinks and routes")
		return nil
	}
	r.open = map[*yaml.Node]bool{y: true}
	root := &node{kind: routing.Map, pos: r.pos(y)}
	r.mapping(y, root)
	return root
}

var syntaxError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)

// find returns the place of the first occurrence of word.
func (r *reader) find(text []byte, word string) routing.Pos {
	before, _, _ := bytes.Cut(text, []byte(word))
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return routing.Pos{File: r.file, Line: bytes.Count(before, []byte("\n")) + 1, Column: column}
}

// countsFromZero are the messages of yaml.v3's parser, whose lines count from 0. Those of its scanner count from 1.
var countsFromZero = []string{
	"did not find expected <stream-start>", "did not find expected <document start>",
	"did not find expected node content", "did not find expected '-' indicator", "did not find expected key",
	"did not find expected ',' or ']'", "did not find expected ',' or '}'",
}

// syntax records an error of the YAML parser, which knows the line at best.
func (r *reader) syntax(err error, text []byte) {
	pos := routing.Pos{File: r.file, Line: 1, Column: 1}
	message := err.Error()
	if m := syntaxError.FindStringSubmatch(message); m != nil {
		message = m[2]
		line, err := strconv.Atoi(m[1])
		switch {
		case slices.Contains(countsFromZero, message):
			pos.Line = line + 1
		case err == nil:
			pos.Line = line
		}
	}
	// Where something is missing at the end, the parser counts the line behind it.
	pos.Line = min(pos.Line, 1+bytes.Count(bytes.TrimRight(text, "\n"), []byte("\n")))
	hint := ""
	switch m := unknownAnchor.FindStringSubmatch(message); {
	case m != nil: // the name is not shown: it may be a password that lacks its quotes
		pos = r.find(text, "*"+m[1])
		message = "the alias refers to no anchor before it"
		hint = "; a value that begins with * needs quotes"
	case strings.Contains(message, "cannot start any token"):
		hint = "; a tab cannot indent, and a value that begins with @, ` or % needs quotes"
	case strings.Contains(message, "exceeded max depth"):
		hint = "; no configuration is nested nearly as deep: look for brackets or indentations that are never closed"
	case strings.Contains(message, "did not find expected ','"):
		hint = "; between { } and between [ ], a value with ${NAME} or with braces needs quotes"
	}
	r.at(pos, "", "not valid YAML: %s%s", message, hint)
}

func (r *reader) pos(y *yaml.Node) routing.Pos {
	return routing.Pos{File: r.file, Line: y.Line, Column: y.Column}
}

// value reads y into n, whose parent and key are set.
func (r *reader) value(y *yaml.Node, n *node) *node {
	n.pos = r.pos(y)
	if r.depth > 0 {
		if r.aliased++; r.aliased > maxAliased {
			n.bad = true
			if r.aliased == maxAliased+1 {
				r.key(n, r.outer, "aliases expand to more than %d values", maxAliased)
			}
			return n
		}
	}
	if y.Style&yaml.TaggedStyle != 0 && !knownTag(y.ShortTag()) {
		n.bad = true
		r.add(n, "a tag, which is what begins with !, means nothing here; remove it, or put the value into quotes")
		return n
	}
	switch y.Kind {
	case yaml.AliasNode:
		r.alias(y, n)
	case yaml.MappingNode:
		n.kind = routing.Map
		r.open[y] = true
		r.mapping(y, n)
		delete(r.open, y)
	case yaml.SequenceNode:
		n.kind = routing.List
		r.open[y] = true
		for i, item := range y.Content {
			n.items = append(n.items, r.value(item, &node{parent: n, index: i}))
		}
		delete(r.open, y)
	default:
		r.scalar(y, n)
	}
	return n
}

func knownTag(tag string) bool {
	switch tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!":
		return true
	}
	return false
}

func (r *reader) alias(y *yaml.Node, n *node) {
	if r.open[y.Alias] {
		n.bad = true
		r.add(n, "the alias *%s stands inside its own anchor", y.Value)
		return
	}
	if r.depth == 0 {
		r.outer = n.pos
	}
	r.depth++
	r.value(y.Alias, n)
	r.depth--
}

func (r *reader) scalar(y *yaml.Node, n *node) {
	n.text, n.value, n.tag = y.Value, y.Value, y.ShortTag()
	n.quoted = y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 ||
		y.Style&yaml.TaggedStyle != 0 && n.tag == "!!str"
	n.kind = routing.Scalar
	if n.tag == "!!null" {
		n.kind, n.value = routing.Null, ""
		return
	}
	if !strings.Contains(n.text, "$") {
		if n.tag == "!!bool" && !n.quoted { // YAML also has True and TRUE for it; everything here knows one way to write it
			n.value = strings.ToLower(n.text)
		}
		return
	}
	i := interpolation{env: r.env, dir: filepath.Dir(r.file)}
	value, err := i.expand(n.text)
	if err != nil {
		n.bad = true
		if e := (environmentError{}); errors.As(err, &e) {
			r.missing(n, "%v", err)
		} else {
			r.add(n, "%v", err)
		}
		return
	}
	n.value = value
	if len(i.replaced) > 0 {
		n.replaced = append([]replacement{{written: n.text, value: value}}, i.replaced...)
	}
}

// mapping reads the pairs of y into n: first those that stand there, then those of merge keys that do not stand there.
func (r *reader) mapping(y *yaml.Node, n *node) {
	var merges []*yaml.Node
	seen := map[string]*field{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.ShortTag() == "!!merge" {
			merges = append(merges, v)
			continue
		}
		key, ok := r.keyText(k, n)
		if !ok || n.parent == nil && strings.HasPrefix(key, "x-") {
			continue
		}
		f := &field{key: key, pos: r.pos(k), value: &node{parent: n, key: key}}
		if first := seen[key]; first != nil {
			f.value.pos = f.pos
			r.add(f.value, "duplicate key %q, already at %s", key, first.pos)
			continue
		}
		seen[key] = f
		r.value(v, f.value)
		n.fields = append(n.fields, f)
	}
	for _, m := range merges {
		r.merge(m, n, seen)
	}
}

// keyText returns the text of a map's key.
func (r *reader) keyText(k *yaml.Node, n *node) (string, bool) {
	if k.Kind == yaml.AliasNode {
		k = k.Alias
	}
	if k.Kind == yaml.ScalarNode && k.ShortTag() != "!!null" {
		return k.Value, true
	}
	r.key(n, r.pos(k), "a key must be text")
	return "", false
}

// merge adds the pairs of a merge key's map, or list of maps, to n unless their keys are there already.
func (r *reader) merge(y *yaml.Node, n *node, seen map[string]*field) {
	from := &node{parent: n, key: "<<"}
	r.value(y, from)
	maps := []*node{from}
	if from.kind == routing.List {
		maps = from.items
	}
	for _, m := range maps {
		if m.bad {
			continue
		}
		if m.kind != routing.Map {
			r.add(m, "a merge key takes a map or a list of maps")
			continue
		}
		for _, f := range m.fields {
			if seen[f.key] == nil && (n.parent != nil || !strings.HasPrefix(f.key, "x-")) {
				seen[f.key] = f
				f.value.parent = n
				n.fields = append(n.fields, f)
			}
		}
	}
}
