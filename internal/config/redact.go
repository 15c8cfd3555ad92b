package config

import (
	"regexp"
	"slices"

	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/routing"
)

// MarshalJSON prints the merged configuration as it was written: variables stay variables, secrets and the user
// information of URLs are hidden. That is the only form in which a configuration prints at all.
func (c Config) MarshalJSON() ([]byte, error) {
	if c.root == nil {
		return []byte("{}"), nil
	}
	return appendWritten(nil, c.root), nil
}

// String prints the configuration as MarshalJSON does.
func (c Config) String() string {
	text, _ := c.MarshalJSON()
	return string(text)
}

// GoString prints the configuration as MarshalJSON does.
func (c Config) GoString() string { return c.String() }

// appendWritten writes a subtree as JSON in the words of the file.
func appendWritten(dst []byte, n *node) []byte {
	return appendJSON(dst, written(n))
}

// userInfo finds what stands before the host in a URL.
var userInfo = regexp.MustCompile(`://[^/@\s]*(/[^@\s]*)?@`)

// written copies a subtree with every scalar as it was written, or hidden.
func written(n *node) *node {
	c := &node{kind: n.kind, value: n.text, tag: n.tag, quoted: n.quoted, replaced: n.replaced}
	switch {
	case n.secret:
		c.value, c.quoted = security.NewSecret(n.text).String(), true
	case n.kind == routing.Scalar:
		c.value = userInfo.ReplaceAllString(n.text, "://…@")
	}
	if n.joined {
		one := &node{kind: routing.Scalar, text: n.text, tag: n.tag, quoted: n.quoted, replaced: n.replaced}
		one.secret = slices.ContainsFunc(n.items, func(i *node) bool { return i.secret })
		return written(one)
	}
	items := n.items
	if n.whole != nil {
		items = n.whole
	}
	for _, i := range items {
		c.items = append(c.items, written(i))
	}
	for _, f := range n.fields {
		c.fields = append(c.fields, &field{key: f.key, value: written(f.value)})
	}
	return c
}
