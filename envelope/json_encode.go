package envelope

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendJSON appends the event in the JSON format: the original bytes if it came in that format and is untouched.
// Otherwise Booleans and Integers are written as such, every other attribute as a string, and data in the way that
// the JSON format's section 3.1.1 and the data's bytes allow. It allocates nothing where dst has room.
func AppendJSON(dst []byte, e *Event) []byte {
	if e.RawFormat == FormatJSON && e.Raw != nil {
		return append(dst, e.Raw...)
	}
	dst = append(dst, `{"specversion":"`+SpecVersion+`"`...)
	form, contentType := e.dataForm()
	for c := coreID; c <= coreDataSchema; c++ {
		value := *c.field(e)
		if c == coreDataContentType {
			value = contentType
		}
		if value != "" {
			dst = appendName(dst, coreNames[c])
			dst = appendString(dst, Bytes(value))
		}
	}
	for i := range e.count {
		a := e.Extension(i)
		dst = appendName(dst, a.Name)
		dst = appendValue(dst, a)
	}
	return append(appendData(dst, e.Data, form), '}')
}

// appendName appends a comma and a member name. An event that breaks the rules of names still leaves as JSON.
func appendName(dst []byte, name string) []byte {
	dst = append(dst, ',')
	if !validName(name) {
		return append(appendString(dst, Bytes(name)), ':')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// appendValue appends the value of an extension attribute in its JSON type.
func appendValue(dst []byte, a *Attr) []byte {
	if a.Kind == KindBoolean && validBoolean(a.Value) || a.Kind == KindInteger && validInteger(a.Value) {
		return append(dst, a.Value...)
	}
	return appendString(dst, Bytes(a.Value))
}

// appendString appends s as a JSON string: only what JSON demands is escaped, and bytes that are not UTF-8 become
// replacement characters.
func appendString(dst, s []byte) []byte {
	// The only error is that of invalid UTF-8, and the output is complete nevertheless.
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

// dataForm is how data stands in a JSON event.
type dataForm uint8

const (
	formAbsent dataForm = iota
	formJSON            // "data", the bytes as they are
	formText            // "data", a JSON string
	formBase64          // "data_base64"
)

// dataForm chooses the member that carries the data, and the datacontenttype that belongs to it.
func (e *Event) dataForm() (dataForm, string) {
	switch contentType := e.ContentType(); {
	case e.Data == nil:
		return formAbsent, e.DataContentType
	case e.DataKind == DataBinary || contentType == "":
		return formBase64, e.DataContentType
	case IsJSON(contentType):
		if validJSON(e.Data) {
			return formJSON, contentType
		}
	case e.DataKind == DataText || isText(contentType):
		if utf8.Valid(e.Data) {
			return formText, contentType
		}
	}
	// Without a content type of its own, data_base64 says that nothing is known of the bytes.
	return formBase64, e.DataContentType
}

// validJSON reports whether b is one JSON value that ParseJSON would take back as data.
func validJSON(b []byte) bool {
	s := NewJSONScanner(b)
	return s.skip() == nil && s.End()
}

// appendData appends the member that holds the data.
func appendData(dst, data []byte, form dataForm) []byte {
	switch form {
	case formAbsent:
	case formJSON:
		// White space around the value is no part of it and could not be told from that of the document.
		dst = append(dst, `,"data":`...)
		dst = append(dst, bytes.Trim(data, " \t\r\n")...)
	case formText:
		dst = append(dst, `,"data":`...)
		dst = appendString(dst, data)
	case formBase64:
		dst = append(dst, `,"data_base64":"`...)
		dst = append(base64.StdEncoding.AppendEncode(dst, data), '"')
	}
	return dst
}
