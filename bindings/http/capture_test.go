package http

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/envelope"
)

// zipText compresses a text.
func zipText(t testing.TB, text string) string { return string(zip(t, []byte(text))) }

// chunks writes a text in the chunked coding, n bytes in each chunk.
func chunks(text string, n int) string {
	var b strings.Builder
	for len(text) > 0 {
		part := text[:min(n, len(text))]
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
		text = text[len(part):]
	}
	return b.String() + "0\r\n\r\n"
}

// sized is the header that says how long a body is, and the body.
func sized(body string) string { return fmt.Sprintf("Content-Length: %d\n\n%s", len(body), body) }

// captures are requests of every framing and coding.
func captures(t testing.TB) map[string]string {
	const start = "POST / HTTP/1.1\nHost: x\nConnection: close\n"
	const chunked, zipped = "Transfer-Encoding: chunked\n", "Content-Encoding: gzip\n"
	batch := "[" + minimalJSON + "," + minimalJSON + "]"
	return map[string]string{
		"binary":             start + minimal + "Content-Type: application/json\n" + sized(`{"a":1}`),
		"no data":            start + minimal + "\n",
		"structured":         start + structuredType + sized(minimalJSON),
		"batch":              start + "Content-Type: application/cloudevents-batch+json\n" + sized(batch),
		"chunked":            start + minimal + chunked + "\n" + chunks(`{"a":1}`, 3),
		"chunked structured": start + structuredType + chunked + "\n" + chunks(minimalJSON, 10),
		"gzip":               start + minimal + zipped + sized(zipText(t, `{"a":1}`)),
		"gzip structured":    start + structuredType + zipped + sized(zipText(t, minimalJSON)),
		"gzip and chunked":   start + minimal + zipped + chunked + "\n" + chunks(zipText(t, "hello"), 7),
		"identity":           start + minimal + "Content-Encoding: identity\n" + sized("hello"),
	}
}

// The framing of chunks and the bytes of gzip were taken for the data of a request from a file: it must give the events
// that an ingress makes of the same bytes.
func TestCapturesAreReadAsTheIngressReadsThem(t *testing.T) {
	for name, text := range captures(t) {
		t.Run(name, func(t *testing.T) {
			p := startSource(t, SourceConfig{Path: "/"})
			if answer := raw(t, p.Addr(), text, 5*time.Second); !strings.HasPrefix(answer, "HTTP/1.1 204") {
				t.Fatalf("the ingress answered %q", answer)
			}
			c, err := ReadCapture([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var got []*envelope.Event
			batch, err := c.Events(envelope.Options{}, func() *envelope.Event {
				got = append(got, new(envelope.Event))
				return got[len(got)-1]
			})
			want := p.events()
			if err != nil || batch != (name == "batch") || len(got) != len(want) {
				t.Fatalf("%d events, batch %v, %v; want %d events", len(got), batch, err, len(want))
			}
			for i := range want {
				if show(got[i]) != show(want[i]) {
					t.Errorf("got  %s\nwant %s", show(got[i]), show(want[i]))
				}
			}
		})
	}
}

// A file may have what a connection cannot.
func TestCapturesMayBePasted(t *testing.T) {
	for name, text := range map[string]string{
		"no length":        "POST / HTTP/1.1\n" + minimal + "\nhello",
		"blank lines":      "\n\nPOST / HTTP/1.1\n" + minimal + "Content-Length: 5\n\nhello\r\n\n",
		"blank after end":  "POST / HTTP/1.1\n" + minimal + "Transfer-Encoding: chunked\n\n" + chunks("hello", 9) + "\n",
		"blanks in a body": "POST / HTTP/1.1\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n") + "\r\nhello",
	} {
		c, err := ReadCapture([]byte(text))
		if err != nil || string(c.Body) != "hello" || c.Header.Get("ce-id") != "1" {
			t.Errorf("%s: got %+v, %v", name, c, err)
		}
	}
	text := []byte("POST / HTTP/1.1\n" + minimal)
	for _, cut := range [][]byte{text, text[:len(text)-1]} {
		c, err := ReadCapture(cut)
		if err != nil || c.Header.Get("ce-type") != "t" || len(c.Body) != 0 {
			t.Errorf("without the empty line: got %+v, %v", c, err)
		}
	}
	if string(text) != "POST / HTTP/1.1\n"+minimal {
		t.Errorf("the text was changed: %q", text)
	}
}

// A body that is shorter than its header says was taken as it was.
func TestCapturesThatAreNotWhole(t *testing.T) {
	const start = "POST / HTTP/1.1\nHost: x\n" + minimal
	for _, tt := range []struct{ name, text, want string }{
		{"short", start + "Content-Length: 100\n\nabc", "Content-Length: it says 100 bytes, and the body has 3"},
		{"nothing", start + "Content-Length: 7\n\n", "Content-Length: it says 7 bytes, and the body has 0"},
		{"long", start + "Content-Length: 3\n\nabcdef", "ends after 3 bytes, as the header says, and 3 more follow"},
		{"two requests", start + "Content-Length: 1\n\na" + start + "Content-Length: 1\n\nb", "one file holds one request"},
		{"no last chunk", start + "Transfer-Encoding: chunked\n\n3\r\nabc\r\n", "Transfer-Encoding: the body is not a whole chunked one"},
		{"half a chunk", start + "Transfer-Encoding: chunked\n\n9\r\nabc\r\n", "Transfer-Encoding: the body is not a whole chunked one"},
		{"no chunks", start + "Transfer-Encoding: chunked\n\nhello", "Transfer-Encoding: the body is not a whole chunked one"},
		{"two lengths", start + "Content-Length: 3\nTransfer-Encoding: chunked\n\n" + chunks("abc", 3), "more than one says how long the body is"},
		{"folded", start + "x-a: b\n c\n\n", "a header line is folded"},
		{"half a gzip", start + "Content-Encoding: gzip\n" + sized(zipText(t, "hello")[:12]), "the body is not a whole gzip stream"},
		{"no gzip", start + "Content-Encoding: gzip\n" + sized("hello"), "the body is not a whole gzip stream"},
		{"bomb", start + "Content-Encoding: gzip\n" + sized(zipText(t, strings.Repeat("0", maxCapture+1))), "the body is larger than 67108864 bytes"},
		{"brotli", start + "Content-Encoding: br\n" + sized("x"), "Content-Encoding: only gzip is understood"},
		{"bad length", start + "Content-Length: x\n\nabc", "not an HTTP request"},
		{"no request", "POST nonsense", "not an HTTP request"},
	} {
		if c, err := ReadCapture([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %+v, %v; want %q", tt.name, c, err, tt.want)
		}
	}
}

// FuzzReadCapture holds that no text makes the reader panic, and that events it gives are valid.
func FuzzReadCapture(f *testing.F) {
	for _, text := range captures(f) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ReadCapture(text)
		if err != nil {
			return
		}
		var events []*envelope.Event
		_, err = c.Events(envelope.Options{}, func() *envelope.Event {
			events = append(events, new(envelope.Event))
			return events[len(events)-1]
		})
		if err != nil {
			return
		}
		for _, e := range events {
			if err := e.Validate(envelope.Options{Lenient: true}); err != nil {
				t.Fatalf("an event is invalid: %v", err)
			}
		}
	})
}
