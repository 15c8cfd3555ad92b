// Package stdout is the sink for looking at events: it writes each as one line of structured JSON and nothing else.
//
// Lines are the JSON event format 1.0.3-wip (https://github.com/cloudevents/spec/blob/main/cloudevents/formats/json-format.md)
// with line breaks between tokens replaced by blanks; that such lines follow each other is this package's own
// convention, known as JSON Lines. An event counts as delivered when the system took its line. What reads the other
// end of the pipe, and whether it reads at all, is not known.
package stdout

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// SinkConfig is the configuration of a stdout sink, which has nothing to configure.
type SinkConfig struct{}

// Validate finds nothing wrong.
func (c *SinkConfig) Validate() error { return nil }

// Sink writes events to a stream.
type Sink struct {
	mu  sync.Mutex // guards what follows
	w   io.Writer
	buf []byte
	cut bool // the stream may end within a line, because a write failed
}

// NewSink returns a sink that writes to w. The program passes os.Stdout; it must also see to it that a closed pipe
// is an error of the write and not the end of the process (SIGPIPE).
func NewSink(_ SinkConfig, w io.Writer, _ bindings.SinkSettings) (*Sink, error) {
	return &Sink{w: w}, nil
}

// maxBuffer bounds the buffer that is kept from one Send to the next.
const maxBuffer = 1 << 20

// Send writes all events with one write. A write cannot be interrupted: where the reader of a pipe stops, Send waits
// for it.
func (s *Sink) Send(ctx context.Context, events []*envelope.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
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
	n, err := s.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		if n > 0 {
			s.cut = true
		}
		return fmt.Errorf("stdout: %w", err)
	}
	s.cut = false
	return nil
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

// Preview says what would be written for an event.
func (s *Sink) Preview(e *envelope.Event) (bindings.Preview, error) {
	return bindings.Preview{Mode: "structured", Address: "standard output", Bytes: len(appendLine(nil, e))}, nil
}

// Close leaves the stream open: it belongs to the program.
func (s *Sink) Close(context.Context) error { return nil }
