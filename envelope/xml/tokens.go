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
type declaration struct{ prefix, uri string }

// tokens reads a document's tokens and keeps the namespaces in scope. Comments and processing instructions are left out.
type tokens struct {
	dec   *stdxml.Decoder
	msg   []byte
	scope []declaration
	// open holds, for every open element, how many declarations were in scope before it.
	open []int
	// start is where the token that was returned last begins in msg.
	start int
}

func newTokens(msg []byte) *tokens {
	return &tokens{dec: stdxml.NewDecoder(bytes.NewReader(msg)), msg: msg}
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
			last := len(t.open) - 1
			t.scope, t.open = t.scope[:t.open[last]], t.open[:last]
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
	if len(t.open) == maxDepth {
		return broken("its elements nest more than 64 levels deep")
	}
	t.open = append(t.open, len(t.scope))
	for _, a := range e.Attr {
		switch {
		case a.Name.Space == "xmlns":
			t.scope = append(t.scope, declaration{a.Name.Local, a.Value})
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			t.scope = append(t.scope, declaration{"", a.Value})
		}
	}
	if len(t.scope) > maxDeclarations {
		return broken("it declares more than 256 namespaces")
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

// declared reports whether a namespace is one that is in scope. encoding/xml leaves a prefix that is not as it stands.
func (t *tokens) declared(space string) bool {
	if space == "" || space == xmlNamespace {
		return true
	}
	for _, d := range t.scope {
		if d.uri == space {
			return true
		}
	}
	return false
}

// lookup returns the namespace of a prefix.
func (t *tokens) lookup(prefix string) (uri string, ok bool) {
	for _, v := range slices.Backward(t.scope) {
		if v.prefix == prefix {
			return v.uri, true
		}
	}
	return "", false
}

// qualified resolves a name with a prefix in the value of an attribute.
func (t *tokens) qualified(value string) stdxml.Name {
	prefix, local, found := strings.Cut(strings.Trim(value, " \t\r\n"), ":")
	if !found {
		prefix, local = "", prefix
	}
	uri, ok := t.lookup(prefix)
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
