package bindingtest

import (
	"strings"
	"testing"

	"github.com/eventrouter/router/envelope"
)

// structured is a carrier of one JSON document.
type structured struct{ body []byte }

// headers is a carrier of string headers in their order, percent-coded, with the content type among them.
type headers struct {
	names, values []string
	body          []byte
}

func TestCodec_JSON(t *testing.T) {
	Codec(t, CodecCase[structured]{
		Bytes: func(m *structured) [][]byte { return [][]byte{m.body} },
		Modes: []CodecMode[structured]{{
			Name:   "structured",
			Encode: func(m *structured, e *envelope.Event) error { m.body = envelope.AppendJSON(nil, e); return nil },
			Decode: func(e *envelope.Event, m *structured) error {
				return envelope.ParseJSON(e, m.body, envelope.Options{MaxAttributes: 64})
			},
			Loss: Structured, EncodeAllocs: 8,
		}},
	})
}

func TestCodec_Headers(t *testing.T) {
	Codec(t, CodecCase[headers]{
		Bytes: func(m *headers) [][]byte { return [][]byte{m.body} },
		Modes: []CodecMode[headers]{{
			Name: "binary", Encode: encodeHeaders, Decode: decodeHeaders, Loss: Headers, EncodeAllocs: 45,
		}},
	})
}

func encodeHeaders(m *headers, e *envelope.Event) error {
	for name, value := range e.Attributes {
		m.names = append(m.names, name)
		m.values = append(m.values, string(envelope.AppendHeaderValue(nil, value)))
	}
	if ct := e.ContentType(); ct != "" {
		m.names, m.values = append(m.names, "datacontenttype"), append(m.values, string(envelope.AppendHeaderValue(nil, ct)))
	}
	m.body = e.Data
	return nil
}

func decodeHeaders(e *envelope.Event, m *headers) error {
	var r envelope.AttributeReader
	r.Begin(e, envelope.Options{})
	for i, name := range m.names {
		value, err := envelope.DecodeHeaderValue(m.values[i], envelope.HeaderStrict)
		if err != nil {
			return err
		}
		if err := r.Attribute(name, value); err != nil {
			return err
		}
	}
	e.Data = m.body
	return r.Finish()
}

func TestEvents(t *testing.T) {
	events := Events()
	if len(events) < 60 {
		t.Errorf("got %d golden events, want at least 60", len(events))
	}
	seen := map[string]bool{}
	for _, n := range events {
		if seen[n.Name] || n.Name == "" || strings.ContainsAny(n.Name, " /#") {
			t.Errorf("%q is no unique name for a subtest", n.Name)
		}
		seen[n.Name] = true
		if len(n.Why) < 10 || !strings.HasSuffix(n.Why, ".") {
			t.Errorf("%s: %q does not explain the event in a sentence", n.Name, n.Why)
		}
		if err := n.Event.Validate(envelope.Options{}); err != nil {
			t.Errorf("%s: not valid: %v", n.Name, err)
		}
		if size := n.Event.Size(); size > maxForward || strings.HasPrefix(n.Name, "size-") && size != maxForward {
			t.Errorf("%s: has %d bytes", n.Name, size)
		}
	}
	if Find("minimal").ID != "minimal" {
		t.Error("Find gave another event")
	}
}

// TestEqual changes one thing at a time and expects Equal to notice it, or to let it pass where the rule says so.
func TestEqual(t *testing.T) {
	base := func() *envelope.Event {
		e := &envelope.Event{ID: "1", Source: "/s", Type: "t", DataContentType: "application/json", Data: []byte("{}")}
		e.AddExtension("number", "5", envelope.KindInteger)
		e.AddExtension("uri", "x:y", envelope.KindURI)
		return e
	}
	for _, c := range []struct {
		name   string
		change func(a, b *envelope.Event)
		rule   Loss
		equal  bool
	}{
		{"nothing", func(_, _ *envelope.Event) {}, 0, true},
		{"id", func(_, b *envelope.Event) { b.ID = "2" }, 0, false},
		{"subject added", func(_, b *envelope.Event) { b.Subject = "s" }, 0, false},
		{"extension removed", func(_, b *envelope.Event) { b.Remove("uri") }, 0, false},
		{"extension added", func(_, b *envelope.Event) { b.AddExtension("x", "", 0) }, Headers, false},
		{"extension repeated", func(_, b *envelope.Event) { b.AddExtension("uri", "x:y", 0) }, Headers, false},
		{"extension value", func(_, b *envelope.Event) { b.Set("number", "05", envelope.KindInteger) }, 0, false},
		{"order", func(_, b *envelope.Event) { b.Remove("number"); b.AddExtension("number", "5", envelope.KindInteger) }, 0, true},
		{"number type lost", func(_, b *envelope.Event) { b.Set("number", "5", envelope.KindUntyped) }, Structured, false},
		{"number type lost over headers", func(_, b *envelope.Event) { b.Set("number", "5", envelope.KindUntyped) }, Headers, true},
		{"URI type lost", func(_, b *envelope.Event) { b.Set("uri", "x:y", envelope.KindUntyped) }, Structured, true},
		{"URI type lost for nothing", func(_, b *envelope.Event) { b.Set("uri", "x:y", envelope.KindUntyped) }, 0, false},
		{"type invented", func(_, b *envelope.Event) { b.Set("uri", "x:y", envelope.KindInteger) }, Headers, false},
		{"data", func(_, b *envelope.Event) { b.Data = []byte("[]") }, Headers, false},
		{"data lost", func(_, b *envelope.Event) { b.Data = nil }, Headers | LossEmptyData, false},
		{"empty data lost", func(a, b *envelope.Event) { a.Data, b.Data = []byte{}, nil }, Headers, false},
		{"empty data may be lost", func(a, b *envelope.Event) { a.Data, b.Data = []byte{}, nil }, LossEmptyData, true},
		{"space", func(a, _ *envelope.Event) { a.Data = []byte("{}\n") }, 0, false},
		{"space may be lost", func(a, _ *envelope.Event) { a.Data = []byte("{}\n") }, Structured, true},
		{"implied content type", func(a, _ *envelope.Event) { a.DataContentType, a.DataKind = "", envelope.DataJSON }, 0, true},
		{"content type invented", func(a, _ *envelope.Event) { a.DataContentType = "" }, 0, false},
		{"malformed", func(_, b *envelope.Event) { b.Malformed = envelope.ErrNotCloudEvent }, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := base(), base()
			c.change(a, b)
			if diff := Equal(a, b, c.rule); (diff == "") != c.equal {
				t.Errorf("got %q, want equal: %t", diff, c.equal)
			}
		})
	}
}
