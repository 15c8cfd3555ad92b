package kafka

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
)

// headers makes record headers of name, value pairs; the value "<null>" is a null value.
func headers(pairs ...string) []kgo.RecordHeader {
	var hs []kgo.RecordHeader
	for i := 0; i < len(pairs); i += 2 {
		h := kgo.RecordHeader{Key: pairs[i], Value: []byte(pairs[i+1])}
		if pairs[i+1] == "<null>" {
			h.Value = nil
		}
		hs = append(hs, h)
	}
	return hs
}

// required are the required attributes as headers, and more.
func required(more ...string) []kgo.RecordHeader {
	return headers(append([]string{"ce_specversion", "1.0", "ce_id", "1", "ce_source", "/s", "ce_type", "t"}, more...)...)
}

func decodeOne(d decoder, r *kgo.Record) (*envelope.Event, error) {
	e := new(envelope.Event)
	_, err := d.decode(e, r)
	return e, err
}

func encoderFor(t testing.TB, cfg SinkConfig, mode bindings.Mode) *encoder {
	t.Helper()
	cfg.Brokers = bindings.Strings{"b:9092"}
	if cfg.Topic == "" {
		cfg.Topic = "out"
	}
	s, err := NewSink(cfg, bindings.SinkSettings{Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	return &s.encoder
}

func encodeOne(t testing.TB, c *encoder, e *envelope.Event) *kgo.Record {
	t.Helper()
	r := new(kgo.Record)
	if err := c.encode(r, e, new(scratch)); err != nil {
		t.Fatal(err)
	}
	return r
}

const structuredEvent = `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}`

// TestVectors are the Kafka vectors D1 to D13 of the conformance checklist.
func TestVectors(t *testing.T) {
	var strict decoder
	lenient := decoder{options: envelope.Options{Lenient: true}}

	t.Run("D1 null value is no data and a tombstone", func(t *testing.T) {
		e, err := decodeOne(strict, &kgo.Record{Headers: required()})
		if err != nil || e.Data != nil {
			t.Fatalf("data %q, error %v; want none", e.Data, err)
		}
		if r := encodeOne(t, encoderFor(t, SinkConfig{}, bindings.ModeBinary), e); r.Value != nil {
			t.Errorf("value %q, want null", r.Value)
		}
		r := encodeOne(t, encoderFor(t, SinkConfig{}, bindings.ModeStructured), e)
		if r.Value == nil || bytes.Contains(r.Value, []byte(`"data`)) {
			t.Errorf("structured value %q, want no data member", r.Value)
		}
	})
	t.Run("D2 empty value is present and empty", func(t *testing.T) {
		e, err := decodeOne(strict, &kgo.Record{Headers: required(), Value: []byte{}})
		if err != nil || e.Data == nil || len(e.Data) != 0 {
			t.Fatalf("data %#v, error %v; want present and empty", e.Data, err)
		}
		if r := encodeOne(t, encoderFor(t, SinkConfig{}, bindings.ModeBinary), e); r.Value == nil {
			t.Error("value is null, want empty")
		}
	})
	t.Run("D4 key bytes pass and become no attribute", func(t *testing.T) {
		e, err := decodeOne(strict, &kgo.Record{Headers: required(), Key: []byte("\x00\xff")})
		if err != nil || e.NumExtensions() != 0 {
			t.Fatalf("%d extensions, error %v; want none", e.NumExtensions(), err)
		}
		if r := encodeOne(t, encoderFor(t, SinkConfig{}, 0), e); string(r.Key) != "\x00\xff" {
			t.Errorf("key %q", r.Key)
		}
	})
	t.Run("D5 partitionkey becomes the key and stays", func(t *testing.T) {
		e, err := decodeOne(strict, &kgo.Record{Headers: required("ce_partitionkey", "k"), Key: []byte("other")})
		if err != nil {
			t.Fatal(err)
		}
		r := encodeOne(t, encoderFor(t, SinkConfig{Key: "partitionkey"}, 0), e)
		if v, _ := header(r, "ce_partitionkey"); string(r.Key) != "k" || v != "k" {
			t.Errorf("key %q, ce_partitionkey %q; want k and k", r.Key, v)
		}
	})
	t.Run("D6 nothing of the record becomes an attribute", func(t *testing.T) {
		rec := &kgo.Record{Topic: "in", Partition: 3, Offset: 7, Key: []byte("k"), Headers: required("traceparent", "00")}
		e, err := decodeOne(decoder{source: "orders"}, rec)
		if err != nil || e.NumExtensions() != 0 {
			t.Fatalf("%d extensions, error %v; want none", e.NumExtensions(), err)
		}
		m := e.Meta
		if m.Transport != "kafka" || m.SourceName != "orders" || m.Channel != "in" || m.Partition != 3 || m.Position != 7 ||
			len(m.Headers) != 1 || m.Headers[0].Name != "traceparent" {
			t.Errorf("meta %+v", m)
		}
	})
	t.Run("D8 content-type in any case", func(t *testing.T) {
		e, err := decodeOne(strict, &kgo.Record{Headers: required("Content-Type", "text/plain"), Value: []byte("x")})
		if err != nil || e.DataContentType != "text/plain" || len(e.Meta.Headers) != 0 {
			t.Errorf("datacontenttype %q, headers %v, error %v", e.DataContentType, e.Meta.Headers, err)
		}
	})
	t.Run("D11 ce- is an alias when lenient", func(t *testing.T) {
		rec := &kgo.Record{Headers: headers("ce-specversion", "1.0", "ce-id", "1", "ce-source", "/s", "ce-type", "t")}
		if _, err := decodeOne(strict, rec); !errors.Is(err, envelope.ErrNotCloudEvent) {
			t.Errorf("strict: error %v, want ErrNotCloudEvent", err)
		}
		if e, err := decodeOne(lenient, rec); err != nil || e.ID != "1" {
			t.Errorf("lenient: id %q, error %v", e.ID, err)
		}
	})
	t.Run("D12 bare JSON is an event when lenient", func(t *testing.T) {
		rec := &kgo.Record{Value: []byte(structuredEvent)}
		if _, err := decodeOne(strict, rec); !errors.Is(err, envelope.ErrNotCloudEvent) {
			t.Errorf("strict: error %v, want ErrNotCloudEvent", err)
		}
		if e, err := decodeOne(lenient, rec); err != nil || e.ID != "1" || string(e.Data) != `{"a":1}` {
			t.Errorf("lenient: id %q, data %q, error %v", e.ID, e.Data, err)
		}
	})
	t.Run("D13 ce_datacontenttype alone", func(t *testing.T) {
		e, err := decodeOne(strict, &kgo.Record{Headers: required("ce_datacontenttype", "text/xml"), Value: []byte("x")})
		if err != nil || e.DataContentType != "text/xml" {
			t.Errorf("datacontenttype %q, error %v", e.DataContentType, err)
		}
		r := encodeOne(t, encoderFor(t, SinkConfig{}, 0), e)
		if ct, n := header(r, "content-type"); ct != "text/xml" || n != 1 {
			t.Errorf("content-type %q %d times", ct, n)
		}
		if _, n := header(r, "ce_datacontenttype"); n != 0 {
			t.Error("ce_datacontenttype was written")
		}
	})
}

// TestDecodeRefuses holds what is malformed, D7 and D9 among it.
func TestDecodeRefuses(t *testing.T) {
	for name, rec := range map[string]*kgo.Record{
		"D7 batch":              {Headers: headers("content-type", "application/cloudevents-batch+json"), Value: []byte("[]")},
		"unknown format":        {Headers: required("content-type", "application/cloudevents+cbor"), Value: []byte("x")},
		"D9 duplicate":          {Headers: required("ce_id", "2")},
		"null required":         {Headers: headers("ce_specversion", "1.0", "ce_id", "<null>", "ce_source", "/s", "ce_type", "t")},
		"no id":                 {Headers: headers("ce_specversion", "1.0", "ce_source", "/s", "ce_type", "t")},
		"upper case":            {Headers: required("ce_Region", "eu")},
		"empty name":            {Headers: required("ce_", "x")},
		"data":                  {Headers: required("ce_data", "x")},
		"invalid UTF-8":         {Headers: required("ce_region", "\xff")},
		"content type encoding": {Headers: required("content-type", "text/\xff")},
		"wrong version":         {Headers: headers("ce_specversion", "0.9", "ce_id", "1", "ce_source", "/s", "ce_type", "t")},
		"structured null":       {Headers: headers("content-type", "application/cloudevents+json")},
		"structured garbage":    {Headers: headers("content-type", "application/cloudevents+json"), Value: []byte(`{"id":`)},
		"too large":             {Headers: required(), Value: make([]byte, 2000)},
	} {
		_, err := decodeOne(decoder{maxEvent: 1000}, rec)
		if err == nil || errors.Is(err, envelope.ErrNotCloudEvent) {
			t.Errorf("%s: error %v, want one that says what is wrong", name, err)
		}
	}
}

func TestDecodeDetails(t *testing.T) {
	rec := &kgo.Record{Value: []byte("x"), Headers: required(
		"ce_datacontenttype", "text/xml", "content-type", "text/a", "CONTENT-TYPE", "text/b",
		"ce_name", "Euro € 😀 %20", "ce_empty", "", "ce_gone", "<null>", "null", "<null>", "empty", "")}
	e, err := decodeOne(decoder{}, rec)
	if err != nil {
		t.Fatal(err)
	}
	if e.DataContentType != "text/b" {
		t.Errorf("datacontenttype %q, want the last content-type", e.DataContentType)
	}
	if v, _ := e.Get("name"); v != "Euro € 😀 %20" {
		t.Errorf("name %q: raw UTF-8 must pass undecoded", v)
	}
	if a := e.FindExtension("empty"); a == nil || a.Value != "" {
		t.Error("an empty extension is an extension")
	}
	if e.FindExtension("gone") != nil {
		t.Error("a null header is no attribute")
	}
	if h := e.Meta.Headers; len(h) != 2 || h[0].Value != nil || h[1].Value == nil {
		t.Errorf("other headers %v, want null and empty kept apart", h)
	}
	r := encodeOne(t, encoderFor(t, SinkConfig{}, 0), e)
	for _, h := range r.Headers {
		if (h.Value == nil) != (h.Key == "null") {
			t.Errorf("header %s: null %v", h.Key, h.Value == nil)
		}
	}
	if v, _ := header(r, "ce_name"); v != "Euro € 😀 %20" {
		t.Errorf("ce_name %q, want it unencoded", v)
	}
}

// TestNullHeaderCountsAsAbsent: a null content type hid the one before it, and a message whose only ce_ header is null was
// taken for a broken event, so that it was not wrapped.
func TestNullHeaderCountsAsAbsent(t *testing.T) {
	text := []byte("text")
	for name, tc := range map[string]struct {
		record *kgo.Record
		media  string // of an event; empty for a message that is none
	}{
		"content type, then null":       {&kgo.Record{Headers: required("content-type", "text/a", "content-type", "<null>"), Value: text}, "text/a"},
		"null, then content type":       {&kgo.Record{Headers: required("content-type", "<null>", "content-type", "text/a"), Value: text}, "text/a"},
		"null content type, attribute":  {&kgo.Record{Headers: required("content-type", "<null>", "ce_datacontenttype", "text/b"), Value: text}, "text/b"},
		"attribute, null duplicate":     {&kgo.Record{Headers: required("ce_id", "<null>", "content-type", "text/a"), Value: text}, "text/a"},
		"structured, then null":         {&kgo.Record{Headers: headers("content-type", "application/cloudevents+json", "Content-Type", "<null>"), Value: []byte(structuredEvent)}, "application/json"},
		"null attributes, content type": {&kgo.Record{Headers: headers("content-type", "text/a", "ce_id", "<null>"), Value: text}, ""},
		"null attributes alone":         {&kgo.Record{Headers: headers("ce_id", "<null>", "ce_x", "<null>"), Value: text}, ""},
		"null attribute without a name": {&kgo.Record{Headers: required("ce_", "<null>", "content-type", "text/a"), Value: text}, "text/a"},
		"lenient, null hyphen header":   {&kgo.Record{Headers: headers("ce-id", "<null>"), Value: text}, ""},
	} {
		e, err := decodeOne(decoder{options: envelope.Options{Lenient: strings.HasPrefix(name, "lenient")}}, tc.record)
		switch {
		case tc.media == "":
			if !errors.Is(err, envelope.ErrNotCloudEvent) {
				t.Errorf("%s: %v, want a message that is no event", name, err)
			}
		case err != nil || e.ContentType() != tc.media || e.ID != "1" || len(e.Meta.Headers) > 0:
			t.Errorf("%s: %v, content type %q, headers %v", name, err, e.ContentType(), e.Meta.Headers)
		}
	}
}

func TestEncodeModes(t *testing.T) {
	nested := event("1", "")
	nested.DataContentType = "application/cloudevents+json"
	for _, tc := range []struct {
		name, contentType string
		mode              bindings.Mode
		event             *envelope.Event
	}{
		{"default is binary", "application/json", bindings.ModeDefault, event("1", "")},
		{"structured", "application/cloudevents+json", bindings.ModeStructured, event("1", "")},
		{"nested event", "application/cloudevents+json", bindings.ModeBinary, nested},
	} {
		r := encodeOne(t, encoderFor(t, SinkConfig{}, tc.mode), tc.event)
		if ct, n := header(r, "content-type"); ct != tc.contentType || n != 1 {
			t.Errorf("%s: content-type %q %d times", tc.name, ct, n)
		}
		if e, err := decodeOne(decoder{}, r); err != nil || e.ID != "1" || e.DataContentType != tc.event.DataContentType {
			t.Errorf("%s: read back as %+v, %v", tc.name, e, err)
		}
	}
}

// TestEncodeUntouched: structured in, structured out, byte for byte.
func TestEncodeUntouched(t *testing.T) {
	odd := []byte(` { "type":"t","id":"1" ,"data" : 1.0e0,"specversion":"1.0","source":"/s"}`)
	rec := &kgo.Record{Headers: headers("content-type", "application/cloudevents+json; charset=utf-8"), Value: odd}
	e, err := decodeOne(decoder{}, rec)
	if err != nil {
		t.Fatal(err)
	}
	if r := encodeOne(t, encoderFor(t, SinkConfig{}, bindings.ModeStructured), e); !bytes.Equal(r.Value, odd) {
		t.Errorf("value %s", r.Value)
	}
	r := encodeOne(t, encoderFor(t, SinkConfig{}, bindings.ModeBinary), e)
	if ct, _ := header(r, "content-type"); string(r.Value) != "1.0e0" || ct != "application/json" {
		t.Errorf("binary value %s, content-type %q", r.Value, ct)
	}
}

func TestEncodeKeys(t *testing.T) {
	e := event("1", "record key")
	e.Subject = "s1"
	e.AddExtension("partitionkey", "pk", envelope.KindString)
	elsewhere := event("1", "subject.of.nats")
	elsewhere.Meta.Transport = "nats"
	for _, tc := range []struct {
		setting string
		event   *envelope.Event
		want    string
		null    bool
	}{
		{"", e, "record key", false},
		{"keep", event("1", ""), "", true},
		{"keep", elsewhere, "", true},
		{"none", e, "", true},
		{"subject", e, "s1", false},
		{"subject", elsewhere, "", true},
		{"partitionkey", e, "pk", false},
		{"partitionkey", elsewhere, "", true},
		{"{type}/x", e, "com.acme.order.paid/x", false},
	} {
		r := encodeOne(t, encoderFor(t, SinkConfig{Key: tc.setting}, 0), tc.event)
		if string(r.Key) != tc.want || (r.Key == nil) != tc.null {
			t.Errorf("key %q: got %q (null %v)", tc.setting, r.Key, r.Key == nil)
		}
	}
}

func TestEncodeTopic(t *testing.T) {
	c := encoderFor(t, SinkConfig{Topic: "events.{type}"}, 0)
	if r := encodeOne(t, c, event("1", "")); r.Topic != "events.com.acme.order.paid" {
		t.Errorf("topic %q", r.Topic)
	}
	for _, typ := range []string{"a b", "a/b", "ü", strings.Repeat("x", 250)} {
		e := event("1", "")
		e.Type = typ
		var permanent *bindings.PermanentError
		err := c.encode(new(kgo.Record), e, new(scratch))
		if !errors.As(err, &permanent) || permanent.Reason != bindings.ReasonAddress {
			t.Errorf("type %q: error %v, want bad_address", typ, err)
		}
	}
}

func TestForeignHeadersPassFromKafkaOnly(t *testing.T) {
	e := event("1", "")
	e.Meta.Headers = []envelope.Header{
		{Name: "traceparent", Value: []byte("00")},
		{Name: "ce_x", Value: []byte("x")},
		{Name: "Content-Type", Value: []byte("text/plain")},
	}
	r := encodeOne(t, encoderFor(t, SinkConfig{}, 0), e)
	_, trace := header(r, "traceparent")
	_, attr := header(r, "ce_x")
	_, ct := header(r, "Content-Type")
	if trace != 1 || attr != 0 || ct != 0 {
		t.Errorf("headers %v", r.Headers)
	}
	e.Meta.Transport = "nats"
	r = encodeOne(t, encoderFor(t, SinkConfig{}, 0), e)
	if _, n := header(r, "traceparent"); n != 0 {
		t.Error("a NATS header was written to Kafka")
	}
}

// TestMalformedLeavesAsItCame: the dead letter of what could not be decoded is its own bytes and headers.
func TestMalformedLeavesAsItCame(t *testing.T) {
	rec := &kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte("<x>"), Headers: required(
		"content-type", "text/xml", "ce_id", "2", "ce_dlqreason", "older", "x", "y")}
	r := &run{source: &Source{settings: settings("orders")}}
	b := bindings.NewBatch(nil, 1)
	r.decode(b, rec)
	e := &b.Events[0]
	if e.Malformed == nil {
		t.Fatal("two ids are not malformed")
	}
	e.AddExtension("dlqreason", "malformed", envelope.KindString)
	for _, mode := range []bindings.Mode{bindings.ModeBinary, bindings.ModeStructured} {
		out := encodeOne(t, encoderFor(t, SinkConfig{}, mode), e)
		ct, _ := header(out, "content-type")
		_, ids := header(out, "ce_id")
		reason, reasons := header(out, "ce_dlqreason")
		_, x := header(out, "x")
		if string(out.Value) != "<x>" || string(out.Key) != "k" || ct != "text/xml" || ids != 2 || reason != "malformed" ||
			reasons != 1 || x != 1 {
			t.Errorf("record %q, headers %v", out.Value, out.Headers)
		}
	}
}

// TestAllocations: neither decoding nor encoding allocates once the memory is there.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("NOT TESTED: allocations, because the race detector is on")
	}
	binary := ceRecord("in", 0, "1")
	binary.Headers = append(binary.Headers, headers("ce_region", "eu", "ce_tenant", "a", "traceparent", "00")...)
	structured := &kgo.Record{Value: []byte(structuredEvent), Headers: headers("content-type", "application/cloudevents+json")}
	var d decoder
	for name, rec := range map[string]*kgo.Record{"binary": binary, "structured": structured} {
		e := new(envelope.Event)
		if n := testing.AllocsPerRun(100, func() {
			e.Reset()
			if _, err := d.decode(e, rec); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("decode %s: %v allocations", name, n)
		}
		e.Touch()
		for _, cfg := range []SinkConfig{{}, {Topic: "out.{type}", Key: "{type}"}} {
			for _, mode := range []bindings.Mode{bindings.ModeBinary, bindings.ModeStructured} {
				c := encoderFor(t, cfg, mode)
				var s scratch
				limit := 0.0
				if cfg.Topic != "" {
					limit = 1 // checking the rendered topic
				}
				if n := testing.AllocsPerRun(100, func() {
					s.reset()
					var r kgo.Record
					if err := c.encode(&r, e, &s); err != nil {
						t.Fatal(err)
					}
				}); n > limit {
					t.Errorf("encode %s, mode %d, topic %q: %v allocations", name, mode, cfg.Topic, n)
				}
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("content-type", "application/cloudevents+json", "ce_id", "1", []byte(structuredEvent), true)
	f.Add("ce_specversion", "1.0", "ce_", "x", []byte("x"), false)
	f.Add("ce-id", "1", "ce_datacontenttype", "text/plain", []byte(nil), true)
	f.Add("CONTENT-TYPE", "\xff", "ce_data", "", []byte("{}"), false)
	text := &encoder{static: "out"}
	structured := &encoder{static: "out", structured: true}
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string, value []byte, lenient bool) {
		for _, hs := range [][]kgo.RecordHeader{headers(n1, v1, n2, v2), required(n1, v1, n2, v2)} {
			d := decoder{options: envelope.Options{Lenient: lenient}}
			e, err := decodeOne(d, &kgo.Record{Headers: hs, Value: value})
			if err != nil {
				continue
			}
			for _, c := range []*encoder{text, structured} {
				back, err := decodeOne(d, encodeOne(t, c, e))
				if err != nil {
					t.Fatalf("written and not readable: %v", err)
				}
				if back.ID != e.ID || back.Type != e.Type || back.NumExtensions() != e.NumExtensions() ||
					(back.Data == nil) != (e.Data == nil) {
					t.Fatalf("got %+v, want %+v", back, e)
				}
			}
		}
	})
}

func BenchmarkDecodeEncode(b *testing.B) {
	rec := ceRecord("in", 0, "1")
	rec.Headers = append(rec.Headers, headers("ce_subject", "s", "ce_time", "2018-04-05T17:31:00Z", "ce_region", "eu")...)
	topic, err := template.Compile("out", template.KafkaTopic)
	if err != nil {
		b.Fatal(err)
	}
	c := &encoder{static: "out", topic: topic}
	var d decoder
	var e envelope.Event
	var s scratch
	var r kgo.Record
	b.ReportAllocs()
	for b.Loop() {
		e.Reset()
		s.reset()
		r = kgo.Record{}
		if _, err := d.decode(&e, rec); err != nil {
			b.Fatal(err)
		}
		if err := c.encode(&r, &e, &s); err != nil {
			b.Fatal(err)
		}
	}
}

// TestCodec is the suite that all bindings share.
func TestCodec(t *testing.T) {
	type message struct {
		record kgo.Record
		text   scratch
	}
	mode := func(name string, m bindings.Mode, loss bindingtest.Loss) bindingtest.CodecMode[message] {
		c := encoderFor(t, SinkConfig{}, m)
		return bindingtest.CodecMode[message]{
			Name: name, Loss: loss,
			Encode: func(m *message, e *envelope.Event) error { return c.encode(&m.record, e, &m.text) },
			Decode: func(e *envelope.Event, m *message) error {
				_, err := new(decoder).decode(e, &m.record)
				return err
			},
			// A message of its own brings no memory to write to, unlike a producer's: see TestFillAllocations.
			EncodeAllocs: 10,
		}
	}
	bindingtest.Codec(t, bindingtest.CodecCase[message]{
		Modes: []bindingtest.CodecMode[message]{
			mode("binary", bindings.ModeBinary, bindingtest.Headers),
			mode("structured", bindings.ModeStructured, bindingtest.Structured),
		},
		Bytes: func(m *message) [][]byte {
			all := [][]byte{m.record.Key, m.record.Value}
			for _, h := range m.record.Headers {
				all = append(all, h.Value)
			}
			return all
		},
	})
}

// TestTopicOfATemplateOutlivesItsSend: the client keeps topics, so the next Send must not write over them.
func TestTopicOfATemplateOutlivesItsSend(t *testing.T) {
	topic, err := template.Compile("{type}", template.Raw)
	if err != nil {
		t.Fatal(err)
	}
	c, s := &encoder{topic: topic}, new(scratch)
	var first, second kgo.Record
	for _, e := range []struct {
		record *kgo.Record
		kind   string
	}{{&first, "aaaa"}, {&second, "bbbb"}} {
		ev := event("1", "k")
		ev.Type = e.kind
		if err := c.encode(e.record, ev, s); err != nil {
			t.Fatal(err)
		}
		s.reset()
	}
	if first.Topic != "aaaa" || second.Topic != "bbbb" {
		t.Errorf("got topics %q and %q, want aaaa and bbbb", first.Topic, second.Topic)
	}
}
