package pipeline

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
)

// subscriber is a source that reaches its broker at once and reads a minute later, as a subscription may. The broker
// refuses it another minute later, for a minute. After four minutes the source fails for good, or Run returns an error;
// it reports that it reads once more after that, too late.
type subscriber struct {
	reading, failed func(error)
	fails, breaks   error
}

var errRefused = errors.New("refused")

func (s *subscriber) Ready(context.Context) error  { return nil }
func (s *subscriber) OnReading(report func(error)) { s.reading = report }
func (s *subscriber) OnFailure(report func(error)) { s.failed = report }
func (s *subscriber) Dropped() int64               { return 46 }
func (s *subscriber) Run(ctx context.Context, _ func(*bindings.Batch)) error {
	for _, state := range []error{nil, errRefused, nil} {
		if !sleep(ctx, time.Minute) {
			return nil
		}
		s.reading(state)
	}
	if !sleep(ctx, time.Minute) {
		return nil
	}
	time.AfterFunc(time.Minute, func() { s.reading(nil) })
	if s.fails != nil {
		s.failed(s.fails)
	}
	return s.breaks
}

// started runs a pipeline of one source until stop, which returns what Run did; ready is what the health says of the source.
func started(t *testing.T, s *subscriber) (p *Pipeline, ready func() error, stop func() error) {
	t.Helper()
	r := newRig(t, all("s"), []Sink{{Name: "s", Sink: &bindingtest.MemorySink{}}})
	r.settings.Sources = []Source{{Name: "in", Source: s}}
	p, err := New(r.settings)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	ready = func() error {
		synctest.Wait()
		all := p.Health()
		return all[len(all)-1].Err
	}
	return p, ready, func() error { cancel(); return <-done }
}

// The router was ready once a source had reached its broker; what was sent before its subscription was there was lost.
func TestSourceIsReadyOnlyWhenItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ready, stop := started(t, &subscriber{})
		time.Sleep(59 * time.Second)
		if err := ready(); !errors.Is(err, errSubscribing) {
			t.Errorf("the source does not read and is ready: %v", err)
		}
		for _, want := range []error{nil, errRefused, nil} {
			time.Sleep(30 * time.Second)
			if err := ready(); !errors.Is(err, want) {
				t.Errorf("the source is ready: %v, want %v", err, want)
			}
			time.Sleep(30 * time.Second)
		}
		if got := p.Ledger().Sources[0].Dropped; got != 46 {
			t.Errorf("the ledger has %d drops, want 46", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A source that reports that it reads from another goroutine may do so just behind its end.
func TestFailedSourceIsNeverReadyAgain(t *testing.T) {
	broken := errors.New("broken")
	for name, s := range map[string]*subscriber{"reported": {fails: broken}, "returned": {breaks: broken}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, ready, stop := started(t, s)
				time.Sleep(4*time.Minute + time.Second)
				if err := ready(); !errors.Is(err, broken) {
					t.Errorf("at its end the source is ready: %v", err)
				}
				time.Sleep(time.Minute)
				if err := ready(); !errors.Is(err, broken) {
					t.Errorf("later the source is ready: %v", err)
				}
				if err := stop(); !errors.Is(err, s.breaks) {
					t.Error(err)
				}
			})
		})
	}
}

// brittle is a sink that fails for good while it is asked whether it is ready, and then says that it is.
type brittle struct {
	bindingtest.MemorySink
	failed func(error)
}

func (s *brittle) OnFailure(report func(error)) { s.failed = report }
func (s *brittle) Ready(context.Context) error {
	s.failed(errRefused)
	return nil
}

func TestFailedSinkIsNeverReadyAgain(t *testing.T) {
	r := newRig(t, all("s"), []Sink{{Name: "s", Sink: &brittle{}}})
	p, err := New(r.settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); !errors.Is(err, errRefused) {
		t.Error(err)
	}
	if err := p.Health()[0].Err; !errors.Is(err, errRefused) {
		t.Errorf("the sink is ready: %v", err)
	}
}
