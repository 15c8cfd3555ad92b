package envelope

import (
	"bytes"
	"fmt"
	"sync"
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
	if p.scan.Peek() != '{' {
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
	scan    JSONScanner
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
	p.msg, p.options, p.scan = msg, o, NewJSONScanner(msg)
	return p
}

// release gives the parser back without holding on to the message.
func (p *parser) release() {
	p.scan = JSONScanner{}
	p.msg, p.data, p.base64, p.rule = nil, nil, nil, nil
	clear(p.reader.null[:cap(p.reader.null)])
	p.reader = AttributeReader{null: p.reader.null[:0]}
	parsers.Put(p)
}

// end checks that nothing but white space follows.
func (p *parser) end() error {
	if !p.scan.End() {
		return &AttributeError{Rule: "the JSON document is followed by something else"}
	}
	return nil
}

var (
	errNotObject     = fmt.Errorf("%w: the JSON document is not an object", ErrNotCloudEvent)
	errNoSpecVersion = fmt.Errorf("%w: the JSON object has no specversion", ErrNotCloudEvent)
)

// notObject says what a document is that does not begin with a brace.
func (p *parser) notObject() error {
	if p.scan.End() {
		return &AttributeError{Rule: "the message is empty, not a JSON document"}
	}
	if _, err := p.scan.Value(); err != nil {
		return syntaxError(err)
	}
	if err := p.end(); err != nil {
		return err
	}
	return errNotObject
}

// syntaxError says where the document stops being JSON.
func syntaxError(err error) error {
	return &AttributeError{Rule: "not a JSON document: " + err.Error()}
}

// event reads one object, whose brace is next, into e.
func (p *parser) event(e *Event) error {
	p.reader.Begin(e, p.options)
	p.rule, p.data, p.base64 = nil, nil, nil
	p.scan.Open('{')
	p.start = p.scan.Offset() - len("{")
	meant := false
	for first := true; ; first = false {
		more, err := p.scan.More(first, '}')
		if err != nil {
			return syntaxError(err)
		}
		if !more {
			break
		}
		raw, err := p.scan.Name()
		if err != nil {
			return syntaxError(err)
		}
		name := unquote(raw)
		if raw, err = p.scan.Value(); err != nil {
			return syntaxError(err)
		}
		meant = meant || name == "specversion"
		if p.rule == nil {
			p.rule = p.member(name, raw)
		}
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
