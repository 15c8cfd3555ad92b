package stdout

import (
	"bytes"
	"sync"
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
)

// stream is a standard output that somebody else looks at.
type stream struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *stream) lines() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buf.Len() == 0 {
		return nil
	}
	return bytes.Split(bytes.TrimSuffix(bytes.Clone(s.buf.Bytes()), []byte("\n")), []byte("\n"))
}

func TestConformance_Sink(t *testing.T) {
	bindingtest.Sink(t, bindingtest.SinkCase{
		Modes: []bindingtest.SinkMode{{
			Name: "structured", Mode: bindings.ModeDefault, Loss: bindingtest.Structured,
			Bends: map[string]string{"json-spaces": "a line feed between the tokens of data becomes a blank, or the event would be two lines"},
		}},
		Uninterruptible: "a write to a stream that nobody reads cannot be ended",
		Open: func(*testing.T) *bindingtest.SinkRig {
			out := new(stream)
			return &bindingtest.SinkRig{
				New: func(s bindings.SinkSettings) (bindings.Sink, error) { return NewSink(SinkConfig{}, out, s) },
				Arrived: func(t *testing.T) (arrived []bindingtest.Arrival) {
					for _, line := range out.lines() {
						e, err := bindingtest.ReadJSON(line)
						if err != nil {
							t.Fatal(err)
						}
						arrived = append(arrived, bindingtest.Arrival{Event: e, Mode: "structured", Address: "standard output"})
					}
					return arrived
				},
			}
		},
	})
}
