package nats

import (
	"fmt"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
)

func TestCoreSourceReadsSubjectsAndSharesAQueue(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	nc := client(t, n.URL)
	a, b := &router{async: true}, &router{async: true}
	cfg := SourceConfig{URL: n.URL, Subjects: []string{"c.one", "c.two.*"}, Queue: "q"}
	stopA, stopB := start(t, newSource(t, cfg), a), start(t, newSource(t, cfg), b)
	const total = 2000
	for i := range total {
		subject := "c.one"
		if i%2 == 1 {
			subject = "c.two.x"
		}
		if err := nc.PublishMsg(message(subject, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all events arrive", func() bool { return a.count()+b.count() == total })
	stopA()
	stopB()
	if a.count() == 0 || b.count() == 0 {
		t.Errorf("%d and %d events: the queue was not shared", a.count(), b.count())
	}
	for _, s := range a.all() {
		if s.key != "c.one" && s.key != "c.two.x" || s.malformed != nil || s.position != 0 {
			t.Fatalf("got %+v", s)
		}
	}
}

// T-22: a source never answers a request, whatever becomes of the event; the answer belongs to whoever serves it.
func TestCoreSourceNeverReplies(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	nc := client(t, n.URL)
	r := &router{decide: func(e *envelope.Event) error {
		if e.ID == "bad" {
			return bindings.ErrStopped
		}
		return nil
	}}
	start(t, newSource(t, SourceConfig{URL: n.URL, Subjects: []string{"c.>"}}), r)
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"good", "bad"} {
		m := message("c.a", id)
		m.Reply = inbox
		if err := nc.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both arrive", func() bool { return r.count() == 2 })
	if m, err := answers.NextMsg(300 * time.Millisecond); err == nil {
		t.Errorf("the source answered %q", m.Data)
	}
}

// A stop emits what the client has received already.
func TestCoreSourceDrains(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	nc := client(t, n.URL)
	settings := sourceSettings(zap.NewNop())
	settings.Window = bindings.NewWindow(50, 0)
	s, err := NewSource(SourceConfig{URL: n.URL, Subjects: []string{"c.>"}}, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	r := &router{async: true, decide: func(*envelope.Event) error { <-release; return nil }}
	stop := start(t, s, r)
	const total = 3000
	for i := range total {
		if err := nc.PublishMsg(message("c.a", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, func() { close(release) })
	time.Sleep(100 * time.Millisecond)
	stop()
	if r.count() != total || s.Dropped() != 0 {
		t.Errorf("%d emitted, %d dropped, want %d and 0", r.count(), s.Dropped(), total)
	}
}

// The end of the connection that a stop brings was logged as a loss with an unknown outcome.
func TestStopIsNoLossOfTheConnection(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	nc := client(t, n.URL)
	makeStream(t, manager(t, nc), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
	for name, cfg := range map[string]SourceConfig{
		"core":   {URL: n.URL, Subjects: []string{"c.>"}},
		"stream": {URL: n.URL, Stream: "S"},
	} {
		core, logs := observer.New(zap.WarnLevel)
		s, err := NewSource(cfg, sourceSettings(zap.New(core)), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &router{async: true}
		stop := start(t, s, r)
		for _, subject := range []string{"c.a", "s.a"} {
			if err := nc.PublishMsg(message(subject, "1")); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "an event arrives", func() bool { return r.count() > 0 })
		stop()
		// What the client calls at the end it calls after Close.
		time.Sleep(100 * time.Millisecond)
		for _, l := range logs.All() {
			t.Errorf("%s: %s %v", name, l.Message, l.ContextMap())
		}
	}
}

func TestCoreSourceReadsAgainAfterARestart(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	r := &router{}
	s := newSource(t, SourceConfig{URL: n.URL, Subjects: []string{"c.>"}})
	start(t, s, r)
	n.Stop()
	eventually(t, "the source says that it is not connected", func() bool { return s.Ready(t.Context()) != nil })
	n.Start()
	eventually(t, "the source is connected", func() bool { return s.Ready(t.Context()) == nil })
	nc, err := natsgo.Connect(n.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.PublishMsg(message("c.a", "1")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an event arrives", func() bool { return r.count() == 1 })
}

// Connected again is not reading again: what is published before the server has read the subscriptions is lost, so the
// source is ready only behind them. On a slow way to the server there is time enough between the two to lose the event.
func TestCoreSourceIsReadyOnlyBehindItsSubscriptions(t *testing.T) {
	direct, through, proxy := behindProxy(t, false)
	r := &router{}
	s := newSource(t, SourceConfig{URL: through, Subjects: []string{"c.>"}})
	start(t, s, r)
	nc := client(t, direct)
	proxy.Cut()
	eventually(t, "the source says that it is not connected", func() bool { return s.Ready(t.Context()) != nil })
	proxy.Pass()
	proxy.Delay(100 * time.Millisecond)
	eventually(t, "the source reads", func() bool { return s.Ready(t.Context()) == nil })
	if err := nc.PublishMsg(message("c.a", "1")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an event arrives", func() bool { return r.count() == 1 })
}
