package nats

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/internal/testbroker"
)

// watched is a core source whose owner keeps what it tells. Its buffer takes one message.
type watched struct {
	*Source
	logs *observer.ObservedLogs

	mu   sync.Mutex // guards told
	told []error
}

func newWatched(t *testing.T, url string, subjects ...string) *watched {
	t.Helper()
	core, logs := observer.New(zap.WarnLevel)
	cfg := SourceConfig{URL: url, Subjects: subjects, User: "u", Password: security.NewSecret("p"), Pending: 1}
	s, err := NewSource(cfg, sourceSettings(zap.New(core)), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{Source: s, logs: logs}
	s.OnReading(func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, err)
	})
	return w
}

// run runs the source until the test ends. Unlike start it does not wait until the source reads.
func (w *watched) run(t *testing.T) *watched {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, (&router{}).emit) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

// last returns what was told last; false if nothing was.
func (w *watched) last() (err error, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.told) == 0 {
		return nil, false
	}
	return w.told[len(w.told)-1], true
}

// reads and fails are conditions for eventually.
func (w *watched) reads() bool { err, ok := w.last(); return ok && err == nil }

func (w *watched) fails(with string) func() bool {
	return func() bool {
		err, _ := w.last()
		return err != nil && strings.Contains(err.Error(), with)
	}
}

// strict is a server where user u may not subscribe to some subjects, and admin may everything.
type strict struct {
	*testbroker.NATS
	opts *server.Options
}

func newStrict(t *testing.T, denied ...string) *strict {
	t.Helper()
	n := &strict{}
	n.NATS = testbroker.NewNATS(t, func(o *server.Options) {
		o.Users = users(denied)
		n.opts = o.Clone()
	})
	return n
}

func users(denied []string) []*server.User {
	return []*server.User{
		{Username: "admin", Password: "p"},
		{Username: "u", Password: "p", Permissions: &server.Permissions{Subscribe: &server.SubjectPermission{Deny: denied}}},
	}
}

// deny changes what is denied, while the server runs.
func (n *strict) deny(t *testing.T, denied ...string) {
	t.Helper()
	opts := n.opts.Clone()
	opts.Users = users(denied)
	if err := n.Server().ReloadOptions(opts); err != nil {
		t.Fatal(err)
	}
}

// flood publishes to subject until the returned function is called.
func (n *strict) flood(t *testing.T, subject string) (stop func()) {
	t.Helper()
	nc, err := natsgo.Connect(n.URL, natsgo.UserInfo("admin", "p"))
	if err != nil {
		t.Fatal(err)
	}
	quit := make(chan struct{})
	var flooding sync.WaitGroup
	flooding.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
			}
			for range 100 {
				_ = nc.PublishMsg(message(subject, "1"))
			}
			_ = nc.Flush()
		}
	})
	return sync.OnceFunc(func() {
		close(quit)
		flooding.Wait()
		nc.Close()
	})
}

// The router called itself ready when it had reached the server, and lost what came until the server had read the
// subscriptions. On a slow way to the server that is time enough to lose the event for sure.
func TestCoreSourceTellsThatItReadsOnlyBehindItsSubscriptions(t *testing.T) {
	direct, through, proxy := behindProxy(t, false)
	proxy.Delay(100 * time.Millisecond)
	nc := client(t, direct)
	s := newSource(t, SourceConfig{URL: through, Subjects: []string{"c.>"}})
	var told atomic.Int32
	s.OnReading(func(err error) {
		if err != nil {
			t.Error(err)
		}
		if told.Add(1) > 1 {
			return
		}
		if err := nc.PublishMsg(message("c.a", "1")); err != nil {
			t.Error(err)
		}
	})
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if told.Load() != 0 {
		t.Error("the source reads before Run")
	}
	r := &router{}
	start(t, s, r)
	eventually(t, "the event arrives", func() bool { return r.count() == 1 })
}

// A source whose subscription the server refuses gets nothing, and said that it reads.
func TestCoreSourceDoesNotReadWhatItMayNot(t *testing.T) {
	n := newStrict(t, "c.secret")
	eventually(t, "the source reads", newWatched(t, n.URL, "c.open").run(t).reads)
	w := newWatched(t, n.URL, "c.open", "c.secret").run(t)
	eventually(t, "the source tells why it does not read", w.fails("ermissions violation"))
	if err := w.Ready(t.Context()); !errors.Is(err, natsgo.ErrPermissionViolation) {
		t.Errorf("its status is %v", err)
	}
	for _, line := range []string{"nats: source is waiting", "nats: asynchronous error"} {
		eventually(t, "the log has "+line, func() bool { return w.logs.FilterMessage(line).Len() == 1 })
	}
}

// A subscription more than the server allows is refused too, by another error.
func TestCoreSourceDoesNotReadMoreThanItMay(t *testing.T) {
	n := testbroker.NewNATS(t, func(o *server.Options) { o.MaxSubs = 1 })
	w := newWatched(t, n.URL, "c.a", "c.b").run(t)
	eventually(t, "the source tells why it does not read", w.fails("maximum subscriptions exceeded"))
}

// The client keeps one last error. That of a full buffer overwrote the refusal of a subject, and the source said that it
// reads.
func TestCoreSourceRemembersARefusalBehindAFullBuffer(t *testing.T) {
	n := newStrict(t, "c.secret")
	defer n.flood(t, "c.open")()
	for range 10 {
		w := newWatched(t, n.URL, "c.secret", "c.open").run(t)
		eventually(t, "the refusal is told", w.fails("ermissions violation"))
		eventually(t, "the buffer ran over", func() bool {
			return errors.Is(w.core.Load().nc.LastError(), natsgo.ErrSlowConsumer)
		})
		r := w.core.Load()
		r.confirm(t.Context(), r.nc)
		if !w.fails("ermissions violation")() {
			t.Fatal("it reads")
		}
	}
}

// A permission that is withdrawn while the source reads takes it a subject, and one that is given back a connection
// later returns it.
func TestCoreSourceTellsThatAPermissionWasWithdrawn(t *testing.T) {
	n := newStrict(t, "c.other")
	w := newWatched(t, n.URL, "c.open", "c.secret").run(t)
	eventually(t, "the source reads", w.reads)
	n.deny(t, "c.secret")
	eventually(t, "the source tells what was refused", w.fails("c.secret"))
	n.deny(t, "c.other")
	id, err := w.core.Load().nc.GetClientID()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Server().DisconnectClientByID(id); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the source reads again", w.reads)
}

// While the server did not answer, nothing but the log knew: the status was still that of before the connection.
func TestCoreSourceTellsThatItsSubscriptionsAreNotConfirmed(t *testing.T) {
	const unconfirmed = "has not confirmed the subscriptions yet"
	_, through, proxy := behindProxy(t, false)
	proxy.Delay(100 * time.Millisecond)
	w := newWatched(t, through, "c.>")
	w.confirmWait = 50 * time.Millisecond
	w.run(t)
	eventually(t, "the source tells what it waits for", w.fails(unconfirmed))
	if err := w.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), unconfirmed) {
		t.Errorf("its status is %v", err)
	}
	waiting := w.logs.FilterMessage("nats: source is waiting").All()
	if len(waiting) != 1 || !strings.Contains(waiting[0].ContextMap()["error"].(string), unconfirmed) {
		t.Errorf("the log has %v", waiting)
	}
	proxy.Delay(0)
	eventually(t, "the source reads", w.reads)
}

// A server that goes away later comes back by itself, and a restart would not help: the source stays ready.
func TestCoreSourceTellsNothingOfALostConnection(t *testing.T) {
	_, through, proxy := behindProxy(t, false)
	w := newWatched(t, through, "c.>").run(t)
	eventually(t, "the source reads", w.reads)
	proxy.Cut()
	eventually(t, "the source waits", func() bool { return w.Ready(t.Context()) != nil })
	if !w.reads() {
		t.Error("the loss of a connection was told as a refusal")
	}
	proxy.Pass()
	eventually(t, "the source reads again", func() bool { return w.Ready(t.Context()) == nil })
}

// A stream source tells what it waits for as well, until it reads for the first time.
func TestStreamSourceTellsWhatItWaitsFor(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	w := newWatched(t, n.URL, "s.>")
	w.cfg.Subjects, w.cfg.Stream = nil, "S"
	w.run(t)
	eventually(t, "the source tells what it waits for", w.fails("stream"))
	makeStream(t, manager(t, client(t, n.URL)), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
	eventually(t, "the source reads", w.reads)
}
