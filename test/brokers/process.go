package brokers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// readyTimeout is how long a broker may take to answer its first client; a JVM on a busy machine needs seconds.
	readyTimeout = 90 * time.Second
	// stopTimeout is how long it may take to end by itself before it is killed.
	stopTimeout = 20 * time.Second
	// pollEvery is how often readiness is asked for.
	pollEvery = 100 * time.Millisecond
)

// ErrExternal is the error of Kill and Restart for a broker that somebody else runs.
var ErrExternal = errors.New("brokers: the broker was given by its address and cannot be killed or restarted")

// Process is a broker that runs, or ran, on a folder and can be started again on it. Its methods are for one
// goroutine at a time.
type Process struct {
	name string
	dir  string   // holds broker.log and the broker's files
	args []string // the command; nil means that the broker is external
	// ready asks the broker, as a client would, whether it serves.
	ready func(ctx context.Context) error

	cmd    *exec.Cmd
	exited chan struct{} // closed by the goroutine that waits for cmd
}

// start starts the process and returns once it is ready.
func (p *Process) start(ctx context.Context) error {
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.cmd, p.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) {
		_ = cmd.Wait() // how it ended is read from its log, not from its code: being killed is normal here
		close(exited)
	}(p.exited)
	if err := p.poll(ctx, p.ready); err != nil {
		_ = p.Kill()
		return err
	}
	return nil
}

// poll asks until there is no error, the process ends, or it takes too long.
func (p *Process) poll(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := ask(once)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-p.exited: // nil, and so never ready, for an external broker
			return fmt.Errorf("%s: it ended: %s", p.name, p.logTail())
		case <-ctx.Done():
			return fmt.Errorf("%s: not ready: %w (%w): %s", p.name, err, ctx.Err(), p.logTail())
		case <-tick.C:
		}
	}
}

// Kill ends the broker as a crash would, with SIGKILL, and returns when it is gone. Its folder stays.
func (p *Process) Kill() error {
	if p.args == nil {
		return ErrExternal
	}
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	<-p.exited
	p.cmd = nil
	return nil
}

// Restart starts the broker again on its folder and port, killing it first if it runs, and returns once it is ready.
func (p *Process) Restart(ctx context.Context) error {
	if err := p.Kill(); err != nil {
		return err
	}
	return p.start(ctx)
}

// Stop ends the broker in good order, or kills it if that takes too long. An external broker is left alone.
func (p *Process) Stop() error {
	if p.args == nil || p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return p.Kill()
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-p.exited:
		p.cmd = nil
		return nil
	case <-timeout.C:
		return p.Kill()
	}
}

// PID returns the process id, 0 if the broker does not run or is external.
func (p *Process) PID() int {
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

func (p *Process) logFile() string { return filepath.Join(p.dir, "broker.log") }

// logTail returns the end of the broker's log, for error messages.
func (p *Process) logTail() string {
	if p.args == nil {
		return "external, no log"
	}
	log, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-2000):])
}

// freePort returns a loopback port that is free now. It lies below the ports that kernels give to outgoing
// connections: a killed broker's port must stay free until its restart, and a client that dials it in the meantime
// must not be given it as its own port and connect to itself.
func freePort() (int, error) {
	const first, last = 20000, 32000
	for range 200 {
		port := first + rand.IntN(last-first)
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("brokers: no free port between %d and %d", first, last)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
