package adapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

const (
	jsonEvent = `{"specversion":"1.0","id":"1","source":"/s","type":"t","n":5,"data":{"a":1}}`
	s3Record  = `{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-01-02T03:04:05.000Z",` +
		`"eventName":"ObjectCreated:Put","responseElements":{"x-amz-request-id":"REQ","x-amz-id-2":"ID2"},` +
		`"s3":{"bucket":{"name":"pics"},"object":{"key":"a%2Bb.png","sequencer":"0055"}}}`
	s3Second = `{"eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-01-02T03:04:05.000Z",` +
		`"eventName":"ObjectRemoved:Delete", "responseElements":{"x-amz-request-id":"REQ","x-amz-id-2":"ID2"},` +
		`"s3":{"bucket":{"name":"pics"},"object":{"key":"c.png","sequencer":"0055"}}}`
	bridge = `{"version":"0","id":"7bf7","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"1",` +
		`"time":"2026-01-02T03:04:05Z","region":"eu-west-1","resources":[],"detail":{"state": "running", "n":1.0e0}}`
	s3Test  = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:04:05Z","Bucket":"b"}`
	confirm = `{"Type":"SubscriptionConfirmation","MessageId":"m","TopicArn":"arn:x","Message":"You","Subject":"no",` +
		`"Token":"2336","SubscribeURL":"https://sns.example/?Action=ConfirmSubscription","Timestamp":"2026-01-02T03:04:05Z"}`
	subscription = "arn:aws:sns:eu-west-1:1:orders:8f2c"
)

// sns returns a notification around a message, with attributes given as name, type, value.
func sns(message string, attributes ...string) string {
	attrs := map[string]any{}
	for i := 0; i < len(attributes); i += 3 {
		attrs[attributes[i]] = map[string]string{"Type": attributes[i+1], "Value": attributes[i+2]}
	}
	b, err := json.Marshal(map[string]any{
		"Type": "Notification", "MessageId": "sns-1", "TopicArn": "arn:aws:sns:eu-west-1:1:orders", "Subject": "Hi",
		"Message": message, "Timestamp": "2026-01-02T03:04:05.678Z", "SignatureVersion": "1", "Signature": "x",
		"MessageAttributes": attrs,
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// records returns an S3 notification.
func records(r ...string) string { return `{"Records":[` + strings.Join(r, ",") + `]}` }

// show prints what an event says, for comparison.
func show(e *envelope.Event) string {
	var b strings.Builder
	for name, value := range e.Attributes {
		fmt.Fprintf(&b, "%s=%s ", name, value)
	}
	fmt.Fprintf(&b, "dct=%s data=%s", e.DataContentType, e.Data)
	return b.String()
}

// set returns the adapters of those names.
func set(t testing.TB, names string) Set {
	t.Helper()
	s, err := Parse(strings.Fields(names))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// vain returns a batch whose last event was decoded in vain.
func vain() *bindings.Batch {
	b := bindings.NewBatch(nil, 1)
	e := b.Add()
	e.Type, e.Subject, e.DataSchema, e.Key = "left over", "left over", "/left/over", []byte("k")
	e.AddExtension("left", "over", envelope.KindString)
	e.Meta.Channel = "c"
	e.Meta.Headers = append(e.Meta.Headers, envelope.Header{Name: "trace", Value: []byte("x")})
	return b
}

// errVain is what a codec says of a message that is none of its own.
var errVain = fmt.Errorf("%w: no sign", envelope.ErrNotCloudEvent)

func TestAdapters(t *testing.T) {
	const all = "sns eventbridge s3"
	inner := `specversion=1.0 id=1 source=/s type=t n=5 dct= data={"a":1}`
	s3One := `specversion=1.0 id=REQ.ID2 source=aws:s3.eu-west-1.pics type=com.amazonaws.s3.ObjectCreated:Put subject=a%2Bb.png ` +
		`time=2026-01-02T03:04:05.000Z dct=application/json data=` + s3Record
	s3Two := []string{
		strings.Replace(s3One, "REQ.ID2", "REQ.ID2.0055.a%2Bb.png", 1),
		`specversion=1.0 id=REQ.ID2.0055.c.png source=aws:s3.eu-west-1.pics type=com.amazonaws.s3.ObjectRemoved:Delete subject=c.png ` +
			`time=2026-01-02T03:04:05.000Z dct=application/json data=` + s3Second,
	}
	bridged := `specversion=1.0 id=7bf7 source=aws.ec2 type=EC2 Instance State-change Notification time=2026-01-02T03:04:05Z ` +
		`dct=application/json data={"state": "running", "n":1.0e0}`
	// notified is the notification itself as an event.
	notified := func(source, body string) []string {
		return []string{`specversion=1.0 id=sns-1 source=` + source + ` type=com.amazonaws.sns.Notification subject=Hi ` +
			`time=2026-01-02T03:04:05.678Z dct=application/json data=` + body}
	}
	confirmed := func(source, kind, body string) []string {
		return []string{`specversion=1.0 id=m source=` + source + ` type=com.amazonaws.sns.` + kind + ` time=2026-01-02T03:04:05Z ` +
			`dct=application/json data=` + body}
	}
	goodbye := strings.Replace(confirm, "SubscriptionConfirmation", "UnsubscribeConfirmation", 1)
	const topic = "arn:aws:sns:eu-west-1:1:orders"
	for _, tc := range []struct {
		name, on, body, subscription string
		want                         []string
		err                          string // where no event comes of it
	}{
		{"E14 SNS around an event", "sns", sns(jsonEvent), "", []string{inner}, ""},
		{"SNS around an event, over HTTP", "sns", sns(jsonEvent), subscription, []string{inner}, ""},
		{"SNS around an event with white space", "sns", " \r\n\t" + sns("\n "+jsonEvent), "", []string{inner}, ""},
		{
			"SNS around a structured event", "sns", sns(jsonEvent, "content-type", "String", "application/cloudevents+json"), "",
			[]string{inner},
			"",
		},
		{
			"SNS around a binary event", "sns", sns("<x/>", "ce-specversion", "String", "1.0", "ce-id", "String", "1", "ce-source", "String", "/s",
				"ce-type", "String", "t", "ce-n", "Number", "5", "content-type", "String", "text/xml", "shop", "String", "eu"), "",
			[]string{`specversion=1.0 id=1 source=/s type=t n=5 dct=text/xml data=<x/>`},
			"",
		},
		{
			"SNS around a binary event with bytes for an attribute", "sns", sns("x", "ce-specversion", "String", "1.0", "ce-id", "Binary", "MQ=="), "",
			nil, "ce-id: must be of type String",
		},
		{"SNS around text", "sns", sns("hello"), "", notified(topic, sns("hello")), ""},
		{"SNS around text, over HTTP", "sns", sns("hello"), subscription, notified(subscription, sns("hello")), ""},
		{"SNS around text keeps its white space", "sns", " " + sns("hello") + "\n", "", notified(topic, " "+sns("hello")+"\n"), ""},
		{"SNS around JSON of something else", all, sns(`{"a":1}`), "", notified(topic, sns(`{"a":1}`)), ""},
		{"SNS around broken JSON", all, sns(`{"a":`), "", notified(topic, sns(`{"a":`)), ""},
		{"SNS around SNS", all, sns(sns("hello")), "", notified(topic, sns(sns("hello"))), ""},
		{"SNS around S3", "sns s3", sns(records(s3Record)), subscription, []string{s3One}, ""},
		{"SNS around S3, two records", "sns s3", sns(records(s3Record, s3Second)), "", s3Two, ""},
		{"SNS around S3, not named", "sns", sns(records(s3Record)), "", notified(topic, sns(records(s3Record))), ""},
		{"SNS around S3's test message", all, sns(s3Test), "", nil, "is the test message"},
		{"SNS around EventBridge", "sns eventbridge", sns(bridge), "", []string{bridged}, ""},
		{"SNS around an event that breaks a rule", "sns", sns(`{"specversion":"1.0","id":""}`), "", nil, "id: "},
		{"SNS without a timestamp that is one", "sns", strings.Replace(sns("x"), "2026-01-02T", "2026-13-02T", 1), "", nil, "time: "},
		{"SNS subscription", "sns", confirm, "", confirmed("arn:x", "SubscriptionConfirmation", confirm), ""},
		{"SNS subscription, over HTTP", "sns", confirm, subscription, confirmed("arn:x", "SubscriptionConfirmation", confirm), ""},
		{"SNS unsubscription", "sns", goodbye, "", confirmed("arn:x", "UnsubscribeConfirmation", goodbye), ""},
		{"SNS unsubscription, over HTTP", "sns", goodbye, subscription, confirmed(subscription, "UnsubscribeConfirmation", goodbye), ""},
		{"SNS of another type", all, strings.Replace(confirm, "SubscriptionConfirmation", "Other", 1), "", nil, "not a CloudEvent"},
		{"SNS without an id", all, `{"Type":"Notification","TopicArn":"arn:x","Message":"m"}`, "", nil, "not a CloudEvent"},
		{"SNS not named", "s3 eventbridge", sns(jsonEvent), "", nil, "not a CloudEvent"},
		{"EventBridge", "eventbridge", bridge, "", []string{bridged}, ""},
		{"EventBridge after white space", "eventbridge", "\n\t " + bridge, "", []string{bridged}, ""},
		{"EventBridge with a source that is no URI", "eventbridge", strings.Replace(bridge, "aws.ec2", "my app", 1), "", nil, "source: "},
		{"EventBridge without a detail", "eventbridge", `{"id":"1","detail-type":"d","source":"s"}`, "", nil, "not a CloudEvent"},
		{"EventBridge not named", "sns", bridge, "", nil, "not a CloudEvent"},
		{"S3", "s3", records(s3Record), "", []string{s3One}, ""},
		{"S3 of an older version", "s3", records(strings.Replace(s3Record, `"Object`, `"s3:Object`, 1)), "", []string{strings.Replace(s3One, `"Object`, `"s3:Object`, 1)}, ""},
		{"S3, a removed object alone", "s3", records(s3Second), "", s3Two[1:], ""},
		{"S3, two records of one request", "s3", " " + records(s3Record, s3Second), "", s3Two, ""},
		{"S3, two records without a sequencer", "s3", strings.ReplaceAll(records(s3Record, s3Second), `,"sequencer":"0055"`, ""), "", []string{
			strings.ReplaceAll(strings.Replace(s3One, "REQ.ID2", "REQ.ID2.a%2Bb.png", 1), `,"sequencer":"0055"`, ""),
			strings.ReplaceAll(strings.Replace(s3Two[1], "REQ.ID2.0055.c.png", "REQ.ID2.c.png", 1), `,"sequencer":"0055"`, ""),
		}, ""},
		{"S3 test message", "s3", s3Test, "", nil, "is the test message"},
		{"S3 test message, not named", "sns eventbridge", s3Test, "", nil, "not a CloudEvent"},
		{"S3, no records", "s3", `{"Records":[]}`, "", nil, "not a CloudEvent"},
		{"S3, too many records", "s3", records(slices.Repeat([]string{s3Record}, maxRecords+1)...), "", nil, "is a notification of more than"},
		{"Records of something else", "s3", `{"Records":[{"a":1}]}`, "", nil, "not a CloudEvent"},
		{"Records of S3 and something else", "s3", records(s3Record, `{"a":1}`), "", nil, "not a CloudEvent"},
		{"S3, a bad record", "s3", records(s3Record, strings.Replace(s3Second, "2026-01", "2026-13", 1)), "", nil, "record 1: "},
		{"S3, a record without a request", "s3", records(strings.Replace(s3Record, "REQ", "", 1)), "", nil, "id: cannot be made"},
		{"text", all, `hello`, "", nil, "not a CloudEvent"},
		{"an array", all, `[` + bridge + `]`, "", nil, "not a CloudEvent"},
		{"nothing", all, ``, "", nil, "not a CloudEvent"},
		{"broken JSON", all, `{"Type":`, "", nil, "not a CloudEvent"},
		{"more than one document", all, bridge + bridge, "", nil, "not a CloudEvent"},
		{"no UTF-8", all, strings.Replace(bridge, "7bf7", "7\xff7", 1), "", nil, "not a CloudEvent"},
		{"nothing named", "", bridge, "", nil, "not a CloudEvent"},
	} {
		b := vain()
		err := set(t, tc.on).Adapt(b, Message{Body: []byte(tc.body), Subscription: tc.subscription, Err: errVain})
		if tc.err != "" || err != nil {
			if err == nil || tc.err == "" || !strings.HasPrefix(err.Error(), tc.err) || len(b.Events) != 1 {
				t.Errorf("%s: error %v and %d events, want %q", tc.name, err, len(b.Events), tc.err)
			}
			if none := tc.err == "not a CloudEvent"; none != errors.Is(err, envelope.ErrNotCloudEvent) || none && !errors.Is(err, errVain) {
				t.Errorf("%s: the class of %v is wrong", tc.name, err)
			}
			continue
		}
		var got []string
		for i := range b.Events {
			e := &b.Events[i]
			got = append(got, show(e))
			if string(e.Key) != "k" || e.Meta.Channel != "c" || len(e.Meta.Headers) != 1 || e.Meta.Headers[0].Name != "trace" {
				t.Errorf("%s: event %d has key %q and %+v", tc.name, i, e.Key, e.Meta)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s:\n got %q\nwant %q", tc.name, got, tc.want)
		}
	}
}

func TestParse(t *testing.T) {
	var field *bindings.FieldError
	if _, err := Parse([]string{"sns", "kinesis"}); !errors.As(err, &field) || field.Field != "adapters" {
		t.Errorf("an unknown adapter gave %v", err)
	}
	if s, err := Parse(nil); err != nil || s != (Set{}) {
		t.Errorf("no names gave %v, %v", s, err)
	}
}

// What a codec has understood, well or badly, is no foreign message.
func TestAdaptLeavesWhatIsAnEvent(t *testing.T) {
	all := set(t, "sns eventbridge s3")
	broken := &envelope.AttributeError{Attribute: "id", Rule: "is required"}
	for _, want := range []error{nil, broken} {
		b := vain()
		if err := all.Adapt(b, Message{Body: []byte(bridge), Err: want}); err != want || b.Events[0].Type != "left over" {
			t.Errorf("got %v and %s, want %v", err, show(&b.Events[0]), want)
		}
	}
}

// A body that the adapters had been shown in vain was refused in words that did not speak of them.
func TestUnknownMessageNamesTheAdapters(t *testing.T) {
	const sorry = "not a CloudEvent: no sign"
	for _, tc := range []struct{ name, on, body, want string }{
		{"broken JSON", "sns s3", `{"Type":`, sorry + "; it is no message of the adapters sns, s3 either: the body is broken JSON at byte 8: unexpected end of JSON input"},
		{"two documents", "eventbridge", bridge + bridge, fmt.Sprintf("%s; it is no message of the adapters eventbridge either: "+
			"the body is broken JSON at byte %d: invalid character '{' after top-level value", sorry, len(bridge)+1)},
		{"text", "s3", "hello", sorry + "; it is no message of the adapters s3 either: the body is no JSON object"},
		{"nothing", "s3", "", sorry + "; it is no message of the adapters s3 either: the body is no JSON object"},
		{"no UTF-8", "s3", "{\"a\":\"\xff\"}", sorry + "; it is no message of the adapters s3 either: the body is not UTF-8"},
		{"another type", "eventbridge", `{"detail-type":5}`, sorry + "; it is no message of the adapters eventbridge either: " +
			"the member detail-type of the body is of the JSON type number, which none of them has there"},
		{"another shape", "sns eventbridge s3", `{"a":1}`, sorry + "; it is no message of the adapters sns, eventbridge, s3 either: " +
			"sns needs Type, MessageId and TopicArn; eventbridge needs detail-type, source, id and detail; " +
			"s3 needs Records, each with eventSource, eventName and a bucket"},
		{"records of something else", "s3", `{"Records":[{"a":1}]}`, sorry + "; it is no message of the adapters s3 either: " +
			"s3 needs Records, each with eventSource, eventName and a bucket"},
		{"no adapter", "", `{"a":1}`, sorry},
	} {
		if err := set(t, tc.on).Adapt(vain(), Message{Body: []byte(tc.body), Err: errVain}); err == nil || err.Error() != tc.want {
			t.Errorf("%s:\n got %v\nwant %s", tc.name, err, tc.want)
		}
	}
}

// A notification whose second record is bad had left the first event of its batch to whatever message came next.
func TestRefusedNotificationLeavesNothingToTheNextEvent(t *testing.T) {
	b := vain()
	err := set(t, "s3").Adapt(b, Message{Body: []byte(records(s3Record, s3Second, strings.Replace(s3Second, "2026-01", "2026-13", 1))), Err: errVain})
	if err == nil || len(b.Events) != 1 {
		t.Fatalf("error %v, %d events", err, len(b.Events))
	}
	for range 2 {
		if e := b.Add(); e.ID != "" || e.Subject != "" || e.Data != nil || e.Key != nil || len(e.Meta.Headers) != 0 || e.Meta.Channel != "" {
			t.Errorf("the next event has %s and %+v", show(e), e.Meta)
		}
	}
}

// The events of a message have headers of their own: each is recycled by itself.
func TestEventsOfOneMessageDoNotShareHeaders(t *testing.T) {
	b := vain()
	if err := set(t, "s3").Adapt(b, Message{Body: []byte(records(s3Record, s3Second)), Err: errVain}); err != nil {
		t.Fatal(err)
	}
	b.Events[0].Reset()
	if h := b.Events[1].Meta.Headers; len(h) != 1 || h[0].Name != "trace" {
		t.Errorf("headers %v", h)
	}
}

func TestSpans(t *testing.T) {
	failed := errors.New("no")
	for _, tc := range []struct {
		counts []int // of events, for each message
		fails  []int // numbers of events
		want   []bool
	}{
		{[]int{1, 1, 1}, []int{1}, []bool{false, true, false}},
		{[]int{1, 3, 1}, []int{3}, []bool{false, true, false}},
		{[]int{3, 1, 1}, []int{3}, []bool{false, true, false}},
		{[]int{3, 1, 2}, []int{0, 5}, []bool{true, false, true}},
		{[]int{2}, []int{1}, []bool{true}},
		{[]int{1, 1, 2}, nil, []bool{false, false, false}},
	} {
		b := bindings.NewBatch(nil, 0)
		var s Spans
		var first []int
		for n, count := range tc.counts {
			first = append(first, len(b.Events))
			for range count {
				b.Add()
			}
			s = s.Add(n, len(b.Events))
		}
		for _, i := range tc.fails {
			b.Fail(i, failed)
		}
		if got := s.Messages(b); got != len(tc.counts) {
			t.Errorf("%v: %d messages", tc.counts, got)
		}
		for n, want := range tc.want {
			if got := s.Err(b, n) != nil; got != want || s.First(n) != first[n] {
				t.Errorf("%v: message %d failed is %v, want %v; first event %d, want %d", tc.counts, n, got, want, s.First(n), first[n])
			}
		}
	}
}

func FuzzAdapt(f *testing.F) {
	for _, body := range []string{
		jsonEvent, sns(jsonEvent), sns("x", "ce-specversion", "String", "1.0", "ce-id", "String", "1", "ce-source", "String", "/s", "ce-type", "String", "t"),
		sns(records(s3Record, s3Second)), sns(bridge), confirm, " " + bridge, records(s3Record, s3Second), s3Test,
		`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}`,
		`{"version":"0","id":"1","detail-type":"d","source":"aws.ec2","time":"2026-01-02T03:04:05Z","detail":{"a":[1]}}`,
	} {
		f.Add([]byte(body), "")
		f.Add([]byte(body), subscription)
	}
	all := set(f, "sns eventbridge s3")
	f.Fuzz(func(t *testing.T, body []byte, subscription string) {
		b := vain()
		before := string(body)
		err := all.Adapt(b, Message{Body: body, Subscription: subscription, Err: errVain})
		if string(body) != before {
			t.Fatal("the message was changed")
		}
		if err != nil {
			if len(b.Events) != 1 {
				t.Fatalf("%d events with %v", len(b.Events), err)
			}
			return
		}
		for i := range b.Events {
			e := &b.Events[i]
			if e.ID == "" || e.Source == "" || e.Type == "" || len(e.Meta.Headers) != 1 || string(e.Key) != "k" {
				t.Fatalf("event %d is %s with %+v", i, show(e), e.Meta)
			}
			var back envelope.Event
			if err := envelope.ParseJSON(&back, envelope.AppendJSON(nil, e), envelope.Options{}); err != nil || back.ID != e.ID || back.Source != e.Source {
				t.Fatalf("event %d, %s, came back as %s: %v", i, show(e), show(&back), err)
			}
		}
	})
}
