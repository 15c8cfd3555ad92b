package sqs

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
)

func snsEnvelope(message string) string {
	b, err := json.Marshal(map[string]any{
		"Type": "Notification", "MessageId": "sns-1", "TopicArn": "arn:aws:sns:eu-west-1:1:orders", "Subject": "Hi",
		"Message": message, "Timestamp": "2026-01-02T03:04:05.678Z", "SignatureVersion": "1", "Signature": "x",
		"MessageAttributes": map[string]any{"shop": map[string]string{"Type": "String", "Value": "eu"}},
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

const (
	s3Record = `{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-01-02T03:04:05.000Z",` +
		`"eventName":"ObjectCreated:Put","responseElements":{"x-amz-request-id":"REQ","x-amz-id-2":"ID2"},` +
		`"s3":{"bucket":{"name":"pics"},"object":{"key":"a%2Bb.png","sequencer":"0055"}}}`
	s3Second = `{"eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-01-02T03:04:05.000Z",` +
		`"eventName":"ObjectRemoved:Delete","responseElements":{"x-amz-request-id":"REQ","x-amz-id-2":"ID2"},` +
		`"s3":{"bucket":{"name":"pics"},"object":{"key":"c.png","sequencer":"0055"}}}`
	bridge = `{"version":"0","id":"7bf7","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"1",` +
		`"time":"2026-01-02T03:04:05Z","region":"eu-west-1","resources":[],"detail":{"state": "running"}}`
	s3Test = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:04:05Z","Bucket":"b"}`
)

// What each body becomes is the table of package adapter; this is that the source asks for it, and when.
func TestAdapters(t *testing.T) {
	for _, tc := range []struct {
		name, on, body string
		want           string // ids; * for a malformed event
	}{
		{"an event", "sns eventbridge s3", jsonEvent, "1"},
		{"SNS around an event", "sns", snsEnvelope(jsonEvent), "1"},
		{"SNS around text", "sns", snsEnvelope("hello"), "sns-1"},
		{"SNS around S3", "sns s3", snsEnvelope(`{"Records":[` + s3Record + `,` + s3Second + `]}`), "REQ.ID2.0055.a%2Bb.png REQ.ID2.0055.c.png"},
		{"EventBridge", "eventbridge", " \n" + bridge, "7bf7"},
		{"S3's test message", "s3", s3Test, "*"},
		{"SNS, not named", "s3", snsEnvelope(jsonEvent), "*"},
		{"nothing named", "", bridge, "*"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t, SourceConfig{Queue: "q"}, bindings.SourceSettings{Adapters: strings.Fields(tc.on)})
			h.putBodies(tc.body)
			h.run()
			h.wait(time.Second)
			h.end()
			var got []string
			for _, d := range h.deliveries() {
				if d.event.Malformed != nil {
					d.id = "*"
				}
				got = append(got, d.id)
			}
			if ids := strings.Join(got, " "); ids != tc.want || h.server.Deleted("q") != 1 {
				t.Errorf("%s: got %s and %d messages deleted, want %s", tc.name, ids, h.server.Deleted("q"), tc.want)
			}
		})
	}
}

// A batch that is used again has forgotten which messages were several events.
func TestRecycledBatchForgetsItsMessages(t *testing.T) {
	r := &run{}
	b := r.newBatch()
	b.msgs, b.spans = append(b.msgs, &held{}), b.spans.Add(0, 3)
	b.recycle()
	if len(b.msgs) != 0 || len(b.spans) != 0 {
		t.Errorf("%d messages and %v are left", len(b.msgs), b.spans)
	}
}
