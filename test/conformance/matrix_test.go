package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
	"github.com/eventrouter/router/internal/spectest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// arrived is a golden event behind a source.
type arrived struct {
	name  string
	event *envelope.Event // as the source emitted it
	want  *envelope.Event // what the source's form leaves of the golden event
	raw   []byte          // the structured message it came in
}

// cell is what became of the golden events on the way from one form to another.
type cell struct {
	delivered  int
	verbatim   int // structured messages that left byte for byte as they came
	structured int // asked for binary, and left structured because binary cannot carry them
	refused    int // permanent failures: the format cannot hold them
}

// TestMatrix sends the golden events from every form of every source to every form of every sink, through the real
// sources and sinks and brokers in this process, and reads what arrives with readers of its own.
func TestMatrix(t *testing.T) {
	f := newField(t)
	var targets []*target
	sdk := &sdkReader{seen: map[string]int{}}
	for _, s := range sinks() {
		to := f.sink(s)
		to.sdk = sdk
		targets = append(targets, to)
	}
	results := map[[2]string]cell{}
	carried := map[string]int{}
	for _, from := range sources() {
		t.Run(from.String(), func(t *testing.T) {
			events := f.intake(t, from)
			carried[from.String()] = len(events)
			for _, to := range targets {
				t.Run("to "+to.form.String(), func(t *testing.T) {
					results[[2]string{from.String(), to.form.String()}] = deliver(t, from, to, events)
				})
			}
		})
	}
	for _, d := range sdkDeviations {
		if sdk.seen[d.name] == 0 {
			t.Errorf("sdk-go does not show the deviation %q: %s", d.name, d.what)
		}
	}
	t.Logf("sdk-go read %d messages; deviations: %v", sdk.messages, sdk.seen)
	if !t.Failed() {
		checkDocument(t, measured{results, carried, sdk})
	}
}

// intake sends the golden events that a form can carry to a source of it, and returns what it emits.
func (f *field) intake(t *testing.T, from form) []*arrived {
	t.Helper()
	var all []*arrived
	var messages []message
	for _, n := range bindingtest.Events() {
		m, ok := write(from, n.Event)
		if !ok {
			// Every intermediary has to forward 64 KiB: only where binary mode itself has no room may such an event be missing.
			small := from.mode == bindings.ModeBinary && (from.transport == "nats" || from.transport == "sqs")
			if strings.HasPrefix(n.Name, "size-") && !small {
				t.Errorf("%s: the form cannot carry it", n.Name)
			}
			continue
		}
		a := &arrived{name: n.Name, want: n.Event.Clone(), raw: m.body}
		pass(from, a.want)
		all = append(all, a)
		messages = append(messages, m)
	}
	if from.mode == bindings.ModeBatch {
		messages = batches(t, from, messages)
	}
	src, put := f.source(from)
	events := run(t, src, len(all), func(ctx context.Context) error { return put(ctx, messages) })
	for _, a := range all {
		a.event = events[a.want.ID]
		if a.event == nil {
			t.Fatalf("%s: not emitted", a.name)
		}
		if a.event.Malformed != nil {
			t.Fatalf("%s: %v", a.name, a.event.Malformed)
		}
		if diff := spectest.Difference(a.want, a.event, spectest.Changes{}); diff != "" {
			t.Errorf("%s: the source emits another event: %s", a.name, diff)
		}
	}
	return all
}

// batches joins messages of one event to messages of ten.
func batches(t *testing.T, from form, single []message) []message {
	t.Helper()
	var out []message
	for len(single) > 0 {
		n := min(10, len(single))
		var body []byte
		if from.format == envelope.FormatJSON {
			var parts [][]byte
			for _, m := range single[:n] {
				parts = append(parts, m.body)
			}
			body = append(append([]byte("[\n"), bytes.Join(parts, []byte(",\n"))...), ']')
		} else {
			var events []*envelope.Event
			for _, m := range single[:n] {
				e := new(envelope.Event)
				if err := format.Parse(from.format, e, m.body, envelope.Options{}); err != nil {
					t.Fatal(err)
				}
				events = append(events, e)
			}
			var err error
			if body, err = format.AppendBatch(from.format, nil, events); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, message{map[string]string{"content-type": format.BatchMediaType(from.format)}, body})
		single = single[n:]
	}
	return out
}

// run runs a source until it has emitted n events, confirms them all, and returns them by id.
func run(t *testing.T, src bindings.Source, n int, put func(ctx context.Context) error) map[string]*envelope.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var mu sync.Mutex
	events := map[string]*envelope.Event{}
	complete := make(chan struct{})
	total := 0
	emit := func(b *bindings.Batch) {
		count := len(b.Events)
		mu.Lock()
		for i := range b.Events {
			e := b.Events[i].Clone()
			e.Malformed = b.Events[i].Malformed
			events[e.ID] = e
			if total++; total == n {
				close(complete)
			}
		}
		mu.Unlock()
		b.Expect(count)
		b.Done(count)
	}
	ended := make(chan error, 1)
	stop, halt := context.WithCancel(ctx)
	go func() { ended <- src.Run(stop, emit) }()
	if err := put(ctx); err != nil {
		t.Error(err)
	}
	select {
	case <-complete:
	case <-ctx.Done():
		t.Errorf("got %d of %d events", total, n)
	}
	halt()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	return events
}

// deliver sends events to a sink and checks what arrives behind it.
func deliver(t *testing.T, from form, to *target, events []*arrived) cell {
	t.Helper()
	var c cell
	var sent []*envelope.Event
	pending := map[string]*arrived{}
	for _, a := range events {
		if _, ok := write(form{transport: to.form.transport, mode: bindings.ModeStructured, format: to.form.format}, a.want); !ok && to.form.mode != bindings.ModeBinary {
			checkRefused(t, to, a)
			c.refused++
			continue
		}
		sent = append(sent, a.event)
		pending[a.want.ID] = a
	}
	for n := range chunks(len(sent), 10, to.form.mode == bindings.ModeBatch) {
		if err := to.sink.Send(t.Context(), sent[n[0]:n[1]]); err != nil {
			t.Fatalf("Send: %v", err)
		}
	}
	for _, m := range split(t, to, to.take(len(sent))) {
		got, used, err := read(to.form.transport, m)
		if err != nil {
			t.Errorf("cannot be read: %v", err)
			continue
		}
		a := pending[got.ID]
		if a == nil {
			t.Errorf("event %q was not sent, or came before", got.ID)
			continue
		}
		delete(pending, got.ID)
		c.delivered++
		c.check(t, to.form, used, a, got)
		if diff := to.sdk.judge(used, m, a.behind(used)); diff != "" {
			t.Errorf("%s: %s", a.name, diff)
		}
		if from.format == used.format && used.format != envelope.FormatNone && from.mode != bindings.ModeBinary && a.event.Raw != nil {
			switch {
			case bytes.Equal(m.body, a.raw):
				c.verbatim++
			case !rewritten(used, a.raw):
				t.Errorf("%s: left as other bytes:\n%.200q\nwant\n%.200q", a.name, m.body, a.raw)
			}
		}
	}
	for id := range pending {
		t.Errorf("event %q did not arrive", id)
	}
	return c
}

// check compares an event that arrived with what the sink's form leaves of it.
func (c *cell) check(t *testing.T, asked, used form, a *arrived, got *envelope.Event) {
	t.Helper()
	m, fits := write(binary(asked.transport), a.want)
	if asked.transport == "http" {
		fits = fits && headerSize(m) <= httpHeader // what any request may carry, and servers often do not take
	}
	switch {
	case asked.mode == bindings.ModeBinary && used.mode != bindings.ModeBinary:
		if c.structured++; fits {
			t.Errorf("%s: left structured, although binary can carry it", a.name)
		}
	case asked.mode == bindings.ModeBinary && !fits:
		t.Errorf("%s: left binary, which cannot carry it", a.name)
	case asked.mode != bindings.ModeBinary && used.format != asked.format:
		t.Errorf("%s: left as %s", a.name, used)
	}
	if diff := spectest.Difference(a.behind(used), got, spectest.Changes{}); diff != "" {
		t.Errorf("%s: %s", a.name, diff)
	}
}

// behind returns what a sink's form leaves of the event.
func (a *arrived) behind(used form) *envelope.Event {
	want := a.want.Clone()
	want.DataKind = a.event.DataKind
	pass(used, want)
	return want
}

// rewritten reports whether a message has what its carrier cannot: the two characters that SQS refuses and JSON can
// escape, and line breaks where one line is one event.
func rewritten(used form, raw []byte) bool {
	switch used.transport {
	case "sqs":
		return used.format == envelope.FormatJSON && strings.ContainsAny(string(raw), "\ufffe\uffff")
	case "stdout":
		return bytes.ContainsAny(raw, "\r\n")
	}
	return false
}

// checkRefused sends an event that the sink's format cannot hold: it has to fail for good, with a reason.
func checkRefused(t *testing.T, to *target, a *arrived) {
	t.Helper()
	err := to.sink.Send(t.Context(), []*envelope.Event{a.event})
	if batch, ok := errors.AsType[bindings.BatchError](err); ok {
		err = batch[0]
	}
	var permanent *bindings.PermanentError
	if !errors.As(err, &permanent) || permanent.Reason != bindings.ReasonUnencodable {
		t.Errorf("%s: got %v, want a permanent failure", a.name, err)
	}
}

// chunks yields ranges of n items, all of them at once or size at a time.
func chunks(n, size int, cut bool) func(yield func([2]int) bool) {
	if !cut {
		size = max(n, 1)
	}
	return func(yield func([2]int) bool) {
		for i := 0; i < n; i += size {
			if !yield([2]int{i, min(i+size, n)}) {
				return
			}
		}
	}
}

// split makes single messages of batches.
func split(t *testing.T, to *target, messages []message) []message {
	t.Helper()
	if to.form.mode != bindings.ModeBatch {
		return messages
	}
	var all []message
	for _, m := range messages {
		if m.headers["content-type"] != format.BatchMediaType(to.form.format) {
			t.Errorf("a batch is %q", m.headers["content-type"])
		}
		parts, err := bindingtest.SplitJSON(m.body)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range parts {
			all = append(all, message{map[string]string{"content-type": format.MediaType(to.form.format)}, p})
		}
	}
	return all
}

// summary is a cell in the document.
func (c cell) summary() string {
	text := fmt.Sprint(c.delivered)
	if c.structured > 0 {
		text += fmt.Sprintf(" (%d S)", c.structured)
	}
	if c.verbatim > 0 {
		text += fmt.Sprintf(" (%d V)", c.verbatim)
	}
	if c.refused > 0 {
		text += fmt.Sprintf(" (%d R)", c.refused)
	}
	return text
}
