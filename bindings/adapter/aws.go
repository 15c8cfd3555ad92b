package adapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// maxRecords is the most records of one S3 notification: what stands in a message of 1 MiB is fewer. A message of
// records that are next to empty would take many times its own memory.
const maxRecords = 4096

// foreign is a message of an AWS service; which members are there tells which.
type foreign struct {
	// SNS
	Type, Message, Subject, Timestamp string
	MessageID                         string `json:"MessageId"`
	TopicArn                          string
	MessageAttributes                 map[string]snsAttribute
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
}

// snsAttribute is a message attribute as a notification has it.
type snsAttribute struct{ Type, Value string }

// text returns the value. SNS writes binary ones in base64, which no attribute of an event is.
func (a snsAttribute) text() (text string, isText bool) { return a.Value, a.Type != "Binary" }

const notification = "Notification"

func (f *foreign) isSNS() bool {
	known := f.Type == notification || f.Type == "SubscriptionConfirmation" || f.Type == "UnsubscribeConfirmation"
	return known && f.MessageID != "" && f.TopicArn != ""
}

func (f *foreign) isEventBridge() bool {
	return f.DetailType != "" && f.ID != "" && f.Source != "" && len(f.Detail) > 0
}

func (c *conversion) convert(f *foreign) error {
	if c.sns && f.isSNS() {
		return c.notification(f)
	}
	return c.direct(f)
}

// direct handles what is not SNS.
func (c *conversion) direct(f *foreign) error {
	switch {
	case c.eventBridge && f.isEventBridge():
		e := c.next()
		e.ID, e.Source, e.Type, e.Time = f.ID, f.Source, f.DetailType, f.Time
		e.DataContentType, e.Data, e.DataKind = "application/json", f.Detail, envelope.DataJSON
		return e.Validate(c.Options)
	case c.s3 && f.Event == "s3:TestEvent" && f.Service == "Amazon S3":
		return &envelope.AttributeError{Rule: "is the test message that S3 sends when notifications are configured, not a notification"}
	case c.s3 && len(f.Records) > 0:
		return c.records(f.Records)
	}
	return envelope.ErrNotCloudEvent
}

// notification takes the message out of an SNS envelope. What is inside is an event, the message of another adapter, or
// neither, and then the notification itself becomes the event.
func (c *conversion) notification(f *foreign) error {
	if f.Type == notification {
		if err := c.unwrap(f); !errors.Is(err, envelope.ErrNotCloudEvent) {
			return err
		}
		c.taken = false
	}
	e := c.next()
	e.ID, e.Source, e.Type = f.MessageID, f.TopicArn, "com.amazonaws.sns."+f.Type
	if c.Subscription != "" && f.Type != "SubscriptionConfirmation" {
		e.Source = c.Subscription
	}
	e.Time, e.DataContentType, e.Data = f.Timestamp, "application/json", c.Body
	if f.Type == notification {
		e.Subject = f.Subject
	}
	return e.Validate(c.Options)
}

// unwrap makes events of what a notification carries, as if it had come by itself.
func (c *conversion) unwrap(f *foreign) error {
	attributes := Attributes[snsAttribute]{Values: f.MessageAttributes, Text: snsAttribute.text}
	if err := attributes.Decode(c.next(), f.Message, c.Options); !errors.Is(err, envelope.ErrNotCloudEvent) {
		return err
	}
	c.taken = false
	var inner foreign
	if parse(envelope.Bytes(f.Message), &inner) != nil {
		return envelope.ErrNotCloudEvent
	}
	return c.direct(&inner)
}

// record is what is needed of an S3 event notification record.
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

// records makes an event of each record.
func (c *conversion) records(raw []json.RawMessage) error {
	if len(raw) > maxRecords {
		return &envelope.AttributeError{Rule: "is a notification of more than " + strconv.Itoa(maxRecords) + " records"}
	}
	parsed := make([]record, len(raw))
	for i := range raw {
		r := &parsed[i]
		if json.Unmarshal(raw[i], r) != nil || r.S3.Bucket.Name == "" || r.EventName == "" || r.EventSource == "" {
			return envelope.ErrNotCloudEvent
		}
	}
	for i := range parsed {
		r := &parsed[i]
		if r.ResponseElements.RequestID == "" {
			return &envelope.AttributeError{Attribute: "id", Rule: "cannot be made: record " + strconv.Itoa(i) + " has no x-amz-request-id"}
		}
		e := c.next()
		r.fill(e, len(raw) > 1)
		e.Data = slices.Clip(raw[i])
		if err := e.Validate(c.Options); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
	}
	return nil
}

// fill writes a record's attributes into e. The specification makes the id of the request's two ids. A request that
// removes many objects sends a record for each, together or one by one, all with the same ids: two events would be one to
// whoever goes by source and id. So the id gets the object's sequencer and key too, unless the record is the only one and
// says that an object was created, which takes a request of its own. The id is the same for every delivery.
func (r *record) fill(e *envelope.Event, several bool) {
	e.ID = r.ResponseElements.RequestID + "." + r.ResponseElements.ID2
	if several || !strings.HasPrefix(strings.TrimPrefix(r.EventName, "s3:"), "ObjectCreated:") {
		if r.S3.Object.Sequencer != "" {
			e.ID += "." + r.S3.Object.Sequencer
		}
		e.ID += "." + r.S3.Object.Key
	}
	e.Source = r.EventSource + "." + r.AwsRegion + "." + r.S3.Bucket.Name
	e.Type, e.Subject, e.Time = "com.amazonaws.s3."+strings.TrimPrefix(r.EventName, "s3:"), r.S3.Object.Key, r.EventTime
	e.DataContentType, e.DataKind = "application/json", envelope.DataJSON
}
