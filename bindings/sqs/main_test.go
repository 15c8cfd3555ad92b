package sqs

import (
	nethttp "net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/goleak"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker/fakesqs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// direct returns a client that reaches the server without a socket, so that it works in a synctest bubble.
func direct(s *fakesqs.Server) *client {
	h := &nethttp.Client{Transport: s.RoundTripper()}
	return &client{http: h, Client: awssqs.New(awssqs.Options{
		Region: fakesqs.Region, BaseEndpoint: aws.String(s.URL()), RetryMaxAttempts: 1, HTTPClient: h,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})}
}

// event returns a small event with JSON data.
func event(id string) *envelope.Event {
	return &envelope.Event{
		ID: id, Source: "/shop", Type: "com.acme.order.paid", DataContentType: "application/json", Data: []byte(`{"n":1}`),
	}
}
