package avro_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/avro"
	"github.com/eventrouter/router/internal/spectest"
)

// changes is what the package documentation says that the format changes.
var changes = spectest.Changes{MinusZero: true, Untyped: true}

func parse(t *testing.T, msg []byte) *envelope.Event {
	t.Helper()
	e := new(envelope.Event)
	if err := avro.Parse(e, msg, envelope.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := e.Validate(envelope.Options{}); err != nil {
		t.Error(err)
	}
	return e
}

// refused checks that an error names a rule.
func refused(t *testing.T, err error) {
	t.Helper()
	var ae *envelope.AttributeError
	if !errors.As(err, &ae) || ae.Rule == "" || errors.Is(err, envelope.ErrNotCloudEvent) {
		t.Errorf("got %v, want an attribute error", err)
	}
}

// TestGolden sends every golden event through the format, and lets a decoder that only knows the schema read it.
func TestGolden(t *testing.T) {
	for _, n := range bindingtest.Events() {
		t.Run(n.Name, func(t *testing.T) {
			msg := avro.Append(nil, n.Event)
			record, err := decode(msg)
			if err != nil {
				t.Fatal(err)
			}
			if diff := spectest.Difference(n.Event, eventOf(t, record), changes); diff != "" {
				t.Errorf("by the schema: %s", diff)
			}
			e := parse(t, msg)
			if diff := spectest.Difference(n.Event, e, changes); diff != "" {
				t.Errorf("%s\n%s", diff, n.Why)
			}
			if !bytes.Equal(avro.Append(nil, e), msg) {
				t.Error("an untouched event leaves as other bytes")
			}
			e.Touch()
			if diff := spectest.Difference(n.Event, parse(t, avro.Append(nil, e)), changes); diff != "" {
				t.Errorf("sent on after a change: %s", diff)
			}
		})
	}
}

// eventOf makes an event of a record that the schema's decoder has read. Data has to be bytes or null.
func eventOf(t *testing.T, record map[string]any) *envelope.Event {
	t.Helper()
	e := new(envelope.Event)
	for name, v := range record["attribute"].(map[string]any) {
		b := v.(branch)
		if name == "specversion" && b.value != "1.0" {
			t.Errorf("specversion is %v", b.value)
		}
		switch b.kind {
		case "null":
		case "boolean":
			e.Set(name, fmt.Sprint(b.value), envelope.KindBoolean)
		case "int":
			e.Set(name, fmt.Sprint(b.value), envelope.KindInteger)
		case "string":
			e.Set(name, b.value.(string), envelope.KindUntyped)
		case "bytes":
			e.Set(name, base64.StdEncoding.EncodeToString([]byte(b.value.(string))), envelope.KindBinary)
		}
	}
	switch b := record["data"].(branch); b.kind {
	case "bytes":
		e.Data = []byte(b.value.(string))
	case "null":
	default:
		t.Errorf("data is a %s", b.kind)
	}
	return e
}

// attributes returns the record's first field: the required attributes and more of them, each a name and its value.
func attributes(more ...[]byte) []byte {
	all := [][]byte{
		attr("specversion", 3, text("1.0")), attr("id", 3, text("1")), attr("source", 3, text("/s")), attr("type", 3, text("t")),
	}
	all = append(all, more...)
	b := binary.AppendVarint(nil, int64(len(all)))
	return append(append(b, bytes.Join(all, nil)...), 0)
}

func attr(name string, kind int64, value []byte) []byte {
	return append(binary.AppendVarint(text(name), kind), value...)
}

func text(s string) []byte { return append(binary.AppendVarint(nil, int64(len(s))), s...) }

func number(n int64) []byte { return binary.AppendVarint(nil, n) }

func double(f float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// null is a data field without data.
var null = number(1)

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		msg  []byte
		says string
	}{
		{"no attributes", join(number(0), null), "specversion: is required"},
		{"empty", nil, "cut off"},
		{"JSON", []byte(`{"specversion":"1.0"}`), "not an Avro event"},
		{"trailing bytes", join(attributes(), null, []byte{0}), "something follows"},
		{"name twice", join(attributes(attr("ext", 3, text("a")), attr("ext", 3, text("b"))), null), "ext: must not appear"},
		{"capital", join(attributes(attr("Ext", 3, text("a"))), null), "Ext: is not an attribute name"},
		{"capital and null", join(attributes(attr("Ext", 0, nil)), null), "Ext: is not an attribute name"},
		{"id as an int", join(number(1), attr("id", 2, number(1)), number(0), null), "id: is of a type"},
		{"id null", join(number(2), attr("specversion", 3, text("1.0")), attr("id", 0, nil), number(0), null), "id: is required"},
		{"specversion 0.9", join(number(1), attr("specversion", 3, text("0.9")), number(0), null), "specversion: must be 1.0"},
		{"time", join(attributes(attr("time", 3, text("lunchtime"))), null), "time: must be an RFC 3339"},
		{"subject empty", join(attributes(attr("subject", 3, text(""))), null), "subject: must not be empty"},
		{"int of 64 bits", join(attributes(attr("ext", 2, number(1<<40))), null), "an int has more"},
		{"boolean 2", join(attributes(attr("ext", 1, []byte{2})), null), "neither 0 nor 1"},
		{"branch 5", join(attributes(attr("ext", 5, nil)), null), "does not have"},
		{"branch -1", join(attributes(attr("ext", -1, nil)), null), "does not have"},
		{"string not UTF-8", join(attributes(attr("ext", 3, text("\xff"))), null), "not UTF-8"},
		{"negative length", join(number(1), number(-5)), "beyond the end"},
		{"huge length", join(number(1), number(1<<62)), "beyond the end"},
		{"huge count", number(1 << 62), "a count is beyond"},
		{"smallest count", number(math.MinInt64), "a count is out of range"},
		{"no data", attributes(), "cut off"},
		{"data branch 7", join(attributes(), number(7)), "does not have"},
		{"data not a number", join(attributes(), number(5), double(math.NaN())), "data: has a number"},
		{"data a boolean of text", join(attributes(attr("datacontenttype", 3, text("text/plain"))), number(2), []byte{1}), "data: must be bytes"},
		{"data deep and cut off", join(attributes(), number(4), bytes.Repeat(join(number(1), number(1), text("k"), number(3)), 70_000)), "cut off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := avro.Parse(new(envelope.Event), c.msg, envelope.Options{})
			refused(t, err)
			if err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want it to say %q", err, c.says)
			}
		})
	}
}

// TestForeign reads what other encoders may write: blocks with sizes, nulls, and data in the schema's form of JSON.
func TestForeign(t *testing.T) {
	record := func(members ...[]byte) []byte {
		if len(members) == 0 {
			return number(0)
		}
		return join(number(int64(len(members))), join(members...), number(0))
	}
	for _, c := range []struct {
		name, contentType string
		data              []byte
		want              string
		absent            bool
	}{
		{name: "null", data: null, absent: true},
		{name: "bytes", data: join(number(0), text("\x00\xff")), want: "\x00\xff"},
		{name: "empty bytes", data: join(number(0), text("")), want: ""},
		{name: "boolean", data: join(number(2), []byte{1}), want: "true"},
		{name: "double", data: join(number(5), double(1.5)), want: "1.5"},
		{name: "double without fraction", data: join(number(5), double(1e20)), want: "100000000000000000000"},
		{name: "large double", data: join(number(5), double(-1e300)), want: "-1e+300"},
		{name: "string", data: join(number(6), text(`a"b`)), want: `"a\"b"`},
		{name: "string of text", contentType: "text/plain", data: join(number(6), text(`a"b`)), want: `a"b`},
		{
			name: "map", contentType: "application/json", data: join(number(3), record(
				join(text("n"), number(0)), join(text("t"), number(1), []byte{0}), join(text("d"), number(3), double(2)),
				join(text("s"), number(4), text("é")), join(text("r"), number(2), record(
					join(text("n"), number(0)), join(text("b"), number(1), []byte{1}),
					join(text("m"), number(2), record(join(text("x"), record()))),
					join(text("l"), number(3), record(record(), record(join(text("k"), number(5), text("v"))))),
					join(text("d"), number(4), double(0.1)))))),
			want: `{"n":null,"t":false,"d":2,"s":"é","r":{"n":null,"b":true,"m":{"x":{}},"l":[{},{"k":"v"}],"d":0.1}}`,
		},
		{name: "array", data: join(number(4), record(record(), record())), want: `[{},{}]`},
		{name: "array in blocks", data: join(number(4), number(-1), number(1), record(), number(1), record(), number(0)), want: `[{},{}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			more := [][]byte{attr("unset", 0, nil)}
			if c.contentType != "" {
				more = append(more, attr("datacontenttype", 3, text(c.contentType)))
			}
			e := parse(t, join(attributes(more...), c.data))
			if string(e.Data) != c.want || (e.Data == nil) != c.absent || e.NumExtensions() != 0 {
				t.Errorf("got %q, %d extensions, want %q", e.Data, e.NumExtensions(), c.want)
			}
			if strings.HasPrefix(c.want, "{") {
				if out := string(envelope.AppendJSON(nil, e)); !strings.Contains(out, `"data":`+c.want) {
					t.Errorf("as JSON: %s", out)
				}
			}
		})
	}
}

// TestDeepDataIsRead: depth takes memory of the message's own size and no stack, and is bounded by nothing else.
func TestDeepDataIsRead(t *testing.T) {
	const levels = 8_000 // of an array with a record in it, which are 62 KiB
	msg := join(attributes(), number(4), bytes.Repeat(join(number(1), number(1), text("k"), number(3)), levels), number(0), bytes.Repeat([]byte{0, 0}, levels))
	e := parse(t, msg)
	want := strings.Repeat(`[{"k":`, levels) + "[]" + strings.Repeat("}]", levels)
	if string(e.Data) != want {
		t.Errorf("got %.100q", e.Data)
	}
}

// FuzzParse holds for every message that is accepted: the event is valid, the schema's decoder takes it too, and written
// anew it means the same.
func FuzzParse(f *testing.F) {
	for _, n := range bindingtest.Events() {
		if len(n.Event.Data) < 1<<10 && n.Event.NumExtensions() < 20 {
			f.Add(avro.Append(nil, n.Event))
		}
	}
	f.Add(join(attributes(), number(4), number(-1), number(1), number(0), number(1), number(0), number(0)))
	f.Add(join(attributes(), number(3), number(1), text("k"), number(3), double(1e-9), number(0)))
	f.Fuzz(func(t *testing.T, msg []byte) {
		e := new(envelope.Event)
		if err := avro.Parse(e, msg, envelope.Options{}); err != nil {
			refused(t, err)
			return
		}
		if err := e.Validate(envelope.Options{Lenient: true}); err != nil {
			t.Fatalf("accepted and not valid: %v", err)
		}
		if _, err := decode(msg); err != nil {
			t.Fatalf("accepted, and not of the schema: %v", err)
		}
		e.Touch()
		again := new(envelope.Event)
		if err := avro.Parse(again, avro.Append(nil, e), envelope.Options{}); err != nil {
			t.Fatal(err)
		}
		if diff := spectest.Difference(e, again, changes); diff != "" {
			t.Fatalf("written anew: %s", diff)
		}
	})
}
