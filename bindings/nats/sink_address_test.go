package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
)

// to returns an event that a sink with the subject {where} sends there.
func to(where, id string) *envelope.Event {
	e := event(id)
	e.Set("where", where, envelope.KindString)
	return e
}

// listen subscribes to core subjects, so that the server has somebody to give a publish to that no stream takes.
func listen(t *testing.T, nc *natsgo.Conn, subject string) {
	t.Helper()
	if _, err := nc.Subscribe(subject, func(*natsgo.Msg) {}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

// sent sends events and returns the outcome of each, and how long that took.
func sent(t *testing.T, k *Sink, es []*envelope.Event) (bindings.BatchError, time.Duration) {
	t.Helper()
	began := time.Now()
	err := k.Send(t.Context(), es)
	errs, ok := errors.AsType[bindings.BatchError](err)
	if err != nil && !ok {
		t.Fatalf("got %v, want an outcome for each", err)
	}
	if err == nil {
		errs = make(bindings.BatchError, len(es))
	}
	return errs, time.Since(began)
}

// An event for a subject that no stream takes and that a core client listens on got no answer at all. It was repeated
// forever, and each of its batches waited for it until the timeout.
func TestSubjectThatOnlyACoreClientHearsIsABadAddress(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	nc := client(t, n.URL)
	js := manager(t, nc)
	cfg := jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}}
	makeStream(t, js, cfg)
	listen(t, nc, "lost.>")
	settings := sinkSettings()
	settings.Timeout = 30 * time.Second
	k, err := NewSink(SinkConfig{URL: n.URL, Stream: "S", Subject: "{where}"}, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = k.Close(context.Background()) }()
	ready(t, k)

	for round := range 3 {
		var es []*envelope.Event
		for i := range 81 {
			where := "s.a"
			if i%20 == 7 {
				where = fmt.Sprint("lost.", i)
			}
			es = append(es, to(where, fmt.Sprint(round, "-", i)))
		}
		errs, took := sent(t, k, es)
		for i, err := range errs {
			if lost := i%20 == 7; lost != (reason(err) == bindings.ReasonAddress) || !lost && err != nil {
				t.Errorf("round %d, event %d: %v", round, i, err)
			}
		}
		t.Logf("round %d took %s", round, took.Round(time.Millisecond))
		if took > 10*time.Second {
			t.Errorf("round %d: the good events waited %s for the others", round, took)
		}
	}

	// An operator extends the stream: the next event is stored.
	cfg.Subjects = append(cfg.Subjects, "lost.>")
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if errs, _ := sent(t, k, []*envelope.Event{to("lost.7", "extended")}); errs[0] != nil {
		t.Errorf("the stream takes the subject now: %v", errs[0])
	}
}

// Many subjects that nobody takes do not cost each of their batches a wait.
func TestManySubjectsThatNoStreamTakesAreRefusedAtOnce(t *testing.T) {
	n, _, _ := broker(t)
	listen(t, client(t, n.URL), "lost.>")
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "{where}"})
	ready(t, k)
	var es []*envelope.Event
	for i := range mostVain + 10 {
		es = append(es, to(fmt.Sprint("lost.", i), fmt.Sprint(i)))
	}
	sent(t, k, es)
	errs, took := sent(t, k, []*envelope.Event{to("lost.new", "new"), to("s.a", "good")})
	if reason(errs[0]) != bindings.ReasonAddress || errs[1] != nil || took > answerWait/2 {
		t.Errorf("%v after %s", errs, took)
	}
}

// A stream that was deleted and recreated takes other subjects: what it took before gets no answer if a client listens.
func TestStreamThatTakesOtherSubjectsNow(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	nc := client(t, n.URL)
	js := manager(t, nc)
	makeStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
	listen(t, nc, "s.>")
	moving := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "{where}"})
	fixed := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "s.a"})
	ready(t, moving)
	ready(t, fixed)
	moving.timeout, fixed.timeout = 30*time.Second, 30*time.Second
	if err := js.DeleteStream(t.Context(), "S"); err != nil {
		t.Fatal(err)
	}
	makeStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"t.>"}})

	errs, took := sent(t, moving, []*envelope.Event{to("s.a", "old"), to("t.a", "new")})
	if reason(errs[0]) != bindings.ReasonAddress || errs[1] != nil || took > 10*time.Second {
		t.Errorf("%v after %s, want a bad address and a stored event", errs, took)
	}
	t.Logf("took %s", took.Round(time.Millisecond))
	errs, took = sent(t, fixed, events(2, "fixed"))
	if errs[0] == nil || reason(errs[0]) != "" || !strings.Contains(errs[0].Error(), "s.a") || took > 10*time.Second {
		t.Errorf("%v after %s, want a transient failure that names the subject", errs[0], took)
	}
}

// The server may map a subject on its way to the stream, which a client cannot see. Such events are taken.
func TestMappedSubjectIsNoBadAddress(t *testing.T) {
	n, _, stream := broker(t)
	if err := n.Server().GlobalAccount().AddMapping("mapped.*", "s.$1"); err != nil {
		t.Fatal(err)
	}
	nc := client(t, n.URL)
	listen(t, nc, "s.>")
	listen(t, nc, "lost.>")
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "{where}"})
	ready(t, k)
	for round := range 2 {
		es := []*envelope.Event{to("mapped.a", fmt.Sprint("m", round)), to("s.a", fmt.Sprint("s", round))}
		errs, took := sent(t, k, es)
		if errs[0] != nil || errs[1] != nil || took > answerWait {
			t.Errorf("%v after %s", errs, took)
		}
	}
	k.timeout = 2 * time.Second
	if errs, _ := sent(t, k, []*envelope.Event{to("lost.a", "l"), to("s.a", "s9")}); reason(errs[0]) != bindings.ReasonAddress || errs[1] != nil {
		t.Errorf("beside a mapping: %v, want a bad address", errs)
	}
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.State.Msgs != 5 {
		t.Errorf("%d stored, want 5", info.State.Msgs)
	}
}

// What another stream takes and acknowledges is not delivered to this one.
func TestEventThatAnotherStreamTakesIsNotDelivered(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	js := manager(t, client(t, n.URL))
	makeStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
	other := makeStream(t, js, jetstream.StreamConfig{Name: "O", Subjects: []string{"o.>"}})
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "{where}"})
	ready(t, k)
	errs, _ := sent(t, k, []*envelope.Event{to("o.a", "other"), to("s.a", "good")})
	if reason(errs[0]) != bindings.ReasonAddress || errs[1] != nil {
		t.Errorf("got %v", errs)
	}
	if info, err := other.Info(t.Context()); err != nil || info.State.Msgs != 0 {
		t.Errorf("the other stream stored %d events (%v)", info.State.Msgs, err)
	}
}

// A mirror takes nothing that is published: each event would be a bad address, though the stream is the mistake.
func TestMirrorIsNoTarget(t *testing.T) {
	n, js, _ := broker(t)
	makeStream(t, js, jetstream.StreamConfig{Name: "M", Mirror: &jetstream.StreamSource{Name: "S"}})
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "M", Subject: "{where}"})
	if err := k.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "mirror") {
		t.Errorf("Ready: %v", err)
	}
	errs, _ := sent(t, k, []*envelope.Event{to("s.a", "a"), to("nowhere", "b")})
	if slices.ContainsFunc(errs, func(err error) bool { return err == nil || reason(err) != "" }) {
		t.Errorf("got %v, want transient failures", errs)
	}
}

// A transform changes the subject that is stored, and not the one to publish to.
func TestTransformedSubjectIsTaken(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	nc := client(t, n.URL)
	makeStream(t, manager(t, nc), jetstream.StreamConfig{
		Name: "S", Subjects: []string{"s.*"}, SubjectTransform: &jetstream.SubjectTransformConfig{Source: "s.*", Destination: "stored.$1"},
		RePublish: &jetstream.RePublish{Source: ">", Destination: "again.>"},
	})
	listen(t, nc, "stored.>")
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "{where}"})
	ready(t, k)
	errs, _ := sent(t, k, []*envelope.Event{to("s.a", "a"), to("stored.a", "b")})
	if errs[0] != nil || reason(errs[1]) != bindings.ReasonAddress {
		t.Errorf("got %v", errs)
	}
}
