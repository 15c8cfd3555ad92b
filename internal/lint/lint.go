// Package lint holds events of any shape against the specification and against good practice. Unlike the decoders,
// which stop at the first rule that a message breaks, it lists all of them, each with its name and its place.
package lint

import (
	"bytes"
	"fmt"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
)

// Severity tells a violation of the specification from advice.
type Severity string

// The severities.
const (
	Violation Severity = "violation"
	Advice    Severity = "warning"
)

// Finding is one thing that is wrong with an event, or could be better.
type Finding struct {
	// Event tells the event apart from others of the same text, "[2]" in a batch and ":7" for a line; it is empty for
	// an event alone.
	Event string `json:"event,omitempty"`
	// Line is where it stands in the text, from 1, 0 where that cannot be said.
	Line int `json:"line,omitempty"`
	// Place is the attribute, member or header, empty where the message as a whole is meant.
	Place string `json:"place,omitempty"`
	// Rule is the rule's name, one of those in the table of this package's documentation.
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	// Message says what is expected.
	Message string `json:"message"`
}

// Result is what was found in a text.
type Result struct {
	// Events is how many events the text holds.
	Events   int
	Findings []Finding
}

// Count returns how many findings are of that severity.
func (r *Result) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Text judges a text in any of the shapes: a JSON event, a batch, one event per line, an XML event or batch, or a raw
// HTTP request.
func Text(text []byte) Result {
	l := linter{text: text, seen: map[[2]string]string{}}
	trimmed := bytes.TrimSpace(text)
	switch {
	case len(trimmed) == 0:
		l.violation("", "syntax", "there is no event: the input is empty")
	case isRequest(trimmed):
		l.request()
	case trimmed[0] == '<' || bytes.HasPrefix(trimmed, []byte("\uFEFF<")):
		l.formatted(envelope.FormatXML, text, rootIsBatch(trimmed))
	case trimmed[0] != '[' && manyLines(trimmed):
		l.lines()
	default:
		l.json(0, len(text))
	}
	return l.result
}

// linter gathers the findings of one text.
type linter struct {
	text   []byte
	result Result
	// event and offset are where the event at hand is; offset counts bytes of the text and is -1 where unknown.
	event  string
	offset int
	// decoded says that the text is what a request's body was decoded to, so that its lines are none of the file.
	decoded bool
	broken  bool // the event at hand has a violation
	seen    map[[2]string]string
	// breaks are the line breaks in the first bytes of the text, counted of them.
	breaks, counted int
}

// begin starts an event.
func (l *linter) begin(where string, offset int) {
	l.event, l.offset, l.broken = where, offset, false
	l.result.Events++
}

func (l *linter) violation(place, rule, message string, args ...any) {
	l.broken = true
	l.add(Violation, place, rule, fmt.Sprintf(message, args...))
}

func (l *linter) advice(place, rule, message string, args ...any) {
	l.add(Advice, place, rule, fmt.Sprintf(message, args...))
}

func (l *linter) add(s Severity, place, rule, message string) {
	l.result.Findings = append(l.result.Findings, Finding{l.event, l.line(), place, rule, s, message})
}

// line returns the line of the event at hand, 0 where it is unknown. It counts from the last place it was asked for, so
// that a text with many findings is not counted anew for each.
func (l *linter) line() int {
	if l.decoded || l.offset < 0 || l.offset > len(l.text) {
		return 0
	}
	if l.offset >= l.counted {
		l.breaks += bytes.Count(l.text[l.counted:l.offset], []byte("\n"))
	} else {
		l.breaks -= bytes.Count(l.text[l.offset:l.counted], []byte("\n"))
	}
	l.counted = l.offset
	return 1 + l.breaks
}

// at runs one check with the findings' line set to that of a byte of the text.
func (l *linter) at(offset int, check func()) {
	before := l.offset
	l.offset = offset
	check()
	l.offset = before
}

// formatted judges events in a format whose decoder tells the first fault alone.
func (l *linter) formatted(f envelope.Format, msg []byte, batch bool) {
	var events []*envelope.Event
	add := func() *envelope.Event {
		events = append(events, new(envelope.Event))
		return events[len(events)-1]
	}
	var err error
	if batch {
		err = format.ParseBatch(f, msg, envelope.Options{}, add)
	} else {
		err = format.Parse(f, add(), msg, envelope.Options{})
	}
	if err != nil {
		l.begin("", -1)
		l.reject(err)
		return
	}
	for i, e := range events {
		where := ""
		if batch {
			where = fmt.Sprintf("[%d]", i)
		}
		l.begin(where, -1)
		l.judge(e)
	}
}

// rootIsBatch reports whether the first element of an XML text is called batch.
func rootIsBatch(text []byte) bool {
	for {
		_, after, ok := bytes.Cut(text, []byte("<"))
		if !ok || len(after) == 0 {
			return false
		}
		if after[0] != '?' && after[0] != '!' {
			name := after
			if end := bytes.IndexAny(after, " \t\r\n/>"); end >= 0 {
				name = after[:end]
			}
			_, local, prefixed := bytes.Cut(name, []byte(":"))
			return string(name) == "batch" || prefixed && string(local) == "batch"
		}
		text = after
	}
}
