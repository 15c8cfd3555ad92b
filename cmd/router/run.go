package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/internal/app"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/judge"
	"github.com/eventrouter/router/internal/phrase"
)

func (a *cli) runCommand() *cobra.Command {
	var paths []string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the router",
		Long: "run reads the configuration, runs its tests, and routes until SIGTERM or SIGINT, at which it drains: it\n" +
			"stops reading, finishes what is in flight, and acknowledges it. A second signal ends it at once.\n" +
			"When a file of the configuration changes, or at SIGHUP, it applies the new routes, tests and unmatched\n" +
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
	files := app.Record(&a.env)
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
	log, err := app.NewLogger(cfg.Log, a.stderr)
	if err != nil {
		return &exit.Error{Code: exit.Config, Err: err}
	}
	defer func() { _ = log.Sync() }() // standard error may be a terminal, which cannot be synced
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // from here on, so that none ends the process
	defer signal.Stop(hangups)
	app.LimitMemory(log)
	in, err := app.Build(cfg, app.Settings{Env: a.env, Files: files, Events: a.events(), Version: version, Log: log})
	if err != nil {
		return err
	}
	defer in.Close()
	watching, stop := context.WithCancel(ctx)
	reloading := in.Watch(watching, paths, hangups)
	err = in.Run(ctx)
	stop()
	<-reloading
	return err
}
