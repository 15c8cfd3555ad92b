package sqs

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

func TestParseQueue(t *testing.T) {
	for in, want := range map[string]queueRef{
		"orders":                           {name: "orders"},
		"orders.fifo":                      {name: "orders.fifo"},
		"arn:aws:sqs:eu-west-1:123:orders": {name: "orders", region: "eu-west-1", account: "123"},
		"arn:aws-cn:sqs:cn-north-1:123:orders.fifo":           {name: "orders.fifo", region: "cn-north-1", account: "123"},
		"https://sqs.eu-west-1.amazonaws.com/123/orders":      {name: "orders", region: "eu-west-1", url: "https://sqs.eu-west-1.amazonaws.com/123/orders"},
		"https://eu-west-1.queue.amazonaws.com/123/orders":    {name: "orders", region: "eu-west-1", url: "https://eu-west-1.queue.amazonaws.com/123/orders"},
		"https://sqs.cn-north-1.amazonaws.com.cn/123/orders":  {name: "orders", region: "cn-north-1", url: "https://sqs.cn-north-1.amazonaws.com.cn/123/orders"},
		"http://localhost:9324/000000000000/orders.fifo":      {name: "orders.fifo", endpoint: "http://localhost:9324", url: "http://localhost:9324/000000000000/orders.fifo"},
		"https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/1/q": {name: "q", url: "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/1/q"},
	} {
		got, err := parseQueue(in)
		if err != nil || got != want {
			t.Errorf("parseQueue(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "a b", "a.b", ".fifo", strings.Repeat("x", 81), "arn:aws:sns:eu-west-1:123:orders", "arn:aws:sqs::123:o",
		"arn:aws:sqs:eu-west-1:123", "ftp://h/q", "https://h/", "https://h/a.b", "https:///q",
	} {
		if _, err := parseQueue(in); err == nil {
			t.Errorf("parseQueue(%q) was accepted", in)
		}
	}
	if _, err := parseQueue("https://user:hunter2@h/q"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a URL with a password: %v", err)
	}
}

func TestValidate(t *testing.T) {
	if err := (SourceConfig{Queue: "q", Visibility: 2 * time.Second, Wait: time.Second, Receivers: 1, Endpoint: "http://x:1"}).Validate(); err != nil {
		t.Error(err)
	}
	err := SourceConfig{Queue: "a b", Endpoint: "x", Visibility: time.Second, Wait: time.Minute, Receivers: 65}.Validate()
	for _, field := range []string{"queue", "endpoint", "visibility", "wait", "receivers"} {
		if err == nil || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("field %s is not in %v", field, err)
		}
	}
	if err := (SourceConfig{Queue: "q", Visibility: 2500 * time.Millisecond}).Validate(); err == nil {
		t.Error("half a second of visibility was accepted")
	}
	if err := (SinkConfig{Queue: "q.fifo", GroupID: "{subject}", Dedup: "none"}).Validate(); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]SinkConfig{
		"group_id": {Queue: "q.fifo", GroupID: "{subject"}, "dedup": {Queue: "q.fifo", Dedup: "body"}, "only FIFO": {Queue: "q", Dedup: "id"},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// emptyEnvironment takes away what the machine may have configured for AWS.
func emptyEnvironment(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
}

func TestRegion(t *testing.T) {
	emptyEnvironment(t)
	region := func(c SinkConfig) string {
		k, err := NewSink(c, bindings.SinkSettings{Name: "k"})
		if err != nil {
			var f *bindings.FieldError
			if !errors.As(err, &f) || f.Field != "region" || !f.Environment {
				t.Errorf("%+v: %v", c, err)
			}
			return "none"
		}
		return k.client.Options().Region
	}
	for _, tc := range []struct {
		c    SinkConfig
		want string
	}{
		{SinkConfig{Queue: "q"}, "none"},
		{SinkConfig{Queue: "q", Region: "eu-west-1"}, "eu-west-1"},
		{SinkConfig{Queue: "arn:aws:sqs:eu-west-2:1:q"}, "eu-west-2"},
		{SinkConfig{Queue: "https://sqs.eu-west-3.amazonaws.com/1/q"}, "eu-west-3"},
		{SinkConfig{Queue: "q", Endpoint: "http://127.0.0.1:1"}, "us-east-1"},
	} {
		if got := region(tc.c); got != tc.want {
			t.Errorf("%+v: region %s, want %s", tc.c, got, tc.want)
		}
	}
	t.Setenv("AWS_REGION", "ap-south-1")
	if got := region(SinkConfig{Queue: "q"}); got != "ap-south-1" {
		t.Errorf("AWS_REGION: region %s", got)
	}
}

func TestConstructorsRefuse(t *testing.T) {
	emptyEnvironment(t)
	c := SinkConfig{Queue: "q", Region: "eu-west-1"}
	if _, err := NewSink(c, bindings.SinkSettings{Mode: bindings.ModeBatch}); err == nil {
		t.Error("mode batch was accepted")
	}
	if _, err := NewSink(c, bindings.SinkSettings{Format: envelope.FormatProtobuf}); err == nil {
		t.Error("format protobuf was accepted")
	}
	if _, err := NewSink(SinkConfig{}, bindings.SinkSettings{}); err == nil {
		t.Error("a sink without a queue was accepted")
	}
	if _, err := NewSource(SourceConfig{Queue: "q", Region: "eu-west-1"}, bindings.SourceSettings{Adapters: []string{"x"}}); err == nil {
		t.Error("an unknown adapter was accepted")
	}
	if _, err := NewSource(SourceConfig{}, bindings.SourceSettings{}); err == nil {
		t.Error("a source without a queue was accepted")
	}
}

func TestBackoff(t *testing.T) {
	for n, want := range map[int]int{0: 1, 1: 1, 2: 2, 5: 16, 9: 256, 10: 300, 1000: 300} {
		if got := backoff(n, time.Second, 5*time.Minute); got != time.Duration(want)*time.Second {
			t.Errorf("backoff(%d) = %v, want %vs", n, got, want)
		}
	}
}
