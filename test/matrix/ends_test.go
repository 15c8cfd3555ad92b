//go:build brokers

package matrix

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/test/brokers"
)

// field is the three brokers with clients of the test's own.
type field struct {
	kafka *brokers.Kafka
	nats  *brokers.NATS
	sqs   *brokers.ElasticMQ
	nc    *natsgo.Conn
	js    jetstream.JetStream
	aws   *awssqs.Client
	// writer produces to Kafka.
	writer *kgo.Client
}

func newField(t *testing.T) *field {
	t.Helper()
	f := &field{
		kafka: brokers.StartKafka(t, t.TempDir()),
		nats:  brokers.StartNATS(t, t.TempDir()),
		sqs:   brokers.StartElasticMQ(t, t.TempDir()),
	}
	f.connect(t)
	return f
}

// connect makes clients of the brokers that the field has.
func (f *field) connect(t *testing.T) {
	t.Helper()
	var err error
	if f.kafka != nil {
		if f.writer, err = f.kafka.Client(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.writer.Close)
	}
	if f.nats != nil {
		if f.nc, f.js, err = f.nats.Client(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.nc.Close)
	}
	if f.sqs == nil {
		return
	}
	f.aws = f.sqs.Client()
	// The router takes the default credential chain; the emulator takes anything.
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_REGION", "us-east-1")
}

// producer is a kind of source seen from the far side: what the router's configuration says, and how events get in.
type producer struct {
	config string
	order  string // the sink's order_by, where it is not the source's own key
	send   func(ctx context.Context, p *process, events []sent) error
	// ordered sources deliver the events of a key in order, whatever dies.
	ordered bool
	// left returns how many messages the source's broker still keeps for the router; nil where there is no broker.
	left func(ctx context.Context) (int, error)
	// acknowledging sources redeliver what was not settled.
	acknowledging bool
}

// consumer is a kind of sink seen from the far side.
type consumer struct {
	config string
	// acknowledging sinks confirm; ordered ones let the test see the order of a key.
	acknowledging bool
}

// source makes what a source kind needs on its broker.
func (f *field) source(t *testing.T, kind, name string) producer {
	t.Helper()
	ctx := t.Context()
	switch kind {
	case "kafka":
		return f.kafkaSource(t, name, 4)
	case "jetstream":
		stream := strings.ToUpper(name) + "_IN"
		if err := f.nats.CreateStream(ctx, stream, name+".in.>"); err != nil {
			t.Fatal(err)
		}
		return producer{
			config:        fmt.Sprintf("nats: { url: %q, stream: %s, durable: d-%s, ack_wait: 3s }", f.nats.URL, stream, name),
			acknowledging: true, ordered: true,
			send: func(ctx context.Context, _ *process, events []sent) error {
				return f.publishNATS(ctx, name+".in.", events, true)
			},
			left: func(ctx context.Context) (int, error) { return f.leftJetStream(ctx, stream, "d-"+name) },
		}
	case "nats":
		return producer{
			config: fmt.Sprintf("nats: { url: %q, subjects: [%s.in.>] }", f.nats.URL, name),
			send: func(ctx context.Context, _ *process, events []sent) error {
				return f.publishNATS(ctx, name+".in.", events, false)
			},
		}
	case "sqs":
		queue, err := f.sqs.CreateQueue(ctx, name+"-in.fifo", map[string]string{"FifoQueue": "true", "VisibilityTimeout": "5"})
		if err != nil {
			t.Fatal(err)
		}
		return producer{
			config:        fmt.Sprintf("sqs: { queue: %s-in.fifo, region: us-east-1, endpoint: %q, visibility: 5s, wait: 1s }", name, f.sqs.Endpoint),
			acknowledging: true,
			send:          func(ctx context.Context, _ *process, events []sent) error { return f.sendSQS(ctx, queue, events) },
			left:          func(ctx context.Context) (int, error) { return f.leftSQS(ctx, queue) },
		}
	default:
		return producer{
			config: `http: { listen: "127.0.0.1:0", path: /events }`, order: "partitionkey", acknowledging: true, ordered: true,
			send: postHTTP,
		}
	}
}

// kafkaSource makes a topic of so many partitions, and a source that reads it.
func (f *field) kafkaSource(t *testing.T, name string, partitions int32) producer {
	t.Helper()
	topic := name + "-in"
	if err := f.kafka.CreateTopic(t.Context(), topic, partitions, nil); err != nil {
		t.Fatal(err)
	}
	return producer{
		config:        fmt.Sprintf("kafka: { brokers: [%q], topics: [%s], group: %s }", f.kafka.Addr, topic, name),
		acknowledging: true, ordered: true,
		send: func(ctx context.Context, _ *process, events []sent) error { return f.produceKafka(ctx, topic, events) },
		left: func(ctx context.Context) (int, error) { return f.leftKafka(ctx, name) },
	}
}

// sink makes what a sink kind needs on its broker, and starts a reader that books into the ledger.
func (f *field) sink(t *testing.T, kind, name string, l *ledger) consumer {
	t.Helper()
	ctx := t.Context()
	switch kind {
	case "kafka":
		topic := name + "-out"
		if err := f.kafka.CreateTopic(ctx, topic, 4, nil); err != nil {
			t.Fatal(err)
		}
		f.readKafka(t, topic, l)
		return consumer{fmt.Sprintf("kafka: { brokers: [%q], topic: %s, key: partitionkey }", f.kafka.Addr, topic), true}
	case "jetstream":
		stream := strings.ToUpper(name) + "_OUT"
		if err := f.nats.CreateStream(ctx, stream, name+".out.>"); err != nil {
			t.Fatal(err)
		}
		f.readJetStream(t, stream, l)
		return consumer{fmt.Sprintf("nats: { url: %q, stream: %s, subject: %q }", f.nats.URL, stream, name+".out.{partitionkey}"), true}
	case "nats":
		f.readNATS(t, name+".out.>", l)
		return consumer{fmt.Sprintf("nats: { url: %q, subject: %q }", f.nats.URL, name+".out.{partitionkey}"), false}
	case "sqs":
		queue, err := f.sqs.CreateQueue(ctx, name+"-out.fifo", map[string]string{"FifoQueue": "true", "VisibilityTimeout": "30"})
		if err != nil {
			t.Fatal(err)
		}
		f.readSQS(t, queue, l)
		return consumer{fmt.Sprintf("sqs: { queue: %s-out.fifo, region: us-east-1, endpoint: %q, group_id: %q }",
			name, f.sqs.Endpoint, "{partitionkey}"), true}
	default:
		addr := readHTTP(t, l)
		return consumer{fmt.Sprintf("http: { url: \"http://%s/hook\" }", addr), true}
	}
}

func (f *field) produceKafka(ctx context.Context, topic string, events []sent) error {
	records := make([]*kgo.Record, len(events))
	for i := range events {
		e := &events[i]
		r := &kgo.Record{Topic: topic, Key: []byte(e.key), Value: e.data}
		if e.structured {
			r.Value = e.structuredJSON()
			r.Headers = []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json; charset=UTF-8")}}
		} else {
			for k, v := range e.attributes {
				if k == "datacontenttype" {
					k = "content-type"
				} else {
					k = "ce_" + k
				}
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: k, Value: []byte(v)})
			}
		}
		records[i] = r
	}
	return f.writer.ProduceSync(ctx, records...).FirstErr()
}

func (f *field) readKafka(t *testing.T, topic string, l *ledger) {
	// A partition of a new topic may have no leader yet, and it joins the fetch that waits for the others' next records only
	// when that ends: the client would look again, and wait, for five seconds.
	cl, err := f.kafka.Client(kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			fetches := cl.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			fetches.EachRecord(func(r *kgo.Record) { l.receive(parseKafka(r)) })
		}
	}()
	t.Cleanup(cl.Close)
}

func parseKafka(r *kgo.Record) (message, error) {
	m := message{attributes: map[string]string{}, data: r.Value}
	for _, h := range r.Headers {
		switch name, ok := strings.CutPrefix(h.Key, "ce_"); {
		case ok:
			m.attributes[name] = string(h.Value)
		case h.Key == "content-type" && strings.HasPrefix(string(h.Value), "application/cloudevents+json"):
			return parseStructured(r.Value)
		case h.Key == "content-type":
			m.attributes["datacontenttype"] = string(h.Value)
		}
	}
	if key := m.attributes["partitionkey"]; key != string(r.Key) {
		return m, fmt.Errorf("record key %q, want %q", r.Key, key)
	}
	return m, nil
}

// percent codes a value as the HTTP and NATS bindings want it.
func percent(v string) string {
	var b strings.Builder
	for _, c := range []byte(v) {
		if c <= ' ' || c == '"' || c == '%' || c > '~' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func (f *field) publishNATS(ctx context.Context, prefix string, events []sent, stream bool) error {
	var futures []jetstream.PubAckFuture
	for i := range events {
		if len(futures) == 1000 { // the client refuses a few thousand that nobody has waited for
			if err := await(ctx, futures); err != nil {
				return err
			}
			futures = futures[:0]
		}
		e := &events[i]
		m := natsgo.NewMsg(prefix + e.key)
		m.Data = e.data
		if e.structured {
			m.Data = e.structuredJSON()
			m.Header["content-type"] = []string{"application/cloudevents+json"}
		} else {
			for k, v := range e.attributes {
				m.Header["ce-"+k] = []string{percent(v)}
			}
		}
		if !stream {
			if err := f.nc.PublishMsg(m); err != nil {
				return err
			}
			if i%500 == 499 { // at most once: what is sent faster than it is taken would be lost by right
				if err := f.nc.FlushWithContext(ctx); err != nil {
					return err
				}
				time.Sleep(5 * time.Millisecond)
			}
			continue
		}
		future, err := f.js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute))
		if err != nil {
			return err
		}
		futures = append(futures, future)
	}
	if err := await(ctx, futures); err != nil {
		return err
	}
	return f.nc.FlushWithContext(ctx)
}

// await returns once every publish was acknowledged.
func await(ctx context.Context, futures []jetstream.PubAckFuture) error {
	for _, future := range futures {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (f *field) readNATS(t *testing.T, subject string, l *ledger) {
	sub, err := f.nc.Subscribe(subject, func(m *natsgo.Msg) { l.receive(parseNATS(m.Header, m.Data)) })
	if err != nil {
		t.Fatal(err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		t.Fatal(err)
	}
	if err := f.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
}

func (f *field) readJetStream(t *testing.T, stream string, l *ledger) {
	c, err := f.js.OrderedConsumer(t.Context(), stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	reading, err := c.Consume(func(m jetstream.Msg) { l.receive(parseNATS(m.Headers(), m.Data())) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reading.Stop)
}

func parseNATS(header natsgo.Header, data []byte) (message, error) {
	if strings.HasPrefix(header.Get("Content-Type"), "application/cloudevents+json") {
		return parseStructured(data)
	}
	m := message{attributes: map[string]string{}, data: data}
	for k, v := range header {
		if name, ok := strings.CutPrefix(k, "ce-"); ok {
			text, err := url.PathUnescape(v[0])
			if err != nil {
				return m, err
			}
			m.attributes[name] = text
		}
	}
	return m, nil
}

func (f *field) sendSQS(ctx context.Context, queue string, events []sent) error {
	const batch = 10
	for from := 0; from < len(events); from += batch {
		in := &awssqs.SendMessageBatchInput{QueueUrl: &queue}
		for i := from; i < min(from+batch, len(events)); i++ {
			e := &events[i]
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
				Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(string(e.structuredJSON())),
				MessageGroupId: &e.key, MessageDeduplicationId: &e.uid,
			})
		}
		out, err := f.aws.SendMessageBatch(ctx, in)
		if err != nil {
			return err
		}
		if len(out.Failed) > 0 {
			return fmt.Errorf("sqs: %s", aws.ToString(out.Failed[0].Message))
		}
	}
	return nil
}

func (f *field) readSQS(t *testing.T, queue string, l *ledger) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			out, err := f.aws.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
				QueueUrl: &queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageAttributeNames: []string{"All"},
			})
			if err != nil || len(out.Messages) == 0 {
				continue
			}
			del := &awssqs.DeleteMessageBatchInput{QueueUrl: &queue}
			for i, m := range out.Messages {
				l.receive(parseSQS(&m))
				del.Entries = append(del.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
			}
			_, _ = f.aws.DeleteMessageBatch(ctx, del)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func parseSQS(m *types.Message) (message, error) {
	ct := aws.ToString(m.MessageAttributes["content-type"].StringValue)
	if strings.HasPrefix(ct, "application/cloudevents+json") {
		return parseStructured([]byte(aws.ToString(m.Body)))
	}
	out := message{attributes: map[string]string{}, data: []byte(aws.ToString(m.Body))}
	for k, v := range m.MessageAttributes {
		if name, ok := strings.CutPrefix(k, "ce-"); ok {
			out.attributes[name] = aws.ToString(v.StringValue)
		}
	}
	if ct != "" {
		out.attributes["datacontenttype"] = ct
	}
	return out, nil
}
