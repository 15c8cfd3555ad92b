package protobuf

import (
	"encoding/binary"
	"math"

	"github.com/eventrouter/router/envelope"
)

// The wire types of the encoding.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// maxField is the largest field number the encoding allows.
const maxField = 1<<29 - 1

// broken is a message that is not protobuf, or not this schema's.
func broken(rule string) error {
	return &envelope.AttributeError{Rule: "not a protobuf event: " + rule}
}

// fields reads the fields of one message in their order. Lengths are bounded by what is left of it.
type fields struct {
	rest []byte
	seen uint32 // a bit for each field of the schema that was read
}

// field is one field. Number holds a varint's or a fixed value's bits, Bytes what is length-delimited.
type field struct {
	id     uint32
	wire   byte
	number uint64
	bytes  []byte
}

// next reads one field; ok is false at the end of the message.
func (r *fields) next() (f field, ok bool, err error) {
	if len(r.rest) == 0 {
		return field{}, false, nil
	}
	tag, err := r.varint()
	if err != nil {
		return field{}, false, err
	}
	id := tag >> 3
	if id == 0 || id > maxField {
		return field{}, false, broken("a field number is out of range")
	}
	f = field{id: uint32(id), wire: byte(tag & 7)}
	switch f.wire {
	case wireVarint:
		f.number, err = r.varint()
	case wireFixed64:
		_, err = r.take(8)
	case wireFixed32:
		_, err = r.take(4)
	case wireBytes:
		var n uint64
		if n, err = r.varint(); err == nil {
			f.bytes, err = r.take(n)
		}
	default:
		err = broken("it has a group, which the schema knows none of")
	}
	return f, err == nil, err
}

// known checks the wire type of a field of the schema, and that it is the first of its number. name is for the error.
func (r *fields) known(f field, wire byte, name string) error {
	if f.wire != wire {
		return &envelope.AttributeError{Attribute: name, Rule: "is not of the wire type that the schema gives it"}
	}
	if r.seen&(1<<f.id) != 0 {
		return &envelope.AttributeError{Attribute: name, Rule: "must not appear more than once"}
	}
	r.seen |= 1 << f.id
	return nil
}

func (r *fields) varint() (uint64, error) {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		return 0, broken("a number is cut off or too long")
	}
	r.rest = r.rest[n:]
	return v, nil
}

func (r *fields) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.rest)) {
		return nil, broken("a length is beyond the end of the message")
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b, nil
}

// int32Of returns a varint as an int32: sign-extended to 64 bits, as encoders write it, or cut to 32.
func int32Of(v uint64) (int32, bool) {
	if v <= math.MaxUint32 || int64(v) < 0 && int64(v) >= math.MinInt32 {
		return int32(uint32(v)), true
	}
	return 0, false
}

// appendTag appends a field's number and wire type.
func appendTag(dst []byte, id uint32, wire byte) []byte {
	return binary.AppendUvarint(dst, uint64(id)<<3|uint64(wire))
}

func appendVarint(dst []byte, id uint32, v uint64) []byte {
	return binary.AppendUvarint(appendTag(dst, id, wireVarint), v)
}

func appendBytes[T string | []byte](dst []byte, id uint32, v T) []byte {
	dst = binary.AppendUvarint(appendTag(dst, id, wireBytes), uint64(len(v)))
	return append(dst, v...)
}

// begin opens a message of unknown length in field id. What is appended up to end is its content.
func begin(dst []byte, id uint32) (_ []byte, mark int) {
	dst = append(appendTag(dst, id, wireBytes), 0)
	return dst, len(dst)
}

// end writes the length of the message that begin opened, and moves its content where that takes more than the byte
// that was left for it.
func end(dst []byte, mark int) []byte {
	n := len(dst) - mark
	var room [binary.MaxVarintLen64]byte
	length := room[:binary.PutUvarint(room[:], uint64(n))]
	dst = append(dst, length[1:]...)
	copy(dst[mark-1+len(length):], dst[mark:mark+n])
	copy(dst[mark-1:], length)
	return dst
}
