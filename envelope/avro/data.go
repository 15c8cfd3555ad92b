package avro

import (
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/eventrouter/router/envelope"
)

// The branches of the union that data is.
const (
	dataBytes = iota
	dataNull
	dataBoolean
	dataMap
	dataArray
	dataDouble
	dataString
)

// maxDepth is how many records and arrays may lie inside one another in data that is not bytes.
const maxDepth = 64

// data reads the field data.
func (r *reader) data(e *envelope.Event) error {
	branch, err := r.long()
	if err != nil {
		return err
	}
	switch branch {
	case dataBytes:
		e.Data, err = r.bytes()
		return err
	case dataNull:
		return nil
	}
	if branch == dataString && e.DataContentType != "" && !envelope.IsJSON(e.DataContentType) {
		e.Data, err = r.text()
		e.DataKind = envelope.DataText
		return err
	}
	if e.DataContentType != "" && !envelope.IsJSON(e.DataContentType) {
		return &envelope.AttributeError{Attribute: "data", Rule: "must be bytes or a string where datacontenttype is not JSON"}
	}
	w := writer{reader: r}
	if err := w.top(branch); err != nil {
		return err
	}
	e.Data, e.DataKind = w.json, envelope.DataJSON
	return nil
}

// writer writes the schema's representation of JSON as JSON text.
type writer struct {
	*reader
	json  []byte
	depth int
}

// top writes what a branch of the union that data is holds.
func (w *writer) top(branch int64) error {
	switch branch {
	case dataBoolean:
		return w.scalar(scalarBoolean)
	case dataDouble:
		return w.scalar(scalarDouble)
	case dataString:
		return w.scalar(scalarString)
	case dataArray:
		return w.list('[', ']', w.record)
	case dataMap:
		return w.list('{', '}', func() error { return w.member(topMember) })
	}
	return broken("data is of a type that the schema does not have")
}

// scalar is a type that both inner unions have.
type scalar uint8

const (
	scalarNull scalar = iota
	scalarBoolean
	scalarDouble
	scalarString
)

func (w *writer) scalar(s scalar) error {
	switch s {
	case scalarNull:
		w.json = append(w.json, "null"...)
	case scalarBoolean:
		b, err := w.boolean()
		w.json = strconv.AppendBool(w.json, b)
		return err
	case scalarDouble:
		return w.number()
	case scalarString:
		b, err := w.text()
		if err != nil {
			return err
		}
		w.json, err = jsontext.AppendQuote(w.json, b)
		return err
	}
	return nil
}

// number writes a double as the shortest number that reads back as it.
func (w *writer) number() error {
	f, err := w.double()
	if err != nil {
		return err
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return &envelope.AttributeError{Attribute: "data", Rule: "has a number that JSON does not have"}
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	w.json = strconv.AppendFloat(w.json, f, format, -1, 64)
	return nil
}

// list writes the items of a map or an array.
func (w *writer) list(first, last byte, item func() error) error {
	if w.depth++; w.depth > maxDepth {
		return &envelope.AttributeError{Attribute: "data", Rule: "must not nest more than 64 levels deep"}
	}
	w.json = append(w.json, first)
	some := false
	err := w.blocks(func() error {
		if some {
			w.json = append(w.json, ',')
		}
		some = true
		return item()
	})
	w.json = append(w.json, last)
	w.depth--
	return err
}

// record writes a CloudEventData, which is an object.
func (w *writer) record() error {
	return w.list('{', '}', func() error { return w.member(innerMember) })
}

// member writes a name and its value; which union the value is of differs between the outermost map and records.
func (w *writer) member(value func(*writer, int64) error) error {
	key, err := w.text()
	if err != nil {
		return err
	}
	if w.json, err = jsontext.AppendQuote(w.json, key); err != nil {
		return err
	}
	w.json = append(w.json, ':')
	branch, err := w.long()
	if err != nil {
		return err
	}
	return value(w, branch)
}

// topMember writes a value of the map that data itself can be: null, boolean, record, double, string.
func topMember(w *writer, branch int64) error {
	switch branch {
	case 0:
		return w.scalar(scalarNull)
	case 1:
		return w.scalar(scalarBoolean)
	case 2:
		return w.record()
	case 3:
		return w.scalar(scalarDouble)
	case 4:
		return w.scalar(scalarString)
	}
	return broken("data holds a type that the schema does not have")
}

// innerMember writes a value of a record: null, boolean, map of records, array of records, double, string.
func innerMember(w *writer, branch int64) error {
	switch branch {
	case 0:
		return w.scalar(scalarNull)
	case 1:
		return w.scalar(scalarBoolean)
	case 2:
		return w.list('{', '}', w.named)
	case 3:
		return w.list('[', ']', w.record)
	case 4:
		return w.scalar(scalarDouble)
	case 5:
		return w.scalar(scalarString)
	}
	return broken("data holds a type that the schema does not have")
}

// named writes one entry of a map of records.
func (w *writer) named() error {
	key, err := w.text()
	if err != nil {
		return err
	}
	if w.json, err = jsontext.AppendQuote(w.json, key); err != nil {
		return err
	}
	w.json = append(w.json, ':')
	return w.record()
}
