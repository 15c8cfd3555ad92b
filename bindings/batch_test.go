package bindings

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

// legRecorder keeps what a batch tells its source.
type legRecorder struct {
	staged, ended []Leg
	settled       int
}

func (r *legRecorder) Settle(*Batch)               { r.settled++ }
func (r *legRecorder) Staged(_ *Batch, legs []Leg) { r.staged = append(r.staged, legs...) }
func (r *legRecorder) Ended(_ *Batch, legs []Leg)  { r.ended = append(r.ended, legs...) }

func TestRoomOfAnEventComesBackBeforeThatOfItsBatch(t *testing.T) {
	w := NewWindow(10, 1<<20)
	r := &legRecorder{}
	b := NewBatch(r, 4)
	for range 4 {
		b.Add()
	}
	if !w.TryAcquire(4, 1000) {
		t.Fatal("no room")
	}
	b.Hold(w, 1000)
	one, two := NewSinkID("one"), NewSinkID("two")
	b.Fail(3, errors.New("held")) // has no leg and is not done
	b.Stage([]Leg{{Event: 0, Sink: one}, {Event: 0, Sink: two}, {Event: 1, Sink: one}})
	b.Expect(3 + 1)
	check := func(when string, events int) {
		t.Helper()
		if got, _ := w.InFlight(); got != events {
			t.Errorf("%s: %d events in flight, want %d", when, got, events)
		}
	}
	check("event 2 has no leg", 3)
	b.Ended([]Leg{{Event: 0, Sink: one}})
	b.Done(1)
	check("one of two legs of event 0 ended", 3)
	b.Ended([]Leg{{Event: 1, Sink: one}, {Event: 0, Sink: two}})
	b.Done(2)
	check("events 0 and 1 ended", 1)
	if _, bytes := w.InFlight(); bytes <= 1000 {
		t.Errorf("%d bytes in flight, want the batch's 1000 and the slots of the events that ended", bytes)
	}
	b.Done(1)
	b.Free()
	if events, bytes := w.InFlight(); events != 0 || bytes != 0 {
		t.Errorf("%d events and %d bytes in flight after Free", events, bytes)
	}
	want := []Leg{{0, one, false}, {1, one, true}, {0, two, true}}
	if !reflect.DeepEqual(r.ended, want) || r.settled != 1 || len(r.staged) != 3 {
		t.Errorf("ended %v, settled %d, staged %v; want %v, once", r.ended, r.settled, r.staged, want)
	}
}

// An event of which one leg failed before it was one counted as done when its other leg ended: JetStream got an
// acknowledgement for it and SQS deleted it.
func TestEventThatFailedBeforeItWasStagedNeverEnds(t *testing.T) {
	w, r := NewWindow(10, 1<<20), &legRecorder{}
	b := NewBatch(r, 1)
	b.Add()
	_ = w.TryAcquire(1, 100)
	b.Hold(w, 100)
	b.Fail(0, errors.New("held"))
	b.Stage([]Leg{{Event: 0, Sink: NewSinkID("one")}, {Event: 0, Sink: NewSinkID("two")}})
	b.Expect(3)
	b.Ended([]Leg{{Event: 0, Sink: NewSinkID("one")}})
	b.Ended([]Leg{{Event: 0, Sink: NewSinkID("two")}})
	if n, _ := w.InFlight(); n != 1 || r.ended[0].Last || r.ended[1].Last {
		t.Errorf("%d events in flight, want 1; ended %v, want none of them the last", n, r.ended)
	}
	b.Done(3)
	b.Free()
	if events, bytes := w.InFlight(); events != 0 || bytes != 0 {
		t.Errorf("%d events and %d bytes in flight after Free", events, bytes)
	}
}

func TestWindowTellsSinceWhenASourceWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWindow(1, 0)
		_ = w.TryAcquire(1, 5)
		began := time.Now()
		got := make(chan error, 1)
		go func() { got <- w.Acquire(context.Background(), 1, 7) }()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if u := w.Usage(); !u.Waiting.Equal(began) || u.Events != 1 || u.MaxEvents != 1 || u.Bytes != 5 {
			t.Errorf("usage %+v, want waiting since %s", u, began)
		}
		w.Release(1, 5)
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		if u := w.Usage(); !u.Waiting.IsZero() {
			t.Errorf("waits since %s after it got room", u.Waiting)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { got <- w.Acquire(ctx, 1, 7) }()
		synctest.Wait()
		cancel()
		<-got
		if u := w.Usage(); !u.Waiting.IsZero() {
			t.Errorf("waits since %s after it gave up", u.Waiting)
		}
	})
}

// An ingress does not wait for room, it refuses: nothing said that it had done so for minutes because of a dead sink.
func TestWindowTellsSinceWhenASourceRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWindow(50, 10_000)
		for w.TryAcquire(1, 100) {
			continue
		}
		began := time.Now()
		for range 9 { // a request that takes what little there is and does not get the rest
			time.Sleep(time.Second)
			w.Release(1, 100)
			if !w.TryAcquire(1, 100) || w.TryAcquire(1, 100) {
				t.Fatal("the window is to be full")
			}
		}
		if got := w.Usage().Waiting; !got.Equal(began) {
			t.Errorf("refuses since %v, want %v", got, began)
		}
		w.Release(10, 1000)
		if got := w.Usage().Waiting; !got.IsZero() {
			t.Errorf("refuses since %v although there is room", got)
		}
		if w.TryAcquire(1, 9999) || !w.Usage().Waiting.IsZero() {
			t.Error("a request that is too large for what is free says nothing of the others")
		}
	})
}

func TestSinkIDsAreNeitherNothingNorThePolicies(t *testing.T) {
	b := NewBatch(&legRecorder{}, 1)
	b.Add()
	id := NewSinkID("bus")
	if id <= PolicySink || id != NewSinkID("bus") || id == NewSinkID("bus2") {
		t.Errorf("id of bus is %d", id)
	}
	b.SkipSinks(0, []SinkID{id})
	if !b.Skips(0, id) || b.Skips(0, PolicySink) {
		t.Error("the event is to skip bus, and nothing else")
	}
	b.Reset()
	if b.Add(); b.Skips(0, id) {
		t.Error("a reused batch still skips sinks")
	}
}

func TestBatchIsCutToTheRoomThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWindow(1000, 16_000)
		await := func() (events, bytes int) {
			t.Helper()
			events, bytes, err := w.Await(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return events, bytes
		}
		_ = w.TryAcquire(512, 500)
		if events, bytes := await(); events != 488 || bytes != 15_500 {
			t.Errorf("room for %d events and %d bytes, want 488 and 15500", events, bytes)
		}
		_ = w.TryAcquire(450, 500)
		got := make(chan int, 1)
		go func() {
			events, _, _ := w.Await(t.Context())
			got <- events
		}()
		synctest.Wait()
		if w.Usage().Waiting.IsZero() {
			t.Error("a batch of 38 events is made beside 962 in flight")
		}
		w.Release(50, 0)
		if n := <-got; n != 88 {
			t.Errorf("room for %d events, want 88", n)
		}
		w.Release(912, 0)
		_ = w.TryAcquire(0, 17_000) // what a batch keeps whose events have ended
		if events, bytes := await(); events != 1000 || bytes != 1 {
			t.Errorf("room for %d events and %d bytes with nothing in flight", events, bytes)
		}
		if events, bytes, _ := NewWindow(0, 0).Await(t.Context()); events < 1<<30 || bytes < 1<<30 {
			t.Errorf("room for %d events and %d bytes without bounds", events, bytes)
		}
	})
}

// A source that has counted the slots of its events already does not count them again when the events end.
func TestSlotsThatAreCountedAreNotCountedAgain(t *testing.T) {
	w := NewWindow(10, 1<<20)
	b := NewBatch(&legRecorder{}, 2)
	b.Add()
	b.Add()
	if !w.TryAcquire(2, 5000) {
		t.Fatal("no room")
	}
	b.HoldAll(w, 5000)
	legs := []Leg{{Event: 0}, {Event: 1}}
	b.Stage(legs)
	b.Expect(2)
	b.Ended(legs[:1])
	if events, bytes := w.InFlight(); events != 1 || bytes != 5000 {
		t.Errorf("%d events and %d bytes in flight, want 1 and 5000", events, bytes)
	}
	b.Ended(legs[1:])
	b.Done(2)
	b.Free()
	if events, bytes := w.InFlight(); events != 0 || bytes != 0 {
		t.Errorf("%d events and %d bytes in flight after Free", events, bytes)
	}
}

// A stop gives room back, and a source that waited for it went on to emit, past what had been given back.
func TestRoomThatAStopGivesBackIsNotTaken(t *testing.T) {
	w := NewWindow(10, 0)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := w.Acquire(ctx, 1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("room was taken after the stop: %v", err)
	}
	if _, _, err := w.Await(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("room was offered after the stop: %v", err)
	}
	if events, _ := w.InFlight(); events != 0 {
		t.Errorf("%d events in flight", events)
	}
}
