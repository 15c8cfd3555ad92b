package lint

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/eventrouter/router/envelope"
)

// manyLines reports whether a text has one event per line: its first line is a whole object and more follow.
func manyLines(text []byte) bool {
	line, rest, many := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimSpace(line)
	return many && len(bytes.TrimSpace(rest)) > 0 && len(line) > 1 && line[0] == '{' && line[len(line)-1] == '}'
}

func (l *linter) lines() {
	offset, number := 0, 0
	for line := range bytes.Lines(l.text) {
		number++
		if len(bytes.TrimSpace(line)) > 0 {
			l.object(fmt.Sprintf(":%d", number), offset, offset+len(line))
		}
		offset += len(line)
	}
}

// json judges a document between two bytes of the text: an event or a batch.
func (l *linter) json(from, to int) {
	scan := envelope.NewJSONScanner(l.text[from:to])
	if !scan.Open('[') {
		l.object("", from, to)
		return
	}
	for i := 0; ; i++ {
		more, err := scan.More(i == 0, ']')
		if err == nil && !more {
			l.trailing(&scan, from)
			return
		}
		var value []byte
		if err == nil {
			value, err = scan.Value()
		}
		if err != nil {
			l.begin(fmt.Sprintf("[%d]", i), from)
			l.syntax(from, err)
			return
		}
		end := from + scan.Offset()
		l.object(fmt.Sprintf("[%d]", i), end-len(value), end)
	}
}

// trailing says when something follows a document.
func (l *linter) trailing(scan *envelope.JSONScanner, from int) {
	if !scan.End() {
		l.at(from+scan.Offset(), func() { l.violation("", "syntax", "something else follows the document") })
	}
}

// syntax says where a document stops being JSON.
func (l *linter) syntax(from int, err error) {
	if broken, ok := errors.AsType[*envelope.JSONError](err); ok {
		l.at(min(from+broken.Offset, len(l.text)), func() { l.violation("", "syntax", "not JSON: %s", broken.Problem) })
		return
	}
	l.violation("", "syntax", "not JSON: %s", err)
}

// object judges one event between two bytes of the text.
func (l *linter) object(where string, from, to int) {
	lead := len(l.text[from:to]) - len(bytes.TrimLeft(l.text[from:to], " \t\r\n"))
	l.begin(where, from+lead)
	scan := envelope.NewJSONScanner(l.text[from:to])
	if !scan.Open('{') {
		if v, err := scan.Value(); err != nil {
			l.syntax(from, err)
		} else {
			l.violation("", "type", "an event must be a JSON object, not %s", described(v))
		}
		return
	}
	m := members{loose: newLoose()}
	for first := true; ; first = false {
		more, err := scan.More(first, '}')
		if err == nil && !more {
			break
		}
		if err == nil {
			err = l.nextMember(&m, &scan, from)
		}
		if err != nil {
			l.syntax(from, err)
			return
		}
	}
	l.trailing(&scan, from)
	l.finish(m.loose)
	l.data(&m)
	l.settle(l.text[from:to])
}

// nextMember reads a member and judges it.
func (l *linter) nextMember(m *members, scan *envelope.JSONScanner, from int) error {
	name, err := scan.Name()
	if err != nil {
		return err
	}
	text, err := jsontext.AppendUnquote(nil, name)
	if err != nil {
		return err
	}
	place := from + scan.Offset() - len(":")
	value, err := scan.Value()
	if err != nil {
		return err
	}
	l.at(place, func() { l.member(m, string(text), value) })
	return nil
}

// described names what a value is that should be an object.
func described(value []byte) string {
	switch value[0] {
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// settle reads the event as the router does, so that nothing the router refuses passes, and gives advice.
func (l *linter) settle(text []byte) {
	var e envelope.Event
	if err := envelope.ParseJSON(&e, bytes.TrimSpace(text), envelope.Options{}); err != nil {
		if !l.broken {
			l.reject(err)
		}
		return
	}
	l.advise(&e)
}

// members are the members of a JSON event.
type members struct {
	*loose
	plain, base64 jsontext.Value
}

func (l *linter) member(m *members, name string, value jsontext.Value) {
	switch name {
	case "data", "data_base64":
		if m.names[name] {
			l.violation(name, "duplicate", "must not appear more than once")
			return
		}
		m.names[name] = true
		if name == "data" {
			m.plain = value
		} else {
			m.base64 = value
		}
		return
	}
	switch value.Kind() {
	case 'n':
		l.null(m, name)
	case '"':
		text, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			l.violation(name, "value", "must be Unicode text without lone surrogates")
			return
		}
		l.put(m.loose, name, string(text), envelope.KindUntyped)
	case 't', 'f':
		l.put(m.loose, name, string(value), envelope.KindBoolean)
	case '0':
		l.put(m.loose, name, string(value), envelope.KindInteger)
	default:
		m.names[name] = true
		l.violation(name, "type", "must be a string, a boolean or an integer, not an object or an array")
	}
}

// null takes a member that is the same as none, except that it may not come again.
func (l *linter) null(m *members, name string) {
	switch {
	case m.names[name]:
		l.violation(name, "duplicate", "must not appear more than once")
	case name == "specversion" || name == "id" || name == "source" || name == "type": // finish finds it absent
	case !envelope.ValidName(name):
		l.violation(name, "name", "is not an attribute name: one or more of a-z and 0-9, and not \"data\"")
	default:
		m.names[name] = true
	}
}

// data judges the members that hold the payload.
func (l *linter) data(m *members) {
	contentType := m.event.DataContentType
	if m.base64 != nil && m.base64.Kind() != 'n' {
		if m.plain != nil {
			l.violation("data_base64", "data", "must not be there together with data")
		}
		text, err := jsontext.AppendUnquote(nil, m.base64)
		if err == nil {
			_, err = base64.StdEncoding.Strict().DecodeString(string(text))
		}
		if err != nil || !envelope.ValidValue(string(text), envelope.KindBinary) {
			l.violation("data_base64", "data", "must be a JSON string of base64 in the standard alphabet with padding")
		}
		return
	}
	if m.plain != nil && contentType != "" && !envelope.IsJSON(contentType) && m.plain.Kind() != '"' {
		l.violation("data", "data", "must be a JSON string where datacontenttype is not JSON")
	}
}
