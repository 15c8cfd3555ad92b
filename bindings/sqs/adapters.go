package sqs

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// adapters are the foreign formats that a source recognises, because its configuration names them.
type adapters struct{ sns, eventBridge, s3 bool }

func parseAdapters(names []string) (adapters, error) {
	var a adapters
	var errs []error
	for _, name := range names {
		switch name {
		case "sns":
			a.sns = true
		case "eventbridge":
			a.eventBridge = true
		case "s3":
			a.s3 = true
		default:
			errs = append(errs, bindings.Invalid("adapters", "%q is none of sns, eventbridge, s3", name))
		}
	}
	return a, errors.Join(errs...)
}

// foreign is a message of another AWS service; which members are there tells which.
type foreign struct {
	// SNS
	Type, Message, Subject, Timestamp string
	MessageID                         string `json:"MessageId"`
	TopicArn                          string
	MessageAttributes                 map[string]struct{ Type, Value string }
	// EventBridge
	DetailType string `json:"detail-type"`
	ID         string `json:"id"`
	Source     string `json:"source"`
	Time       string `json:"time"`
	Detail     json.RawMessage
	// S3
	Records []json.RawMessage
	Service string // with Event s3:TestEvent: what S3 sends once when notifications are configured
	Event   string
	Bucket  string
}

func (f *foreign) isSNS() bool {
	return f.MessageID != "" && f.TopicArn != "" && (f.Type == "Notification" || f.Type == "SubscriptionConfirmation" || f.Type == "UnsubscribeConfirmation")
}

func (f *foreign) isEventBridge() bool {
	return f.DetailType != "" && f.ID != "" && f.Source != "" && len(f.Detail) > 0
}

// adapt makes events of a message that is not one. next returns an empty event for each, the first of them the one that
// was decoded in vain. The error is envelope.ErrNotCloudEvent where no adapter knows the message.
func (a adapters) adapt(next func() *envelope.Event, body string, o envelope.Options) error {
	if a == (adapters{}) || !strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "{") {
		return errNoSign
	}
	var f foreign
	if json.Unmarshal(envelope.Bytes(body), &f) != nil {
		return errNoSign
	}
	if a.sns && f.isSNS() {
		return a.unwrap(next, body, &f, o)
	}
	return a.direct(next, &f, o)
}

// direct handles what is not SNS.
func (a adapters) direct(next func() *envelope.Event, f *foreign, o envelope.Options) error {
	switch {
	case a.eventBridge && f.isEventBridge():
		return eventBridge(next(), f, o)
	case a.s3 && f.Event == "s3:TestEvent" && f.Service == "Amazon S3":
		return &envelope.AttributeError{Rule: "is the test message that S3 sends when notifications are configured, not a notification"}
	case a.s3 && len(f.Records) > 0:
		return s3(next, f.Records, o)
	}
	return errNoSign
}

// unwrap takes the message out of an SNS envelope. What is inside is an event, the message of another adapter, or
// neither, and then the notification itself becomes the event.
func (a adapters) unwrap(next func() *envelope.Event, body string, f *foreign, o envelope.Options) error {
	e := next()
	if f.Type == "Notification" {
		if err := decode(e, f.Message, f.attributes(), o); !errors.Is(err, envelope.ErrNotCloudEvent) {
			return err
		}
		resetContent(e)
		var inner foreign
		if json.Unmarshal(envelope.Bytes(f.Message), &inner) == nil {
			again := func() *envelope.Event { // the first event is taken already
				if first := e; first != nil {
					e = nil
					return first
				}
				return next()
			}
			if err := a.direct(again, &inner, o); !errors.Is(err, envelope.ErrNotCloudEvent) {
				return err
			}
		}
	}
	e.ID, e.Source, e.Type = f.MessageID, f.TopicArn, "com.amazonaws.sns."+f.Type
	e.Time, e.DataContentType, e.Data = f.Timestamp, "application/json", envelope.Bytes(body)
	if f.Type == "Notification" {
		e.Subject = f.Subject
	}
	return e.Validate(o)
}

// attributes returns a notification's message attributes as SQS would have them with raw delivery.
func (f *foreign) attributes() attributes {
	if len(f.MessageAttributes) == 0 {
		return nil
	}
	attrs := make(attributes, len(f.MessageAttributes))
	for name, a := range f.MessageAttributes {
		v := attrs[name]
		v.DataType, v.StringValue = aws.String(a.Type), aws.String(a.Value)
		attrs[name] = v
	}
	return attrs
}

func eventBridge(e *envelope.Event, f *foreign, o envelope.Options) error {
	e.ID, e.Source, e.Type, e.Time = f.ID, f.Source, f.DetailType, f.Time
	e.DataContentType, e.Data, e.DataKind = "application/json", f.Detail, envelope.DataJSON
	return e.Validate(o)
}

// record is what the adapter needs of an S3 event notification record.
type record struct {
	EventSource, AwsRegion, EventTime, EventName string
	ResponseElements                             struct {
		RequestID string `json:"x-amz-request-id"`
		ID2       string `json:"x-amz-id-2"`
	}
	S3 struct {
		Bucket struct{ Name string }
		Object struct{ Key, Sequencer string }
	}
}

// s3 makes an event of each record. The records of one request share its ids, so that where there are several each id
// gets the object's sequencer, or its key where there is none, which keeps it the same for every delivery.
func s3(next func() *envelope.Event, records []json.RawMessage, o envelope.Options) error {
	parsed := make([]record, len(records))
	for i, raw := range records {
		r := &parsed[i]
		if json.Unmarshal(raw, r) != nil || r.S3.Bucket.Name == "" || r.EventName == "" || r.EventSource == "" {
			return errNoSign
		}
	}
	seen := map[string]struct{}{}
	for i := range parsed {
		r := &parsed[i]
		e := next()
		if r.ResponseElements.RequestID == "" {
			return &envelope.AttributeError{Attribute: "id", Rule: "cannot be made: record " + strconv.Itoa(i) + " has no x-amz-request-id"}
		}
		e.ID = r.ResponseElements.RequestID + "." + r.ResponseElements.ID2
		if len(records) > 1 {
			unique := r.S3.Object.Sequencer
			if unique == "" {
				unique = r.S3.Object.Key
			}
			e.ID += "." + unique
		}
		e.Source = r.EventSource + "." + r.AwsRegion + "." + r.S3.Bucket.Name
		e.Type, e.Subject, e.Time = "com.amazonaws.s3."+strings.TrimPrefix(r.EventName, "s3:"), r.S3.Object.Key, r.EventTime
		e.DataContentType, e.Data, e.DataKind = "application/json", slices.Clip(records[i]), envelope.DataJSON
		if _, twice := seen[e.ID]; twice {
			e.ID += "." + r.S3.Object.Key
		}
		seen[e.ID] = struct{}{}
		if err := e.Validate(o); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
	}
	return nil
}

// resetContent empties an event and keeps what the source knows of its message.
func resetContent(e *envelope.Event) {
	meta, key := e.Meta, e.Key
	e.Meta.Headers = nil // so that Reset does not clear the headers that meta holds
	e.Reset()
	e.Meta, e.Key = meta, key
}
