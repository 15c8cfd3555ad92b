package pipeline

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
)

// narrowSink takes no event that is larger than its limit, and knows that.
type narrowSink struct {
	bindingtest.MemorySink
	limit int
}

// Preview refuses what is too large.
func (s *narrowSink) Preview(e *envelope.Event) (bindings.Preview, error) {
	l, size := bindings.Limit{Bytes: s.limit}, e.Size()
	for _, h := range e.Meta.Headers { // which other transports do not pass on
		size -= len(h.Name) + len(h.Value)
	}
	if l.Refuses(size) {
		return bindings.Preview{}, l.Exceeded("memory", "", size)
	}
	return bindings.Preview{}, nil
}

// TestHeadersDoNotKeepADeadLetterFromItsSink: a dead letter that its sink can take without the message's headers was not
// delivered with them, and blocked its place at the source.
func TestHeadersDoNotKeepADeadLetterFromItsSink(t *testing.T) {
	text := func(n int) []byte { return []byte(strings.Repeat("x", n)) }
	headers := []envelope.Header{
		{Name: "long", Value: text(10 << 10)},
		{Name: "ce_id", Value: []byte("1")},
		{Name: "ce_time", Value: []byte("2018-04-05T17:31Z")},
		{Name: "longer", Value: text(70 << 10)},
	}
	for name, tc := range map[string]struct {
		sink interface {
			bindings.Sink
			Confirmed() []*envelope.Event
		}
		left, kept string
	}{
		"no limit":  {&bindingtest.MemorySink{}, "1", "long ce_id ce_time"},
		"enough":    {&narrowSink{limit: 100 << 10}, "1", "long ce_id ce_time"},
		"little":    {&narrowSink{limit: 8 << 10}, "2", "ce_id ce_time"},
		"next to 0": {&narrowSink{limit: 320}, "4", ""},
		"too small": {&narrowSink{limit: 1}, "1", "long ce_id ce_time"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &envelope.Event{
					Malformed: errors.New("time: no seconds"), Data: []byte("body"), DataContentType: "no media type", Key: []byte("a\x00"),
					Meta: envelope.Meta{Transport: "nats", SourceName: "in", Channel: "a\x01\xff.b", Headers: headers, Timestamp: 1_500_000_000_123},
				}
				r := newRig(t, all("dead"), []Sink{{Name: "dead", Sink: tc.sink}}, []*envelope.Event{m})
				r.settings.DeadLetter = Policy{Action: ToSink, Sink: "dead"}
				if err := r.run(time.Minute); err != nil {
					t.Fatal(err)
				}
				letters := tc.sink.Confirmed()
				if len(letters) != 1 {
					t.Fatalf("%d dead letters", len(letters))
				}
				d := letters[0]
				kept, err := bindings.ParseHeaders(attribute(d, "dlqheaders"))
				var names []string
				for _, h := range kept {
					names = append(names, h.Name)
				}
				if got := strings.Join(names, " "); err != nil || got != tc.kept || attribute(d, "dlqheadersleft") != tc.left {
					t.Errorf("headers %q, %s left out, %v; want %q, %s", got, attribute(d, "dlqheadersleft"), err, tc.kept, tc.left)
				}
				if err := d.Validate(envelope.Options{}); err != nil || attribute(d, "dlqkey") != "YQA=" || d.ID != "a  .b" ||
					attribute(d, "dlqtimestamp") != "2017-07-14T02:40:00.123Z" || d.DataContentType != "application/octet-stream" {
					t.Errorf("%v: %+v", err, d)
				}
			})
		})
	}
}
