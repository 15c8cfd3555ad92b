package bindingtest

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

func waitsCase(t *testing.T, s *sourceSuite) {
	pipe := &standIn{hold: true}
	i, _ := s.run(t, s.Open(t), pipe, series("held", 2, 1))
	i.arrive(1)
	i.cancel()
	select {
	case err := <-i.done:
		i.done <- err // for stop
		t.Fatalf("Run returned (%v) while a batch was not settled", err)
	case <-time.After(silence):
	}
	began := time.Now()
	i.stop()
	if took := time.Since(began); took > prompt {
		t.Errorf("Run took %s to return after its last batch was settled", took)
	}
}

// steady waits until the number of held events does not change any more and returns it.
func (p *standIn) steady(t *testing.T) (batches, events, largest int) {
	t.Helper()
	eventually(t, "something is emitted", func() bool { return len(p.events()) > 0 })
	for last := -1; ; {
		batches, events, largest = p.batches()
		if events == last {
			return batches, events, largest
		}
		last = events
		time.Sleep(silence)
	}
}

func windowCase(t *testing.T, s *sourceSuite) {
	const window = 5
	rig, pipe := s.Open(t), &standIn{hold: true}
	sent := series("window", 40, 8)
	i := s.build(t, rig, pipe, bindings.NewWindow(window, 0)).start()
	half := s.send(t, rig, sent[:20])
	if !s.Replies { // in parts, so that they are not all one batch
		for part := range slices.Chunk(sent[20:], 2) {
			s.send(t, rig, part)
			time.Sleep(5 * time.Millisecond)
		}
	}
	batches, events, largest := pipe.steady(t)
	if batches > 1 && events > window {
		t.Errorf("%d events in %d batches are out with a window of %d (a single batch may be larger)", events, batches, window)
	}
	if taken, _ := i.window.InFlight(); taken < events {
		t.Errorf("%d events are out and %d taken from the window", events, taken)
	}
	t.Logf("held %d events in %d batches, the largest of %d", events, batches, largest)
	i.pipe.mu.Lock()
	i.pipe.hold = false
	i.pipe.mu.Unlock()
	pipe.letGo(-1)
	switch {
	case s.Replies:
		if half() == nil && events < 20 {
			t.Error("what the window had no room for was not refused to its sender")
		}
	default:
		i.arrive(len(sent))
	}
	eventually(t, "the window is whole again", func() bool { n, size := i.window.InFlight(); return n == 0 && size == 0 })
}

func windowBytesCase(t *testing.T, s *sourceSuite) {
	const window, size = 40 << 10, 10 << 10
	rig, pipe := s.Open(t), &standIn{hold: true}
	i := s.build(t, rig, pipe, bindings.NewWindow(0, window)).start()
	sent := series("bytes", 20, 4)
	for _, e := range sent {
		e.Data = append(append([]byte{'"'}, bytes.Repeat([]byte{'x'}, size)...), '"')
	}
	half := s.send(t, rig, sent[:10])
	if !s.Replies {
		for _, e := range sent[10:] {
			s.send(t, rig, []*envelope.Event{e})
		}
	}
	batches, events, _ := pipe.steady(t)
	if batches > 1 && events*size > window {
		t.Errorf("%d events of %d bytes in %d batches are out with a window of %d bytes", events, size, batches, window)
	}
	if _, taken := i.window.InFlight(); taken < events*size {
		t.Errorf("%d bytes are out and %d taken from the window", events*size, taken)
	}
	i.pipe.mu.Lock()
	i.pipe.hold = false
	i.pipe.mu.Unlock()
	pipe.letGo(-1)
	if s.Replies {
		_ = half() // the window of events has shown that the sender learns of it
	} else {
		i.arrive(len(sent))
	}
	eventually(t, "the window is whole again", func() bool { n, size := i.window.InFlight(); return n == 0 && size == 0 })
}
