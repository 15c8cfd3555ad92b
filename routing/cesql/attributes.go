package cesql

// Attribute is an attribute that an expression names.
type Attribute struct {
	Name string
	// Offset is where its name, or the EXISTS before it, stands first in the source, in bytes from 0.
	Offset int
}

// Attributes returns the attributes that the expression names, each once and in the order of the source.
func (x *Expr) Attributes() []Attribute {
	var all []Attribute
	seen := map[string]bool{}
	var visit func(n *node)
	visit = func(n *node) {
		if (n.op == opAttribute || n.op == opExists) && !seen[n.name] {
			seen[n.name] = true
			all = append(all, Attribute{n.name, n.pos})
		}
		for _, a := range n.args {
			visit(a)
		}
	}
	visit(x.root)
	return all
}
