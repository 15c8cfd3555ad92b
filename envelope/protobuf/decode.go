package protobuf

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/eventrouter/router/envelope"
)

// The fields of message CloudEvent.
const (
	fieldID          = 1
	fieldSource      = 2
	fieldSpecVersion = 3
	fieldType        = 4
	fieldAttributes  = 5
	fieldBinaryData  = 6
	fieldTextData    = 7
	fieldProtoData   = 8
)

// The fields of message CloudEventAttributeValue.
const (
	valueBoolean   = 1
	valueInteger   = 2
	valueString    = 3
	valueBytes     = 4
	valueURI       = 5
	valueURIRef    = 6
	valueTimestamp = 7
)

// The first two fields of a map's entry, of google.protobuf.Any and of google.protobuf.Timestamp, and the one of
// CloudEventBatch.
const (
	entryKey, entryValue        = 1, 2
	anyTypeURL, anyValue        = 1, 2
	timeSeconds, timeNanosecond = 1, 2
	batchEvents                 = 1
)

// Parse decodes one event into e, which the caller has Reset. Strings and data alias msg, which becomes e.Raw. Every
// fault is an envelope.AttributeError; after one the attributes of e mean nothing.
func Parse(e *envelope.Event, msg []byte, o envelope.Options) error {
	d := decoder{event: e}
	d.attributes.Begin(e, o)
	if err := d.decode(msg); err != nil {
		return err
	}
	e.Raw, e.RawFormat = msg, envelope.FormatProtobuf
	return nil
}

// ParseBatch decodes a batch: add is called for every event of it and returns an event that was Reset. Nothing of the
// batch is valid when it fails. Each event's Raw is its own part of msg. The error names the position of the event at
// fault, counted from 0.
func ParseBatch(msg []byte, o envelope.Options, add func() *envelope.Event) error {
	r := fields{rest: msg}
	for i := 0; ; {
		f, ok, err := r.next()
		if !ok {
			return err
		}
		if f.id != batchEvents {
			continue
		}
		if f.wire != wireBytes {
			return broken("an event of the batch is not of the wire type that the schema gives it")
		}
		if err := Parse(add(), f.bytes, o); err != nil {
			return fmt.Errorf("event %d of the batch: %w", i, err)
		}
		i++
	}
}

// decoder reads one event.
type decoder struct {
	event      *envelope.Event
	attributes envelope.AttributeReader
	schema     string // the type URL of proto_data
	proto      bool
}

func (d *decoder) decode(msg []byte) error {
	r := fields{rest: msg}
	for {
		f, ok, err := r.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := d.field(&r, f); err != nil {
			return err
		}
	}
	if err := d.attributes.FinishStructured(); err != nil {
		return err
	}
	if d.proto {
		return d.describeProto()
	}
	return nil
}

// field takes one field of the event; those the schema does not have are left aside.
func (d *decoder) field(r *fields, f field) error {
	names := [...]string{fieldID: "id", fieldSource: "source", fieldSpecVersion: "specversion", fieldType: "type"}
	switch f.id {
	case fieldID, fieldSource, fieldSpecVersion, fieldType:
		if err := r.known(f, wireBytes, names[f.id]); err != nil {
			return err
		}
		return d.attributes.Typed(names[f.id], envelope.String(f.bytes), envelope.KindString)
	case fieldAttributes:
		if f.wire != wireBytes {
			return broken("attributes are not of the wire type that the schema gives them")
		}
		return d.entry(f.bytes)
	case fieldBinaryData, fieldTextData, fieldProtoData:
		return d.data(r, f)
	}
	return nil
}

// entry takes one entry of the map of attributes.
func (d *decoder) entry(msg []byte) error {
	r := fields{rest: msg}
	var name string
	var value []byte
	for {
		f, ok, err := r.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		switch f.id {
		case entryKey:
			err, name = r.known(f, wireBytes, "the name of an attribute"), envelope.String(f.bytes)
		case entryValue:
			err, value = r.known(f, wireBytes, "the value of an attribute"), f.bytes
		}
		if err != nil {
			return err
		}
	}
	switch name {
	case "id", "source", "type", "specversion":
		return &envelope.AttributeError{Attribute: name, Rule: "belongs into its own field, not into the map of attributes"}
	}
	return d.value(name, value)
}

// value takes one attribute of the map.
func (d *decoder) value(name string, msg []byte) error {
	r := fields{rest: msg}
	kind, text, found := envelope.KindUntyped, "", false
	for {
		f, ok, err := r.next()
		if err != nil {
			return at(name, err)
		}
		if !ok {
			break
		}
		if f.id < valueBoolean || f.id > valueTimestamp {
			continue
		}
		if found {
			return &envelope.AttributeError{Attribute: name, Rule: "must have one value"}
		}
		found = true
		wire := byte(wireBytes)
		if f.id <= valueInteger {
			wire = wireVarint
		}
		if err := r.known(f, wire, name); err != nil {
			return err
		}
		if kind, text, err = canonical(f); err != nil {
			return at(name, err)
		}
	}
	if !found {
		return &envelope.AttributeError{Attribute: name, Rule: "must have a value"}
	}
	// A core attribute comes in its own type or as its canonical text, which the specification allows for all.
	if want, core := envelope.CoreKind(name); core && kind != want && kind != envelope.KindString {
		return &envelope.AttributeError{Attribute: name, Rule: "is of a type that this attribute cannot have"}
	}
	return d.attributes.Typed(name, text, kind)
}

// at gives an error without an attribute the attribute's name.
func at(name string, err error) error {
	var ae *envelope.AttributeError
	if errors.As(err, &ae) && ae.Attribute == "" {
		return &envelope.AttributeError{Attribute: name, Rule: ae.Rule}
	}
	return err
}

// canonical returns the type and the canonical text of an attribute's value.
func canonical(f field) (kind envelope.Kind, text string, err error) {
	switch f.id {
	case valueBoolean:
		return envelope.KindBoolean, strconv.FormatBool(f.number != 0), nil
	case valueInteger:
		n, ok := int32Of(f.number)
		if !ok {
			return 0, "", broken("an integer has more than 32 bits")
		}
		return envelope.KindInteger, strconv.Itoa(int(n)), nil
	case valueBytes:
		return envelope.KindBinary, base64.StdEncoding.EncodeToString(f.bytes), nil
	case valueURI:
		return envelope.KindURI, envelope.String(f.bytes), nil
	case valueURIRef:
		return envelope.KindURIRef, envelope.String(f.bytes), nil
	case valueTimestamp:
		text, err := timestamp(f.bytes)
		return envelope.KindTimestamp, text, err
	}
	return envelope.KindString, envelope.String(f.bytes), nil
}

// timestamp reads a google.protobuf.Timestamp.
func timestamp(msg []byte) (string, error) {
	r := fields{rest: msg}
	var seconds int64
	var nanos int32
	for {
		f, ok, err := r.next()
		if err != nil {
			return "", err
		}
		if !ok {
			return formatInstant(seconds, nanos)
		}
		switch f.id {
		case timeSeconds:
			err, seconds = r.known(f, wireVarint, ""), int64(f.number)
		case timeNanosecond:
			var fits bool
			if nanos, fits = int32Of(f.number); !fits {
				return "", broken("nanoseconds have more than 32 bits")
			}
			err = r.known(f, wireVarint, "")
		}
		if err != nil {
			return "", err
		}
	}
}

// data takes one of the three forms of data.
func (d *decoder) data(r *fields, f field) error {
	if err := r.known(f, wireBytes, "data"); err != nil {
		return err
	}
	if d.event.Data != nil {
		return &envelope.AttributeError{Attribute: "data", Rule: "must have one value"}
	}
	switch f.id {
	case fieldBinaryData:
		d.event.Data = f.bytes
		return nil
	case fieldTextData:
		if !utf8.Valid(f.bytes) {
			return &envelope.AttributeError{Attribute: "data", Rule: "must be UTF-8 where it is text"}
		}
		d.event.Data, d.event.DataKind = f.bytes, envelope.DataText
		return nil
	}
	return d.protoData(f.bytes)
}

// protoData takes a google.protobuf.Any.
func (d *decoder) protoData(msg []byte) error {
	d.proto, d.event.Data = true, []byte{}
	r := fields{rest: msg}
	for {
		f, ok, err := r.next()
		if !ok {
			return err
		}
		switch f.id {
		case anyTypeURL:
			if err = r.known(f, wireBytes, "data"); err == nil && !utf8.Valid(f.bytes) {
				err = &envelope.AttributeError{Attribute: "data", Rule: "has a type URL that is not UTF-8"}
			}
			d.schema = envelope.String(f.bytes)
		case anyValue:
			err, d.event.Data = r.known(f, wireBytes, "data"), f.bytes
		}
		if err != nil {
			return err
		}
	}
}

// describeProto fills what the event does not say of its protobuf data; it comes last because the attributes may.
func (d *decoder) describeProto() error {
	e := d.event
	if e.DataContentType == "" {
		e.DataContentType = "application/protobuf"
	}
	if e.DataSchema == "" && d.schema != "" {
		return d.attributes.Typed("dataschema", d.schema, envelope.KindURI)
	}
	return nil
}
