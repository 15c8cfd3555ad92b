package nats

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

const benchWindow = 512

func benchEvents() []*envelope.Event {
	es := events(benchWindow, "e")
	for _, e := range es {
		e.Data = make([]byte, 256)
	}
	return es
}

// next gives the events new ids, so that no stream takes them for repetitions.
func next(es []*envelope.Event, round int) {
	for i, e := range es {
		e.ID = fmt.Sprintf("%d-%d", round, i)
	}
}

// BenchmarkWorkload_CoreSink is one Send of 512 events; per event.
func BenchmarkWorkload_CoreSink(b *testing.B) { benchSink(b, SinkConfig{Subject: "c.a"}) }

// BenchmarkWorkload_StreamSink is one acknowledged Send of 512 events; per event.
func BenchmarkWorkload_StreamSink(b *testing.B) {
	benchSink(b, SinkConfig{Subject: "s.a", Stream: "S"})
}

func benchSink(b *testing.B, cfg SinkConfig) {
	n, _, _ := broker(b)
	cfg.URL = n.URL
	k := newSink(b, cfg)
	ready(b, k)
	es := benchEvents()
	b.ReportAllocs()
	round := 0
	for i := 0; b.Loop(); i++ {
		if i%benchWindow != 0 {
			continue
		}
		next(es, round)
		round++
		if err := k.Send(b.Context(), es); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBare_Core is the ceiling: the client alone publishes the same messages, already encoded.
func BenchmarkBare_Core(b *testing.B) {
	n, _, _ := broker(b)
	nc := client(b, n.URL)
	m := message("c.a", "1")
	m.Data = make([]byte, 256)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := nc.PublishMsg(m); err != nil {
			b.Fatal(err)
		}
		if i%benchWindow == benchWindow-1 {
			if err := nc.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkBare_Stream is the ceiling: the client's own asynchronous publish, in the same windows.
func BenchmarkBare_Stream(b *testing.B) {
	n, js, _ := broker(b)
	_ = n
	b.ReportAllocs()
	m := message("s.a", "1")
	m.Data = make([]byte, 256)
	for i := 0; b.Loop(); i++ {
		c := *m
		if _, err := js.PublishMsgAsync(&c, jetstream.WithMsgID(fmt.Sprint(i)), jetstream.WithExpectStream("S"), jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
		if i%benchWindow == benchWindow-1 {
			<-js.PublishAsyncComplete()
		}
	}
}

// BenchmarkWorkload_StreamSource reads, decodes and acknowledges; per event.
func BenchmarkWorkload_StreamSource(b *testing.B) {
	n, js, _ := broker(b)
	const total = 50_000
	publishMany(b, js, "s.a", "e", total)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%total != 0 {
			continue
		}
		b.StopTimer()
		s, err := NewSource(SourceConfig{URL: n.URL, Stream: "S", Durable: fmt.Sprint("d", i)}, sourceSettings(zap.NewNop()), nil)
		if err != nil {
			b.Fatal(err)
		}
		c := counter{all: make(chan struct{}), left: total}
		b.StartTimer()
		done := make(chan struct{})
		ctx, cancel := context.WithCancel(b.Context())
		go func() {
			defer close(done)
			if err := s.Run(ctx, c.emit); err != nil {
				b.Error(err)
			}
		}()
		<-c.all
		cancel()
		<-done
	}
}

// counter settles everything at once.
type counter struct {
	all  chan struct{}
	left int
}

func (c *counter) emit(batch *bindings.Batch) {
	n := len(batch.Events)
	batch.Expect(n)
	batch.Done(n)
	if c.left -= n; c.left == 0 {
		close(c.all)
	}
}
