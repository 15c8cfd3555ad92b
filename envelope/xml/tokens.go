package xml

import (
	"bytes"
	stdxml "encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// declaration is a namespace prefix in scope; the empty prefix is the default namespace.
type declaration struct {
	prefix, uri string
	// before is what the prefix meant outside; hidden says that it meant something.
	before string
	hidden bool
}

// tokens reads a document's tokens and keeps the namespaces in scope. Comments and processing instructions are left out.
type tokens struct {
	dec *stdxml.Decoder
	msg []byte
	// scope is every declaration in scope, the innermost last. prefixes is what a prefix means, and spaces how often a
	// namespace is declared, so that a name costs the same however many there are.
	scope    []declaration
	prefixes map[string]string
	spaces   map[string]int
	// open holds, for every open element, how many declarations were in scope before it.
	open []int
	// start is where the token that was returned last begins in msg.
	start int
}

func newTokens(msg []byte) *tokens {
	return &tokens{dec: stdxml.NewDecoder(bytes.NewReader(msg)), msg: msg, prefixes: map[string]string{}, spaces: map[string]int{}}
}

// next returns the next element's start, its end, or text. The token is valid until the next call.
func (t *tokens) next() (stdxml.Token, error) {
	for {
		t.start = int(t.dec.InputOffset())
		token, err := t.dec.Token()
		if err != nil {
			return nil, syntax(err)
		}
		switch v := token.(type) {
		case stdxml.StartElement:
			return v, t.enter(&v)
		case stdxml.EndElement:
			t.leave()
			return v, nil
		case stdxml.CharData:
			return v, nil
		case stdxml.Directive:
			return nil, broken("it has a document type definition")
		}
	}
}

// enter brings an element's declarations into scope and checks that its names have a namespace.
func (t *tokens) enter(e *stdxml.StartElement) error {
	t.open = append(t.open, len(t.scope))
	for _, a := range e.Attr {
		switch {
		case a.Name.Space == "xmlns":
			t.declare(a.Name.Local, a.Value)
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			t.declare("", a.Value)
		}
	}
	if !t.declared(e.Name.Space) {
		return broken("the prefix " + e.Name.Space + " is not declared")
	}
	for _, a := range e.Attr {
		if a.Name.Space != "xmlns" && !t.declared(a.Name.Space) {
			return broken("the prefix " + a.Name.Space + " is not declared")
		}
	}
	return nil
}

// declare brings a declaration into scope.
func (t *tokens) declare(prefix, uri string) {
	before, hidden := t.prefixes[prefix]
	t.scope = append(t.scope, declaration{prefix, uri, before, hidden})
	t.prefixes[prefix] = uri
	t.spaces[uri]++
}

// leave takes the declarations of the innermost element out of scope.
func (t *tokens) leave() {
	last := len(t.open) - 1
	for _, d := range slices.Backward(t.scope[t.open[last]:]) {
		if t.spaces[d.uri]--; t.spaces[d.uri] == 0 {
			delete(t.spaces, d.uri)
		}
		if d.hidden {
			t.prefixes[d.prefix] = d.before
		} else {
			delete(t.prefixes, d.prefix)
		}
	}
	t.scope, t.open = t.scope[:t.open[last]], t.open[:last]
}

// declared reports whether a namespace is one that is in scope. encoding/xml leaves a prefix that is not as it stands.
func (t *tokens) declared(space string) bool {
	return space == "" || space == xmlNamespace || t.spaces[space] > 0
}

// qualified resolves a name with a prefix in the value of an attribute.
func (t *tokens) qualified(value string) stdxml.Name {
	prefix, local, found := strings.Cut(strings.Trim(value, " \t\r\n"), ":")
	if !found {
		prefix, local = "", prefix
	}
	uri, ok := t.prefixes[prefix]
	switch {
	case ok:
	case prefix == "ce":
		uri = namespace
	case prefix == "xs":
		uri = schemaNamespace
	}
	return stdxml.Name{Space: uri, Local: local}
}

// skip reads to the end of the element that was entered last.
func (t *tokens) skip() error {
	for depth := len(t.open); len(t.open) >= depth; {
		if _, err := t.next(); err != nil {
			return err
		}
	}
	return nil
}

// text reads to the end of the element that was entered last, which holds text alone. name is for the error.
func (t *tokens) text(name string) (string, error) {
	var b strings.Builder
	for {
		token, err := t.next()
		if err != nil {
			return "", err
		}
		switch v := token.(type) {
		case stdxml.CharData:
			b.Write(v)
		case stdxml.StartElement:
			return "", &envelope.AttributeError{Attribute: name, Rule: "must not contain elements"}
		default:
			return b.String(), nil
		}
	}
}

// root reads up to the document's root element.
func (t *tokens) root() (stdxml.StartElement, error) {
	for {
		token, err := t.next()
		if err != nil {
			return stdxml.StartElement{}, err
		}
		if start, ok := token.(stdxml.StartElement); ok {
			return start, nil
		}
		if text, ok := token.(stdxml.CharData); ok && !blank(text) {
			return stdxml.StartElement{}, broken("there is text before its root element")
		}
	}
}

// end checks that nothing but comments and white space follows the root element.
func (t *tokens) end() error {
	for {
		t.start = int(t.dec.InputOffset())
		token, err := t.dec.Token()
		switch v := token.(type) {
		case nil:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return syntax(err)
		case stdxml.StartElement:
			return broken("there is more than one root element")
		case stdxml.Directive:
			return broken("it has a document type definition")
		case stdxml.CharData:
			if !blank(v) {
				return broken("there is text after its root element")
			}
		}
	}
}

// blank reports whether text is XML white space alone.
func blank(text []byte) bool { return len(bytes.Trim(text, " \t\r\n")) == 0 }

// broken is a document that is not XML, or not this format's.
func broken(rule string) error { return &envelope.AttributeError{Rule: "not an XML event: " + rule} }

// syntax says where the document stops being XML.
func syntax(err error) error {
	var s *stdxml.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return broken("the document ends too early")
	case errors.As(err, &s):
		return broken(fmt.Sprintf("line %d: %s", s.Line, s.Msg))
	}
	return broken(err.Error())
}
