package avro

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/eventrouter/router/envelope"
)

// The branches of the union that an attribute's value is.
const (
	attributeNull = iota
	attributeBoolean
	attributeInt
	attributeString
	attributeBytes
)

// Parse decodes one event into e, which the caller has Reset. Strings and data alias msg, which becomes e.Raw. Every
// fault is an envelope.AttributeError; after one the attributes of e mean nothing.
func Parse(e *envelope.Event, msg []byte, o envelope.Options) error {
	r := reader{rest: msg}
	var attributes envelope.AttributeReader
	attributes.Begin(e, o)
	if err := r.attributes(&attributes); err != nil {
		return err
	}
	if err := attributes.FinishStructured(); err != nil {
		return err
	}
	if err := r.data(e); err != nil {
		return err
	}
	if len(r.rest) > 0 {
		return broken("something follows the record")
	}
	e.Raw, e.RawFormat = msg, envelope.FormatAvro
	return nil
}

// broken is a message that is not Avro, or not of this schema.
func broken(rule string) error { return &envelope.AttributeError{Rule: "not an Avro event: " + rule} }

// reader reads the primitive types of Avro's binary encoding.
type reader struct{ rest []byte }

// long reads an int or a long: zigzag, in groups of seven bits.
func (r *reader) long() (int64, error) {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		return 0, broken("a number is cut off or too long")
	}
	r.rest = r.rest[n:]
	return v, nil
}

// bytes reads bytes or a string.
func (r *reader) bytes() ([]byte, error) {
	n, err := r.long()
	if err != nil {
		return nil, err
	}
	return r.take(n)
}

func (r *reader) take(n int64) ([]byte, error) {
	if n < 0 || n > int64(len(r.rest)) {
		return nil, broken("a length is beyond the end of the message")
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b, nil
}

// text reads a string.
func (r *reader) text() ([]byte, error) {
	b, err := r.bytes()
	if err == nil && !utf8.Valid(b) {
		return nil, broken("a string is not UTF-8")
	}
	return b, err
}

func (r *reader) boolean() (bool, error) {
	b, err := r.take(1)
	if err != nil {
		return false, err
	}
	if b[0] > 1 {
		return false, broken("a boolean is neither 0 nor 1")
	}
	return b[0] == 1, nil
}

func (r *reader) double() (float64, error) {
	b, err := r.take(8)
	if err != nil {
		return 0, err
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b)), nil
}

// block reads how many items of an array or a map come before the next count; after the last block that is 0. A negative
// count is followed by the size of the block. Every item takes a byte at least, so the message bounds the work.
func (r *reader) block() (int64, error) {
	count, err := r.long()
	if err != nil {
		return 0, err
	}
	if count < 0 {
		if count == math.MinInt64 {
			return 0, broken("a count is out of range")
		}
		count = -count
		if _, err := r.long(); err != nil {
			return 0, err
		}
	}
	if count > int64(len(r.rest)) {
		return 0, broken("a count is beyond the end of the message")
	}
	return count, nil
}

// attributes reads the map of attributes.
func (r *reader) attributes(attributes *envelope.AttributeReader) error {
	for {
		count, err := r.block()
		if err != nil || count == 0 {
			return err
		}
		for range count {
			if err := r.entry(attributes); err != nil {
				return err
			}
		}
	}
}

// entry reads one attribute's name and value.
func (r *reader) entry(attributes *envelope.AttributeReader) error {
	key, err := r.text()
	if err != nil {
		return err
	}
	name := envelope.String(key)
	kind, value, present, err := r.attribute()
	if err != nil {
		return err
	}
	if !present {
		if !envelope.ValidName(name) {
			return &envelope.AttributeError{Attribute: name, Rule: "is not an attribute name"}
		}
		return nil
	}
	if _, core := envelope.CoreKind(name); core && kind != envelope.KindUntyped {
		return &envelope.AttributeError{Attribute: name, Rule: "is of a type that this attribute cannot have"}
	}
	return attributes.Typed(name, value, kind)
}

// attribute reads one value; present is false for null, which is an attribute that is not there.
func (r *reader) attribute() (kind envelope.Kind, value string, present bool, err error) {
	branch, err := r.long()
	if err != nil {
		return 0, "", false, err
	}
	switch branch {
	case attributeNull:
		return 0, "", false, nil
	case attributeBoolean:
		b, err := r.boolean()
		return envelope.KindBoolean, strconv.FormatBool(b), true, err
	case attributeInt:
		n, err := r.long()
		if err == nil && int64(int32(n)) != n {
			err = broken("an int has more than 32 bits")
		}
		return envelope.KindInteger, strconv.FormatInt(n, 10), true, err
	case attributeString:
		b, err := r.text()
		return envelope.KindUntyped, envelope.String(b), true, err
	case attributeBytes:
		b, err := r.bytes()
		return envelope.KindBinary, base64.StdEncoding.EncodeToString(b), true, err
	}
	return 0, "", false, broken("an attribute is of a type that the schema does not have")
}
