package nats

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
)

// embeddedStart is how long the embedded server may take to open its store, which grows with what is in it.
const embeddedStart = 30 * time.Second

// defaultStore is where the embedded server keeps its streams unless the configuration says otherwise.
const defaultStore = "data"

// EmbeddedConfig is what a user writes for the server inside the process.
type EmbeddedConfig struct {
	// Store is the folder of the streams; ./data by default.
	Store string `yaml:"store,omitempty"`
	// Listen is an address for other NATS clients, such as 127.0.0.1:4222. Without it the server takes connections from
	// this process only.
	Listen string `yaml:"listen,omitempty"`
	// User is the name that other clients must give, with Password. Without it and Token everybody is let in.
	User string `yaml:"user,omitempty"`
	// Password belongs to User.
	Password security.Secret `yaml:"password,omitempty"`
	// Token is what other clients must present, instead of User.
	Token security.Secret `yaml:"token,omitempty"`
	// Sync writes every message to the disk before it is acknowledged. Without it the server syncs every two minutes,
	// and a power loss may take acknowledged messages.
	Sync bool `yaml:"sync,omitempty"`
	// MaxStore bounds the bytes of all streams together. By default it is three quarters of what the store has and the
	// disk has free, and grows with the disk.
	MaxStore bindings.Size `yaml:"max_store,omitempty"`
}

// Validate reports every mistake that can be seen without starting the server.
func (c *EmbeddedConfig) Validate() error {
	var errs []error
	if c.Listen != "" {
		if _, _, err := splitListen(c.Listen); err != nil {
			errs = append(errs, bindings.Invalid("listen", "%w", err))
		}
	}
	return errors.Join(append(errs, c.validateAuth())...)
}

// Embedded is a JetStream server inside the process, shared by all sources and sinks whose url is "embedded". It is
// started by the first of them that connects, and closed by its owner after the last. While it runs, it is watched: a
// server that stopped writing because the disk was full is restarted once there is room.
type Embedded struct {
	cfg EmbeddedConfig
	dir string // of the store, absolute
	log *zap.Logger

	// running is what new connections go to, nil while the server is restarted. InProcessConn must not wait: the client
	// calls it with its own lock held.
	running atomic.Pointer[server.Server]
	lines   *serverLog
	state   storeState

	// What follows belongs to the first Start, then to the watch, and then to Close.
	srv  *server.Server
	port int // of the listener once it is bound, so that a restart keeps it
	lock *os.File

	mu     sync.Mutex // guards what follows
	closed bool
	// quit ends the watch, and watched is closed when it has ended; nil before the first start.
	quit, watched chan struct{}
}

// NewEmbedded returns a server that is not started yet.
func NewEmbedded(cfg EmbeddedConfig) (*Embedded, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Store == "" {
		cfg.Store = defaultStore
	}
	dir, err := filepath.Abs(cfg.Store)
	if err != nil {
		return nil, bindings.Missing("store", fmt.Errorf("nats: embedded server: %w", err))
	}
	e := &Embedded{cfg: cfg, dir: dir}
	e.LogTo(zap.NewNop())
	return e, nil
}

// LogTo says where the server's own log lines and those about its store go; nowhere by default. It is called before
// Start and before any source or sink connects.
func (e *Embedded) LogTo(log *zap.Logger) {
	e.log, e.lines = log, newServerLog(log)
}

// Start starts the server if it does not run yet. Sources and sinks do it themselves; a program calls it to see early
// whether the store can be opened.
func (e *Embedded) Start() error {
	if e == nil {
		return bindings.Invalid("url", "embedded needs the top-level block embedded: { store: DIR }")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return errors.New("nats: the embedded server is closed")
	case e.quit != nil:
		return nil // it runs, or the watch restarts it
	}
	if err := e.launch(); err != nil {
		return err
	}
	e.quit, e.watched = make(chan struct{}), make(chan struct{})
	go e.watch(e.quit, e.watched)
	return nil
}

// Started reports whether a source or sink uses the server.
func (e *Embedded) Started() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.quit != nil
}

// InProcessConn opens a connection to the server that runs at the moment, which a restart may have replaced.
func (e *Embedded) InProcessConn() (net.Conn, error) {
	srv := e.running.Load()
	if srv == nil {
		return nil, errors.New("nats: the embedded server does not run")
	}
	return srv.InProcessConn()
}

// ClientURL returns the address for other clients, empty if the server does not listen or does not run.
func (e *Embedded) ClientURL() string {
	srv := e.running.Load()
	if srv == nil || e.cfg.Listen == "" {
		return ""
	}
	return srv.ClientURL()
}

// Close stops the server and waits until its store is closed. Sources and sinks must be closed before.
func (e *Embedded) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.quit != nil && !e.closed {
		close(e.quit)
		<-e.watched
	}
	e.closed = true
	e.stop()
	if e.lock != nil {
		e.lock.Close()
		e.lock = nil
	}
}

// stop ends the server that runs, if one does.
func (e *Embedded) stop() {
	e.running.Store(nil)
	if e.srv == nil {
		return
	}
	e.lines.quiet.Store(true)
	e.srv.Shutdown()
	e.srv.WaitForShutdown()
	e.srv = nil
}

// launch starts a server.
func (e *Embedded) launch() error {
	o, err := e.options()
	if err != nil {
		return err
	}
	if e.lock == nil {
		lock, err := lockStore(e.dir)
		if err != nil {
			return bindings.Missing("store", fmt.Errorf("nats: embedded server: %w", err))
		}
		e.lock = lock
	}
	o.JetStreamMaxStore = e.bound()
	srv, err := server.NewServer(o)
	if err != nil {
		return bindings.Missing("store", fmt.Errorf("nats: embedded server: %w", err))
	}
	e.lines.quiet.Store(true)
	defer e.lines.quiet.Store(false)
	srv.SetLogger(e.lines, e.lines.debugs(), false) // a trace would show what messages hold
	srv.Start()
	if !srv.ReadyForConnections(embeddedStart) || !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return bindings.Missing("store", fmt.Errorf("nats: the embedded server could not start in %s; is the directory in use, or the address? %s",
			e.cfg.Store, e.lines.lastError()))
	}
	if at, ok := srv.Addr().(*net.TCPAddr); ok && at != nil {
		e.port = at.Port
	}
	e.srv = srv
	e.running.Store(srv)
	return nil
}

// options are the server's, all but the bound of its store.
func (e *Embedded) options() (*server.Options, error) {
	o := &server.Options{
		ServerName: "embedded", JetStream: true, StoreDir: e.cfg.Store, SyncAlways: e.cfg.Sync,
		NoSigs: true, NoLog: true, DontListen: e.cfg.Listen == "",
	}
	e.cfg.authorize(o)
	if e.cfg.Listen == "" {
		return o, nil
	}
	var err error
	if o.Host, o.Port, err = splitListen(e.cfg.Listen); err != nil {
		return nil, bindings.Invalid("listen", "%w", err)
	}
	if e.port != 0 {
		o.Port = e.port
	}
	return o, nil
}

// splitListen splits an address; port 0 becomes the server's code for any free port.
func splitListen(s string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not an address such as 127.0.0.1:4222", s)
	}
	if port, err = strconv.Atoi(text); err != nil || port < 0 || port > 65_535 {
		return "", 0, fmt.Errorf("%q is not an address such as 127.0.0.1:4222", s)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}
