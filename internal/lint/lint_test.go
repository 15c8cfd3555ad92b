package lint_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
	"github.com/eventrouter/router/internal/lint"
	"github.com/eventrouter/router/internal/spectest"
)

// good is an event that nothing can be said against.
const good = `{"specversion":"1.0","id":"1","source":"https://shop.example/eu","type":"com.example.order.paid.v1","time":"2026-03-01T10:20:30Z",` +
	`"datacontenttype":"application/json","dataschema":"https://shop.example/order.json","data":{"a":1}}`

// found returns the findings of a severity as "event line place rule".
func found(text string, s lint.Severity) []string {
	result := lint.Text([]byte(text))
	list := []string{}
	for _, f := range result.Findings {
		if f.Severity == s {
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %d %s %s", f.Event, f.Line, f.Place, f.Rule)))
		}
	}
	return list
}

func check(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestNothing(t *testing.T) {
	check(t, found(good, lint.Violation))
	check(t, found(good, lint.Advice))
}

// TestAllAtOnce: an event with many faults has them all listed, each with its line.
func TestAllAtOnce(t *testing.T) {
	check(t, found(`{
  "specversion": "0.9",
  "id": "",
  "source": 5,
  "Type": "t",
  "my_ext": "x",
  "time": "lunchtime",
  "subject": "a\u0007b",
  "dataschema": "/relative",
  "datacontenttype": "text/plain",
  "ext": {"a": 1},
  "number": 1.5,
  "number": 1,
  "data": {"a": 1},
  "data_base64": "YQ"
}`, lint.Violation),
		"2 specversion specversion", "3 id empty", "4 source type", "5 Type name", "6 my_ext name", "7 time value",
		"8 subject value", "9 dataschema value", "11 ext type", "12 number value", "13 number duplicate",
		"1 type required", "1 data_base64 data", "1 data_base64 data")
}

func TestViolations(t *testing.T) {
	event := func(members string) string {
		return `{"specversion":"1.0","id":"1","source":"/s","type":"t",` + members + `}`
	}
	request := func(lines ...string) string {
		return "POST /e HTTP/1.1\r\nHost: x\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n{}"
	}
	const required = "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t"
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"empty", " ", []string{"1  syntax"}},
		{"not JSON", "hello", []string{"1  syntax"}},
		{"cut off", "{\n\"id\": ", []string{"2  syntax"}},
		{"trailing", good + " 5", []string{"1  syntax"}},
		{"number", "5", []string{"1  type"}},
		{"nothing", "{}", []string{"1 specversion specversion", "1 id required", "1 source required", "1 type required"}},
		{"null", event(`"id":null`), []string{"1 id duplicate"}},
		{"required null", `{"specversion":"1.0","id":null,"source":"/s","type":"t"}`, []string{"1 id required"}},
		{"base64 alone", event(`"data_base64":1`), []string{"1 data_base64 data"}},
		{"data not a string", event(`"datacontenttype":"text/plain","data":1`), []string{"1 data data"}},
		{"deep and cut off", event(`"data":` + strings.Repeat("[", 20_000)), []string{"1  syntax"}},
		{"lone surrogate", event(`"ext":"\udead"`), []string{"1  syntax"}},
		{"byte order mark", "\uFEFF" + event(`"ext":1`), []string{"1  syntax"}},
		{
			"batch", "[\n" + event(`"ext":1`) + ",\n{\"id\":\"1\"},\n5]",
			[]string{"[1] 3 specversion specversion", "[1] 3 source required", "[1] 3 type required", "[2] 4  type"},
		},
		{"lines", event(`"ext":1`) + "\n\n" + event(`"Ext":1`) + "\n{\n", []string{":3 3 Ext name", ":4 5  syntax"}},
		{"header coding", request(required, "ce-ext: %zz"), []string{"7 ce-ext header"}},
		{"header twice", request(required, "CE-ID: 2"), []string{"7 id duplicate"}},
		{"header name", request(required, "ce-my_ext: x", "ce-: x", "ce-data: x"), []string{"7 my_ext name", "8  name", "9 data name"}},
		{"content type in both", request(required, "Content-Type: a/b", "ce-datacontenttype: a/c"), []string{"8 ce-datacontenttype content-type"}},
		{"content type twice", request(required, "Content-Type: a/b", "Content-Type: a/b"), []string{"8 Content-Type content-type"}},
		{"content type", request(required, "Content-Type: xyz"), []string{"7 datacontenttype value"}},
		{"no header", request("X: y"), []string{"1  required"}},
		{"folded header", request(required, " folded"), []string{"7  syntax"}},
		{"unknown format", request("Content-Type: application/cloudevents+cbor"), []string{"3 Content-Type content-type"}},
		{
			"structured", request("Content-Type: application/cloudevents+json"),
			[]string{"5 specversion specversion", "5 id required", "5 source required", "5 type required"},
		},
		{"avro", request("Content-Type: application/cloudevents+avro"), []string{"0  format"}},
		// Codings of the body were taken for the event. What they hide has no lines.
		{"short body", request(required, "Content-Length: 100"), []string{"1  syntax"}},
		{"two requests", request(required, "Content-Length: 2") + request(required), []string{"1  syntax"}},
		{"chunked", strings.TrimSuffix(request("Content-Type: application/cloudevents+json", "Transfer-Encoding: chunked"), "{}") + "2\r\n{}\r\n0\r\n\r\n", []string{
			"0 specversion specversion", "0 id required", "0 source required", "0 type required",
		}},
		{"xml", `<?xml version="1.0"?><ce:event xmlns:ce="http://cloudevents.io/xmlformat/V1"><ce:id>1</ce:id></ce:event>`, []string{"0 specversion specversion"}},
		{"xml batch", `<ce:batch xmlns:ce="http://cloudevents.io/xmlformat/V1"><x/><ce:event specversion="1.0"/></ce:batch>`, []string{"0 id required"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, w := range c.want {
				c.want[i] = strings.TrimPrefix(w, " ")
			}
			check(t, found(c.in, lint.Violation), c.want...)
		})
	}
}

func TestAdvice(t *testing.T) {
	change := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(good) }
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"type", change("com.example.order.paid.v1", "paid"), []string{"1 type reverse-dns"}},
		{"version", change(`"dataschema":"https://shop.example/order.json",`, "", ".v1", ""), []string{"1 type version", "1 dataschema dataschema"}},
		{"relative source", change("https://shop.example/eu", "/eu"), []string{"1 source absolute-source"}},
		{"no time", change(`"time":"2026-03-01T10:20:30Z",`, ""), []string{"1 time time"}},
		{"data without type", change(`"datacontenttype":"application/json",`, "", `"data":{"a":1}`, `"data_base64":"AA=="`), []string{"1 datacontenttype datacontenttype"}},
		{"no data", change(`"dataschema":"https://shop.example/order.json","data":{"a":1}`, `"subject":"x"`), nil},
		{"long name", change(`"id"`, `"opcuametadatamajorversion":1,"id"`), []string{"1 opcuametadatamajorversion name-length"}},
		{"digit", change(`"id"`, `"1a":1,"id"`), []string{"1 1a name-letter"}},
		{"sensitive name", change(`"id"`, `"accesstoken":"x","id"`), []string{"1 accesstoken sensitive"}},
		{"credential", change(`"id"`, `"x":"Bearer abc","id"`), []string{"1 x sensitive"}},
		{"person", change(`"id"`, `"who":"a.b@example.com","id"`), []string{"1 who sensitive"}},
		{"userinfo", change("https://shop", "https://u:p@shop"), []string{"1 source sensitive", "1 dataschema sensitive"}},
		{"large", change(`{"a":1}`, `"`+strings.Repeat("x", 60<<10)+`"`), []string{"1  size"}},
		{"large in headers", change(`"id"`, `"x":"`+strings.Repeat("é", 12<<10)+`","id"`), []string{"1  size"}},
		{"same id", "[" + good + "," + good + "]", []string{"[1] 1 id unique"}},
		{"violations hide nothing that is sure", change(`"1"`, `""`), nil},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, found(c.in, lint.Advice), c.want...) })
	}
}

// TestSpec: no valid event of the specification's tests and no golden event has a violation, every invalid one has.
func TestSpec(t *testing.T) {
	for name, valid := range map[string]bool{"valid-events.json": true, "invalid-events.json": false} {
		var file struct {
			Tests []struct {
				ID    string
				Event json.RawMessage
			}
		}
		if err := json.Unmarshal(spectest.File(t, "json/"+name), &file); err != nil || len(file.Tests) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		for _, c := range file.Tests {
			if got := found(string(c.Event), lint.Violation); (len(got) == 0) != valid {
				t.Errorf("%s: got %v", c.ID, got)
			}
		}
	}
	for _, n := range bindingtest.Events() {
		if got := found(string(envelope.AppendJSON(nil, n.Event)), lint.Violation); len(got) > 0 {
			t.Errorf("%s: got %v", n.Name, got)
		}
	}
}

// TestFormats: an event in a structured request of any format is judged as one in JSON is, violations and advice alike,
// and what its decoder refuses is a violation.
func TestFormats(t *testing.T) {
	plain := &envelope.Event{ID: "1", Source: "/s", Type: "paid", Time: "2026-03-01T10:20:30Z"}
	odd := &envelope.Event{ID: "1", Source: "/a b", Type: "com.example.paid.v1", Time: "2026-03-01T10:20:30Z"}
	for _, f := range []envelope.Format{envelope.FormatJSON, envelope.FormatProtobuf, envelope.FormatXML, envelope.FormatAvro} {
		t.Run(format.MediaType(f), func(t *testing.T) {
			request := func(mediaType string, body []byte) string {
				return "POST /e HTTP/1.1\r\nHost: x\r\nContent-Type: " + mediaType + "\r\n\r\n" + string(body)
			}
			rules := func(text string, s lint.Severity) []string {
				list := []string{}
				for _, finding := range found(text, s) {
					fields := strings.Fields(finding)
					list = append(list, strings.Join(fields[max(0, len(fields)-2):], " "))
				}
				return list
			}
			body, err := format.Append(f, nil, plain)
			if err != nil {
				t.Fatal(err)
			}
			text := request(format.MediaType(f), body)
			check(t, rules(text, lint.Violation))
			check(t, rules(text, lint.Advice), "type reverse-dns", "type version", "source absolute-source")
			if body, err = format.Append(f, nil, odd); err != nil {
				t.Fatal(err)
			}
			check(t, rules(request(format.MediaType(f), body), lint.Violation), "source value")
			if got := rules(request(format.MediaType(f), body[:len(body)-2]), lint.Violation); len(got) == 0 || slices.Equal(got, []string{"source value"}) {
				t.Errorf("cut off: got %v", got)
			}
			if !format.HasBatch(f) {
				return
			}
			if body, err = format.AppendBatch(f, nil, []*envelope.Event{plain, plain}); err != nil {
				t.Fatal(err)
			}
			if got := found(request(format.BatchMediaType(f), body), lint.Advice); len(got) != 7 || !strings.HasPrefix(got[6], "[1] ") || !strings.HasSuffix(got[6], " id unique") {
				t.Errorf("a batch: got %v", got)
			}
		})
	}
}

// TestDeepData: data of any depth is no violation, and takes no longer than its size.
func TestDeepData(t *testing.T) {
	deep := strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000)
	for name, text := range map[string]string{
		"event":   `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":` + deep + `}`,
		"batch":   `[{"specversion":"1.0","id":"1","source":"/s","type":"t","data":` + deep + `}]`,
		"request": "POST / HTTP/1.1\nContent-Type: application/json\nce-specversion: 1.0\nce-id: 1\nce-source: /s\nce-type: t\n\n" + deep,
	} {
		if got := found(text, lint.Violation); len(got) > 0 {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestManyFindings: the line of each is right, and a text with many of them takes no longer than its size.
func TestManyFindings(t *testing.T) {
	const n = 20_000
	began := time.Now()
	got := found("[\n"+strings.Repeat("{\n\"A\":1},\n", n-1)+"{}]", lint.Violation)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	if len(got) != 5*n-1 {
		t.Fatalf("got %d findings, want %d", len(got), 5*n-1)
	}
	last := fmt.Sprintf("[%d] %d ", n-2, 2*(n-1)+1)
	if want := last + "A name"; got[5*(n-2)] != want {
		t.Errorf("got %q, want %q", got[5*(n-2)], want)
	}
	if want := fmt.Sprintf("[%d] %d specversion specversion", n-2, 2*(n-1)); got[5*(n-2)+1] != want {
		t.Errorf("got %q, want %q", got[5*(n-2)+1], want)
	}
}

func TestXMLBatchEvents(t *testing.T) {
	batch, err := format.AppendBatch(envelope.FormatXML, nil, []*envelope.Event{bindingtest.Find("minimal"), bindingtest.Find("minimal")})
	if err != nil {
		t.Fatal(err)
	}
	result := lint.Text(batch)
	if result.Events != 2 || result.Count(lint.Violation) != 0 || !slices.Contains(found(string(batch), lint.Advice), "[1] 0 id unique") {
		t.Errorf("got %+v", result)
	}
}

// FuzzJSON holds the linter to the decoder: it finds a violation exactly where the decoder or the full check does.
func FuzzJSON(f *testing.F) {
	f.Add(good)
	f.Add(`{"specversion":"1.0","id":null,"source":"/s","type":"t","data_base64":null,"data":null,"x":-0}`)
	f.Add(`{"specversion":"1.0","id":"1","id":"2"}`)
	f.Add(`{"specversion":"1.0","id":"1","source":"/ s","type":"t"}`)
	f.Fuzz(func(t *testing.T, text string) {
		trimmed := strings.TrimSpace(text)
		if !strings.HasPrefix(trimmed, "{") || strings.Contains(trimmed, "\n") {
			lint.Text([]byte(text)) // for panics
			return
		}
		var e envelope.Event
		err := envelope.ParseJSON(&e, []byte(trimmed), envelope.Options{})
		if err == nil {
			err = e.Validate(envelope.Options{})
		}
		if got := found(text, lint.Violation); (len(got) == 0) != (err == nil) {
			t.Fatalf("got %v, and the decoder says %v", got, err)
		}
	})
}
