package sqs

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker/fakesqs"
)

func sendInput(url, body string) *awssqs.SendMessageInput {
	return &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageAttributes: map[string]types.MessageAttributeValue{"trace": str("x")}}
}

var errSink = errors.New("sink is down")

func TestSourceDeliversAndDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q"}, bindings.SourceSettings{})
		h.put(names("a", 25)...)
		h.run()
		h.wait(time.Second)
		if got := h.server.Deleted("q"); got != 25 || len(h.deliveries()) != 25 {
			t.Errorf("deleted %d, delivered %s", got, h.sequence())
		}
		h.put("late")
		h.wait(time.Second)
		if got := h.server.Deleted("q"); got != 26 {
			t.Errorf("deleted %d, want 26", got)
		}
		if took := h.end(); took > time.Second {
			t.Errorf("stopping took %v", took)
		}
	})
}

func TestSourceFillsMeta(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q.fifo"}, bindings.SourceSettings{})
		h.judge = func(_ *envelope.Event, nth int) error {
			if nth == 1 {
				return errSink
			}
			return nil
		}
		h.put("g1")
		h.run()
		h.wait(5 * time.Second)
		h.end()
		d := h.deliveries()
		if len(d) != 2 {
			t.Fatalf("%d deliveries", len(d))
		}
		m := d[1].event.Meta
		if m.Transport != "sqs" || m.SourceName != "src" || m.Channel != "q.fifo" || m.MessageID == "" || m.Deliveries != 2 || string(d[1].event.Key) != "g" {
			t.Errorf("meta %+v, key %q", m, d[1].event.Key)
		}
		if len(m.Headers) != 0 {
			t.Errorf("headers %v: the event's own attributes are not among them", m.Headers)
		}
	})
}

func TestSourceRefusesWhatIsNoEvent(t *testing.T) {
	for _, wrap := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := bindings.SourceSettings{MaxEvent: 100}
			if wrap {
				s.Wrap = func(e *envelope.Event) error {
					e.ID, e.Source, e.Type = e.Meta.MessageID, "/wrapped", "t"
					return nil
				}
			}
			h := newHarness(t, SourceConfig{Queue: "q", Receivers: 1}, s)
			h.putBodies("hello", `[1]`, `{"specversion":"1.0"}`, strings.Repeat("x", 101))
			h.run()
			h.wait(time.Second)
			h.end()
			var got []string
			for _, d := range h.deliveries() {
				e := d.event
				line := e.Source + " " + e.DataContentType + " " + string(e.Data[:min(5, len(e.Data))])
				if permanent, ok := errors.AsType[*bindings.PermanentError](e.Malformed); ok {
					line += " " + string(permanent.Reason)
				} else if e.Malformed != nil {
					line += " malformed"
				}
				if len(e.Meta.Headers) != 1 || e.Meta.Headers[0].Name != "trace" || string(e.Meta.Headers[0].Value) != "x" {
					line += " without headers"
				}
				got = append(got, line)
			}
			want := []string{" text/plain hello malformed", " application/json [1]", ` application/json {"spe malformed`, " text/plain xxxxx too_large"}
			if wrap {
				want[0] = "/wrapped text/plain hello"
				want[1] = "/wrapped application/json [1]"
			} else {
				want[1] += " malformed"
			}
			if !slices.Equal(got, want) {
				t.Errorf("wrap %v:\n got %q\nwant %q", wrap, got, want)
			}
			if h.server.Deleted("q") != 4 {
				t.Errorf("deleted %d messages, want 4", h.server.Deleted("q"))
			}
		})
	}
}

// T-27: a sink that takes three times the visibility timeout causes no duplicates.
func TestHeartbeatOutlastsASlowSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q", Visibility: 10 * time.Second, Receivers: 3}, bindings.SourceSettings{Window: bindings.NewWindow(30, 0)})
		h.latency = 30 * time.Second
		h.put(names("a", 60)...)
		h.run()
		h.wait(29 * time.Second)
		h.wantDepth(0, 60) // thirty with the sink, and thirty wait for the window
		h.wait(3 * time.Minute)
		h.end()
		if got := len(h.deliveries()); got != 60 || h.server.Deleted("q") != 60 {
			t.Errorf("%d deliveries of 60 messages, %d deleted", got, h.server.Deleted("q"))
		}
		if h.most > 30 {
			t.Errorf("%d events in flight, the window has 30", h.most)
		}
	})
}

// The heartbeat goes on although calls fail, answers are lost, and entries are missing from answers.
func TestHeartbeatOutlastsFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q", Visibility: 16 * time.Second, Receivers: 1}, bindings.SourceSettings{})
		h.latency = 2 * time.Minute
		h.server.OnCall("ChangeMessageVisibilityBatch", func(c fakesqs.Call) *fakesqs.Fault {
			switch c.Number % 5 {
			case 0:
				return &fakesqs.Fault{Err: &fakesqs.Error{Shape: "InternalError", Status: 500}}
			case 1:
				return &fakesqs.Fault{LostAnswer: true}
			case 2:
				return &fakesqs.Fault{Delay: time.Minute} // a call that hangs
			case 3:
				return &fakesqs.Fault{Entries: map[int]fakesqs.Outcome{
					0: {Answer: fakesqs.AnswerMissing}, 1: {Answer: fakesqs.AnswerUnknown}, 2: {Answer: fakesqs.AnswerFailed, Code: "InternalError"},
					3: {Answer: fakesqs.AnswerBoth, Code: "InternalError"}, 4: {Answer: fakesqs.AnswerFailed, Code: "RequestThrottled", SenderFault: true},
				}}
			}
			return nil
		})
		h.server.OnCall("DeleteMessageBatch", func(c fakesqs.Call) *fakesqs.Fault {
			for _, e := range c.Entries {
				// The fake's handles end in the receive count.
				if raw, err := base64.StdEncoding.DecodeString(e.Handle); err != nil || !strings.HasSuffix(string(raw), "/1") {
					t.Errorf("handle %q: the visibility of the message lapsed meanwhile", raw)
				}
			}
			return nil
		})
		h.put(names("a", 8)...)
		h.run()
		h.wait(3 * time.Minute)
		h.end()
		if got := len(h.deliveries()); got != 8 || h.server.Deleted("q") != 8 {
			t.Errorf("%d deliveries of 8 messages, %d deleted", got, h.server.Deleted("q"))
		}
	})
}

// T-26: a message that comes again while it is in flight is not emitted again, and is deleted with its newest handle.
func TestRedeliveryWhileInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q", Visibility: 10 * time.Second, Wait: time.Second}, bindings.SourceSettings{})
		h.latency = 35 * time.Second
		broken := &fakesqs.Fault{Err: &fakesqs.Error{Shape: "InternalError", Status: 500}}
		h.server.OnCall("ChangeMessageVisibilityBatch", func(fakesqs.Call) *fakesqs.Fault { return broken })
		var handles []string
		h.server.OnCall("DeleteMessageBatch", func(c fakesqs.Call) *fakesqs.Fault {
			for _, e := range c.Entries {
				if slices.Contains(handles, e.Handle) {
					t.Errorf("handle %s was deleted twice", e.Handle)
				}
				handles = append(handles, e.Handle)
			}
			return nil
		})
		h.put(names("a", 5)...)
		h.run()
		h.wait(time.Minute)
		h.end()
		if got := len(h.deliveries()); got != 5 {
			t.Errorf("%d deliveries of 5 messages: %s", got, h.sequence())
		}
		if h.server.Calls("ReceiveMessage") < 2 || h.server.Deleted("q") != 5 || len(handles) != 5 {
			t.Errorf("deleted %d with %d handles", h.server.Deleted("q"), len(handles))
		}
	})
}

// T-28: a failed message comes back after the delay, not earlier and not much later.
func TestFailedMessagesComeBackAfterTheirDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q", Visibility: time.Minute}, bindings.SourceSettings{})
		h.judge = func(e *envelope.Event, nth int) error {
			switch {
			case nth > 3:
				return nil
			case e.ID == "after":
				return bindings.RetryAfter(errSink, 6500*time.Millisecond)
			case e.ID == "permanent":
				return bindings.Permanent(bindings.ReasonRejected, "422", errSink)
			}
			return errSink
		}
		h.put("after", "permanent", "transient")
		h.run()
		h.wait(time.Minute)
		h.end()
		got := map[string][]time.Duration{}
		for _, d := range h.deliveries() {
			got[d.id] = append(got[d.id], d.at.Round(100*time.Millisecond))
		}
		want := map[string][]time.Duration{
			"after":     {0, 7 * time.Second, 14 * time.Second, 21 * time.Second},
			"permanent": {0, 1 * time.Second, 3 * time.Second, 7 * time.Second},
			"transient": {0, 1 * time.Second, 3 * time.Second, 7 * time.Second},
		}
		for id, at := range want {
			if !slices.Equal(got[id], at) {
				t.Errorf("%s delivered at %v, want %v", id, got[id], at)
			}
		}
		if h.server.Deleted("q") != 3 {
			t.Errorf("deleted %d, want 3", h.server.Deleted("q"))
		}
	})
}

// T-29: in a FIFO queue nothing overtakes an event that failed.
func TestFIFOOrderWithAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q.fifo"}, bindings.SourceSettings{})
		h.latency = 100 * time.Millisecond
		h.judge = func(e *envelope.Event, nth int) error {
			if e.ID == "a2" && nth == 1 {
				return errSink
			}
			return nil
		}
		h.put("a0", "a1", "a2", "b0", "a3", "b1", "a4", "a5", "a6", "a7")
		h.run()
		h.wait(500 * time.Millisecond)
		h.put("a8", "b2")
		h.wait(10 * time.Second)
		h.end()
		want := "a0 a1 a2 b0 a3 b1 a4 a5 a6 a7 b2 a2 a3 a4 a5 a6 a7 a8"
		if got := h.sequence(); got != want {
			t.Errorf("delivered\n     %s\nwant %s", got, want)
		}
		if h.server.Deleted("q.fifo") != 12 {
			t.Errorf("deleted %d, want 12", h.server.Deleted("q.fifo"))
		}
	})
}

// A group's lock ends when the visibility of its first message lapses. What is received then would overtake the messages
// that are still being delivered.
func TestFIFODoesNotOvertakeAfterALapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q.fifo", Visibility: 10 * time.Second}, bindings.SourceSettings{})
		h.latency = 25 * time.Second
		h.server.OnCall("ChangeMessageVisibilityBatch", func(c fakesqs.Call) *fakesqs.Fault {
			if c.Entries[0].Visibility == 0 {
				return nil
			}
			return &fakesqs.Fault{Err: &fakesqs.Error{Shape: "InternalError", Status: 500}}
		})
		h.judge = func(e *envelope.Event, nth int) error {
			if e.ID == "a0" && nth == 1 {
				return errSink
			}
			return nil
		}
		h.put("a0", "a1")
		h.run()
		h.wait(5 * time.Second)
		h.put("a2", "b0")
		h.wait(5 * time.Minute)
		h.end()
		var group []string
		for _, d := range h.deliveries() {
			if d.id[0] == 'a' {
				group = append(group, d.id)
			}
		}
		if got := strings.Join(group, " "); got != "a0 a1 a0 a1 a2" {
			t.Errorf("delivered %s, want a0 a1 a0 a1 a2", got)
		}
		if h.server.Deleted("q.fifo") != 4 {
			t.Errorf("deleted %d, want 4", h.server.Deleted("q.fifo"))
		}
	})
}

// T-25: every way an entry of a delete can be answered. What was deleted is never delivered again; what was not is
// deleted later, without being delivered again, unless the service said that it cannot be.
func TestDeleteReconcilesEveryAnswer(t *testing.T) {
	for _, tc := range []struct {
		name       string
		outcome    fakesqs.Outcome
		deliveries int
	}{
		{"failed", fakesqs.Outcome{Answer: fakesqs.AnswerFailed, Code: "InternalError"}, 1},
		{"failed although it was done", fakesqs.Outcome{Answer: fakesqs.AnswerFailed, Code: "InternalError", Performed: true}, 1},
		{"throttled", fakesqs.Outcome{Answer: fakesqs.AnswerFailed, Code: "RequestThrottled", SenderFault: true}, 1},
		{"missing", fakesqs.Outcome{Answer: fakesqs.AnswerMissing}, 1},
		{"missing although it was done", fakesqs.Outcome{Answer: fakesqs.AnswerMissing, Performed: true}, 1},
		{"unknown id", fakesqs.Outcome{Answer: fakesqs.AnswerUnknown}, 1},
		{"successful and failed", fakesqs.Outcome{Answer: fakesqs.AnswerBoth, Code: "InternalError"}, 1},
		{"refused", fakesqs.Outcome{Answer: fakesqs.AnswerFailed, Code: "ReceiptHandleIsInvalid", SenderFault: true}, 2},
		{"refused as it was gone", fakesqs.Outcome{Answer: fakesqs.AnswerFailed, Code: "InvalidParameterValue", SenderFault: true, Performed: true}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t, SourceConfig{Queue: "q", Visibility: 10 * time.Second, Receivers: 1}, bindings.SourceSettings{})
			h.server.OnCall("DeleteMessageBatch", func(c fakesqs.Call) *fakesqs.Fault {
				seen := map[string]bool{}
				for _, e := range c.Entries {
					if seen[e.Handle] {
						t.Errorf("%s: a request names a message twice", tc.name)
					}
					seen[e.Handle] = true
				}
				if c.Number > 4 {
					return nil
				}
				return &fakesqs.Fault{Entries: map[int]fakesqs.Outcome{0: tc.outcome}}
			})
			h.put("a0", "a1", "a2")
			h.run()
			h.wait(time.Minute)
			h.end()
			if got := h.server.Deleted("q"); got != 3 {
				t.Errorf("%s: deleted %d, want 3", tc.name, got)
			}
			if got := len(h.deliveries()); tc.deliveries == 1 && got != 3 || tc.deliveries == 2 && got <= 3 {
				t.Errorf("%s: delivered %s", tc.name, h.sequence())
			}
			h.wantDepth(0, 0)
		})
	}
}

// T-25: every way an entry of a release can be answered. The message comes back soon, or, if the service refused that,
// after its visibility timeout.
func TestReleaseReconcilesEveryAnswer(t *testing.T) {
	for name, outcome := range map[string]fakesqs.Outcome{
		"failed":        {Answer: fakesqs.AnswerFailed, Code: "InternalError"},
		"missing":       {Answer: fakesqs.AnswerMissing},
		"missing, done": {Answer: fakesqs.AnswerMissing, Performed: true},
		"unknown":       {Answer: fakesqs.AnswerUnknown},
		"refused":       {Answer: fakesqs.AnswerFailed, Code: "MessageNotInflight", SenderFault: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t, SourceConfig{Queue: "q", Visibility: 30 * time.Second}, bindings.SourceSettings{})
			h.server.OnCall("ChangeMessageVisibilityBatch", func(c fakesqs.Call) *fakesqs.Fault {
				if c.Number > 3 {
					return nil
				}
				return &fakesqs.Fault{Entries: map[int]fakesqs.Outcome{0: outcome, 1: outcome}}
			})
			h.judge = func(_ *envelope.Event, nth int) error {
				if nth == 1 {
					return errSink
				}
				return nil
			}
			h.put("a0", "a1", "a2")
			h.run()
			h.wait(10 * time.Second)
			if name == "refused" {
				h.wait(30 * time.Second)
			}
			h.end()
			if len(h.deliveries()) != 6 || h.server.Deleted("q") != 3 {
				t.Errorf("%s: delivered %s, deleted %d", name, h.sequence(), h.server.Deleted("q"))
			}
		})
	}
}

func TestStopFlushesDeletesAndGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q", Visibility: time.Hour, Receivers: 1}, bindings.SourceSettings{Window: bindings.NewWindow(10, 0)})
		h.latency = 30 * time.Second
		h.judge = func(e *envelope.Event, _ int) error {
			if e.ID == "a3" {
				return bindings.ErrStopped
			}
			return nil
		}
		failures := 0
		h.server.OnCall("DeleteMessageBatch", func(c fakesqs.Call) *fakesqs.Fault {
			if failures++; failures < 3 {
				return &fakesqs.Fault{Err: &fakesqs.Error{Shape: "InternalError", Status: 500}}
			}
			return nil
		})
		h.put(names("a", 20)...) // ten are emitted, ten wait for the window
		h.run()
		h.wait(time.Second)
		if took := h.end(); took < 29*time.Second || took > 31*time.Second {
			t.Errorf("stopping took %v, want the 29s that deliveries last and little more", took)
		}
		if h.server.Deleted("q") != 9 || len(h.deliveries()) != 10 {
			t.Errorf("deleted %d, delivered %s", h.server.Deleted("q"), h.sequence())
		}
		h.wantDepth(11, 0)
	})
}

func TestStopDoesNotWaitForABrokenService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q"}, bindings.SourceSettings{})
		h.server.OnCall("DeleteMessageBatch", func(fakesqs.Call) *fakesqs.Fault { return &fakesqs.Fault{Delay: time.Hour} })
		h.put("a0")
		h.run()
		h.wait(time.Second)
		if took := h.end(); took > flushTimeout+time.Second {
			t.Errorf("stopping took %v", took)
		}
		if h.logs.FilterMessageSnippet("stopped before").Len() != 1 {
			t.Error("the message that was left is not in the log")
		}
	})
}

func TestHeldMessagesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q"}, bindings.SourceSettings{})
		h.server.OnCall("DeleteMessageBatch", func(fakesqs.Call) *fakesqs.Fault {
			return &fakesqs.Fault{Err: &fakesqs.Error{Shape: "InternalError", Status: 500}}
		})
		h.put(names("a", maxHeld+200)...)
		h.run()
		h.wait(20 * time.Second)
		if got := len(h.deliveries()); got > maxHeld {
			t.Errorf("%d messages were taken while none could be deleted", got)
		}
		h.server.OnCall("DeleteMessageBatch", nil)
		h.wait(time.Minute)
		h.end()
		if got := h.server.Deleted("q"); got != maxHeld+200 || len(h.deliveries()) != got {
			t.Errorf("deleted %d of %d deliveries", got, len(h.deliveries()))
		}
	})
}

func TestS3NotificationIsDeletedOnceAllItsEventsAreConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q"}, bindings.SourceSettings{Adapters: []string{"s3"}})
		h.judge = func(e *envelope.Event, nth int) error {
			if e.Subject == "c.png" && nth == 1 {
				return errSink
			}
			return nil
		}
		h.putBodies(`{"Records":[`+s3Record+`,`+s3Second+`]}`, `{"Records":[`+s3Record+`,{"eventSource":"aws:s3","eventName":"x","s3":{"bucket":{"name":"b"}}}]}`)
		h.run()
		h.wait(500 * time.Millisecond)
		if h.server.Deleted("q") != 1 {
			t.Errorf("deleted %d, want only the malformed one", h.server.Deleted("q"))
		}
		h.wait(5 * time.Second)
		h.end()
		if got := h.sequence(); got != "REQ.ID2.0055.a%2Bb.png REQ.ID2.0055.c.png  REQ.ID2.0055.a%2Bb.png REQ.ID2.0055.c.png" || h.server.Deleted("q") != 2 {
			t.Errorf("delivered %q, deleted %d", got, h.server.Deleted("q"))
		}
		for _, d := range h.deliveries() {
			if d.event.Meta.MessageID == "" || len(d.event.Meta.Headers) != 1 {
				t.Errorf("event %q has meta %+v", d.id, d.event.Meta)
			}
		}
	})
}

func TestSourceWaitsForItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "other"}, bindings.SourceSettings{})
		h.source.ref.name = "q"
		if err := h.source.Ready(t.Context()); err == nil {
			t.Error("ready without a queue")
		}
		h.run()
		h.wait(10 * time.Second)
		h.server.CreateQueue(t, "q", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":3}`})
		h.put("a0")
		h.wait(time.Minute)
		h.end()
		if h.server.Deleted("q") != 1 {
			t.Error("the message was not delivered")
		}
		if h.logs.FilterMessageSnippet("redrive policy").Len() != 1 {
			t.Error("no warning about the redrive policy")
		}
	})
}

func TestReceiveRecoversFromErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, SourceConfig{Queue: "q", Receivers: 2}, bindings.SourceSettings{})
		h.server.OnCall("ReceiveMessage", func(c fakesqs.Call) *fakesqs.Fault {
			switch {
			case c.Number <= 6:
				return &fakesqs.Fault{Err: &fakesqs.Error{Shape: "OverLimit"}}
			case c.Number <= 8:
				return &fakesqs.Fault{LostAnswer: true}
			}
			return nil
		})
		h.put(names("a", 15)...)
		h.run()
		h.wait(5 * time.Minute)
		h.end()
		if h.server.Deleted("q") != 15 || h.server.Calls("ReceiveMessage") > 60 {
			t.Errorf("deleted %d with %d receives", h.server.Deleted("q"), h.server.Calls("ReceiveMessage"))
		}
	})
}

// The real transport, with connections that have to be gone when Run returns.
func TestSourceOverTheNetwork(t *testing.T) {
	emptyEnvironment(t)
	s := fakesqs.New(t)
	s.CreateQueue(t, "q", nil)
	k, err := NewSink(SinkConfig{Queue: "q", Endpoint: s.URL()}, bindings.SinkSettings{Name: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Send(t.Context(), numbered(50)); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
	src, err := NewSource(SourceConfig{Queue: "q", Endpoint: s.URL()}, bindings.SourceSettings{Name: "src", Window: bindings.NewWindow(20, 0)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var left atomic.Int64
	left.Store(50)
	err = src.Run(ctx, func(b *bindings.Batch) {
		n := len(b.Events)
		b.Expect(n)
		if left.Add(-int64(n)) == 0 {
			cancel() // the deletes are still to come
		}
		go b.Done(n)
	})
	if err != nil || s.Deleted("q") != 50 {
		t.Errorf("Run: %v, deleted %d of 50", err, s.Deleted("q"))
	}
}
