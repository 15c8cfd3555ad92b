package xml_test

import (
	"bytes"
	stdxml "encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/xml"
	"github.com/eventrouter/router/internal/spectest"
)

// declared is what the root of the specification's test files declares and each test's document needs of its own.
const declared = ` xmlns:ce="http://cloudevents.io/xmlformat/V1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`

// notOurs are tests of the specification that do not hold here, with the reason.
var notOurs = map[string]string{
	"invalidExtensionWithConflictingType": "needs a reader that was told beforehand which type an extension has; " +
		"an intermediary takes the type that the event states",
}

type specCase struct {
	ID       string `xml:"id,attr"`
	SampleID string `xml:"sampleId,attr"`
	Inner    string `xml:",innerxml"`
}

// document returns the test's document, with the declarations of the file around it.
func (c specCase) document(t *testing.T) []byte {
	t.Helper()
	at := strings.Index(c.Inner, "<")
	end := at + strings.IndexAny(c.Inner[at:], " \t\r\n/>")
	if at < 0 || end <= at {
		t.Fatalf("%s: no element", c.ID)
	}
	return []byte(c.Inner[at:end] + declared + strings.TrimRight(c.Inner[end:], " \t\r\n"))
}

func specCases(t *testing.T, name string) []specCase {
	t.Helper()
	var file struct {
		Tests []specCase `xml:"test"`
	}
	text := bytes.TrimPrefix(spectest.File(t, "xml/"+name), []byte("\uFEFF"))
	if err := stdxml.Unmarshal(text, &file); err != nil || len(file.Tests) == 0 {
		t.Fatalf("%s: %d tests, %v", name, len(file.Tests), err)
	}
	return file.Tests
}

func parse(t *testing.T, msg []byte) *envelope.Event {
	t.Helper()
	e := new(envelope.Event)
	if err := xml.Parse(e, msg, envelope.Options{}); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	if err := e.Validate(envelope.Options{}); err != nil {
		t.Error(err)
	}
	return e
}

func parseBatch(t *testing.T, msg []byte) []*envelope.Event {
	t.Helper()
	var events []*envelope.Event
	if err := xml.ParseBatch(msg, envelope.Options{}, func() *envelope.Event {
		events = append(events, new(envelope.Event))
		return events[len(events)-1]
	}); err != nil {
		t.Fatal(err)
	}
	return events
}

func write(t *testing.T, e *envelope.Event) []byte {
	t.Helper()
	msg, err := xml.Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// refused checks that an error names a rule.
func refused(t *testing.T, err error) {
	t.Helper()
	var ae *envelope.AttributeError
	if !errors.As(err, &ae) || ae.Rule == "" || errors.Is(err, envelope.ErrNotCloudEvent) {
		t.Errorf("got %v, want an attribute error", err)
	}
}

func TestSpec_ValidEvents(t *testing.T) {
	samples := spectest.Samples()
	samples["binaryData"] = &envelope.Event{ID: "binaryData", Data: []byte{1, 2, 3}}
	samples["xmlData"] = &envelope.Event{
		ID: "xmlData", DataContentType: "application/xml",
		Data: []byte("<test attr=\"x\">\n          Text<nested />\n          </test>"),
	}
	for _, id := range []string{"binaryData", "xmlData"} {
		samples[id].Source, samples[id].Type = "https://cloudevents.io", "io.cloudevents.test"
	}
	for _, c := range specCases(t, "valid-events.xml") {
		t.Run(c.ID, func(t *testing.T) {
			msg := c.document(t)
			e := parse(t, msg)
			sample := samples[c.SampleID]
			if sample == nil {
				sample = samples[e.ID]
			}
			if diff := spectest.Difference(sample, e, spectest.Changes{}); diff != "" {
				t.Error(diff)
			}
			if !bytes.Equal(write(t, e), msg) {
				t.Error("an untouched event leaves as other bytes")
			}
			e.Touch()
			if diff := spectest.Difference(sample, parse(t, write(t, e)), spectest.Changes{}); diff != "" {
				t.Errorf("written anew: %s", diff)
			}
		})
	}
}

func TestSpec_InvalidEvents(t *testing.T) {
	for _, c := range specCases(t, "invalid-events.xml") {
		t.Run(c.ID, func(t *testing.T) {
			err := xml.Parse(new(envelope.Event), c.document(t), envelope.Options{})
			if reason, ok := notOurs[c.ID]; ok {
				if err != nil {
					t.Errorf("%v, although the list says that it %s", err, reason)
				}
				t.Skipf("NOT OURS: %s", reason)
			}
			refused(t, err)
		})
	}
}

func TestSpec_ValidBatches(t *testing.T) {
	for _, c := range specCases(t, "valid-batches.xml") {
		t.Run(c.ID, func(t *testing.T) {
			events := parseBatch(t, c.document(t))
			want := spectest.Batches()[c.SampleID]
			if len(events) != len(want) {
				t.Fatalf("got %d events, want %d", len(events), len(want))
			}
			again, err := xml.AppendBatch(nil, events)
			if err != nil {
				t.Fatal(err)
			}
			rewritten := parseBatch(t, again)
			for i, e := range events {
				for _, e := range []*envelope.Event{e, rewritten[i]} {
					if diff := spectest.Difference(spectest.Samples()[want[i]], e, spectest.Changes{}); diff != "" {
						t.Errorf("event %d: %s", i, diff)
					}
				}
			}
		})
	}
}

func TestSpec_InvalidBatches(t *testing.T) {
	for _, c := range specCases(t, "invalid-batches.xml") {
		t.Run(c.ID, func(t *testing.T) {
			refused(t, xml.ParseBatch(c.document(t), envelope.Options{}, func() *envelope.Event { return new(envelope.Event) }))
		})
	}
}

// unnameable are the golden events with names that XML elements cannot have.
var unnameable = map[string]bool{"names-digits": true}

// TestGolden sends every golden event through the format, and lets encoding/xml alone read what was written.
func TestGolden(t *testing.T) {
	for _, n := range bindingtest.Events() {
		t.Run(n.Name, func(t *testing.T) {
			msg, err := xml.Append([]byte("before"), n.Event)
			if unnameable[n.Name] {
				refused(t, err)
				if string(msg) != "before" {
					t.Error("a refused event left something behind")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			msg = msg[len("before"):]
			checkNames(t, msg, n.Event)
			e := parse(t, msg)
			if diff := spectest.Difference(n.Event, e, spectest.Changes{}); diff != "" {
				t.Errorf("%s\n%s", diff, n.Why)
			}
			if !bytes.Equal(write(t, e), msg) {
				t.Error("an untouched event leaves as other bytes")
			}
		})
	}
}

// checkNames reads a document with encoding/xml and compares the texts of its elements with the event's attributes.
func checkNames(t *testing.T, msg []byte, e *envelope.Event) {
	t.Helper()
	var doc struct {
		XMLName  stdxml.Name
		Version  string `xml:"specversion,attr"`
		Elements []struct {
			XMLName stdxml.Name
			Text    string `xml:",chardata"`
		} `xml:",any"`
	}
	if err := stdxml.Unmarshal(msg, &doc); err != nil {
		t.Fatal(err)
	}
	const ns = "http://cloudevents.io/xmlformat/V1"
	if doc.XMLName != (stdxml.Name{Space: ns, Local: "event"}) || doc.Version != "1.0" {
		t.Errorf("root is %v of version %q", doc.XMLName, doc.Version)
	}
	want := map[string]string{}
	for a := range e.TypedAttributes {
		want[a.Name] = a.Value
	}
	for _, el := range doc.Elements {
		if el.XMLName.Space != ns {
			t.Errorf("element %v", el.XMLName)
		}
		if el.XMLName.Local == "data" {
			continue
		}
		if v, ok := want[el.XMLName.Local]; !ok || v != el.Text {
			t.Errorf("%s: got %.80q, want %.80q", el.XMLName.Local, el.Text, v)
		}
		delete(want, el.XMLName.Local)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// doc returns an event with more elements.
func doc(more string) string {
	return `<ce:event` + declared + ` specversion="1.0"><ce:id>1</ce:id><ce:source>/s</ce:source><ce:type>t</ce:type>` + more + `</ce:event>`
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, msg, says string }{
		{"document type", `<!DOCTYPE x [<!ENTITY a "b">]>` + doc(""), "document type definition"},
		{"entity", doc(`<ce:subject>&a;</ce:subject>`), "line 1"},
		{"not UTF-8", doc("<ce:subject>\xff</ce:subject>"), "UTF-8"},
		{"other encoding", `<?xml version="1.0" encoding="latin1"?>` + doc(""), "encoding"},
		{"second root", doc("") + doc(""), "more than one root"},
		{"text behind", doc("") + "x", "after its root"},
		{"text before", "x" + doc(""), "before its root"},
		{"cut off", doc("")[:len(doc(""))-3], "line 1"},
		{"empty", "", "ends too early"},
		{"JSON", `{"specversion":"1.0"}`, "before its root"},
		{"two specversions", strings.Replace(doc(""), ` specversion="1.0"`, ` specversion="1.0" specversion="1.0"`, 1), "more than once"},
		{"specversion as an element", doc(`<ce:specversion>1.0</ce:specversion>`), "specversion: must not appear"},
		{"undeclared prefix", doc(`<x:y/>`), "prefix x is not declared"},
		{"prefix of an element that is closed", doc(`<y xmlns:t="http://cloudevents.io/xmlformat/V1"/><ce:ext xsi:type="t:string">x</ce:ext>`), "ext: must have an xsi:type"},
		{"namespace of an element that is closed", doc(`<o:y xmlns:o="p"/><p:z/>`), "prefix p is not declared"},
		{"deep and not closed", doc(strings.Repeat(`<y>`, 20_000)), "line "},
		{"control character", doc("<ce:subject>a&#9;b</ce:subject>"), "subject: must be Unicode"},
		{"type of another namespace", doc(`<ce:ext xmlns:q="urn:q" xsi:type="q:string">x</ce:ext>`), "ext: must have an xsi:type"},
		{"two types", doc(`<ce:ext xsi:type="ce:string" xsi:type="ce:integer">1</ce:ext>`), "type is there more than once"},
		{"base64 without padding", doc(`<ce:data xsi:type="xs:base64Binary">YQ</ce:data>`), "data: must be base64"},
		{"end before start", `</ce:event>`, "line 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := xml.Parse(new(envelope.Event), []byte(c.msg), envelope.Options{})
			refused(t, err)
			if err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want it to say %q", err, c.says)
			}
		})
	}
}

// TestDeepDataIsForwarded: elements may lie as deep as 64 KiB allow, in data and where they are ignored. More than 64 levels
// were once refused.
func TestDeepDataIsForwarded(t *testing.T) {
	const levels = 9_000
	deep := strings.Repeat("<y>", levels) + strings.Repeat("</y>", levels)
	for name, msg := range map[string]string{
		"data": doc(`<ce:data xsi:type="xs:any">` + deep + `</ce:data>`), "ignored": doc(deep + `<ce:data xsi:type="xs:string">` + deepText(deep) + `</ce:data>`),
	} {
		e := new(envelope.Event)
		if err := xml.Parse(e, []byte(msg), envelope.Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := string(e.Data); got != deep {
			t.Errorf("%s: got %.100q", name, got)
		}
		e.Touch()
		text, err := xml.Append(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		again := new(envelope.Event)
		if err := xml.Parse(again, text, envelope.Options{}); err != nil || string(again.Data) != deep {
			t.Errorf("%s, written anew: %v, %.100q", name, err, again.Data)
		}
	}
	began := time.Now()
	err := xml.Parse(new(envelope.Event), []byte(doc(strings.Repeat("<y>", 1<<20/3))), envelope.Options{})
	if took := time.Since(began); err == nil || took > 10*time.Second {
		t.Errorf("a mebibyte of open elements: %v after %v", err, took)
	} else {
		t.Logf("a mebibyte of open elements: %v", took)
	}
}

func deepText(s string) string { return strings.ReplaceAll(s, "<", "&lt;") }

// TestManyNamespaces: an event may declare as many as it has room for, and they cost no more than their size.
func TestManyNamespaces(t *testing.T) {
	var all, names strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&all, ` xmlns:p%d="urn:x"`, i)
		names.WriteString(`<y/>`)
	}
	msg := strings.Replace(doc(`<ce:data xsi:type="xs:any"><p7:a b="-p9:c 3.p11:d xp13">`+names.String()+`</p7:a></ce:data>`), " specversion", all.String()+" specversion", 1)
	began := time.Now()
	e := new(envelope.Event)
	if err := xml.Parse(e, []byte(msg), envelope.Options{}); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("%d bytes: %v", len(msg), took)
	if took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if got, want := string(e.Data), `<p7:a xmlns:p11="urn:x" xmlns:p9="urn:x" xmlns:p7="urn:x" b=`; !strings.HasPrefix(got, want) {
		t.Errorf("got %.200q, want the prefixes that it uses", got)
	}
}

func TestAccepted(t *testing.T) {
	for _, c := range []struct{ name, msg, data string }{
		{"default namespace", `<event xmlns="http://cloudevents.io/xmlformat/V1" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"
			xmlns:s="http://www.w3.org/2001/XMLSchema" specversion="1.0"><id>1</id><source>/s</source><type>t</type>
			<ext i:type="string">x</ext><data i:type="s:string"> a ]]&gt; b </data></event>`, " a ]]> b "},
		{
			"prefix that meant something else inside another element",
			strings.Replace(doc(`<o:y xmlns:o="urn:o" xmlns:t="urn:t"><o:z xmlns:t="urn:u"/></o:y><ce:ext xsi:type="t:string">x</ce:ext>`),
				" specversion", ` xmlns:t="http://cloudevents.io/xmlformat/V1" specversion`, 1),
			"",
		},
		{"CDATA", doc(`<ce:ext xsi:type="ce:string">x</ce:ext><ce:data xsi:type="xs:string"><![CDATA[<a>&amp;]]></ce:data>`), "<a>&amp;"},
		{"byte order mark and preamble", "\uFEFF<?xml version=\"1.0\"?>\n<!-- c -->" +
			doc(`<ce:ext xsi:type="ce:string"><!-- c -->x</ce:ext><?p i?>`) + "\n<!-- c -->\n", ""},
		{"white space in base64", doc(`<ce:ext xsi:type="ce:string">x</ce:ext><ce:data xsi:type="xs:base64Binary">` + "\n AQ\r\n ID\t</ce:data>"), "\x01\x02\x03"},
		{"line ends", doc("<ce:ext xsi:type=\"ce:string\">x</ce:ext><ce:data xsi:type=\"xs:string\">a\r\nb&#13;\nc</ce:data>"), "a\nb\r\nc"},
		{
			"XML data with an outer prefix", strings.Replace(doc(`<ce:ext xsi:type="ce:string">x</ce:ext><ce:data xsi:type="xs:any">`+
				"\n <!-- c --> <geo:a b='c'><!-- kept --><geo:b/></geo:a>\n</ce:data>"), "<ce:event", `<ce:event xmlns:geo="urn:geo"`, 1),
			`<geo:a xmlns:geo="urn:geo" b='c'><!-- kept --><geo:b/></geo:a>`,
		},
		{"XML data in the default namespace", strings.Replace(doc(`<ce:ext xsi:type="ce:string">x</ce:ext><ce:data xsi:type="xs:any"><a/></ce:data>`),
			"<ce:event", `<ce:event xmlns="urn:d&amp;e"`, 1), `<a xmlns="urn:d&amp;e"/>`},
		{
			"XML data of its own", doc(`<ce:ext xsi:type="ce:string">x</ce:ext><ce:data xsi:type="xs:any"><q:a xmlns:q="urn:q">&lt;</q:a></ce:data>`),
			`<q:a xmlns:q="urn:q">&lt;</q:a>`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := parse(t, []byte(c.msg))
			if a := e.FindExtension("ext"); a == nil || a.Value != "x" || a.Kind != envelope.KindString {
				t.Errorf("ext is %+v", a)
			}
			if string(e.Data) != c.data {
				t.Errorf("got %q, want %q", e.Data, c.data)
			}
			if strings.Contains(c.name, "XML data") {
				if e.DataContentType != "application/xml" {
					t.Errorf("datacontenttype is %q", e.DataContentType)
				}
				d := stdxml.NewDecoder(bytes.NewReader(e.Data))
				for _, err := d.Token(); !errors.Is(err, io.EOF); _, err = d.Token() {
					if err != nil {
						t.Fatalf("the data is not XML: %v", err)
					}
				}
			}
		})
	}
}

// FuzzParse holds for every document that is accepted: the event is valid, and written anew it means the same.
func FuzzParse(f *testing.F) {
	for _, n := range bindingtest.Events() {
		if msg, err := xml.Append(nil, n.Event); err == nil && len(msg) < 1<<11 {
			f.Add(msg)
		}
	}
	f.Add([]byte(doc(`<ce:data xsi:type="xs:any"><a/></ce:data>`)))
	f.Add([]byte(doc(`<x xmlns="urn:x"/><ce:data xmlns:s="http://www.w3.org/2001/XMLSchema" xsi:type="s:base64Binary">AA==</ce:data>`)))
	f.Fuzz(func(t *testing.T, msg []byte) {
		e := new(envelope.Event)
		if err := xml.Parse(e, msg, envelope.Options{}); err != nil {
			refused(t, err)
			return
		}
		if err := e.Validate(envelope.Options{Lenient: true}); err != nil {
			t.Fatalf("accepted and not valid: %v", err)
		}
		e.Touch()
		out, err := xml.Append(nil, e)
		if err != nil {
			refused(t, err)
			return
		}
		again := new(envelope.Event)
		if err := xml.Parse(again, out, envelope.Options{}); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := spectest.Difference(e, again, spectest.Changes{}); diff != "" {
			t.Fatalf("written anew: %s\n%s", diff, out)
		}
	})
}

func FuzzParseBatch(f *testing.F) {
	batch, err := xml.AppendBatch(nil, []*envelope.Event{bindingtest.Find("minimal"), bindingtest.Find("all-types")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(batch)
	f.Fuzz(func(t *testing.T, msg []byte) {
		var events []*envelope.Event
		if err := xml.ParseBatch(msg, envelope.Options{}, func() *envelope.Event {
			events = append(events, new(envelope.Event))
			return events[len(events)-1]
		}); err != nil {
			return
		}
		for _, e := range events {
			if err := e.Validate(envelope.Options{Lenient: true}); err != nil {
				t.Fatalf("accepted and not valid: %v", err)
			}
		}
	})
}
