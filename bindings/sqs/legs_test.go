package sqs

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/bindings"
)

// legs emits batches as the pipeline does: each event has one leg, which ends at once unless hold names it.
func (h *harness) legs(hold string) (emit func(*bindings.Batch), giveUp func()) {
	var open []func()
	emit = func(b *bindings.Batch) {
		n := len(b.Events)
		legs := make([]bindings.Leg, n)
		var ended []bindings.Leg
		held := -1
		h.mu.Lock()
		for i := range b.Events {
			legs[i] = bindings.Leg{Event: int32(i), Sink: 7}
			if b.Events[i].ID == hold {
				held = i
				continue
			}
			ended = append(ended, legs[i])
			h.count[string([]byte(b.Events[i].ID))]++
		}
		h.mu.Unlock()
		b.Stage(legs)
		b.Expect(n)
		if held >= 0 {
			h.mu.Lock()
			open = append(open, func() { b.Fail(held, bindings.ErrStopped); b.Done(1) })
			h.mu.Unlock()
		}
		if len(ended) > 0 {
			b.Ended(ended)
			b.Done(len(ended))
		}
	}
	return emit, func() {
		h.mu.Lock()
		ends := open
		h.mu.Unlock()
		for _, end := range ends {
			end()
		}
	}
}

// A message whose event has been delivered is deleted although another one of the same receive has not been: a crash does
// not repeat it.
func TestMessagesAreDeletedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q"}, bindings.SourceSettings{})
		h.put(names("a", 10)...)
		emit, giveUp := h.legs("a4")
		h.runWith(emit)
		h.wait(2 * time.Second)
		h.wantDepth(0, 1)
		time.AfterFunc(time.Second, giveUp)
		h.end()
		h.wantDepth(1, 0)
	})
}

// A message was deleted although one of its legs had failed before it was one, and is held: when the other leg had ended.
func TestMessageThatIsHeldIsNotDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q"}, bindings.SourceSettings{})
		h.put("a0")
		var held *bindings.Batch
		h.runWith(func(b *bindings.Batch) {
			held = b
			b.Fail(0, bindings.ErrStopped)
			legs := []bindings.Leg{{Event: 0, Sink: 7}}
			b.Stage(legs)
			b.Expect(2)
			b.Ended(legs)
			b.Done(1)
		})
		h.wait(2 * time.Second)
		h.wantDepth(0, 1)
		time.AfterFunc(time.Second, func() { held.Done(1) })
		h.end()
		h.wantDepth(1, 0)
	})
}

// In a FIFO queue what follows a message in its group is not deleted before it, and is given back with it.
func TestFIFOMessagesAreDeletedInTheOrderOfTheirGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q.fifo"}, bindings.SourceSettings{})
		h.put("a0", "b0", "a1", "b1", "a2", "b2")
		emit, giveUp := h.legs("a1")
		h.runWith(emit)
		h.wait(2 * time.Second)
		h.wantDepth(0, 2) // a1, and a2, which was delivered
		time.AfterFunc(time.Second, giveUp)
		h.end()
		h.wantDepth(2, 0)
	})
}

// With a sink that is down the window stops the source, which says so, and not a bound that nobody sees.
func TestMessagesInFlightFillTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 2500
		h := newHarness(t, SourceConfig{Queue: "q"}, bindings.SourceSettings{Window: bindings.NewWindow(events, 0)})
		h.latency = time.Hour
		bodies := make([]string, events+200)
		for i := range bodies {
			bodies[i] = fmt.Sprintf(`{"specversion":"1.0","id":"e%d","source":"/s","type":"t"}`, i)
		}
		h.putBodies(bodies...)
		h.run()
		h.wait(2 * time.Minute) // beyond the visibility, which is extended for all of them
		if u := h.window.Usage(); u.Events != events || u.Waiting.IsZero() {
			t.Errorf("%d of %d events in flight, waiting since %v", u.Events, events, u.Waiting)
		}
		for id, n := range h.count {
			if n != 1 {
				t.Errorf("%s came %d times", id, n)
			}
		}
		h.latency = 0
		h.stop()
		if err := <-h.ended; err != nil {
			t.Error(err)
		}
	})
}
