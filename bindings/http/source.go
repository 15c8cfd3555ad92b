package http

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
	"github.com/eventrouter/router/envelope"
)

// limits are the times that hold for every ingress; tests shorten them.
type limits struct {
	bodyRead, bodyTotal time.Duration
	bodyGrace           time.Duration // after which a body needs minRate, 0 for none
	answer, refuse      time.Duration
}

var defaultLimits = limits{
	bodyRead: 10 * time.Second, bodyTotal: 30 * time.Second, bodyGrace: 5 * time.Second,
	answer: 10 * time.Second, refuse: 2 * time.Second,
}

// Source receives events at one path. Every request is a batch of its own.
type Source struct {
	settings bindings.SourceSettings
	path     string
	maxBody  int
	reply    time.Duration
	limits   limits
	decoder  decoder
	adapters adapter.Set
	auth     *authenticator
	verifier *verifier
	webhook  *SourceWebhook
	allow    string
	server   *server
	events   *quota      // requests whose body is arriving
	bytes    *quota      // what has arrived of them
	taken    atomic.Bool // Run or Close was called

	onFailure func(error) // may be nil
	onReading func(error) // may be nil
	pool      sync.Pool   // of *exchange

	mu       sync.Mutex // guards emit and draining
	emit     func(*bindings.Batch)
	draining bool
	active   sync.WaitGroup // requests that were let in, and batches that are not settled
}

// NewSource returns a source with a port of its own. The port is bound here, and served when Run is called; a source
// that never runs gives it back by Close.
func NewSource(cfg SourceConfig, s bindings.SourceSettings) (*Source, error) {
	return NewServerPool().NewSource(cfg, s)
}

// NewSource returns a source that shares its port with the other sources of the pool that have the same listen
// address.
func (p *ServerPool) NewSource(cfg SourceConfig, s bindings.SourceSettings) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	adapters, err := adapter.Parse(s.Adapters)
	if err != nil {
		return nil, err
	}
	src := &Source{
		settings: s, adapters: adapters, path: path(&cfg), maxBody: cmp.Or(s.MaxEvent, defaultMaxBody), reply: cfg.ReplyTimeout, limits: defaultLimits,
		auth: newAuthenticator(cfg.Auth), webhook: cfg.Webhook, allow: nethttp.MethodPost,
		decoder: decoder{
			options: envelope.Options{Lenient: s.Lenient, MaxAttributes: cmp.Or(s.MaxAttributes, defaultMaxAttributes)},
			coding:  headerCodings[cfg.HeaderEncoding],
		},
	}
	if cfg.MaxBody != nil {
		src.maxBody = int(*cfg.MaxBody)
	}
	if src.reply == 0 {
		src.reply = defaultReplyTimeout
	}
	if src.webhook != nil {
		src.allow = "POST, OPTIONS"
	}
	if cfg.Auth != nil {
		if src.verifier, err = newVerifier(cfg.Auth.HMAC); err != nil {
			return nil, bindings.Invalid("auth.hmac.secrets", "%w", err)
		}
	}
	if src.server, err = p.claim(&cfg, s.Log); err != nil {
		return nil, err
	}
	events, size := s.Window.Bounds()
	src.events, src.bytes = newQuota(0, (events+1)/2), newQuota(0, arriving(&cfg, size))
	src.pool.New = func() any { return newExchange(src) }
	return src, nil
}

// Addr returns the address the port is bound to, for ports that the system chose.
func (s *Source) Addr() string { return s.server.ln.Addr().String() }

// Close gives the port back if Run was never called; otherwise Run did it, or will.
func (s *Source) Close() error {
	if !s.taken.CompareAndSwap(false, true) {
		return nil
	}
	s.server.leave(s)
	return nil
}

// Run serves the path until ctx is done. It returns when every request is answered and every batch settled; while it
// waits for that the port stays open, and new requests get 503.
func (s *Source) Run(ctx context.Context, emit func(*bindings.Batch)) error {
	if !s.taken.CompareAndSwap(false, true) {
		return fmt.Errorf("http: source %s ran or was closed already", s.settings.Name)
	}
	s.mu.Lock()
	s.emit = emit
	s.mu.Unlock()
	err := s.server.run(s)
	if err == nil {
		s.settings.Log.Info("listening", zap.String("address", s.Addr()), zap.String("path", s.path))
		if s.onReading != nil {
			s.onReading(nil)
		}
		select {
		case <-ctx.Done():
		case err = <-s.server.failed:
			s.server.failed <- err // every source of this port has to know
			err = fmt.Errorf("http: %s: %w", s.server.listen, err)
			if s.onFailure != nil {
				s.onFailure(err) // the batches may not come home before the router stops
			}
		}
	}
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	s.active.Wait()
	s.server.leave(s)
	return err
}

// OnReading sets what is told when the path is served: until then it answers 503.
func (s *Source) OnReading(report func(error)) { s.onReading = report }

// OnFailure sets what is told of a port that is served no more, before Run returns.
func (s *Source) OnFailure(report func(error)) { s.onFailure = report }

func (s *Source) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// enter lets a request in, unless the source is stopping.
func (s *Source) enter() (emit func(*bindings.Batch), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return nil, false
	}
	s.active.Add(1)
	return s.emit, true
}

// serve takes one request. It calls admitted when the window counts all of it.
func (s *Source) serve(w nethttp.ResponseWriter, r *nethttp.Request, admitted func()) {
	emit, ok := s.enter()
	if !ok {
		s.limits.send(w, r, answerDraining, "")
		return
	}
	defer s.active.Done()
	_ = nethttp.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.limits.bodyTotal + s.reply + s.limits.answer))
	x := s.pool.Get().(*exchange)
	x.request = requestID(r.Header)
	if a := s.admit(w, r); a != nil || r.Method == nethttp.MethodOptions {
		s.limits.send(w, r, a, x.request)
		s.pool.Put(x)
		return
	}
	request := x.request
	a := s.receive(w, r, x, func(b *bindings.Batch) { // x is not ours any more
		admitted()
		emit(b)
	})
	if a == nil && r.URL.RawQuery != "" {
		w.Header().Set("Cache-Control", "private") // there may have been a token in it
	}
	if s.isDraining() {
		w.Header().Set("Connection", "close") // the next request would get 503
	}
	s.limits.send(w, r, a, request)
}

// send answers a request, in a limited time. Of a request that is refused the body may not have been read to its end:
// net/http reads the rest away before the next request, and has no time limit of its own for that.
func (l *limits) send(w nethttp.ResponseWriter, r *nethttp.Request, a *answer, request string) {
	rc := nethttp.NewResponseController(w)
	// The errors can only be that the writer knows no deadlines, as in a test without a connection.
	_ = rc.SetWriteDeadline(time.Now().Add(l.answer))
	if a != nil {
		_ = rc.SetReadDeadline(time.Now().Add(l.refuse))
	}
	a.write(w, request)
	if a != nil && r.ProtoMajor == 2 {
		_ = rc.Flush() // so that an answer that the peer does not read counts as long as it waits
	}
}

// admit checks everything that can be checked before the body is read.
func (s *Source) admit(w nethttp.ResponseWriter, r *nethttp.Request) *answer {
	switch {
	case r.Method == nethttp.MethodOptions && s.webhook != nil:
		return s.webhook.handshake(w, r)
	case r.Method != nethttp.MethodPost:
		return &answer{status: nethttp.StatusMethodNotAllowed, allow: s.allow, detail: "events are sent with POST"}
	case len(r.Header) > maxHeaderFields:
		return refuse(nethttp.StatusRequestHeaderFieldsTooLarge, "more than %d header fields", maxHeaderFields)
	}
	if a := s.auth.check(r); a != nil {
		return a
	}
	if s.webhook != nil {
		if v, ok := r.Header[requestOrigin]; ok && (len(v) != 1 || !s.webhook.allows(v[0])) {
			return refuse(nethttp.StatusForbidden, "WebHook-Request-Origin: this origin may not send here")
		}
	}
	if r.ContentLength > int64(s.maxBody) {
		a := tooLarge(int64(s.maxBody))
		a.close = true
		return a
	}
	if _, _, _, err := mode(r.Header); err != nil {
		return decodeAnswer(err)
	}
	if _, a := compression(r.Header); a != nil {
		return a
	}
	return s.verifier.covers(r.Header)
}

// receive reads, decodes and emits what was admitted, and waits for the outcome. nil is 204.
func (s *Source) receive(w nethttp.ResponseWriter, r *nethttp.Request, x *exchange, emit func(*bindings.Batch)) *answer {
	if a := x.reserve(r); a != nil {
		s.pool.Put(x)
		return a
	}
	a := s.fill(w, r, x)
	x.arrived()
	finish := x.finish
	a = s.deliver(r, x, a, emit) // x is not ours any more
	if finish != nil {
		finish(a == nil)
	}
	return a
}

// deliver emits what was decoded, unless the request is refused with a, and waits for the outcome.
func (s *Source) deliver(r *nethttp.Request, x *exchange, a *answer, emit func(*bindings.Batch)) *answer {
	if a != nil || len(x.batch.Events) == 0 {
		x.cancel()
		return a
	}
	if !x.settleSize() {
		x.drop()
		return answerOverload
	}
	s.active.Add(1) // for the batch, beside the one for the request
	emit(&x.batch)
	var gone <-chan struct{}
	if r.ProtoMajor == 2 {
		gone = r.Context().Done() // over HTTP/1 a sender may have ended its side alone, and still read
	}
	return x.wait(gone, s.reply)
}

// fill reads the body and decodes it into the batch.
func (s *Source) fill(w nethttp.ResponseWriter, r *nethttp.Request, x *exchange) *answer {
	zipped, _ := compression(r.Header)
	body, a := s.readBody(w, r, x)
	if a != nil {
		return a
	}
	if x.finish, a = s.verifier.admit(r.Header, body, time.Now()); a != nil {
		return a
	}
	if zipped {
		if body, a = x.inflate(body, s.maxBody); a != nil {
			return a
		}
	}
	x.bodySize = cap(body)
	return s.decodeInto(x, message{r.Header, body})
}

// decodeInto decodes one message into the exchange's batch.
func (s *Source) decodeInto(x *exchange, m message) *answer {
	_, batch, _, err := mode(m.Header)
	if err == nil && batch {
		err = s.decoder.decodeBatch(m, x.add)
	} else if err == nil {
		e := x.batch.Add()
		if err = s.decoder.decode(e, m); errors.Is(err, envelope.ErrNotCloudEvent) {
			err = s.foreign(x, m, err)
		}
	}
	if x.full != nil {
		return x.full
	}
	if err != nil {
		return decodeAnswer(err)
	}
	for i := range x.batch.Events {
		e := &x.batch.Events[i]
		if limit := s.settings.MaxEvent; limit > 0 && max(len(e.Data), len(e.Raw)) > limit {
			return refuse(nethttp.StatusRequestEntityTooLarge, "an event is larger than %d bytes", limit)
		}
		s.describe(e, x.request, m.Header, i)
	}
	return nil
}

// foreign makes events of a request that is none, by the adapters or else by wrapping it. The last event of the batch was
// decoded in vain.
func (s *Source) foreign(x *exchange, m message, err error) error {
	err = s.adapters.Adapt(&x.batch, adapter.Message{
		Body: m.Body, Err: err, Subscription: single(m.Header, snsSubscription), Options: s.decoder.options, Add: x.add,
	})
	if s.settings.Wrap == nil || !errors.Is(err, envelope.ErrNotCloudEvent) {
		return err
	}
	e := &x.batch.Events[len(x.batch.Events)-1]
	s.describe(e, x.request, m.Header, 0)
	s.settings.Refuse(e, m.Body, single(m.Header, contentType), err)
	return e.Malformed
}

// describe fills what the transport knows of event i of a request.
func (s *Source) describe(e *envelope.Event, request string, h nethttp.Header, i int) {
	headers := e.Meta.Headers[:0]
	for _, key := range [...]string{"Traceparent", "Tracestate"} {
		if v := single(h, key); v != "" {
			headers = append(headers, envelope.Header{Name: strings.ToLower(key), Value: []byte(v)})
		}
	}
	e.Meta = envelope.Meta{
		Transport: "http", SourceName: s.settings.Name, Channel: s.path, MessageID: request, Position: int64(i),
		Headers: headers,
	}
}
