package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// arrivals counts on the far side. It is the same for all contestants.
type arrivals struct {
	job  job
	stop func()

	// Of core NATS: a subscription of this process counts.
	count, bytes atomic.Int64
	first        time.Time
	all          chan time.Time

	// Of JetStream: the server counts.
	stream jetstream.Stream
}

// watch makes ready to count the arrivals of a run.
func (l *lab) watch(ctx context.Context, j job) (*arrivals, error) {
	a := &arrivals{job: j, all: make(chan time.Time, 1)}
	if j.pair == toStream {
		var err error
		// In memory: this compares programs, not disks.
		a.stream, err = l.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: stream, Subjects: []string{subject}, Storage: jetstream.MemoryStorage,
		})
		a.stop = func() { _ = l.js.DeleteStream(context.WithoutCancel(ctx), stream) }
		return a, err
	}
	sub, err := l.nc.Subscribe(subject, a.receive)
	if err != nil {
		return nil, err
	}
	a.stop = func() { _ = sub.Unsubscribe() }
	return a, errors.Join(sub.SetPendingLimits(-1, -1), l.nc.FlushWithContext(ctx))
}

// receive runs on the subscription's goroutine.
func (a *arrivals) receive(m *natsgo.Msg) {
	n := a.count.Add(1)
	a.bytes.Add(int64(len(m.Data)))
	switch n {
	case 1:
		a.first = time.Now()
	case int64(a.job.events):
		a.all <- time.Now()
	}
}

// await waits until every event has arrived and returns the time from the first to the last of them.
func (a *arrivals) await(ctx context.Context) (time.Duration, error) {
	if a.stream != nil {
		return a.awaitStream(ctx)
	}
	select {
	case last := <-a.all:
		// One too many would be a duplicate, which a run without failures must not have; it would come at once.
		time.Sleep(200 * time.Millisecond)
		if n, bytes := a.count.Load(), a.bytes.Load(); n != int64(a.job.events) || bytes != a.job.bytes {
			return 0, fmt.Errorf("%d events with %d bytes arrived, want %d with %d", n, bytes, a.job.events, a.job.bytes)
		}
		return last.Sub(a.first), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%d of %d events arrived: %w", a.count.Load(), a.job.events, ctx.Err())
	}
}

// awaitStream asks the server, which notes the times of the first and of the last message.
func (a *arrivals) awaitStream(ctx context.Context) (time.Duration, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		info, err := a.stream.Info(ctx)
		if err != nil {
			return 0, err
		}
		s := info.State
		switch {
		case s.Msgs > uint64(a.job.events):
			return 0, fmt.Errorf("%d events were stored, want %d", s.Msgs, a.job.events)
		case s.Msgs == uint64(a.job.events):
			return s.LastTime.Sub(s.FirstTime), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("%d of %d events were stored: %w", s.Msgs, a.job.events, ctx.Err())
		}
	}
}
