package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventrouter/router/envelope"
)

// sizesSink notes how many events each Send brought, and when.
type sizesSink struct {
	sizes []int
	at    []time.Time
}

func (s *sizesSink) Send(_ context.Context, events []*envelope.Event) error {
	s.sizes = append(s.sizes, len(events))
	s.at = append(s.at, time.Now())
	return nil
}
func (*sizesSink) Close(context.Context) error { return nil }

func TestBatchBytesBoundASend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &sizesSink{}
		in := events(10, "t", 0)
		for _, e := range in {
			e.Data = make([]byte, 1000)
		}
		in[9].Data = make([]byte, 10_000) // larger than the bound: it goes alone, and goes
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, BatchBytes: 3500}}, in)
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, n := range sink.sizes {
			if total += n; n > 3 {
				t.Errorf("%d events of 1 kB in one Send, want at most 3", n)
			}
		}
		if total != 10 {
			t.Errorf("%d events sent, want 10", total)
		}
	})
}

func TestLingerWaitsForABatchToFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &sizesSink{}
		in := events(4, "t", 0)
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, BatchEvents: 3, Linger: time.Second}}, in[:1], in[1:])
		start := time.Now()
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if len(sink.sizes) != 2 || sink.sizes[0] != 3 || sink.sizes[1] != 1 {
			t.Fatalf("batches of %v, want 3 and what lingered, 1", sink.sizes)
		}
		if full, last := sink.at[0].Sub(start), sink.at[1].Sub(start); full != 0 || last != time.Second {
			t.Errorf("sent after %s and %s; want the full batch at once and the rest after 1s", full, last)
		}
	})
}

// hangingSink hangs in its first Send until the context ends it.
type hangingSink struct {
	sizesSink
	hung time.Duration
}

func (s *hangingSink) Send(ctx context.Context, events []*envelope.Event) error {
	if s.hung == 0 {
		start := time.Now()
		<-ctx.Done()
		s.hung = time.Since(start)
		return ctx.Err()
	}
	return s.sizesSink.Send(ctx, events)
}

func TestTimeoutEndsASendThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &hangingSink{}
		r := newRig(t, all("s"), []Sink{{Name: "s", Sink: sink, Timeout: time.Second}}, events(1, "t", 0))
		if err := r.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if sink.hung != time.Second || len(sink.sizes) != 1 {
			t.Errorf("hung for %s and sent %v; want 1s, and the event again", sink.hung, sink.sizes)
		}
	})
}
