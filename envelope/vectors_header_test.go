package envelope

import (
	"errors"
	"strconv"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestVectorsC_Encode(t *testing.T) {
	for _, c := range []struct{ name, value, wire string }{
		{"C1", "Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"},
		{"C2", "100%", "100%25"},
		{"C3", `say "hi"`, "say%20%22hi%22"},
		{"C4", "/a%20b", "/a%2520b"},
		{"C5", `a,b;c(d)\e~!`, `a,b;c(d)\e~!`},
		{"C5 delimiters", `,;:/?#[]@\|^{}<>`, `,;:/?#[]@\|^{}<>`},
		{"C6", "line1\r\nline2", "line1%0D%0Aline2"},
		{"C7b", "café", "caf%C3%A9"},
		{"C19", "a%20b", "a%2520b"},
		{"delete", "\x7f", "%7F"},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(AppendHeaderValue(nil, c.value)); got != c.wire {
				t.Errorf("got %q, want %q", got, c.wire)
			}
			if got := PlainHeaderValue(c.value); got != (c.value == c.wire) {
				t.Errorf("plain: got %t", got)
			}
			if got, err := DecodeHeaderValue(c.wire, HeaderStrict); got != c.value || err != nil {
				t.Errorf("decoded: got %q, %v, want %q", got, err, c.value)
			}
		})
	}
}

func TestVectorsC_Decode(t *testing.T) {
	for _, c := range []struct{ name, wire, value string }{
		{"C7", "lenient decoding %30%31", "lenient decoding 01"},
		{"C7b raw", "café", "café"},
		{"C7b", `"escaped backslash\\end"`, `escaped backslash\end`},
		{"C8", "%e2%82%ac", "€"},
		{"C10", `"escaped quote\"end"`, `escaped quote"end`},
		{"C11", `a\b`, `a\b`},
		{"C20", "a%20b", "a b"},
		{"one round", "%2541", "%41"},
		{"quoted and encoded", `"Euro %E2%82%AC"`, "Euro €"},
		{"quoted in part", `a"b c"d`, "ab cd"},
		{"empty quotes", `""`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, coding := range []HeaderCoding{HeaderStrict, HeaderLenient} {
				if got, err := DecodeHeaderValue(c.wire, coding); got != c.value || err != nil {
					t.Errorf("coding %d: got %q, %v, want %q", coding, got, err, c.value)
				}
			}
			if got, err := DecodeHeaderValue(c.wire, HeaderRaw); got != c.wire || err != nil {
				t.Errorf("raw: got %q, %v, want it as it came", got, err)
			}
		})
	}
}

func TestVectorsC_Reject(t *testing.T) {
	for _, c := range []struct {
		name  string
		wires []string
	}{
		{"C14", []string{"%", "%0", "%g0", "%0g", "%0$", "a%", "%%20"}},
		{"C15", []string{
			"%C0%A0", "%ED%A0%80", "%ED%B0%80", "%ED%A0%BD%ED%B8%80", "%E2", "%E2%", "%E2x", "%82", "%E2%E2", "\xff", "%E2\x82\xac",
		}},
		{"C16", []string{`"unterminated`, `"x\`, `"x\"`, `a"`}},
	} {
		for _, wire := range c.wires {
			t.Run(c.name+" "+wire, func(t *testing.T) {
				got, err := DecodeHeaderValue(wire, HeaderStrict)
				if _, ok := errors.AsType[*AttributeError](err); !ok {
					t.Errorf("strict: got %q, %v, want an AttributeError", got, err)
				}
				if got, err := DecodeHeaderValue(wire, HeaderLenient); got != wire || err != nil {
					t.Errorf("lenient: got %q, %v, want it as it came", got, err)
				}
			})
		}
	}
}

// TestVectorsC_NoCoding is what carriers of raw UTF-8, such as Kafka, rely on: the reader decodes nothing by itself.
func TestVectorsC_NoCoding(t *testing.T) {
	t.Run("C18", func(t *testing.T) {
		e := read(t, Options{}, "ext", "a%20b")
		if got, _ := e.Get("ext"); got != "a%20b" {
			t.Errorf("got %q", got)
		}
	})
}

// read fills an event with the required attributes and those given as pairs of name and value.
func read(t *testing.T, o Options, pairs ...string) *Event {
	t.Helper()
	e := new(Event)
	if err := tryRead(e, o, append([]string{"specversion", "1.0", "id", "1", "source", "/s", "type", "t"}, pairs...)...); err != nil {
		t.Fatal(err)
	}
	return e
}

func tryRead(e *Event, o Options, pairs ...string) error {
	var r AttributeReader
	r.Begin(e, o)
	for i := 0; i < len(pairs); i += 2 {
		if err := r.Attribute(pairs[i], pairs[i+1]); err != nil {
			return err
		}
	}
	return r.Finish()
}

func TestAttributeReader(t *testing.T) {
	e := read(t, Options{}, "subject", "s", "time", "2018-04-05T17:31:00Z", "datacontenttype", "a/b", "dataschema", "x:y",
		"ext", "", "123", "€")
	const want = `{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"s","time":"2018-04-05T17:31:00Z",` +
		`"datacontenttype":"a/b","dataschema":"x:y","ext":"","123":"€"}`
	if got := string(AppendJSON(nil, e)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var names string
	for name := range e.Attributes {
		names += name + " "
	}
	if want := "specversion id source type subject time dataschema ext 123 "; names != want {
		t.Errorf("got attributes %q, want %q", names, want)
	}
	for name := range e.Attributes {
		if name == "type" {
			break // the iterator has to stop where its user does
		}
	}
}

func TestAttributeReader_Refuses(t *testing.T) {
	for _, c := range []struct{ name, attribute, value string }{
		{"B10 duplicate", "id", "2"},
		{"B11 no name", "", "x"},
		{"B12 underscore", "my_ext", "x"},
		{"B12 hyphen", "my-ext", "x"},
		{"B13 empty subject", "subject", ""},
		{"data", "data", "x"},
		{"data_base64", "data_base64", "x"},
		{"capital", "Ext", "x"},
		{"B21 line feed", "ext", "{\"othervalue\": 5}\n"},
		{"not UTF-8", "ext", "\xff"},
		{"tab", "subject", "a\tb"},
		{"time", "time", "yesterday"},
		{"content type", "datacontenttype", "xyz"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := tryRead(new(Event), Options{}, "specversion", "1.0", "id", "1", "source", "/s", "type", "t", c.attribute, c.value)
			if broken, ok := errors.AsType[*AttributeError](err); !ok || broken.Attribute != c.attribute {
				t.Errorf("got %v, want an AttributeError of %q", err, c.attribute)
			}
		})
	}
	for missing, pairs := range map[string][]string{
		"specversion": {"id", "1", "source", "/s", "type", "t"},
		"id":          {"specversion", "1.0", "source", "/s", "type", "t"},
		"source":      {"specversion", "1.0", "id", "1", "type", "t"},
		"type":        {"specversion", "1.0", "id", "1", "source", "/s"},
	} {
		err := tryRead(new(Event), Options{}, pairs...)
		if broken, ok := errors.AsType[*AttributeError](err); !ok || broken.Attribute != missing {
			t.Errorf("without %s: got %v", missing, err)
		}
	}
	if err := tryRead(new(Event), Options{}); !errors.Is(err, ErrNotCloudEvent) {
		t.Errorf("without attributes: got %v, want ErrNotCloudEvent", err)
	}
	var r AttributeReader
	e := new(Event)
	r.Begin(e, Options{})
	for name, value := range binaryEvent("", nil).Attributes {
		if err := r.Attribute(name, value); err != nil {
			t.Fatal(err)
		}
	}
	e.DataContentType = "xyz"
	if err := r.Finish(); err == nil {
		t.Error("a content type that the caller assigned was not checked")
	}
}

func TestAttributeReader_LenientDropsBadNames(t *testing.T) {
	e := new(Event)
	var r AttributeReader
	r.Begin(e, Options{Lenient: true})
	for name, value := range binaryEvent("", nil).Attributes {
		if err := r.Attribute(name, value); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"", "my-ext", "data"} {
		if err := r.Attribute(name, "x"); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := r.Attribute("id", "2"); err == nil {
		t.Error("a duplicate was taken")
	}
	if err := r.Finish(); err != nil || r.Dropped() != 3 || e.NumExtensions() != 0 {
		t.Errorf("got %v, dropped %d, %d extensions", err, r.Dropped(), e.NumExtensions())
	}
}
