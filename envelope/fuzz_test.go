package envelope

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

var jsonSeeds = []string{
	doc(""), doc(`"data":{"b":1,"a":2,"a":3}`), doc(`"data":"x","datacontenttype":"text/plain"`), doc(`"data_base64":"AP/+","ext":5`),
	doc(`"data_base64":null,"data":null,"ext":null,"flag":true`), doc(`"time":"2018-04-05t17:31:00z","subject":"\ud83d\ude00"`),
	doc(`"data":"\u0000","datacontenttype":"text/xml"`), `{}`, `[]`, `{"specversion":1}`, "\uFEFF" + doc(""), doc(`"ext":-0`),
	doc(`"datacontenttype":"a/b+json; charset=\"x\"","data":[[]]`),
}

// checkAccepted holds for every event a decoder accepts: it is valid, and written anew it means the same.
func checkAccepted(t *testing.T, e *Event) {
	t.Helper()
	if err := e.Validate(Options{Lenient: true}); err != nil {
		t.Fatalf("accepted and not valid: %v", err)
	}
	if !json.Valid(e.Raw) {
		t.Fatalf("accepted and not JSON: %q", e.Raw)
	}
	if diff := difference(e, reparse(t, e)); diff != "" {
		t.Fatalf("written anew: %s", diff)
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Add(sample, false)
	f.Fuzz(func(t *testing.T, msg []byte, lenient bool) {
		before := bytes.Clone(msg)
		e := new(Event)
		err := ParseJSON(e, msg, Options{Lenient: lenient})
		if !bytes.Equal(before, msg) {
			t.Fatal("the message was written to")
		}
		if err != nil {
			return
		}
		if !bytes.HasSuffix(msg, e.Raw) || len(msg)-len(e.Raw) > len("\uFEFF") {
			t.Fatalf("raw is %q", e.Raw)
		}
		checkAccepted(t, e)
	})
}

func FuzzParseJSONBatch(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte("[" + s + "]"))
		f.Add([]byte("[" + s + "," + doc("") + "]"))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		var events []*Event
		if err := ParseJSONBatch(msg, Options{}, func() *Event {
			events = append(events, new(Event))
			return events[len(events)-1]
		}); err != nil {
			return
		}
		for _, e := range events {
			checkAccepted(t, e)
			if err := ParseJSON(new(Event), e.Raw, Options{}); err != nil {
				t.Fatalf("%s: valid in a batch and not alone: %v", e.Raw, err)
			}
		}
		var again int
		if err := ParseJSONBatch(AppendJSONBatch(nil, events), Options{}, func() *Event { again++; return new(Event) }); err != nil ||
			again != len(events) {
			t.Fatalf("written anew: %d events, %v", again, err)
		}
	})
}

func FuzzDecodeHeaderValue(f *testing.F) {
	for _, s := range []string{"", "a%20b", "Euro%20%E2%82%AC", `"a\"b"`, "%", "%C0%A0", `a"b c"d`, "%2541", "café", "100%25", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, wire string) {
		lenient, err := DecodeHeaderValue(wire, HeaderLenient)
		if err != nil {
			t.Fatalf("lenient failed: %v", err)
		}
		value, err := DecodeHeaderValue(wire, HeaderStrict)
		if err != nil {
			if lenient != wire {
				t.Fatalf("lenient changed what is malformed: %q", lenient)
			}
			return
		}
		if lenient != value {
			t.Fatalf("strict gives %q, lenient %q", value, lenient)
		}
		again, err := DecodeHeaderValue(string(AppendHeaderValue(nil, value)), HeaderStrict)
		if err != nil || again != value {
			t.Fatalf("encoded and decoded: got %q, %v, want %q", again, err, value)
		}
		e := new(Event)
		if tryRead(e, Options{}, "specversion", "1.0", "id", "1", "source", "/s", "type", "t", "ext", value) == nil {
			if err := e.Validate(Options{}); err != nil {
				t.Fatalf("accepted and not valid: %v", err)
			}
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a", "a.b[0]", `a."b.c"`, "[1]", `"\""`, "a..b", "é"} {
		f.Add(s, []byte(`{"a":{"b":[1,"x"],"b.c":null},"é":"\u00e9"}`))
	}
	f.Add("[1]", []byte(`[{},["a"]]`))
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		p, err := ParsePath(text)
		if err != nil {
			return
		}
		again, err := ParsePath(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q printed as %q: %v", text, p.String(), err)
		}
		found, kind := p.Lookup(data)
		found2, kind2 := again.Lookup(data)
		if found != found2 || kind != kind2 {
			t.Fatalf("%q: %q, %d and then %q, %d", text, found, kind, found2, kind2)
		}
		if kind == PathMissing && found != "" || kind != PathString && kind != PathMissing && !json.Valid([]byte(found)) {
			t.Fatalf("got %q, %d", found, kind)
		}
		if kind == PathString && !bytes.Contains(data, []byte(`"`)) || strings.ToValidUTF8(found, "") != found {
			t.Fatalf("got %q, %d", found, kind)
		}
	})
}
