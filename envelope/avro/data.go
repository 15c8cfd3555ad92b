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

// writer writes the schema's representation of JSON as JSON text. It never recurses: what is open is a list, so that
// data may lie as deep as its message is long.
type writer struct {
	*reader
	json []byte
	open []container
}

// container is a map or an array that was begun and not ended.
type container struct {
	kind  kind
	left  int64 // items of the block at hand that were not read
	first bool  // nothing was written yet
}

// kind is what a container holds.
type kind uint8

const (
	topMap  kind = iota // names and values of the union that the outermost map has
	record              // names and values of the union that records have
	records             // names and records
	array               // records
)

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
		w.begin(array)
	case dataMap:
		w.begin(topMap)
	default:
		return broken("data is of a type that the schema does not have")
	}
	for len(w.open) > 0 {
		if err := w.step(); err != nil {
			return err
		}
	}
	return nil
}

// begin writes the bracket that opens a container.
func (w *writer) begin(k kind) {
	bracket := byte('{')
	if k == array {
		bracket = '['
	}
	w.json = append(w.json, bracket)
	w.open = append(w.open, container{kind: k, first: true})
}

// step writes the next item of the innermost container, up to its bracket where it is a container itself, or the
// bracket that closes it.
func (w *writer) step() error {
	c := &w.open[len(w.open)-1]
	if c.left == 0 {
		var err error
		if c.left, err = w.block(); err != nil {
			return err
		}
	}
	if c.left == 0 {
		w.end(c.kind)
		return nil
	}
	c.left--
	if !c.first {
		w.json = append(w.json, ',')
	}
	c.first = false
	return w.item(c.kind)
}

func (w *writer) end(k kind) {
	bracket := byte('}')
	if k == array {
		bracket = ']'
	}
	w.json = append(w.json, bracket)
	w.open = w.open[:len(w.open)-1]
}

// item writes one item of a container.
func (w *writer) item(k kind) error {
	if k == array {
		w.begin(record)
		return nil
	}
	if err := w.scalar(scalarString); err != nil { // the name
		return err
	}
	w.json = append(w.json, ':')
	if k == records {
		w.begin(record)
		return nil
	}
	branch, err := w.long()
	if err != nil {
		return err
	}
	if k == topMap {
		return w.topMember(branch)
	}
	return w.innerMember(branch)
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

// topMember writes a value of the map that data itself can be: null, boolean, record, double, string.
func (w *writer) topMember(branch int64) error {
	switch branch {
	case 0:
		return w.scalar(scalarNull)
	case 1:
		return w.scalar(scalarBoolean)
	case 2:
		w.begin(record)
		return nil
	case 3:
		return w.scalar(scalarDouble)
	case 4:
		return w.scalar(scalarString)
	}
	return broken("data holds a type that the schema does not have")
}

// innerMember writes a value of a record: null, boolean, map of records, array of records, double, string.
func (w *writer) innerMember(branch int64) error {
	switch branch {
	case 0:
		return w.scalar(scalarNull)
	case 1:
		return w.scalar(scalarBoolean)
	case 2:
		w.begin(records)
		return nil
	case 3:
		w.begin(array)
		return nil
	case 4:
		return w.scalar(scalarDouble)
	case 5:
		return w.scalar(scalarString)
	}
	return broken("data holds a type that the schema does not have")
}
