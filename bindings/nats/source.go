package nats

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// transport is what events from here have as Meta.Transport.
const transport = "nats"

// batchEvents is the most events of one batch. Batches are what has gathered, so that this is a bound and no goal.
const batchEvents = 256

// cut waits for room in the window and returns how many of msgs make the next batch, at least one, and the most events that it
// may have: a message that is several events may fill it before the cut. The error is that of ctx.
func (s *Source) cut(ctx context.Context, msgs []*natsgo.Msg) (n, events int, err error) {
	events, bytes, err := s.settings.Window.Await(ctx)
	events = min(events, batchEvents)
	size := 0
	for n < len(msgs) && n < events {
		if size += msgs[n].Size(); n > 0 && size > bytes {
			break
		}
		n++
	}
	return n, events, err
}

// Source reads from core NATS subjects or from a JetStream stream.
type Source struct {
	cfg      SourceConfig
	settings bindings.SourceSettings
	endpoint endpoint
	decoder  *decoder
	log      *zap.Logger
	dropped  atomic.Int64
	core     atomic.Pointer[coreReader] // a core source's Run, nil without one
	reading  func(error)                // see OnReading; may be nil

	confirmWait time.Duration // how long one question whether the subscriptions are there may take; tests shorten it
	dropsEvery  time.Duration // how often a core source looks for drops and tells of them; tests change it
	tellEvery   time.Duration // how often a stream source says that max_ack_pending stops it; tests shorten it

	mu      sync.Mutex // guards what follows
	running bool
	status  error // why a running source does not read at the moment
	begun   bool  // it has read before
}

// NewSource returns a source; it does not touch the network. The embedded server may be nil if cfg does not use it.
func NewSource(cfg SourceConfig, s bindings.SourceSettings, embedded *Embedded) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
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
	d, err := newDecoder(&s)
	if err != nil {
		return nil, err
	}
	cfg.setDefaults(s.Name)
	return &Source{
		cfg: cfg, settings: s, decoder: d, log: s.Log, status: errors.New("nats: not connected yet"),
		confirmWait: apiTimeout, dropsEvery: logSlowEvery, tellEvery: logSlowEvery,
		endpoint: endpoint{url: cfg.URL, auth: cfg.auth(), name: s.Name, log: s.Log, embedded: embedded},
	}, nil
}

func (c *SourceConfig) setDefaults(name string) {
	set(&c.AckWait, defaultAckWait)
	set(&c.MaxAckPending, defaultMaxAckPending)
	set(&c.Prefetch, defaultPrefetch)
	set(&c.PrefetchBytes, defaultPrefetchBytes)
	set(&c.Pending, defaultPending)
	set(&c.PendingBytes, defaultPendingBytes)
	set(&c.Durable, "router-"+name)
	set(&c.Start, "all")
}

// set gives *v a default.
func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Run reads until ctx is done; see bindings.Source. It waits for a server or a stream that is not there, and Ready says
// which.
func (s *Source) Run(ctx context.Context, emit func(*bindings.Batch)) error {
	s.mu.Lock()
	s.running = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.running = false
		s.mu.Unlock()
	}()
	if s.cfg.Stream == "" {
		return s.runCore(ctx, emit)
	}
	return s.runStream(ctx, emit)
}

// Ready returns nil if the source reads, or, before Run, if the server and the stream are there. Before Run it connects
// and disconnects, and creates the stream if the configuration says so.
func (s *Source) Ready(ctx context.Context) error {
	s.mu.Lock()
	running, status := s.running, s.status
	s.mu.Unlock()
	if running {
		return status
	}
	nc, err := s.endpoint.dial(ctx, hooks{lost: func() {}, back: func(*natsgo.Conn) {}})
	if err != nil {
		return err
	}
	defer nc.Close()
	if s.cfg.Stream == "" {
		return nil
	}
	_, err = s.ensureStream(ctx, nc)
	return err
}

// OnReading sets what is told each time that the source reads, for the first time or again, what it waits for until the
// first time, and later that the server refuses a core source a subject. That the server was there before Run says
// nothing of that: what others publish to core NATS before the server has the subscriptions is lost.
func (s *Source) OnReading(report func(error)) { s.reading = report }

// Dropped returns how many messages a core source lost because the router fell behind, up to this moment.
func (s *Source) Dropped() int64 {
	if r := s.core.Load(); r != nil {
		r.countDropped(s.dropsEvery)
	}
	return s.dropped.Load()
}

// report sets what Ready says, tells the owner what OnReading promises, and logs a change for the worse.
func (s *Source) report(err error) {
	s.mu.Lock()
	changed := err != nil && (s.status == nil || s.status.Error() != err.Error())
	s.status = err
	tell := s.reading != nil && (err == nil || !s.begun || refusal(err))
	s.begun = s.begun || err == nil
	s.mu.Unlock()
	if changed {
		s.log.Warn("nats: source is waiting", zap.Error(err))
	}
	if tell {
		s.reading(err)
	}
}

// connect dials until it succeeds; nil means that ctx was done.
func (s *Source) connect(ctx context.Context, h hooks) *natsgo.Conn {
	var b backOff
	for {
		nc, err := s.endpoint.dial(ctx, h)
		if err == nil {
			return nc
		}
		s.report(err)
		if !b.wait(ctx, nil) {
			return nil
		}
	}
}

// fill adds an event for m to b, with its metadata.
func (s *Source) fill(b *bindings.Batch, m *natsgo.Msg) *envelope.Event {
	e := b.Add()
	e.Meta.Transport, e.Meta.SourceName, e.Meta.Channel = transport, s.settings.Name, m.Subject
	e.Key = envelope.Bytes(m.Subject)
	return e
}
