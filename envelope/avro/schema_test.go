package avro_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// schema is the specification's schema of the format, by which the tests read what the codec wrote.
const schema = `{"namespace":"io.cloudevents","type":"record","name":"CloudEvent","version":"1.0","fields":[
  {"name":"attribute","type":{"type":"map","values":["null","boolean","int","string","bytes"]}},
  {"name":"data","type":["bytes","null","boolean",
    {"type":"map","values":["null","boolean",
      {"type":"record","name":"CloudEventData","fields":[
        {"name":"value","type":{"type":"map","values":["null","boolean",
          {"type":"map","values":"CloudEventData"},{"type":"array","items":"CloudEventData"},"double","string"]}}]},
      "double","string"]},
    {"type":"array","items":"CloudEventData"},"double","string"]}]}`

// decoder reads Avro's binary encoding as a schema says. It knows nothing of CloudEvents.
type decoder struct {
	in    []byte
	named map[string]any
}

var errShort = errors.New("the message ends too early")

// decode reads one record by the schema, and nothing may follow it.
func decode(msg []byte) (map[string]any, error) {
	var s any
	if err := json.Unmarshal([]byte(schema), &s); err != nil {
		return nil, err
	}
	d := &decoder{in: msg, named: map[string]any{}}
	d.collect(s)
	v, err := d.value(s)
	if err != nil {
		return nil, err
	}
	if len(d.in) > 0 {
		return nil, fmt.Errorf("%d bytes follow", len(d.in))
	}
	return v.(map[string]any), nil
}

// collect finds the schema's named types, which may be referred to before the reader comes to them.
func (d *decoder) collect(s any) {
	switch s := s.(type) {
	case []any:
		for _, one := range s {
			d.collect(one)
		}
	case map[string]any:
		if name, ok := s["name"].(string); ok && s["type"] == "record" {
			d.named[name] = s
		}
		for _, one := range s {
			d.collect(one)
		}
	}
}

func (d *decoder) take(n int64) ([]byte, error) {
	if n < 0 || int64(len(d.in)) < n {
		return nil, errShort
	}
	b := d.in[:n]
	d.in = d.in[n:]
	return b, nil
}

func (d *decoder) long() (int64, error) {
	var u uint64
	for shift := 0; shift < 64; shift += 7 {
		b, err := d.take(1)
		if err != nil {
			return 0, err
		}
		u |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return int64(u>>1) ^ -int64(u&1), nil
		}
	}
	return 0, errShort
}

// branch is a value of a union with the name of its type.
type branch struct {
	kind  string
	value any
}

func (d *decoder) value(s any) (any, error) {
	switch s := s.(type) {
	case string:
		if named, ok := d.named[s]; ok {
			return d.value(named)
		}
		return d.primitive(s)
	case []any:
		i, err := d.long()
		if err != nil || i < 0 || i >= int64(len(s)) {
			return nil, fmt.Errorf("branch %d: %w", i, errShort)
		}
		v, err := d.value(s[i])
		kind, ok := s[i].(string)
		if !ok {
			kind = s[i].(map[string]any)["type"].(string)
		}
		return branch{kind, v}, err
	case map[string]any:
		return d.complex(s)
	}
	return nil, fmt.Errorf("schema %T", s)
}

func (d *decoder) primitive(kind string) (any, error) {
	switch kind {
	case "null":
		return nil, nil
	case "boolean":
		b, err := d.take(1)
		if err != nil {
			return nil, err
		}
		return b[0] == 1, nil
	case "int", "long":
		return d.long()
	case "double":
		b, err := d.take(8)
		if err != nil {
			return nil, err
		}
		var u uint64
		for i := range 8 {
			u |= uint64(b[i]) << (8 * i)
		}
		return math.Float64frombits(u), nil
	case "bytes", "string":
		n, err := d.long()
		if err != nil {
			return nil, err
		}
		b, err := d.take(n)
		return string(b), err
	}
	return nil, fmt.Errorf("type %s", kind)
}

func (d *decoder) complex(s map[string]any) (any, error) {
	switch s["type"] {
	case "record":
		record := map[string]any{}
		for _, f := range s["fields"].([]any) {
			field := f.(map[string]any)
			v, err := d.value(field["type"])
			if err != nil {
				return nil, err
			}
			record[field["name"].(string)] = v
		}
		return record, nil
	case "map", "array":
		var list []any
		entries := map[string]any{}
		for {
			n, err := d.long()
			if err != nil || n == 0 {
				if s["type"] == "array" {
					return list, err
				}
				return entries, err
			}
			if n < 0 {
				n = -n
				if _, err := d.long(); err != nil {
					return nil, err
				}
			}
			for range n {
				var key any
				if s["type"] == "map" {
					if key, err = d.primitive("string"); err != nil {
						return nil, err
					}
				}
				item := s["values"]
				if s["type"] == "array" {
					item = s["items"]
				}
				v, err := d.value(item)
				if err != nil {
					return nil, err
				}
				if s["type"] == "array" {
					list = append(list, v)
				} else {
					entries[key.(string)] = v
				}
			}
		}
	}
	return nil, fmt.Errorf("type %v", s["type"])
}
