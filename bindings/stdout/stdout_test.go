package stdout

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

func event(t testing.TB, text string) *envelope.Event {
	t.Helper()
	e := new(envelope.Event)
	if err := envelope.ParseJSON(e, []byte(text), envelope.Options{}); err != nil {
		t.Fatal(err)
	}
	return e
}

// writes counts the calls and keeps what was written; it fails as told.
type writes struct {
	bytes.Buffer
	calls int
	short int // accept only so many bytes of the next write
	err   error
}

func (w *writes) Write(p []byte) (int, error) {
	w.calls++
	if w.err != nil {
		n, _ := w.Buffer.Write(p[:w.short])
		return n, w.err
	}
	return w.Buffer.Write(p)
}

func newSink(t testing.TB, w io.Writer) *Sink {
	t.Helper()
	s, err := NewSink(SinkConfig{}, w, bindings.SinkSettings{Name: "out"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSendWritesOneLinePerEventAtOnce(t *testing.T) {
	var w writes
	s := newSink(t, &w)
	pretty := "{\n \"specversion\": \"1.0\",\r\n \"id\": \"1\", \"source\": \"/s\", \"type\": \"t\",\n\"data\": {\n\"a\": \"x\\ny\"\n}}"
	events := []*envelope.Event{event(t, pretty), event(t, `{"specversion":"1.0","id":"2","source":"/s","type":"t"}`)}
	if err := s.Send(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if w.calls != 1 {
		t.Errorf("%d writes, want 1", w.calls)
	}
	lines := strings.Split(strings.TrimSuffix(w.String(), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %d lines, want 2: %q", len(lines), w.String())
	}
	for i, line := range lines {
		if got := event(t, line); got.ID != events[i].ID || strings.Contains(line, "\r") {
			t.Errorf("line %d is %q", i, line)
		}
	}
	if got := string(event(t, lines[0]).Data); !strings.Contains(got, `"x\ny"`) {
		t.Errorf("data %q lost what stood in a string", got)
	}
	if strings.Contains(string(events[0].Raw), "  \"id\"") || !strings.Contains(string(events[0].Raw), "\n") {
		t.Error("the event's own bytes were changed")
	}
}

func TestSendReportsClosedPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	err = newSink(t, w).Send(t.Context(), []*envelope.Event{event(t, `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`)})
	if !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got %v, want EPIPE", err)
	}
	if _, ok := errors.AsType[*bindings.PermanentError](err); ok {
		t.Error("a closed pipe is not the event's fault")
	}
}

func TestSendStartsNewLineAfterShortWrite(t *testing.T) {
	var w writes
	s := newSink(t, &w)
	e := []*envelope.Event{event(t, `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`)}
	w.err, w.short = io.ErrShortWrite, 5
	if err := s.Send(t.Context(), e); err == nil {
		t.Fatal("a short write was reported as delivered")
	}
	w.err = nil
	if err := s.Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(w.String(), "\n")
	if len(lines) != 3 || event(t, lines[1]).ID != "1" {
		t.Errorf("got %q", w.String())
	}
}

func TestSendStopsWhenContextIsDone(t *testing.T) {
	var w writes
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newSink(t, &w).Send(ctx, []*envelope.Event{{}}); !errors.Is(err, context.Canceled) || w.calls != 0 {
		t.Errorf("got %v after %d writes", err, w.calls)
	}
}

func TestPreviewTellsSize(t *testing.T) {
	var w writes
	s := newSink(t, &w)
	e := event(t, `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":7}`)
	p, err := s.Preview(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), []*envelope.Event{e}); err != nil {
		t.Fatal(err)
	}
	if p.Bytes != w.Len() || p.Mode != "structured" {
		t.Errorf("previewed %+v, wrote %d bytes", p, w.Len())
	}
}

func TestSendDoesNotAllocatePerEvent(t *testing.T) {
	s := newSink(t, io.Discard)
	e := event(t, `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":7}`)
	e.Touch()
	events, ctx := make([]*envelope.Event, 100), t.Context()
	for i := range events {
		events[i] = e
	}
	if n := testing.AllocsPerRun(100, func() { _ = s.Send(ctx, events) }); n > 50 { // the race detector makes pools forget
		t.Errorf("%v allocations for a Send of 100 events, want none for each", n)
	}
}

func TestSendLeavesWhenTheReaderStops(t *testing.T) {
	r, w := io.Pipe()
	s := newSink(t, w)
	e := event(t, `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":7}`)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for range 2 { // the second finds the first one's write still there
		if err := s.Send(ctx, []*envelope.Event{e}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
	}
	read := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(r).ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		read <- line
	}()
	if line := <-read; !strings.Contains(line, `"id":"1"`) {
		t.Errorf("the write that was under way brought %q", line)
	}
	r.Close()
	if err := s.Send(t.Context(), []*envelope.Event{e}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want the closed pipe", err)
	}
}
