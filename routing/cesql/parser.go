package cesql

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// parser reads an expression by recursive descent, one method per level of precedence (§3.4).
type parser struct {
	src      string
	tok      token
	depth    int
	warnings []string
}

// Parse reads an expression. The error is an *Error of kind ParseError.
func Parse(src string) (*Expr, error) {
	root, warnings, err := parse(src)
	if err != nil {
		return nil, err
	}
	x := &Expr{root: root, source: src, warnings: warnings}
	x.warnings = append(x.warnings, warn(root)...)
	return x, nil
}

func parse(src string) (*node, []string, *Error) {
	if len(src) > MaxLength {
		return nil, nil, parseError(MaxLength, "the expression is longer than "+strconv.Itoa(MaxLength)+" bytes")
	}
	for i, r := range src {
		if r == utf8.RuneError && !strings.HasPrefix(src[i:], "\uFFFD") {
			return nil, nil, parseError(i, "the expression is not valid UTF-8")
		}
	}
	p := &parser{src: src}
	if err := p.next(); err != nil {
		return nil, nil, err
	}
	root, err := p.logic()
	if err != nil {
		return nil, nil, err
	}
	if p.tok.kind != tokEnd {
		return nil, nil, p.unexpected("an operator or the end")
	}
	return root, p.warnings, nil
}

// next moves to the next token.
func (p *parser) next() (err *Error) {
	p.tok, err = lex(p.src, p.tok.end())
	return err
}

// unexpected is the error for the current token where something else was wanted.
func (p *parser) unexpected(want string) *Error {
	return parseError(p.tok.pos, "unexpected "+p.tok.describe()+", want "+want)
}

// expect moves past a symbol that must stand here.
func (p *parser) expect(symbol, want string) *Error {
	if !p.tok.is(symbol) {
		return p.unexpected(want)
	}
	return p.next()
}

// warn notes a warning about a place.
func (p *parser) warn(pos int, message string) {
	p.warnings = append(p.warnings, at(pos)+message)
}

// at begins a warning as Error begins an error.
func at(pos int) string { return "at character " + strconv.Itoa(pos+1) + ": " }

// nested runs parse one level deeper, so that no source can exhaust the stack.
func (p *parser) nested(parse func() (*node, *Error)) (*node, *Error) {
	if p.depth++; p.depth > MaxDepth {
		return nil, tooDeep(p.tok.pos)
	}
	defer func() { p.depth-- }()
	return parse()
}

func tooDeep(pos int) *Error {
	return parseError(pos, "the expression is nested more than "+strconv.Itoa(MaxDepth)+" levels deep; leave out parentheses, "+
		"or split it into several expressions below all")
}

// build makes a node over its operands. Chains such as 1+1+1 grow deep without nesting in the source, so depth is
// checked here too.
func build(n node, args ...*node) (*node, *Error) {
	for _, a := range args {
		n.depth = max(n.depth, a.depth)
	}
	if n.depth++; n.depth > MaxDepth {
		return nil, tooDeep(n.pos)
	}
	n.args = args
	return &n, nil
}

// logic reads AND, OR and XOR: one level, left to right.
func (p *parser) logic() (*node, *Error) {
	left, err := p.comparison()
	for err == nil {
		op, ok := binaryOperator(p.tok, opAnd, opXor)
		if !ok {
			return left, nil
		}
		left, err = p.logicTail(left, op)
	}
	return nil, err
}

// logicTail reads the operator and its right side. A chain of one operator becomes one node, so that long lists of
// alternatives are not deep.
func (p *parser) logicTail(left *node, op operator) (*node, *Error) {
	pos := p.tok.pos
	if err := p.next(); err != nil {
		return nil, err
	}
	right, err := p.comparison()
	if err != nil {
		return nil, err
	}
	if left.op == op && !left.paren {
		if left.depth = max(left.depth, right.depth+1); left.depth > MaxDepth {
			return nil, tooDeep(pos)
		}
		left.args = append(left.args, right)
		return left, nil
	}
	return build(node{op: op, pos: pos}, left, right)
}

// comparison, sum and product read the other binary operators, each level from left to right.
func (p *parser) comparison() (*node, *Error) { return p.binary(opEqual, opGreaterEqual, p.sum) }
func (p *parser) sum() (*node, *Error)        { return p.binary(opAdd, opSubtract, p.product) }
func (p *parser) product() (*node, *Error)    { return p.binary(opMultiply, opModulo, p.postfix) }

func (p *parser) binary(first, last operator, operand func() (*node, *Error)) (*node, *Error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}
	for {
		op, ok := binaryOperator(p.tok, first, last)
		if !ok {
			return left, nil
		}
		pos := p.tok.pos
		if err := p.next(); err != nil {
			return nil, err
		}
		right, err := operand()
		if err != nil {
			return nil, err
		}
		if left, err = build(node{op: op, pos: pos}, left, right); err != nil {
			return nil, err
		}
	}
}

// binaryOperator returns the operator a token stands for, if it lies within the given level.
func binaryOperator(t token, first, last operator) (operator, bool) {
	if t.is("!=") {
		return opUnequal, first <= opUnequal && opUnequal <= last
	}
	for op := first; op <= last; op++ {
		if t.is(symbolOf(op)) {
			return op, true
		}
	}
	return 0, false
}

// postfix reads [NOT] LIKE and [NOT] IN behind an operand.
func (p *parser) postfix() (*node, *Error) {
	left, err := p.unary()
	for err == nil {
		n := node{pos: p.tok.pos, negated: p.tok.is("NOT")}
		if n.negated {
			if err := p.next(); err != nil {
				return nil, err
			}
		}
		switch {
		case p.tok.is("LIKE"):
			left, err = p.like(n, left)
		case p.tok.is("IN"):
			left, err = p.in(n, left)
		case n.negated:
			return nil, p.unexpected("LIKE or IN after NOT")
		default:
			return left, nil
		}
	}
	return nil, err
}

// like reads LIKE and its pattern, which must be a string literal.
func (p *parser) like(n node, left *node) (*node, *Error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.tok.kind != tokString {
		return nil, p.unexpected("a string literal after LIKE")
	}
	n.op, n.raw = opLike, p.tok.text
	n.value = p.stringValue()
	n.pattern = compilePattern(n.value.text)
	if err := p.next(); err != nil {
		return nil, err
	}
	return build(n, left)
}

// in reads IN and its set.
func (p *parser) in(n node, left *node) (*node, *Error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	if err := p.expect("(", "( after IN"); err != nil {
		return nil, err
	}
	if p.tok.is(")") {
		return nil, p.unexpected("at least one element")
	}
	n.op = opIn
	set, err := p.list()
	if err != nil {
		return nil, err
	}
	return build(n, append([]*node{left}, set...)...)
}

// list reads expressions up to and including the closing parenthesis.
func (p *parser) list() ([]*node, *Error) {
	var list []*node
	for {
		n, err := p.nested(p.logic)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if p.tok.is(")") {
			return list, p.next()
		}
		if err := p.expect(",", ", or )"); err != nil {
			return nil, err
		}
	}
}
