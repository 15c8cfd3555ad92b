package bindings

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/envelope"
)

type settled struct {
	mu sync.Mutex
	n  int
}

func (s *settled) Settle(*Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
}

func TestBatchSettlesOnTheLastOutcome(t *testing.T) {
	var s settled
	b := NewBatch(&s, 2)
	for range 3 {
		b.Add()
	}
	b.Expect(3)
	b.Done(1)
	b.Fail(1, errors.New("first"))
	b.Fail(1, errors.New("second"))
	if s.n != 0 {
		t.Fatal("settled before the last outcome")
	}
	b.Done(2)
	if s.n != 1 {
		t.Fatalf("settled %d times, want once", s.n)
	}
	if b.Err(0) != nil || b.Err(1) == nil || b.Err(1).Error() != "first" || !b.Failed() {
		t.Errorf("outcomes %v, %v; want none and the first error", b.Err(0), b.Err(1))
	}
}

func TestBatchWithoutDeliveriesSettlesAtOnce(t *testing.T) {
	var s settled
	b := NewBatch(&s, 1)
	b.Add()
	b.Expect(0)
	if s.n != 1 {
		t.Errorf("settled %d times, want once", s.n)
	}
}

func TestBatchReuseLeavesNothingBehind(t *testing.T) {
	var s settled
	b := NewBatch(&s, 1)
	e := b.Add()
	e.ID, e.Key, e.Malformed = "old", []byte("k"), errors.New("old")
	for range 9 {
		e.AddExtension("x", "old", envelope.KindUntyped)
	}
	b.Expect(1)
	b.Fail(0, errors.New("old"))
	b.Done(1)
	b.Reset()
	e = b.Add()
	if e.ID != "" || e.Key != nil || e.Malformed != nil || e.NumExtensions() != 0 || b.Failed() {
		t.Errorf("reused event %+v, failed %t; want an empty one", e, b.Failed())
	}
}

func TestWindowBoundsEventsAndBytes(t *testing.T) {
	w := NewWindow(10, 100)
	for _, tt := range []struct {
		events, bytes int
		want          bool
	}{{5, 50, true}, {6, 1, false}, {1, 51, false}, {5, 50, true}, {1, 0, false}} {
		if got := w.TryAcquire(tt.events, tt.bytes); got != tt.want {
			t.Errorf("TryAcquire(%d, %d) = %t, want %t", tt.events, tt.bytes, got, tt.want)
		}
	}
	w.Release(10, 100)
	if !w.TryAcquire(1, 1000) {
		t.Error("an event above the bound must fit into an empty window")
	}
	if w.TryAcquire(1, 1) {
		t.Error("nothing fits beside an event above the bound")
	}
}

func TestWindowAcquireWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWindow(1, 0)
		if err := w.Acquire(t.Context(), 1, 0); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Hour)
			w.Release(1, 0)
		}()
		start := time.Now()
		if err := w.Acquire(t.Context(), 1, 0); err != nil || time.Since(start) != time.Hour {
			t.Errorf("%v after %s, want nil after 1h", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.Acquire(ctx, 1, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
	})
}

func TestScalars(t *testing.T) {
	for in, want := range map[string]Size{"512": 512, "64KiB": 65536, "1MiB": 1 << 20, "10MB": 1e7, "3 GiB": 3 << 30, "7B": 7} {
		var s Size
		if err := s.UnmarshalText([]byte(in)); err != nil || s != want {
			t.Errorf("size %q = %d, %v; want %d", in, s, err, want)
		}
	}
	for _, in := range []string{"", "-1", "1.5MiB", "KiB", "99999999999GiB", "ten"} {
		var s Size
		if err := s.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("size %q accepted as %d", in, s)
		}
	}
	for in, want := range map[string]Rate{"100/s": 100, "60/m": 1, "7200/h": 2, "0.5/s": 0.5} {
		var r Rate
		if err := r.UnmarshalText([]byte(in)); err != nil || r != want {
			t.Errorf("rate %q = %v, %v; want %v", in, r, err, want)
		}
	}
	for _, in := range []string{"", "5", "0/s", "-1/s", "x/s", "1/day", "Inf/s"} {
		var r Rate
		if err := r.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("rate %q accepted as %v", in, r)
		}
	}
}

func TestErrorsKeepTheirClass(t *testing.T) {
	if Permanent(ReasonRejected, "", nil) != nil || RetryAfter(nil, 1) != nil {
		t.Error("a nil error became an error")
	}
	cause := errors.New("cause")
	p, ok := errors.AsType[*PermanentError](Permanent(ReasonTooLarge, "413", cause))
	if !ok || p.Reason != ReasonTooLarge || p.Code != "413" || !errors.Is(p, cause) {
		t.Errorf("permanent error %+v", p)
	}
	batch := BatchError{nil, cause, errors.New("cause"), errors.New("other")}
	if got, want := batch.Error(), "cause (2 events); other (1 events)"; got != want {
		t.Errorf("batch error %q, want %q", got, want)
	}
}

func TestRefuse(t *testing.T) {
	wrap := func(e *envelope.Event) error { e.ID = "wrapped"; return nil }
	fill := func() *envelope.Event {
		e := &envelope.Event{ID: "half", Key: []byte("k")}
		e.Meta.Headers = append(e.Meta.Headers, envelope.Header{Name: "h"})
		return e
	}
	e := fill()
	(&SourceSettings{Wrap: wrap}).Refuse(e, []byte("raw"), "text/plain", envelope.ErrNotCloudEvent)
	if e.Malformed != nil || e.ID != "wrapped" || string(e.Data) != "raw" || e.DataContentType != "text/plain" ||
		string(e.Key) != "k" || len(e.Meta.Headers) != 1 || e.Meta.Headers[0].Name != "h" {
		t.Errorf("wrapped event %+v", e)
	}
	e = fill()
	(&SourceSettings{Wrap: wrap}).Refuse(e, []byte("raw"), "", &envelope.AttributeError{Attribute: "id", Rule: "is required"})
	if e.Malformed == nil || e.ID != "" {
		t.Errorf("a broken CloudEvent was wrapped: %+v", e)
	}
	e = fill()
	(&SourceSettings{}).Refuse(e, []byte("raw"), "", envelope.ErrNotCloudEvent)
	if !errors.Is(e.Malformed, envelope.ErrNotCloudEvent) {
		t.Errorf("malformed is %v", e.Malformed)
	}
}
