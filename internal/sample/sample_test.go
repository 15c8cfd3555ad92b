package sample

import (
	"errors"
	"strings"
	"testing"

	"github.com/eventrouter/router/envelope"
)

func TestReadShapes(t *testing.T) {
	one := `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}`
	two := strings.Replace(one, `"1"`, `"2"`, 1)
	binary := "POST /events HTTP/1.1\nHost: x\nce-specversion: 1.0\nCE-Id: 1\nce-source: /a%2520b\nce-type: t\nContent-Type: text/plain\n\nhello"
	tests := map[string]struct{ in, want string }{
		"one":        {one, "1 /s"},
		"pretty":     {strings.ReplaceAll(one, ",", ",\n "), "1 /s"},
		"batch":      {"[" + one + "," + two + "]", "[0]1 /s [1]2 /s"},
		"lines":      {one + "\n\n" + two + "\n", ":11 /s :32 /s"},
		"binary":     {binary, "1 /a%20b"},
		"crlf":       {strings.ReplaceAll(binary, "\n", "\r\n"), "1 /a%20b"},
		"chunked":    {strings.Replace(binary, "\n\nhello", "\nTransfer-Encoding: chunked\n\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 1), "1 /a%20b"},
		"structured": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/cloudevents+json\r\n\r\n" + one, "1 /s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			events, err := Read([]byte(tt.in), envelope.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range events {
				got = append(got, e.Where+e.Event.ID+" "+e.Event.Source)
				if ct := e.Event.DataContentType; ct == "text/plain" && string(e.Event.Data) != "hello" {
					t.Errorf("got data %q", e.Event.Data)
				}
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func TestReadErrorsNameTheFault(t *testing.T) {
	good := `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`
	tests := map[string]struct{ in, want string }{
		"empty":        {" \n", "empty"},
		"missing id":   {`{"specversion":"1.0","source":"/s","type":"t"}`, "id"},
		"second line":  {good + "\n{\"specversion\":\"1.0\"}\n", "line 2"},
		"twice":        {"POST / HTTP/1.1\nHost: x\nce-id: 1\nce-id: 2\n\n", "more than once"},
		"no event":     {"POST / HTTP/1.1\nHost: x\n\nhello", "no ce- header"},
		"short":        {"POST / HTTP/1.1\nHost: x\nce-id: 1\nContent-Length: 100\n\nabc", "it says 100 bytes, and the body has 3"},
		"not a format": {"POST / HTTP/1.1\nHost: x\nContent-Type: application/cloudevents+foo\n\n{}", "Content-Type"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Read([]byte(tt.in), envelope.Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	if _, err := Read([]byte("POST / HTTP/1.1\nHost: x\n\nhello"), envelope.Options{}); !errors.Is(err, envelope.ErrNotCloudEvent) {
		t.Errorf("got %v, want ErrNotCloudEvent", err)
	}
}
