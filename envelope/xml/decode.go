package xml

import (
	"bytes"
	"encoding/base64"
	stdxml "encoding/xml"
	"fmt"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// typeNames are the names of the CloudEvents types in the format's own namespace.
func typeName(kind envelope.Kind) string {
	switch kind {
	case envelope.KindBoolean:
		return "boolean"
	case envelope.KindInteger:
		return "integer"
	case envelope.KindBinary:
		return "binary"
	case envelope.KindURI:
		return "uri"
	case envelope.KindURIRef:
		return "uriRef"
	case envelope.KindTimestamp:
		return "timestamp"
	case envelope.KindUntyped, envelope.KindString:
	}
	return "string"
}

// kindOf returns the type of that name.
func kindOf(name stdxml.Name) (envelope.Kind, bool) {
	if name.Space != namespace {
		return 0, false
	}
	for kind := envelope.KindString; kind <= envelope.KindTimestamp; kind++ {
		if typeName(kind) == name.Local {
			return kind, true
		}
	}
	return 0, false
}

// Parse decodes one event into e, which the caller has Reset. Only e.Raw aliases msg, which it becomes. Every fault is
// an envelope.AttributeError; after one the attributes of e mean nothing.
func Parse(e *envelope.Event, msg []byte, o envelope.Options) error {
	t := newTokens(bytes.TrimPrefix(msg, []byte("\uFEFF")))
	root, err := t.root()
	if err != nil {
		return err
	}
	if root.Name != (stdxml.Name{Space: namespace, Local: "event"}) {
		return broken("its root must be the element event of namespace " + namespace)
	}
	if err := parseEvent(e, t, root, o); err != nil {
		return err
	}
	if err := t.end(); err != nil {
		return err
	}
	e.Raw, e.RawFormat = msg, envelope.FormatXML
	return nil
}

// ParseBatch decodes a batch: add is called for every event of it and returns an event that was Reset. Nothing of the
// batch is valid when it fails. The error names the position of the event at fault, counted from 0.
func ParseBatch(msg []byte, o envelope.Options, add func() *envelope.Event) error {
	t := newTokens(bytes.TrimPrefix(msg, []byte("\uFEFF")))
	root, err := t.root()
	if err != nil {
		return err
	}
	if root.Name != (stdxml.Name{Space: namespace, Local: "batch"}) {
		return broken("its root must be the element batch of namespace " + namespace)
	}
	for i := 0; ; {
		child, more, err := t.child("the batch")
		if err != nil {
			return err
		}
		switch {
		case !more:
			return t.end()
		case child.Name.Space != namespace:
			err = t.skip()
		case child.Name.Local != "event":
			err = broken("a batch must hold events, not the element " + child.Name.Local)
		default:
			if err = parseEvent(add(), t, child, o); err != nil {
				err = fmt.Errorf("event %d of the batch: %w", i, err)
			}
			i++
		}
		if err != nil {
			return err
		}
	}
}

// child returns the next element inside the one that is open; more is false at its end. Text is refused.
func (t *tokens) child(of string) (start stdxml.StartElement, more bool, err error) {
	for {
		token, err := t.next()
		if err != nil {
			return stdxml.StartElement{}, false, err
		}
		switch v := token.(type) {
		case stdxml.StartElement:
			return v, true, nil
		case stdxml.EndElement:
			return stdxml.StartElement{}, false, nil
		case stdxml.CharData:
			if !blank(v) {
				return stdxml.StartElement{}, false, broken("there is text in " + of + " outside its elements")
			}
		}
	}
}

// event reads one event, whose start was read, to its end.
type event struct {
	*tokens
	e       *envelope.Event
	reader  envelope.AttributeReader
	lenient bool
	data    bool
	any     bool
}

func parseEvent(e *envelope.Event, t *tokens, start stdxml.StartElement, o envelope.Options) error {
	d := event{tokens: t, e: e, lenient: o.Lenient}
	d.reader.Begin(e, o)
	version, ok, err := attribute(&start, stdxml.Name{Local: "specversion"})
	if err != nil {
		return err
	}
	if ok {
		if err := d.reader.Typed("specversion", version, envelope.KindString); err != nil {
			return err
		}
	}
	for {
		child, more, err := t.child("the event")
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := d.child(child); err != nil {
			return err
		}
	}
	if err := d.reader.FinishStructured(); err != nil {
		return err
	}
	if d.any && e.DataContentType == "" {
		e.DataContentType = "application/xml"
	}
	return nil
}

// attribute returns an XML attribute of an element.
func attribute(e *stdxml.StartElement, name stdxml.Name) (value string, ok bool, err error) {
	for _, a := range e.Attr {
		if a.Name != name {
			continue
		}
		if ok {
			return "", false, broken("the attribute " + name.Local + " is there more than once")
		}
		value, ok = a.Value, true
	}
	return value, ok, nil
}

// child takes one element of the event.
func (d *event) child(start stdxml.StartElement) error {
	if start.Name.Space != namespace {
		return d.skip()
	}
	declared, typed, err := attribute(&start, stdxml.Name{Space: instanceNamespace, Local: "type"})
	if err != nil {
		return err
	}
	name := start.Name.Local
	if name == "data" {
		return d.takeData(d.qualified(declared))
	}
	kind, known := kindOf(d.qualified(declared))
	want, core := envelope.CoreKind(name)
	switch {
	case core && typed && (!known || kind != want):
		return &envelope.AttributeError{Attribute: name, Rule: "may have no other xsi:type than ce:" + typeName(want)}
	case core:
		kind = want
	case !known:
		return &envelope.AttributeError{Attribute: name, Rule: "must have an xsi:type of the CloudEvents types, such as ce:string"}
	}
	text, err := d.text(name)
	if err != nil {
		return err
	}
	if name == "dataschema" && !d.lenient && text != "" && !hasScheme(text) {
		return &envelope.AttributeError{Attribute: name, Rule: "must be an absolute URI (RFC 3986 section 4.3)"}
	}
	return d.reader.Typed(name, text, kind)
}

// hasScheme reports whether a URI reference begins with a scheme.
func hasScheme(s string) bool {
	scheme, _, found := strings.Cut(s, ":")
	return found && scheme != "" && !strings.ContainsAny(scheme, "/?#")
}

// takeData takes the data element.
func (d *event) takeData(kind stdxml.Name) error {
	if d.data {
		return &envelope.AttributeError{Attribute: "data", Rule: "must not appear more than once"}
	}
	d.data = true
	if kind.Space != schemaNamespace {
		kind.Local = ""
	}
	switch kind.Local {
	case "string":
		text, err := d.text("data")
		d.e.Data, d.e.DataKind = envelope.Bytes(text), envelope.DataText
		return err
	case "base64Binary":
		return d.binary()
	case "any":
		return d.element()
	}
	return &envelope.AttributeError{Attribute: "data", Rule: "must have the xsi:type xs:string, xs:base64Binary or xs:any"}
}

// binary takes data in base64, which XML Schema allows white space in.
func (d *event) binary() error {
	text, err := d.text("data")
	if err != nil {
		return err
	}
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, text)
	const rule = "must be base64 in the standard alphabet with padding"
	if !envelope.ValidValue(text, envelope.KindBinary) {
		return &envelope.AttributeError{Attribute: "data", Rule: rule}
	}
	if d.e.Data, err = base64.StdEncoding.DecodeString(text); err != nil {
		return &envelope.AttributeError{Attribute: "data", Rule: rule}
	}
	return nil
}

// element takes data that is an XML element, as the text it was written in.
func (d *event) element() error {
	d.any = true
	for {
		child, more, err := d.tokens.child("XML data")
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if d.e.Data != nil {
			return &envelope.AttributeError{Attribute: "data", Rule: "must hold one element where its type is xs:any"}
		}
		from, outside := d.start, d.scope[:d.open[len(d.open)-1]]
		inherited := d.inherit(&child, outside)
		if err := d.skip(); err != nil {
			return err
		}
		raw := d.msg[from:int(d.dec.InputOffset())]
		d.e.Data, d.e.DataKind = declare(raw, inherited), envelope.DataText
	}
	if d.e.Data == nil {
		return &envelope.AttributeError{Attribute: "data", Rule: "must hold one element where its type is xs:any"}
	}
	return nil
}
