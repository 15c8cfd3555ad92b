package sqs

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/eventrouter/router/envelope"
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
)

func TestAdapters(t *testing.T) {
	s3One := `specversion=1.0 id=REQ.ID2 source=aws:s3.eu-west-1.pics type=com.amazonaws.s3.ObjectCreated:Put subject=a%2Bb.png ` +
		`time=2026-01-02T03:04:05.000Z dct=application/json data=` + quote(s3Record)
	bridged := `specversion=1.0 id=7bf7 source=aws.ec2 type=EC2 Instance State-change Notification time=2026-01-02T03:04:05Z ` +
		`dct=application/json data="{\"state\": \"running\"}"`
	for _, tc := range []struct {
		name, body string
		on         []string
		want       []string // of show; nil for no event at all
		err        string
	}{
		{"E14 SNS around an event", snsEnvelope(jsonEvent), []string{"sns"}, []string{`specversion=1.0 id=1 source=/s type=t n=5 dct= data="{\"a\":1}"`}, ""},
		{"SNS around text", snsEnvelope("hello"), []string{"sns"}, []string{
			`specversion=1.0 id=sns-1 source=arn:aws:sns:eu-west-1:1:orders type=com.amazonaws.sns.Notification subject=Hi ` +
				`time=2026-01-02T03:04:05.678Z dct=application/json data=` + quote(snsEnvelope("hello")),
		}, ""},
		{"SNS around S3", snsEnvelope(`{"Records":[` + s3Record + `]}`), []string{"sns", "s3"}, []string{s3One}, ""},
		{"SNS around EventBridge", snsEnvelope(bridge), []string{"sns", "eventbridge"}, []string{bridged}, ""},
		{"SNS around an event that breaks a rule", snsEnvelope(`{"specversion":"1.0","id":""}`), []string{"sns"}, nil, "id: "},
		{
			"SNS subscription", `{"Type":"SubscriptionConfirmation","MessageId":"m","TopicArn":"arn:x","Message":"You","Subject":"no","Timestamp":"2026-01-02T03:04:05Z"}`,
			[]string{"sns"},
			[]string{`specversion=1.0 id=m source=arn:x type=com.amazonaws.sns.SubscriptionConfirmation time=2026-01-02T03:04:05Z dct=application/json data=` +
				quote(`{"Type":"SubscriptionConfirmation","MessageId":"m","TopicArn":"arn:x","Message":"You","Subject":"no","Timestamp":"2026-01-02T03:04:05Z"}`)},
			"",
		},
		{"SNS not named", snsEnvelope(jsonEvent), []string{"s3", "eventbridge"}, nil, "not a CloudEvent"},
		{"EventBridge", bridge, []string{"eventbridge"}, []string{bridged}, ""},
		{"EventBridge not named", bridge, []string{"sns"}, nil, "not a CloudEvent"},
		{"S3", `{"Records":[` + s3Record + `]}`, []string{"s3"}, []string{s3One}, ""},
		{"S3, two records of one request", `{"Records":[` + s3Record + `,` + s3Second + `]}`, []string{"s3"}, []string{
			strings.Replace(s3One, "REQ.ID2", "REQ.ID2.0055", 1),
			`specversion=1.0 id=REQ.ID2.0055.c.png source=aws:s3.eu-west-1.pics type=com.amazonaws.s3.ObjectRemoved:Delete subject=c.png ` +
				`time=2026-01-02T03:04:05.000Z dct=application/json data=` + quote(s3Second),
		}, ""},
		{"S3 test message", `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:04:05Z","Bucket":"b"}`, []string{"s3"}, nil, "is the test message"},
		{"Records of something else", `{"Records":[{"a":1}]}`, []string{"s3"}, nil, "not a CloudEvent"},
		{"S3, a bad record", `{"Records":[` + s3Record + `,` + strings.Replace(s3Second, "2026-01", "2026-13", 1) + `]}`, []string{"s3"}, nil, "record 1: "},
		{"text", `hello`, []string{"sns", "s3", "eventbridge"}, nil, "not a CloudEvent"},
		{"broken JSON", `{"Type":`, []string{"sns", "s3", "eventbridge"}, nil, "not a CloudEvent"},
	} {
		a, err := parseAdapters(tc.on)
		if err != nil {
			t.Fatal(err)
		}
		var events []*envelope.Event
		next := func() *envelope.Event {
			events = append(events, new(envelope.Event))
			return events[len(events)-1]
		}
		err = a.adapt(next, tc.body, envelope.Options{})
		if tc.err != "" || err != nil {
			if err == nil || tc.err == "" || !strings.HasPrefix(err.Error(), tc.err) {
				t.Errorf("%s: error %v, want %q", tc.name, err, tc.err)
			}
			if (tc.err == "not a CloudEvent") != errors.Is(err, envelope.ErrNotCloudEvent) {
				t.Errorf("%s: the class of %v is wrong", tc.name, err)
			}
			continue
		}
		var got []string
		for _, e := range events {
			got = append(got, show(e))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s:\n got %q\nwant %q", tc.name, got, tc.want)
		}
	}
	if _, err := parseAdapters([]string{"sns", "kinesis"}); err == nil {
		t.Error("an unknown adapter was accepted")
	}
}

func quote(s string) string {
	b := strings.Builder{}
	b.WriteByte('"')
	b.WriteString(strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`))
	b.WriteByte('"')
	return b.String()
}
