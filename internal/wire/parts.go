// Package wire turns a configuration into sources and sinks, and delivers to a sink that is used on its own. It is the only
// package that knows all transports.
package wire

import (
	"context"
	"time"

	"github.com/eventrouter/router/bindings/nats"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/pipeline"
)

// Config returns the configuration that parts are made of.
func (w *Wiring) Config() *config.Config { return w.cfg }

// Embedded returns the server inside the process, which is started by the first part that uses it.
func (w *Wiring) Embedded() *nats.Embedded { return w.embedded }

// Serve begins to answer on every port that a source listens on.
func (w *Wiring) Serve() { w.ports.Serve() }

// CloseIngress closes those ports. Until then requests are answered, also after their source has ended.
func (w *Wiring) CloseIngress() { w.ports.Close() }

// IngressAddr returns the address at which a source that was made listens.
func (w *Wiring) IngressAddr(name string) string { return w.ingress[name].Addr() }

// CloseSinks closes sinks that never ran; it gives all of them five seconds.
func CloseSinks(ctx context.Context, sinks []pipeline.Sink) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, k := range sinks {
		_ = k.Sink.Close(ctx) // it was only looked at
	}
}
