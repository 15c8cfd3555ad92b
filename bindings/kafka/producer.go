package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// deniedPause is the least time before a sink that is not allowed to write tries again. An operator may grant what is
// missing, so the events wait for it.
const deniedPause = 30 * time.Second

// producer is a client and the memory of the one Send that uses it.
type producer struct {
	client  *kgo.Client
	slots   []*slot // of the Send, in its order, then spare ones up to the capacity
	flight  []*slot // what produce has sent last
	first   []*slot // what of it goes to topics that the client has not met
	text    scratch
	spread  *partitioner
	fresh   *newcomers
	absent  *absences           // of the sink; nil where all events go to one topic
	limit   *bindings.Limit     // of a record; the client was told the same
	ask     map[string]struct{} // topics to be asked for before anything is sent
	renewed string              // a topic that refused timestamps in this Send, empty for none
	// trouble is the client's, for the error of a Send that was given up.
	trouble trouble

	mu   sync.Mutex    // guards left and every slot's state and err
	left int           // records whose outcome is missing
	home chan struct{} // has one element when left has come to 0
}

// slot is one event of a Send. Its promise is made once and used for every Send.
type slot struct {
	record  kgo.Record
	promise func(*kgo.Record, error)
	state   slotState
	err     error
	alone   bool // it was the only one of its batch, so that a refusal is its own
	ownTime bool // the record's timestamp is not the present time
}

type slotState uint8

const (
	unsent slotState = iota
	handed           // to the client; no outcome yet
	confirmed
	failed // err says why
)

func newProducer(l *bindings.Limit) *producer {
	return &producer{
		spread: newPartitioner(), fresh: newNewcomers(), limit: l, home: make(chan struct{}, 1), ask: map[string]struct{}{},
	}
}

// fill encodes the events into slots. An event that cannot be encoded or is too large fails for good, the others go on.
// It reports whether all of them are within the limit.
func (p *producer) fill(c *encoder, events []*envelope.Event) (within bool) {
	within = true
	for len(p.slots) < len(events) {
		p.slots = append(p.slots, p.slot(len(p.slots)))
	}
	p.spread.next()
	now := time.Now()
	for i, e := range events {
		s := p.slots[i]
		err := c.encode(&s.record, e, &p.text)
		if err == nil && p.limit.Refuses(wireSize(&s.record)) {
			err, within = tooLarge(&s.record, p.limit), false
		}
		if err == nil && p.absent != nil && !p.fresh.know(s.record.Topic) {
			err = p.known(s.record.Topic, now)
		}
		if err != nil {
			s.state, s.err = failed, err
			continue
		}
		s.record.Timestamp, s.ownTime = c.timestamp(e, now)
	}
	return within
}

// known returns why a record for a topic that the client has not met is not sent. Without a reason the topic is to be
// asked for.
func (p *producer) known(topic string, now time.Time) error {
	if _, asked := p.ask[topic]; asked {
		return nil
	}
	err := p.absent.check(topic, now)
	if err == nil {
		p.ask[topic] = struct{}{}
	}
	return err
}

// slot returns the i-th slot, from the spare ones if there is one.
func (p *producer) slot(i int) *slot {
	if i < cap(p.slots) {
		if s := p.slots[:i+1][i]; s != nil {
			return s
		}
	}
	s := new(slot)
	s.promise = func(_ *kgo.Record, err error) { p.outcome(s, err) }
	return s
}

// reset empties the slots: the sink keeps no event, and the memory is there for the next Send.
func (p *producer) reset() {
	for _, s := range p.slots {
		s.record, s.state, s.err, s.alone, s.ownTime = kgo.Record{}, unsent, nil, false, false
	}
	clear(p.ask)
	p.renewed = ""
	p.slots, p.flight, p.first = p.slots[:0], p.flight[:0], p.first[:0]
	p.text.reset()
	p.trouble.forget()
}

// send produces all slots that could be encoded and narrows down what the brokers refused. It reports false when ctx
// was done before every outcome was there; the producer is not to be used again then.
func (p *producer) send(ctx context.Context) bool {
	p.look(ctx)
	if !p.produce(ctx, p.slots) {
		return false
	}
	refused, _ := split(p.slots)
	return len(refused) == 0 || p.narrow(ctx, refused) != late
}

// produce sends the unsent among slots and waits for their outcomes. It reports false when ctx was done first.
func (p *producer) produce(ctx context.Context, slots []*slot) bool {
	p.sort(slots)
	if len(p.flight)+len(p.first) == 0 {
		return true
	}
	if len(p.first) > 0 && !p.introduce(ctx) {
		return false
	}
	for _, s := range p.flight {
		s.state = handed
		p.client.Produce(ctx, &s.record, s.promise)
	}
	if !p.flush(ctx) {
		return false
	}
	select {
	case <-p.home:
	case <-ctx.Done():
		return false
	}
	p.fresh.learn(p.first)
	if p.absent != nil {
		p.absent.note(p.first, p.flight, time.Now())
	}
	return true
}

// flush has the client send what it was handed. The client makes the partitions of a new topic known a moment after it
// has put the records into them, and a flush in between overlooks them: with newcomers it begins anew a few times.
func (p *producer) flush(ctx context.Context) bool {
	for wait := 5 * time.Millisecond; len(p.first) > 0 && wait < time.Second; wait *= 4 {
		short, cancel := context.WithTimeout(ctx, wait)
		err := p.client.Flush(short)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err == nil
		}
	}
	return p.client.Flush(ctx) == nil
}

// sort tells the unsent among slots whose topic is new from the others, and counts both as under way.
func (p *producer) sort(slots []*slot) {
	p.flight, p.first = p.flight[:0], p.first[:0]
	for _, s := range slots {
		switch {
		case s.state != unsent:
		case p.fresh.know(s.record.Topic):
			p.flight = append(p.flight, s)
		default:
			p.first = append(p.first, s)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = len(p.flight) + len(p.first)
}

// introduce hands over what goes to new topics and waits until it is in its place or has failed.
func (p *producer) introduce(ctx context.Context) bool {
	p.fresh.expect(ctx, p.first)
	for _, s := range p.first {
		s.state = handed
		p.client.Produce(p.fresh.context(s.record.Topic), &s.record, s.promise)
	}
	return p.fresh.wait(ctx, len(p.flight) > 0)
}

// outcome is called by the client, once for each record.
func (p *producer) outcome(s *slot, err error) {
	if p.fresh.settle(&s.record) && errors.Is(err, context.Canceled) {
		err = errUnknown
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.state, s.err = confirmed, nil
	if err != nil {
		s.state, s.err = failed, err
	}
	if p.left--; p.left == 0 {
		p.home <- struct{}{}
	}
}

// verdict is how narrowing down went.
type verdict uint8

const (
	proved  verdict = iota // every record was delivered or refused alone
	stopped                // something else failed; nothing after it was sent
	late                   // ctx was done
)

// narrow finds the records for which a batch was refused: it sends the halves of what was refused together, one after
// the other so that the order stays, down to records that are refused alone. Everything behind a failure of another
// kind is left unsent and fails as transient.
func (p *producer) narrow(ctx context.Context, refused []*slot) verdict {
	switch {
	case outOfTime(refused):
		p.renewTime(refused)
		return p.again(ctx, refused)
	case len(refused) == 1:
		return proved
	}
	half := len(refused) / 2
	if v := p.again(ctx, refused[:half]); v != proved {
		hold(refused[half:])
		return v
	}
	return p.again(ctx, refused[half:])
}

// again sends refused slots once more and narrows down what is refused again.
func (p *producer) again(ctx context.Context, slots []*slot) verdict {
	for _, s := range slots {
		r := &s.record
		s.record = kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
		s.state, s.err, s.alone = unsent, nil, len(slots) == 1
	}
	if !p.produce(ctx, slots) {
		return late
	}
	switch refused, other := split(slots); {
	case other:
		hold(refused)
		return stopped
	case len(refused) > 0:
		return p.narrow(ctx, refused)
	}
	return proved
}

// split returns the slots that brokers refused, in order, and whether others failed for another reason. Slots that
// could not be encoded are neither.
func split(slots []*slot) (refused []*slot, other bool) {
	for _, s := range slots {
		switch {
		case s.state != failed:
		case refusal(s.err) != "":
			refused = append(refused, s)
		default:
			other = true
		}
	}
	return refused, other
}

// errUnknown fails records of a topic that was given up before the client knew its partitions.
var errUnknown = errors.New("the brokers did not tell the topic's partitions in time")

// errHeld fails records that were refused together with others and not sent alone, because one before them failed.
var errHeld = bindings.NotSent(errors.New("kafka: not sent again, because a record before it failed"))

// hold takes the blame from refused slots: nobody knows yet whether they deserve it.
func hold(slots []*slot) {
	for _, s := range slots {
		s.state, s.err = failed, errHeld
	}
}

// result returns the outcome of a Send all of whose records are home.
func (p *producer) result() error {
	var errs bindings.BatchError
	for i, s := range p.slots {
		if s.state != confirmed {
			errs = fail(errs, len(p.slots), i, p.judge(s))
		}
	}
	if errs == nil {
		return nil // and not a BatchError of nil
	}
	return errs
}

// abandon returns the outcome of a Send that was given up: what is not confirmed is unknown (invariant 8).
func (p *producer) abandon(cause error) error {
	cause = p.trouble.explain(cause)
	p.fresh.release()
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs bindings.BatchError
	for i, s := range p.slots {
		switch s.state {
		case confirmed:
		case failed:
			errs = fail(errs, len(p.slots), i, p.suspect(s))
		case unsent:
			errs = fail(errs, len(p.slots), i, bindings.NotSent(fmt.Errorf("kafka: topic %s: %w", s.record.Topic, cause)))
		default:
			errs = fail(errs, len(p.slots), i, fmt.Errorf("kafka: topic %s: no answer: %w", s.record.Topic, cause))
		}
	}
	if errs == nil {
		return nil
	}
	return errs
}

// suspect is judge for a Send that was given up before it was known which records of a refused batch deserve that.
func (p *producer) suspect(s *slot) error {
	if refusal(s.err) == "" || s.alone {
		return p.judge(s)
	}
	return fmt.Errorf("kafka: topic %s: refused together with others, and the time ran out before the one at fault was found: %s",
		s.record.Topic, s.err.Error())
}

// outdated reports whether a topic that the client had met is gone. The client never takes up another one of its name.
func (p *producer) outdated() bool {
	return slices.ContainsFunc(p.slots, func(s *slot) bool {
		return s.state == failed && (isAbsent(s.err) || isStrange(s.err)) && p.fresh.know(s.record.Topic)
	})
}

// isStrange reports whether an error is the client's own, for which it has no name. Some say that a topic that was made
// again lacks partitions that the client knew.
func isStrange(err error) bool {
	var (
		code      *kerr.Error
		permanent *bindings.PermanentError
		after     *bindings.RetryAfterError
	)
	return !errors.As(err, &code) && !errors.As(err, &permanent) && !errors.As(err, &after) && !errors.Is(err, errHeld) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// tooLarge is the failure of a record that is larger than what its topic takes.
func tooLarge(r *kgo.Record, l *bindings.Limit) error {
	return l.Exceeded("kafka: topic "+r.Topic, kerr.MessageTooLarge.Message, wireSize(r))
}

// judge classifies why a slot failed.
func (p *producer) judge(s *slot) error {
	if refusal(s.err) == bindings.ReasonTooLarge {
		// The topic's own limit is lower than the one that is known.
		return classify(s.record.Topic, fmt.Errorf("the message has %d bytes, and that is more than the topic takes: %w", wireSize(&s.record), s.err))
	}
	if errors.Is(s.err, kerr.InvalidTimestamp) { // even the present time
		return classify(s.record.Topic, fmt.Errorf("%w; compare the clocks of the router and the brokers", s.err))
	}
	if errors.Is(s.err, context.Canceled) || errors.Is(s.err, context.DeadlineExceeded) {
		return classify(s.record.Topic, p.trouble.explain(s.err))
	}
	return classify(s.record.Topic, s.err)
}

// fail notes an error for the i-th of n events.
func fail(errs bindings.BatchError, n, i int, err error) bindings.BatchError {
	if errs == nil {
		errs = make(bindings.BatchError, n)
	}
	errs[i] = err
	return errs
}

// refusal returns why a broker refuses a batch because of a record in it, the empty string for every other error.
func refusal(err error) bindings.Reason {
	switch {
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return bindings.ReasonTooLarge
	case errors.Is(err, kerr.InvalidRecord), errors.Is(err, kerr.InvalidTimestamp), errors.Is(err, kerr.PolicyViolation):
		return bindings.ReasonRejected
	}
	return ""
}

// classify says what a failure means to the pipeline. Whatever is not listed may pass, so it is transient.
func classify(topic string, err error) error {
	if _, ok := errors.AsType[*bindings.PermanentError](err); ok {
		return err // from encoding
	}
	if _, ok := errors.AsType[*bindings.RetryAfterError](err); ok || errors.Is(err, errHeld) {
		return err // from absences, or about itself
	}
	text := fmt.Errorf("kafka: topic %s: %w", topic, err)
	var code *kerr.Error
	if !errors.As(err, &code) {
		return text
	}
	if reason := refusal(err); reason != "" {
		return bindings.Permanent(reason, code.Message, text)
	}
	switch code {
	case kerr.InvalidTopicException:
		return bindings.Permanent(bindings.ReasonAddress, code.Message, text)
	case kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
		kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState:
		return bindings.RetryAfter(&bindings.CodeError{Code: code.Message, Err: text}, deniedPause)
	}
	return &bindings.CodeError{Code: code.Message, Err: text}
}
