// Package adapter makes events of messages that other systems send and that are no CloudEvents: notifications of Amazon
// SNS, events of Amazon EventBridge, and event notifications of Amazon S3. Every source has it, and uses what its
// configuration names, after its own codec found no event and before the message is wrapped or refused.
//
// The S3 and SNS mappings follow https://github.com/cloudevents/spec/tree/main/cloudevents/adapters. Where these are
// silent or were written for another transport, this is what happens:
//
//   - The text inside an SNS notification is looked at first. If it is an event, with or without message attributes as
//     the SQS binding has them, that event is what was sent; if another adapter knows it, that one's events are.
//     Otherwise the notification itself becomes the event, with all of its bytes as the data.
//   - The source of such an event is the ARN of the subscription where the transport tells it, which is over HTTP only,
//     and the ARN of the topic elsewhere. A confirmation of a subscription always has the topic.
//   - An S3 notification makes one event of each record. The records of one request share its ids, so that where a
//     notification has several each id gets the object's sequencer as well.
//   - The test message that S3 sends once is no notification. It makes no event and is malformed.
//
// Nothing that a message says is done here: an address to confirm a subscription is data, and so are signatures.
package adapter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// Set is the adapters that a source has. The zero value has none.
type Set struct{ sns, eventBridge, s3 bool }

// Parse reads the names of adapters. The error is a FieldError.
func Parse(names []string) (Set, error) {
	var s Set
	var errs []error
	for _, name := range names {
		switch name {
		case "sns":
			s.sns = true
		case "eventbridge":
			s.eventBridge = true
		case "s3":
			s.s3 = true
		default:
			errs = append(errs, bindings.Invalid("adapters", "%q is none of sns, eventbridge, s3", name))
		}
	}
	return s, errors.Join(errs...)
}

// Message is a message that its transport's codec could not read.
type Message struct {
	Body []byte
	// Err is why it could not be read. Only envelope.ErrNotCloudEvent leaves something to do here.
	Err error
	// Subscription is the ARN of the SNS subscription, where the transport tells it.
	Subscription string
	Options      envelope.Options
	// Add, if not nil, is what the batch's Add is called through: a source that bounds what one message becomes has its own.
	// What it returns need not be in the batch.
	Add func() *envelope.Event
}

// Adapt makes events of a message. The last event of b is the one that was decoded in vain; it becomes the first of
// them, and the others are added behind it with the same metadata and key. Where no adapter knows the message the error is
// m.Err, with what the adapters have to say. After any error b has no event more than before.
func (s Set) Adapt(b *bindings.Batch, m Message) error {
	if s == (Set{}) || !errors.Is(m.Err, envelope.ErrNotCloudEvent) {
		return m.Err
	}
	var f foreign
	if err := parse(m.Body, &f); err != nil {
		return &unknownError{s, m.Err, err}
	}
	if m.Add == nil {
		m.Add = b.Add
	}
	c := conversion{Set: s, Message: m, batch: b, first: len(b.Events) - 1}
	err := c.convert(&f)
	if err != nil {
		c.undo()
	}
	if errors.Is(err, envelope.ErrNotCloudEvent) {
		return &unknownError{s, m.Err, nil}
	}
	return err
}

var (
	errNotObject = errors.New("the body is no JSON object")
	errNotUTF8   = errors.New("the body is not UTF-8")
)

// parse reads a JSON object. What is not UTF-8 is no JSON, although the parser would take it and change it.
func parse(body []byte, f *foreign) error {
	switch {
	case !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")):
		return errNotObject
	case !utf8.Valid(body):
		return errNotUTF8
	}
	return json.Unmarshal(body, f)
}

// unknownError is of a message that none of a source's adapters knows. It keeps the class of what the codec said. The text
// is made only where somebody reads it: a message that is wrapped needs none.
type unknownError struct {
	set   Set
	codec error
	body  error // why the body could not be read; nil where it has not the members of any message
}

func (e *unknownError) Unwrap() error { return e.codec }

func (e *unknownError) Error() string {
	var names, needs []string
	for _, a := range [...]struct {
		on          bool
		name, needs string
	}{
		{e.set.sns, "sns", "Type, MessageId and TopicArn"},
		{e.set.eventBridge, "eventbridge", "detail-type, source, id and detail"},
		{e.set.s3, "s3", "Records, each with eventSource, eventName and a bucket"},
	} {
		if a.on {
			names, needs = append(names, a.name), append(needs, a.name+" needs "+a.needs)
		}
	}
	return e.codec.Error() + "; it is no message of the adapters " + strings.Join(names, ", ") + " either: " + e.why(needs)
}

// why says what is wrong with the body, in words that do not speak of this package's types.
func (e *unknownError) why(needs []string) string {
	if e.body == nil {
		return strings.Join(needs, "; ")
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](e.body); ok {
		return fmt.Sprintf("the body is broken JSON at byte %d: %s", syntax.Offset, syntax)
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](e.body); ok {
		return fmt.Sprintf("the member %s of the body is of the JSON type %s, which none of them has there", kind.Field, kind.Value)
	}
	return e.body.Error()
}

// conversion is the work on one message.
type conversion struct {
	Set
	Message
	batch *bindings.Batch
	first int  // the event that was decoded in vain
	taken bool // that one is an event now
}

// next returns an empty event with the metadata of the message. It is valid until the next call.
func (c *conversion) next() *envelope.Event {
	if !c.taken {
		c.taken = true
		e := &c.batch.Events[c.first]
		meta, key := e.Meta, e.Key
		e.Meta.Headers = nil // so that Reset does not clear the headers that meta holds
		e.Reset()
		e.Meta, e.Key = meta, key
		return e
	}
	e := c.Add()
	first := &c.batch.Events[c.first]
	// The headers are a copy: events are recycled one by one, and each clears its own.
	headers := append(e.Meta.Headers[:0], first.Meta.Headers...)
	e.Meta, e.Key = first.Meta, first.Key
	e.Meta.Headers = headers
	return e
}

// undo takes back the events that were added. They are emptied, because the batch hands the same memory out again.
func (c *conversion) undo() {
	for i := range c.batch.Events[c.first+1:] {
		c.batch.Events[c.first+1+i].Reset()
	}
	c.batch.Events = c.batch.Events[:c.first+1]
}
