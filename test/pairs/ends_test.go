package pairs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/bindings/http"
	"github.com/eventrouter/router/bindings/kafka"
	"github.com/eventrouter/router/bindings/nats"
	"github.com/eventrouter/router/bindings/sqs"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
	"github.com/eventrouter/router/internal/testbroker/fakesqs"
)

const (
	structuredType = "application/cloudevents+json"
	topic          = "pairs"
	stream         = "PAIRS"
	queue          = "pairs.fifo"
)

func sourceSettings(w *bindings.Window) bindings.SourceSettings {
	return bindings.SourceSettings{Name: "in", Log: zap.NewNop(), Window: w}
}

func sinkSettings() bindings.SinkSettings {
	return bindings.SinkSettings{
		Name: "out", Log: zap.NewNop(), Mode: bindings.ModeStructured, Format: envelope.FormatJSON, Timeout: time.Second, Concurrency: 4,
	}
}

// must ends the test where a part of it could not be made.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fronted is a listener that tells clients the address of the proxy before it.
type fronted struct {
	net.Listener
	addr net.Addr
}

func (f fronted) Addr() net.Addr { return f.addr }

// brokers starts Kafka behind a proxy.
func brokers(t *testing.T) (c *kfake.Cluster, proxy *testbroker.Proxy) {
	t.Helper()
	c = must[*kfake.Cluster](t)(kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, topic),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			ln, err := net.Listen(network, address)
			if err != nil {
				return nil, err
			}
			proxy = testbroker.NewProxy(t, ln.Addr().String())
			return fronted{ln, proxy.Addr()}, nil
		})))
	t.Cleanup(c.Close)
	return c, proxy
}

func fromKafka(t *testing.T, w *bindings.Window) origin {
	c, _ := brokers(t)
	cfg := kafka.SourceConfig{Brokers: c.ListenAddrs(), Topics: bindings.Strings{topic}, Group: "pairs"}
	writer := must[*kgo.Client](t)(kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DisableClientMetrics()))
	t.Cleanup(writer.Close)
	return origin{
		source: must[*kafka.Source](t)(kafka.NewSource(cfg, sourceSettings(w))),
		write: func(ctx context.Context, events []*envelope.Event) error {
			var records []*kgo.Record
			for _, e := range events {
				records = append(records, &kgo.Record{
					Topic: topic, Key: e.Key, Value: bindingtest.WriteJSON(e),
					Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte(structuredType)}},
				})
			}
			return writer.ProduceSync(ctx, records...).FirstErr()
		},
	}
}

func toKafka(t *testing.T) target {
	c, proxy := brokers(t)
	// A key of its own, because the sink keeps the keys of Kafka only.
	cfg := kafka.SinkConfig{Brokers: c.ListenAddrs(), Topic: topic, Key: "partitionkey"}
	var faults *kfake.FaultHandle
	return target{
		sink: must[*kafka.Sink](t)(kafka.NewSink(cfg, sinkSettings())), proxy: proxy,
		trouble: func() {
			faults = c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{1}, Count: 20})
		},
		calm: func() { faults.Remove() },
		read: func(t *testing.T) [][]byte { return readTopic(t, c) },
	}
}

func readTopic(t *testing.T, c *kfake.Cluster) (texts [][]byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reader := must[*kgo.Client](t)(kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DisableClientMetrics(),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())))
	defer reader.Close()
	left := int64(0)
	must[kadm.ListedOffsets](t)(kadm.NewClient(reader).ListEndOffsets(ctx, topic)).Each(func(o kadm.ListedOffset) { left += o.Offset })
	for left > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d records left: %v", left, err)
		}
		for _, r := range fetches.Records() {
			texts = append(texts, r.Value)
			left--
		}
	}
	return texts
}

// streams starts NATS with a stream and returns a client of it.
func streams(t *testing.T) (srv *testbroker.NATS, nc *natsgo.Conn, js jetstream.JetStream) {
	t.Helper()
	srv = testbroker.NewNATS(t, nil)
	nc = must[*natsgo.Conn](t)(natsgo.Connect(srv.URL))
	t.Cleanup(nc.Close)
	js = must[jetstream.JetStream](t)(jetstream.New(nc))
	must[jetstream.Stream](t)(js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: stream, Subjects: []string{"pairs.>"}, Storage: jetstream.MemoryStorage,
	}))
	return srv, nc, js
}

func fromJetStream(t *testing.T, w *bindings.Window) origin {
	srv, _, js := streams(t)
	return origin{
		source: must[*nats.Source](t)(nats.NewSource(nats.SourceConfig{URL: srv.URL, Stream: stream}, sourceSettings(w), nil)),
		write: func(ctx context.Context, events []*envelope.Event) error {
			var acks []jetstream.PubAckFuture
			for _, e := range events {
				m := natsgo.NewMsg("pairs." + string(e.Key))
				m.Header["Content-Type"], m.Data = []string{structuredType}, bindingtest.WriteJSON(e)
				ack, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute))
				if err != nil {
					return err
				}
				acks = append(acks, ack)
			}
			for _, ack := range acks {
				select {
				case <-ack.Ok():
				case err := <-ack.Err():
					return err
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		},
	}
}

func toJetStream(t *testing.T) target {
	srv, _, js := streams(t)
	proxy := testbroker.NewProxy(t, strings.TrimPrefix(srv.URL, "nats://"))
	cfg := nats.SinkConfig{URL: "nats://" + proxy.Addr().String(), Subject: "pairs.{partitionkey}", Stream: stream}
	return target{
		sink: must[*nats.Sink](t)(nats.NewSink(cfg, sinkSettings(), nil)), proxy: proxy,
		read: func(t *testing.T) (texts [][]byte) {
			s := must[jetstream.Stream](t)(js.Stream(t.Context(), stream))
			for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
				texts = append(texts, must[*jetstream.RawStreamMsg](t)(s.GetMsg(t.Context(), seq)).Data)
			}
			return texts
		},
	}
}

// service starts SQS with a FIFO queue and returns a client of it.
func service(t *testing.T) (server *fakesqs.Server, url string, client *awssqs.Client) {
	t.Helper()
	server = fakesqs.New(t)
	url = server.CreateQueue(t, queue, map[string]string{"FifoQueue": "true"})
	tr := &nethttp.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	client = awssqs.New(awssqs.Options{
		Region: fakesqs.Region, BaseEndpoint: aws.String(server.URL()), HTTPClient: &nethttp.Client{Transport: tr},
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	return server, url, client
}

func fromSQS(t *testing.T, w *bindings.Window) origin {
	server, url, client := service(t)
	cfg := sqs.SourceConfig{Queue: queue, Region: fakesqs.Region, Endpoint: server.URL(), Wait: time.Second}
	return origin{
		source: must[*sqs.Source](t)(sqs.NewSource(cfg, sourceSettings(w))),
		write: func(ctx context.Context, events []*envelope.Event) error {
			for part := range slices.Chunk(events, 10) {
				in := &awssqs.SendMessageBatchInput{QueueUrl: &url}
				for _, e := range part {
					in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
						Id: aws.String(e.ID), MessageBody: aws.String(string(bindingtest.WriteJSON(e))),
						MessageGroupId: aws.String(string(e.Key)), MessageDeduplicationId: aws.String(e.ID),
					})
				}
				out, err := client.SendMessageBatch(ctx, in)
				if err == nil && len(out.Failed) > 0 {
					err = errors.New(aws.ToString(out.Failed[0].Message))
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func toSQS(t *testing.T) target {
	server, _, _ := service(t)
	proxy := testbroker.NewProxy(t, strings.TrimPrefix(server.URL(), "http://"))
	cfg := sqs.SinkConfig{Queue: queue, Region: fakesqs.Region, Endpoint: "http://" + proxy.Addr().String()}
	return target{
		sink: must[*sqs.Sink](t)(sqs.NewSink(cfg, sinkSettings())), proxy: proxy,
		trouble: func() {
			server.OnCall("SendMessageBatch", func(c fakesqs.Call) *fakesqs.Fault {
				switch c.Number % 7 {
				case 2:
					return &fakesqs.Fault{LostAnswer: true}
				case 4:
					return &fakesqs.Fault{Entries: map[int]fakesqs.Outcome{0: {Answer: fakesqs.AnswerFailed, Code: "InternalError"}}}
				case 5:
					return &fakesqs.Fault{Entries: map[int]fakesqs.Outcome{0: {Performed: true, Answer: fakesqs.AnswerMissing}}}
				}
				return nil
			})
		},
		calm: func() { server.OnCall("SendMessageBatch", nil) },
		read: func(*testing.T) (texts [][]byte) {
			for _, body := range server.Bodies(queue) {
				texts = append(texts, []byte(body))
			}
			return texts
		},
	}
}

// fromHTTP posts with a few clients until every event is taken, as senders that keep their events do.
func fromHTTP(t *testing.T, w *bindings.Window) origin {
	src := must[*http.Source](t)(http.NewSource(http.SourceConfig{Listen: "127.0.0.1:0"}, sourceSettings(w)))
	tr := &nethttp.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(tr.CloseIdleConnections)
	client := &nethttp.Client{Transport: tr}
	return origin{source: src, unordered: true, write: func(ctx context.Context, events []*envelope.Event) error {
		var wg sync.WaitGroup
		errs := make(chan error, 16)
		for share := range slices.Chunk(events, len(events)/16) {
			wg.Go(func() {
				for _, e := range share {
					if err := post(ctx, client, "http://"+src.Addr()+"/", bindingtest.WriteJSON(e)); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
		close(errs)
		return <-errs
	}}
}

func post(ctx context.Context, client *nethttp.Client, url string, body []byte) error {
	for {
		req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", structuredType)
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		switch {
		case err != nil:
			return err
		case resp.StatusCode == nethttp.StatusNoContent:
			return nil
		case resp.StatusCode < 500 && resp.StatusCode != nethttp.StatusTooManyRequests:
			return fmt.Errorf("%s: %s", resp.Status, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func toHTTP(t *testing.T) target {
	var mu sync.Mutex // guards texts
	var texts [][]byte
	var requests atomic.Int64
	var trouble atomic.Bool
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // cut off; it comes again
		}
		n := requests.Add(1)
		if trouble.Load() && n%11 == 3 {
			w.WriteHeader(nethttp.StatusInternalServerError)
			return
		}
		mu.Lock()
		texts = append(texts, body)
		mu.Unlock()
		if trouble.Load() && n%11 == 7 {
			w.WriteHeader(nethttp.StatusBadGateway) // taken, and the answer says otherwise
			return
		}
		w.WriteHeader(nethttp.StatusNoContent)
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	proxy := testbroker.NewProxy(t, srv.Listener.Addr().String())
	return target{
		sink:    must[*http.Sink](t)(http.NewSink(http.SinkConfig{URL: "http://" + proxy.Addr().String() + "/"}, sinkSettings())),
		proxy:   proxy,
		trouble: func() { trouble.Store(true) }, calm: func() { trouble.Store(false) },
		read: func(*testing.T) [][]byte {
			mu.Lock()
			defer mu.Unlock()
			return texts
		},
	}
}
