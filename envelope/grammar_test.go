package envelope

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// grammar tries a check with values it has to take and values it has to refuse.
func grammar(t *testing.T, check func(string) bool, valid, invalid []string) {
	t.Helper()
	for _, s := range valid {
		if !check(s) {
			t.Errorf("%q: refused", s)
		}
	}
	for _, s := range invalid {
		if check(s) {
			t.Errorf("%q: accepted", s)
		}
	}
}

func TestName(t *testing.T) {
	grammar(t, validName,
		[]string{"a", "0", "123", "1abc", "data2", "database64", "opcuametadatamajorversion", strings.Repeat("x", 300)},
		[]string{"", "data", "Data", "a_b", "a-b", "a.b", "a b", "é", "data_base64", "a\x00"})
}

func TestBoolean(t *testing.T) {
	grammar(t, validBoolean, []string{"true", "false"}, []string{"", "True", "FALSE", "1", "0", " true"})
}

func TestInteger(t *testing.T) {
	grammar(t, validInteger,
		[]string{"0", "-0", "1", "-1", "10", "2147483647", "-2147483648"},
		[]string{"", "-", "+1", "01", "-01", "00", "1.0", "1e3", "2147483648", "-2147483649", "99999999999999999999", " 1", "0x1", "１"})
}

func TestString(t *testing.T) {
	grammar(t, validString,
		[]string{"", " ", "~", "\u00a0", "é", "\ufdcf", "\ufdf0", "\ufffd", "😀", "\U0010fffd", "\u2028", "\u202e", "\ue000"},
		[]string{
			"\x00", "\x1f", "\n", "\x7f", "\u0080", "\u0085", "\u009f", "\ufdd0", "\ufdef", "\ufffe", "\uffff", "\U0001fffe",
			"\U0010ffff", "\xff", "\xc0\xa0", "\xed\xa0\x80", "a\xe2\x82", "\xf4\x90\x80\x80",
		})
}

// TestString_EveryByte puts every byte at every place of a longer text, where several bytes are looked at in one go.
func TestString_EveryByte(t *testing.T) {
	for c := range 256 {
		for at := range 19 {
			b := []byte("0123456789 ~abcdefg")
			b[at] = byte(c)
			if got, want := validString(string(b)), c >= 0x20 && c < 0x7f; got != want {
				t.Fatalf("byte %#x at %d: got %t", c, at, got)
			}
		}
	}
}

func TestBinary(t *testing.T) {
	grammar(t, validBinary,
		[]string{"", "TWE=", "YQ==", "AP/+", "AP/+TWE="},
		[]string{"YQ", "YQ=", "Y===", "====", "=", "-_-_", "YWJj\nYWJj", "YW Jj", "YQ==YQ==", "YQ=a", "YR==", "YWJ=", "é==="})
	for n := range 300 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xfb\x01", n))[:n])
		if !validBinary(text) {
			t.Errorf("%q: refused", text)
		}
	}
}

func TestTimestamp(t *testing.T) {
	grammar(t, validTimestamp,
		[]string{
			"2018-04-05T17:31:00Z", "2018-04-05T17:31:00.000000000Z", "2018-04-05T18:31:00+01:00", "2018-04-05T16:31:00-01:00",
			"2018-04-05t17:31:00z", "2018-04-05T17:31:00.1234567890123456789Z", "2018-04-05T17:31:00-00:00", "0000-01-01T00:00:00Z",
			"9999-12-31T23:59:59.9+23:59", "2016-02-29T00:00:00Z", "2000-02-29T00:00:00Z", "1990-12-31T23:59:60Z",
			"1990-12-31T15:59:60-08:00", "1991-01-01T05:29:60+05:30", "1990-12-31T23:59:60.5Z", "2018-04-05T23:59:60Z",
		},
		[]string{
			"", "lunchtime", "2018-04-05T18:31Z", "2018-04-05T18:31:00X", "2018-04-05T18:31:00+25:00", "2018-04-05T18:31:00+xx:00",
			"2018-04-05T18:31:00+05", "2018-04-05T18:31:00", "2018-04-05 18:31:00Z", "2018-04-05T18:31:00,5Z", "2018-04-05T8:31:00Z",
			"2018-04-05T18:31:00+05:60", "2018-04-05T18:31:00+24:00", "2018-04-05T18:31:00.Z", "2018-04-05T24:00:00Z",
			"2018-04-05T18:60:00Z", "2018-04-05T18:31:61Z", "2018-04-05T18:31:60Z", "1990-12-31T23:59:60+01:00", "2018-02-29T00:00:00Z",
			"1900-02-29T00:00:00Z", "2018-13-01T00:00:00Z", "2018-00-01T00:00:00Z", "2018-04-31T00:00:00Z", "2018-04-00T00:00:00Z",
			"2018-04-05T17:31:00Zjunk", "2018-04-05T17:31:00ZZ", "2018-04-05T17:31:00+0100", "18-04-05T17:31:00Z", "+018-04-05T17:31:00Z",
			"2018-04-05T17:31:00 01:00", "2018-04-05T17:31:00+01:0", "2018-04-05T17:31:00.5",
		})
}

func TestURIReference(t *testing.T) {
	valid := []string{
		"", "/", "/s", "#fragment", "#", "?q", "//a/b", "//authority/path", "1-555-123-4567", "a/b:c", "./a:b", "../x?y#z",
		"urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "mailto:a@b", "https://cloudevents.io", "https://u:p@h:80/p?q#f",
		"http://[2001:db8::1]:8443/", "http://[v1.a:b]/", "http://[::ffff:1.2.3.4]", "file:///etc", "x:", "/a%20b", "//", "//:80",
		"https://h/!$&'()*+,;=:@-._~?/?#/?", "tag:a,2020:b", "aws.ec2", "http://h:",
	}
	grammar(t, validURIReference, valid,
		[]string{
			"a b", "/a b", "1-555:abc", ":a", "%zz", "%2", "%", "ü", "a|b", `a\b`, "<a>", "{a}", "^", "`", `"`, "#a#b", "http://[::1",
			"http://[zz]/", "http://[fe80::1%25eth0]/", "http://[1.2.3.4]/", "http://[::1]x/", "http://h:8a/", "http://a:b:c/",
			"http://u@v@h/", "http://[v.a]/", "http://[v1.]/", "/[", "a\n",
		})
	for _, s := range valid {
		if _, err := url.Parse(s); err != nil && !strings.Contains(s, "[v1") {
			t.Errorf("%q: net/url refuses what the grammar takes: %v", s, err)
		}
	}
}

func TestAbsoluteURI(t *testing.T) {
	grammar(t, validAbsoluteURI,
		[]string{"https://cloudevents.io", "urn:a:b", "x:y", "a+b-c.d:e", "file:///etc?q"},
		[]string{"", "/s", "#f", "https://x/#f", "https://x/#", "//a/b", "1x:y", ":y", "a b:c", "x:y z"})
}

func TestMediaType(t *testing.T) {
	grammar(t, validMediaType,
		[]string{
			"a/b", "text/plain; charset=utf-8", `text/plain; charset="utf-8"`, "TEXT/Plain", "a/b;", "a/b ; c", "a/b;c=", "a/b; c=1; c=1",
			"application/vnd.a.b-c.v1+json", "*/*",
		},
		[]string{"", "xyz", "a/", "/b", "/", "a/b/c", "a b/c", " a/b", "a/b c", "text/plain\n", "a/b; c=\x00", "é/b"})
}

func TestIsJSON(t *testing.T) {
	grammar(t, IsJSON,
		[]string{
			"application/json", "text/json", "foo/json", "Application/JSON; Charset=UTF-8", "application/vnd.a.b-c.v1+json", "a/b+JSON ;x",
			"application/cloudevents-batch+json", " application/json ",
		},
		[]string{
			"", "json", "/json", "application/json-seq", "application/x-ndjson", "application/jsonp", "application/json+gzip", "a/+json",
			"text/plain; a=b/json", "application/jsonx", "application/xml",
		})
}

func TestIsText(t *testing.T) {
	grammar(t, isText,
		[]string{
			"text/plain", "TEXT/csv", "application/xml", "image/svg+xml", "text/html; charset=UTF-8", `a/b+xml; charset="us-ascii"`,
			"text/plain; format=flowed; charset=utf-8",
		},
		[]string{
			"", "text", "application/octet-stream", "text/plain; charset=iso-8859-1", `application/xml; charset="utf-16"`,
			`text/plain; x="a;charset=utf-8"; charset=latin1`,
		})
}

func TestDetectStructured(t *testing.T) {
	for _, c := range []struct {
		contentType string
		format      Format
		batch, ok   bool
	}{
		{"application/cloudevents+json", FormatJSON, false, true},
		{"APPLICATION/CloudEvents+JSON; charset=UTF-8", FormatJSON, false, true},
		{`application/cloudevents+json; charset="utf-8"`, FormatJSON, false, true},
		{"application/cloudevents+json;charset=utf-8;x=y", FormatJSON, false, true},
		{" application/cloudevents+json ", FormatJSON, false, true},
		{"application/cloudevents-batch+json", FormatJSON, true, true},
		{"Application/CloudEvents-Batch+JSON; charset=utf-8", FormatJSON, true, true},
		{"application/cloudevents+protobuf", FormatProtobuf, false, true},
		{"application/cloudevents-batch+protobuf", FormatProtobuf, true, true},
		{"application/cloudevents+xml", FormatXML, false, true},
		{"application/cloudevents-batch+xml", FormatXML, true, true},
		{"application/cloudevents+avro", FormatAvro, false, true},
		{"application/cloudevents-batch+avro", FormatNone, true, true},
		{"application/cloudevents", FormatNone, false, true},
		{"application/cloudevents-batch", FormatNone, true, true},
		{"application/cloudevents+cbor", FormatNone, false, true},
		{"application/cloudeventsx", FormatNone, false, true},
		{"application/cloudevents+json; charset=iso-8859-1", FormatNone, false, true},
		{"application/cloudevents+json; x=y; Charset=\"UTF-16\"", FormatNone, false, true},
		{"application/cloudevents-batch+json; charset=latin1", FormatNone, true, true},
		{"application/json", FormatNone, false, false},
		{"text/plain; x=application/cloudevents+json", FormatNone, false, false},
		{"", FormatNone, false, false},
		{"application/cloudevent", FormatNone, false, false},
	} {
		format, batch, ok := DetectStructured(c.contentType)
		if format != c.format || batch != c.batch || ok != c.ok {
			t.Errorf("%q: got %d, %t, %t, want %d, %t, %t", c.contentType, format, batch, ok, c.format, c.batch, c.ok)
		}
	}
}

func TestValidate(t *testing.T) {
	good := func() *Event {
		e := binaryEvent("application/json", []byte("{}"))
		e.Time, e.DataSchema, e.Subject = "2018-04-05T17:31:00Z", "x:y", "s"
		e.AddExtension("ext", "5", KindInteger)
		return e
	}
	if err := good().Validate(Options{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, attribute string
		change          func(e *Event)
		lenient         bool // the lenient mode lets it pass
	}{
		{"id", "id", func(e *Event) { e.ID = "" }, false},
		{"source", "source", func(e *Event) { e.Source = "" }, false},
		{"type", "type", func(e *Event) { e.Type = "\n" }, false},
		{"source with a space", "source", func(e *Event) { e.Source = "/a b" }, true},
		{"dataschema with a fragment", "dataschema", func(e *Event) { e.DataSchema = "https://x/#f" }, true},
		{"dataschema relative", "dataschema", func(e *Event) { e.DataSchema = "/x" }, true},
		{"time", "time", func(e *Event) { e.Time = "noon" }, false},
		{"content type", "datacontenttype", func(e *Event) { e.DataContentType = "xyz" }, false},
		{"name", "Ext", func(e *Event) { e.AddExtension("Ext", "", KindUntyped) }, false},
		{"reserved", "data", func(e *Event) { e.AddExtension("data", "", KindUntyped) }, false},
		{"core", "id", func(e *Event) { e.AddExtension("id", "", KindUntyped) }, false},
		{"specversion", "specversion", func(e *Event) { e.AddExtension("specversion", "1.0", KindUntyped) }, false},
		{"duplicate", "ext", func(e *Event) { e.AddExtension("ext", "", KindUntyped) }, false},
		{"Boolean", "x", func(e *Event) { e.AddExtension("x", "True", KindBoolean) }, false},
		{"Integer", "x", func(e *Event) { e.AddExtension("x", "1.5", KindInteger) }, false},
		{"Binary", "x", func(e *Event) { e.AddExtension("x", "YQ", KindBinary) }, false},
		{"Timestamp", "x", func(e *Event) { e.AddExtension("x", "noon", KindTimestamp) }, false},
		{"URI", "x", func(e *Event) { e.AddExtension("x", "/x", KindURI) }, true},
		{"URI reference", "x", func(e *Event) { e.AddExtension("x", "a b", KindURIRef) }, true},
		{"String", "x", func(e *Event) { e.AddExtension("x", "\x00", KindString) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := good()
			c.change(e)
			broken, ok := errors.AsType[*AttributeError](e.Validate(Options{}))
			if !ok || broken.Attribute != c.attribute {
				t.Errorf("got %v, want an AttributeError of %s", broken, c.attribute)
			}
			if err := e.Validate(Options{Lenient: true}); (err == nil) != c.lenient {
				t.Errorf("lenient: got %v", err)
			}
		})
	}
	t.Run("all at once", func(t *testing.T) {
		err := new(Event).Validate(Options{})
		for _, want := range []string{"id: is required", "source: is required", "type: is required"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q in it", err, want)
			}
		}
	})
	t.Run("malformed", func(t *testing.T) {
		if err := (&Event{Malformed: ErrNotCloudEvent}).Validate(Options{}); !errors.Is(err, ErrNotCloudEvent) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("many", func(t *testing.T) {
		e := good()
		for i := range 100 {
			e.AddExtension("e"+strconv.Itoa(i), "", KindUntyped)
		}
		if err := e.Validate(Options{}); err != nil {
			t.Error(err)
		}
		if err := e.Validate(Options{MaxAttributes: 100}); err == nil {
			t.Error("101 extensions pass a limit of 100")
		}
		e.AddExtension("e7", "", KindUntyped)
		if err := e.Validate(Options{}); err == nil {
			t.Error("a duplicate among many passes")
		}
	})
}
