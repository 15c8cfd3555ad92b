// Command brokers starts real brokers on loopback ports, prints their addresses as shell exports, and stops them when
// it is interrupted or when the command behind "--" ends.
//
//	brokers [-only kafka,sqs,nats] [-dir folder] [-fetch] [-- command argument…]
//
// It runs inside of the module, because nats-server is built in the version that go.mod pins. test/brokers/up does that.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/eventrouter/router/test/brokers"
)

func main() {
	os.Exit(run())
}

// run returns the exit code: that of the command, 2 for a mistake in the arguments, else 1 for any failure.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	if err := o.parse(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		fmt.Fprintln(os.Stderr, "brokers:", err)
		return 2
	}
	err := o.run(ctx, os.Stdout)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(1, exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// options are the command line.
type options struct {
	only    []string
	dir     string
	fetch   bool
	command []string
}

// kinds returns the brokers there are.
func kinds() []string { return []string{"kafka", "sqs", "nats"} }

func (o *options) parse(args []string) error {
	flags := flag.NewFlagSet("brokers", flag.ContinueOnError)
	only := flags.String("only", strings.Join(kinds(), ","), "comma-separated list of the brokers to start")
	flags.StringVar(&o.dir, "dir", "", "folder for the brokers' data, kept at the end (default: a temporary one, removed)")
	flags.BoolVar(&o.fetch, "fetch", false, "only download what is needed into the cache")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.only, o.command = strings.Split(*only, ","), flags.Args()
	for _, kind := range o.only {
		if !slices.Contains(kinds(), kind) {
			return fmt.Errorf("-only: %q is none of %s", kind, strings.Join(kinds(), ", "))
		}
	}
	return nil
}

// broker is what runs: how to stop it, and the variable that tells a test suite its address.
type broker struct {
	stop     func() error
	variable string
}

func (o *options) run(ctx context.Context, out io.Writer) (err error) {
	if o.fetch {
		return o.fetchAll(ctx, out)
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "brokers-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	} else if o.dir, err = filepath.Abs(o.dir); err != nil {
		return err
	}
	running, err := o.startAll(ctx)
	defer func() {
		for _, b := range running {
			err = errors.Join(err, b.stop())
		}
	}()
	if err != nil {
		return err
	}
	for _, b := range running {
		fmt.Fprintln(out, "export "+b.variable)
	}
	if len(o.command) > 0 {
		return o.runCommand(ctx, running)
	}
	fmt.Fprintln(os.Stderr, "brokers: ready; data and logs in "+o.dir+"; interrupt to stop")
	<-ctx.Done()
	return nil
}

func (o *options) fetchAll(ctx context.Context, out io.Writer) error {
	for _, kind := range o.only {
		fetch := brokers.FetchNATS
		switch kind {
		case "kafka":
			fetch = brokers.FetchKafka
		case "sqs":
			fetch = brokers.FetchElasticMQ
		}
		path, err := fetch(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, path)
	}
	return nil
}

// startAll starts the brokers side by side. It returns those that run even if others failed.
func (o *options) startAll(ctx context.Context) ([]broker, error) {
	started := make([]broker, len(o.only))
	errs := make([]error, len(o.only))
	var wg sync.WaitGroup
	for i, kind := range o.only {
		wg.Go(func() { started[i], errs[i] = start(ctx, kind, filepath.Join(o.dir, kind)) })
	}
	wg.Wait()
	started = slices.DeleteFunc(started, func(b broker) bool { return b.stop == nil })
	return started, errors.Join(errs...)
}

func start(ctx context.Context, kind, dir string) (broker, error) {
	switch kind {
	case "kafka":
		k, err := brokers.NewKafka(ctx, dir)
		if err != nil {
			return broker{}, err
		}
		return broker{k.Stop, "ROUTER_TEST_KAFKA=" + k.Addr}, nil
	case "sqs":
		q, err := brokers.NewElasticMQ(ctx, dir)
		if err != nil {
			return broker{}, err
		}
		return broker{q.Stop, "ROUTER_TEST_SQS_ENDPOINT=" + q.Endpoint}, nil
	default:
		n, err := brokers.NewNATS(ctx, dir)
		if err != nil {
			return broker{}, err
		}
		return broker{n.Stop, "ROUTER_TEST_NATS=" + n.URL}, nil
	}
}

// runCommand runs the command with the brokers' addresses in its environment.
func (o *options) runCommand(ctx context.Context, running []broker) error {
	cmd := exec.CommandContext(ctx, o.command[0], o.command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	for _, b := range running {
		cmd.Env = append(cmd.Env, b.variable)
	}
	return cmd.Run()
}
