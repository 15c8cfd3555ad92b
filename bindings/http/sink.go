package http

import (
	"context"
	"encoding/base64"
	"maps"
	nethttp "net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
)

const (
	userAgent      = "eventrouter"
	defaultTimeout = 30 * time.Second
	// maxResponse is how much of a response is read, so that its connection can be used again.
	maxResponse = 16 << 10
	// drainTime is how long that may take: the status has said everything by then.
	drainTime = 2 * time.Second
	// maxQuote is how much of a refusal's text an error repeats.
	maxQuote = 256
)

// Sink posts events to a target.
type Sink struct {
	settings bindings.SinkSettings
	format   envelope.Format // of structured and batched mode
	target   *target
	fixed    nethttp.Header // the headers that every request has
	bare     int            // bytes of a request's header beside its fields
	room     int            // for the header of a binary event
	keys     [][]byte
	webhook  *SinkWebhook
	timeout  time.Duration
	renew    func() *nethttp.Transport
	dial     func(ctx context.Context) error

	granted  atomic.Pointer[rate.Limiter] // nil until the target gave its consent
	asking   chan struct{}                // capacity 1: held while the handshake is under way
	pausedTo atomic.Int64                 // no request before that time, in nanoseconds since began
	began    time.Time

	mu      sync.Mutex // guards what follows
	current *nethttp.Transport
	old     *nethttp.Transport
	born    time.Time
}

// NewSink returns a sink. It opens no connection.
func NewSink(cfg SinkConfig, s bindings.SinkSettings) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	f := format.Or(s.Format)
	if s.Mode == bindings.ModeBatch && !format.HasBatch(f) {
		return nil, bindings.Invalid("format", "avro has no batch, which mode: batch asks for")
	}
	t, err := parseTarget(cfg.URL)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := cfg.TLS.Client()
	if err != nil {
		return nil, err
	}
	k := &Sink{
		settings: s, format: f, target: t, webhook: cfg.Webhook, timeout: s.Timeout, fixed: nethttp.Header{},
		asking: make(chan struct{}, 1), began: time.Now(),
	}
	if k.timeout <= 0 {
		k.timeout = defaultTimeout
	}
	if cfg.Sign != nil {
		if k.keys, err = parseKeys(cfg.Sign.keys()); err != nil {
			return nil, bindings.Invalid("sign.secret", "%w", err)
		}
	}
	k.fill(&cfg)
	if err := k.reserve(cfg.MaxHeader); err != nil {
		return nil, err
	}
	if cfg.Webhook != nil && strings.HasPrefix(cfg.URL, "http:") && s.Log != nil {
		s.Log.Warn("the web hook specification asks for https")
	}
	d := newDialer(cfg.Network == "public")
	k.renew = func() *nethttp.Transport { return newTransport(d, tlsConfig.Clone(), k.timeout, s.Concurrency) }
	k.dial = func(ctx context.Context) error {
		c, err := d.DialContext(ctx, "tcp", dialAddress(t))
		if err != nil {
			return err
		}
		return c.Close()
	}
	return k, nil
}

// fill sets the headers that every request has.
func (s *Sink) fill(cfg *SinkConfig) {
	s.fixed.Set("User-Agent", userAgent)
	for name, value := range cfg.Headers {
		s.fixed.Set(name, value.Reveal())
	}
	switch a := cfg.Auth; {
	case a == nil:
	case a.Basic != nil:
		pair := a.Basic.Username + ":" + a.Basic.Password.Reveal()
		s.fixed.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	default:
		s.fixed.Set("Authorization", "Bearer "+a.Bearer.Reveal())
	}
	if cfg.Webhook != nil {
		s.fixed.Set(requestOrigin, cfg.Webhook.Origin)
	}
}

// identify copies the headers that every request has. The values are shared: nobody writes to them.
func (s *Sink) identify(h nethttp.Header) { maps.Copy(h, s.fixed) }

// dialAddress is host and port of a target.
func dialAddress(t *target) string {
	scheme, _, _ := strings.Cut(t.origin, "://")
	u := url.URL{Scheme: scheme, Host: t.host}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return joinHostPort(u.Hostname(), port)
}

func joinHostPort(host, port string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]:" + port
	}
	return host + ":" + port
}

// transport returns the transport to use now. An old one is replaced, so that addresses are looked up again even where
// connections never rest; its requests end undisturbed and its connections close when idle.
func (s *Sink) transport() *nethttp.Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || time.Since(s.born) > transportMaxAge {
		if s.old != nil {
			s.old.CloseIdleConnections()
		}
		if s.current != nil {
			s.current.CloseIdleConnections()
		}
		s.old, s.current, s.born = s.current, s.renew(), time.Now()
	}
	return s.current
}

// Ready reports whether the target can be reached and, for a web hook, gave its consent. No event is sent for it.
func (s *Sink) Ready(ctx context.Context) error {
	if s.webhook != nil {
		return s.consent(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.dial(ctx); err != nil {
		return s.wrap(err)
	}
	return nil
}

// consent makes the handshake unless it was made already; several callers share one.
func (s *Sink) consent(ctx context.Context) error {
	if s.granted.Load() != nil {
		return nil
	}
	select {
	case s.asking <- struct{}{}:
	case <-ctx.Done():
		return s.wrap(ctx.Err())
	}
	defer func() { <-s.asking }()
	if s.granted.Load() != nil {
		return nil
	}
	return s.handshake(ctx)
}

// Send posts the events: one request each, or one for all of them in batched mode.
func (s *Sink) Send(ctx context.Context, events []*envelope.Event) error {
	if len(events) == 0 {
		return nil
	}
	if s.webhook != nil {
		if err := s.consent(ctx); err != nil {
			return err
		}
	}
	if s.settings.Mode == bindings.ModeBatch {
		return s.sendBatch(ctx, events)
	}
	if len(events) == 1 {
		return s.sendOne(ctx, events[0])
	}
	var errs bindings.BatchError
	for i, e := range events {
		if err := s.sendOne(ctx, e); err != nil {
			if errs == nil {
				errs = make(bindings.BatchError, len(events))
			}
			errs[i] = err
		}
	}
	if errs == nil {
		return nil
	}
	return errs
}

func (s *Sink) sendOne(ctx context.Context, e *envelope.Event) error {
	u, err := s.address(e)
	if err != nil {
		return err
	}
	m := message{Header: make(nethttp.Header, 16)}
	if _, err := s.write(&m, u, e); err != nil {
		return err
	}
	return s.post(ctx, u, &m, s.deliveryID(e))
}

// write encodes one event to u in the mode that it leaves in, and returns that. A binary event whose header is more than
// the target may take leaves structured, unless the format cannot hold it.
func (s *Sink) write(m *message, u *url.URL, e *envelope.Event) (bindings.Mode, error) {
	mode := effectiveMode(e, s.settings.Mode, s.webhook != nil)
	if err := encode(m, e, mode, s.format); err != nil {
		return mode, err
	}
	s.passTrace(m.Header, e)
	if mode == bindings.ModeBinary && e.Malformed == nil && !s.fits(u, m) {
		whole := message{Header: make(nethttp.Header, 16)}
		if encode(&whole, e, bindings.ModeStructured, s.format) == nil {
			s.passTrace(whole.Header, e)
			*m, mode = whole, bindings.ModeStructured
		}
	}
	return mode, nil
}

// passTrace passes on the trace context of an event that came over HTTP itself, unless the configuration has one.
func (s *Sink) passTrace(h nethttp.Header, e *envelope.Event) {
	if e.Meta.Transport != "http" {
		return
	}
	for i := range e.Meta.Headers {
		name := ""
		switch e.Meta.Headers[i].Name {
		case "traceparent":
			name = "Traceparent"
		case "tracestate":
			name = "Tracestate"
		default:
			continue
		}
		if s.fixed[name] == nil {
			h[name] = []string{string(e.Meta.Headers[i].Value)}
		}
	}
}

// Preview says what would be sent for an event.
func (s *Sink) Preview(e *envelope.Event) (bindings.Preview, error) {
	u, err := s.address(e)
	if err != nil {
		return bindings.Preview{}, err
	}
	m := message{Header: nethttp.Header{}}
	mode := s.settings.Mode
	if mode == bindings.ModeBatch && e.Malformed == nil {
		err = encodeBatch(&m, []*envelope.Event{e}, s.format)
	} else {
		mode, err = s.write(&m, u, e)
	}
	if err != nil {
		return bindings.Preview{}, err
	}
	name := map[bindings.Mode]string{
		bindings.ModeBinary: "binary", bindings.ModeStructured: "structured", bindings.ModeBatch: "batch",
	}[mode]
	return bindings.Preview{Mode: name, Address: "url " + u.String(), Bytes: headerSize(m.Header) + len(m.Body)}, nil
}

// Close ends the idle connections. No Send is under way any more.
func (s *Sink) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range []*nethttp.Transport{s.old, s.current} {
		if t != nil {
			t.CloseIdleConnections()
		}
	}
	return nil
}
