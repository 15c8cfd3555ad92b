package pipeline

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

func TestAttributeTypes(t *testing.T) {
	for _, c := range []struct {
		value string
		kind  envelope.Kind
		err   string
	}{
		{"5", envelope.KindInteger, ""},
		{"-2147483648", envelope.KindInteger, ""},
		{"2147483648", envelope.KindInteger, `attribute_types x: a value of the shape "9999999999" is no Integer: it must be an integer from`},
		{"no-42 secret", envelope.KindInteger, `"aa-99 aaaaaa" is no Integer`},
		{"", envelope.KindInteger, `the shape "" is no Integer`},
		{"true", envelope.KindBoolean, ""},
		{"True", envelope.KindBoolean, `"Aaaa" is no Boolean: it must be true or false`},
		{"TRUE", envelope.KindBoolean, `"AAAA" is no Boolean`},
		{"aGk=", envelope.KindBinary, ""},
		{"aGk", envelope.KindBinary, "is no Binary"},
		{"https://acme.example/x", envelope.KindURI, ""},
		{"/x", envelope.KindURI, "is no URI"},
		{"/x#y", envelope.KindURIRef, ""},
		{"/a b", envelope.KindURIRef, "is no URI-reference"},
		{"2026-03-01T10:00:00Z", envelope.KindTimestamp, ""},
		{"2026-03-01", envelope.KindTimestamp, `"9999-99-99" is no Timestamp`},
		{"anything", envelope.KindString, ""},
		{strings.Repeat("ü1", 100), envelope.KindInteger, `"` + strings.Repeat("a9", 12) + `…"`},
	} {
		e := event("1", "t", "")
		e.AddExtension("x", c.value, envelope.KindUntyped)
		rule := routing.Rule{Name: "r", Types: []routing.Typing{{Name: "x", Kind: c.kind}}}
		o, err := Apply(rule, e)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) || reasonOf(err) != bindings.ReasonTransform {
				t.Errorf("%q: error %v, want %s", c.value, err, c.err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: the error tells the value: %v", c.value, err)
			}
		case err != nil || o.Event == e || o.Event.FindExtension("x").Kind != c.kind || attribute(o.Event, "x") != c.value:
			t.Errorf("%q: %+v, %v", c.value, o.Event, err)
		}
		if e.FindExtension("x").Kind != envelope.KindUntyped {
			t.Errorf("%q: the original was changed", c.value)
		}
	}
}

// TestAttributeTypesLeaveAlone: what is absent or typed stays, and then nothing has changed: the event itself is
// delivered, with its original bytes, as by a route without types.
func TestAttributeTypesLeaveAlone(t *testing.T) {
	types := []routing.Typing{{Name: "x", Kind: envelope.KindInteger}, {Name: "y", Kind: envelope.KindBoolean}}
	set := []routing.Assignment{{Name: "a", Template: "b"}}
	for name, prepare := range map[string]func(*envelope.Event){
		"absent": func(*envelope.Event) {},
		"typed":  func(e *envelope.Event) { e.AddExtension("x", "five", envelope.KindString) },
	} {
		e := event("1", "t", "")
		prepare(e)
		e.Raw, e.RawFormat = []byte("{}"), envelope.FormatJSON
		o, err := Apply(routing.Rule{Name: "r", Types: types}, e)
		if err != nil || o.Event != e || o.Key != "" || string(e.Raw) != "{}" {
			t.Errorf("%s: changed: %+v, %v", name, o, err)
		}
		o, err = Apply(routing.Rule{Name: "r", Types: types, Set: set}, e)
		if want := SetKey(routing.Rule{Set: set}); err != nil || o.Key != want {
			t.Errorf("%s: with set: key %q, %v; want that of the set alone", name, o.Key, err)
		}
	}
}

// TestAttributeTypesAndOriginalBytes: a type that the original format writes alike keeps the original bytes.
func TestAttributeTypesAndOriginalBytes(t *testing.T) {
	for _, c := range []struct {
		format envelope.Format
		value  string
		kind   envelope.Kind
		keeps  bool
	}{
		{envelope.FormatJSON, "5", envelope.KindInteger, false},
		{envelope.FormatJSON, "true", envelope.KindBoolean, false},
		{envelope.FormatJSON, "aGk=", envelope.KindBinary, true},
		{envelope.FormatJSON, "2026-03-01T10:00:00Z", envelope.KindTimestamp, true},
		{envelope.FormatJSON, "/x", envelope.KindURIRef, true},
		{envelope.FormatAvro, "aGk=", envelope.KindBinary, false},
		{envelope.FormatAvro, "/x", envelope.KindURIRef, true},
		{envelope.FormatXML, "/x", envelope.KindURIRef, false},
	} {
		e := event("1", "t", "")
		e.AddExtension("x", c.value, envelope.KindUntyped)
		e.Raw, e.RawFormat = []byte("raw"), c.format
		o, err := Apply(routing.Rule{Name: "r", Types: []routing.Typing{{Name: "x", Kind: c.kind}}}, e)
		if err != nil || (o.Event.Raw != nil) != c.keeps || o.Event.FindExtension("x").Kind != c.kind {
			t.Errorf("%+v: raw %q, %v", c, o.Event.Raw, err)
		}
	}
}

// TestAttributeTypesOfSet: what set assigns is untyped text, which types then type; what it removes is gone.
func TestAttributeTypesOfSet(t *testing.T) {
	e := event("1", "t", "")
	e.AddExtension("x", "old", envelope.KindString)
	types := []routing.Typing{{Name: "x", Kind: envelope.KindInteger}}
	o, err := Apply(routing.Rule{Types: types, Set: []routing.Assignment{{Name: "x", Template: "{id}"}}}, e)
	if err != nil || o.Event.FindExtension("x").Kind != envelope.KindInteger || attribute(o.Event, "x") != "1" {
		t.Errorf("assigned: %+v, %v", o.Event, err)
	}
	removes := []routing.Assignment{{Name: "x", Remove: true}}
	o, err = Apply(routing.Rule{Types: types, Set: removes}, e)
	if err != nil || o.Event.FindExtension("x") != nil || o.Key != SetKey(routing.Rule{Set: removes}) {
		t.Errorf("removed: %+v, %v", o.Event, err)
	}
}

// TestTypedAndPlainRoutesShareADelivery: an event with nothing to type goes once to a sink that a plain route names too.
func TestTypedAndPlainRoutesShareADelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink, dead := &bindingtest.MemorySink{}, &bindingtest.MemorySink{}
		rules := []routing.Rule{
			{Name: "typed", To: []string{"s"}, Types: []routing.Typing{{Name: "x", Kind: envelope.KindInteger}}},
			{Name: "plain", To: []string{"s"}},
		}
		in := events(3, "t", 0)
		in[1].AddExtension("x", "5", envelope.KindUntyped)
		in[2].AddExtension("x", "five", envelope.KindUntyped)
		r := newRig(t, rules, []Sink{
			{Name: "s", Sink: sink, DeadLetter: Policy{Action: ToSink, Sink: "dead"}}, {Name: "dead", Sink: dead},
		}, in)
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range sink.Confirmed() {
			kind := "-"
			if a := e.FindExtension("x"); a != nil {
				kind = routing.TypeName(a.Kind)
			}
			got = append(got, e.ID+kind)
		}
		if text := strings.Join(got, " "); text != "e00000- e00001Integer e00001 e00002" {
			t.Errorf("delivered %q", text)
		}
		letters := dead.Confirmed()
		if len(letters) != 1 || attribute(letters[0], "dlqreason") != "bad_set" || attribute(letters[0], "x") != "five" {
			t.Errorf("dead letters %v, want the original of the third event", letters)
		}
		if s := r.p.Ledger().Sinks[0]; s.Legs.Legs != 5 || s.Delivered != 4 || s.DeadLettered != 1 {
			t.Errorf("ledger %+v", s)
		}
	})
}

// TestTypedAndUntypedHaveDifferentDeliveryIDs: two routes with the same set, one of them with types, make two events of
// one. They once had the same variant, so that a target which removes duplicates lost one of them.
func TestTypedAndUntypedHaveDifferentDeliveryIDs(t *testing.T) {
	set := []routing.Assignment{{Name: "a", Template: "b"}}
	types := []routing.Typing{{Name: "x", Kind: envelope.KindInteger}}
	for name, rules := range map[string][]routing.Rule{
		"set":    {{Name: "typed", To: []string{"s"}, Set: set, Types: types}, {Name: "plain", To: []string{"s"}, Set: set}},
		"sample": {{Name: "typed", To: []string{"s"}, Types: types, Sample: 2}, {Name: "plain", To: []string{"s"}, Sample: 2}},
	} {
		synctest.Test(t, func(t *testing.T) {
			sink := &bindingtest.MemorySink{}
			e := event("1", "t", "")
			for i := 2; sampledOut(e, 2); i++ {
				e.ID = strconv.Itoa(i)
			}
			e.AddExtension("x", "5", envelope.KindUntyped)
			r := newRig(t, rules, []Sink{{Name: "s", Sink: sink}}, []*envelope.Event{e})
			if err := r.run(time.Minute); err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, e := range sink.Confirmed() {
				got[string(bindings.AppendDeliveryID(nil, "s", e))] = true
			}
			if len(sink.Confirmed()) != 2 || len(got) != 2 {
				t.Errorf("%s: %d deliveries with %d ids, want 2 of each", name, len(sink.Confirmed()), len(got))
			}
		})
	}
}

// TestOrderOfNamesMakesNoDifference: routes that name the same changes in another order change events alike, so that a
// sink which both name gets the event once.
func TestOrderOfNamesMakesNoDifference(t *testing.T) {
	rule := routing.Rule{
		Set:   []routing.Assignment{{Name: "a", Template: "1"}, {Name: "b", Remove: true}},
		Types: []routing.Typing{{Name: "x", Kind: envelope.KindInteger}, {Name: "y", Kind: envelope.KindBoolean}},
	}
	other := routing.Rule{Set: slices.Clone(rule.Set), Types: slices.Clone(rule.Types)}
	slices.Reverse(other.Set)
	slices.Reverse(other.Types)
	if SetKey(rule) != SetKey(other) || rule.Set[0].Name != "a" || other.Types[0].Name != "y" {
		t.Errorf("%q and %q, of %v", SetKey(rule), SetKey(other), other)
	}
}
