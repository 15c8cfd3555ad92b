package envelope

import (
	"reflect"
	"strconv"
	"testing"
)

// extensionNames lists the extensions in their order.
func extensionNames(e *Event) (names []string) {
	for i := range e.NumExtensions() {
		names = append(names, e.Extension(i).Name)
	}
	return names
}

func TestEvent_Remove(t *testing.T) {
	for _, n := range []int{1, 6, 7, 9} {
		for at := range n {
			e := binaryEvent("", nil)
			e.Raw, e.RawFormat = []byte("{}"), FormatJSON
			var want []string
			for i := range n {
				e.AddExtension("e"+strconv.Itoa(i), "v", KindUntyped)
				if i != at {
					want = append(want, "e"+strconv.Itoa(i))
				}
			}
			e.Remove("e" + strconv.Itoa(at))
			if got := extensionNames(e); !reflect.DeepEqual(got, want) || e.Raw != nil || e.RawFormat != FormatNone {
				t.Errorf("%d of %d: got %v, want %v", at, n, got, want)
			}
			e.Remove("missing")
			e.AddExtension("again", "v", KindUntyped)
			if got := extensionNames(e); got[len(got)-1] != "again" || len(got) != n {
				t.Errorf("%d of %d: added: %v", at, n, got)
			}
		}
	}
	e := binaryEvent("a/b", nil)
	e.Remove("datacontenttype")
	if _, ok := e.Get("datacontenttype"); ok || e.DataContentType != "" {
		t.Error("a core attribute is still there")
	}
}

func TestEvent_Set(t *testing.T) {
	e := binaryEvent("", nil)
	for _, name := range []string{"id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "ext"} {
		e.Raw, e.RawFormat = []byte("{}"), FormatJSON
		e.Set(name, "value of "+name, KindString)
		if got, ok := e.Get(name); got != "value of "+name || !ok || e.Raw != nil {
			t.Errorf("%s: got %q, %t", name, got, ok)
		}
	}
	e.Set("ext", "5", KindInteger)
	e.Set("specversion", "2.0", KindString)
	if a := e.FindExtension("ext"); a.Value != "5" || a.Kind != KindInteger || e.NumExtensions() != 1 {
		t.Errorf("got %v of %d", a, e.NumExtensions())
	}
	if v, _ := e.Get("specversion"); v != SpecVersion {
		t.Errorf("got specversion %s", v)
	}
}

// TestEvent_Copies changes an original after it was copied, in its struct and, for a clone, in its bytes.
func TestEvent_Copies(t *testing.T) {
	make8 := func() (*Event, []byte) {
		msg := []byte(doc(many(8) + `,"data":{"a":1}`))
		e := new(Event)
		if err := ParseJSON(e, msg, Options{}); err != nil {
			t.Fatal(err)
		}
		e.Key = msg[:3]
		e.Meta.Headers = append(e.Meta.Headers, Header{"h", msg[:2]}, Header{"null", nil})
		return e, msg
	}
	want, _ := make8()
	e, msg := make8()
	clone, shallow := e.Clone(), new(Event)
	for i := range 12 {
		shallow.AddExtension("old"+strconv.Itoa(i), "old", KindUntyped)
	}
	e.CopyTo(shallow)
	e.Set("id", "other", KindString)
	e.Set("ext7", "other", KindString)
	e.Meta.Headers[0].Name = "other"
	if diff := difference(want, shallow); diff != "" || !reflect.DeepEqual(shallow.Meta, want.Meta) {
		t.Errorf("copy: %s %v", diff, shallow.Meta)
	}
	e.Reset()
	clear(msg)
	if diff := difference(want, clone); diff != "" || !reflect.DeepEqual(clone.Meta, want.Meta) ||
		!reflect.DeepEqual(clone.Raw, want.Raw) || !reflect.DeepEqual(clone.Key, want.Key) {
		t.Errorf("clone: %s %v", diff, clone.Meta)
	}
	if clone.Size() != want.Size() || want.Size() < len(want.Raw) {
		t.Errorf("size: got %d and %d", clone.Size(), want.Size())
	}
}

func TestEvent_Reset(t *testing.T) {
	e := new(Event)
	if err := ParseJSON(e, []byte(doc(many(10)+`,"data":1`)), Options{}); err != nil {
		t.Fatal(err)
	}
	e.Meta.Headers = append(e.Meta.Headers, Header{"a", []byte("b")})
	e.Reset()
	if e.NumExtensions() != 0 || e.Data != nil || e.Raw != nil || len(e.Meta.Headers) != 0 || e.ID != "" || e.FindExtension("ext0") != nil {
		t.Errorf("got %+v", e)
	}
	if allocs := testing.AllocsPerRun(10, func() {
		e.Reset()
		for i := range 10 {
			e.AddExtension("ext", itoa(i), KindUntyped)
		}
	}); allocs != 0 {
		t.Errorf("a used event allocates %v times when it is filled again", allocs)
	}
}
