package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
)

// broker starts a server with stream S on "s.>" and returns its parts.
func broker(t testing.TB) (*testbroker.NATS, jetstream.JetStream, jetstream.Stream) {
	t.Helper()
	n := testbroker.NewNATS(t, nil)
	js := manager(t, client(t, n.URL))
	return n, js, makeStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
}

func publish(t testing.TB, js jetstream.JetStream, subject, id string) {
	t.Helper()
	if _, err := js.PublishMsg(t.Context(), message(subject, id)); err != nil {
		t.Fatal(err)
	}
}

func publishMany(t testing.TB, js jetstream.JetStream, subject, name string, n int) {
	t.Helper()
	for i := range n {
		if _, err := js.PublishMsgAsync(message(subject, fmt.Sprintf("%s-%d", name, i)), jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}

func pending(t testing.TB, js jetstream.JetStream, durable string) (ackPending, unread int) {
	t.Helper()
	c, err := js.Consumer(t.Context(), "S", durable)
	if err != nil {
		t.Fatal(err)
	}
	i := c.CachedInfo()
	return i.NumAckPending, int(i.NumPending)
}

func TestStreamDeliversEverythingOnceInOrderAndLeavesNothingPending(t *testing.T) {
	n, js, _ := broker(t)
	const total = 5000
	publishMany(t, js, "s.a", "e", total)
	r := &router{async: true}
	stop := start(t, newSource(t, SourceConfig{URL: n.URL, Stream: "S"}), r)
	eventually(t, "all events arrive", func() bool { return r.count() >= total })
	stop()
	for i, s := range r.all() {
		if s.id != fmt.Sprintf("e-%d", i) || s.key != "s.a" || s.position != int64(i+1) || s.deliveries != 1 {
			t.Fatalf("event %d: %+v", i, s)
		}
	}
	// T-20.
	if a, u := pending(t, js, "router-in"); a != 0 || u != 0 {
		t.Errorf("after the stop %d messages wait for an acknowledgement and %d are unread, want 0 and 0", a, u)
	}
}

// A source that is stopped under load gives back what it fetched and did not deliver: the next one gets it at once, long
// before ack_wait.
func TestStreamStopUnderLoadGivesBack(t *testing.T) {
	n, js, _ := broker(t)
	const total = 3000
	publishMany(t, js, "s.a", "e", total)
	cfg := SourceConfig{URL: n.URL, Stream: "S", AckWait: time.Minute}
	first := &router{}
	settings := sourceSettings(newSource(t, cfg).log)
	settings.Window = bindings.NewWindow(300, 0) // so that much is fetched and little emitted
	release := make(chan struct{})
	first.async, first.decide = true, func(*envelope.Event) error { <-release; return nil }
	s, err := NewSource(cfg, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	stop := start(t, s, first)
	eventually(t, "events arrive", func() bool { return first.count() > 0 })
	time.Sleep(200 * time.Millisecond) // the window fills up, whatever the batches' sizes
	time.AfterFunc(100*time.Millisecond, func() { close(release) })
	stop()
	second := &router{}
	stop = start(t, newSource(t, cfg), second)
	eventually(t, "the rest arrives", func() bool { return first.count()+second.count() >= total })
	stop()
	if a, u := pending(t, js, "router-in"); a != 0 || u != 0 {
		t.Errorf("%d messages wait for an acknowledgement and %d are unread, want 0 and 0", a, u)
	}
	if got := first.count() + second.count(); got != total {
		t.Errorf("%d events in all, want %d: none twice", got, total)
	}
}

// T-38: what fails comes back after a growing delay, not thousands of times a second.
func TestStreamNakIsDelayed(t *testing.T) {
	n, js, _ := broker(t)
	publish(t, js, "s.a", "bad")
	publish(t, js, "s.a", "good")
	r := &router{}
	r.decide = func(e *envelope.Event) error {
		if e.ID == "bad" && e.Meta.Deliveries < 3 {
			return errors.New("sink refused")
		}
		return nil
	}
	stop := start(t, newSource(t, SourceConfig{URL: n.URL, Stream: "S"}), r)
	eventually(t, "the event is delivered at the third time", func() bool { return r.times()["bad"] >= 3 })
	stop()
	if times := r.times(); times["bad"] != 3 || times["good"] != 1 {
		t.Errorf("deliveries %v, want bad 3 times and good once", times)
	}
	var at []time.Time
	for _, s := range r.all() {
		if s.id == "bad" {
			at = append(at, s.at)
		}
	}
	if first, second := at[1].Sub(at[0]), at[2].Sub(at[1]); first < 900*time.Millisecond || second < 1900*time.Millisecond {
		t.Errorf("redelivered after %s and %s, want at least 1s and 2s", first, second)
	}
	if a, _ := pending(t, js, "router-in"); a != 0 {
		t.Errorf("%d messages wait for an acknowledgement, want 0", a)
	}
}

func TestNakDelays(t *testing.T) {
	fault := errors.New("x")
	for _, c := range []struct {
		err        error
		deliveries int
		want       string
	}{
		{fault, 0, `-NAK {"delay": 1000000000}`},
		{fault, 1, `-NAK {"delay": 1000000000}`},
		{fault, 2, `-NAK {"delay": 2000000000}`},
		{fault, 1000, `-NAK {"delay": 30000000000}`},
		{bindings.RetryAfter(fault, time.Minute), 1, `-NAK {"delay": 60000000000}`},
		{bindings.ErrStopped, 7, "-NAK"},
		{fmt.Errorf("send: %w", context.Canceled), 7, "-NAK"},
	} {
		if got := string(nak(c.err, c.deliveries)); got != c.want {
			t.Errorf("nak(%v, %d) = %s, want %s", c.err, c.deliveries, got, c.want)
		}
	}
}

// A message that is held for longer than ack_wait is not delivered again, neither here nor to another reader.
func TestStreamLeaseOutlivesAckWait(t *testing.T) {
	n, js, _ := broker(t)
	const total = 300
	publishMany(t, js, "s.a", "e", total)
	cfg := SourceConfig{URL: n.URL, Stream: "S", AckWait: time.Second}
	release := make(chan struct{})
	r := &router{async: true, decide: func(*envelope.Event) error { <-release; return nil }}
	stop := start(t, newSource(t, cfg), r)
	eventually(t, "all events arrive", func() bool { return r.count() >= total })
	other := &router{}
	stopOther := start(t, newSource(t, cfg), other)
	time.Sleep(3500 * time.Millisecond)
	if got := other.count(); got != 0 {
		t.Errorf("another reader got %d events that the first one holds", got)
	}
	close(release)
	stop()
	stopOther()
	for id, n := range r.times() {
		if n != 1 {
			t.Errorf("%s was emitted %d times", id, n)
		}
	}
	c, err := js.Consumer(t.Context(), "S", "router-in")
	if err != nil {
		t.Fatal(err)
	}
	if i := c.CachedInfo(); i.NumAckPending != 0 || i.NumRedelivered != 0 {
		t.Errorf("%d pending, %d redelivered, want 0 and 0", i.NumAckPending, i.NumRedelivered)
	}
}

// T-19, the ledger: the server goes down and comes back several times while events flow in and out. Nothing may be
// lost, and what was acknowledged and confirmed must not come again in this process.
func TestStreamSurvivesServerRestarts(t *testing.T) {
	n, js, _ := broker(t)
	out := &router{async: true}
	stop := start(t, newSource(t, SourceConfig{URL: n.URL, Stream: "S", AckWait: 2 * time.Second}), out)
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "s.{type}"})
	if err := k.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	var acked atomic.Int64
	quit, sent := make(chan struct{}), make(chan int)
	go func() {
		for batch := 0; ; batch++ {
			es := events(50, fmt.Sprintf("b%d", batch))
			for len(es) > 0 {
				err := k.Send(context.Background(), es)
				es = failedOf(err, es)
				if err != nil {
					time.Sleep(20 * time.Millisecond)
				}
			}
			acked.Add(50)
			select {
			case <-quit:
				sent <- (batch + 1) * 50
				return
			default:
			}
		}
	}()
	for range 3 {
		before := acked.Load()
		eventually(t, "events flow", func() bool { return acked.Load() > before+500 })
		n.Stop()
		time.Sleep(300 * time.Millisecond)
		n.Start()
	}
	before := acked.Load()
	eventually(t, "events flow after the last restart", func() bool { return acked.Load() > before+500 })
	close(quit)
	total := <-sent
	eventually(t, "every acknowledged event arrives", func() bool { return len(out.times()) >= total })
	stop()
	twice := 0
	for _, n := range out.times() {
		twice += n - 1
	}
	t.Logf("%d events, 3 restarts: 0 lost, %d delivered twice, %d repeated publishes recognised", total, twice, k.Duplicates())
	if got := len(out.times()); got != total {
		t.Errorf("%d different events, want %d", got, total)
	}
	if twice != 0 {
		t.Errorf("%d events were emitted twice, want 0", twice)
	}
	eventually(t, "nothing is pending", func() bool { a, u := pending(t, js, "router-in"); return a == 0 && u == 0 })
}

// failedOf returns the events of a Send that have to be sent again.
func failedOf(err error, es []*envelope.Event) []*envelope.Event {
	if err == nil {
		return nil
	}
	each, ok := errors.AsType[bindings.BatchError](err)
	if !ok {
		return es
	}
	var again []*envelope.Event
	for i, err := range each {
		if err != nil {
			again = append(again, es[i])
		}
	}
	return again
}

func TestStreamWaitsForTheStreamAndSaysSo(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	js := manager(t, client(t, n.URL))
	s := newSource(t, SourceConfig{URL: n.URL, Stream: "S"})
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "stream S") {
		t.Errorf("Ready before Run: %v, want the stream's name", err)
	}
	r := &router{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, r.emit) }()
	eventually(t, "Ready names the stream", func() bool {
		err := s.Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), "stream S")
	})
	makeStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
	publish(t, js, "s.a", "1")
	eventually(t, "the event arrives", func() bool { return r.count() == 1 })
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("Ready while reading: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStreamSourceCreatesStreamAndGoesOnAfterConsumerIsDeleted(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	js := manager(t, client(t, n.URL))
	r := &router{}
	stop := start(t, newSource(t, SourceConfig{
		URL: n.URL, Stream: "S", Subjects: []string{"s.a"}, Durable: "d", Create: &StreamConfig{Subjects: []string{"s.>"}, Storage: "memory"},
	}), r)
	publish(t, js, "s.a", "1")
	publish(t, js, "s.b", "other")
	eventually(t, "the first event arrives", func() bool { return r.count() == 1 })
	eventually(t, "it is acknowledged", func() bool { a, _ := pending(t, js, "d"); return a == 0 })
	if err := js.DeleteConsumer(t.Context(), "S", "d"); err != nil {
		t.Fatal(err)
	}
	publish(t, js, "s.a", "2")
	eventually(t, "the new consumer delivers", func() bool { return r.times()["2"] == 1 })
	stop()
	if r.times()["other"] != 0 {
		t.Error("an event of a subject that is not asked for")
	}
}

// start: new is about what is there when the durable begins: neither a subject that the stream takes later, nor a durable that
// is deleted while the source runs, makes it skip anything.
func TestStreamStartNewSkipsOnlyWhatWasThere(t *testing.T) {
	n, js, _ := broker(t)
	publish(t, js, "s.a", "old")
	r := &router{}
	stop := start(t, newSource(t, SourceConfig{URL: n.URL, Stream: "S", Start: "new"}), r)
	publish(t, js, "s.a", "1")
	eventually(t, "the first event arrives", func() bool { return r.count() == 1 })
	eventually(t, "it is acknowledged", func() bool { a, _ := pending(t, js, "router-in"); return a == 0 })
	stop()
	if _, err := js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>", "added.>"}}); err != nil {
		t.Fatal(err)
	}
	publish(t, js, "added.a", "2")
	stop = start(t, newSource(t, SourceConfig{URL: n.URL, Stream: "S", Start: "new"}), r)
	eventually(t, "an event of the added subject arrives", func() bool { return r.times()["2"] == 1 })
	eventually(t, "it is acknowledged", func() bool { a, _ := pending(t, js, "router-in"); return a == 0 })
	time.Sleep(50 * time.Millisecond) // the source knows of the answer
	n.Server().DisconnectClientByID(clientOf(t, n))
	if err := js.DeleteConsumer(t.Context(), "S", "router-in"); err != nil {
		t.Fatal(err)
	}
	publish(t, js, "s.a", "3")
	eventually(t, "an event from before the durable was recreated arrives", func() bool { return r.times()["3"] == 1 })
	stop()
	if times := r.times(); times["old"] != 0 || times["1"] != 1 || times["2"] != 1 {
		t.Errorf("deliveries %v, want no old one and 1 and 2 once", times)
	}
}

// clientOf returns the number of the source's connection.
func clientOf(t *testing.T, n *testbroker.NATS) uint64 {
	t.Helper()
	conns, err := n.Server().Connz(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range conns.Conns {
		if strings.HasPrefix(c.Name, "router/") {
			return c.Cid
		}
	}
	t.Fatal("the source is not connected")
	return 0
}

func TestStreamSaysThatItsSubjectsChange(t *testing.T) {
	n, js, _ := broker(t)
	publish(t, js, "s.b", "before")
	core, logs := observer.New(zap.InfoLevel)
	for i, subjects := range [][]string{{"s.a"}, {"s.a", "s.b"}, {"s.a", "s.b"}} {
		s, err := NewSource(SourceConfig{URL: n.URL, Stream: "S", Subjects: subjects}, sourceSettings(zap.New(core)), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &router{}
		stop := start(t, s, r)
		publish(t, js, "s.a", fmt.Sprint(i))
		eventually(t, "the event arrives", func() bool { return r.times()[fmt.Sprint(i)] == 1 })
		stop()
	}
	if n := logs.FilterMessageSnippet("subjects of the durable change").Len(); n != 1 {
		t.Errorf("it was said %d times, want once", n)
	}
}

func TestStreamSaysThatMaxAckPendingStopsIt(t *testing.T) {
	n, js, _ := broker(t)
	publishMany(t, js, "s.a", "e", 50)
	core, logs := observer.New(zap.InfoLevel)
	s, err := NewSource(SourceConfig{URL: n.URL, Stream: "S", MaxAckPending: 10}, sourceSettings(zap.New(core)), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.tellEvery = 20 * time.Millisecond
	release := make(chan struct{})
	r := &router{async: true, decide: func(*envelope.Event) error { <-release; return nil }}
	stop := start(t, s, r)
	eventually(t, "it is said", func() bool { return logs.FilterMessageSnippet("max_ack_pending").Len() > 0 })
	close(release)
	eventually(t, "everything arrives", func() bool { return r.count() == 50 })
	stop()
}

// A message larger than the prefetch is fetched alone; the others stay within it.
func TestStreamFetchesLargeMessagesAlone(t *testing.T) {
	n, js, _ := broker(t)
	for i := range 30 {
		m := message("s.a", fmt.Sprint(i))
		if i%10 == 5 {
			m.Data = make([]byte, 200<<10)
		}
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	r := &router{}
	stop := start(t, newSource(t, SourceConfig{URL: n.URL, Stream: "S", PrefetchBytes: 16 << 10}), r)
	eventually(t, "all events arrive", func() bool { return r.count() >= 30 })
	stop()
	if got := len(r.times()); got != 30 {
		t.Errorf("%d events, want 30", got)
	}
}

func TestStreamMalformedMessagesAreEmittedAsSuch(t *testing.T) {
	n, js, _ := broker(t)
	if _, err := js.Publish(t.Context(), "s.a", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	r := &router{}
	stop := start(t, newSource(t, SourceConfig{URL: n.URL, Stream: "S"}), r)
	eventually(t, "the message arrives", func() bool { return r.count() == 1 })
	stop()
	if got := r.all()[0]; !errors.Is(got.malformed, envelope.ErrNotCloudEvent) || got.key != "s.a" || got.position != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestStreamRefusesForeignAckPolicy(t *testing.T) {
	n, js, _ := broker(t)
	if _, err := js.CreateConsumer(t.Context(), "S", jetstream.ConsumerConfig{Durable: "d", AckPolicy: jetstream.AckNonePolicy}); err != nil {
		t.Fatal(err)
	}
	s := newSource(t, SourceConfig{URL: n.URL, Stream: "S", Durable: "d"})
	nc := client(t, n.URL)
	if err := s.ensureConsumer(t.Context(), nc, 0); err == nil || !strings.Contains(err.Error(), "ack policy") {
		t.Errorf("got %v, want an error about the ack policy", err)
	}
}

func TestParseReply(t *testing.T) {
	want := receipt{token: token{seq: 42, stored: 1700000000000000000}, deliveries: 3, order: 7}
	for _, reply := range []string{
		"$JS.ACK.S.C.3.42.7.1700000000000000000.9",
		"$JS.ACK._.ACCHASH.S.C.3.42.7.1700000000000000000.9",
		"$JS.ACK.hub.ACCHASH.S.C.3.42.7.1700000000000000000.9.random",
	} {
		if got, ok := parseReply(reply); !ok || got != want {
			t.Errorf("%s: %v %v", reply, got, ok)
		}
	}
	for _, reply := range []string{"", "_INBOX.x", "$JS.ACK.", "$JS.ACK.S.C", "$JS.ACK.S.C.3.x.7.1.9", "$JS.ACK.S.C.3.99999999999999999999999.7.1.9"} {
		if _, ok := parseReply(reply); ok {
			t.Errorf("%q was taken", reply)
		}
	}
	if n := testing.AllocsPerRun(100, func() { parseReply("$JS.ACK.S.C.3.42.7.1700000000000000000.9") }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestLeases(t *testing.T) {
	l := newLeases()
	a, b := token{1, 10}, token{1, 20}
	if !l.take(a, "r1", 0) || l.take(a, "r2", 0) {
		t.Error("a held message was taken twice")
	}
	if r, ok := l.reply(a); !ok || r != "r2" {
		t.Errorf("reply %q %v, want the newest", r, ok)
	}
	if got := l.due(nil); len(got) != 0 {
		t.Errorf("%v due in the first round", got)
	}
	if got := l.due(nil); len(got) != 1 || got[0] != "r2" {
		t.Errorf("%v due in the second round, want r2", got)
	}
	// The stream was recreated: the sequence means another message, and the old one must not acknowledge it.
	if !l.take(b, "r3", 0) {
		t.Error("another message with the same sequence was not taken")
	}
	if _, ok := l.reply(a); ok {
		t.Error("the token of the old message is not void")
	}
	l.drop(a)
	if _, ok := l.reply(b); !ok {
		t.Error("dropping the old message dropped the new one")
	}
}
