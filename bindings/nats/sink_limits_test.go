package nats

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
)

// eventOf returns an event whose message has that size on the wire.
func eventOf(t *testing.T, k *Sink, id string, size int) *envelope.Event {
	t.Helper()
	e := event(id)
	e.Data = []byte("x")
	p, err := k.Preview(e)
	if err != nil {
		t.Fatal(err)
	}
	e.Data = make([]byte, 1+size-p.Bytes)
	return e
}

// checkEdge wants an event of exactly the limit to pass, and one of a byte more to fail for good and alone.
func checkEdge(t *testing.T, k *Sink, want bindings.Limit, code string) {
	t.Helper()
	if got := k.Limit(); got != want {
		t.Errorf("limit %+v, want %+v", got, want)
	}
	id := fmt.Sprint(want.Bytes, want.From)
	fits, beyond := eventOf(t, k, "fits"+id, want.Bytes), eventOf(t, k, "beyond"+id, want.Bytes+1)
	err := k.Send(t.Context(), []*envelope.Event{beyond, fits})
	errs, ok := errors.AsType[bindings.BatchError](err)
	if !ok || len(errs) != 2 || errs[1] != nil {
		t.Fatalf("got %v, want the second delivered", err)
	}
	checkSize(t, errs[0], want, want.Bytes+1, code)
	_, err = k.Preview(beyond)
	checkSize(t, err, want, want.Bytes+1, code)
}

func checkSize(t *testing.T, err error, limit bindings.Limit, size int, code string) {
	t.Helper()
	p, ok := errors.AsType[*bindings.PermanentError](err)
	text := fmt.Sprintf("the message has %d bytes and the limit is %d (%s)", size, limit.Bytes, limit.From)
	if !ok || p.Reason != bindings.ReasonTooLarge || p.Code != code || !strings.HasPrefix(p.Error(), "nats: subject ") || !strings.HasSuffix(p.Error(), text) {
		t.Errorf("got %#v, want %s", err, text)
	}
}

// TestServerLimitIsExact, and is followed to a server that has another one.
func TestServerLimitIsExact(t *testing.T) {
	for _, stream := range []string{"", "S"} {
		n := testbroker.NewNATS(t, func(o *server.Options) { o.MaxPayload = 4096 })
		if stream != "" {
			makeStream(t, manager(t, client(t, n.URL)), jetstream.StreamConfig{Name: stream, Subjects: []string{"s.>"}})
		}
		k := newSink(t, SinkConfig{URL: n.URL, Stream: stream, Subject: "s.{type}"})
		if got := k.Limit(); got.Bytes != assumedPayload || !strings.Contains(got.From, "assumed") {
			t.Errorf("before it was connected: %+v", got)
		}
		ready(t, k)
		checkEdge(t, k, bindings.Limit{Bytes: 4096, From: "max_payload of the server"}, "max_payload")

		_, port, err := net.SplitHostPort(strings.TrimPrefix(n.URL, "nats://"))
		if err != nil {
			t.Fatal(err)
		}
		store := n.Server().StoreDir()
		n.Stop()
		for _, payload := range []int32{2048, 8192} {
			other := testbroker.NewNATS(t, func(o *server.Options) {
				o.Port, _ = strconv.Atoi(port)
				o.MaxPayload, o.StoreDir = payload, store
			})
			eventually(t, "the sink is connected to the other server", func() bool { return k.Limit().Bytes == int(payload) })
			ready(t, k)
			checkEdge(t, k, bindings.Limit{Bytes: int(payload), From: "max_payload of the server"}, "max_payload")
			other.Stop()
		}
	}
}

// TestStreamLimitIsExact, and is asked for again before an event is refused.
func TestStreamLimitIsExact(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	js := manager(t, client(t, n.URL))
	cfg := jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, MaxMsgSize: 3000}
	s := makeStream(t, js, cfg)
	stored := func() uint64 {
		info, err := s.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.State.Msgs
	}
	want := bindings.Limit{Bytes: 3000, From: "stream S max_msg_size"}
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "s.{type}"})
	ready(t, k)
	checkEdge(t, k, want, "10054")
	if stored() != 1 {
		t.Errorf("%d messages stored, want 1", stored())
	}

	unready := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "s.{type}"})
	err := unready.Send(t.Context(), []*envelope.Event{eventOf(t, unready, "unready", 3001), eventOf(t, unready, "huge", 2<<20)})
	errs, _ := errors.AsType[bindings.BatchError](err)
	if len(errs) != 2 {
		t.Fatalf("got %v", err)
	}
	checkSize(t, errs[0], want, 3001, "10054")
	checkSize(t, errs[1], bindings.Limit{Bytes: 1 << 20, From: "max_payload of the server"}, 2<<20, "max_payload")

	for _, size := range []int32{5000, 1000} {
		cfg.MaxMsgSize = size
		if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		// Lowered, it is the stream that refuses first, and the sink that says why.
		e := eventOf(t, k, fmt.Sprint("changed", size), int(size)+1)
		_ = k.Send(t.Context(), []*envelope.Event{e})
		checkEdge(t, k, bindings.Limit{Bytes: int(size), From: "stream S max_msg_size"}, "10054")
	}
}

// TestRefusedEventsAskTheStreamOnce: one request for all events of a Send that are too large.
func TestRefusedEventsAskTheStreamOnce(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	nc := client(t, n.URL)
	makeStream(t, manager(t, nc), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, MaxMsgSize: 3000})
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "s.{type}"})
	ready(t, k)
	questions, err := nc.SubscribeSync("$JS.API.STREAM.INFO.S")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	large := []*envelope.Event{eventOf(t, k, "1", 3001), eventOf(t, k, "2", 4000), event("small")}
	errs, _ := errors.AsType[bindings.BatchError](k.Send(t.Context(), large))
	if len(errs) != 3 || reason(errs[0]) != bindings.ReasonTooLarge || reason(errs[1]) != bindings.ReasonTooLarge || errs[2] != nil {
		t.Fatalf("got %v", errs)
	}
	if err := nc.Flush(); err != nil { // what the server got before is here behind it
		t.Fatal(err)
	}
	if n, _, err := questions.Pending(); n != 1 || err != nil {
		t.Errorf("the stream was asked %d times, want once (%v)", n, err)
	}
}

// TestLimitOfAStreamToBeMade is known without any network.
func TestLimitOfAStreamToBeMade(t *testing.T) {
	k := newSink(t, SinkConfig{URL: "nats://127.0.0.1:1", Stream: "S", Subject: "s", Create: &StreamConfig{MaxMessageSize: 1000}})
	if got, want := k.Limit(), (bindings.Limit{Bytes: 1000, From: "stream S max_msg_size"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
