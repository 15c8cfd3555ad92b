package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/internal/app"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/pipeline"
)

//go:embed demo.yaml
var demoConfig []byte

func (a *cli) demoCommand() *cobra.Command {
	var length time.Duration
	var rate int
	var show bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a complete router on embedded parts, with traffic",
		Long: "demo runs a router without any broker: an HTTP ingress, a JetStream stream inside the process, a web hook\n" +
			"receiver and the terminal. It sends itself events, shows the rate of each route, and at the end says what\n" +
			"went where.",
		Args: wantsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if show {
				_, err := a.stdout.Write(demoConfig)
				return err
			}
			heedClosedPipes()
			ctx, stop := signalContext(cmd.Context())
			defer stop()
			return a.demo(ctx, length, rate)
		},
	}
	cmd.Flags().DurationVar(&length, "for", 10*time.Second, "how long to send")
	cmd.Flags().IntVar(&rate, "rate", 1000, "events per second to send")
	cmd.Flags().BoolVar(&show, "show-config", false, "print the configuration that the demo runs, and exit")
	return cmd
}

// demoRun is a demo under way.
type demoRun struct {
	cli      *cli
	instance *app.Instance
	receiver *demoReceiver
	terminal *lineCounter
	shop     *demoShop
}

func (a *cli) demo(ctx context.Context, length time.Duration, rate int) error {
	if length <= 0 || rate <= 0 {
		return &exit.Error{Code: exit.Config, Err: errors.New("demo: --for and --rate must be positive")}
	}
	store, err := os.MkdirTemp("", "router-demo-")
	if err != nil {
		return &exit.Error{Code: exit.Environment, Err: err}
	}
	defer func() { _ = os.RemoveAll(store) }() // a temporary folder that stays is harmless
	receiver, err := newDemoReceiver(ctx)
	if err != nil {
		return &exit.Error{Code: exit.Environment, Err: err}
	}
	defer receiver.close()
	d := &demoRun{cli: a, receiver: receiver, terminal: &lineCounter{w: a.events()}}
	if a.json {
		d.terminal.w = io.Discard // standard output is the report's
	}
	if err := d.build(store); err != nil {
		return err
	}
	defer d.instance.Close()
	return d.run(ctx, length, rate)
}

// build makes the router of the embedded configuration.
func (d *demoRun) build(store string) error {
	vars := map[string]string{"DEMO_RECEIVER": d.receiver.address(), "DEMO_STORE": store}
	const path = "demo.yaml"
	cfg, err := config.Load([]string{path}, config.Env{
		LookupEnv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		ReadFile:  func(string) ([]byte, error) { return demoConfig, nil },
		ReadDir:   func(string) ([]fs.DirEntry, error) { return nil, fs.ErrInvalid },
	})
	if err != nil {
		return exit.OfConfig(err)
	}
	log, err := app.NewLogger(cfg.Log, d.cli.stderr)
	if err != nil {
		return err
	}
	d.instance, err = app.Build(cfg, app.Settings{Env: d.cli.env, Events: d.terminal, Version: version, Log: log})
	return err
}

// run sends for the given time, waits until everything has arrived, stops the router and reports.
func (d *demoRun) run(ctx context.Context, length time.Duration, rate int) error {
	// An interrupt ends the sending. The router goes on until what was sent has arrived, so that the figures balance;
	// should it end by itself, nothing waits for it.
	life, dead := context.WithCancel(context.WithoutCancel(ctx))
	defer dead()
	routing, stop := context.WithCancel(life)
	defer stop()
	stopped := make(chan error, 1)
	go func() {
		stopped <- d.instance.Run(routing)
		dead()
	}()

	d.shop = newDemoShop("http://" + d.instance.IngressAddr("shop") + "/events")
	fmt.Fprintf(d.cli.stderr, "ingress %s, admin http://%s/readyz?verbose\n", d.shop.url, d.instance.AdminAddr())
	sending, done := context.WithTimeout(ctx, length)
	defer done()
	defer context.AfterFunc(life, done)()
	var wg sync.WaitGroup
	wg.Go(func() { d.shop.send(sending, life, rate) })
	d.watch(sending)
	wg.Wait()
	d.settle(life)
	stop()
	err := <-stopped
	return errors.Join(err, d.report())
}

// settle waits until what was sent has passed through the stream, or thirty seconds have gone by.
func (d *demoRun) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if t := d.tally(); t.balanced() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// watch shows the rate of every route once a second.
func (d *demoRun) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before := map[string]int64{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var line bytes.Buffer
		fmt.Fprintf(&line, "%6d sent ", d.shop.sent.Load())
		for _, r := range d.instance.Ledger().Routes {
			fmt.Fprintf(&line, "  %s %5d/s", r.Name, r.Matched-before[r.Name])
			before[r.Name] = r.Matched
		}
		fmt.Fprintln(d.cli.stderr, line.String())
	}
}

// demoTally is where the events of a demo ended. Every event ends in exactly one of these places.
type demoTally struct {
	Sent      int64 `json:"sent"`
	Billing   int64 `json:"delivered_billing"`
	Terminal  int64 `json:"delivered_terminal"`
	Debug     int64 `json:"dropped_by_route_debug"`
	Unmatched int64 `json:"dropped_unmatched"`
	Refused   int64 `json:"refused"`
	Twice     int64 `json:"delivered_twice"`

	Routes []pipeline.RouteFigures `json:"routes"`
}

func (t *demoTally) balanced() bool {
	return t.Sent == t.Billing+t.Terminal+t.Debug+t.Unmatched && t.Twice == 0
}

func (d *demoRun) tally() demoTally {
	l := d.instance.Ledger()
	distinct, twice := d.receiver.figures()
	return demoTally{
		Sent: d.shop.sent.Load(), Refused: d.shop.refused.Load(), Billing: distinct, Twice: twice,
		Terminal: d.terminal.lines.Load(), Debug: l.Drops["route debug"], Unmatched: l.Drops["unmatched"], Routes: l.Routes,
	}
}

func (d *demoRun) report() error {
	t := d.tally()
	ok := t.balanced()
	if d.cli.json {
		d.cli.writeJSON(map[string]any{"ok": ok, "tally": t})
	} else {
		s := styleFor(d.cli.stdout)
		out := d.cli.stdout
		fmt.Fprintf(out, "\n%s\n", s.bold("what went where"))
		fmt.Fprintf(out, "%8d  sent to the ingress and confirmed by it\n", t.Sent)
		fmt.Fprintf(out, "%8d  delivered to billing (the web hook)\n", t.Billing)
		fmt.Fprintf(out, "%8d  delivered to terminal\n", t.Terminal)
		fmt.Fprintf(out, "%8d  dropped by route debug (to: drop)\n", t.Debug)
		fmt.Fprintf(out, "%8d  dropped as unmatched (unmatched: drop)\n", t.Unmatched)
		if t.Refused > 0 {
			fmt.Fprintf(out, "%8d  answered with something else than 204, and sent again\n", t.Refused)
		}
		verdict := s.good("balances")
		if !ok {
			verdict = s.bad("DOES NOT BALANCE")
		}
		fmt.Fprintf(out, "%d sent = %d delivered + %d stated drops: %s\n",
			t.Sent, t.Billing+t.Terminal, t.Debug+t.Unmatched, verdict)
	}
	if !ok {
		return &exit.Error{Code: exit.Failed, Err: errors.New("demo: the figures do not balance"), Silent: true}
	}
	return nil
}

// demoReceiver is the web hook's other end: it counts the events it was given by their id.
type demoReceiver struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}

	mu   sync.Mutex // guards what follows
	seen map[string]int64
	all  int64
}

func newDemoReceiver(ctx context.Context) (*demoReceiver, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &demoReceiver{listener: l, seen: map[string]int64{}, done: make(chan struct{})}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(r.done)
		_ = r.server.Serve(l) // ends with close
	}()
	return r, nil
}

func (r *demoReceiver) address() string { return r.listener.Addr().String() }

func (r *demoReceiver) close() {
	_ = r.server.Close() // nothing is under way any more
	<-r.done
}

func (r *demoReceiver) figures() (distinct, twice int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int64(len(r.seen)), r.all - int64(len(r.seen))
}

// ServeHTTP takes an event and answers 204.
func (r *demoReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		http.Error(w, "body", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.seen[req.Header.Get("ce-id")]++
	r.all++
	r.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// lineCounter counts the lines of the terminal sink on their way to the terminal.
type lineCounter struct {
	w     io.Writer
	lines atomic.Int64
}

// Write passes p on.
func (c *lineCounter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.lines.Add(int64(bytes.Count(p[:n], []byte("\n"))))
	return n, err
}
