// Package stdout is the sink for looking at events: it writes each as one line of structured JSON and nothing else.
//
// Lines are the JSON event format 1.0.3-wip (https://github.com/cloudevents/spec/blob/main/cloudevents/formats/json-format.md)
// with line breaks between tokens replaced by blanks; that such lines follow each other is this package's own
// convention, known as JSON Lines. An event counts as delivered when the system took its line. What reads the other
// end of the pipe, and whether it reads at all, is not known.
package stdout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// SinkConfig is the configuration of a stdout sink, which has nothing to configure.
type SinkConfig struct{}

// Validate finds nothing wrong.
func (c *SinkConfig) Validate() error { return nil }

// Sink writes events to a stream.
type Sink struct {
	w io.Writer
	// turn holds a token while nobody writes. A write cannot be interrupted: the Send that waits for one leaves when its
	// context is done, and the write keeps the turn until it ends.
	turn chan struct{}

	broken func(error) // nil, or what is told when the reader has gone

	// What follows belongs to whoever has the turn.
	buf []byte
	cut bool // the stream may end within a line, because a write failed
}

// NewSink returns a sink that writes to w. The program passes os.Stdout; it must also see to it that a closed pipe
// is an error of the write and not the end of the process (SIGPIPE).
func NewSink(_ SinkConfig, w io.Writer, _ bindings.SinkSettings) (*Sink, error) {
	s := &Sink{w: w, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s, nil
}

// maxBuffer bounds the buffer that is kept from one Send to the next.
const maxBuffer = 1 << 20

// Send writes all events with one write. Where the reader of a pipe stops, Send returns when ctx is done, and what it
// wrote is unknown; until the reader goes on, further Sends fail the same way.
func (s *Sink) Send(ctx context.Context, events []*envelope.Event) error {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return fmt.Errorf("stdout: the reader does not read: %w", ctx.Err())
	}
	if err := ctx.Err(); err != nil {
		s.turn <- struct{}{}
		return fmt.Errorf("stdout: %w", err)
	}
	b := s.buf[:0]
	if s.cut {
		b = append(b, '\n') // what was cut off must not become the beginning of a good line
	}
	for _, e := range events {
		b = appendLine(b, e)
	}
	if cap(b) <= maxBuffer {
		s.buf = b
	}
	return s.write(ctx, b)
}

// write gives the turn back when the write has ended, which may be after it returned.
func (s *Sink) write(ctx context.Context, b []byte) error {
	written := make(chan error, 1)
	go func() {
		n, err := s.w.Write(b)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		s.cut = err != nil && (n > 0 || s.cut)
		written <- err
		s.turn <- struct{}{}
	}()
	select {
	case err := <-written:
		if err == nil {
			return nil
		}
		err = fmt.Errorf("stdout: %w", err)
		if errors.Is(err, syscall.EPIPE) && s.broken != nil {
			s.broken(err) // nobody will ever read again
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf("stdout: the reader does not read: %w", ctx.Err())
	}
}

// appendLine appends an event as one line. In JSON a line break can only stand between tokens, so a blank in its
// place changes nothing.
func appendLine(dst []byte, e *envelope.Event) []byte {
	from := len(dst)
	dst = envelope.AppendJSON(dst, e)
	for i := from; i < len(dst); i++ {
		if dst[i] == '\n' || dst[i] == '\r' {
			dst[i] = ' '
		}
	}
	return append(dst, '\n')
}

// OnFailure sets what is told when the reader of standard output has gone, which no repetition mends.
func (s *Sink) OnFailure(report func(error)) { s.broken = report }

// Preview says what would be written for an event.
func (s *Sink) Preview(e *envelope.Event) (bindings.Preview, error) {
	return bindings.Preview{Mode: "structured", Address: "standard output", Bytes: len(appendLine(nil, e))}, nil
}

// Close leaves the stream open: it belongs to the program.
func (s *Sink) Close(context.Context) error { return nil }
