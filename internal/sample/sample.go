// Package sample reads events that people keep in files: a JSON event, a batch, one event per line, an XML event, or a raw
// HTTP request as a capture shows it, in any content mode and event format.
package sample

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
)

// Event is an event of a file. Where tells it apart from others of the file, ":3" for a line and "[3]" for an element
// of a batch; it is empty for an event alone.
type Event struct {
	Where string
	Event *envelope.Event
}

// LineError is an error in a line of a file that has one event per line.
type LineError struct {
	Line int
	Err  error
}

// Error returns the line and the cause.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// methods are how a raw HTTP request begins.
var methods = []string{"POST ", "PUT ", "PATCH "}

// Read reads the events of a text in any of the shapes. The events alias the text. Of a text with an event per line
// it returns the good ones and the errors of all others, joined.
func Read(text []byte, o envelope.Options) ([]Event, error) {
	trimmed := bytes.TrimSpace(text)
	for _, m := range methods {
		if bytes.HasPrefix(trimmed, []byte(m)) {
			return readHTTP(bytes.TrimLeft(text, " \t\r\n"), o)
		}
	}
	switch {
	case len(trimmed) == 0:
		return nil, errors.New("no event: the input is empty")
	case trimmed[0] == '[':
		return readBatch(envelope.FormatJSON, trimmed, o)
	case trimmed[0] == '<':
		return readOne(envelope.FormatXML, trimmed, o)
	}
	e := new(envelope.Event)
	err := envelope.ParseJSON(e, trimmed, o)
	if err == nil {
		return []Event{{Event: e}}, nil
	}
	if line, _, many := bytes.Cut(trimmed, []byte("\n")); many && bytes.HasSuffix(bytes.TrimSpace(line), []byte("}")) {
		return ReadLines(text, o)
	}
	return nil, err
}

// ReadLines reads one event per line and skips blank lines.
func ReadLines(text []byte, o envelope.Options) ([]Event, error) {
	var events []Event
	var errs []error
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		e := new(envelope.Event)
		if err := envelope.ParseJSON(e, line, o); err != nil {
			errs = append(errs, &LineError{number, err})
			continue
		}
		events = append(events, Event{fmt.Sprintf(":%d", number), e})
	}
	return events, errors.Join(errs...)
}

func readOne(f envelope.Format, text []byte, o envelope.Options) ([]Event, error) {
	e := new(envelope.Event)
	if err := format.Parse(f, e, text, o); err != nil {
		return nil, err
	}
	return []Event{{Event: e}}, nil
}

func readBatch(f envelope.Format, text []byte, o envelope.Options) ([]Event, error) {
	var events []Event
	err := format.ParseBatch(f, text, o, func() *envelope.Event {
		e := new(envelope.Event)
		events = append(events, Event{fmt.Sprintf("[%d]", len(events)), e})
		return e
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// readHTTP reads a raw request. Lines may end in a bare line feed, and a request without Content-Length has all that
// follows the headers as its body, because that is how people paste them.
func readHTTP(text []byte, o envelope.Options) ([]Event, error) {
	head, body, _ := cutHead(text)
	// The request is read without its body, whose length the headers may state wrongly after editing.
	req, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(head), strings.NewReader("\r\n\r\n"))))
	if err != nil {
		return nil, fmt.Errorf("not an HTTP request: %w", err)
	}
	contentType := req.Header.Get("Content-Type")
	f, batch, structured := envelope.DetectStructured(contentType)
	switch {
	case structured && f == envelope.FormatNone:
		return nil, &envelope.AttributeError{Attribute: "Content-Type", Rule: contentType + " is not a format that can be read here"}
	case batch:
		return readBatch(f, body, o)
	case structured:
		return readOne(f, body, o)
	}
	e := new(envelope.Event)
	if err := readBinary(e, req.Header, o); err != nil {
		return nil, err
	}
	e.DataContentType = contentType
	if len(body) > 0 {
		e.Data = body
	}
	if err := e.Validate(o); err != nil {
		return nil, err
	}
	return []Event{{Event: e}}, nil
}

// cutHead splits a request after its header lines.
func cutHead(text []byte) (head, body []byte, found bool) {
	for _, blank := range []string{"\r\n\r\n", "\n\n"} {
		if head, body, found = bytes.Cut(text, []byte(blank)); found {
			return head, body, true
		}
	}
	return bytes.TrimRight(text, "\r\n"), nil, false
}

func readBinary(e *envelope.Event, header http.Header, o envelope.Options) error {
	var r envelope.AttributeReader
	r.Begin(e, o)
	found := false
	for name, values := range header {
		attribute, ok := strings.CutPrefix(strings.ToLower(name), "ce-")
		if !ok {
			continue
		}
		found = true
		if len(values) > 1 {
			return &envelope.AttributeError{Attribute: name, Rule: "appears more than once"}
		}
		value, err := envelope.DecodeHeaderValue(values[0], envelope.HeaderStrict)
		if err != nil {
			return &envelope.AttributeError{Attribute: name, Rule: err.Error()}
		}
		if err := r.Attribute(attribute, value); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%w: no ce- header, and the Content-Type is not application/cloudevents", envelope.ErrNotCloudEvent)
	}
	return r.Finish()
}
