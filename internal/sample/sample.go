// Package sample reads events that people keep in files: a JSON event, a batch, one event per line, an XML event, or a raw
// HTTP request as a capture shows it, in any content mode and event format.
package sample

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/eventrouter/router/bindings/http"
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

// Read reads the events of a text in any of the shapes. The events may alias the text. Of a text with an event per line
// it returns the good ones and the errors of all others, joined.
func Read(text []byte, o envelope.Options) ([]Event, error) {
	trimmed := bytes.TrimSpace(text)
	for _, m := range methods {
		if bytes.HasPrefix(trimmed, []byte(m)) {
			return readHTTP(text, o)
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

// readHTTP reads a raw request as an HTTP source does.
func readHTTP(text []byte, o envelope.Options) ([]Event, error) {
	request, err := http.ReadCapture(text)
	if err != nil {
		return nil, err
	}
	var events []Event
	batch, err := request.Events(o, func() *envelope.Event {
		events = append(events, Event{Event: new(envelope.Event)})
		return events[len(events)-1].Event
	})
	if err != nil {
		return nil, err
	}
	if batch {
		for i := range events {
			events[i].Where = fmt.Sprintf("[%d]", i)
		}
	}
	return events, nil
}
