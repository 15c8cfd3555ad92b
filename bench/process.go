package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is a contestant under way.
type process struct {
	cmd    *exec.Cmd
	log    string
	exited chan error
	ended  bool
	scrape bool // a router; otherwise a bare loop, which prints its figures
	admin  string
	before uint64 // allocations at start
}

func startProcess(dir, binary string, args ...string) (*process, error) {
	p := &process{log: filepath.Join(dir, "contestant.log"), exited: make(chan error, 1)}
	f, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	p.cmd = exec.Command(binary, args...)
	p.cmd.Stdout, p.cmd.Stderr = f, f
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.exited <- p.cmd.Wait() }()
	return p, nil
}

// finish ends a router that has done its job, waits for a bare loop that ends by itself, and reads the figures.
func (p *process) finish() (result, error) {
	var r result
	if p.scrape {
		after, err := p.mallocs()
		if err != nil {
			return r, err
		}
		r.allocs = after - p.before
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return r, err
		}
	}
	select {
	case err := <-p.exited:
		p.ended = true
		if err != nil {
			return r, err
		}
	case <-time.After(40 * time.Second):
		return r, errors.New("the process does not end")
	}
	if !p.scrape {
		text, err := os.ReadFile(p.log)
		if err != nil {
			return r, err
		}
		var own childFigures
		if err := json.Unmarshal(text, &own); err != nil {
			return r, err
		}
		r.allocs = own.Mallocs
	}
	state := p.cmd.ProcessState
	r.CPUSeconds = (state.UserTime() + state.SystemTime()).Seconds()
	r.MaxRSSMiB = maxRSS(state)
	return r, nil
}

func (p *process) kill() {
	if p.ended {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.exited //nolint:errcheck // it was killed, and says so
}

func (p *process) tail() string {
	f, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	text, _ := io.ReadAll(f)
	return string(text[max(0, len(text)-3000):])
}
