package kafka

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/internal/testbroker"
)

// slowDesk takes batches home some time after they were emitted, as sinks do.
type slowDesk struct {
	desk
	after time.Duration
	wg    sync.WaitGroup
}

func (d *slowDesk) emit(b *bindings.Batch) {
	d.mu.Lock()
	if d.seen == nil {
		d.seen = map[string]int{}
	}
	for i := range b.Events {
		d.seen[b.Events[i].ID]++
	}
	d.mu.Unlock()
	b.Expect(len(b.Events))
	d.wg.Go(func() {
		time.Sleep(d.after)
		settle(b, fine)
	})
}

// repeats returns how many deliveries were repetitions.
func (d *desk) repeats() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, times := range d.seen {
		n += times - 1
	}
	return n
}

// TestReconnectRepeatsNothing: a refused connection ends the session of the group at once. What was emitted since the last
// commit was read again then: 12,288 of 20,000 events.
func TestReconnectRepeatsNothing(t *testing.T) {
	const partitions, n = 4, 5000
	c := cluster(t, kfake.SeedTopics(partitions, "in"))
	seed(t, c, partitions, n)
	p := testbroker.NewProxy(t, c.ListenAddrs()[0])
	s := settings("a")
	s.Window = bindings.NewWindow(4096, 0)
	d := &slowDesk{after: 300 * time.Millisecond}
	src := newSource(t, c, s)
	src.opts = append(src.opts, through(p))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- src.Run(ctx, d.emit) }()
	eventually(t, "the catch-up has begun", func() bool { return d.count() > 3000 })
	p.Cut()
	time.Sleep(2500 * time.Millisecond)
	p.Pass()
	eventually(t, "all events", func() bool { return d.count() == partitions*n })
	time.Sleep(2 * time.Second)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	d.wg.Wait()
	if got := d.repeats(); got != 0 {
		t.Errorf("%d of %d events came again after a reconnect", got, partitions*n)
	}
}
