package bindingtest

import (
	"fmt"
	"strings"
)

// Messages that are no CloudEvents, for the adapters of sources.
const (
	// EventBridgeEvent has the id 7bf7 and begins with white space.
	EventBridgeEvent = ` {"id":"7bf7","detail-type":"State Change","source":"aws.ec2","time":"2026-01-02T03:04:05Z","detail":{"n": 1.0e0}}`
	// S3TestMessage is what S3 sends once, and no notification.
	S3TestMessage = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:04:05Z","Bucket":"b"}`
)

// S3Notification returns a notification of n objects that one request created, with the keys k0, k1 and so on.
func S3Notification(request string, n int) string {
	var records []string
	for i := range n {
		records = append(records, fmt.Sprintf(`{"eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-01-02T03:04:05Z",`+
			`"eventName":"ObjectCreated:Put","responseElements":{"x-amz-request-id":"%s","x-amz-id-2":"x"},`+
			`"s3":{"bucket":{"name":"pics"},"object":{"key":"k%d","sequencer":"%d"}}}`, request, i, i))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

// SNSNotification returns a notification around a message that needs no escapes.
func SNSNotification(message string) string {
	return `{"Type":"Notification","MessageId":"sns-1","TopicArn":"arn:aws:sns:eu-west-1:1:orders","Timestamp":"2026-01-02T03:04:05Z",` +
		`"Message":` + fmt.Sprintf("%q", message) + `}`
}
