package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/eventrouter/router/routing"
)

// commasTag marks the lists whose items cannot hold a comma, such as addresses: there a comma always ends an item.
const commasTag = "commas"

// lists reports whether a type is a list of texts, which one variable may bring.
func lists(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && (t.Elem().Kind() == reflect.String || t.Elem() == secretType)
}

// variableList makes a list of what a variable brings where one belongs: its items stand between commas. What stands in
// brackets stays one item, and may hold a comma.
func (d *decoder) variableList(n *node) {
	if n.kind != routing.Scalar || len(n.replaced) == 0 || n.bad {
		return
	}
	items := n.split()
	if len(items) == 0 {
		d.add(n, "expected a list, with commas between its items, got a variable that holds none")
		n.bad = true
		return
	}
	n.kind, n.items, n.joined = routing.List, items, true
}

// commaList takes a list apart at every comma, be it written as one text or within an item.
func (n *node) commaList() {
	switch {
	case n.kind == routing.Scalar && strings.Contains(n.value, ",") && !n.bad:
		if items := n.split(); len(items) > 0 {
			n.kind, n.items, n.joined = routing.List, items, true
		}
	case n.kind == routing.List && !n.joined && slices.ContainsFunc(n.items, func(i *node) bool { return strings.Contains(i.value, ",") }):
		n.whole = n.items
		n.items = nil
		for _, item := range n.whole {
			pieces := []*node{item}
			if item.kind == routing.Scalar && !item.bad && strings.Contains(item.value, ",") {
				pieces = item.split()
			}
			for _, piece := range pieces {
				piece.parent, piece.index = n, len(n.items)
				n.items = append(n.items, piece)
			}
		}
	}
}

// split returns what stands between the commas of a scalar, without blanks around it and without what is empty. Each item
// has the place of the whole, and is shown as the whole was written.
func (n *node) split() []*node {
	var items []*node
	for piece := range strings.SplitSeq(n.literal(), ",") {
		if piece = strings.TrimSpace(piece); piece == "" {
			continue
		}
		item := &node{kind: routing.Scalar, pos: n.pos, parent: n, index: len(items), text: n.text, value: piece, quoted: true, replaced: n.replaced}
		if len(n.replaced) > 0 {
			item.replaced = append([]replacement{{written: n.text, value: piece}}, n.replaced...)
		} else {
			item.text = piece
		}
		items = append(items, item)
	}
	return items
}
