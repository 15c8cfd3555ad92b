package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// The connection's settings. The client's defaults give up forever after 60 attempts, take up to six minutes to see a
// dead peer, and keep publishes in memory while disconnected.
const (
	dialTimeout    = 5 * time.Second
	reconnectWait  = 250 * time.Millisecond
	reconnectFuzz  = 250 * time.Millisecond
	pingInterval   = 10 * time.Second
	apiTimeout     = 5 * time.Second
	logSlowEvery   = 10 * time.Second
	firstBackOff   = 250 * time.Millisecond
	longestBackOff = 5 * time.Second
)

// errDisconnected is what everything fails with that was under way when the connection went.
var errDisconnected = errors.New("nats: the connection was lost, the outcome is unknown")

// endpoint is where a source or sink connects to.
type endpoint struct {
	url      string
	auth     auth
	name     string
	log      *zap.Logger
	embedded *Embedded
}

// hooks are what an owner of a connection wants to know. They run on the client's callback goroutine, in order.
type hooks struct {
	lost func()
	back func(*natsgo.Conn)
	slow func(*natsgo.Subscription)
	// denied is for what the server refused; it may be nil, as slow may.
	denied func(error)
}

// refusal reports whether err says that the server refuses what was asked of it, and will as long as its configuration
// stays.
func refusal(err error) bool {
	return errors.Is(err, natsgo.ErrPermissionViolation) || errors.Is(err, natsgo.ErrMaxSubscriptionsExceeded)
}

// dial connects. The client keeps the connection from then on, until it is closed.
func (p *endpoint) dial(ctx context.Context, h hooks) (*natsgo.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	opts := []natsgo.Option{
		natsgo.Name("router/" + p.name),
		natsgo.Timeout(dialTimeout),
		natsgo.MaxReconnects(-1),
		natsgo.ReconnectWait(reconnectWait),
		natsgo.ReconnectJitter(reconnectFuzz, reconnectFuzz),
		natsgo.ReconnectBufSize(-1),
		natsgo.PingInterval(pingInterval),
		natsgo.MaxPingsOutstanding(2),
		// Credentials may be rotated while we run: being refused is no reason to give up.
		natsgo.IgnoreAuthErrorAbort(),
		// That we close the connection is no news, and least of all a loss of it.
		natsgo.NoCallbacksAfterClientClose(),
		natsgo.DisconnectErrHandler(func(_ *natsgo.Conn, err error) {
			if err != nil {
				p.log.Warn("nats: disconnected", zap.Error(err))
			}
			h.lost()
		}),
		natsgo.ReconnectHandler(func(nc *natsgo.Conn) {
			p.log.Info("nats: connected again", zap.String("url", nc.ConnectedUrlRedacted()))
			h.back(nc)
		}),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, sub *natsgo.Subscription, err error) {
			if errors.Is(err, natsgo.ErrSlowConsumer) && h.slow != nil {
				h.slow(sub)
				return
			}
			p.log.Warn("nats: asynchronous error", zap.Error(err))
			if refusal(err) && h.denied != nil {
				h.denied(err)
			}
		}),
	}
	address := p.url
	if address == embeddedURL {
		if err := p.embedded.Start(); err != nil {
			return nil, err
		}
		address = ""
		opts = append(opts, natsgo.InProcessServer(p.embedded))
	}
	more, err := p.auth.options()
	if err != nil {
		return nil, err
	}
	if p.url == embeddedURL {
		more = p.embedded.credentials()
	}
	nc, err := natsgo.Connect(address, append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("nats: connect: %w", err)
	}
	return nc, nil
}

func (a auth) options() ([]natsgo.Option, error) {
	var opts []natsgo.Option
	switch {
	case a.creds != "":
		opts = append(opts, natsgo.UserCredentials(a.creds))
	case a.nkey != "":
		o, err := natsgo.NkeyOptionFromSeed(a.nkey)
		if err != nil {
			return nil, fmt.Errorf("nats: nkey: %w", err)
		}
		opts = append(opts, o)
	case !a.token.IsZero():
		opts = append(opts, natsgo.Token(a.token.Reveal()))
	case a.user != "":
		opts = append(opts, natsgo.UserInfo(a.user, a.password.Reveal()))
	}
	if a.tls != nil {
		c, err := a.tls.Client()
		if err != nil {
			return nil, err
		}
		opts = append(opts, natsgo.Secure(c))
	}
	return opts, nil
}

// jetStream returns the management interface of a connection.
func jetStream(nc *natsgo.Conn) (jetstream.JetStream, error) {
	return jetstream.New(nc, jetstream.WithDefaultTimeout(apiTimeout))
}

// link is a connection that is made when it is first needed.
type link struct {
	endpoint
	hooks hooks
	setUp func(*natsgo.Conn) error // runs once, before the connection is used; may be nil

	mu sync.Mutex // guards nc
	nc *natsgo.Conn
}

// get returns the connection, connected or not; the first call dials.
func (l *link) get(ctx context.Context) (*natsgo.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nc != nil {
		return l.nc, nil
	}
	nc, err := l.dial(ctx, l.hooks)
	if err != nil {
		return nil, err
	}
	if l.setUp != nil {
		if err := l.setUp(nc); err != nil {
			nc.Close()
			return nil, err
		}
	}
	l.nc = nc
	return nc, nil
}

// close ends the connection if there is one.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nc != nil {
		l.nc.Close()
		l.nc = nil
	}
}

// backOff is a wait that doubles from firstBackOff to longestBackOff.
type backOff struct{ next time.Duration }

// wait sleeps, less if early says so; it reports false if ctx was done first.
func (b *backOff) wait(ctx context.Context, early <-chan struct{}) bool {
	b.next = min(max(b.next*2, firstBackOff), longestBackOff)
	t := time.NewTimer(b.next)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-early:
		return true
	case <-ctx.Done():
		return false
	}
}

func (b *backOff) reset() { b.next = 0 }
