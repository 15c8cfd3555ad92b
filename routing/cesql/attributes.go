package cesql

// Attribute is an attribute that an expression names.
type Attribute struct {
	Name string
	// Offset is where its name, or the EXISTS before it, stands first in the source, in bytes from 0.
	Offset int
	// Text is the name as the source has it where it is only ever what something is compared with, empty elsewhere. That
	// is where a text stands whose quotes were forgotten.
	Text string
}

// Attributes returns the attributes that the expression names, each once and in the order of the source.
func (x *Expr) Attributes() []Attribute {
	var all []Attribute
	seen := map[string]int{}
	var visit func(n *node, compared bool)
	visit = func(n *node, compared bool) {
		if n.op == opAttribute || n.op == opExists {
			i, ok := seen[n.name]
			if !ok {
				i = len(all)
				seen[n.name] = i
				all = append(all, Attribute{n.name, n.pos, x.source[n.pos:][:len(n.name)]})
			}
			if !compared || n.op == opExists {
				all[i].Text = ""
			}
		}
		for i, a := range n.args {
			visit(a, i > 0 && comparesWith(n))
		}
	}
	visit(x.root, false)
	return all
}

// comparesWith tells whether a node compares something other than a literal with what stands behind it.
func comparesWith(n *node) bool {
	return (n.op == opEqual || n.op == opUnequal || n.op == opIn) && n.args[0].op != opLiteral
}
