package bindings

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/envelope"
)

// SourceSettings is what the program passes to every source, next to the user's configuration of it.
type SourceSettings struct {
	// Name is the configured name of the source.
	Name string
	Log  *zap.Logger
	// Window bounds what the source has in flight; it is never nil.
	Window *Window
	// MaxEvent is the largest event in bytes, 0 for no limit; MaxAttributes the most extension attributes.
	MaxEvent, MaxAttributes int
	// Lenient relaxes the rules that the conformance document lists; the default is strict.
	Lenient bool
	// Wrap, when not nil, makes an event of a message that is not a CloudEvent. The event's Meta, Key, Data and
	// DataContentType are filled already.
	Wrap func(e *envelope.Event) error
	// Adapters are the names of the foreign formats to recognise: sns, eventbridge, s3.
	Adapters []string
	// Identity stands for what else makes events of messages: what is known of an event does not hold for another one
	// that is made of the same message. It is the same in every process.
	Identity string
}

// Refuse turns e into what becomes of a message that could not be decoded: a wrapped event if the source wraps and
// the message is no CloudEvent, a malformed one otherwise. The caller has filled e.Meta and e.Key.
func (s *SourceSettings) Refuse(e *envelope.Event, raw []byte, mediaType string, err error) {
	bare := func() {
		meta, key := e.Meta, e.Key
		e.Meta.Headers = nil // so that Reset does not clear the headers that meta holds
		e.Reset()
		e.Meta, e.Key = meta, key
		e.Data, e.DataContentType = raw, mediaType
	}
	bare()
	if s.Wrap != nil && errors.Is(err, envelope.ErrNotCloudEvent) {
		if err = s.Wrap(e); err == nil {
			return
		}
		bare() // what a failed wrap has set may be invalid, and would spoil the dead letter
	}
	e.Malformed = err
}

// Mode is a content mode of a sink.
type Mode uint8

// The modes. ModeDefault is the binding's own default.
const (
	ModeDefault Mode = iota
	ModeBinary
	ModeStructured
	ModeBatch
)

// SinkSettings is what the program passes to every sink, next to the user's configuration of it.
type SinkSettings struct {
	// Name is the configured name of the sink.
	Name string
	Log  *zap.Logger
	// Mode is the content mode the user asked for.
	Mode Mode
	// Format is the structured format, JSON unless the user asked for another.
	Format envelope.Format
	// Timeout bounds one attempt.
	Timeout time.Duration
	// Concurrency is how many Sends run at once at most; a sink may size connection pools by it.
	Concurrency int
}
