package pipeline

import (
	"encoding/base64"
	"strconv"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
)

// malformedType is the type of the event that carries a message which was none.
const malformedType = "io.eventrouter.malformed"

// headerBounds are how much of a message's headers its dead letter may carry, in bytes: the first that the dead-letter
// sink can take counts.
func headerBounds() []int { return []int{64 << 10, 4 << 10, 0} }

// wrapMalformed makes an event of a message that is none, with its own bytes as the data and everything else of the
// message beside them. The id is the message's place at its source, so that a redelivery has the same one.
func wrapMalformed(e *envelope.Event) {
	e.Malformed = nil
	e.ID = printable(string(template.AppendPosition(nil, e)))
	if e.ID == "" {
		e.ID = "unknown"
	}
	e.Source = "urn:router:source:" + e.Meta.SourceName
	e.Type = malformedType
	if !isMediaType(e.DataContentType) {
		e.DataContentType = "application/octet-stream"
	}
	e.DataKind = envelope.DataBinary
	if len(e.Key) > 0 {
		e.Set("dlqkey", base64.StdEncoding.EncodeToString(e.Key), envelope.KindBinary)
	}
	if ms := e.Meta.Timestamp; ms != 0 {
		e.Set("dlqtimestamp", time.UnixMilli(ms).UTC().Format(time.RFC3339Nano), envelope.KindTimestamp)
	}
}

// isMediaType reports whether an event may have that datacontenttype.
func isMediaType(text string) bool {
	e := envelope.Event{ID: "1", Source: "/", Type: "t", DataContentType: text}
	return text != "" && e.Validate(envelope.Options{}) == nil
}

// addHeaders gives the dead letter of a malformed message the message's headers, as many as its sink takes: without
// them it could not be put back, and with too many of them it could not be kept.
func addHeaders(e *envelope.Event, sink bindings.Sink) {
	if len(e.Meta.Headers) == 0 {
		return
	}
	for _, bound := range headerBounds() {
		text, left := bindings.AppendHeaders(nil, e.Meta.Headers, max(bound, len("[]")))
		setHeaders(e, string(text), left)
		if !tooLargeFor(e, sink) {
			return
		}
	}
	// It is too large without any: it is held, and may pass when the target takes more.
	text, left := bindings.AppendHeaders(nil, e.Meta.Headers, headerBounds()[0])
	setHeaders(e, string(text), left)
}

func setHeaders(e *envelope.Event, text string, left int) {
	e.Set("dlqheaders", text, envelope.KindString)
	e.Remove("dlqheadersleft")
	if left > 0 {
		e.Set("dlqheadersleft", strconv.Itoa(left), envelope.KindInteger)
	}
}

// tooLargeFor reports whether a sink knows already that it cannot take the event for its size.
func tooLargeFor(e *envelope.Event, sink bindings.Sink) bool {
	p, ok := sink.(bindings.Previewer)
	if !ok {
		return false
	}
	_, err := p.Preview(e)
	return TooLarge(err)
}
