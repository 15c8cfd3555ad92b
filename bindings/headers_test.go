package bindings

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/eventrouter/router/envelope"
)

func TestHeadersComeBackAsTheyWere(t *testing.T) {
	headers := []envelope.Header{
		{Name: "ce_id", Value: []byte("1")},
		{Name: "ce_id", Value: []byte("2")},
		{Name: "x", Value: []byte{}},
		{Name: "null"},
		{Name: "", Value: []byte("no name")},
		{Name: "bin", Value: []byte{0, 0xff, 0xfe}},
		{Name: "\xff", Value: []byte("name")},
		{Name: "q\"\\", Value: []byte("\x00\n\u0085\u007f\ufffe\ufdd0\U0001fffe 😀 € \ufffd </>")},
	}
	text, left := AppendHeaders(nil, headers, 1<<16)
	want := `[["ce_id","1"],["ce_id","2"],["x",""],["null",null],["","no name"],["bin",{"base64":"AP/+"}],[{"base64":"/w=="},"name"],` +
		`["q\"\\","\u0000\u000a\u0085\u007f\ufffe\ufdd0\ud83f\udffe 😀 € ` + "\ufffd" + ` </>"]]`
	if string(text) != want || left != 0 {
		t.Errorf("got  %s\nwant %s, left %d", text, want, left)
	}
	got, err := ParseHeaders(string(text))
	if err != nil || !reflect.DeepEqual(got, headers) {
		t.Errorf("%q, %v", got, err)
	}
	if text, _ := AppendHeaders(nil, nil, 10); string(text) != "[]" {
		t.Errorf("none: %s", text)
	}
}

// TestHeadersBeyondTheLimit: attributes of the event are kept before other headers, and the order stays.
func TestHeadersBeyondTheLimit(t *testing.T) {
	headers := []envelope.Header{
		{Name: "a", Value: []byte(strings.Repeat("x", 30))},
		{Name: "Content-Type", Value: []byte("text/a")},
		{Name: "b", Value: []byte("y")},
		{Name: "CE-Id", Value: []byte("1")},
		{Name: "ce_x", Value: []byte(strings.Repeat("z", 90))},
	}
	for limit, want := range map[int]string{
		2: "", 30: "Content-Type", 50: "Content-Type CE-Id", 55: "Content-Type b CE-Id", 100: "a Content-Type b CE-Id",
		150: "Content-Type CE-Id ce_x", 1000: "a Content-Type b CE-Id ce_x",
	} {
		text, left := AppendHeaders([]byte("."), headers, limit)
		got, err := ParseHeaders(string(text[1:]))
		var names []string
		for _, h := range got {
			names = append(names, h.Name)
		}
		if err != nil || strings.Join(names, " ") != want || left != len(headers)-len(got) || len(text)-1 > limit {
			t.Errorf("limit %d: %q, %d left out, %d bytes, %v; want %s", limit, names, left, len(text)-1, err, want)
		}
	}
}

func TestHeadersThatAreNone(t *testing.T) {
	for _, text := range []string{
		"", "{}", `"a"`, `[1]`, `[[]]`, `[["a"]]`, `[["a","b","c"]]`, `[[null,"b"]]`, `[["a",1]]`, `[["a",{"base64":"?"}]]`,
		`[["a",{}]]`, `[["a",{"base64":null}]]`, `[["a",{"base64":"","x":1}]]`, `[["a","b"]`, `[["a",["b"]]]`,
	} {
		if h, err := ParseHeaders(text); err == nil {
			t.Errorf("%s: %q", text, h)
		}
	}
}

// FuzzHeaders: whatever a message's headers are, they come back, and the text is the value of an attribute.
func FuzzHeaders(f *testing.F) {
	f.Add("ce_id", []byte("1"), false, "x\xff", []byte("\x00\ufffe"), true)
	f.Add("", []byte(nil), true, "\U0010ffff", []byte("\"\\"), false)
	f.Fuzz(func(t *testing.T, n1 string, v1 []byte, null1 bool, n2 string, v2 []byte, null2 bool) {
		var headers []envelope.Header
		for _, h := range []struct {
			name  string
			value []byte
			null  bool
		}{{n1, v1, null1}, {n2, v2, null2}, {n1, v2, null1}} {
			if h.null {
				headers = append(headers, envelope.Header{Name: h.name})
			} else {
				headers = append(headers, envelope.Header{Name: h.name, Value: append([]byte{}, h.value...)})
			}
		}
		text, left := AppendHeaders(nil, headers, 1<<30)
		got, err := ParseHeaders(string(text))
		if err != nil || left != 0 || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", headers) {
			t.Fatalf("%q became %s and %q, %v", headers, text, got, err)
		}
		e := envelope.Event{ID: "1", Source: "/s", Type: "t"}
		e.Set("dlqheaders", string(text), envelope.KindString)
		if err := e.Validate(envelope.Options{}); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	})
}
