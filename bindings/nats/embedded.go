package nats

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/eventrouter/router/bindings"
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
	// this process only. It has no authentication: bind it to a loopback address.
	Listen string `yaml:"listen,omitempty"`
	// Sync writes every message to the disk before it is acknowledged. Without it the server syncs every two minutes,
	// and a power loss may take acknowledged messages.
	Sync bool `yaml:"sync,omitempty"`
	// MaxStore bounds the bytes of all streams together; 0 takes the server's own bound, which is most of the free disk.
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
	return errors.Join(errs...)
}

// Embedded is a JetStream server inside the process, shared by all sources and sinks whose url is "embedded". It is
// started by the first of them that connects, and closed by its owner after the last.
type Embedded struct {
	cfg EmbeddedConfig

	mu     sync.Mutex // guards what follows
	srv    *server.Server
	lock   *os.File
	closed bool
}

// NewEmbedded returns a server that is not started yet.
func NewEmbedded(cfg EmbeddedConfig) (*Embedded, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Store == "" {
		cfg.Store = defaultStore
	}
	return &Embedded{cfg: cfg}, nil
}

// Start starts the server if it does not run yet. Sources and sinks do it themselves; a program calls it to see early
// whether the store can be opened.
func (e *Embedded) Start() error {
	_, err := e.start()
	return err
}

// ClientURL returns the address for other clients, empty if the server does not listen or does not run.
func (e *Embedded) ClientURL() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.srv == nil || e.cfg.Listen == "" {
		return ""
	}
	return e.srv.ClientURL()
}

// Close stops the server and waits until its store is closed. Sources and sinks must be closed before.
func (e *Embedded) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if e.srv != nil {
		e.srv.Shutdown()
		e.srv.WaitForShutdown()
		e.srv = nil
	}
	if e.lock != nil {
		e.lock.Close()
		e.lock = nil
	}
}

func (e *Embedded) start() (*server.Server, error) {
	if e == nil {
		return nil, bindings.Invalid("url", "embedded needs the top-level block embedded: { store: DIR }")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return nil, errors.New("nats: the embedded server is closed")
	case e.srv != nil:
		return e.srv, nil
	}
	o := &server.Options{
		ServerName: "embedded", JetStream: true, StoreDir: e.cfg.Store, SyncAlways: e.cfg.Sync,
		JetStreamMaxStore: int64(e.cfg.MaxStore), NoSigs: true, NoLog: true, DontListen: e.cfg.Listen == "",
	}
	if e.cfg.Listen != "" {
		var err error
		if o.Host, o.Port, err = splitListen(e.cfg.Listen); err != nil {
			return nil, bindings.Invalid("listen", "%w", err)
		}
	}
	if e.lock == nil {
		lock, err := lockStore(e.cfg.Store)
		if err != nil {
			return nil, bindings.Missing("store", fmt.Errorf("nats: embedded server: %w", err))
		}
		e.lock = lock
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return nil, bindings.Missing("store", fmt.Errorf("nats: embedded server: %w", err))
	}
	srv.Start()
	if !srv.ReadyForConnections(embeddedStart) || !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, bindings.Missing("store", fmt.Errorf("nats: the embedded server could not start in %s; is the directory in use, or the address?", e.cfg.Store))
	}
	e.srv = srv
	return srv, nil
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
