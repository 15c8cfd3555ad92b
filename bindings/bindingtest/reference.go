package bindingtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/eventrouter/router/envelope"
)

// What stands here is how another program writes and reads events: by the standard library, slowly, and without a line
// of what it is to judge. The writers and readers of the bindings' conformance tests are made of it.

// WriteJSON writes an event in the JSON format. It panics on what the format cannot say, which no golden event is.
func WriteJSON(e *envelope.Event) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	member := func(name string, value []byte) {
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		b.Write(mustJSON(name))
		b.WriteString(": ")
		b.Write(value)
	}
	attributes := Attributes(e)
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		value := mustJSON(attributes[name])
		if a := e.FindExtension(name); a != nil && (a.Kind == envelope.KindBoolean || a.Kind == envelope.KindInteger) {
			value = []byte(a.Value)
		}
		member(name, value)
	}
	switch {
	case e.Data == nil:
	case asJSON(e):
		member("data", e.Data)
	case strings.HasPrefix(e.DataContentType, "text/") && utf8.Valid(e.Data):
		member("data", mustJSON(string(e.Data)))
	default:
		member("data_base64", mustJSON(base64.StdEncoding.EncodeToString(e.Data)))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// asJSON reports whether the data can stand in the document as it is: everything else goes as bytes.
func asJSON(e *envelope.Event) bool {
	implied := e.DataContentType == "" && e.DataKind == envelope.DataJSON
	return (implied || isJSON(e.DataContentType)) && e.DataKind != envelope.DataBinary && json.Valid(e.Data) &&
		utf8.Valid(e.Data) && !bytes.Contains(e.Data, []byte(`"\ud800"`))
}

func isJSON(mediaType string) bool {
	mediaType, _, _ = strings.Cut(strings.ToLower(mediaType), ";")
	mediaType = strings.TrimSpace(mediaType)
	return strings.HasSuffix(mediaType, "/json") || strings.HasSuffix(mediaType, "+json")
}

func mustJSON(v string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// Attributes returns every attribute of an event as text, specversion and datacontenttype included.
func Attributes(e *envelope.Event) map[string]string {
	m := map[string]string{"specversion": "1.0"}
	for _, name := range []string{"id", "source", "type", "subject", "time", "dataschema", "datacontenttype"} {
		if v, ok := e.Get(name); ok {
			m[name] = v
		}
	}
	for i := range e.NumExtensions() {
		m[e.Extension(i).Name] = e.Extension(i).Value
	}
	return m
}

// FromAttributes makes an event of attributes without types and of data.
func FromAttributes(m map[string]string, data []byte) (*envelope.Event, error) {
	e := &envelope.Event{Data: data}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name == "specversion" {
			continue
		}
		e.Set(name, m[name], envelope.KindUntyped)
	}
	if m["specversion"] != "1.0" {
		return e, fmt.Errorf("event %q has the specversion %q", e.ID, m["specversion"])
	}
	return e, nil
}

// ReadJSON reads an event in the JSON format.
func ReadJSON(text []byte) (*envelope.Event, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("%w in %s", err, short(string(text)))
	}
	data, hasData := members["data"]
	encoded, hasBytes := members["data_base64"]
	if string(encoded) == "null" { // which is to be read as if it were not there
		hasBytes = false
	}
	if hasData && hasBytes {
		return nil, fmt.Errorf("data and data_base64 in %s", short(string(text)))
	}
	delete(members, "data")
	delete(members, "data_base64")
	attributes, kinds := map[string]string{}, map[string]envelope.Kind{}
	for name, raw := range members {
		var s string
		switch {
		case string(raw) == "null":
			continue
		case json.Unmarshal(raw, &s) == nil:
		case string(raw) == "true" || string(raw) == "false":
			s, kinds[name] = string(raw), envelope.KindBoolean
		default:
			s, kinds[name] = string(raw), envelope.KindInteger
		}
		attributes[name] = s
	}
	e, err := FromAttributes(attributes, nil)
	if err != nil {
		return nil, err
	}
	for name, kind := range kinds {
		if a := e.FindExtension(name); a != nil {
			a.Kind = kind
		}
	}
	switch {
	case hasBytes:
		return e, readBase64(e, encoded)
	case hasData:
		return e, readData(e, data)
	}
	return e, nil
}

func readBase64(e *envelope.Event, encoded json.RawMessage) error {
	var s string
	if err := json.Unmarshal(encoded, &s); err != nil {
		return err
	}
	data, err := base64.StdEncoding.DecodeString(s)
	e.Data, e.DataKind = append([]byte{}, data...), envelope.DataBinary
	return err
}

// readData reads data by what the media type says it is: JSON as it stands, anything else as the text of a string.
func readData(e *envelope.Event, data json.RawMessage) error {
	if e.DataContentType == "" || isJSON(e.DataContentType) {
		e.Data, e.DataKind = data, envelope.DataJSON
		return nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	e.Data, e.DataKind = append([]byte{}, s...), envelope.DataText
	return nil
}

// PercentEncode writes a value as the HTTP binding has it in headers: the space, the quote, the percent sign and all
// that is not printable ASCII as UTF-8 bytes in hexadecimal.
func PercentEncode(value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		if c <= ' ' || c == '"' || c == '%' || c > '~' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// PercentDecode undoes PercentEncode.
func PercentDecode(value string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] != '%' {
			b.WriteByte(value[i])
			continue
		}
		var c byte
		if i+2 >= len(value) {
			return "", fmt.Errorf("%q ends within a percent code", value)
		}
		if _, err := fmt.Sscanf(value[i+1:i+3], "%02X", &c); err != nil {
			return "", fmt.Errorf("%q: %w", value, err)
		}
		b.WriteByte(c)
		i += 2
	}
	return b.String(), nil
}

// SplitJSON returns the texts of the members of a JSON array.
func SplitJSON(text []byte) ([][]byte, error) {
	var members []json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	var out [][]byte
	for _, m := range members {
		out = append(out, m)
	}
	return out, nil
}
