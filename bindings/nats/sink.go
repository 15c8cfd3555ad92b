package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
)

// Sink publishes to NATS, with a stream configured to JetStream.
type Sink struct {
	cfg        SinkConfig
	name       string
	log        *zap.Logger
	subject    *template.Template
	static     string // the subject, if the template is one
	structured bool
	timeout    time.Duration
	link       link
	answers    *answers // of a stream's sink, else nil
	encoders   sync.Pool
	duplicates atomic.Int64

	mu      sync.Mutex     // guards what follows
	largest bindings.Limit // of the stream, as it was seen last
	targets targets
	warned  bool
	// inMemory says that the stream needs no disk.
	inMemory bool
	// flushing ends the flushes under way. The client leaves one that began while it was disconnected waiting.
	flushing map[*encoder]context.CancelFunc
}

// NewSink returns a sink; it does not touch the network. The embedded server may be nil if cfg does not use it.
func NewSink(cfg SinkConfig, s bindings.SinkSettings, embedded *Embedded) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if s.Mode == bindings.ModeBatch {
		return nil, bindings.Invalid("mode", "batch is not part of the NATS binding")
	}
	if s.Format != envelope.FormatNone && s.Format != envelope.FormatJSON {
		return nil, bindings.Invalid("format", "the NATS binding has the JSON format only")
	}
	if err := cfg.auth().checkFiles(); err != nil {
		return nil, err
	}
	if _, err := cfg.TLS.Client(); err != nil {
		return nil, err
	}
	if cfg.URL == embeddedURL && embedded == nil {
		return nil, bindings.Invalid("url", "embedded needs the top-level block embedded: { store: DIR }")
	}
	subject, err := cfg.subject()
	if err != nil {
		return nil, err
	}
	k := &Sink{
		cfg: cfg, name: s.Name, log: s.Log, subject: subject, structured: s.Mode == bindings.ModeStructured,
		timeout: s.Timeout,
		link: link{
			endpoint: endpoint{url: cfg.URL, auth: cfg.auth(), name: s.Name, log: s.Log, embedded: embedded},
			hooks:    hooks{lost: func() {}, back: func(*natsgo.Conn) {}},
		},
		encoders: sync.Pool{New: func() any { return newEncoder() }},
		flushing: map[*encoder]context.CancelFunc{},
	}
	k.link.hooks.lost = k.stopFlushing
	set(&k.timeout, defaultTimeout)
	k.static, _ = subject.Static()
	if cfg.Stream != "" {
		k.answers = newAnswers(cfg.Stream)
		if cfg.Create != nil {
			k.largest = limitOf(cfg.Stream, cfg.Create.jetStream(cfg.Stream, nil).MaxMsgSize)
		}
		k.link.setUp = k.answers.listen
		k.link.hooks.lost = k.answers.lost
	}
	return k, nil
}

// Send publishes the events and waits until the server has them: with a stream, until the stream has stored each.
func (k *Sink) Send(ctx context.Context, events []*envelope.Event) error {
	if len(events) == 0 {
		return nil
	}
	nc, err := k.link.get(ctx)
	if err != nil {
		return err
	}
	if err := k.storeFull(); err != nil {
		return bindings.NotSent(err)
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	x := k.encoders.Get().(*encoder)
	defer k.encoders.Put(x)
	if k.answers != nil {
		return k.sendStream(ctx, nc, x, events)
	}
	return k.sendCore(ctx, nc, x, events)
}

// storeFull returns why the embedded server's store takes nothing, for a stream that is kept there. Events wait then,
// instead of running into the server's silence.
func (k *Sink) storeFull() error {
	if k.answers == nil || k.cfg.URL != embeddedURL {
		return nil
	}
	k.mu.Lock()
	inMemory := k.inMemory
	k.mu.Unlock()
	if inMemory {
		return nil
	}
	return k.link.embedded.Health()
}

// Close ends the connection. Every Send has returned, so that nothing is under way.
func (k *Sink) Close(context.Context) error {
	k.link.close()
	return nil
}

// TellsDuplicates reports whether the sink has a stream: core NATS does not know what it had before.
func (k *Sink) TellsDuplicates() bool { return k.answers != nil }

// Duplicates returns how many events the stream had stored already when they were sent: repeated attempts whose first
// answer was lost, or events that came twice within the stream's duplicate window.
func (k *Sink) Duplicates() int64 { return k.duplicates.Load() }

// Ready returns nil if the server is there and, with a stream, if the stream is and takes the subject. It creates the
// stream if the configuration says so.
func (k *Sink) Ready(ctx context.Context) error {
	nc, err := k.link.get(ctx)
	if err != nil {
		return err
	}
	if !nc.IsConnected() {
		return fmt.Errorf("nats: %s", nc.Status())
	}
	if k.cfg.Stream == "" {
		return nil
	}
	_, err = k.refresh(ctx, nc)
	return err
}

// refresh reads the stream's configuration and checks it.
func (k *Sink) refresh(ctx context.Context, nc *natsgo.Conn) (*jetstream.StreamConfig, error) {
	c, err := k.stream(ctx, nc)
	if err != nil {
		return nil, err
	}
	if k.static != "" && !covers(c.Subjects, k.static) {
		return nil, fmt.Errorf("nats: stream %s takes %q, and not subject %s", k.cfg.Stream, c.Subjects, k.static)
	}
	k.mu.Lock()
	first := !k.warned
	k.warned = true
	k.mu.Unlock()
	if first {
		warnStream(k.log, c)
	}
	return c, nil
}

// stream reads the stream's configuration and keeps what of it concerns events. It creates the stream if it may.
func (k *Sink) stream(ctx context.Context, nc *natsgo.Conn) (*jetstream.StreamConfig, error) {
	c, err := ensureStream(ctx, nc, k.cfg.Stream, k.cfg.Create, k.defaultSubjects())
	if err != nil {
		return nil, err
	}
	if c.NoAck {
		return nil, fmt.Errorf("nats: stream %s does not acknowledge (no_ack), so that no delivery could be confirmed", k.cfg.Stream)
	}
	if err := hasSubjects(c); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.largest, k.targets.subjects = limitOf(k.cfg.Stream, c.MaxMsgSize), c.Subjects
	k.inMemory = c.Storage == jetstream.MemoryStorage
	return c, nil
}

// defaultSubjects are what a stream has to take for this sink: the subject, or everything below the literal tokens
// before the first placeholder.
func (k *Sink) defaultSubjects() []string {
	return k.cfg.DefaultSubjects()
}

// render renders and checks the subject of e. The result is valid until x is used again.
func (k *Sink) render(x *encoder, e *envelope.Event) error {
	if k.static != "" {
		x.msg.Subject = k.static
		return nil
	}
	var err error
	if x.subject, err = k.subject.Append(x.subject[:0], e); err != nil {
		return fmt.Errorf("nats: subject: %w", err)
	}
	if err := checkSubject(x.subject); err != nil {
		return bindings.Permanent(bindings.ReasonAddress, "", fmt.Errorf("nats: %w", err))
	}
	x.msg.Subject = envelope.String(x.subject)
	return nil
}

// prepare makes x.msg the message of e, all but what JetStream adds.
func (k *Sink) prepare(x *encoder, e *envelope.Event) error {
	if err := k.render(x, e); err != nil {
		return err
	}
	x.encode(e, k.structured)
	return nil
}

// Preview says what Send would publish, without any network.
func (k *Sink) Preview(e *envelope.Event) (bindings.Preview, error) {
	x := newEncoder()
	if err := k.prepare(x, e); err != nil {
		return bindings.Preview{}, err
	}
	if k.answers != nil {
		k.stamp(x, e)
	}
	limit := k.Limit()
	p := bindings.Preview{Mode: "binary", Address: "subject " + x.msg.Subject, Bytes: x.size(), Limit: limit.Bytes}
	if x.structured {
		p.Mode = "structured"
	}
	if limit.Refuses(p.Bytes) {
		return p, k.tooLarge(x, limit)
	}
	return p, nil
}

// sendCore publishes everything and confirms it with one round trip to the server.
func (k *Sink) sendCore(ctx context.Context, nc *natsgo.Conn, x *encoder, events []*envelope.Event) error {
	// A PONG of a connection made after the publish would confirm nothing, so the two must be of the same one.
	connection := nc.Stats().Reconnects
	var errs bindings.BatchError
	for i, e := range events {
		err := k.prepare(x, e)
		if err == nil {
			err = k.publish(nc, x)
		}
		if err != nil {
			if errs == nil {
				errs = make(bindings.BatchError, len(events))
			}
			errs[i] = err
		}
	}
	err := k.flush(ctx, nc, x)
	if err == nil && nc.Stats().Reconnects != connection {
		err = errDisconnected
	}
	if err == nil {
		if errs == nil {
			return nil
		}
		return errs
	}
	err = fmt.Errorf("nats: flush: %w", unprefixed(err))
	if errs == nil {
		return err
	}
	for i := range errs {
		if errs[i] == nil {
			errs[i] = err
		}
	}
	return errs
}

// flush waits for the server's PONG, no longer than the connection lasts.
func (k *Sink) flush(ctx context.Context, nc *natsgo.Conn, x *encoder) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k.mu.Lock()
	k.flushing[x] = cancel
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		delete(k.flushing, x)
		k.mu.Unlock()
	}()
	// Asked after the cancel function is known: a connection lost from here on is seen by one or the other.
	if !nc.IsConnected() {
		return errDisconnected
	}
	return nc.FlushWithContext(ctx)
}

func (k *Sink) stopFlushing() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, cancel := range k.flushing {
		cancel()
	}
}

// publish hands x.msg to the client, which knows what the server takes, and follows it from one server to the next.
func (k *Sink) publish(nc *natsgo.Conn, x *encoder) error {
	err := nc.PublishMsg(&x.msg)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, natsgo.ErrMaxPayload):
		return k.tooLarge(x, serverLimit(nc))
	case errors.Is(err, natsgo.ErrBadSubject):
		return bindings.Permanent(bindings.ReasonAddress, "", fmt.Errorf("nats: %w", unprefixed(err)))
	case errors.Is(err, natsgo.ErrBadHeaderMsg):
		return bindings.Permanent(bindings.ReasonUnencodable, "", fmt.Errorf("nats: %w", unprefixed(err)))
	case errors.Is(err, natsgo.ErrReconnectBufExceeded):
		return &bindings.CodeError{Code: "disconnected", Err: errors.New("nats: not connected")}
	}
	return fmt.Errorf("nats: publish: %w", unprefixed(err))
}
