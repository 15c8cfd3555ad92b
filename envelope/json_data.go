package envelope

import (
	"bytes"
	"encoding/base64"

	"github.com/go-json-experiment/json/jsontext"
)

// setData decides what the data members mean, in the order of the JSON format's section 3.1.2. It runs last because
// datacontenttype may come after the data.
func (p *parser) setData(e *Event) error {
	if p.base64 != nil && p.base64[0] != 'n' {
		if p.data != nil {
			return &AttributeError{Attribute: "data_base64", Rule: "must not be there together with data"}
		}
		return p.setBinary(e)
	}
	if p.data == nil {
		return nil
	}
	if e.DataContentType == "" || IsJSON(e.DataContentType) {
		e.Data, e.DataKind = p.data, DataJSON
		return nil
	}
	if p.data[0] != '"' {
		return &AttributeError{Attribute: "data", Rule: "must be a JSON string where datacontenttype is not JSON"}
	}
	e.Data, e.DataKind = Bytes(unquote(p.data)), DataText
	return nil
}

// setBinary decodes data_base64 into memory of its own, because the message may leave again as it came.
func (p *parser) setBinary(e *Event) error {
	const rule = "must be a JSON string of base64 in the standard alphabet with padding"
	if p.base64[0] != '"' {
		return &AttributeError{Attribute: "data_base64", Rule: rule}
	}
	text := unquote(p.base64)
	if !validBinary(text) {
		return &AttributeError{Attribute: "data_base64", Rule: rule}
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(data, Bytes(text))
	if err != nil {
		return &AttributeError{Attribute: "data_base64", Rule: rule}
	}
	e.Data, e.DataKind = data[:n], DataBinary
	return nil
}

// unquote returns the text of a JSON string that the scanner has accepted. Without escapes it is a part of raw.
func unquote(raw []byte) string {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return String(inner)
	}
	text, err := jsontext.AppendUnquote(make([]byte, 0, len(inner)), raw)
	if err != nil {
		// The scanner takes no string that cannot be unquoted; were it otherwise, an empty value is what every
		// later check refuses or what matches nothing.
		return ""
	}
	return String(text)
}
