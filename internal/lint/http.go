package lint

import (
	"bytes"
	"strings"

	"github.com/eventrouter/router/bindings/http"
	"github.com/eventrouter/router/envelope"
)

// isRequest reports whether a text begins as an HTTP request does.
func isRequest(text []byte) bool {
	for _, method := range []string{"POST ", "PUT ", "PATCH "} {
		if bytes.HasPrefix(text, []byte(method)) {
			return true
		}
	}
	return false
}

// header is one header line and where it stands in the text.
type header struct {
	name, value string
	offset      int
}

// request judges a raw HTTP request. Its lines are read one by one, because net/http would join and drop what is to be
// reported.
func (l *linter) request() {
	headers, from, ok := l.headers()
	if !ok {
		return
	}
	request, err := http.ReadCapture(l.text)
	if err != nil {
		l.begin("", len(l.text)-len(bytes.TrimLeft(l.text, " \t\r\n")))
		l.violation("", "syntax", "%s", err)
		return
	}
	var contentType *header
	for i := range headers {
		if h := &headers[i]; h.name == "content-type" {
			if contentType != nil {
				l.begin("", h.offset)
				l.violation("Content-Type", "content-type", "must not appear more than once")
				return
			}
			contentType = h
		}
	}
	if contentType != nil {
		if f, batch, structured := envelope.DetectStructured(contentType.value); structured {
			l.structured(f, batch, contentType, from, request.Body)
			return
		}
	}
	l.binary(headers, contentType, request.Body)
}

// headers splits the request at its lines. body is where the body begins in the text.
func (l *linter) headers() (headers []header, body int, ok bool) {
	offset := len(l.text) - len(bytes.TrimLeft(l.text, " \t\r\n"))
	first := true
	for line := range bytes.Lines(l.text[offset:]) {
		start := offset
		offset += len(line)
		text := strings.TrimRight(string(line), "\r\n")
		switch {
		case first:
			first = false
		case text == "":
			return headers, offset, true
		default:
			name, value, found := strings.Cut(text, ":")
			if !found || name == "" || strings.ContainsAny(name, " \t") {
				l.begin("", start)
				l.violation("", "syntax", "not an HTTP request: %q is not a header line", text)
				return nil, 0, false
			}
			headers = append(headers, header{strings.ToLower(name), strings.Trim(value, " \t"), start})
		}
	}
	return headers, offset, true
}

// structured judges a body that begins at from, unless a coding of it stands there.
func (l *linter) structured(f envelope.Format, batch bool, contentType *header, from int, body []byte) {
	switch f {
	case envelope.FormatJSON:
		if !bytes.HasPrefix(l.text[from:], body) {
			l.text, l.decoded, from = body, true, 0
		}
		l.json(from, from+len(body))
	case envelope.FormatNone:
		l.begin("", contentType.offset)
		l.violation("Content-Type", "content-type", "%s is not a format that can be read", contentType.value)
	case envelope.FormatProtobuf, envelope.FormatXML, envelope.FormatAvro:
		l.formatted(f, body, batch)
	}
}

// binary judges an event in binary mode.
func (l *linter) binary(headers []header, contentType *header, data []byte) {
	l.begin("", len(l.text)-len(bytes.TrimLeft(l.text, " \t\r\n")))
	e := newLoose()
	found := false
	for _, h := range headers {
		name, ok := strings.CutPrefix(h.name, "ce-")
		if !ok {
			continue
		}
		found = true
		l.at(h.offset, func() { l.header(e, name, h.value, contentType) })
	}
	if !found {
		l.violation("", "required", "the request has no ce- header, and its Content-Type is not application/cloudevents")
		return
	}
	if contentType != nil {
		l.at(contentType.offset, func() { l.put(e, "datacontenttype", contentType.value, envelope.KindUntyped) })
	}
	l.finish(e)
	if len(data) > 0 {
		e.event.Data = data
	}
	if !l.broken {
		l.advise(&e.event)
	}
}

// header judges one ce- header.
func (l *linter) header(e *loose, name, value string, contentType *header) {
	if name == "datacontenttype" {
		if contentType == nil || contentType.value != value {
			l.violation("ce-"+name, "content-type", "belongs into Content-Type, and says something else than that")
		}
		return
	}
	decoded, err := envelope.DecodeHeaderValue(value, envelope.HeaderStrict)
	if err != nil {
		l.violation("ce-"+name, "header", "%s", err)
		e.names[name] = true
		return
	}
	l.put(e, name, decoded, envelope.KindUntyped)
}
