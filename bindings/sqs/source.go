package sqs

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
	"github.com/eventrouter/router/envelope"
)

const (
	// maxHeld is how many messages the source holds at most, those that wait for their delete included. It is more than
	// the default window, which is what stops a source whose sinks are slow, and less than the number at which a standard
	// queue answers OverLimit and a FIFO queue falls silent: 120,000, and 20,000 with older FIFO queues.
	maxHeld = 18_000
	// tellHeld is how often the source says that this bound stops it.
	tellHeld = 10 * time.Second
	// flushTimeout bounds the last deletes and releases when the source stops.
	flushTimeout = 10 * time.Second
	// receiveSlack is how much longer than its long poll a receive may take.
	receiveSlack = 10 * time.Second
)

// Source reads events from a queue.
type Source struct {
	config   SourceConfig
	settings bindings.SourceSettings
	adapters adapter.Set
	ref      queueRef
	client   *client
	queue    atomic.Pointer[queue] // nil until it was found
}

// NewSource checks the configuration and builds a source. It does not touch the network.
func NewSource(c SourceConfig, s bindings.SourceSettings) (*Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	ref, err := parseQueue(c.Queue)
	if err != nil {
		return nil, err
	}
	cl, err := newClient(clientSettings{
		ref: ref, region: c.Region, endpoint: c.Endpoint, timeout: c.Wait + receiveSlack, conns: 2*c.Receivers + 1,
	})
	if err != nil {
		return nil, err
	}
	return newSource(c, s, ref, cl)
}

func newSource(c SourceConfig, s bindings.SourceSettings, ref queueRef, cl *client) (*Source, error) {
	foreign, err := adapter.Parse(s.Adapters)
	if err != nil {
		return nil, err
	}
	if s.Log == nil {
		s.Log = zap.NewNop()
	}
	return &Source{config: c, settings: s, adapters: foreign, ref: ref, client: cl}, nil
}

// Ready finds the queue and warns about a redrive policy that works against the router.
func (s *Source) Ready(ctx context.Context) error {
	if s.queue.Load() != nil {
		return nil
	}
	q, err := s.ref.resolve(ctx, s.client.Client, s.settings.Log)
	if err != nil {
		return err
	}
	if s.queue.CompareAndSwap(nil, q) && q.maxReceives > 0 && q.maxReceives < fewReceives {
		s.settings.Log.Warn("sqs: the queue's redrive policy moves messages away after few receives; the router may still be delivering them",
			zap.String("queue", s.ref.name), zap.Int("maxReceiveCount", q.maxReceives), zap.Int("recommended", fewReceives))
	}
	return nil
}

// Run receives until ctx is done. Then it waits for what it emitted, deletes what was confirmed, gives back what failed,
// and returns.
func (s *Source) Run(ctx context.Context, emit func(*bindings.Batch)) error {
	defer s.client.close()
	if !s.await(ctx) {
		return nil
	}
	// What was delivered is still to be deleted once ctx is done, so the calls that do it live longer.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	r := &run{Source: s, url: s.queue.Load().url, emit: emit, stopping: ctx.Done()}
	r.room = bindings.NewWindow(maxHeld, 0)
	r.ledger = newLedger(s.config.Visibility, s.ref.fifo(), r.room)

	var receivers, workers sync.WaitGroup
	k := keeper{r.ledger, s.client.Client, r.url, s.settings.Log}
	d := deleter{r.ledger, s.client.Client, r.url, s.settings.Log}
	for range s.config.Receivers {
		workers.Go(func() { k.run(work) })
		workers.Go(func() { d.run(work) })
		receivers.Go(func() { r.receive(ctx) })
	}
	receivers.Wait()
	r.batches.Wait() // invariant 1
	r.ledger.close()
	abandon := time.AfterFunc(flushTimeout, stop)
	workers.Wait()
	abandon.Stop()
	if n := r.ledger.left(); n > 0 {
		s.settings.Log.Warn("sqs: stopped before these messages were deleted or given back; they come again after the visibility timeout",
			zap.String("queue", s.ref.name), zap.Int("messages", n))
	}
	return nil
}

// await finds the queue, however long that takes, and reports whether ctx is still alive.
func (s *Source) await(ctx context.Context) bool {
	for n := 1; ; n++ {
		err := s.Ready(ctx)
		if err == nil {
			return ctx.Err() == nil
		}
		if ctx.Err() != nil {
			return false
		}
		s.settings.Log.Warn("sqs: the queue is not ready", zap.Error(err))
		if !pause(ctx, backoff(n, time.Second, 30*time.Second)) {
			return false
		}
	}
}

// run is what lives from a Run's begin to its end.
type run struct {
	*Source
	url      string
	emit     func(*bindings.Batch)
	stopping <-chan struct{}
	ledger   *ledger
	room     *bindings.Window
	toldHeld atomic.Int64   // when it was last said that room ran out
	batches  sync.WaitGroup // one for each batch with the pipeline
	pool     sync.Pool      // of *batch
}

// receive is one receiver: it polls, and hands over what it got, until ctx is done.
func (r *run) receive(ctx context.Context) {
	in := &awssqs.ReceiveMessageInput{
		QueueUrl: &r.url, MaxNumberOfMessages: maxBatch, WaitTimeSeconds: wholeSeconds(r.config.Wait),
		VisibilityTimeout: wholeSeconds(r.config.Visibility), MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	}
	failures := 0
	for ctx.Err() == nil {
		if !r.roomForReceive(ctx) {
			return
		}
		out, err := r.client.ReceiveMessage(ctx, in)
		if err != nil {
			r.room.Release(maxBatch, 0)
			if ctx.Err() != nil {
				return
			}
			failures++
			if failures&(failures-1) == 0 { // the first, second, fourth, eighth of an outage are enough to read
				r.settings.Log.Warn("sqs: receive failed", zap.String("queue", r.ref.name), zap.Int("failures", failures), zap.Error(err))
			}
			if !pause(ctx, backoff(failures, time.Second, 30*time.Second)) {
				return
			}
			continue
		}
		failures = 0
		r.take(ctx, out.Messages)
	}
}

// roomForReceive waits until ten more messages may be held, and says so where it waits: the window shows what is being
// delivered, and not what waits for its delete.
func (r *run) roomForReceive(ctx context.Context) bool {
	if r.room.TryAcquire(maxBatch, 0) {
		return true
	}
	now := time.Now().UnixNano()
	if last := r.toldHeld.Load(); now-last > int64(tellHeld) && r.toldHeld.CompareAndSwap(last, now) {
		held, _ := r.room.InFlight()
		r.settings.Log.Warn("sqs: the source holds as many messages as it may, and receives none until some are deleted or given back",
			zap.String("queue", r.ref.name), zap.Int("held", held))
	}
	return r.room.Acquire(ctx, maxBatch, 0) == nil
}

// take admits received messages and emits their events. Of the room for ten messages, what was not needed goes back.
func (r *run) take(ctx context.Context, msgs []types.Message) {
	b := r.newBatch()
	now := time.Now()
	kept := 0
	for i := range msgs {
		m := &msgs[i]
		if m.MessageId == nil || m.ReceiptHandle == nil || m.Body == nil {
			continue // no SQS sends that, and without a handle nothing can be done about it
		}
		h := &held{
			id: *m.MessageId, handle: *m.ReceiptHandle, group: m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)],
		}
		h.deliveries, _ = strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
		verdict := r.ledger.admit(h, now, b.msgs)
		if verdict != known {
			kept++
		}
		if verdict == admitted {
			r.decode(b, h, m)
		}
	}
	r.room.Release(maxBatch-kept, 0)
	r.hand(ctx, b)
}

// hand emits the batch once the window has room for it.
func (r *run) hand(ctx context.Context, b *batch) {
	if len(b.msgs) == 0 {
		r.pool.Put(b)
		return
	}
	size := b.Size()
	// The keeper extends what waits here. With ctx done it is given back at once.
	if err := r.settings.Window.Acquire(ctx, len(b.Events), size); err != nil {
		now := time.Now()
		for _, h := range b.msgs {
			r.ledger.release(h, 0, now)
		}
		b.recycle()
		return
	}
	b.Hold(r.settings.Window, size)
	r.batches.Add(1)
	r.emit(&b.Batch)
}

// decode adds the events of a message to the batch.
func (r *run) decode(b *batch, h *held, m *types.Message) {
	first := len(b.Events)
	b.msgs = append(b.msgs, h)
	r.fill(b.Add(), m)
	if err := r.decodeEvent(b, m); err != nil {
		e := &b.Events[len(b.Events)-1]
		r.settings.Refuse(e, envelope.Bytes(*m.Body), mediaType(m), err)
		if e.Malformed != nil {
			keepAttributes(e, m)
		}
	}
	b.spans = b.spans.Add(len(b.msgs)-1, len(b.Events))
	b.open = append(b.open, len(b.Events)-first)
}

func (r *run) decodeEvent(b *batch, m *types.Message) error {
	if limit := r.settings.MaxEvent; limit > 0 && len(*m.Body) > limit {
		return bindings.Permanent(bindings.ReasonTooLarge, "", errors.New("the message of "+strconv.Itoa(len(*m.Body))+
			" bytes is larger than the "+strconv.Itoa(limit)+" bytes that an event may have"))
	}
	o := envelope.Options{Lenient: r.settings.Lenient, MaxAttributes: r.settings.MaxAttributes}
	err := decode(&b.Events[len(b.Events)-1], *m.Body, m.MessageAttributes, o)
	return r.adapters.Adapt(&b.Batch, adapter.Message{Body: envelope.Bytes(*m.Body), Err: err, Options: o})
}

// fill sets what the queue knows of the message.
func (r *run) fill(e *envelope.Event, m *types.Message) {
	e.Meta.Transport, e.Meta.SourceName, e.Meta.Channel = "sqs", r.settings.Name, r.ref.name
	e.Meta.MessageID = *m.MessageId
	e.Meta.Deliveries, _ = strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if group := m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]; group != "" {
		e.Key = envelope.Bytes(group)
	}
	var room [maxAttributes]string
	for _, name := range readable(m.MessageAttributes).Names(room[:0], "") {
		if !carried(name) {
			keepAttribute(e, m, name)
		}
	}
}

// keepAttributes makes metadata of all attributes of a message that is no event after all, so that nothing of it is lost.
func keepAttributes(e *envelope.Event, m *types.Message) {
	var room [maxAttributes]string
	e.Meta.Headers = e.Meta.Headers[:0]
	for _, name := range readable(m.MessageAttributes).Names(room[:0], "") {
		keepAttribute(e, m, name)
	}
}

func keepAttribute(e *envelope.Event, m *types.Message, name string) {
	value, _ := text(m.MessageAttributes[name])
	e.Meta.Headers = append(e.Meta.Headers, envelope.Header{Name: name, Value: envelope.Bytes(value)})
}

// mediaType returns what a message that is no event is: what its content-type says, else JSON or text, because a body
// is text always.
func mediaType(m *types.Message) string {
	if media := readable(m.MessageAttributes).ContentType(); media != "" {
		return media
	}
	if isJSON(*m.Body) {
		return "application/json"
	}
	return "text/plain"
}
