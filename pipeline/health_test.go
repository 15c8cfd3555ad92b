package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
)

// subscriber is a source that reaches its broker at once and reads a minute later, as a subscription may.
type subscriber struct{ reading func() }

func (s *subscriber) Ready(context.Context) error { return nil }
func (s *subscriber) OnReading(report func())     { s.reading = report }
func (s *subscriber) Dropped() int64              { return 46 }
func (s *subscriber) Run(ctx context.Context, _ func(*bindings.Batch)) error {
	if sleep(ctx, time.Minute) {
		s.reading()
	}
	<-ctx.Done()
	return nil
}

// The router was ready once a source had reached its broker; what was sent before its subscription was there was lost.
func TestSourceIsReadyOnlyWhenItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: &bindingtest.MemorySink{}}})
		r.settings.Sources = []Source{{"in", &subscriber{}}}
		p, err := New(r.settings)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		ready := func() error {
			synctest.Wait()
			all := p.Health()
			return all[len(all)-1].Err
		}
		time.Sleep(59 * time.Second)
		if err := ready(); err == nil {
			t.Error("the source is ready and does not read")
		}
		time.Sleep(time.Second)
		if err := ready(); err != nil {
			t.Errorf("the source reads and is not ready: %v", err)
		}
		if got := p.Ledger().Sources[0].Dropped; got != 46 {
			t.Errorf("the ledger has %d drops, want 46", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
