package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/eventrouter/router/internal/admin"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/judge"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/internal/terminal"
	"github.com/eventrouter/router/internal/wire"
	"github.com/eventrouter/router/pipeline"
)

func (a *cli) runCommand() *cobra.Command {
	var paths []string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the router",
		Long: "run reads the configuration, runs its tests, and routes until SIGTERM or SIGINT, at which it drains: it\n" +
			"stops reading, finishes what is in flight, and acknowledges it. A second signal ends it at once.\n" +
			"When a file of the configuration changes, or at SIGHUP, it takes over the new routes, tests and unmatched\n" +
			"policy; what else has changed needs a restart, and is refused until then.",
		Args: wantsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			heedClosedPipes()
			ctx, stop := signalContext(cmd.Context())
			defer stop()
			return a.runRouter(ctx, paths)
		},
	}
	configFlag(cmd, &paths)
	return cmd
}

// runRouter runs a configuration until ctx is done.
func (a *cli) runRouter(ctx context.Context, paths []string) error {
	a.recordFiles()
	cfg, err := a.load(paths)
	if err != nil {
		return err
	}
	if results := a.runTests(cfg); judge.FailedTests(results) > 0 {
		a.printTests(results)
		if err := judge.BrokenSink(results); err != nil {
			return exit.OfConfig(err)
		}
		return &exit.Error{Code: exit.Config, Err: fmt.Errorf("%s of the configuration failed; nothing was started",
			phrase.Count(judge.FailedTests(results), "test"))}
	}
	log, err := newLogger(cfg.Log, a.stderr)
	if err != nil {
		return &exit.Error{Code: exit.Config, Err: err}
	}
	defer func() { _ = log.Sync() }() // standard error may be a terminal, which cannot be synced
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // from here on, so that none ends the process
	defer signal.Stop(hangups)
	limitMemory(log)
	in, err := a.build(cfg, log)
	if err != nil {
		return err
	}
	defer in.close()
	watching, stop := context.WithCancel(ctx)
	reloading := a.watch(watching, in, paths, hangups)
	err = in.run(ctx)
	stop()
	<-reloading
	return err
}

// instance is a router that is built and not yet, or no longer, running.
type instance struct {
	log *zap.Logger
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

// build makes every part and binds every port. Nothing is read, written or answered yet. It takes the configuration over
// and releases what a running router does not need of it.
func (a *cli) build(cfg *config.Config, log *zap.Logger) (*instance, error) {
	files := a.markFiles(cfg) // before a part reads one: a change in between is then noticed at the next reload
	w, err := wire.New(cfg, log, a.events())
	if err != nil {
		return nil, exit.OfConfig(err)
	}
	in := &instance{log: log, wiring: w, routes: markRoutes(cfg), files: files}
	settings, err := w.Settings()
	if err == nil {
		in.pipeline, err = pipeline.New(settings)
	}
	if err != nil {
		wire.CloseSinks(context.Background(), settings.Sinks)
		in.close()
		return nil, exit.OfConfig(err)
	}
	if err := in.listenAdmin(); err != nil {
		wire.CloseSinks(context.Background(), settings.Sinks)
		in.close()
		return nil, err
	}
	cfg.Release()
	freeMemory(in.routes.count)
	return in, nil
}

// close releases what is left after run, or without it.
func (in *instance) close() { in.wiring.Close() }

// run routes until ctx is done and what is in flight has come home.
func (in *instance) run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- in.admin.Serve() }()
	in.wiring.Serve()
	p := in.pipeline
	stopping := context.AfterFunc(ctx, func() {
		in.log.Info("stopping: no more is read, what is in flight is finished", zap.Int64("in_flight", inFlight(p.Ledger())))
		in.admin.Stopping()
	})
	defer stopping()

	in.log.Info("router started", zap.String("version", version), zap.String("admin", in.admin.Addr().String()),
		zap.Int("sources", len(in.wiring.Config().Sources)), zap.Int("sinks", len(in.wiring.Config().Sinks)),
		zap.Int("routes", in.routes.count))
	err := p.Run(ctx)
	in.wiring.CloseIngress() // which have answered 503 until here
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

func (in *instance) listenAdmin() error {
	address := in.wiring.Config().Admin.Listen
	if address == "" {
		address = defaultAdmin
	}
	var err error
	in.admin, err = admin.Listen(address, admin.Settings{
		Health: in.health, Ledger: in.pipeline.Ledger, Reloads: in.reloads.figures, Version: version, Log: in.log,
	})
	if err != nil {
		return &exit.Error{Code: exit.Environment, Err: fmt.Errorf("%s: admin.listen: %w", in.wiring.Config().Pos("admin.listen"), err)}
	}
	return nil
}

// health is the state of every sink and source, and of the embedded server's store if one of them uses it.
func (in *instance) health() []pipeline.Status {
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

// newLogger logs to standard error: text for people, JSON for machines.
func newLogger(c config.Log, w io.Writer) (*zap.Logger, error) {
	level := zapcore.InfoLevel
	if c.Level != "" {
		var err error
		if level, err = zapcore.ParseLevel(c.Level); err != nil {
			return nil, fmt.Errorf("log.level: %w", err)
		}
	}
	format := c.Format
	if format == "" {
		format = "json"
		if isTerminal(w) {
			format = "text"
		}
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	enc.TimeKey = "time"
	enc.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(enc)
	if format == "text" {
		enc.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(enc)
	}
	return zap.New(oneLine{zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)}), nil
}

// oneLine is a core whose messages cannot begin a line of their own: some come from libraries, which quote their peers. The
// text format writes a message as it is, and fields as JSON.
type oneLine struct{ zapcore.Core }

func (c oneLine) With(fields []zapcore.Field) zapcore.Core { return oneLine{c.Core.With(fields)} }

func (c oneLine) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c oneLine) Write(e zapcore.Entry, fields []zapcore.Field) error {
	e.Message = strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(terminal.Visible(e.Message))
	return c.Core.Write(e, fields)
}

// limitMemory keeps the garbage collector below nine tenths of the container's memory.
func limitMemory(log *zap.Logger) {
	if limit, err := memlimit.Set(); err == nil && limit > 0 {
		log.Debug("memory limit set", zap.Int64("bytes", limit))
	}
}
