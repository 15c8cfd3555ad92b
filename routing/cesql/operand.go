package cesql

import "strings"

// unary reads NOT and minus, which bind tighter than every binary operator: NOT a = b is (NOT a) = b.
func (p *parser) unary() (*node, *Error) {
	n := node{pos: p.tok.pos}
	switch {
	case p.tok.is("NOT"):
		n.op = opNot
	case p.tok.is("-"), p.tok.is("+"):
		if lit, ok, err := p.signed(); ok || err != nil {
			return lit, err
		}
		n.op = opNegate
	default:
		return p.primary()
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	operand, err := p.nested(p.unary)
	if err != nil {
		return nil, err
	}
	return build(n, operand)
}

// signed reads an integer literal with its sign, if one stands here. It alone can write -2147483648.
func (p *parser) signed() (*node, bool, *Error) {
	sign := p.tok
	after, err := lex(p.src, sign.end())
	if err == nil && after.kind == tokInteger && after.pos == sign.end() {
		p.tok = after
		n, err := p.integer(sign.pos)
		return n, true, err
	}
	if sign.text == "+" {
		return nil, false, p.unexpected("an operand; a + sign must stand directly before digits")
	}
	return nil, false, nil
}

// integer reads an integer literal that began at pos with its sign.
func (p *parser) integer(pos int) (*node, *Error) {
	text := p.src[pos:p.tok.end()]
	v, ok := parseInt(text)
	if !ok {
		t := token{kind: tokInteger, pos: pos, text: text}
		return nil, parseError(pos, "the integer "+t.describe()+" is outside of -2147483648 to 2147483647")
	}
	return p.literal(node{pos: pos, value: IntValue(v)})
}

// literal finishes a literal and moves past its token.
func (p *parser) literal(n node) (*node, *Error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	return build(n)
}

// stringValue returns the value of the current string literal.
func (p *parser) stringValue() Value {
	s, doubled := unquote(p.tok.text)
	if doubled {
		p.warn(p.tok.pos, "a doubled quote in a string is read as one; other implementations may read two: write \\"+
			p.tok.text[:1]+" instead")
	}
	return StringValue(s)
}

// operandWanted names what may stand where an operand must.
const operandWanted = "an operand: an attribute, a literal, a function call, NOT, EXISTS, - or ("

// primary reads an operand that no operator of its own begins.
func (p *parser) primary() (*node, *Error) {
	switch t := p.tok; {
	case t.kind == tokString:
		return p.literal(node{pos: t.pos, value: p.stringValue(), raw: t.text})
	case t.kind == tokInteger:
		return p.integer(t.pos)
	case t.is("TRUE"), t.is("FALSE"):
		return p.literal(node{pos: t.pos, value: BoolValue(t.text == "TRUE")})
	case t.is("EXISTS"):
		return p.exists()
	case t.is("("):
		return p.parenthesised()
	case t.kind == tokWord:
		return p.word()
	}
	return nil, p.unexpected(operandWanted)
}

func (p *parser) exists() (*node, *Error) {
	n := node{op: opExists, pos: p.tok.pos}
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.tok.kind != tokWord || strings.Contains(p.tok.text, "_") {
		return nil, p.unexpected("an attribute name after EXISTS")
	}
	return p.attribute(n, p.tok)
}

func (p *parser) parenthesised() (*node, *Error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	n, err := p.nested(p.logic)
	if err != nil {
		return nil, err
	}
	n.paren = true
	return n, p.expect(")", "an operator or )")
}

// word reads an attribute or a function call.
func (p *parser) word() (*node, *Error) {
	t := p.tok
	after, err := lex(p.src, t.end())
	if err == nil && after.is("(") {
		return p.call(t)
	}
	if strings.Contains(t.text, "_") {
		return nil, p.unexpected("an attribute name, which has only letters and digits, or a function call")
	}
	return p.attribute(node{op: opAttribute, pos: t.pos}, t)
}

func (p *parser) attribute(n node, t token) (*node, *Error) {
	n.name = strings.ToLower(t.text)
	n.core = coreFieldOf(n.name)
	return p.literal(n)
}

// call reads a function call; the current token is the function's name, the next one its parenthesis.
func (p *parser) call(t token) (*node, *Error) {
	if strings.ContainsAny(t.text, "0123456789") {
		return nil, p.unexpected("a function name, which has only letters and underscores")
	}
	n := node{op: opCall, pos: t.pos, name: strings.ToUpper(t.text)}
	for range 2 {
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	var args []*node
	var err *Error
	if p.tok.is(")") {
		err = p.next()
	} else {
		args, err = p.list()
	}
	if err != nil {
		return nil, err
	}
	n.fn = resolve(n.name, len(args))
	return build(n, args...)
}
