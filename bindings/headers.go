package bindings

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/eventrouter/router/envelope"
)

// The dead letter of a message that could not be decoded carries the message's headers in one attribute, as a JSON array
// of pairs [name, value] in their order. A name is a JSON string. A value is a JSON string, or null for a null header.
// What is not UTF-8 is an object {"base64": "..."} in the place of the string. The text has no character that an attribute
// cannot have: control characters and noncharacters are escaped.

// AppendHeaders appends headers as such a text. It leaves out what would make the text longer than limit bytes, what
// belongs to the event last, and returns how many headers that are.
func AppendHeaders(dst []byte, headers []envelope.Header, limit int) (text []byte, left int) {
	pairs := make([][]byte, len(headers))
	size := len("[]")
	add := func(ofEvent bool) {
		for i := range headers {
			if h := &headers[i]; ofEvent == carriesEvent(h.Name) {
				pair := appendPair(nil, h)
				if size+len(pair)+len(",") > limit {
					left++
					continue
				}
				pairs[i], size = pair, size+len(pair)+len(",")
			}
		}
	}
	add(true)
	add(false)
	pairs = slices.DeleteFunc(pairs, func(p []byte) bool { return p == nil })
	dst = append(dst, '[')
	dst = append(dst, bytes.Join(pairs, []byte(","))...)
	return append(dst, ']'), left
}

// carriesEvent reports whether a header is an attribute of the event or its content type, on any transport.
func carriesEvent(name string) bool {
	has := func(prefix string) bool {
		return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
	}
	return has("ce-") || has("ce_") || strings.EqualFold(name, "content-type")
}

func appendPair(dst []byte, h *envelope.Header) []byte {
	dst = append(appendText(append(dst, '['), h.Name), ',')
	if h.Value == nil {
		return append(dst, "null]"...)
	}
	return append(appendText(dst, envelope.String(h.Value)), ']')
}

func appendText(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		dst = append(dst, `{"base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, envelope.Bytes(s))
		return append(dst, `"}`...)
	}
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case !escaped(r):
			dst = utf8.AppendRune(dst, r)
		case r > 0xffff:
			r -= 0x10000
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
	}
	return append(dst, '"')
}

// escaped reports whether an attribute cannot have a character: it is a control character or a noncharacter.
func escaped(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe
}

// ParseHeaders reads what AppendHeaders has written.
func ParseHeaders(text string) ([]envelope.Header, error) {
	var pairs [][]headerText
	if err := json.Unmarshal([]byte(text), &pairs); err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	headers := make([]envelope.Header, len(pairs))
	for i, p := range pairs {
		if len(p) != 2 || p[0] == nil {
			return nil, fmt.Errorf("headers: element %d is no pair of a name and a value", i)
		}
		headers[i] = envelope.Header{Name: string(p[0]), Value: p[1]}
	}
	return headers, nil
}

// headerText is a name or a value; nil is null.
type headerText []byte

// UnmarshalJSON reads a string, null, or an object with base64.
func (t *headerText) UnmarshalJSON(b []byte) error {
	*t = nil
	if string(b) == "null" {
		return nil
	}
	if b[0] == '{' {
		var of struct {
			Base64 *[]byte `json:"base64"`
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&of); err != nil {
			return err
		}
		if of.Base64 == nil {
			return errors.New("an object without base64")
		}
		*t = *of.Base64
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*t = append([]byte{}, s...)
	return nil
}
