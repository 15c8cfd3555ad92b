package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// plainConfig writes uncompressed, so that faults can look into requests.
var plainConfig = SinkConfig{Topic: "out", Compression: "none"}

// events returns n events k0, k1, … of one key.
func events(key string, n int) []*envelope.Event {
	var es []*envelope.Event
	for i := range n {
		es = append(es, event(fmt.Sprint(key, i), key))
	}
	return es
}

// produced reports whether a produce request holds a text.
func produced(req kmsg.Request, text string) bool {
	for _, topic := range req.(*kmsg.ProduceRequest).Topics {
		for _, p := range topic.Partitions {
			if bytes.Contains(p.Records, []byte(text)) {
				return true
			}
		}
	}
	return false
}

// outcomes returns one error per event of a Send.
func outcomes(t testing.TB, err error, n int) []error {
	t.Helper()
	each := make([]error, n)
	var b bindings.BatchError
	switch {
	case err == nil:
	case errors.As(err, &b):
		if len(b) != n {
			t.Fatalf("%d outcomes for %d events", len(b), n)
		}
		copy(each, b)
	default:
		for i := range each {
			each[i] = err
		}
	}
	return each
}

// ids returns the ids of records, in order.
func ids(rs []*kgo.Record) []string {
	var got []string
	for _, r := range rs {
		id, _ := header(r, "ce_id")
		got = append(got, id)
	}
	return got
}

func TestSinkWrites(t *testing.T) {
	for _, acks := range []string{"", "leader", "none"} {
		for _, codec := range []string{"", "lz4", "zstd", "gzip", "none"} {
			c := cluster(t, kfake.SeedTopics(3, "out"))
			sink := newSink(t, c, SinkConfig{Topic: "out", Acks: acks, Compression: codec}, bindings.SinkSettings{})
			var wg sync.WaitGroup
			for s := range 4 {
				wg.Go(func() {
					if err := sink.Send(t.Context(), events(fmt.Sprintf("key%d-", s), 100)); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			next := map[string]int{}
			for _, r := range consume(t, c, "out", 400) {
				id, _ := header(r, "ce_id")
				if want := fmt.Sprint(string(r.Key), next[string(r.Key)]); id != want {
					t.Fatalf("acks %q, codec %q: event %s, want %s", acks, codec, id, want)
				}
				next[string(r.Key)]++
			}
		}
	}
}

// TestPoisonRecordIsFoundInItsBatch is T-03: the broker refuses a batch, one event is at fault, and only that one
// fails; the order of the others stays.
func TestPoisonRecordIsFoundInItsBatch(t *testing.T) {
	for _, tc := range []struct {
		err    *kerr.Error
		reason bindings.Reason
	}{
		{kerr.MessageTooLarge, bindings.ReasonTooLarge},
		{kerr.InvalidRecord, bindings.ReasonRejected},
		{kerr.InvalidTimestamp, bindings.ReasonRejected},
	} {
		c := cluster(t, kfake.SeedTopics(1, "out"))
		sink := newSink(t, c, plainConfig, bindings.SinkSettings{})
		c.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: tc.err, Count: -1,
			When: func(r kmsg.Request) bool { return produced(r, "poison") },
		})
		es := events("k", 20)
		es[7].Data, es[8].Data, es[19].Data = []byte("poison"), []byte("poison"), []byte("poison")
		for i, err := range outcomes(t, sink.Send(t.Context(), es), 20) {
			var permanent *bindings.PermanentError
			if bad := i == 7 || i == 8 || i == 19; bad != (err != nil) {
				t.Errorf("%v: event %d: %v", tc.err, i, err)
			} else if bad && (!errors.As(err, &permanent) || permanent.Reason != tc.reason || permanent.Code != tc.err.Message) {
				t.Errorf("%v: event %d: %#v", tc.err, i, err)
			}
		}
		got := strings.Join(ids(consume(t, c, "out", 17)), " ")
		if want := "k0 k1 k2 k3 k4 k5 k6 k9 k10 k11 k12 k13 k14 k15 k16 k17 k18"; got != want {
			t.Errorf("%v: wrote %s, want %s", tc.err, got, want)
		}
	}
}

// TestNarrowingStopsAtATransientFailure: nothing behind it is sent, and nothing is blamed without proof.
func TestNarrowingStopsAtATransientFailure(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "out"))
	sink := newSink(t, c, plainConfig, bindings.SinkSettings{})
	isProduce := []kmsg.Key{kmsg.Produce}
	c.Fault(kfake.Fault{Keys: isProduce, Topic: "out", Err: kerr.MessageTooLarge})
	c.Fault(kfake.Fault{
		Keys: isProduce, Topic: "out", Err: kerr.TopicAuthorizationFailed, Count: -1,
		When: func(r kmsg.Request) bool { return produced(r, "denied") },
	})
	es := events("k", 8)
	es[2].Data = []byte("denied")
	// Narrowing sends k0 to k3 together, which is denied as a whole.
	for i, err := range outcomes(t, sink.Send(t.Context(), es), 8) {
		var permanent *bindings.PermanentError
		if err == nil || errors.As(err, &permanent) {
			t.Errorf("event %d: %v, want a transient failure", i, err)
		}
	}
	if n := c.PartitionInfo("out", 0).HighWatermark; n != 0 {
		t.Errorf("%d records written, want none", n)
	}
}

// TestFailureTakesLaterOnesOfItsPartition is what KeepsOrder promises.
func TestFailureTakesLaterOnesOfItsPartition(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "out"))
	c.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: kerr.TopicAuthorizationFailed, Count: 1,
		When: func(r kmsg.Request) bool { return produced(r, "denied") },
	})
	sink := newSink(t, c, plainConfig, bindings.SinkSettings{})
	if !sink.KeepsOrder() {
		t.Fatal("it does not promise order")
	}
	// Events of 300 kB make several batches; the second one is denied, once.
	es := events("k", 12)
	for _, e := range es {
		e.Data = bytes.Repeat([]byte("x"), 300_000)
	}
	es[4].Data = append([]byte("denied"), es[4].Data...)
	each := outcomes(t, sink.Send(t.Context(), es), 12)
	first := -1
	for i, err := range each {
		var later *bindings.RetryAfterError
		switch {
		case err == nil && first >= 0:
			t.Errorf("event %d was confirmed after event %d had failed", i, first)
		case err != nil && first < 0:
			first = i
		}
		if err != nil && (!errors.As(err, &later) || later.After != deniedPause) {
			t.Errorf("event %d: %#v, want it transient with a pause", i, err)
		}
	}
	if first < 1 || first > 4 {
		t.Fatalf("the first failure is event %d", first)
	}
	if n := c.PartitionInfo("out", 0).HighWatermark; n != int64(first) {
		t.Errorf("%d records in the log, want %d: a later one overtook", n, first)
	}
	if err := sink.Send(t.Context(), es[first:]); err != nil {
		t.Fatal(err)
	}
	if got := ids(consume(t, c, "out", 12)); got[4] != "k4" || got[11] != "k11" {
		t.Errorf("order %v", got)
	}
}

func TestSinkClassifies(t *testing.T) {
	for _, tc := range []struct {
		err       error
		reason    bindings.Reason // permanent if set
		code      string
		waitsLong bool
	}{
		{kerr.MessageTooLarge, bindings.ReasonTooLarge, "MESSAGE_TOO_LARGE", false},
		{fmt.Errorf("%w (uncompressed_bytes=5)", kerr.MessageTooLarge), bindings.ReasonTooLarge, "MESSAGE_TOO_LARGE", false},
		{kerr.RecordListTooLarge, bindings.ReasonTooLarge, "RECORD_LIST_TOO_LARGE", false},
		{kerr.InvalidRecord, bindings.ReasonRejected, "INVALID_RECORD", false},
		{kerr.PolicyViolation, bindings.ReasonRejected, "POLICY_VIOLATION", false},
		{kerr.InvalidTopicException, bindings.ReasonAddress, "INVALID_TOPIC_EXCEPTION", false},
		{kerr.TopicAuthorizationFailed, "", "TOPIC_AUTHORIZATION_FAILED", true},
		{kerr.ClusterAuthorizationFailed, "", "CLUSTER_AUTHORIZATION_FAILED", true},
		{kerr.SaslAuthenticationFailed, "", "SASL_AUTHENTICATION_FAILED", true},
		{kerr.UnknownTopicOrPartition, "", "UNKNOWN_TOPIC_OR_PARTITION", false},
		{kerr.UnknownServerError, "", "UNKNOWN_SERVER_ERROR", false},
		{kerr.CorruptMessage, "", "CORRUPT_MESSAGE", false},
		{kgo.ErrClientClosed, "", "", false},
		{context.DeadlineExceeded, "", "", false},
		{errHeld, "", "", false},
	} {
		err := classify("out", tc.err)
		if !errors.Is(err, tc.err) {
			t.Errorf("%v: %v does not wrap it", tc.err, err)
		}
		var permanent *bindings.PermanentError
		var after *bindings.RetryAfterError
		var code *bindings.CodeError
		isPermanent, isAfter, hasCode := errors.As(err, &permanent), errors.As(err, &after), errors.As(err, &code)
		switch {
		case isPermanent != (tc.reason != "") || isAfter != tc.waitsLong:
			t.Errorf("%v: permanent %v, waits long %v", tc.err, isPermanent, isAfter)
		case isPermanent && (permanent.Reason != tc.reason || permanent.Code != tc.code):
			t.Errorf("%v: %s %s", tc.err, permanent.Reason, permanent.Code)
		case !isPermanent && hasCode != (tc.code != "") || hasCode && code.Code != tc.code:
			t.Errorf("%v: code %+v", tc.err, code)
		}
	}
}

// TestMissingTopicIsTransient: one topic that is not there fails its own events in bounded time, and they pass once
// it is created (T-43).
func TestMissingTopicIsTransient(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "out.a"))
	sink := newSink(t, c, SinkConfig{Topic: "out.{type}"}, bindings.SinkSettings{})
	if sink.KeepsOrder() {
		t.Error("order is promised over several topics")
	}
	a, b := event("1", "k"), event("2", "k")
	a.Type, b.Type = "a", "b"
	for range 2 {
		begun := time.Now()
		each := outcomes(t, sink.Send(t.Context(), []*envelope.Event{b, a}), 2)
		var code *bindings.CodeError
		if each[1] != nil || !errors.As(each[0], &code) || code.Code != "UNKNOWN_TOPIC_OR_PARTITION" {
			t.Fatalf("outcomes %v", each)
		}
		if d := time.Since(begun); d > 10*time.Second {
			t.Errorf("it took %s", d)
		} else {
			t.Logf("failed after %s", d.Round(time.Millisecond))
		}
	}
	if err := c.CreateTopic("out.b", 1, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the created topic takes the event", func() bool {
		return sink.Send(t.Context(), []*envelope.Event{b}) == nil
	})
}

// TestTooLargeForAnyBatch is refused by the client without the broker.
func TestTooLargeForAnyBatch(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "out"))
	sink := newSink(t, c, plainConfig, bindings.SinkSettings{})
	es := events("k", 3)
	es[1].Data = make([]byte, assumedLimit)
	each := outcomes(t, sink.Send(t.Context(), es), 3)
	var permanent *bindings.PermanentError
	if each[0] != nil || each[2] != nil || !errors.As(each[1], &permanent) || permanent.Reason != bindings.ReasonTooLarge {
		t.Errorf("outcomes %v", each)
	}
	if _, err := sink.Preview(es[1]); !errors.As(err, &permanent) || permanent.Reason != bindings.ReasonTooLarge {
		t.Errorf("preview: %v", err)
	}
}

// TestEncodingFailureIsOfOneEvent: the others of the Send go on.
func TestEncodingFailureIsOfOneEvent(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "out"))
	sink := newSink(t, c, SinkConfig{Topic: "out", Key: "{region}"}, bindings.SinkSettings{})
	es := events("k", 2)
	es[1].AddExtension("region", "eu", envelope.KindString)
	each := outcomes(t, sink.Send(t.Context(), es), 2)
	var permanent *bindings.PermanentError
	if each[1] != nil || !errors.As(each[0], &permanent) || permanent.Reason != bindings.ReasonAddress {
		t.Errorf("outcomes %v", each)
	}
}

// TestAppendedAndTimedOut: the broker appends and says it timed out; the client finds out, nothing is doubled.
func TestAppendedAndTimedOut(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "out"))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: kerr.RequestTimedOut, Count: 2})
	sink := newSink(t, c, plainConfig, bindings.SinkSettings{})
	if err := sink.Send(t.Context(), events("k", 5)); err != nil {
		t.Fatal(err)
	}
	if n := c.PartitionInfo("out", 0).HighWatermark; n != 5 {
		t.Errorf("%d records, want 5", n)
	}
}

// TestCancelledSendReturns: promptly, with what is known; the next Send works (T-13).
func TestCancelledSendReturns(t *testing.T) {
	c, release := stuckCluster(t, "out")
	sink := newSink(t, c, SinkConfig{Topic: "{topic}", Compression: "none"}, bindings.SinkSettings{})
	es := events("k", 2)
	es[0].AddExtension("topic", "out", envelope.KindString)
	es[1].AddExtension("topic", "stuck", envelope.KindString)
	es[1].Data = []byte("never")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	each := outcomes(t, sink.Send(ctx, es), 2)
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("returned after %s", d)
	}
	if !errors.Is(each[1], context.DeadlineExceeded) || each[0] != nil {
		t.Errorf("outcomes %v, want a confirmed and an unknown one", each)
	}
	release()
	if err := sink.Send(t.Context(), es[:1]); err != nil {
		t.Error(err)
	}
	if err := sink.Send(ctx, es); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a context that is done: %v", err)
	}
}

// TestTimeoutBoundsAnAttempt: the sink's own timeout ends a Send without a broker.
func TestTimeoutBoundsAnAttempt(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "out"))
	sink := newSink(t, c, plainConfig, bindings.SinkSettings{Timeout: 200 * time.Millisecond})
	c.Close()
	for i, err := range outcomes(t, sink.Send(t.Context(), events("k", 3)), 3) {
		var permanent *bindings.PermanentError
		if err == nil || errors.As(err, &permanent) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("event %d: %v, want it transient and with the reason", i, err)
		}
	}
}

// TestRandomCancels: Sends are given up at random times and repeated until confirmed; nothing confirmed is missing,
// and each key's events appear first in their order (T-13).
func TestRandomCancels(t *testing.T) {
	const keys, rounds, size = 3, 25, 20
	c := cluster(t, kfake.SeedTopics(2, "out"))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 10})
	sink := newSink(t, c, plainConfig, bindings.SinkSettings{})
	var wg sync.WaitGroup
	for k := range keys {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(k)))
			for round := range rounds {
				var left []*envelope.Event
				for i := range size {
					left = append(left, event(fmt.Sprint(round*size+i), fmt.Sprint("key", k)))
				}
				for attempt := 1; len(left) > 0; attempt++ { // longer each time, for slow machines
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(2000*attempt))*time.Microsecond)
					var again []*envelope.Event
					for i, err := range outcomes(t, sink.Send(ctx, left), len(left)) {
						if err != nil {
							again = append(again, left[i])
						}
					}
					cancel()
					left = again
				}
			}
		})
	}
	wg.Wait()
	total := int(c.PartitionInfo("out", 0).HighWatermark + c.PartitionInfo("out", 1).HighWatermark)
	seen, doubles := map[string]int{}, 0
	for _, r := range consume(t, c, "out", total) {
		id, _ := header(r, "ce_id")
		var n int
		if _, err := fmt.Sscan(id, &n); err != nil {
			t.Fatal(err)
		}
		switch next := seen[string(r.Key)]; {
		case n == next:
			seen[string(r.Key)]++
		case n < next:
			doubles++
		default:
			t.Fatalf("key %s: event %d before event %d", r.Key, n, next)
		}
	}
	for k := range keys {
		if n := seen[fmt.Sprint("key", k)]; n != rounds*size {
			t.Errorf("key %d: %d events, want %d", k, n, rounds*size)
		}
	}
	t.Logf("%d records, %d of them doubles", total, doubles)
}

func TestPreviewAndReady(t *testing.T) {
	c := cluster(t)
	sink := newSink(t, c, SinkConfig{Topic: "out", Key: "subject"}, bindings.SinkSettings{Mode: bindings.ModeStructured})
	e := event("1", "")
	e.Subject = "s"
	p, err := sink.Preview(e)
	r := encodeOne(t, &sink.encoder, e)
	want := bindings.Preview{Mode: "structured", Address: "topic out", Key: "s", Bytes: wireSize(r), Limit: assumedLimit}
	if err != nil || p != want {
		t.Errorf("preview %+v, %v; want %+v", p, err, want)
	}
	if err := sink.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "topic out") {
		t.Errorf("ready without the topic: %v", err)
	}
	if err := c.CreateTopic("out", 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := sink.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestFillAllocations: encoding a whole Send allocates nothing once the producer is warm.
func TestFillAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("NOT TESTED: allocations, because the race detector is on")
	}
	es := events("k", 100)
	for _, e := range es {
		e.AddExtension("region", "eu", envelope.KindString)
	}
	for _, mode := range []bindings.Mode{bindings.ModeBinary, bindings.ModeStructured} {
		c, p := encoderFor(t, SinkConfig{}, mode), newProducer(&bindings.Limit{Bytes: assumedLimit})
		if n := testing.AllocsPerRun(100, func() {
			p.reset()
			p.fill(c, es)
		}); n != 0 {
			t.Errorf("mode %d: %v allocations for 100 events", mode, n)
		}
	}
}

// BenchmarkSend is the whole sink against brokers in the process; the bare client is the ceiling.
func BenchmarkSend(b *testing.B) {
	c := cluster(b, kfake.SeedTopics(4, "out"), kfake.BlackholeProduce())
	es := events("k", 500)
	b.Run("sink", func(b *testing.B) {
		sink := newSink(b, c, SinkConfig{Topic: "out"}, bindings.SinkSettings{})
		b.ReportAllocs()
		for b.Loop() {
			if err := sink.Send(b.Context(), es); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(es)), "ns/event")
	})
	b.Run("client", func(b *testing.B) {
		cl := client(b, c, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
		enc := encoderFor(b, SinkConfig{}, bindings.ModeBinary)
		rs := make([]*kgo.Record, len(es))
		b.ReportAllocs()
		for b.Loop() {
			for i, e := range es {
				r := encodeOne(b, enc, e)
				rs[i] = &kgo.Record{Topic: "out", Key: r.Key, Value: r.Value, Headers: r.Headers}
			}
			if err := cl.ProduceSync(b.Context(), rs...).FirstErr(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(es)), "ns/event")
	})
}

// TestPartitions: keys are placed as other clients place them; records without key share a partition for one Send,
// however many batches it takes, and move on with the next.
func TestPartitions(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(7, "out"))
	sink := newSink(t, c, plainConfig, bindings.SinkSettings{})
	var es []*envelope.Event
	var same []*kgo.Record
	for i := range 20 {
		key := fmt.Sprint("key", i)
		es = append(es, event(key, key))
		same = append(same, &kgo.Record{Topic: "out", Key: []byte(key)})
	}
	if err := sink.Send(t.Context(), es); err != nil {
		t.Fatal(err)
	}
	produce(t, client(t, c, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))), same...)
	ours := map[string]int32{}
	for _, r := range consume(t, c, "out", 40) {
		if p, ok := ours[string(r.Key)]; ok && p != r.Partition {
			t.Errorf("key %s is on partitions %d and %d", r.Key, p, r.Partition)
		}
		ours[string(r.Key)] = r.Partition
	}
	used := map[int32]bool{}
	for send := range 3 {
		es := events("", 10)
		for _, e := range es {
			e.Subject, e.Data = fmt.Sprint("send", send), bytes.Repeat([]byte("x"), 300_000)
		}
		if err := sink.Send(t.Context(), es); err != nil {
			t.Fatal(err)
		}
	}
	by := map[string]map[int32]bool{}
	for _, r := range consume(t, c, "out", 70) {
		if s, _ := header(r, "ce_subject"); s != "" {
			if by[s] == nil {
				by[s] = map[int32]bool{}
			}
			by[s][r.Partition], used[r.Partition] = true, true
		}
	}
	for s, ps := range by {
		if len(ps) != 1 {
			t.Errorf("%s went to %d partitions", s, len(ps))
		}
	}
	if len(used) != 3 {
		t.Errorf("three Sends went to %d partitions", len(used))
	}
}
