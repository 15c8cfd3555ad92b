package envelope

import (
	"strings"
	"testing"
)

// sample is an ordinary order event of about 1 KiB, as the JSON format carries it.
var sample = []byte(`{"specversion":"1.0","id":"0198f7a2-5c1e-7d5a-9b60-3f1f6d7d9c11","source":"/shop/eu/checkout",` +
	`"type":"com.acme.order.paid","subject":"orders/4711","time":"2026-03-01T10:20:30.123456Z",` +
	`"datacontenttype":"application/json","dataschema":"https://schemas.acme.io/order/paid/3","partitionkey":"4711",` +
	`"sequence":"00000000000000004711","sampledrate":5,"retried":false,` +
	`"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","data":{"order":{"id":4711,"total":129.95,` +
	`"items":[` + strings.Repeat(`{"sku":"A-1","qty":2,"price":12.5,"name":"Grüße"},`, 8) +
	`{"sku":"Z-9","qty":1,"price":0.5}]},"paid":true}}`)

// TestAllocations holds the hot paths to no allocation at all once they are warm.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("NOT TESTED: allocations, because the race detector is on")
	}
	var e, binary Event
	if err := ParseJSON(&e, sample, Options{}); err != nil {
		t.Fatal(err)
	}
	batch := AppendJSONBatch(nil, []*Event{&e, &e, &e})
	binary.Reset()
	dst := make([]byte, 0, 8<<10)
	path, err := ParsePath("order.items[8].sku")
	if err != nil {
		t.Fatal(err)
	}
	deep, fromBinary := []byte(doc(`"data":`+nested(64))), binaryEvent("application/json", []byte(nested(64)))
	pool := make([]Event, 3)
	next := 0
	add := func() *Event { next++; return &pool[next-1] }
	for _, c := range []struct {
		name string
		run  func()
	}{
		{"ParseJSON", func() { e.Reset(); _ = ParseJSON(&e, sample, Options{MaxAttributes: 64}) }},
		{"ParseJSON of 64 levels", func() { binary.Reset(); _ = ParseJSON(&binary, deep, Options{}) }},
		{"AppendJSON of 64 levels from binary", func() { _ = AppendJSON(dst, fromBinary) }},
		{"ParseJSONBatch", func() {
			next = 0
			for i := range pool {
				pool[i].Reset()
			}
			if err := ParseJSONBatch(batch, Options{}, add); err != nil {
				t.Fatal(err)
			}
		}},
		{"AppendJSON of an untouched event", func() { _ = AppendJSON(dst, &e) }},
		{"AppendJSON of a touched event", func() { e.Touch(); _ = AppendJSON(dst, &e) }},
		{"AttributeReader", func() {
			var r AttributeReader
			binary.Reset()
			r.Begin(&binary, Options{})
			for name, value := range e.Attributes {
				if err := r.Attribute(name, value); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.Finish(); err != nil {
				t.Fatal(err)
			}
		}},
		{"AppendHeaderValue", func() { _ = AppendHeaderValue(dst, "Euro € 😀") }},
		{"DecodeHeaderValue of a plain value", func() { _, _ = DecodeHeaderValue("/shop/eu", HeaderStrict) }},
		{"DetectStructured", func() { _, _, _ = DetectStructured("application/cloudevents+json; charset=UTF-8") }},
		{"IsJSON", func() { _ = IsJSON("application/vnd.acme+json; v=1") }},
		{"Validate", func() { _ = e.Validate(Options{}) }},
		{"Path.Lookup", func() {
			if s, k := path.Lookup(e.Data); s != "Z-9" || k != PathString {
				t.Fatalf("got %q, kind %d", s, k)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := testing.AllocsPerRun(200, c.run); got != 0 {
				t.Errorf("got %v allocations per run, want 0", got)
			}
		})
	}
}

func BenchmarkParseJSON(b *testing.B) {
	var e Event
	b.SetBytes(int64(len(sample)))
	b.ReportAllocs()
	for b.Loop() {
		e.Reset()
		if err := ParseJSON(&e, sample, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	var e Event
	if err := ParseJSON(&e, sample, Options{}); err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 8<<10)
	for _, c := range []struct {
		name  string
		touch bool
	}{{"untouched", false}, {"touched", true}} {
		b.Run(c.name, func(b *testing.B) {
			if c.touch {
				e.Touch()
			}
			b.ReportAllocs()
			for b.Loop() {
				_ = AppendJSON(dst, &e)
			}
		})
	}
}

func BenchmarkAttributeReader(b *testing.B) {
	var from, e Event
	if err := ParseJSON(&from, sample, Options{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var r AttributeReader
		e.Reset()
		r.Begin(&e, Options{})
		for name, value := range from.Attributes {
			if err := r.Attribute(name, value); err != nil {
				b.Fatal(err)
			}
		}
		if err := r.Finish(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHeaderValue(b *testing.B) {
	dst := make([]byte, 0, 1<<10)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = AppendHeaderValue(dst, "Euro € and 100% of /a%20b")
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = DecodeHeaderValue("Euro%20%E2%82%AC%20and%20100%25", HeaderStrict)
		}
	})
}

func BenchmarkPathLookup(b *testing.B) {
	var e Event
	if err := ParseJSON(&e, sample, Options{}); err != nil {
		b.Fatal(err)
	}
	for _, text := range []string{"order.id", "order.items[8].sku", "paid"} {
		path, err := ParsePath(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = path.Lookup(e.Data)
			}
		})
	}
}
