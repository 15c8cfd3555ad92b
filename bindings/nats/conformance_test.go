package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
)

// suiteForeign are the goroutines of the server in this process.
var suiteForeign = []string{"nats-server/v2/server.", "internal/testbroker.(*Proxy)"}

// suiteLoss: NATS cannot tell an empty payload from none.
const suiteLoss = bindingtest.Headers | bindingtest.LossEmptyData

const suiteStream = "SUITE"

// behindProxy starts a server with a stream and returns its own address and that of the proxy before it.
func behindProxy(t testing.TB, stream bool) (direct, through string, proxy *testbroker.Proxy) {
	t.Helper()
	srv := testbroker.NewNATS(t, func(o *server.Options) { o.MaxPayload = 512 << 10 })
	proxy = testbroker.NewProxy(t, strings.TrimPrefix(srv.URL, "nats://"))
	if stream {
		makeStream(t, manager(t, client(t, srv.URL)), jetstream.StreamConfig{
			Name: suiteStream, Subjects: []string{"suite.>"}, Storage: jetstream.MemoryStorage,
		})
	}
	return srv.URL, "nats://" + proxy.Addr().String(), proxy
}

// plainMessage writes a binary message as the specification has it, on the subject of its key.
func plainMessage(e *envelope.Event) *natsgo.Msg {
	m := natsgo.NewMsg(subjectOf(e))
	m.Data = e.Data
	attributes := bindingtest.Attributes(e)
	if ct := e.ContentType(); ct != "" {
		attributes["datacontenttype"] = ct
	}
	for name, value := range attributes {
		m.Header["ce-"+name] = []string{bindingtest.PercentEncode(value)}
	}
	return m
}

func structuredMessage(e *envelope.Event) *natsgo.Msg {
	m := natsgo.NewMsg(subjectOf(e))
	m.Data = bindingtest.WriteJSON(e)
	m.Header["Content-Type"] = []string{"application/cloudevents+json; charset=utf-8"}
	return m
}

func subjectOf(e *envelope.Event) string {
	if len(e.Key) > 0 {
		return "suite." + string(e.Key)
	}
	return "suite.events"
}

func parseMessage(m *natsgo.Msg) (a bindingtest.Arrival, err error) {
	a = bindingtest.Arrival{Mode: "binary", Address: "subject " + m.Subject}
	if strings.HasPrefix(m.Header.Get("Content-Type"), "application/cloudevents+json") {
		a.Mode = "structured"
		a.Event, err = bindingtest.ReadJSON(m.Data)
		return a, err
	}
	attributes := map[string]string{}
	for name, values := range m.Header {
		name, ok := strings.CutPrefix(name, "ce-")
		if !ok {
			continue
		}
		if len(values) != 1 {
			return a, fmt.Errorf("ce-%s is there %d times", name, len(values))
		}
		if attributes[name], err = bindingtest.PercentDecode(values[0]); err != nil {
			return a, err
		}
	}
	data := m.Data
	if len(data) == 0 {
		data = nil
	}
	a.Event, err = bindingtest.FromAttributes(attributes, data)
	return a, err
}

// heavy are the golden events whose headers a NATS server refuses.
func heavy(why string) map[string]string {
	return map[string]string{"size-attribute-64k": why, "size-attributes-64k": why, "encoded-64k": why}
}

func TestConformance_SourceCore(t *testing.T) {
	for name, write := range map[string]func(*envelope.Event) *natsgo.Msg{"binary": plainMessage, "structured": structuredMessage} {
		t.Run(name, func(t *testing.T) {
			bindingtest.Source(t, bindingtest.SourceCase{
				Features: bindingtest.Features{AtMostOnce: true, HasKeys: true, Ordered: true},
				Loss:     lossOf(name), Refuses: refusedBy(name), Foreign: suiteForeign, OnlyGolden: name != "binary",
				Open: func(t *testing.T) *bindingtest.SourceRig {
					direct, through, proxy := behindProxy(t, false)
					writer := client(t, direct)
					var newest *Source
					return &bindingtest.SourceRig{
						New: func(s bindings.SourceSettings) (_ bindings.Source, err error) {
							newest, err = NewSource(SourceConfig{URL: through, Subjects: bindings.Strings{"suite.>"}}, s, nil)
							return newest, err
						},
						Send:    sendWith(writer, write),
						SendRaw: func(ctx context.Context, body []byte) error { return sendRaw(ctx, writer, body) },
						Reading: func() bool { return reading(newest) },
						Down:    proxy.Cut, Up: proxy.Pass,
					}
				},
			})
		})
	}
}

// reading asks twice with a round trip between, because what the proxy cut is noticed a moment later only.
func reading(s *Source) bool {
	ok := func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.running && s.status == nil }
	if !ok() {
		return false
	}
	time.Sleep(20 * time.Millisecond)
	return ok()
}

func lossOf(mode string) bindingtest.Loss {
	if mode == "structured" {
		return bindingtest.Structured
	}
	return suiteLoss
}

func refusedBy(mode string) map[string]string {
	if mode == "structured" {
		return nil
	}
	return heavy("a NATS server refuses so many bytes of headers")
}

func sendWith(nc *natsgo.Conn, write func(*envelope.Event) *natsgo.Msg) func(context.Context, []*envelope.Event) error {
	return func(ctx context.Context, events []*envelope.Event) error {
		for _, e := range events {
			if err := nc.PublishMsg(write(e)); err != nil {
				return err
			}
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return nc.FlushWithContext(ctx)
	}
}

func sendRaw(ctx context.Context, nc *natsgo.Conn, body []byte) error {
	m := natsgo.NewMsg("suite.raw")
	m.Header["ce-specversion"], m.Header["ce-id"], m.Data = []string{"1.0"}, []string{"1"}, body
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return errors.Join(nc.PublishMsg(m), nc.FlushWithContext(ctx))
}

func TestConformance_SourceJetStream(t *testing.T) {
	for name, write := range map[string]func(*envelope.Event) *natsgo.Msg{"binary": plainMessage, "structured": structuredMessage} {
		t.Run(name, func(t *testing.T) {
			bindingtest.Source(t, bindingtest.SourceCase{
				Features: bindingtest.Features{Redelivers: true, SettlesIndividually: true, HasKeys: true, Ordered: true},
				Loss:     lossOf(name), Refuses: refusedBy(name), Foreign: suiteForeign, OnlyGolden: name != "binary",
				Open: func(t *testing.T) *bindingtest.SourceRig {
					direct, through, proxy := behindProxy(t, true)
					writer := client(t, direct)
					return &bindingtest.SourceRig{
						New: func(s bindings.SourceSettings) (bindings.Source, error) {
							return NewSource(SourceConfig{URL: through, Stream: suiteStream, AckWait: time.Second}, s, nil)
						},
						Send:    sendWith(writer, write),
						SendRaw: func(ctx context.Context, body []byte) error { return sendRaw(ctx, writer, body) },
						Later:   func() { time.Sleep(1100 * time.Millisecond) }, // ack_wait
						Down:    proxy.Cut, Up: proxy.Pass,
					}
				},
			})
		})
	}
}

// suiteRefused are the events that no NATS server takes.
func suiteRefused() []bindingtest.RefusedEvent {
	large := event("too-large")
	large.Data = make([]byte, 600<<10)
	return []bindingtest.RefusedEvent{{Name: "too large", Event: large, Reason: bindings.ReasonTooLarge}}
}

func suiteModes() []bindingtest.SinkMode {
	// Binary headers that would pass the server's bound are sent as a document instead.
	large := map[string]string{"size-attribute-64k": "structured", "size-attributes-64k": "structured", "encoded-64k": "structured"}
	return []bindingtest.SinkMode{
		{Name: "binary", Mode: bindings.ModeBinary, Loss: suiteLoss, Otherwise: large},
		{Name: "structured", Mode: bindings.ModeStructured, Loss: bindingtest.Structured},
	}
}

func TestConformance_SinkCore(t *testing.T) {
	bindingtest.Sink(t, bindingtest.SinkCase{
		Modes: suiteModes(), Foreign: suiteForeign,
		Open: func(t *testing.T) *bindingtest.SinkRig {
			direct, through, proxy := behindProxy(t, false)
			reader := client(t, direct)
			sub, err := reader.SubscribeSync("suite.>")
			if err == nil {
				err = errors.Join(sub.SetPendingLimits(-1, -1), reader.Flush())
			}
			if err != nil {
				t.Fatal(err)
			}
			var arrived []bindingtest.Arrival
			return &bindingtest.SinkRig{
				New: newSuiteSink(SinkConfig{URL: through, Subject: "suite.out"}),
				Arrived: func(t *testing.T) []bindingtest.Arrival {
					if err := reader.Flush(); err != nil { // what the server had before is here after it
						t.Fatal(err)
					}
					for n, _, err := sub.Pending(); n > 0; n, _, err = sub.Pending() {
						m, err2 := sub.NextMsg(patience)
						if err = errors.Join(err, err2); err != nil {
							t.Fatal(err)
						}
						arrived = append(arrived, arrival(t, m))
					}
					return arrived
				},
				Refused: suiteRefused(),
				Down:    proxy.Cut, Stall: proxy.BlackHole, Up: proxy.Pass, LoseAnswer: proxy.LoseResponse,
			}
		},
	})
}

func newSuiteSink(cfg SinkConfig) func(bindings.SinkSettings) (bindings.Sink, error) {
	return func(s bindings.SinkSettings) (bindings.Sink, error) { return NewSink(cfg, s, nil) }
}

func arrival(t *testing.T, m *natsgo.Msg) bindingtest.Arrival {
	t.Helper()
	a, err := parseMessage(m)
	if err != nil {
		t.Fatalf("a message on %s: %v", m.Subject, err)
	}
	return a
}

func TestConformance_SinkJetStream(t *testing.T) {
	bindingtest.Sink(t, bindingtest.SinkCase{
		Modes: suiteModes(), Foreign: suiteForeign,
		Open: func(t *testing.T) *bindingtest.SinkRig {
			direct, through, proxy := behindProxy(t, true)
			js := manager(t, client(t, direct))
			return &bindingtest.SinkRig{
				New: newSuiteSink(SinkConfig{URL: through, Subject: "suite.out", Stream: suiteStream}),
				Arrived: func(t *testing.T) (out []bindingtest.Arrival) {
					stream, err := js.Stream(t.Context(), suiteStream)
					if err != nil {
						t.Fatal(err)
					}
					for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
						m, err := stream.GetMsg(t.Context(), seq)
						if err != nil {
							t.Fatal(err)
						}
						out = append(out, arrival(t, &natsgo.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}))
					}
					return out
				},
				Refused: suiteRefused(),
				Down:    proxy.Cut, Stall: proxy.BlackHole, Up: proxy.Pass, LoseAnswer: proxy.LoseResponse,
			}
		},
	})
}
