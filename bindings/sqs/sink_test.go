package sqs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker/fakesqs"
)

// sinkOn returns a sink for a queue of the server; the queue is made by the caller.
func sinkOn(t *testing.T, s *fakesqs.Server, c SinkConfig, mode bindings.Mode) *Sink {
	t.Helper()
	ref, err := parseQueue(c.Queue)
	if err != nil {
		t.Fatal(err)
	}
	k, err := newSink(c, bindings.SinkSettings{Name: "k", Mode: mode}, ref, direct(s))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func events(ids ...string) []*envelope.Event {
	var out []*envelope.Event
	for _, id := range ids {
		out = append(out, event(id))
	}
	return out
}

func numbered(n int) []*envelope.Event {
	var out []*envelope.Event
	for i := range n {
		out = append(out, event(fmt.Sprint(i)))
	}
	return out
}

// ids returns the ids of the events in a queue.
func ids(s *fakesqs.Server, queue string) (out []string) {
	for _, body := range s.Bodies(queue) {
		var e envelope.Event
		if err := decode(&e, body, nil, envelope.Options{}); err != nil {
			out = append(out, err.Error())
			continue
		}
		out = append(out, e.ID)
	}
	return out
}

// class names the class of an error, and its reason or code.
func class(err error) string {
	var permanent *bindings.PermanentError
	var code *bindings.CodeError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &permanent):
		return "permanent " + string(permanent.Reason)
	case errors.As(err, &code):
		return "transient " + code.Code
	}
	return "transient"
}

func classes(err error, n int) (out []string) {
	var batch bindings.BatchError
	ok := errors.As(err, &batch)
	for i := range n {
		if ok {
			out = append(out, class(batch[i]))
		} else {
			out = append(out, class(err))
		}
	}
	return out
}

// T-25: every way an entry of a send can be answered.
func TestSendReconcilesEveryAnswer(t *testing.T) {
	all := map[int]fakesqs.Outcome{
		1: {Answer: fakesqs.AnswerFailed, Code: "InternalError"},
		2: {Answer: fakesqs.AnswerMissing, Performed: true},
		3: {Answer: fakesqs.AnswerMissing},
		4: {Answer: fakesqs.AnswerUnknown, Performed: true},
		5: {Answer: fakesqs.AnswerBoth, Performed: true, Code: "InternalError"},
		6: {Answer: fakesqs.AnswerFailed, Code: "InvalidMessageContents", SenderFault: true},
		7: {Answer: fakesqs.AnswerFailed, Code: "com.amazonaws.sqs#InvalidParameterValue", SenderFault: true},
		8: {Answer: fakesqs.AnswerFailed, Code: "ThrottlingException", SenderFault: true},
		9: {Answer: fakesqs.AnswerFailed, Code: "AWS.SimpleQueueService.SomethingNew", SenderFault: true},
	}
	s := fakesqs.NewUnbound()
	s.CreateQueue(t, "q", nil)
	s.OnCall("SendMessageBatch", func(fakesqs.Call) *fakesqs.Fault { return &fakesqs.Fault{Entries: all} })
	k := sinkOn(t, s, SinkConfig{Queue: "q"}, bindings.ModeDefault)
	got := classes(k.Send(t.Context(), numbered(10)), 10)
	want := []string{
		"ok", "transient InternalError", "transient", "transient", "transient", "transient InternalError",
		"permanent unencodable", "permanent rejected", "transient ThrottlingException", "permanent rejected",
	}
	if !slices.Equal(got, want) {
		t.Errorf("outcomes:\n got %q\nwant %q", got, want)
	}
	// Every combination of two outcomes stays with its own event.
	for i, a := range all {
		for j, b := range all {
			s.OnCall("SendMessageBatch", func(fakesqs.Call) *fakesqs.Fault {
				return &fakesqs.Fault{Entries: map[int]fakesqs.Outcome{0: a, 2: b}}
			})
			got := classes(k.Send(t.Context(), numbered(4)), 4)
			if w := []string{want[i], "ok", want[j], "ok"}; !slices.Equal(got, w) {
				t.Errorf("outcomes of %d and %d:\n got %q\nwant %q", i, j, got, w)
			}
		}
	}
}

func TestSendFailsAsAWhole(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault fakesqs.Fault
		want  string
	}{
		{"unavailable", fakesqs.Fault{Err: &fakesqs.Error{Shape: "ServiceUnavailable", Status: 503}}, "transient ServiceUnavailable"},
		{"5xx after it was done", fakesqs.Fault{ErrAfter: &fakesqs.Error{Shape: "InternalError", Status: 500}}, "transient InternalError"},
		{"lost answer", fakesqs.Fault{LostAnswer: true}, "transient"},
		{"denied", fakesqs.Fault{Err: &fakesqs.Error{Shape: "AccessDeniedException"}}, "transient AccessDeniedException"},
		{"throttled", fakesqs.Fault{Err: &fakesqs.Error{Shape: "RequestThrottled"}}, "transient RequestThrottled"},
		{"contents", fakesqs.Fault{Err: &fakesqs.Error{Shape: "InvalidMessageContents"}}, "permanent unencodable"},
		{"too long", fakesqs.Fault{Err: &fakesqs.Error{Shape: "BatchRequestTooLong"}}, "permanent too_large"},
	} {
		s := fakesqs.NewUnbound()
		s.CreateQueue(t, "q", nil)
		s.OnCall("SendMessageBatch", func(fakesqs.Call) *fakesqs.Fault { return &tc.fault })
		k := sinkOn(t, s, SinkConfig{Queue: "q"}, bindings.ModeDefault)
		for _, n := range []int{1, 3} {
			if got := classes(k.Send(t.Context(), numbered(n)), n); !slices.Equal(got, slices.Repeat([]string{tc.want}, n)) {
				t.Errorf("%s: got %q, want %s", tc.name, got, tc.want)
			}
		}
	}
}

func TestOneBadEntryIsFound(t *testing.T) {
	s := fakesqs.NewUnbound()
	s.CreateQueue(t, "q", nil)
	s.OnCall("SendMessageBatch", func(c fakesqs.Call) *fakesqs.Fault {
		if slices.ContainsFunc(c.Entries, func(e fakesqs.Entry) bool { return strings.Contains(e.Body, `"id":"bad"`) }) {
			return &fakesqs.Fault{Err: &fakesqs.Error{Shape: "InvalidAttributeValue"}} // as ElasticMQ does
		}
		return nil
	})
	k := sinkOn(t, s, SinkConfig{Queue: "q"}, bindings.ModeDefault)
	got := classes(k.Send(t.Context(), events("1", "bad", "3")), 3)
	if want := []string{"ok", "permanent rejected", "ok"}; !slices.Equal(got, want) || !slices.Equal(ids(s, "q"), []string{"1", "3"}) {
		t.Errorf("outcomes %q, queue %q", got, ids(s, "q"))
	}
}

func TestSendSplits(t *testing.T) {
	s := fakesqs.NewUnbound()
	s.CreateQueue(t, "q", nil)
	var sizes []int
	s.OnCall("SendMessageBatch", func(c fakesqs.Call) *fakesqs.Fault {
		sizes = append(sizes, len(c.Entries))
		return nil
	})
	k := sinkOn(t, s, SinkConfig{Queue: "q"}, bindings.ModeDefault)
	if err := k.Send(t.Context(), numbered(25)); err != nil {
		t.Fatal(err)
	}
	big := numbered(5)
	for _, e := range big {
		e.Data, e.DataContentType = []byte(strings.Repeat("x", 400<<10)), "text/plain"
	}
	if err := k.Send(t.Context(), big); err != nil {
		t.Fatal(err)
	}
	if want := []int{10, 10, 5, 2, 2, 1}; !slices.Equal(sizes, want) {
		t.Errorf("requests of %v entries, want %v", sizes, want)
	}
	if got := len(s.Bodies("q")); got != 30 {
		t.Errorf("%d messages in the queue, want 30", got)
	}
}

func TestSizeLimits(t *testing.T) {
	s := fakesqs.NewUnbound()
	s.CreateQueue(t, "q", nil)
	s.CreateQueue(t, "old", map[string]string{"MaximumMessageSize": "2048"})
	for _, tc := range []struct {
		queue string
		mode  bindings.Mode
		limit int
	}{{"q", bindings.ModeStructured, 1 << 20}, {"old", bindings.ModeStructured, 2048}, {"old", bindings.ModeBinary, 2048}} {
		k := sinkOn(t, s, SinkConfig{Queue: tc.queue}, tc.mode)
		if err := k.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		e := event("1")
		e.Data, e.DataContentType = []byte("x"), "text/plain"
		p, err := k.Preview(e)
		if err != nil || p.Limit != tc.limit {
			t.Fatalf("preview %+v, %v", p, err)
		}
		e.Data = []byte(strings.Repeat("x", 1+tc.limit-p.Bytes))
		if err := k.Send(t.Context(), []*envelope.Event{e}); err != nil {
			t.Errorf("%+v: exactly the limit: %v", tc, err)
		}
		from := bindings.Limit{Bytes: tc.limit, From: "queue " + tc.queue + " MaximumMessageSize"}
		if got := k.Limit(); got != from {
			t.Errorf("limit %+v, want %+v", got, from)
		}
		sent := len(s.Bodies(tc.queue))
		e.Data = append(e.Data, 'x')
		if got := classes(k.Send(t.Context(), []*envelope.Event{e, event("2")}), 2); got[0] != "permanent too_large" || got[1] != "ok" {
			t.Errorf("%+v: one byte more: %q", tc, got)
		}
		if got := len(s.Bodies(tc.queue)); got != sent+1 {
			t.Errorf("%+v: %d messages came, want that of the small event alone", tc, got-sent)
		}
		_, err = k.Preview(e)
		want := fmt.Sprintf("sqs: queue %s: the message has %d bytes and the limit is %d (queue %[1]s MaximumMessageSize)", tc.queue, tc.limit+1, tc.limit)
		if class(err) != "permanent too_large" || err.Error() != want {
			t.Errorf("%+v: preview of one byte more: %v, want %s", tc, err, want)
		}
	}
}

// TestLimitUntilTheQueueTellsIt is the service's own.
func TestLimitUntilTheQueueTellsIt(t *testing.T) {
	s := fakesqs.NewUnbound()
	s.CreateQueue(t, "q", map[string]string{"MaximumMessageSize": "2048"})
	s.OnCall("GetQueueAttributes", func(fakesqs.Call) *fakesqs.Fault {
		return &fakesqs.Fault{Err: &fakesqs.Error{Shape: "AccessDeniedException"}}
	})
	k := sinkOn(t, s, SinkConfig{Queue: "q"}, bindings.ModeStructured)
	want := bindings.Limit{Bytes: 1 << 20, From: "the service's, assumed"}
	if got := k.Limit(); got != want {
		t.Errorf("before Ready: %+v", got)
	}
	if err := k.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := k.Limit(); got != want {
		t.Errorf("without the right to read it: %+v", got)
	}
	e := event("1")
	e.Data, e.DataContentType = []byte(strings.Repeat("x", 3000)), "text/plain"
	if got := classes(k.Send(t.Context(), []*envelope.Event{e}), 1); got[0] == "ok" || got[0] == "transient" {
		t.Errorf("what the queue refuses is %q, want it permanent", got[0])
	}
}

// TestQueueLimitRaisedForAnEvent: an event that was too large passes once the operator has raised the queue's limit,
// without a restart; the queue is asked once for a Send.
func TestQueueLimitRaisedForAnEvent(t *testing.T) {
	s := fakesqs.NewUnbound()
	s.CreateQueue(t, "q", map[string]string{"MaximumMessageSize": "2048"})
	k := sinkOn(t, s, SinkConfig{Queue: "q"}, bindings.ModeStructured)
	large := []*envelope.Event{event("1"), event("2"), event("3")}
	for _, e := range large[:2] {
		e.Data, e.DataContentType = []byte(strings.Repeat("x", 3000)), "text/plain"
	}
	if got, want := classes(k.Send(t.Context(), large), 3), []string{"permanent too_large", "permanent too_large", "ok"}; !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	if n := s.Calls("GetQueueAttributes"); n != 2 {
		t.Errorf("the queue was asked %d times, want at first and before the refusals", n)
	}
	q, err := k.found(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.client.SetQueueAttributes(t.Context(), &awssqs.SetQueueAttributesInput{
		QueueUrl: &q.url, Attributes: map[string]string{"MaximumMessageSize": "4096"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Send(t.Context(), large); err != nil {
		t.Errorf("after the limit was raised: %v", err)
	}
	if got := k.Limit().Bytes; got != 4096 {
		t.Errorf("the limit is %d, want 4096", got)
	}
}

func TestGroupsAndDeduplication(t *testing.T) {
	s := fakesqs.NewUnbound()
	s.CreateQueue(t, "q", nil)
	s.CreateQueue(t, "q.fifo", map[string]string{"ContentBasedDeduplication": "true"})
	var last fakesqs.Entry
	s.OnCall("SendMessageBatch", func(c fakesqs.Call) *fakesqs.Fault {
		last = c.Entries[0]
		return nil
	})
	hashed := func(v string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(v))) }
	key := func(e *envelope.Event) { e.Key = []byte("k1") }
	part := func(v string) func(*envelope.Event) {
		return func(e *envelope.Event) { e.Key = []byte("k1"); e.AddExtension("partitionkey", v, envelope.KindString) }
	}
	delivery := string(bindings.AppendDeliveryID(nil, "k", event("1")))
	for _, tc := range []struct {
		name   string
		c      SinkConfig
		change func(*envelope.Event)
		group  string
		dedup  string
	}{
		{"standard", SinkConfig{Queue: "q"}, key, "", ""},
		{"standard, fair", SinkConfig{Queue: "q", GroupID: "{type}"}, key, "com.acme.order.paid", ""},
		{"partitionkey", SinkConfig{Queue: "q.fifo"}, part("a/b"), "a/b", delivery},
		{"E15 partitionkey with a space", SinkConfig{Queue: "q.fifo"}, part("a b/é"), hashed("a b/é"), delivery},
		{"long partitionkey", SinkConfig{Queue: "q.fifo"}, part(strings.Repeat("x", 129)), hashed(strings.Repeat("x", 129)), delivery},
		{"source's key", SinkConfig{Queue: "q.fifo"}, key, "k1", delivery},
		{"source", SinkConfig{Queue: "q.fifo"}, func(*envelope.Event) {}, "/shop", delivery},
		{"template", SinkConfig{Queue: "q.fifo", GroupID: "g-{id}"}, key, "g-1", delivery},
		{"content", SinkConfig{Queue: "q.fifo", Dedup: "content"}, key, "k1", ""},
		{"none", SinkConfig{Queue: "q.fifo", Dedup: "none"}, key, "k1", "random"},
	} {
		e := event("1")
		tc.change(e)
		k := sinkOn(t, s, tc.c, bindings.ModeDefault)
		if err := k.Send(t.Context(), []*envelope.Event{e}); err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if last.Group != tc.group {
			t.Errorf("%s: group %q, want %q", tc.name, last.Group, tc.group)
		}
		if last.Dedup != tc.dedup && (tc.dedup != "random" || len(last.Dedup) < 26 || last.Dedup == delivery) {
			t.Errorf("%s: dedup %q, want %q", tc.name, last.Dedup, tc.dedup)
		}
		if p, err := k.Preview(e); err != nil || p.Key != last.Group || p.Address != "queue "+tc.c.Queue {
			t.Errorf("%s: preview %+v, %v", tc.name, p, err)
		}
	}
	k := sinkOn(t, s, SinkConfig{Queue: "q.fifo", GroupID: "{subject}"}, bindings.ModeDefault)
	if got := class(k.Send(t.Context(), events("1")).(bindings.BatchError)[0]); got != "permanent bad_address" {
		t.Errorf("a group of an attribute that is not there: %s", got)
	}
}

func TestRepeatedSendIsDeduplicated(t *testing.T) {
	s := fakesqs.NewUnbound()
	s.CreateQueue(t, "q.fifo", nil)
	s.OnCall("SendMessageBatch", func(c fakesqs.Call) *fakesqs.Fault { return &fakesqs.Fault{LostAnswer: c.Number == 1} })
	k := sinkOn(t, s, SinkConfig{Queue: "q.fifo", GroupID: "{id}"}, bindings.ModeDefault)
	if err := k.Send(t.Context(), numbered(3)); err == nil {
		t.Fatal("the answer was lost, and Send reports success")
	}
	if err := k.Send(t.Context(), numbered(3)); err != nil {
		t.Fatal(err)
	}
	if got := ids(s, "q.fifo"); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("queue has %q", got)
	}
}

func TestFIFOSendKeepsTheOrderOfAGroup(t *testing.T) {
	grouped := func(pairs ...string) (out []*envelope.Event) {
		for _, p := range pairs {
			e := event(p)
			e.Key = []byte(p[:1])
			out = append(out, e)
		}
		return out
	}
	s := fakesqs.NewUnbound()
	s.CreateQueue(t, "q.fifo", nil)
	var requests []string
	fail := ""
	answer := fakesqs.Outcome{Answer: fakesqs.AnswerFailed, Code: "InternalError"}
	s.OnCall("SendMessageBatch", func(c fakesqs.Call) *fakesqs.Fault {
		f := &fakesqs.Fault{Entries: map[int]fakesqs.Outcome{}}
		groups := ""
		for i, e := range c.Entries {
			groups += e.Group
			if strings.Contains(e.Body, `"id":"`+fail+`"`) {
				f.Entries[i] = answer
			}
		}
		requests = append(requests, groups)
		return f
	})
	k := sinkOn(t, s, SinkConfig{Queue: "q.fifo"}, bindings.ModeDefault)
	if err := k.Send(t.Context(), grouped("a1", "a2", "b1", "a3", "b2", "c1")); err != nil {
		t.Fatal(err)
	}
	if want := []string{"abc", "ab", "a"}; !slices.Equal(requests, want) {
		t.Errorf("requests of groups %q, want %q", requests, want)
	}
	fail = "x2"
	got := classes(k.Send(t.Context(), grouped("x1", "x2", "y1", "x3", "y2", "x4")), 6)
	want := []string{"ok", "transient InternalError", "ok", "transient", "ok", "transient"}
	if !slices.Equal(got, want) {
		t.Errorf("outcomes %q, want %q", got, want)
	}
	if got := strings.Join(ids(s, "q.fifo")[6:], ""); got != "x1y1y2" {
		t.Errorf("queue has %s", got)
	}
	// An event that failed for good goes to the dead letter; the group goes on.
	fail, answer = "z1", fakesqs.Outcome{Answer: fakesqs.AnswerFailed, Code: "InvalidMessageContents", SenderFault: true}
	got = classes(k.Send(t.Context(), grouped("z1", "z2")), 2)
	if want := []string{"permanent unencodable", "ok"}; !slices.Equal(got, want) {
		t.Errorf("outcomes %q, want %q", got, want)
	}
}

func TestSinkReady(t *testing.T) {
	s := fakesqs.NewUnbound()
	k := sinkOn(t, s, SinkConfig{Queue: "q"}, bindings.ModeDefault)
	if err := k.Ready(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "sqs: queue q: look up: ") {
		t.Errorf("no queue: %v", err)
	}
	if got := classes(k.Send(t.Context(), events("1")), 1); !strings.HasPrefix(got[0], "transient") {
		t.Errorf("send without a queue: %q", got)
	}
	url := s.CreateQueue(t, "q", nil)
	if err := k.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	s.CreateQueue(t, "q.fifo", nil)
	if err := sinkOn(t, s, SinkConfig{Queue: "q.fifo", Dedup: "content"}, bindings.ModeDefault).Ready(t.Context()); err == nil {
		t.Error("dedup content is ready on a queue without it")
	}
	if err := sinkOn(t, s, SinkConfig{Queue: "arn:aws:sqs:us-east-1:000000000000:q"}, bindings.ModeDefault).Ready(t.Context()); err != nil {
		t.Errorf("by ARN: %v", err)
	}
	s.OnCall("GetQueueAttributes", func(fakesqs.Call) *fakesqs.Fault {
		return &fakesqs.Fault{Err: &fakesqs.Error{Shape: "AccessDeniedException"}}
	})
	byURL := sinkOn(t, s, SinkConfig{Queue: url}, bindings.ModeDefault)
	if err := byURL.Ready(t.Context()); err != nil {
		t.Errorf("without permission to read attributes: %v", err)
	}
	if err := byURL.Send(t.Context(), events("1")); err != nil {
		t.Errorf("without permission to read attributes: %v", err)
	}
}

func TestSendReturnsWhenTheContextIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakesqs.NewUnbound()
		s.CreateQueue(t, "q", nil)
		s.OnCall("SendMessageBatch", func(c fakesqs.Call) *fakesqs.Fault {
			if c.Number == 1 {
				return nil
			}
			return &fakesqs.Fault{Delay: time.Hour}
		})
		k := sinkOn(t, s, SinkConfig{Queue: "q"}, bindings.ModeDefault)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		got := classes(k.Send(ctx, numbered(25)), 25)
		want := append(slices.Repeat([]string{"ok"}, 10), slices.Repeat([]string{"transient"}, 15)...)
		if took := time.Since(start); took != 3*time.Second || !slices.Equal(got, want) {
			t.Errorf("after %v: %q", took, got)
		}
	})
}

// The real transport, credentials from the environment, and every checksum checked by the SDK.
func TestSinkOverTheNetwork(t *testing.T) {
	emptyEnvironment(t)
	s := fakesqs.New(t)
	url := s.CreateQueue(t, "q", nil)
	for _, c := range []SinkConfig{{Queue: "q", Endpoint: s.URL()}, {Queue: url}} {
		k, err := NewSink(c, bindings.SinkSettings{Name: "k", Mode: bindings.ModeBinary, Timeout: 5 * time.Second, Concurrency: 2})
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Send(t.Context(), numbered(12)); err != nil {
			t.Error(err)
		}
		if err := k.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got := len(s.Bodies("q")); got != 24 {
		t.Errorf("%d messages, want 24", got)
	}
}
