package conformance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/http"
	"github.com/eventrouter/router/bindings/kafka"
	"github.com/eventrouter/router/bindings/nats"
	"github.com/eventrouter/router/bindings/sqs"
	"github.com/eventrouter/router/bindings/stdout"
	"github.com/eventrouter/router/internal/testbroker"
	"github.com/eventrouter/router/internal/testbroker/fakesqs"
)

// patience bounds every wait.
const patience = 60 * time.Second

// field is every transport in this process, with clients of the test's own.
type field struct {
	t     *testing.T
	kafka *kfake.Cluster
	kc    *kgo.Client
	nats  *testbroker.NATS
	nc    *natsgo.Conn
	sqs   *fakesqs.Server
	aws   *awssqs.Client
	web   *nethttp.Client
	n     int
}

func newField(t *testing.T) *field {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_REGION", fakesqs.Region)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	f := &field{t: t, nats: testbroker.NewNATS(t, nil), sqs: fakesqs.New(t)}
	f.kafka = must(kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1)))
	t.Cleanup(f.kafka.Close)
	f.kc = must(kgo.NewClient(kgo.SeedBrokers(f.kafka.ListenAddrs()...), kgo.AllowAutoTopicCreation(), kgo.ProducerBatchMaxBytes(900<<10)))
	t.Cleanup(f.kc.Close)
	f.nc = must(natsgo.Connect(f.nats.URL))
	t.Cleanup(f.nc.Close)
	tr := &nethttp.Transport{}
	f.web = &nethttp.Client{Transport: tr}
	t.Cleanup(tr.CloseIdleConnections)
	f.aws = awssqs.New(awssqs.Options{
		Region: fakesqs.Region, BaseEndpoint: aws.String(f.sqs.URL()), HTTPClient: &nethttp.Client{Transport: f.sqs.RoundTripper()},
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	return f
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// fresh returns a name that no topic, stream or queue has.
func (f *field) fresh() string {
	f.n++
	return fmt.Sprintf("x%d", f.n)
}

func (f *field) sourceSettings() bindings.SourceSettings {
	return bindings.SourceSettings{
		Name: "in", Log: zap.NewNop(), Window: bindings.NewWindow(16_384, 64<<20), MaxEvent: 1 << 20, MaxAttributes: 64,
	}
}

// source returns a source of the transport and what puts messages in front of it.
func (f *field) source(form form) (bindings.Source, func(ctx context.Context, messages []message) error) {
	name := f.fresh()
	switch form.transport {
	case "kafka":
		cfg := kafka.SourceConfig{Brokers: f.kafka.ListenAddrs(), Topics: bindings.Strings{name}, Group: name, Start: "earliest"}
		return must(kafka.NewSource(cfg, f.sourceSettings())), func(ctx context.Context, messages []message) error {
			for _, m := range messages {
				r := &kgo.Record{Topic: name, Value: m.body}
				for header, value := range m.headers {
					r.Headers = append(r.Headers, kgo.RecordHeader{Key: header, Value: []byte(value)})
				}
				if err := f.kc.ProduceSync(ctx, r).FirstErr(); err != nil {
					return err
				}
			}
			return nil
		}
	case "nats":
		js := must(jetstream.New(f.nc))
		must(js.CreateStream(f.t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}}))
		cfg := nats.SourceConfig{URL: f.nats.URL, Stream: name, Durable: "d"}
		return must(nats.NewSource(cfg, f.sourceSettings(), nil)), func(ctx context.Context, messages []message) error {
			for _, m := range messages {
				msg := &natsgo.Msg{Subject: name + ".a", Data: m.body, Header: natsgo.Header{}}
				for header, value := range m.headers {
					msg.Header[canonical(header)] = []string{value}
				}
				if _, err := js.PublishMsg(ctx, msg); err != nil {
					return err
				}
			}
			return nil
		}
	case "sqs":
		url := f.sqs.CreateQueue(f.t, name, nil)
		cfg := sqs.SourceConfig{Queue: name, Region: fakesqs.Region, Endpoint: f.sqs.URL(), Wait: time.Second}
		return must(sqs.NewSource(cfg, f.sourceSettings())), func(ctx context.Context, messages []message) error {
			for _, m := range messages {
				in := &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(string(m.body)), MessageAttributes: attributes(m)}
				if _, err := f.aws.SendMessage(ctx, in); err != nil {
					return err
				}
			}
			return nil
		}
	}
	src := must(http.NewSource(http.SourceConfig{Listen: "127.0.0.1:0", Path: "/"}, f.sourceSettings()))
	return src, func(ctx context.Context, messages []message) error {
		for _, m := range messages {
			if err := f.post(ctx, "http://"+src.Addr()+"/", m); err != nil {
				return err
			}
		}
		return nil
	}
}

// canonical spells a header as NATS senders do.
func canonical(header string) string {
	if header == "content-type" {
		return "Content-Type"
	}
	return header
}

func attributes(m message) map[string]types.MessageAttributeValue {
	all := map[string]types.MessageAttributeValue{}
	for name, value := range m.headers {
		all[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	return all
}

func (f *field) post(ctx context.Context, url string, m message) error {
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodPost, url, bytes.NewReader(m.body))
	if err != nil {
		return err
	}
	for name, value := range m.headers {
		req.Header.Set(name, value)
	}
	resp, err := f.web.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != nethttp.StatusNoContent {
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	return nil
}

// target is a sink with what reads behind it.
type target struct {
	form form
	sink bindings.Sink
	take func(n int) []message // the next n messages; a batch is one
	sdk  *sdkReader
}

// sink makes a sink of that form and its reader.
func (f *field) sink(form form) *target {
	name := f.fresh()
	s := bindings.SinkSettings{Name: "out", Log: zap.NewNop(), Mode: form.mode, Format: form.format, Timeout: patience, Concurrency: 4}
	target := &target{form: form}
	switch form.transport {
	case "kafka":
		target.sink = must(kafka.NewSink(kafka.SinkConfig{Brokers: f.kafka.ListenAddrs(), Topic: name}, s))
		target.take = f.takeKafka(name)
	case "nats":
		sub := must(f.nc.SubscribeSync(name))
		_ = sub.SetPendingLimits(-1, -1)
		_ = f.nc.Flush()
		target.sink = must(nats.NewSink(nats.SinkConfig{URL: f.nats.URL, Subject: name}, s, nil))
		target.take = func(n int) []message { return takeNATS(sub, n) }
	case "sqs":
		url := f.sqs.CreateQueue(f.t, name, nil)
		target.sink = must(sqs.NewSink(sqs.SinkConfig{Queue: name, Region: fakesqs.Region, Endpoint: f.sqs.URL()}, s))
		target.take = func(n int) []message { return f.takeSQS(url, n) }
	case "stdout":
		var out bytes.Buffer
		target.sink = must(stdout.NewSink(stdout.SinkConfig{}, &out, s))
		target.take = func(int) []message {
			defer out.Reset()
			var all []message
			for line := range strings.Lines(out.String()) {
				all = append(all, message{map[string]string{"content-type": "application/cloudevents+json"}, []byte(strings.TrimSuffix(line, "\n"))})
			}
			return all
		}
	default:
		requests := &recorder{}
		server := httptest.NewServer(requests)
		f.t.Cleanup(server.Close)
		target.sink = must(http.NewSink(http.SinkConfig{URL: server.URL}, s))
		target.take = requests.take
	}
	f.t.Cleanup(func() { _ = target.sink.Close(context.Background()) })
	return target
}

func (f *field) takeKafka(topic string) func(n int) []message {
	cl := must(kgo.NewClient(kgo.SeedBrokers(f.kafka.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.AllowAutoTopicCreation(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())))
	f.t.Cleanup(cl.Close)
	return func(n int) []message {
		ctx, cancel := context.WithTimeout(f.t.Context(), patience)
		defer cancel()
		var all []message
		for len(all) < n && ctx.Err() == nil {
			for _, r := range cl.PollFetches(ctx).Records() {
				m := message{headers: map[string]string{}, body: r.Value}
				for _, h := range r.Headers {
					m.headers[h.Key] += string(h.Value) // a header that is there twice shows in its value
				}
				all = append(all, m)
			}
		}
		return all
	}
}

func takeNATS(sub *natsgo.Subscription, n int) []message {
	var all []message
	for len(all) < n {
		msg, err := sub.NextMsg(patience)
		if err != nil {
			return all
		}
		m := message{headers: map[string]string{}, body: msg.Data}
		if len(msg.Data) == 0 {
			m.body = nil
		}
		for name, values := range msg.Header {
			m.headers[strings.ToLower(name)] = strings.Join(values, "\n")
		}
		all = append(all, m)
	}
	return all
}

func (f *field) takeSQS(url string, n int) []message {
	var all []message
	for end := time.Now().Add(patience); len(all) < n && time.Now().Before(end); {
		out := must(f.aws.ReceiveMessage(f.t.Context(), &awssqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}, VisibilityTimeout: 600,
		}))
		for _, r := range out.Messages {
			m := message{headers: map[string]string{}, body: []byte(*r.Body)}
			for name, a := range r.MessageAttributes {
				m.headers[name] = *a.StringValue
			}
			all = append(all, m)
			must(f.aws.DeleteMessage(f.t.Context(), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: r.ReceiptHandle}))
		}
	}
	if len(all) < n {
		visible, inFlight, _ := f.sqs.Depth(url[strings.LastIndexByte(url, '/')+1:])
		f.t.Errorf("got %d of %d messages; the queue has %d and %d in flight", len(all), n, visible, inFlight)
	}
	return all
}

// recorder is an HTTP target that keeps what it was sent.
type recorder struct {
	mu  sync.Mutex // guards all
	all []message
}

func (r *recorder) ServeHTTP(w nethttp.ResponseWriter, req *nethttp.Request) {
	body, _ := io.ReadAll(req.Body)
	m := message{headers: map[string]string{}, body: body}
	if len(body) == 0 {
		m.body = nil
	}
	for name, values := range req.Header {
		if name = strings.ToLower(name); name == "content-type" || strings.HasPrefix(name, "ce-") {
			m.headers[name] = strings.Join(values, "\n")
		}
	}
	r.mu.Lock()
	r.all = append(r.all, m)
	r.mu.Unlock()
	w.WriteHeader(nethttp.StatusNoContent)
}

func (r *recorder) take(int) []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}
