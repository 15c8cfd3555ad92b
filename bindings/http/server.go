package http

import (
	"context"
	"errors"
	"fmt"
	"net"
	nethttp "net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
)

// maxHeaderBytes lets an event of 64 KiB pass in binary mode, where every byte of it may need three, see doc.go.
const maxHeaderBytes = 256 << 10

// closeGrace is how long connections may take to end once the last request was answered.
const closeGrace = time.Second

// ServerPool shares ports between sources: those with the same listen address serve their paths on one port. The
// wiring keeps one pool for the life of the process, so that a reload can hand a port over from an old source to its
// successor without closing it.
type ServerPool struct {
	mu      sync.Mutex // guards what follows and, of each server, claims and paths
	servers map[string]*server
	kept    bool   // ports are open until Close, whether or not a source has them
	memory  *quota // of headers, in bytes
	decode  *quota // of HTTP/2 header blocks that are decoded, in bytes
	streams *quota // of HTTP/2, in streams
}

// NewServerPool returns a pool without ports.
func NewServerPool() *ServerPool {
	return &ServerPool{
		servers: map[string]*server{}, memory: newQuota(headerMemory, headerMemory/2),
		decode: newQuota(decodeMemory, decodeMemory/2), streams: newQuota(maxStreams, maxStreams/2),
	}
}

// Serve begins to answer on every port of the pool, and goes on until Close. Before a source runs and after it, its path
// answers 503 with Retry-After: senders should not hang while the router waits for its sinks, nor be refused a connection
// while it drains.
func (p *ServerPool) Serve() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = true
	for _, s := range p.servers {
		s.start.Do(func() { s.served.Go(s.serve) })
	}
}

// Close closes every port that Serve has kept open. It is called when the last source has ended.
func (p *ServerPool) Close() {
	p.mu.Lock()
	var open []*server
	for _, s := range p.servers {
		if s.claims == 0 {
			open = append(open, s)
			delete(p.servers, s.listen)
		}
	}
	p.mu.Unlock()
	for _, s := range open {
		s.close()
	}
}

// server is one port.
type server struct {
	pool        *ServerPool
	listen      string
	tls         security.TLS
	secure      bool
	connections int
	share       int // of them for one address
	log         *zap.Logger
	ln          *listener
	http        *nethttp.Server

	claims int
	paths  map[string]*endpoint

	start  sync.Once
	failed chan error // capacity 1: why Serve ended before it was told to
	served sync.WaitGroup
}

// endpoint is one path. source is nil while none of the sources that claimed it runs.
type endpoint struct {
	claims int
	source *Source
}

// claim reserves a path and binds the port if nobody has yet.
func (p *ServerPool) claim(c *SourceConfig, log *zap.Logger) (*server, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.servers[c.Listen]
	if s == nil {
		var err error
		if s, err = p.bind(c, log); err != nil {
			return nil, err
		}
		p.servers[c.Listen] = s
	}
	if s.secure != (c.TLS != nil) || s.secure && s.tls != *c.TLS {
		return nil, bindings.Invalid("tls", "differs from that of another source on %s: a port has one certificate and one way to check clients", c.Listen)
	}
	if s.connections != connections(c) {
		return nil, bindings.Invalid("max_connections", "differs from that of another source on %s", c.Listen)
	}
	if s.share != share(c) {
		return nil, bindings.Invalid("max_connections_per_address", "differs from that of another source on %s", c.Listen)
	}
	s.claims++
	ep := s.paths[path(c)]
	if ep == nil {
		ep = &endpoint{}
		s.paths[path(c)] = ep
	}
	ep.claims++
	return s, nil
}

// bind opens the port. Connections wait in the kernel until the pool serves or a source runs.
func (p *ServerPool) bind(c *SourceConfig, log *zap.Logger) (*server, error) {
	tlsConfig, err := c.TLS.Server()
	if err != nil {
		return nil, err
	}
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", c.Listen)
	if err != nil {
		return nil, bindings.Missing("listen", err)
	}
	s := &server{
		pool: p, listen: c.Listen, connections: connections(c), share: share(c), secure: c.TLS != nil,
		paths: map[string]*endpoint{}, failed: make(chan error, 1), log: log,
	}
	if s.secure {
		s.tls = *c.TLS
	}
	s.ln = newListener(ln, s.connections, s.share, log)
	s.ln.memory, s.ln.decode = p.memory, p.decode
	if s.secure {
		s.ln.secure(tlsConfig)
	}
	s.http = newHTTPServer(s, s.secure, log)
	return s, nil
}

// newHTTPServer returns the server of a port. It never sees TLS: what it reads is decrypted by guardConn, which lets
// HTTP/2 pass only where it was negotiated.
func newHTTPServer(h nethttp.Handler, secure bool, log *zap.Logger) *nethttp.Server {
	srv := &nethttp.Server{
		Handler: h, ConnContext: withConn, Protocols: new(nethttp.Protocols),
		// net/http answers OPTIONS * by itself, and no handler would note the end of it.
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTime, IdleTimeout: 90 * time.Second, MaxHeaderBytes: maxHeaderBytes + 4<<10,
		HTTP2: &nethttp.HTTP2Config{
			MaxConcurrentStreams: 100, SendPingTimeout: 30 * time.Second, PingTimeout: 10 * time.Second,
			WriteByteTimeout: 10 * time.Second,
			// The defaults let each connection have a frame and unread bodies of 1 MiB.
			MaxReadFrameSize: 16 << 10, MaxReceiveBufferPerConnection: 256 << 10, MaxReceiveBufferPerStream: 256 << 10,
		},
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(secure)
	// What net/http has to say is about single connections, which anybody can break: not for the operator's log.
	if l, err := zap.NewStdLogAt(log, zap.DebugLevel); err == nil {
		srv.ErrorLog = l
	}
	return srv
}

func path(c *SourceConfig) string {
	if c.Path == "" {
		return "/"
	}
	return c.Path
}

func connections(c *SourceConfig) int {
	switch {
	case c.MaxConnections > 0:
		return c.MaxConnections
	case c.TLS != nil:
		return defaultMaxSecure
	}
	return defaultMaxConnections
}

// share returns how many connections one address may have.
func share(c *SourceConfig) int {
	if c.MaxConnectionsPerAddress == 0 {
		return max(1, connections(c)/2)
	}
	return min(c.MaxConnectionsPerAddress, connections(c))
}

// run puts a source on its path and starts to serve the port if it is the first. A source takes the place of one that
// is draining; two that both want events are a mistake in the configuration.
func (s *server) run(src *Source) error {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	ep := s.paths[src.path]
	if ep.source != nil && !ep.source.isDraining() {
		return fmt.Errorf("http: %s%s is served by source %s already", s.listen, src.path, ep.source.settings.Name)
	}
	ep.source = src
	s.start.Do(func() { s.served.Go(s.serve) })
	return nil
}

func (s *server) serve() {
	if err := s.http.Serve(s.ln); !errors.Is(err, nethttp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		s.failed <- err
	}
}

// leave takes a source from its path, and closes the port after the last one. Until then every request has an answer.
func (s *server) leave(src *Source) {
	s.pool.mu.Lock()
	s.claims--
	last := s.claims == 0 && !s.pool.kept
	if last {
		delete(s.pool.servers, s.listen)
	}
	s.pool.mu.Unlock()
	if last {
		s.close()
	}
	s.forget(src)
}

// forget takes a source from its path. The path of a port that is kept open answers on.
func (s *server) forget(src *Source) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	ep := s.paths[src.path]
	if ep.source == src {
		ep.source = nil
	}
	if ep.claims--; ep.claims == 0 && !s.pool.kept {
		delete(s.paths, src.path)
	}
}

// close ends a port: no new connections, the idle ones at once, those that are still being answered within a short time.
func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if err := s.ln.Close(); err != nil { // a port that was never served is not known to Shutdown
		s.log.Debug("closing the port", zap.Error(err))
	}
	if err := s.http.Shutdown(ctx); err != nil {
		s.log.Debug("connections were cut", zap.Error(err))
		_ = s.http.Close() // it can only repeat that the listener was closed before
	}
	s.served.Wait()
}

// maxStreams is how many requests over HTTP/2 may be on the way to the window of a source, or to their refusal. Each takes
// some 16 KiB, and a peer that reads no answers can hold it. One address has half of them.
const maxStreams = 1024

// ServeHTTP finds the source of a path.
func (s *server) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	c := connOf(r)
	if r.ProtoMajor == 2 {
		c.active.Add(1)
	}
	defer c.leave()
	r.TLS = c.state
	if a := c.refused.Load(); a != nil && r.Method == refusedMethod {
		defaultLimits.send(w, r, a, "")
		_ = nethttp.NewResponseController(w).Flush() // it can only fail where nobody reads any more
		c.linger()
		return
	}
	admitted := c.settle
	if r.ProtoMajor == 2 {
		var ok bool
		if admitted, ok = s.admit(c, r); !ok {
			panic(nethttp.ErrAbortHandler) // which resets the stream: an answer could stay here as long as this one
		}
		defer admitted()
	}
	if r.Method == nethttp.MethodOptions && r.RequestURI == "*" {
		defaultLimits.send(w, r, nil, "") // it asks whether the server is there
		return
	}
	src, no := s.find(r)
	if no != nil {
		defaultLimits.send(w, r, no, "")
		return
	}
	src.serve(w, r, admitted)
}

// admit takes what a stream needs until the window of its source has it. The function gives that back, once.
func (s *server) admit(c *guardConn, r *nethttp.Request) (admitted func(), ok bool) {
	cost := headerCost(r.Header)
	if !s.pool.streams.take(c.from, 1) {
		return nil, false
	}
	if !s.pool.memory.take(c.from, cost) {
		s.pool.streams.give(c.from, 1)
		return nil, false
	}
	return sync.OnceFunc(func() {
		s.pool.streams.give(c.from, 1)
		s.pool.memory.give(c.from, cost)
	}), true
}

// headerCost is what a header takes of the memory for all of them.
func headerCost(h nethttp.Header) int {
	n := -freeHeader
	for name, values := range h {
		n += len(name) + 64
		for _, v := range values {
			n += len(v) + 16
		}
	}
	return headerFactor * max(n, 0)
}

func (s *server) find(r *nethttp.Request) (*Source, *answer) {
	switch {
	case r.Method == nethttp.MethodConnect:
		return nil, &answer{
			status: nethttp.StatusMethodNotAllowed, allow: nethttp.MethodPost, close: true, detail: "events are sent with POST",
		}
	case r.URL.Host != "" || r.URL.Path == "*" || r.URL.Path == "":
		return nil, &answer{status: nethttp.StatusBadRequest, close: true, detail: "the request target must be a path"}
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	switch ep := s.paths[r.URL.Path]; {
	case ep == nil:
		return nil, refuse(nethttp.StatusNotFound, "no source takes events at this path")
	case ep.source == nil:
		return nil, answerDraining
	default:
		return ep.source, nil
	}
}
