package fakesqs_test

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/eventrouter/router/internal/testbroker/fakesqs"
)

// options are those of a client that talks to the server by rt and never retries.
func options(s *fakesqs.Server, rt nethttp.RoundTripper) awssqs.Options {
	return awssqs.Options{
		Region: fakesqs.Region, BaseEndpoint: aws.String(s.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""), HTTPClient: &nethttp.Client{Transport: rt},
	}
}

// client returns an SDK client, which checks every MD5 sum, over a real socket.
func client(t *testing.T, s *fakesqs.Server) *awssqs.Client {
	tr := &nethttp.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return awssqs.New(options(s, tr))
}

func send(t *testing.T, c *awssqs.Client, url, body string, group string) *awssqs.SendMessageOutput {
	t.Helper()
	in := &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}
	if group != "" {
		in.MessageGroupId, in.MessageDeduplicationId = &group, &body
	}
	out, err := c.SendMessage(t.Context(), in)
	if err != nil {
		t.Fatalf("send %q: %v", body, err)
	}
	return out
}

func receive(t *testing.T, c *awssqs.Client, url string, visibility, wait int32) []types.Message {
	t.Helper()
	out, err := c.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: visibility, WaitTimeSeconds: wait,
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return out.Messages
}

func bodies(msgs []types.Message) string {
	var out []string
	for _, m := range msgs {
		out = append(out, *m.Body)
	}
	return strings.Join(out, ",")
}

func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestReceiveCountsAndHandles(t *testing.T) {
	s := fakesqs.New(t)
	c := client(t, s)
	url := s.CreateQueue(t, "q", nil)
	_, err := c.SendMessage(t.Context(), &awssqs.SendMessageInput{
		QueueUrl: &url, MessageBody: aws.String("hello"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"a": {DataType: aws.String("String"), StringValue: aws.String("é")},
			"b": {DataType: aws.String("Binary.x"), BinaryValue: []byte{0, 1}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	first := receive(t, c, url, 10, 0)
	if len(first) != 1 || first[0].Attributes["ApproximateReceiveCount"] != "1" || *first[0].MessageAttributes["a"].StringValue != "é" {
		t.Fatalf("first receive = %+v", first)
	}
	if got := receive(t, c, url, 10, 0); len(got) != 0 {
		t.Fatalf("a message in flight was received again: %v", bodies(got))
	}
	s.Advance(10 * time.Second)
	second := receive(t, c, url, 10, 0)
	if len(second) != 1 || second[0].Attributes["ApproximateReceiveCount"] != "2" || *second[0].ReceiptHandle == *first[0].ReceiptHandle {
		t.Fatalf("second receive = %+v", second)
	}
	if _, err := c.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: first[0].ReceiptHandle}); err != nil {
		t.Errorf("delete with a stale handle: %v, want success", err)
	}
	if got := s.Deleted("q"); got != 0 {
		t.Errorf("a stale handle deleted %d messages", got)
	}
	_, err = c.ChangeMessageVisibility(t.Context(), &awssqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: first[0].ReceiptHandle, VisibilityTimeout: 5})
	if code(err) != "InvalidParameterValue" {
		t.Errorf("visibility with a stale handle: %v", err)
	}
	if _, err := c.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: second[0].ReceiptHandle}); err != nil || s.Deleted("q") != 1 {
		t.Errorf("delete: %v, deleted %d", err, s.Deleted("q"))
	}
	if _, err := c.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: aws.String("rubbish")}); code(err) != "ReceiptHandleIsInvalid" {
		t.Errorf("delete with rubbish: %v", err)
	}
}

func TestFIFO(t *testing.T) {
	s := fakesqs.New(t)
	c := client(t, s)
	url := s.CreateQueue(t, "q.fifo", nil)
	one := send(t, c, url, "a1", "a")
	again := send(t, c, url, "a1", "a")
	if *one.MessageId != *again.MessageId || *one.SequenceNumber != *again.SequenceNumber {
		t.Error("the deduplicated send got another message id or sequence number")
	}
	send(t, c, url, "a2", "a")
	send(t, c, url, "b1", "b")
	got := receive(t, c, url, 30, 0)
	if want := "a1,a2,b1"; bodies(got) != want {
		t.Fatalf("received %s, want %s", bodies(got), want)
	}
	send(t, c, url, "a3", "a")
	send(t, c, url, "c1", "c")
	if more := receive(t, c, url, 30, 0); bodies(more) != "c1" {
		t.Errorf("received %s while group a is locked, want c1", bodies(more))
	}
	if _, err := c.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: got[0].ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	if more := receive(t, c, url, 30, 0); len(more) != 0 {
		t.Errorf("received %s, but a2 still locks the group", bodies(more))
	}
	s.Advance(31 * time.Second)
	if _, err := c.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: got[1].ReceiptHandle}); code(err) != "InvalidParameterValue" {
		t.Errorf("delete with an expired FIFO handle: %v", err)
	}
	if more := receive(t, c, url, 30, 0); bodies(more) != "a2,b1,a3,c1" {
		t.Errorf("after expiry received %s", bodies(more))
	}
	s.Advance(6 * time.Minute)
	if late := send(t, c, url, "a1", "a"); *late.MessageId == *one.MessageId {
		t.Error("deduplicated after the window")
	}
}

func TestLongPollWakesOnSendAndOnVisibility(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakesqs.NewUnbound()
		c := awssqs.New(options(s, s.RoundTripper()))
		url := s.CreateQueue(t, "q", nil)
		start := time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			send(t, c, url, "x", "")
		}()
		if got := receive(t, c, url, 5, 20); bodies(got) != "x" || time.Since(start) != 3*time.Second {
			t.Errorf("received %q after %v, want x after 3s", bodies(got), time.Since(start))
		}
		if got := receive(t, c, url, 5, 20); bodies(got) != "x" || time.Since(start) != 8*time.Second {
			t.Errorf("received %q after %v, want x again after 8s", bodies(got), time.Since(start))
		}
		if got := receive(t, c, url, 5, 2); len(got) != 0 || time.Since(start) != 10*time.Second {
			t.Errorf("received %q after %v, want nothing after 10s", bodies(got), time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.CreateQueue(t, "empty", nil)
		if _, err := c.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{QueueUrl: aws.String(s.URL() + "/0/empty"), WaitTimeSeconds: 20}); err == nil {
			t.Error("a cancelled poll succeeded")
		}
	})
}

func TestLimits(t *testing.T) {
	s := fakesqs.New(t)
	c := client(t, s)
	url := s.CreateQueue(t, "q", nil)
	small := s.CreateQueue(t, "small", map[string]string{"MaximumMessageSize": "1024"})
	attrs := map[string]types.MessageAttributeValue{}
	for i := range 11 {
		attrs[fmt.Sprint("a", i)] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("v")}
	}
	str := func(v string) map[string]types.MessageAttributeValue {
		return map[string]types.MessageAttributeValue{"a": {DataType: aws.String("String"), StringValue: &v}}
	}
	for _, tc := range []struct {
		name, url, body string
		attrs           map[string]types.MessageAttributeValue
		want            string
	}{
		{"exactly 1 MiB", url, strings.Repeat("x", 1<<20), nil, "<nil>"},
		{"one byte more", url, strings.Repeat("x", 1<<20+1), nil, "InvalidParameterValue"},
		{"attributes count", small, strings.Repeat("x", 1024-8), str("v"), "<nil>"},
		{"attributes count too much", small, strings.Repeat("x", 1024-7), str("v"), "InvalidParameterValue"},
		{"eleven attributes", url, "x", attrs, "InvalidParameterValue"},
		{"empty value", url, "x", str(""), "InvalidParameterValue"},
		{"NUL", url, "a\x00b", nil, "InvalidMessageContents"},
		{"vertical tab", url, "a\x0bb", nil, "InvalidMessageContents"},
		{"noncharacter", url, "a\uffffb", nil, "InvalidMessageContents"},
		{"unknown queue", url + "x", "a", nil, "QueueDoesNotExist"},
	} {
		_, err := c.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &tc.url, MessageBody: &tc.body, MessageAttributes: tc.attrs})
		if got := code(err); got != tc.want && (tc.want != "QueueDoesNotExist" || !strings.HasSuffix(got, "NonExistentQueue")) {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
	half := strings.Repeat("x", 600<<10)
	_, err := c.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("0"), MessageBody: &half}, {Id: aws.String("1"), MessageBody: &half},
	}})
	if _, ok := errors.AsType[*types.BatchRequestTooLong](err); !ok {
		t.Errorf("batch above 1 MiB: %v", err)
	}
	out, err := c.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("0"), MessageBody: aws.String("ok")}, {Id: aws.String("1"), MessageBody: aws.String("\x01")},
	}})
	if err != nil || len(out.Successful) != 1 || len(out.Failed) != 1 || !out.Failed[0].SenderFault {
		t.Errorf("batch with one bad entry: %+v, %v", out, err)
	}
}

func TestRedrive(t *testing.T) {
	s := fakesqs.New(t)
	c := client(t, s)
	dead := s.CreateQueue(t, "dead", nil)
	url := s.CreateQueue(t, "q", map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":"2"}`,
	})
	send(t, c, url, "x", "")
	for range 2 {
		if got := receive(t, c, url, 1, 0); len(got) != 1 {
			t.Fatal("not received")
		}
		s.Advance(time.Second)
	}
	if got := receive(t, c, url, 1, 0); len(got) != 0 {
		t.Fatal("received a third time")
	}
	if got := receive(t, c, dead, 1, 0); len(got) != 1 || got[0].Attributes["DeadLetterQueueSourceArn"] == "" {
		t.Errorf("dead-letter queue has %v", bodies(got))
	}
}

func TestFaults(t *testing.T) {
	s := fakesqs.New(t)
	c := client(t, s)
	url := s.CreateQueue(t, "q", nil)
	var seen fakesqs.Call
	s.OnCall("SendMessageBatch", func(call fakesqs.Call) *fakesqs.Fault {
		seen = call
		return &fakesqs.Fault{Entries: map[int]fakesqs.Outcome{
			1: {Answer: fakesqs.AnswerFailed, Code: "InternalError"},
			2: {Answer: fakesqs.AnswerMissing, Performed: true},
			3: {Answer: fakesqs.AnswerUnknown, Performed: true},
			4: {Answer: fakesqs.AnswerBoth, Performed: true, Code: "InternalError"},
		}}
	})
	in := &awssqs.SendMessageBatchInput{QueueUrl: &url}
	for i := range 5 {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(fmt.Sprint("m", i))})
	}
	out, err := c.SendMessageBatch(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var ok, failed []string
	for _, e := range out.Successful {
		ok = append(ok, *e.Id)
	}
	for _, e := range out.Failed {
		failed = append(failed, *e.Id)
	}
	if got := fmt.Sprint(ok, failed); got != "[0 unknown-3 4] [1 4]" {
		t.Errorf("answer = %s", got)
	}
	if got := s.Bodies("q"); !slices.Equal(got, []string{"m0", "m2", "m3", "m4"}) {
		t.Errorf("performed = %v", got)
	}
	if seen.Queue != "q" || seen.Number != 1 || len(seen.Entries) != 5 || seen.Entries[2].Body != "m2" || s.Calls("SendMessageBatch") != 1 {
		t.Errorf("call = %+v", seen)
	}
	s.OnCall("SendMessage", func(fakesqs.Call) *fakesqs.Fault { return &fakesqs.Fault{LostAnswer: true} })
	if _, err := c.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("lost")}); err == nil {
		t.Error("an answer arrived that should have been lost")
	}
	if got := s.Bodies("q"); got[len(got)-1] != "lost" {
		t.Error("the call with the lost answer was not performed")
	}
	s.OnCall("SendMessage", func(fakesqs.Call) *fakesqs.Fault {
		return &fakesqs.Fault{Err: &fakesqs.Error{Shape: "ServiceUnavailable", Status: 503}}
	})
	if _, err := c.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")}); code(err) != "ServiceUnavailable" {
		t.Errorf("scripted error: %v", err)
	}
}

func TestVisibilityLimits(t *testing.T) {
	s := fakesqs.New(t)
	c := client(t, s)
	url := s.CreateQueue(t, "q", nil)
	send(t, c, url, "x", "")
	m := receive(t, c, url, 100, 0)[0]
	change := func(seconds int32) error {
		_, err := c.ChangeMessageVisibility(t.Context(), &awssqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
		return err
	}
	s.Advance(50 * time.Second)
	if got := code(change(43200)); got != "InvalidParameterValue" {
		t.Errorf("beyond 12 hours from receipt: %s", got)
	}
	if err := change(0); err != nil {
		t.Fatal(err)
	}
	if got := code(change(10)); !strings.HasSuffix(got, "MessageNotInflight") {
		t.Errorf("visible again: %s", got)
	}
	if got := receive(t, c, url, 10, 0); len(got) != 1 {
		t.Error("visibility 0 did not make the message visible")
	}
}
