package http

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
)

// snsHeaders are the headers of a delivery by SNS.
const snsHeaders = "x-amz-sns-message-id: sns-1\nx-amz-sns-topic-arn: arn:aws:sns:eu-west-1:1:orders\n" +
	"Content-Type: text/plain; charset=UTF-8\nUser-Agent: Amazon Simple Notification Service Agent\nx-amz-sns-message-type: "

const (
	snsNotifies    = snsHeaders + "Notification\nx-amz-sns-subscription-arn: arn:aws:sns:eu-west-1:1:orders:8f2c\n"
	snsConfirms    = snsHeaders + "SubscriptionConfirmation\n"
	snsUnsubscribe = snsHeaders + "UnsubscribeConfirmation\nx-amz-sns-subscription-arn: arn:aws:sns:eu-west-1:1:orders:8f2c\n"
)

// snsBody returns an envelope around a message that needs no escapes.
func snsBody(kind, message string) string {
	return fmt.Sprintf(`{"Type":%q,"MessageId":"sns-1","TopicArn":"arn:aws:sns:eu-west-1:1:orders","Subject":"Hi",`+
		`"Message":%q,"SubscribeURL":"http://127.0.0.1:1/?Action=ConfirmSubscription","Timestamp":"2026-01-02T03:04:05Z"}`, kind, message)
}

func adapting(t testing.TB, names string) *ingress {
	t.Helper()
	return build(t, SourceConfig{Path: "/in"}, func(s *bindings.SourceSettings) { s.Adapters = strings.Fields(names) })
}

func TestAdapters(t *testing.T) {
	const topic, subscription = "arn:aws:sns:eu-west-1:1:orders", "arn:aws:sns:eu-west-1:1:orders:8f2c"
	const s3 = "aws:s3.eu-west-1.pics com.amazonaws.s3.ObjectCreated:Put"
	const all = "sns eventbridge s3"
	text := snsBody("Notification", "hello")
	confirm, unsubscribe := snsBody("SubscriptionConfirmation", "You"), snsBody("UnsubscribeConfirmation", "You")
	for _, tt := range []struct {
		name, on, headers, body string
		status                  int
		want                    []string // id, source and type, and subject
		data                    string   // of the first event
	}{
		{"E14 SNS around an event", "sns", snsNotifies, snsBody("Notification", minimalJSON), 204, []string{"1 /s t "}, ""},
		{"SNS notification", "sns", snsNotifies, text, 204, []string{"sns-1 " + subscription + " com.amazonaws.sns.Notification Hi"}, text},
		{"SNS notification without headers", "sns", "", text, 204, []string{"sns-1 " + topic + " com.amazonaws.sns.Notification Hi"}, text},
		{"SNS subscription", "sns", snsConfirms, confirm, 204, []string{"sns-1 " + topic + " com.amazonaws.sns.SubscriptionConfirmation "}, confirm},
		{"SNS unsubscription", "sns", snsUnsubscribe, unsubscribe, 204, []string{"sns-1 " + subscription + " com.amazonaws.sns.UnsubscribeConfirmation "}, unsubscribe},
		{"SNS around S3", "sns s3", snsNotifies, snsBody("Notification", bindingtest.S3Notification("R", 2)), 204, []string{"R.x.0.k0 " + s3 + " k0", "R.x.1.k1 " + s3 + " k1"}, ""},
		{"SNS around S3's test message", all, snsNotifies, snsBody("Notification", bindingtest.S3TestMessage), 400, nil, "test message"},
		{"S3", "s3", "Content-Type: application/json", bindingtest.S3Notification("R", 1), 204, []string{"R.x " + s3 + " k0"}, ""},
		{"S3's test message", "s3", "", bindingtest.S3TestMessage, 400, nil, "test message"},
		{"EventBridge", "eventbridge", "Content-Type: application/json", "\n" + bindingtest.EventBridgeEvent, 204, []string{"7bf7 aws.ec2 State Change "}, `{"n": 1.0e0}`},
		{"the sender says that it is an event", all, minimal, "\n" + bindingtest.EventBridgeEvent, 204, []string{"1 /s t "}, "\n" + bindingtest.EventBridgeEvent},
		{"a bad event is not looked at", all, "ce-id: 1", "\n" + bindingtest.EventBridgeEvent, 400, nil, "ce-"},
		{"SNS, not named", "eventbridge s3", snsNotifies, text, 400, nil, "not a CloudEvent"},
		{"nothing named", "", "", "\n" + bindingtest.EventBridgeEvent, 400, nil, "not a CloudEvent"},
		{"something else", all, "Content-Type: application/json", `{"a":1}`, 400, nil, "no ce- header"},
		{"something else, by what is missing", all, "Content-Type: application/json", `{"a":1}`, 400, nil, "eventbridge needs detail-type"},
		{"broken JSON", "sns s3", "Content-Type: application/json", `{"a":`, 400, nil, "adapters sns, s3 either: the body is broken JSON at byte 5"},
		{"an unknown event format", all, "Content-Type: application/cloudevents+cbor", "\n" + bindingtest.EventBridgeEvent, 415, nil, ""},
		{"a subscription that is no ARN", all, strings.Replace(snsNotifies, subscription, "a b", 1), text, 400, nil, "source"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := adapting(t, tt.on).start(t)
			r := post(t, p.url(), tt.headers, tt.body)
			if r.status != tt.status {
				t.Fatalf("status %d, want %d: %s", r.status, tt.status, r.body)
			}
			if tt.status != 204 {
				checkProblem(t, r, tt.data)
			}
			var got []string
			for i, e := range p.events() {
				got = append(got, strings.Join([]string{e.ID, e.Source, e.Type, e.Subject}, " "))
				if e.Meta.Transport != "http" || e.Meta.Channel != "/in" || e.Meta.Position != int64(i) || e.Meta.MessageID == "" {
					t.Errorf("event %d has %+v", i, e.Meta)
				}
			}
			if g, w := strings.Join(got, "\n"), strings.Join(tt.want, "\n"); g != w {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
			if len(got) > 0 && tt.data != "" && string(p.events()[0].Data) != tt.data {
				t.Errorf("data %s, want %s", p.events()[0].Data, tt.data)
			}
		})
	}
}

// A request whose message is several events has one answer, which comes when all are settled and tells the worst.
func TestAnswerForSeveralEventsOfOneMessage(t *testing.T) {
	down, refused := errors.New("down"), bindings.Permanent(bindings.ReasonRejected, "", errors.New("no"))
	for _, tt := range []struct {
		errs   [3]error
		status int
	}{
		{[3]error{}, 204},
		{[3]error{nil, down, nil}, 503},
		{[3]error{nil, nil, refused}, 422},
		{[3]error{refused, nil, down}, 503},
	} {
		p := adapting(t, "s3")
		p.settle = func(b *bindings.Batch) {
			b.Expect(len(b.Events))
			for i := range b.Events {
				if tt.errs[i] != nil {
					b.Fail(i, tt.errs[i])
				}
				b.Done(1) // the last of them settles the request
			}
		}
		p.start(t)
		if got := post(t, p.url(), "", bindingtest.S3Notification("R", 3)); got.status != tt.status || len(p.events()) != 3 {
			t.Errorf("%v: status %d and %d events, want %d", tt.errs, got.status, len(p.events()), tt.status)
		}
	}
}

// Many events are one request's still: they are let in where the window is empty, and counted.
func TestAdaptedEventsCountInTheWindow(t *testing.T) {
	p := build(t, SourceConfig{}, func(s *bindings.SourceSettings) {
		s.Adapters, s.Window = []string{"s3"}, bindings.NewWindow(2, 0)
	})
	inFlight := 0
	p.settle = func(b *bindings.Batch) {
		inFlight, _ = p.window.InFlight()
		confirm(b)
	}
	p.start(t)
	if got := post(t, p.url(), "", bindingtest.S3Notification("R", 5)); got.status != 204 || inFlight != 5 {
		t.Errorf("status %d with %d events in flight", got.status, inFlight)
	}
	if !p.window.TryAcquire(1, 0) {
		t.Fatal("the window is not empty")
	}
	if got := post(t, p.url(), "", bindingtest.S3Notification("R", 5)); got.status != 429 {
		t.Errorf("status %d although something is in flight, want 429", got.status)
	}
	p.window.Release(1, 0)
}

// Adapters come before wrap, which takes what they do not know; a message they know and refuse is not wrapped.
func TestAdaptersComeBeforeWrap(t *testing.T) {
	p := build(t, SourceConfig{}, func(s *bindings.SourceSettings) {
		s.Adapters = []string{"s3"}
		s.Wrap = func(e *envelope.Event) error {
			e.ID, e.Source, e.Type = "w", "/w", "wrapped"
			return nil
		}
	}).start(t)
	for body, want := range map[string]int{bindingtest.S3Notification("R", 1): 204, "\n" + bindingtest.EventBridgeEvent: 204, bindingtest.S3TestMessage: 400} {
		if got := post(t, p.url(), "", body); got.status != want {
			t.Errorf("%s: %d, want %d", body, got.status, want)
		}
	}
	types := map[string]bool{}
	for _, e := range p.events() {
		types[e.Type] = true
	}
	if len(p.events()) != 2 || !types["wrapped"] || !types["com.amazonaws.s3.ObjectCreated:Put"] {
		t.Errorf("types %v", types)
	}
}

func TestAdaptersReadGzip(t *testing.T) {
	p := adapting(t, "eventbridge").start(t)
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	z.Write([]byte("\n" + bindingtest.EventBridgeEvent))
	z.Close()
	if got := post(t, p.url(), "Content-Encoding: gzip", body.String()); got.status != 204 || len(p.events()) != 1 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestUnknownAdapterIsRefused(t *testing.T) {
	var field *bindings.FieldError
	_, err := NewSource(SourceConfig{Listen: "127.0.0.1:0"}, bindings.SourceSettings{Adapters: []string{"kinesis"}})
	if !errors.As(err, &field) || field.Field != "adapters" {
		t.Errorf("got %v", err)
	}
}
