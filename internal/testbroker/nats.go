// Package testbroker runs brokers and faults for tests inside the test's own process.
package testbroker

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// NATS is a NATS server with JetStream in this process that can be stopped and started again with the same address and
// the same store.
type NATS struct {
	// URL is the address of clients.
	URL string

	tb   testing.TB
	opts server.Options
	srv  *server.Server
	// release gives up the port that is held while the server is stopped.
	release func()
}

// NewNATS starts a server on a free port of the loopback interface, with its store in a folder of the test. It is
// stopped when the test ends. change, if not nil, may alter the options.
func NewNATS(tb testing.TB, change func(*server.Options)) *NATS {
	tb.Helper()
	n := &NATS{tb: tb, opts: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: tb.TempDir(), NoSigs: true, NoLog: true,
	}}
	if change != nil {
		change(&n.opts)
	}
	n.Start()
	tb.Cleanup(func() {
		n.Stop()
		if n.release != nil {
			n.release()
		}
	})
	return n
}

// Start starts the server after Stop, on the port it had.
func (n *NATS) Start() {
	n.tb.Helper()
	if n.release != nil {
		n.release()
		n.release = nil
	}
	opts := n.opts
	srv, err := server.NewServer(&opts)
	if err != nil {
		n.tb.Fatalf("nats server: %v", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(20 * time.Second) {
		n.tb.Fatal("nats server: not ready after 20s")
	}
	n.srv, n.URL = srv, srv.ClientURL()
	_, port, err := net.SplitHostPort(srv.Addr().String())
	if err != nil {
		n.tb.Fatalf("nats server: %v", err)
	}
	if n.opts.Port, err = strconv.Atoi(port); err != nil {
		n.tb.Fatalf("nats server: %v", err)
	}
}

// Stop stops the server and waits until its store is closed. It does nothing to a stopped server.
func (n *NATS) Stop() {
	if n.srv == nil {
		return
	}
	addr, tcp := n.srv.Addr().(*net.TCPAddr)
	n.srv.Shutdown()
	n.srv.WaitForShutdown()
	n.srv = nil
	if tcp && addr.IP.To4() != nil {
		n.release = reserve(addr)
	}
}

// Server returns the running server.
func (n *NATS) Server() *server.Server { return n.srv }
