package bindingtest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// Features are what a transport promises; they decide which cases hold for its source.
type Features struct {
	// Redelivers: a message that was not acknowledged comes again, to another instance too.
	Redelivers bool
	// SettlesIndividually: of several messages, the one that failed comes again without those behind it.
	SettlesIndividually bool
	// AtMostOnce: what is sent while nobody reads is lost, and so is what a full window keeps out.
	AtMostOnce bool
	// HasKeys: events come with the ordering key they were sent with, and Ordered: those of one key in their order.
	HasKeys, Ordered bool
	// Replies: the sender waits for the outcome. Malformed messages and what the window has no room for are refused
	// to the sender and not emitted.
	Replies bool
}

// SourceCase is what [Source] needs to know of a binding's source.
type SourceCase struct {
	Features
	// Open makes an empty place in the transport that one case has to itself: a topic with a group, a queue, a port.
	Open func(t *testing.T) *SourceRig
	// Loss is what the way from the independent writer to the event may lose.
	Loss Loss
	// Refuses names golden events that this transport cannot carry, each with the reason.
	Refuses map[string]string
	// Foreign are parts of the stacks of goroutines that belong to a broker inside the test's process.
	Foreign []string
	// OnlyGolden runs the case of the golden events alone: for further content modes of a source whose other cases a
	// suite of its first mode has looked at.
	OnlyGolden bool
}

// SourceRig is one place in a transport with the means to write to it.
type SourceRig struct {
	// New returns another instance of the source, with the position of those before it.
	New func(s bindings.SourceSettings) (bindings.Source, error)
	// Send writes events as another program would. It returns when the transport has them; where the transport
	// replies, when all of them were answered, with an error if one was refused.
	Send func(ctx context.Context, events []*envelope.Event) error
	// SendRaw writes a message that says it is a CloudEvent and lacks a required attribute, with that body; nil if the
	// transport has no such thing.
	SendRaw func(ctx context.Context, body []byte) error
	// Reading reports whether the newest instance receives what is sent from now on; nil if the transport keeps it.
	Reading func() bool
	// Later lets the time pass after which the transport delivers again what is not acknowledged; nil if none is needed.
	Later func()
	// Down makes the broker unreachable and Up brings it back; nil if that cannot be done.
	Down, Up func()
}

// Source holds a source to the contract of package bindings.
func Source(t *testing.T, c SourceCase) {
	t.Helper()
	if c.Open == nil {
		t.Fatal("bindingtest: a source case needs Open")
	}
	cases := sourceCases
	if c.OnlyGolden {
		cases = slices.DeleteFunc(slices.Clone(cases), func(c caseOf[*sourceSuite]) bool { return c.name != "golden" })
	}
	runCases(t, &sourceSuite{c}, cases)
}

// sourceSuite runs the cases of one source.
type sourceSuite struct{ SourceCase }

// instance is a source at work.
type instance struct {
	t      *testing.T
	rig    *SourceRig
	source bindings.Source
	window *bindings.Window
	pipe   *standIn
	cancel context.CancelFunc
	done   chan error
	once   sync.Once
}

// build makes an instance that does not run yet, with a large window if it is nil.
func (s *sourceSuite) build(t *testing.T, rig *SourceRig, pipe *standIn, window *bindings.Window) *instance {
	t.Helper()
	if window == nil {
		window = bindings.NewWindow(10_000, 64<<20)
	}
	i := &instance{t: t, rig: rig, window: window, pipe: pipe, done: make(chan error, 1)}
	var err error
	i.source, err = rig.New(bindings.SourceSettings{Name: "in", Log: zap.NewNop(), Window: i.window})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// start runs the instance until stop is called, at the latest at the end of the test.
func (i *instance) start() *instance {
	i.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	i.cancel = cancel
	go func() { i.done <- i.source.Run(ctx, i.pipe.emit) }()
	i.t.Cleanup(i.stop)
	if i.rig.Reading != nil {
		eventually(i.t, "the source reads", i.rig.Reading)
	}
	return i
}

// run makes an instance, and starts it after, or where nothing is kept before, the events are sent.
func (s *sourceSuite) run(t *testing.T, rig *SourceRig, pipe *standIn, events []*envelope.Event) (*instance, func() error) {
	t.Helper()
	i := s.build(t, rig, pipe, nil)
	if rig.Reading != nil {
		i.start()
		return i, s.send(t, rig, events)
	}
	result := s.send(t, rig, events)
	return i.start(), result
}

// send writes events. Where the transport replies, the returned function waits for the replies.
func (s *sourceSuite) send(t *testing.T, rig *SourceRig, events []*envelope.Event) (result func() error) {
	t.Helper()
	if s.Replies {
		return background(t, func(ctx context.Context) error { return rig.Send(ctx, events) })
	}
	if err := rig.Send(t.Context(), events); err != nil {
		t.Fatalf("the independent writer: %v", err)
	}
	return func() error { return nil }
}

// stop ends the instance: everything held back is settled, Run has to return nil, and the window has to be whole.
func (i *instance) stop() {
	i.once.Do(func() {
		i.t.Helper()
		i.cancel()
		i.pipe.mu.Lock()
		i.pipe.hold = false
		i.pipe.mu.Unlock()
		i.pipe.letGo(-1)
		i.wait(patience)
		i.pipe.wg.Wait()
		if n, size := i.window.InFlight(); n != 0 || size != 0 {
			i.t.Errorf("Run returned and the window still holds %d events and %d bytes", n, size)
		}
	})
}

// wait wants Run to return nil within d.
func (i *instance) wait(d time.Duration) {
	i.t.Helper()
	select {
	case err := <-i.done:
		if err != nil {
			i.t.Errorf("Run returned %v, want nil after its context was done", err)
		}
	case <-time.After(d):
		i.t.Errorf("Run did not return within %s", d)
	}
}

// arrive waits until n events were emitted.
func (i *instance) arrive(n int) {
	i.t.Helper()
	if !within(patience, func() bool { return len(i.pipe.events()) >= n }) {
		i.t.Fatalf("%d of %d events arrived within %s: %q", len(i.pipe.events()), n, patience, ids(i.pipe.events()))
	}
}

// after starts another instance at the same place, sends it one more event, and returns what it got until then and
// for a while longer.
func (s *sourceSuite) after(t *testing.T, rig *SourceRig) *standIn {
	t.Helper()
	if rig.Later != nil {
		rig.Later()
	}
	pipe := &standIn{}
	next, _ := s.run(t, rig, pipe, series("sentinel", 1, 1))
	eventually(t, "the second instance reads", func() bool { return pipe.times()["sentinel-0"] > 0 })
	time.Sleep(silence)
	next.stop()
	return pipe
}
