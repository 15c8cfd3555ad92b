package brokers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// NATS is a nats-server of one node with JetStream, which writes every message to disk before it acknowledges it.
type NATS struct {
	// URL is what clients connect to, or a comma-separated list of it.
	URL string
	// monitor is the address of the monitoring port, empty if the server is external.
	monitor string
	Process
}

// NewNATS starts a server on a data folder, which keeps what it was told; the folder may be one of an earlier run.
func NewNATS(ctx context.Context, dir string) (*NATS, error) {
	binary, err := FetchNATS(ctx)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	monitor, err := freePort()
	if err != nil {
		return nil, err
	}
	n := &NATS{URL: "nats://" + loopback(port), monitor: loopback(monitor), Process: Process{name: "nats-server", dir: dir}}
	n.ready = n.Ping
	config := filepath.Join(dir, "nats.conf")
	text := fmt.Sprintf("server_name: test\nlisten: %q\nhttp: %q\njetstream { store_dir: %q, sync_interval: always }\n",
		loopback(port), n.monitor, filepath.Join(dir, "data"))
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(config, []byte(text), 0o600)); err != nil {
		return nil, err
	}
	n.args = []string{binary, "-c", config}
	return n, n.start(ctx)
}

// Client returns a connection, which the caller closes, and its JetStream.
func (n *NATS) Client(opts ...natsgo.Option) (*natsgo.Conn, jetstream.JetStream, error) {
	conn, err := natsgo.Connect(n.URL, append([]natsgo.Option{natsgo.Timeout(5 * time.Second)}, opts...)...)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, js, nil
}

// Ping tells whether the server is healthy, with its streams recovered, and JetStream answers.
func (n *NATS) Ping(ctx context.Context) error {
	if n.monitor != "" {
		if err := get(ctx, "http://"+n.monitor+"/healthz"); err != nil {
			return err
		}
	}
	conn, js, err := n.Client()
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = js.AccountInfo(ctx)
	return err
}

// CreateStream makes a stream on disk that takes the subjects.
func (n *NATS) CreateStream(ctx context.Context, name string, subjects ...string) error {
	conn, js, err := n.Client()
	if err != nil {
		return err
	}
	defer conn.Close()
	cfg := jetstream.StreamConfig{Name: name, Subjects: subjects, Storage: jetstream.FileStorage}
	if _, err := js.CreateStream(ctx, cfg); err != nil {
		return fmt.Errorf("nats: stream %s: %w", name, err)
	}
	return nil
}
