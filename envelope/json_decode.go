package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// ParseJSON decodes a structured JSON event into e, which the caller has Reset. Strings and Data alias msg, except
// where they hold escapes or base64. Raw becomes msg, without a byte order mark.
//
// A document that is JSON and has no specversion member is ErrNotCloudEvent; everything else that is wrong is an
// AttributeError. After an error the attributes of e mean nothing.
func ParseJSON(e *Event, msg []byte, o Options) error {
	msg, err := withoutBOM(msg, o)
	if err != nil {
		return err
	}
	p := newParser(msg, o)
	defer p.release()
	if p.dec.PeekKind() != '{' {
		return p.notObject()
	}
	if err := p.event(e); err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	e.Raw, e.RawFormat = msg, FormatJSON
	return nil
}

// withoutBOM cuts a leading byte order mark in lenient mode and refuses it otherwise (RFC 8259 §8.1 allows either).
func withoutBOM(msg []byte, o Options) ([]byte, error) {
	rest, found := bytes.CutPrefix(msg, []byte("\uFEFF"))
	if found && !o.Lenient {
		return msg, &AttributeError{Rule: "a JSON document must not begin with a byte order mark"}
	}
	return rest, nil
}

// parser reads events out of one message. Parsers are pooled, so that decoding allocates nothing once warm.
type parser struct {
	dec     jsontext.Decoder
	buf     bytes.Buffer
	msg     []byte
	reader  AttributeReader
	options Options

	// rule is the first rule of the specification that the event at hand breaks. It waits until the object is read to
	// its end, because only then it is known whether the document is meant to be an event at all.
	rule error
	// data and base64 are the raw JSON of the data members, nil where absent.
	data, base64 []byte
	// start is where the event at hand begins in msg.
	start int
}

var parsers = sync.Pool{New: func() any { return new(parser) }}

func newParser(msg []byte, o Options) *parser {
	p := parsers.Get().(*parser)
	p.msg, p.options = msg, o
	p.load(msg)
	return p
}

// load makes the decoder read b in place: it parses straight from a bytes.Buffer and never writes to one. Duplicate
// names are allowed because data may hold them; those of the event itself are checked here.
func (p *parser) load(b []byte) {
	p.buf = *bytes.NewBuffer(b)
	p.dec.Reset(&p.buf, jsontext.AllowDuplicateNames(true))
}

// release gives the parser back without holding on to the message.
func (p *parser) release() {
	p.load(nil)
	p.msg, p.data, p.base64, p.rule = nil, nil, nil, nil
	clear(p.reader.null[:cap(p.reader.null)])
	p.reader = AttributeReader{null: p.reader.null[:0]}
	parsers.Put(p)
}

// value reads the next value or member name and returns it as a part of the message.
func (p *parser) value() ([]byte, error) {
	v, err := p.dec.ReadValue()
	if err != nil {
		return nil, syntaxError(err)
	}
	end := int(p.dec.InputOffset())
	return p.msg[end-len(v) : end : end], nil
}

// end checks that nothing but white space follows.
func (p *parser) end() error {
	if _, err := p.dec.ReadToken(); err == nil {
		return &AttributeError{Rule: "the JSON document is followed by another value"}
	} else if !errors.Is(err, io.EOF) {
		return syntaxError(err)
	}
	return nil
}

var (
	errNotObject     = fmt.Errorf("%w: the JSON document is not an object", ErrNotCloudEvent)
	errNoSpecVersion = fmt.Errorf("%w: the JSON object has no specversion", ErrNotCloudEvent)
)

// notObject says what a document is that does not begin with a brace.
func (p *parser) notObject() error {
	if _, err := p.value(); err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	return errNotObject
}

// syntaxError says where the document stops being JSON.
func syntaxError(err error) error {
	if errors.Is(err, io.EOF) {
		return &AttributeError{Rule: "the message is empty, not a JSON document"}
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return &AttributeError{Rule: "not a JSON document: at byte " + strconv.FormatInt(syntax.ByteOffset, 10) + ": " +
			syntax.Err.Error()}
	}
	return &AttributeError{Rule: "not a JSON document: " + err.Error()}
}

// event reads one object, whose brace is next, into e.
func (p *parser) event(e *Event) error {
	p.reader.Begin(e, p.options)
	p.rule, p.data, p.base64 = nil, nil, nil
	if _, err := p.dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	p.start = int(p.dec.InputOffset()) - len("{")
	meant := false
	for p.dec.PeekKind() != '}' {
		raw, err := p.value()
		if err != nil {
			return err
		}
		name := unquote(raw)
		if raw, err = p.value(); err != nil {
			return err
		}
		meant = meant || name == "specversion"
		if p.rule == nil {
			p.rule = p.member(name, raw)
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	if !meant {
		return errNoSpecVersion
	}
	if p.rule != nil {
		return p.rule
	}
	if err := p.reader.required(); err != nil {
		return err
	}
	return p.setData(e)
}

// member takes one member of the event's object.
func (p *parser) member(name string, raw []byte) error {
	switch name {
	case "data":
		if p.data != nil {
			return &AttributeError{Attribute: name, Rule: ruleDuplicate}
		}
		p.data = raw
		return nil
	case "data_base64":
		if p.base64 != nil {
			return &AttributeError{Attribute: name, Rule: ruleDuplicate}
		}
		p.base64 = raw
		return nil
	}
	switch raw[0] {
	case '"':
		return p.reader.put(name, unquote(raw), KindUntyped)
	case 'n':
		return p.unset(name)
	}
	if c := coreNumber(name); c != notCore {
		return &AttributeError{Attribute: name, Rule: "must be a JSON string"}
	}
	switch raw[0] {
	case 't', 'f':
		return p.reader.put(name, String(raw), KindBoolean)
	case '{', '[':
		return &AttributeError{Attribute: name, Rule: "must be a JSON string, boolean or integer"}
	}
	return p.reader.put(name, String(raw), KindInteger)
}

// unset takes an attribute whose value is null, which is the same as no attribute, except that it may not come again.
func (p *parser) unset(name string) error {
	c := coreNumber(name)
	if c == notCore {
		if err := p.reader.newName(name); err != nil {
			return err
		}
		p.reader.null = append(p.reader.null, name)
		return nil
	}
	if p.reader.has(c) {
		return &AttributeError{Attribute: name, Rule: ruleDuplicate}
	}
	if c <= coreType {
		return &AttributeError{Attribute: name, Rule: ruleRequired}
	}
	p.reader.seen |= 1 << c
	return nil
}
