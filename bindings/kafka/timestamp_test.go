package kafka

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// stamped reports whether a request holds a record with such a timestamp, in milliseconds. Batches are not compressed.
func stamped(req kmsg.Request, bad func(ms int64) bool) bool {
	for _, topic := range req.(*kmsg.ProduceRequest).Topics {
		for _, p := range topic.Partitions {
			var b kmsg.RecordBatch
			if b.ReadFrom(p.Records) != nil {
				continue
			}
			for in := b.Records; len(in) > 0; {
				var r kmsg.Record
				if err := r.ReadFrom(in); err != nil {
					panic(err)
				}
				if bad(b.FirstTimestamp + r.TimestampDelta64) {
					return true
				}
				in = in[len(r.AppendTo(nil)):]
			}
		}
	}
	return false
}

// TestRecordTimestampIsKept: an event from Kafka left with the time of sending, whatever its record said.
func TestRecordTimestampIsKept(t *testing.T) {
	const written = 1_500_000_000_123
	for _, tc := range []struct {
		setting, transport, time string
		source                   int64
		want                     int64 // 0 for the present time
	}{
		{"", kind, "2018-04-05T17:31:00Z", written, written},
		{"keep", kind, "", written, written},
		{"keep", kind, "", 0, 0},
		{"keep", "nats", "2018-04-05T17:31:00Z", written, 0}, // what other transports say may be another kind of time
		{"now", kind, "2018-04-05T17:31:00Z", written, 0},
		{"event", kind, "2018-04-05T17:31:00.5Z", written, 1_522_949_460_500},
		{"event", "http", "2018-04-05t19:31:00+02:00", 0, 1_522_949_460_000},
		{"event", kind, "", written, 0},
		{"event", kind, "2016-12-31T23:59:60Z", written, 0}, // a leap second
		{"event", kind, "0001-01-01T00:00:00Z", written, 0},
		{"event", kind, "9999-12-31T23:59:59Z", written, 0}, // beyond what the client can write
	} {
		c := cluster(t, kfake.SeedTopics(1, "out"))
		sink := newSink(t, c, SinkConfig{Topic: "out", Timestamp: tc.setting}, bindings.SinkSettings{})
		e := event("1", "k")
		e.Time, e.Meta.Transport, e.Meta.Timestamp = tc.time, tc.transport, tc.source
		begun := time.Now().Truncate(time.Millisecond)
		if err := sink.Send(t.Context(), []*envelope.Event{e}); err != nil {
			t.Fatal(err)
		}
		got := consume(t, c, "out", 1)[0].Timestamp
		if tc.want != 0 && got.UnixMilli() != tc.want || tc.want == 0 && (got.Before(begun) || got.After(time.Now())) {
			t.Errorf("%+v: the record is of %s", tc, got.UTC())
		}
	}
}

// TestSourceTellsTheRecordTimestamp: the decoder dropped it.
func TestSourceTellsTheRecordTimestamp(t *testing.T) {
	for ms, want := range map[int64]int64{1_500_000_000_123: 1_500_000_000_123, -1: 0, 0: 0} {
		r := ceRecord("in", 0, "1")
		r.Timestamp = time.UnixMilli(ms)
		if e, err := decodeOne(decoder{}, r); err != nil || e.Meta.Timestamp != want {
			t.Errorf("%d: %d, %v", ms, e.Meta.Timestamp, err)
		}
	}
	if e, err := decodeOne(decoder{}, &kgo.Record{Headers: required()}); err != nil || e.Meta.Timestamp != 0 {
		t.Errorf("without one: %d, %v", e.Meta.Timestamp, err)
	}
}

// TestRefusedTimestampIsNoDeadLetter: a topic refuses a batch with a record that is too old. Only records near that one get
// another timestamp, all of them arrive in order, and the log says so.
func TestRefusedTimestampIsNoDeadLetter(t *testing.T) {
	now := time.Now()
	limit := now.Add(-time.Hour).UnixMilli()
	for name, tc := range map[string]struct {
		old  func(i int) bool
		kept int // at least so many records keep their timestamps
	}{
		"one":  {func(i int) bool { return i == 37 }, 100 - renewAtOnce},
		"none": {func(int) bool { return false }, 100},
		"all":  {func(int) bool { return true }, 0},
	} {
		c := cluster(t, kfake.SeedTopics(1, "out"))
		var requests atomic.Int64
		c.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: kerr.InvalidTimestamp, Count: -1,
			When: func(r kmsg.Request) bool {
				requests.Add(1)
				return stamped(r, func(ms int64) bool { return ms < limit })
			},
		})
		core, log := observer.New(zap.WarnLevel)
		sink := newSink(t, c, plainConfig, bindings.SinkSettings{Log: zap.New(core)})
		es := events("k", 100)
		for i, e := range es {
			e.Meta.Timestamp = now.Add(-time.Minute).UnixMilli() + int64(i)
			if tc.old(i) {
				e.Meta.Timestamp = limit - 1000 + int64(i)
			}
		}
		if err := sink.Send(t.Context(), es); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		kept := 0
		for i, r := range consume(t, c, "out", 100) {
			if id, _ := header(r, "ce_id"); id != fmt.Sprint("k", i) {
				t.Fatalf("%s: record %d is %s", name, i, id)
			}
			if r.Timestamp.UnixMilli() == es[i].Meta.Timestamp {
				kept++
			}
		}
		if kept < tc.kept || kept > 100-boolCount(100, tc.old) || (log.Len() > 0) != (tc.kept < 100) || requests.Load() > 40 {
			t.Errorf("%s: %d timestamps kept, %d requests, log %v", name, kept, requests.Load(), log.All())
		}
	}
}

func boolCount(n int, is func(int) bool) (count int) {
	for i := range n {
		if is(i) {
			count++
		}
	}
	return count
}

// TestPresentTimeIsRefusedForGood: where the topic does not even take the present time, the event fails with the reason
// and is not sent over and over.
func TestPresentTimeIsRefusedForGood(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "out"))
	var requests atomic.Int64
	c.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: kerr.InvalidTimestamp, Count: -1,
		When: func(kmsg.Request) bool { requests.Add(1); return true },
	})
	sink := newSink(t, c, plainConfig, bindings.SinkSettings{})
	e := event("1", "k")
	e.Meta.Timestamp = 1_500_000_000_000
	err := outcomes(t, sink.Send(t.Context(), []*envelope.Event{e}), 1)[0]
	var permanent *bindings.PermanentError
	if !errors.As(err, &permanent) || permanent.Reason != bindings.ReasonRejected || permanent.Code != "INVALID_TIMESTAMP" || requests.Load() != 2 {
		t.Errorf("%#v after %d requests", err, requests.Load())
	}
}
