package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// eventually fails the test if ok does not come true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within %s: %s", patience, what)
}

func client(t testing.TB, url string) *natsgo.Conn {
	t.Helper()
	nc, err := natsgo.Connect(url, natsgo.MaxReconnects(-1), natsgo.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func manager(t testing.TB, nc *natsgo.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func makeStream(t testing.TB, js jetstream.JetStream, cfg jetstream.StreamConfig) jetstream.Stream {
	t.Helper()
	s, err := js.CreateStream(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sourceSettings(log *zap.Logger) bindings.SourceSettings {
	return bindings.SourceSettings{Name: "in", Log: log, Window: bindings.NewWindow(100_000, 256<<20)}
}

func sinkSettings() bindings.SinkSettings {
	return bindings.SinkSettings{Name: "out", Log: zap.NewNop(), Timeout: 5 * time.Second}
}

func newSource(t testing.TB, cfg SourceConfig) *Source {
	t.Helper()
	s, err := NewSource(cfg, sourceSettings(zap.NewNop()), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newSink(t testing.TB, cfg SinkConfig) *Sink {
	t.Helper()
	k, err := NewSink(cfg, sinkSettings(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return k
}

// event returns a valid event with that id.
func event(id string) *envelope.Event {
	return &envelope.Event{ID: id, Source: "/test", Type: "com.example.made", DataContentType: "text/plain", Data: []byte("payload " + id)}
}

func events(n int, name string) []*envelope.Event {
	es := make([]*envelope.Event, n)
	for i := range es {
		es[i] = event(fmt.Sprintf("%s-%d", name, i))
	}
	return es
}

// message returns a binary message with that id.
func message(subject, id string) *natsgo.Msg {
	x := newEncoder()
	x.encode(event(id), false)
	m := natsgo.NewMsg(subject)
	for name, v := range x.msg.Header {
		m.Header[name] = []string{string([]byte(v[0]))}
	}
	m.Data = []byte("payload " + id)
	return m
}

// seen is an event as a test's pipeline got it.
type seen struct {
	id, key    string
	position   int64
	deliveries int
	at         time.Time
	malformed  error
}

// router stands in for the pipeline: it records what is emitted and settles it with the outcome that decide gives, on
// goroutines of its own.
type router struct {
	decide func(e *envelope.Event) error // may block
	async  bool                          // settle on another goroutine

	wg  sync.WaitGroup
	mu  sync.Mutex
	got []seen
}

func (r *router) emit(b *bindings.Batch) {
	r.mu.Lock()
	for i := range b.Events {
		e := &b.Events[i]
		r.got = append(r.got, seen{
			id: string([]byte(e.ID)), key: string(e.Key), position: e.Meta.Position, deliveries: e.Meta.Deliveries, at: time.Now(), malformed: e.Malformed,
		})
	}
	r.mu.Unlock()
	settle := func() {
		n := len(b.Events)
		b.Expect(n)
		for i := range n {
			if r.decide != nil {
				if err := r.decide(&b.Events[i]); err != nil {
					b.Fail(i, err)
				}
			}
		}
		b.Done(n)
	}
	if r.async {
		r.wg.Go(settle)
	} else {
		settle()
	}
}

func (r *router) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func (r *router) all() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]seen(nil), r.got...)
}

// times returns how often each id came.
func (r *router) times() map[string]int {
	n := map[string]int{}
	for _, s := range r.all() {
		n[s.id]++
	}
	return n
}

// start runs a source until the returned function is called, which waits for it.
func start(t testing.TB, s *Source, r *router) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, r.emit) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not return")
		}
		r.wg.Wait()
	})
	t.Cleanup(stop)
	eventually(t, "the source reads", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.running && s.status == nil })
	return stop
}

func reason(err error) bindings.Reason {
	if p, ok := errors.AsType[*bindings.PermanentError](err); ok {
		return p.Reason
	}
	return ""
}
