// Package app makes a running router out of a configuration: it builds the parts, runs them with the admin server beside
// them, and applies what changes in the files that the configuration was read from. What the process gives, such as its
// environment and its log, are parameters.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/internal/admin"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/wire"
	"github.com/eventrouter/router/pipeline"
)

// DefaultAdmin is where a router serves its admin endpoint unless the configuration says otherwise.
const DefaultAdmin = "127.0.0.1:8081"

// Instance is a router that is built and not yet, or no longer, running.
type Instance struct {
	log     *zap.Logger
	version string
	// env is how the configuration is read again, and read what it was read from; nil until somebody watches it.
	env  config.Env
	read *ReadFiles
	// wiring keeps what the configuration says of parts, which no reload changes.
	wiring *wire.Wiring
	// routes tells the routes that run from others; a reload replaces it.
	routes routesMark
	// files tells what the files that the configuration names held when the parts read them.
	files    fileMarks
	pipeline *pipeline.Pipeline
	admin    *admin.Server
	reloads  reloads
}

// Settings are what a router takes from the process that it runs in.
type Settings struct {
	// Env is how the configuration and the files that it names are read, and Files what Record noted of it, if it did.
	Env   config.Env
	Files *ReadFiles
	// Events is where a stdout sink writes to.
	Events io.Writer
	// Version is the one of the program, for the log and the metrics.
	Version string
	Log     *zap.Logger
}

// Build makes every part and binds every port. Nothing is read, written or answered yet. It takes the configuration over
// and releases what a running router does not need of it.
func Build(cfg *config.Config, s Settings) (*Instance, error) {
	files := markFiles(cfg, s.Env) // before a part reads one: a change in between is then noticed at the next reload
	w, err := wire.New(cfg, s.Log, s.Events)
	if err != nil {
		return nil, exit.OfConfig(err)
	}
	in := &Instance{
		log: s.Log, version: s.Version, env: s.Env, read: s.Files, wiring: w, routes: markRoutes(cfg), files: files,
	}
	settings, err := w.Settings()
	if err == nil {
		in.pipeline, err = pipeline.New(settings)
	}
	if err != nil {
		wire.CloseSinks(context.Background(), settings.Sinks)
		in.Close()
		return nil, exit.OfConfig(err)
	}
	if err := in.listenAdmin(); err != nil {
		wire.CloseSinks(context.Background(), settings.Sinks)
		in.Close()
		return nil, err
	}
	cfg.Release()
	freeMemory(in.routes.count)
	return in, nil
}

// Close releases what is left after run, or without it.
func (in *Instance) Close() { in.wiring.Close() }

// AdminAddr is the address of the admin server.
func (in *Instance) AdminAddr() net.Addr { return in.admin.Addr() }

// IngressAddr is the address at which an HTTP source listens.
func (in *Instance) IngressAddr(source string) string { return in.wiring.IngressAddr(source) }

// Ledger returns the figures of the router as they are now.
func (in *Instance) Ledger() pipeline.Ledger { return in.pipeline.Ledger() }

// Run routes until ctx is done and what is in flight has come home.
func (in *Instance) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- in.admin.Serve() }()
	in.wiring.Serve()
	p := in.pipeline
	stopping := context.AfterFunc(ctx, func() {
		in.log.Info("stopping: no more is read, what is in flight is finished", zap.Int64("in_flight", inFlight(p.Ledger())))
		in.admin.Stopping()
	})
	defer stopping()

	in.log.Info("router started", zap.String("version", in.version), zap.String("admin", in.admin.Addr().String()),
		zap.Int("sources", len(in.wiring.Config().Sources)), zap.Int("sinks", len(in.wiring.Config().Sinks)),
		zap.Int("routes", in.routes.count))
	err := p.Run(ctx)
	in.wiring.CloseIngress() // which has answered 503 until here
	closeCtx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err = errors.Join(err, in.admin.Close(closeCtx), <-served)
	l := p.Ledger()
	figures := []zap.Field{zap.Any("sources", l.Sources), zap.Any("sinks", l.Sinks), zap.Any("policies", l.Policies)}
	if err != nil {
		in.log.Error("router stopped", append(figures, zap.Error(err))...)
		return &exit.Error{Code: exit.Failed, Err: err, Silent: true}
	}
	in.log.Info("router stopped", figures...)
	return nil
}

func (in *Instance) listenAdmin() error {
	address := in.wiring.Config().Admin.Listen
	if address == "" {
		address = DefaultAdmin
	}
	var err error
	in.admin, err = admin.Listen(address, admin.Settings{
		Health: in.health, Ledger: in.pipeline.Ledger, Reloads: in.reloads.figures, Version: in.version, Log: in.log,
	})
	if err != nil {
		return &exit.Error{Code: exit.Environment, Err: fmt.Errorf("%s: admin.listen: %w", in.wiring.Config().Pos("admin.listen"), err)}
	}
	return nil
}

// health is the state of every sink and source, and of the embedded server's store if one of them uses it.
func (in *Instance) health() []pipeline.Status {
	all := in.pipeline.Health()
	if e := in.wiring.Embedded(); e.Started() {
		all = append(all, pipeline.Status{Name: "embedded store", Err: e.Health()})
	}
	return all
}

func inFlight(l pipeline.Ledger) int64 {
	n := l.Policies.InFlight
	for _, s := range l.Sinks {
		n += s.InFlight
	}
	return n
}
