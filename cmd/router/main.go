// Command router routes CloudEvents between Kafka, NATS, SQS and HTTP as one YAML file says.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/internal/terminal"
)

// cli is what the commands share: where they read and write, so that tests run them in process.
type cli struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	env    config.Env
	json   bool
	// width is the terminal's, in characters; 0 asks the terminal.
	width int
	// began is when the command began with what may take long.
	began time.Time
}

func main() {
	a := &cli{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(a.run(context.Background(), os.Args[1:]))
}

// run runs one command and returns the exit code.
func (a *cli) run(ctx context.Context, args []string) int {
	reported := newOutput(a.stdout)
	a.stdout = reported
	said := terminal.NewWriter(a.stderr, "")
	a.stderr = said
	defer func() { _ = said.Flush() }() // there is nowhere to tell that standard error is gone
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := reported.outcome(root.ExecuteContext(ctx))
	if err == nil {
		return exit.Fine
	}
	code := exit.Config // what cobra itself refuses is a wrong command line
	var coded *exit.Error
	if errors.As(err, &coded) {
		code = coded.Code
	}
	switch {
	case reported.err != nil:
		fmt.Fprintf(a.stderr, "router: %s\n", err)
	case coded == nil || !coded.Silent:
		a.report(err, code)
	}
	return code
}

// report writes an error for people, or with --json for programs.
func (a *cli) report(err error, code int) {
	var problems *config.Problems
	switch {
	case a.json && errors.As(err, &problems):
		a.writeJSON(map[string]any{"ok": false, "exit": code, "problems": problemList(problems.List), "warnings": problemList(problems.Warnings)})
	case a.json:
		a.writeJSON(map[string]any{"ok": false, "exit": code, "error": err.Error()})
	case errors.As(err, &problems):
		for _, w := range problems.Warnings {
			fmt.Fprintf(a.stderr, "warning: %s\n", w.Error())
		}
		fmt.Fprintln(a.stderr, problems.Error())
		fmt.Fprintf(a.stderr, "%s\n", phrase.Count(len(problems.List), "problem"))
	default:
		fmt.Fprintf(a.stderr, "router: %s\n", err)
	}
}

func (a *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "router",
		Short: "Route CloudEvents between Kafka, NATS, SQS and HTTP",
		Long: "router takes CloudEvents from Kafka, NATS, SQS and HTTP, matches them with rules of a YAML file, and\n" +
			"delivers each unchanged to every sink its rules name.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          wantsCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().BoolVar(&a.json, "json", false, "report as JSON")
	root.AddCommand(
		a.runCommand(),
		a.checkCommand(),
		a.testCommand(),
		a.explainCommand(),
		a.diffCommand(),
		a.graphCommand(),
		a.schemaCommand(),
		a.lintCommand(),
		a.sendCommand(),
		a.demoCommand(),
		a.healthCommand(),
		a.versionCommand(),
	)
	return root
}

// configFlag adds -c, which may be repeated and may name folders.
func configFlag(cmd *cobra.Command, paths *[]string) {
	cmd.Flags().StringArrayVarP(paths, "config", "c", []string{"router.yaml"}, "configuration file or folder; may be repeated")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // only fails for a flag that does not exist
}

// load reads the configuration and reports its warnings.
func (a *cli) load(paths []string) (*config.Config, error) {
	if slices.Contains(paths, "") {
		return nil, &exit.Error{Code: exit.Config, Err: errors.New("the name of the configuration is empty; it is a file or a folder")}
	}
	p := a.progress("reading the configuration", 0)
	cfg, err := config.Load(paths, a.env)
	p.end()
	if err != nil {
		return nil, exit.OfConfig(err)
	}
	if !a.json {
		for _, w := range cfg.Warnings {
			fmt.Fprintf(a.stderr, "warning: %s\n", w.Error())
		}
	}
	return cfg, nil
}

// signalContext is done at the first SIGTERM or SIGINT. A second one ends the process at once.
func signalContext(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		defer signal.Stop(signals)
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
			return
		}
		select {
		case <-signals:
			os.Exit(exit.Failed)
		case <-parent.Done():
		}
	}()
	return ctx, cancel
}
