package envelope

import (
	"errors"
	"fmt"
)

// ParseJSONBatch decodes a JSON batch: add is called for every event of it and returns an event that was Reset.
// Nothing of the batch is valid when it fails. Each event's Raw is its own part of msg. An empty batch is valid.
// The error names the position of the event at fault, counted from 0, and wraps an AttributeError.
func ParseJSONBatch(msg []byte, o Options, add func() *Event) error {
	msg, err := withoutBOM(msg, o)
	if err != nil {
		return err
	}
	p := newParser(msg, o)
	defer p.release()
	if !p.scan.Open('[') {
		if err := p.notObject(); !errors.Is(err, ErrNotCloudEvent) {
			return err
		}
		return &AttributeError{Rule: "a batch must be a JSON array"}
	}
	for i := 0; ; i++ {
		more, err := p.scan.More(i == 0, ']')
		if err != nil {
			return syntaxError(err)
		}
		if !more {
			return p.end()
		}
		if err := p.element(add); err != nil {
			return fmt.Errorf("event %d of the batch: %w", i, err)
		}
	}
}

// element reads the next event of a batch.
func (p *parser) element(add func() *Event) error {
	if p.scan.Peek() != '{' {
		if _, err := p.scan.Value(); err != nil {
			return syntaxError(err)
		}
		return &AttributeError{Rule: "must be a JSON object"}
	}
	e := add()
	if err := p.event(e); err != nil {
		// A batch says of itself that it consists of events, so no element is merely "not a CloudEvent".
		if errors.Is(err, ErrNotCloudEvent) {
			return &AttributeError{Attribute: "specversion", Rule: ruleRequired}
		}
		return err
	}
	end := p.scan.Offset()
	e.Raw, e.RawFormat = p.msg[p.start:end:end], FormatJSON
	return nil
}

// AppendJSONBatch appends the events as a JSON batch.
func AppendJSONBatch(dst []byte, events []*Event) []byte {
	dst = append(dst, '[')
	for i, e := range events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSON(dst, e)
	}
	return append(dst, ']')
}
