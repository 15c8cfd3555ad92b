package sqs

import (
	"bytes"
	"context"
	"fmt"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
	"github.com/eventrouter/router/internal/testbroker/fakesqs"
)

// suiteForeign are the goroutines of the service in this process and of its HTTP server.
var suiteForeign = []string{"httptest.", "fakesqs.", "internal/testbroker.(*Proxy)", "net/http.(*conn).serve", "net/http.(*connReader)"}

// suiteQueue is a queue of a service behind a proxy.
type suiteQueue struct {
	server    *fakesqs.Server
	name, url string
	endpoint  string // through the proxy
	proxy     *testbroker.Proxy
	client    *awssqs.Client // another program's, past the proxy
	fifo      bool
	sent      int
}

func newSuiteQueue(t *testing.T, fifo bool) *suiteQueue {
	t.Helper()
	q := &suiteQueue{server: fakesqs.New(t), name: "suite", fifo: fifo}
	var attrs map[string]string
	if fifo {
		q.name, attrs = "suite.fifo", map[string]string{"FifoQueue": "true"}
	}
	q.url = q.server.CreateQueue(t, q.name, attrs)
	q.proxy = testbroker.NewProxy(t, strings.TrimPrefix(q.server.URL(), "http://"))
	q.endpoint = "http://" + q.proxy.Addr().String()
	q.client = awssqs.New(awssqs.Options{
		Region: fakesqs.Region, BaseEndpoint: aws.String(q.server.URL()), RetryMaxAttempts: 1,
		HTTPClient:  &nethttp.Client{Transport: q.server.RoundTripper()}, // a receive whose answer is lost hides messages
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	return q
}

// put sends one message.
func (q *suiteQueue) put(ctx context.Context, body, key string, attrs map[string]string) error {
	in := &awssqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body, MessageAttributes: map[string]types.MessageAttributeValue{}}
	for name, value := range attrs {
		in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	if q.fifo {
		q.sent++
		in.MessageGroupId, in.MessageDeduplicationId = aws.String("group-"+key), aws.String(fmt.Sprint(q.sent))
	}
	_, err := q.client.SendMessage(ctx, in)
	return err
}

func (q *suiteQueue) send(ctx context.Context, events []*envelope.Event) error {
	for _, e := range events {
		err := q.put(ctx, string(bindingtest.WriteJSON(e)), string(e.Key), map[string]string{"content-type": "application/cloudevents+json"})
		if err != nil {
			return fmt.Errorf("%s: %w", e.ID, err)
		}
	}
	return nil
}

// credentialsFor gives the SDK's default chain something to find.
func credentialsFor(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_REGION", fakesqs.Region)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func TestConformance_Source(t *testing.T) {
	for name, features := range map[string]bindingtest.Features{
		"standard": {Redelivers: true, SettlesIndividually: true},
		"fifo":     {Redelivers: true, SettlesIndividually: true, HasKeys: true, Ordered: true},
	} {
		t.Run(name, func(t *testing.T) {
			credentialsFor(t)
			bindingtest.Source(t, bindingtest.SourceCase{
				Features: features, Loss: bindingtest.Structured, Foreign: suiteForeign,
				Open: func(t *testing.T) *bindingtest.SourceRig {
					q := newSuiteQueue(t, features.Ordered)
					return &bindingtest.SourceRig{
						New: func(s bindings.SourceSettings) (bindings.Source, error) {
							return NewSource(SourceConfig{Queue: q.name, Endpoint: q.endpoint, Wait: time.Second}, s)
						},
						Send: q.send,
						SendRaw: func(ctx context.Context, body []byte) error {
							return q.put(ctx, string(body), "raw", map[string]string{"ce-specversion": "1.0", "ce-id": "1"})
						},
						Later: func() {
							time.Sleep(100 * time.Millisecond) // a poll that was cut off may still take messages along
							q.server.Advance(10 * time.Minute) // visibility, and every back-off
						},
						Down: q.proxy.Cut, Up: q.proxy.Pass,
					}
				},
			})
		})
	}
}

// take receives everything that is in the queue. What it receives stays in flight, so that nothing comes twice.
func (q *suiteQueue) take(t *testing.T) (out []bindingtest.Arrival) {
	t.Helper()
	for {
		res, err := q.client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
			QueueUrl: &q.url, MaxNumberOfMessages: 10, VisibilityTimeout: 3600, MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Messages) == 0 {
			return out
		}
		for _, m := range res.Messages {
			a, err := q.parse(&m)
			if err != nil {
				t.Fatalf("message %s: %v", *m.Body, err)
			}
			out = append(out, a)
			if q.fifo { // what is in flight locks its group
				if _, err := q.client.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func (q *suiteQueue) parse(m *types.Message) (a bindingtest.Arrival, err error) {
	a = bindingtest.Arrival{Mode: "structured", Address: "queue " + q.name, Key: m.Attributes["MessageGroupId"]}
	body := []byte(*m.Body)
	attributes := map[string]string{}
	for name, v := range m.MessageAttributes {
		name, value := strings.ToLower(name), aws.ToString(v.StringValue)
		if v.BinaryValue != nil {
			value = string(v.BinaryValue)
		}
		switch attribute, ok := strings.CutPrefix(name, "ce-"); {
		case ok:
			attributes[attribute] = value
			a.Mode = "binary"
		case name == "content-type" && !strings.HasPrefix(value, "application/cloudevents"):
			attributes["datacontenttype"] = value
		}
	}
	if a.Mode == "structured" {
		a.Event, err = bindingtest.ReadJSON(body)
		return a, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		body = nil
	}
	a.Event, err = bindingtest.FromAttributes(attributes, body)
	return a, err
}

// otherwise are the golden events that binary mode cannot carry, so that they are sent as a document.
func otherwise() map[string]string {
	out := map[string]string{}
	for _, n := range bindingtest.Events() {
		m := newMessage(envelope.FormatJSON)
		if m.encode(n.Event, bindings.ModeBinary) == nil && !m.binary {
			out[n.Name] = "structured"
		}
	}
	return out
}

func TestConformance_Sink(t *testing.T) {
	for _, fifo := range []bool{false, true} {
		name := map[bool]string{false: "standard", true: "fifo"}[fifo]
		t.Run(name, func(t *testing.T) {
			credentialsFor(t)
			bindingtest.Sink(t, bindingtest.SinkCase{
				Modes: []bindingtest.SinkMode{
					{Name: "structured", Mode: bindings.ModeStructured, Loss: bindingtest.Structured},
					{Name: "binary", Mode: bindings.ModeBinary, Loss: bindingtest.Headers, Otherwise: otherwise()},
				},
				Foreign: suiteForeign,
				Open:    func(t *testing.T) *bindingtest.SinkRig { return sinkRig(t, fifo) },
			})
		})
	}
}

func sinkRig(t *testing.T, fifo bool) *bindingtest.SinkRig {
	q := newSuiteQueue(t, fifo)
	large := event("too-large")
	large.Data = []byte(`"` + strings.Repeat("x", 1100<<10) + `"`)
	var arrived []bindingtest.Arrival
	return &bindingtest.SinkRig{
		New: func(s bindings.SinkSettings) (bindings.Sink, error) {
			return NewSink(SinkConfig{Queue: q.name, Endpoint: q.endpoint}, s)
		},
		Arrived: func(t *testing.T) []bindingtest.Arrival {
			arrived = append(arrived, q.take(t)...)
			return arrived
		},
		Refused: []bindingtest.RefusedEvent{{Name: "too large", Event: large, Reason: bindings.ReasonTooLarge}},
		Down:    q.proxy.Cut, Stall: q.proxy.BlackHole, Up: q.proxy.Pass, LoseAnswer: q.proxy.LoseResponse,
	}
}
