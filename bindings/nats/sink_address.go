package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// A publish to a subject that no stream takes is answered with "no responders", or, if a core client listens there, with
// nothing. So silence is doubted after answerWait: the stream is asked for its subjects, and what it does not take and
// has not acknowledged answerWait after that gets no answer any more.
//
// The subjects of a stream do not tell all: the server may map a subject on its way. So the first event for a subject
// that the stream does not name is published, and only that it was in vain is remembered, for vainFor, of mostVain
// subjects. Beyond that many such subjects are not tried at all. Where a mapping was seen at work, all are tried, and
// have half of the sink's timeout to be acknowledged.
const (
	answerWait = time.Second
	vainFor    = 10 * time.Second
	mostVain   = 64
)

// targets is what a sink knows of the subjects that its stream takes; Sink.mu guards it.
type targets struct {
	subjects []string // of the stream as it was seen last; nil before
	mapped   bool     // it has acknowledged a subject that is not among them
	vain     map[string]time.Time
}

// tried reports whether a subject that the stream does not name needs no attempt to be refused.
func (t *targets) tried(subject string, now time.Time) bool {
	if at, ok := t.vain[subject]; ok && now.Sub(at) < vainFor {
		return true
	}
	return !t.mapped && len(t.vain) >= mostVain && !t.forget(now)
}

// remember keeps that a subject was tried in vain.
func (t *targets) remember(subject string, now time.Time) {
	if t.vain == nil {
		t.vain = map[string]time.Time{}
	}
	if len(t.vain) < mostVain || t.forget(now) {
		t.vain[strings.Clone(subject)] = now
	}
}

// forget drops what was tried too long ago, and reports whether that made room.
func (t *targets) forget(now time.Time) bool {
	for subject, at := range t.vain {
		if now.Sub(at) >= vainFor {
			delete(t.vain, subject)
		}
	}
	return len(t.vain) < mostVain
}

// errNotTaken is why the stream gets no event for a subject. Where the event made the subject, no repetition changes that;
// a fixed subject is a mistake to be corrected at the stream, and its events wait.
func (k *Sink) errNotTaken(subject string, subjects []string) error {
	err := fmt.Errorf("nats: stream %s takes %q, and not subject %s", k.cfg.Stream, subjects, strings.Clone(subject))
	if k.static != "" {
		return &bindings.CodeError{Code: errNoStream.Code, Err: err}
	}
	return bindings.Permanent(bindings.ReasonAddress, errNoStream.Code, err)
}

// admitSubject refuses the message that was encoded last if its subject is known to reach no stream. The stream may have
// been extended, so before the first refusal it is asked again.
func (b *bound) admitSubject(ctx context.Context) error {
	k, subject := b.sink, b.x.msg.Subject
	if k.static != "" || b.takes(subject) {
		return nil
	}
	b.ask(ctx)
	if b.takes(subject) {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.targets.tried(subject, time.Now()) {
		return k.errNotTaken(subject, b.subjects)
	}
	b.doubtful = true
	return nil
}

// takes reports whether the stream names the subject, as far as that is known.
func (b *bound) takes(subject string) bool { return b.subjects == nil || covers(b.subjects, subject) }

// await waits until each event of the flight has an outcome or ctx is done, for what will get no answer no longer than
// answerWait says.
func (b *bound) await(ctx context.Context, f *flight, events []*envelope.Event) {
	patience := min(answerWait, b.sink.timeout/4)
	if !b.doubtful && f.wait(ctx, patience) {
		return
	}
	if b.look(ctx) && b.unanswered(f, events) {
		if b.sink.maps() {
			patience = b.sink.timeout / 2 // the stream may be slow
		}
		if f.wait(ctx, patience) {
			return
		}
		b.giveUp(f, events)
	}
	f.wait(ctx, 0)
}

// maps reports whether a mapping was seen at work.
func (k *Sink) maps() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.targets.mapped
}

// unanswered reports whether an event without an outcome has a subject that the stream does not take.
func (b *bound) unanswered(f *flight, events []*envelope.Event) bool {
	return slices.ContainsFunc(b.sink.answers.missing(f), func(i int) bool { return b.strays(events[i]) })
}

// strays reports whether the stream does not name the subject of e, which b.x holds after that.
func (b *bound) strays(e *envelope.Event) bool {
	return b.sink.render(b.x, e) == nil && !b.takes(b.x.msg.Subject)
}

// giveUp fails what has no outcome and a subject that the stream does not take.
func (b *bound) giveUp(f *flight, events []*envelope.Event) {
	for _, i := range b.sink.answers.missing(f) {
		if b.strays(events[i]) {
			b.sink.answers.resolve(f.id, i, b.notTaken(), false)
		}
	}
}

// notTaken is the failure of the subject in b.x, and remembers it.
func (b *bound) notTaken() error {
	b.sink.mu.Lock()
	defer b.sink.mu.Unlock()
	b.sink.targets.remember(b.x.msg.Subject, time.Now())
	return b.sink.errNotTaken(b.x.msg.Subject, b.subjects)
}

// judge turns into permanent failures what no stream or another one took, where the subject was made of the event and
// the stream does not take it. Without that such an event would be repeated forever, because the server's answer is
// that of an outage. A fixed subject that is not taken is a mistake to be corrected at the stream.
func (b *bound) judge(ctx context.Context, events []*envelope.Event, errs bindings.BatchError) {
	if b.sink.static != "" || !slices.ContainsFunc(errs, nobodyTookIt) || !b.look(ctx) {
		return
	}
	for i, err := range errs {
		if nobodyTookIt(err) && b.strays(events[i]) {
			errs[i] = b.notTaken()
		}
	}
}

func nobodyTookIt(err error) bool { return errors.Is(err, errNoStream) || errors.Is(err, errOther) }

// learn notes that the server maps subjects to the stream, if an event with such a subject was acknowledged.
func (b *bound) learn(events []*envelope.Event, errs bindings.BatchError) {
	if !b.doubtful {
		return
	}
	for i, e := range events {
		if (errs == nil || errs[i] == nil) && b.strays(e) {
			b.sink.mu.Lock()
			b.sink.targets.mapped = true
			b.sink.mu.Unlock()
			return
		}
	}
}

// look reads the stream's configuration after everything was published. Without an answer nothing is known.
func (b *bound) look(ctx context.Context) bool {
	b.asked = false
	return b.ask(ctx)
}

// hasSubjects reports a stream that nothing can be published to.
func hasSubjects(c *jetstream.StreamConfig) error {
	switch {
	case len(c.Subjects) > 0:
		return nil
	case c.Mirror != nil:
		return fmt.Errorf("nats: stream %s is a mirror of %s and takes no events itself", c.Name, c.Mirror.Name)
	}
	return fmt.Errorf("nats: stream %s has no subjects and takes no events itself", c.Name)
}

// snapshot begins a Send with what is known of the stream.
func (k *Sink) snapshot(nc *natsgo.Conn, x *encoder) bound {
	k.mu.Lock()
	defer k.mu.Unlock()
	return bound{sink: k, nc: nc, x: x, limit: k.largest, subjects: k.targets.subjects}
}
