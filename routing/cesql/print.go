package cesql

import "strings"

// symbolOf returns how an operator is written, empty for what is none.
func symbolOf(op operator) string {
	switch op {
	case opNot:
		return "NOT"
	case opNegate, opSubtract:
		return "-"
	case opLike:
		return "LIKE"
	case opIn:
		return "IN"
	case opMultiply:
		return "*"
	case opDivide:
		return "/"
	case opModulo:
		return "%"
	case opAdd:
		return "+"
	case opEqual:
		return "="
	case opUnequal:
		return "<>"
	case opLess:
		return "<"
	case opLessEqual:
		return "<="
	case opGreater:
		return ">"
	case opGreaterEqual:
		return ">="
	case opAnd:
		return "AND"
	case opOr:
		return "OR"
	case opXor:
		return "XOR"
	default:
		return ""
	}
}

// level is an operator's precedence, higher binds tighter.
func (op operator) level() int {
	switch {
	case op >= opAnd:
		return 1
	case op >= opEqual:
		return 2
	case op >= opAdd:
		return 3
	case op >= opMultiply:
		return 4
	case op >= opLike:
		return 5
	case op >= opNot:
		return 6
	default:
		return 7
	}
}

// String returns the expression in canonical form: keywords and functions in upper case, strings in single quotes
// where they can be, only the parentheses it needs, and those that keep AND, OR and XOR apart. Parsing it yields the
// same expression.
func (x *Expr) String() string {
	var b strings.Builder
	printNode(&b, x.root)
	return b.String()
}

// printNode writes a node without parentheses around it.
func printNode(b *strings.Builder, n *node) {
	switch n.op {
	case opLiteral:
		b.WriteString(literalText(n))
	case opAttribute:
		b.WriteString(n.name)
	case opExists:
		b.WriteString("EXISTS " + n.name)
	case opCall:
		b.WriteString(n.name)
		printList(b, n.args)
	case opNot, opNegate:
		printUnary(b, n)
	case opLike, opIn:
		printPostfix(b, n)
	default:
		for i, a := range n.args {
			if i > 0 {
				b.WriteString(" " + symbolOf(n.op) + " ")
			}
			printOperand(b, a, n.level(i, a))
		}
	}
}

// level returns the least precedence operand i may have without parentheses. Equal precedence needs them on the
// right side, and between different logic operators.
func (n *node) level(i int, operand *node) int {
	if level := n.op.level(); i == 0 && (level > 1 || operand.op == n.op) {
		return level
	}
	return n.op.level() + 1
}

func printUnary(b *strings.Builder, n *node) {
	b.WriteString(symbolOf(n.op))
	operand := n.args[0]
	// A minus before digits would become part of the number, and -(-1) must not print as --1 with a literal 1.
	if n.op == opNot || operand.op == opLiteral && operand.value.typ == Integer {
		b.WriteByte(' ')
	}
	printOperand(b, operand, opNot.level())
}

func printPostfix(b *strings.Builder, n *node) {
	printOperand(b, n.args[0], opLike.level())
	if n.negated {
		b.WriteString(" NOT")
	}
	b.WriteString(" " + symbolOf(n.op) + " ")
	if n.op == opLike {
		b.WriteString(quote(n.value.text, n.raw))
		return
	}
	printList(b, n.args[1:])
}

func printList(b *strings.Builder, list []*node) {
	b.WriteByte('(')
	for i, a := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		printNode(b, a)
	}
	b.WriteByte(')')
}

func printOperand(b *strings.Builder, n *node, level int) {
	if n.op.level() >= level {
		printNode(b, n)
		return
	}
	b.WriteByte('(')
	printNode(b, n)
	b.WriteByte(')')
}

func literalText(n *node) string {
	if n.value.typ == String {
		return quote(n.value.text, n.raw)
	}
	return strings.ToUpper(n.value.String())
}

// quote writes a string literal. The language cannot escape a backslash, so a value that has one before a quote
// cannot be written in every delimiter: what does not read back as itself is written as the author wrote it.
func quote(value, raw string) string {
	for _, delim := range []string{"'", `"`} {
		literal := delim + strings.ReplaceAll(value, delim, `\`+delim) + delim
		t, err := lex(literal, 0)
		if err != nil || t.end() != len(literal) {
			continue
		}
		if back, _ := unquote(literal); back == value {
			return literal
		}
	}
	return raw
}
