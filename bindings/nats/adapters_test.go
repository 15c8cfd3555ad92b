package nats

import (
	"errors"
	"slices"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
)

// adapting returns a source with all adapters.
func adapting(t testing.TB, cfg SourceConfig, events int) (*Source, *bindings.Window) {
	t.Helper()
	settings := sourceSettings(zap.NewNop())
	settings.Window = bindings.NewWindow(events, 0)
	settings.Adapters = []string{"sns", "eventbridge", "s3"}
	s, err := NewSource(cfg, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, settings.Window
}

// foreign are messages that adapters know, and the ids of their events; an empty one is of a malformed event.
var foreign = []struct {
	body string
	ids  []string
}{
	{bindingtest.EventBridgeEvent, []string{"7bf7"}},
	{bindingtest.S3Notification("R", 3), []string{"R.x.0.k0", "R.x.1.k1", "R.x.2.k2"}},
	{bindingtest.S3TestMessage, []string{""}},
	{bindingtest.SNSNotification(`{"specversion":"1.0","id":"inner","source":"/s","type":"t"}`), []string{"inner"}},
	{bindingtest.SNSNotification("hello"), []string{"sns-1"}},
	{bindingtest.SNSNotification(bindingtest.S3Notification("S", 1)), []string{"S.x"}},
	{"hello", []string{""}},
}

// publishForeign publishes them and returns the ids of all events to come.
func publishForeign(t testing.TB, nc *natsgo.Conn, subject string) (ids []string) {
	t.Helper()
	for _, f := range foreign {
		m := natsgo.NewMsg(subject)
		m.Header.Set("X-Trace", "1")
		m.Data = []byte(f.body)
		if err := nc.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, f.ids...)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return ids
}

func idsOf(all []seen) (ids []string) {
	for _, s := range all {
		ids = append(ids, s.id)
	}
	return ids
}

func TestAdaptersCore(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	s, window := adapting(t, SourceConfig{URL: n.URL, Subjects: []string{"c.>"}}, 2)
	r := &router{async: true, decide: func(e *envelope.Event) error {
		if string(e.Key) != "c.a" || e.Meta.Channel != "c.a" || len(e.Meta.Headers) != 1 || (e.Malformed == nil) != (e.Meta.MessageID == "") {
			t.Errorf("event %q has key %q and %+v", e.ID, e.Key, e.Meta)
		}
		return nil
	}}
	stop := start(t, s, r)
	want := publishForeign(t, client(t, n.URL), "c.a")
	eventually(t, "all events arrive", func() bool { return r.count() == len(want) })
	stop()
	if got := idsOf(r.all()); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if events, bytes := window.InFlight(); events != 0 || bytes != 0 {
		t.Errorf("the window holds %d events, %d bytes", events, bytes)
	}
}

func TestAdaptersStream(t *testing.T) {
	n, js, _ := broker(t)
	s, window := adapting(t, SourceConfig{URL: n.URL, Stream: "S"}, 2)
	r := &router{async: true, decide: func(e *envelope.Event) error {
		if string(e.Key) != "s.a" || e.Meta.Stream != "S" || e.Meta.Deliveries != 1 || len(e.Meta.Headers) != 1 {
			t.Errorf("event %q has key %q and %+v", e.ID, e.Key, e.Meta)
		}
		return nil
	}}
	stop := start(t, s, r)
	want := publishForeign(t, client(t, n.URL), "s.a")
	eventually(t, "all events arrive", func() bool { return r.count() == len(want) })
	stop()
	if got := idsOf(r.all()); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, s := range r.all() {
		if strings.HasPrefix(s.id, "R") != (s.position == 2) {
			t.Errorf("event %q is at %d", s.id, s.position)
		}
	}
	if a, u := pending(t, js, "router-in"); a != 0 || u != 0 {
		t.Errorf("%d messages wait for an acknowledgement and %d are unread", a, u)
	}
	if events, bytes := window.InFlight(); events != 0 || bytes != 0 {
		t.Errorf("the window holds %d events, %d bytes", events, bytes)
	}
}

// Messages that are several events do not make a batch larger than the window, and a batch that is used again knows
// nothing of those it had.
func TestBatchesOfSeveralEventsStopAtTheBounds(t *testing.T) {
	s, _ := adapting(t, SourceConfig{URL: "nats://127.0.0.1:1", Subjects: []string{"c.>"}}, 2)
	big := &natsgo.Msg{Subject: "c.a", Data: []byte(bindingtest.S3Notification("R", 3))}
	msgs := []*natsgo.Msg{big, message("c.a", "1"), message("c.a", "2"), message("c.a", "3"), big, big}
	want := []int{3, 2, 4, 3}
	var got []int
	note := func(b *bindings.Batch) {
		got = append(got, len(b.Events))
		b.Expect(len(b.Events))
		b.Done(len(b.Events))
	}
	core := &coreReader{Source: s, free: make(chan *coreBatch, 1)}
	core.emit(t.Context(), msgs, note)
	if !slices.Equal(got, want) {
		t.Errorf("core: batches of %v events, want %v", got, want)
	}
	got = nil
	stream := &streamReader{Source: s, ctx: t.Context(), free: make(chan *streamBatch, 1), live: map[*streamBatch]struct{}{}}
	stream.acker = &acker{leases: newLeases(), wake: make(chan struct{}, 1)}
	stream.emit(t.Context(), msgs, func(b *bindings.Batch) {
		for emitted := range stream.live {
			if n := emitted.spans.Messages(b); n != len(emitted.tokens) || n != len(emitted.open) {
				t.Errorf("%d messages of %d events, want %d", n, len(b.Events), len(emitted.tokens))
			}
		}
		note(b)
	})
	if !slices.Equal(got, want) {
		t.Errorf("stream: batches of %v events, want %v", got, want)
	}
}

// A message that is several events is acknowledged when all of them are done: one that fails brings back all of them, and
// nothing of the messages around it.
func TestStreamMessageOfSeveralEventsIsAcknowledgedOnce(t *testing.T) {
	n, js, _ := broker(t)
	s, _ := adapting(t, SourceConfig{URL: n.URL, Stream: "S"}, 100)
	// All of it is there before the source reads, so that it is one batch.
	publish(t, js, "s.a", "before")
	if _, err := js.Publish(t.Context(), "s.a", []byte(bindingtest.S3Notification("R", 3))); err != nil {
		t.Fatal(err)
	}
	publish(t, js, "s.a", "after")
	r := &router{async: true, decide: func(e *envelope.Event) error {
		if e.ID == "R.x.1.k1" && e.Meta.Deliveries == 1 {
			return errors.New("sink refused")
		}
		return nil
	}}
	stop := start(t, s, r)
	eventually(t, "the message comes again", func() bool { return r.count() >= 8 })
	stop()
	times := r.times()
	for id, want := range map[string]int{"before": 1, "after": 1, "R.x.0.k0": 2, "R.x.1.k1": 2, "R.x.2.k2": 2} {
		if times[id] != want {
			t.Errorf("%s came %d times, want %d", id, times[id], want)
		}
	}
	c, err := js.Consumer(t.Context(), "S", "router-in")
	if err != nil {
		t.Fatal(err)
	}
	if i := c.CachedInfo(); i.NumAckPending != 0 || i.NumPending != 0 || i.AckFloor.Stream != 3 {
		t.Errorf("%d wait for an acknowledgement, %d are unread, acknowledged up to %d", i.NumAckPending, i.NumPending, i.AckFloor.Stream)
	}
}
