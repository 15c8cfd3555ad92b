package nats

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
)

// stalled is a core source whose pipeline takes nothing until it is released, so that its buffer of 100 runs over.
type stalled struct {
	*Source
	r       *router
	logs    *observer.ObservedLogs
	stop    func()
	release func()
	publish func(n int)
}

func startStalled(t *testing.T, dropsEvery time.Duration) *stalled {
	t.Helper()
	n := testbroker.NewNATS(t, nil)
	nc := client(t, n.URL)
	core, logs := observer.New(zap.WarnLevel)
	settings := sourceSettings(zap.New(core))
	settings.Window = bindings.NewWindow(10, 0)
	s, err := NewSource(SourceConfig{URL: n.URL, Subjects: []string{"c.a", "c.b"}, Pending: 100}, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.dropsEvery = dropsEvery
	gate := make(chan struct{})
	st := &stalled{Source: s, logs: logs, release: sync.OnceFunc(func() { close(gate) })}
	st.r = &router{async: true, decide: func(*envelope.Event) error { <-gate; return nil }}
	st.stop = start(t, s, st.r)
	t.Cleanup(st.release) // before the stop
	st.publish = func(n int) {
		t.Helper()
		for i := range n {
			if err := nc.PublishMsg(message([]string{"c.a", "c.b"}[i%2], fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

// most is the most that a stalled source holds: the window, a batch that waits for it, what has gathered, what two
// subscriptions wait to add, and their buffers.
const most = 10 + 2*batchEvents + 2 + 200

// logged adds up the drops that the log tells of, and returns the last total it gives.
func (s *stalled) logged() (sum, total int64) {
	for _, l := range s.logs.FilterMessageSnippet("messages were dropped").All() {
		fields := l.ContextMap()
		sum += fields["dropped"].(int64)
		total = fields["dropped_total"].(int64)
	}
	return sum, total
}

// check compares what was published with what arrived and with what the counter and the log say.
func (s *stalled) check(t *testing.T, published int) {
	t.Helper()
	if got := s.Dropped() + int64(s.r.count()); got != int64(published) {
		t.Errorf("%d dropped and %d delivered make %d, want %d", s.Dropped(), s.r.count(), got, published)
	}
	if sum, total := s.logged(); sum != s.Dropped() || total != s.Dropped() {
		t.Errorf("the log tells of %d drops, %d at last, want %d", sum, total, s.Dropped())
	}
	if got := s.logs.Len(); got == 0 || got > 5 {
		t.Errorf("%d warnings, want a few", got)
	}
}

// T-23: what is lost because the router is slow equals what the counter says, and the log says it a few times at most.
func TestCoreSourceCountsWhatItDrops(t *testing.T) {
	s := startStalled(t, logSlowEvery)
	s.publish(20_000)
	eventually(t, "drops are counted", func() bool { return s.Dropped() > 0 })
	s.release()
	s.stop()
	s.check(t, 20_000)
}

// The client tells of the first drop only, until a message fits again; what came after it was counted no earlier than
// that, and in the log perhaps never.
func TestCoreSourceCountsDropsBehindTheFirst(t *testing.T) {
	s := startStalled(t, logSlowEvery)
	for total := 5000; total <= 15_000; total += 5000 {
		s.publish(5000)
		eventually(t, "all drops are counted while nothing moves", func() bool { return s.Dropped() >= int64(total-most) })
	}
	s.release()
	s.stop()
	s.check(t, 15_000)
}

// Drops while a stop waits for the pipeline are drops too.
func TestCoreSourceCountsDropsWhileItStops(t *testing.T) {
	s := startStalled(t, logSlowEvery)
	s.publish(5000)
	eventually(t, "drops are counted", func() bool { return s.Dropped() > 0 })
	stopped := make(chan struct{})
	go func() {
		s.stop()
		close(stopped)
	}()
	s.publish(5000)
	eventually(t, "all drops are counted", func() bool { return s.Dropped() >= 10_000-most })
	s.release()
	<-stopped
	s.check(t, 10_000)
}

// Nobody but a clock tells of drops that go on for hours.
func TestCoreSourceLooksForDropsOnItsOwn(t *testing.T) {
	s := startStalled(t, 10*time.Millisecond)
	for published := int64(5000); published <= 15_000; published += 5000 {
		s.publish(5000)
		eventually(t, "the log tells of drops behind the first", func() bool {
			_, total := s.logged()
			return total >= published-most
		})
	}
	s.release()
	s.stop()
}

// That there are drops is said when the first one is there, and not when somebody looks.
func TestCoreSourceTellsOfTheFirstDropAtOnce(t *testing.T) {
	s := startStalled(t, time.Hour)
	s.publish(5000)
	eventually(t, "the log tells of a drop", func() bool { _, total := s.logged(); return total > 0 })
	s.release()
	s.stop()
}

// lossy waits until the log has both ends of a gap in what a source got.
func lossy(t *testing.T, logs *observer.ObservedLogs) {
	t.Helper()
	eventually(t, "the log tells of the gap", func() bool {
		began, ended := false, false
		for _, l := range logs.All() {
			text, _ := l.ContextMap()["error"].(string)
			gap, _ := l.ContextMap()["gap"].(time.Duration)
			began = began || strings.Contains(text, "is lost uncounted")
			ended = ended || strings.Contains(l.Message, "the source reads again") && gap > 0
		}
		return began && ended
	})
}

// What was published during a reconnect was lost, and the log said only that there had been one.
func TestCoreSourceSaysThatAReconnectLosesEvents(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	core, logs := observer.New(zap.WarnLevel)
	s, err := NewSource(SourceConfig{URL: n.URL, Subjects: []string{"c.>"}}, sourceSettings(zap.New(core)), nil)
	if err != nil {
		t.Fatal(err)
	}
	start(t, s, &router{})
	n.Stop()
	n.Start()
	lossy(t, logs)
}

// A server that cannot get rid of messages drops them and ends the connection.
func TestCoreSourceSaysThatTheServerDropped(t *testing.T) {
	n := testbroker.NewNATS(t, func(o *server.Options) { o.MaxPending, o.WriteDeadline = 1<<20, 100*time.Millisecond })
	proxy := testbroker.NewProxy(t, strings.TrimPrefix(n.URL, "nats://"))
	core, logs := observer.New(zap.WarnLevel)
	cfg := SourceConfig{URL: "nats://" + proxy.Addr().String(), Subjects: []string{"c.>"}}
	s, err := NewSource(cfg, sourceSettings(zap.New(core)), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &router{}
	start(t, s, r)
	proxy.Delay(time.Second) // for every 32 KiB, so that the server's side fills up
	nc := client(t, n.URL)
	large := natsgo.NewMsg("c.a")
	large.Data = make([]byte, 512<<10)
	eventually(t, "the server ends the connection", func() bool {
		if err := nc.PublishMsg(large); err != nil {
			t.Fatal(err)
		}
		return n.Server().NumSlowConsumers() > 0
	})
	proxy.Delay(0)
	lossy(t, logs)
}
