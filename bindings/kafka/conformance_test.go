package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
)

const suiteTopic = "suite"

// suiteForeign are the goroutines of the brokers in this process.
var suiteForeign = []string{"franz-go/pkg/kfake.", "internal/testbroker.(*Proxy)"}

// fronted is a listener that tells clients the address of the proxy before it.
type fronted struct {
	net.Listener
	addr net.Addr
}

func (f fronted) Addr() net.Addr { return f.addr }

// behindProxy starts brokers that clients reach through a proxy only.
func behindProxy(t testing.TB) (*kfake.Cluster, *testbroker.Proxy) {
	t.Helper()
	var proxy *testbroker.Proxy
	c := cluster(t, kfake.SeedTopics(3, suiteTopic), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		ln, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		proxy = testbroker.NewProxy(t, ln.Addr().String())
		return fronted{ln, proxy.Addr()}, nil
	}))
	return c, proxy
}

// plainRecord writes a binary record as the specification has it.
func plainRecord(e *envelope.Event) *kgo.Record {
	r := &kgo.Record{Topic: suiteTopic, Key: e.Key, Value: e.Data}
	if len(e.Key) > 0 {
		r.Partition = int32(e.Key[len(e.Key)-1]) % 3
	}
	attributes := bindingtest.Attributes(e)
	attributes["datacontenttype"] = e.ContentType()
	for name, value := range attributes {
		switch {
		case name != "datacontenttype":
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "ce_" + name, Value: append([]byte{}, value...)})
		case value != "":
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "content-type", Value: []byte(value)})
		}
	}
	return r
}

// structuredRecord writes a structured one.
func structuredRecord(e *envelope.Event) *kgo.Record {
	r := plainRecord(e)
	r.Value = bindingtest.WriteJSON(e)
	r.Headers = []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json; charset=UTF-8")}}
	return r
}

func sourceRig(t *testing.T, write func(*envelope.Event) *kgo.Record) *bindingtest.SourceRig {
	c, proxy := behindProxy(t)
	writer := client(t, c)
	cfg := SourceConfig{Brokers: c.ListenAddrs(), Topics: bindings.Strings{suiteTopic}, Group: "suite"}
	return &bindingtest.SourceRig{
		New: func(s bindings.SourceSettings) (bindings.Source, error) { return NewSource(cfg, s) },
		Send: func(ctx context.Context, events []*envelope.Event) error {
			records := make([]*kgo.Record, len(events))
			for i, e := range events {
				records[i] = write(e)
			}
			return writer.ProduceSync(ctx, records...).FirstErr()
		},
		SendRaw: func(ctx context.Context, body []byte) error {
			return writer.ProduceSync(ctx, &kgo.Record{Topic: suiteTopic, Value: body, Headers: []kgo.RecordHeader{
				{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: []byte("1")},
			}}).FirstErr()
		},
		Down: proxy.Cut, Up: proxy.Pass,
	}
}

func TestConformance_Source(t *testing.T) {
	// An event whose data is an event cannot be a binary record: its content type would say that it is structured.
	nested := map[string]string{}
	for _, name := range []string{"nested-event", "nested-batch", "nested-upper-case", "nested-avro"} {
		nested[name] = "no binary record can carry an event whose content type is that of a structured one"
	}
	for name, c := range map[string]struct {
		write   func(*envelope.Event) *kgo.Record
		loss    bindingtest.Loss
		refuses map[string]string
	}{
		"binary":     {plainRecord, bindingtest.Headers, nested},
		"structured": {structuredRecord, bindingtest.Structured, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bindingtest.Source(t, bindingtest.SourceCase{
				Features: bindingtest.Features{Redelivers: true, HasKeys: true, Ordered: true},
				Loss:     c.loss, Refuses: c.refuses, Foreign: suiteForeign, OnlyGolden: name != "binary",
				Open: func(t *testing.T) *bindingtest.SourceRig { return sourceRig(t, c.write) },
			})
		})
	}
}

// readTopic reads everything that is in the topic, by partition.
func readTopic(t *testing.T, c *kfake.Cluster) (out []bindingtest.Arrival) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reader, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DisableClientMetrics(), kgo.ConsumeTopics(suiteTopic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ends, err := kadm.NewClient(reader).ListEndOffsets(ctx, suiteTopic)
	if err != nil {
		t.Fatal(err)
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	for left > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d records left: %v", left, err)
		}
		for _, r := range fetches.Records() {
			left--
			a, err := parseRecord(r)
			if err != nil {
				t.Errorf("record %d/%d: %v", r.Partition, r.Offset, err)
				continue
			}
			out = append(out, a)
		}
	}
	return out
}

func parseRecord(r *kgo.Record) (a bindingtest.Arrival, err error) {
	a = bindingtest.Arrival{Mode: "binary", Address: "topic " + r.Topic, Key: string(r.Key)}
	attributes := map[string]string{}
	for _, h := range r.Headers {
		name, ok := strings.CutPrefix(h.Key, "ce_")
		switch {
		case ok && h.Value == nil:
			err = errors.Join(err, fmt.Errorf("%s is null", h.Key))
		case ok:
			if _, twice := attributes[name]; twice {
				err = errors.Join(err, fmt.Errorf("%s is there twice", h.Key))
			}
			attributes[name] = string(h.Value)
		case h.Key != "content-type":
		case strings.HasPrefix(string(h.Value), "application/cloudevents+json"):
			a.Mode = "structured"
		default:
			attributes["datacontenttype"] = string(h.Value)
		}
	}
	if err != nil {
		return a, err
	}
	if a.Mode == "structured" {
		a.Event, err = bindingtest.ReadJSON(r.Value)
		return a, err
	}
	a.Event, err = bindingtest.FromAttributes(attributes, r.Value)
	return a, err
}

func sinkRig(t *testing.T) *bindingtest.SinkRig {
	c, proxy := behindProxy(t)
	var mu sync.Mutex // guards failing
	failing := ""
	// The broker fails the partition's batch of the request that the event is in, as it does with a real error.
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		produce := req.(*kmsg.ProduceRequest)
		if failing == "" {
			return nil, nil, false
		}
		failing = ""
		resp := produce.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range produce.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.UnknownServerError.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	large := event("too-large", "")
	large.Data = make([]byte, assumedLimit+1)
	return &bindingtest.SinkRig{
		New: func(s bindings.SinkSettings) (bindings.Sink, error) {
			return NewSink(SinkConfig{Brokers: c.ListenAddrs(), Topic: suiteTopic, Compression: "none"}, s)
		},
		Arrived:   func(t *testing.T) []bindingtest.Arrival { return readTopic(t, c) },
		Transport: kind,
		Refused:   []bindingtest.RefusedEvent{{Name: "too large", Event: large, Reason: bindings.ReasonTooLarge}},
		FailOnce:  func(id string) { mu.Lock(); defer mu.Unlock(); failing = id },
		Down:      proxy.Cut, Stall: proxy.BlackHole, Up: proxy.Pass, LoseAnswer: proxy.LoseResponse,
	}
}

func TestConformance_Sink(t *testing.T) {
	nested := map[string]string{
		"nested-event": "structured", "nested-batch": "structured", "nested-upper-case": "structured", "nested-avro": "structured",
	}
	bindingtest.Sink(t, bindingtest.SinkCase{
		Modes: []bindingtest.SinkMode{
			{Name: "binary", Mode: bindings.ModeBinary, Loss: bindingtest.Headers, Otherwise: nested},
			{Name: "structured", Mode: bindings.ModeStructured, Loss: bindingtest.Structured},
		},
		Foreign: suiteForeign,
		Open:    sinkRig,
	})
}
