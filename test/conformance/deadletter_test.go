package conformance

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/kafka"
	"github.com/eventrouter/router/bindings/nats"
	"github.com/eventrouter/router/bindings/sqs"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker/fakesqs"
	"github.com/eventrouter/router/pipeline"
	"github.com/eventrouter/router/routing"
)

// broken is a message that is no event, as its transport has it. The body tells one from another.
type broken struct {
	headers []envelope.Header
	body    string
	key     string
}

func header(pairs ...string) (hs []envelope.Header) {
	for i := 0; i < len(pairs); i += 2 {
		h := envelope.Header{Name: pairs[i], Value: []byte(pairs[i+1])}
		if pairs[i+1] == "<null>" {
			h.Value = nil
		}
		hs = append(hs, h)
	}
	return hs
}

// brokens are messages whose time has no seconds, that are structured and cut off, and that are no events, in a
// transport's own terms.
func brokens(transport string) []broken {
	prefix, media := "ce-", "Content-Type"
	if transport == "kafka" {
		prefix, media = "ce_", "content-type"
	}
	event := func(more ...string) []envelope.Header {
		return header(append([]string{
			media, "application/json", prefix + "id", "7", prefix + "source", "/shop", prefix + "specversion", "1.0",
			prefix + "time", "2018-04-05T17:31Z", prefix + "type", "com.acme.order",
		}, more...)...)
	}
	all := []broken{
		{event("trace", "00-1 é"), `{"n":1}`, "k"},
		{header(media, "application/cloudevents+json; charset=utf-8", "trace", "2"), `{"specversion":"1.0","id":`, "k"},
		{header("trace", "3"), "no event at all", "k"},
		{event("long", strings.Repeat("x", 20<<10)), `{"n":4}`, "k"},
		{header(media, "no media type", "trace", "5"), "text", "k"},
		{nil, "nothing but a body", "k"},
	}
	switch transport {
	case "kafka":
		all = append(all,
			broken{event("dup", "1", "null", "<null>", "dup", "2", "ce_id", "8", "bin", "\x00\xff", "empty", ""), "\xff\x00", "\x00key"},
			broken{event("ce_gone", "<null>"), "", ""})
	case "nats", "core":
		all = append(all, broken{event("dup", "1", "dup", "2", "empty", ""), "\xff\x00", "k"})
	}
	return all
}

// brokenSource returns a source, what puts messages in front of it exactly as they are, and the key that each has.
func (f *field) brokenSource(transport string) (src bindings.Source, put func(ctx context.Context, m *broken) error, key string) {
	name := f.fresh()
	switch transport {
	case "kafka":
		cfg := kafka.SourceConfig{Brokers: f.kafka.ListenAddrs(), Topics: bindings.Strings{name}, Group: name, Start: "earliest"}
		return must(kafka.NewSource(cfg, f.sourceSettings())), func(ctx context.Context, m *broken) error {
			r := &kgo.Record{Topic: name, Value: []byte(m.body), Key: []byte(m.key), Timestamp: time.UnixMilli(1_500_000_000_123)}
			for _, h := range m.headers {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
			}
			return f.kc.ProduceSync(ctx, r).FirstErr()
		}, ""
	case "sqs":
		url := f.sqs.CreateQueue(f.t, name, nil)
		cfg := sqs.SourceConfig{Queue: name, Region: fakesqs.Region, Endpoint: f.sqs.URL(), Wait: time.Second}
		return must(sqs.NewSource(cfg, f.sourceSettings())), func(ctx context.Context, m *broken) error {
			in := &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &m.body, MessageAttributes: map[string]types.MessageAttributeValue{}}
			for _, h := range m.headers {
				in.MessageAttributes[h.Name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(string(h.Value))}
			}
			_, err := f.aws.SendMessage(ctx, in)
			return err
		}, ""
	}
	cfg := nats.SourceConfig{URL: f.nats.URL, Stream: name, Durable: "d"}
	if transport == "core" {
		cfg = nats.SourceConfig{URL: f.nats.URL, Subjects: bindings.Strings{name + ".>"}}
	} else {
		js := must(jetstream.New(f.nc))
		must(js.CreateStream(f.t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}}))
	}
	return must(nats.NewSource(cfg, f.sourceSettings(), nil)), func(_ context.Context, m *broken) error {
		msg := &natsgo.Msg{Subject: name + ".a", Data: []byte(m.body), Header: natsgo.Header{}}
		for _, h := range m.headers {
			msg.Header[h.Name] = append(msg.Header[h.Name], string(h.Value))
		}
		return f.nc.PublishMsg(msg)
	}, name + ".a"
}

// bury runs a pipeline that gives what is malformed to a sink until it has n dead letters. The probe, if there is one, sends
// an event that is dropped: core NATS keeps nothing for who comes later.
func bury(t *testing.T, src bindings.Source, dead bindings.Sink, n int, probe func() error, put func(ctx context.Context) error) {
	t.Helper()
	table, problems := routing.Compile([]routing.Rule{{Name: "probes", Drop: true}}, []string{"in"}, []string{"dead"})
	for _, p := range problems {
		t.Log(p)
	}
	p := must(pipeline.New(pipeline.Settings{
		Sources: []pipeline.Source{{Name: "in", Source: src}}, Sinks: []pipeline.Sink{{Name: "dead", Sink: dead}}, Table: table,
		DeadLetter: pipeline.Policy{Action: pipeline.ToSink, Sink: "dead"}, Drain: time.Second, Log: zap.NewNop(),
	}))
	ctx, cancel := context.WithTimeout(t.Context(), patience/2)
	defer cancel()
	ended := make(chan error, 1)
	run, stop := context.WithCancel(ctx)
	go func() { ended <- p.Run(run) }()
	for probe != nil && p.Ledger().Sources[0].Events == 0 && ctx.Err() == nil {
		if err := probe(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := put(ctx); err != nil {
		t.Error(err)
	}
	for p.Ledger().DeadLetters < int64(n) && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if l := p.Ledger(); l.DeadLetters != int64(n) {
		t.Errorf("%d dead letters, want %d: %+v", l.DeadLetters, n, l)
	}
}

// TestMalformedMessageCanBePutBack: the dead letter of a message that was refused had its body alone. Its attributes and
// headers were gone, and with core NATS nothing else keeps them. From every source, and in every form of every sink, the
// message comes back as it was.
func TestMalformedMessageCanBePutBack(t *testing.T) {
	f := newField(t)
	for _, transport := range []string{"kafka", "nats", "core", "sqs"} {
		for _, form := range sinks() {
			t.Run(transport+" to "+form.String(), func(t *testing.T) {
				to := f.sink(form)
				src, put, key := f.brokenSource(transport)
				sent := map[string]*broken{}
				var all []broken
				for _, m := range brokens(transport) {
					if m.body == "" && (form.transport == "sqs" || form.transport == "nats" || form.transport == "http") {
						m.body = "a body" // an empty one and none are the same there
					}
					all = append(all, m)
				}
				var probe func() error
				if transport == "core" {
					probe = func() error {
						return f.nc.Publish(key, []byte(`{"specversion":"1.0","id":"p","source":"/p","type":"p"}`))
					}
				}
				bury(t, src, to.sink, len(all), probe, func(ctx context.Context) error {
					for i := range all {
						sent[all[i].body] = &all[i]
						if err := put(ctx, &all[i]); err != nil {
							return err
						}
					}
					return nil
				})
				for _, m := range split(t, to, to.take(len(all))) {
					for name := range m.headers { // Kafka to Kafka and NATS to NATS pass the others on as well
						if lower := strings.ToLower(name); !strings.HasPrefix(lower, "ce") && lower != "content-type" {
							delete(m.headers, name)
						}
					}
					got, _, err := read(form.transport, m)
					if err != nil {
						t.Fatal(err)
					}
					was := sent[string(got.Data)]
					if was == nil {
						t.Fatalf("nothing was sent with the body %q", got.Data)
					}
					delete(sent, was.body)
					checkBuried(t, transport, key, was, got)
				}
				if len(sent) > 0 {
					t.Errorf("%d messages did not become dead letters", len(sent))
				}
			})
		}
	}
}

// checkBuried holds a dead letter against the message that it was.
func checkBuried(t *testing.T, transport, key string, was *broken, got *envelope.Event) {
	t.Helper()
	if err := got.Validate(envelope.Options{}); err != nil {
		t.Errorf("the dead letter of %q is no event: %v", was.body, err)
	}
	text, _ := got.Get("dlqheaders")
	headers, err := bindings.ParseHeaders(cmp.Or(text, "[]"))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	want := slices.Clone(was.headers)
	if transport != "kafka" { // a map has no order
		slices.SortStableFunc(want, func(a, b envelope.Header) int { return strings.Compare(a.Name, b.Name) })
	}
	if !slices.EqualFunc(headers, want, func(a, b envelope.Header) bool {
		return a.Name == b.Name && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
	}) {
		t.Errorf("headers %s, want %.300q", text, want)
	}
	stamp, _ := got.Get("dlqtimestamp")
	switch transport {
	case "kafka":
		key = was.key
		if stamp != "2017-07-14T02:40:00.123Z" {
			t.Errorf("the record's timestamp is %q", stamp)
		}
	default:
		if stamp != "" {
			t.Errorf("a timestamp %q", stamp)
		}
	}
	coded, _ := got.Get("dlqkey")
	if had, err := base64.StdEncoding.DecodeString(coded); err != nil || string(had) != key {
		t.Errorf("key %q, want %q (%v)", coded, key, err)
	}
	if left, ok := got.Get("dlqheadersleft"); ok {
		t.Errorf("%s headers are left out", left)
	}
	if reason, _ := got.Get("dlqreason"); reason != "malformed" {
		t.Errorf("reason %q", reason)
	}
}
