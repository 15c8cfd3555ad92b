// Package template renders subjects, topics, keys and paths from an event's attributes, escaping each value for the
// place it goes to. A template is checked when it is compiled; a value that cannot be put into its place at run time
// is a permanent error, never sent.
//
// A placeholder is an attribute in braces, {type} or {region}; a value of a JSON payload, {data.order.id}; or
// something the source's transport knows: {kafka.topic}, {kafka.key}, {kafka.partition}, {kafka.offset},
// {nats.subject}, {nats.stream}, {nats.sequence}, {sqs.queue}, {sqs.message}, {sqs.group}, {http.path},
// {http.request}. {position} is the message's place at its source, such as orders/3@4711. Braces are doubled to
// stand for themselves.
package template

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// Target is the kind of place a template renders for; it decides the alphabet and the escaping.
type Target uint8

// The targets.
const (
	Raw         Target = iota // a record key or an attribute value: no escaping
	NATSSubject               // a NATS subject: a dot in a value separates tokens, other bytes are percent-coded
	KafkaTopic                // a Kafka topic: no escaping exists, so a value outside the alphabet is an error
	URLPath                   // the path and query of a URL: percent-coded, a slash in a value too
)

// maxRendered bounds a rendered raw value in bytes; the other targets have bounds of their own.
const maxRendered = 64 << 10

// lookup says where a placeholder's value comes from.
type lookup uint8

const (
	fromAttribute lookup = iota
	fromData
	fromMeta
)

// part is a literal, or a placeholder with where its value comes from.
type part struct {
	literal string
	name    string // empty for a literal
	lookup  lookup
	path    envelope.Path
}

// Template is a compiled template. It is safe for concurrent use.
type Template struct {
	target Target
	source string
	parts  []part
	prefix string
}

// Compile parses src. The error says what is wrong at which character.
func Compile(src string, target Target) (*Template, error) {
	t := &Template{target: target, source: src}
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			t.parts = append(t.parts, part{literal: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(src); {
		switch c := src[i]; {
		case (c == '{' || c == '}') && i+1 < len(src) && src[i+1] == c:
			lit.WriteByte(c)
			i += 2
		case c == '{':
			end := strings.IndexByte(src[i:], '}')
			if end < 0 {
				return nil, fmt.Errorf("template %q: no } for the { at character %d", src, i+1)
			}
			p, err := placeholder(src[i+1 : i+end])
			if err != nil {
				return nil, fmt.Errorf("template %q: character %d: %w", src, i+1, err)
			}
			flush()
			t.parts = append(t.parts, p)
			i += end + 1
		case c == '}':
			return nil, fmt.Errorf("template %q: a single } at character %d; write }} for a literal one", src, i+1)
		default:
			lit.WriteByte(c)
			i++
		}
	}
	flush()
	if len(t.parts) > 0 && t.parts[0].name == "" {
		t.prefix = t.parts[0].literal
	}
	if err := t.checkLiterals(); err != nil {
		return nil, fmt.Errorf("template %q: %w", src, err)
	}
	return t, nil
}

// metaNames are the placeholders that a transport fills.
const metaNames = " kafka.topic kafka.key kafka.partition kafka.offset nats.subject nats.stream nats.sequence " +
	"sqs.queue sqs.message sqs.group http.path http.request position "

func placeholder(name string) (part, error) {
	switch {
	case name == "":
		return part{}, fmt.Errorf("empty placeholder; name an attribute, such as {type}")
	case name == "data" || strings.HasPrefix(name, "data."):
		p, err := envelope.ParsePath(strings.TrimPrefix(strings.TrimPrefix(name, "data"), "."))
		if err != nil {
			return part{}, fmt.Errorf("{%s}: %w", name, err)
		}
		return part{name: name, lookup: fromData, path: p}, nil
	case strings.Contains(metaNames, " "+name+" "):
		return part{name: name, lookup: fromMeta}, nil
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return part{}, fmt.Errorf("{%s} is neither an attribute (lower-case letters and digits), nor data.PATH, nor one of%s",
				name, strings.TrimRight(metaNames, " "))
		}
	}
	return part{name: name}, nil
}

// Static returns the text of a template without placeholders.
func (t *Template) Static() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].name == "":
		return t.parts[0].literal, true
	}
	return "", false
}

// Prefix returns the literal text before the first placeholder.
func (t *Template) Prefix() string { return t.prefix }

// Literals returns the text before, between and after the placeholders: one more than there are placeholders.
func (t *Template) Literals() []string {
	all := []string{""}
	for i := range t.parts {
		if p := &t.parts[i]; p.name == "" {
			all[len(all)-1] += p.literal
		} else {
			all = append(all, "")
		}
	}
	return all
}

// String returns the template as it was written.
func (t *Template) String() string { return t.source }

// UsesData reports whether rendering reads the event's data.
func (t *Template) UsesData() bool {
	for i := range t.parts {
		if t.parts[i].name != "" && t.parts[i].lookup == fromData {
			return true
		}
	}
	return false
}

// Append renders the template for e and appends it to dst. The error is a bindings.PermanentError with reason
// bad_address.
func (t *Template) Append(dst []byte, e *envelope.Event) ([]byte, error) {
	start := len(dst)
	for i := range t.parts {
		p := &t.parts[i]
		if p.name == "" {
			dst = append(dst, p.literal...)
			continue
		}
		before := len(dst)
		var ok bool
		if dst, ok = p.value(dst, e); !ok {
			return dst[:start], t.fail("the event has no %s", p.name)
		}
		var err error
		if dst, err = t.escape(dst, before); err != nil {
			return dst[:start], t.fail("%s: %v", p.name, err)
		}
	}
	if err := t.checkRendered(dst[start:]); err != nil {
		return dst[:start], t.fail("%v", err)
	}
	return dst, nil
}

// fail names the template by its placeholders: the text between them may be a secret that a variable brought in.
func (t *Template) fail(format string, args ...any) error {
	var shape strings.Builder
	for i := range t.parts {
		if t.parts[i].name == "" {
			shape.WriteString("…")
		} else {
			shape.WriteString("{" + t.parts[i].name + "}")
		}
	}
	return bindings.Permanent(bindings.ReasonAddress, "", fmt.Errorf("template %q: "+format, append([]any{shape.String()}, args...)...))
}

// value appends the placeholder's raw value; false where the event has none.
func (p *part) value(dst []byte, e *envelope.Event) ([]byte, bool) {
	switch p.lookup {
	case fromData:
		text, kind := p.path.Lookup(e.Data)
		return append(dst, text...), kind != envelope.PathMissing && kind != envelope.PathNull
	case fromMeta:
		return appendMeta(dst, p.name, e)
	default:
		v, ok := e.Get(p.name)
		return append(dst, v...), ok
	}
}

func appendMeta(dst []byte, name string, e *envelope.Event) ([]byte, bool) {
	if name == "position" {
		return AppendPosition(dst, e), true
	}
	kind, what, _ := strings.Cut(name, ".")
	m := &e.Meta
	if kind != m.Transport {
		return dst, false
	}
	switch what {
	case "topic", "subject", "queue", "path":
		return append(dst, m.Channel...), true
	case "stream":
		return append(dst, m.Stream...), m.Stream != ""
	case "key", "group":
		return append(dst, e.Key...), e.Key != nil
	case "partition":
		return strconv.AppendInt(dst, int64(m.Partition), 10), true
	case "offset", "sequence":
		return strconv.AppendInt(dst, m.Position, 10), true
	case "message", "request":
		return append(dst, m.MessageID...), m.MessageID != ""
	}
	return dst, false
}

// AppendPosition appends where the event's message stands at its source: topic/partition@offset for Kafka,
// stream@sequence for JetStream, queue/message-id for SQS, path/request-id for HTTP. A redelivery has the same one. Core
// NATS has no positions: there it is the subject and, for a message that is no CloudEvent, a random name.
func AppendPosition(dst []byte, e *envelope.Event) []byte {
	m := &e.Meta
	switch {
	case m.Transport == "kafka":
		dst = append(append(dst, m.Channel...), '/')
		dst = append(strconv.AppendInt(dst, int64(m.Partition), 10), '@')
		return strconv.AppendInt(dst, m.Position, 10)
	case m.Stream != "":
		return strconv.AppendInt(append(append(dst, m.Stream...), '@'), m.Position, 10)
	case m.MessageID != "":
		return append(append(append(dst, m.Channel...), '/'), m.MessageID...)
	}
	return append(dst, m.Channel...)
}
