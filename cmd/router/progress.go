package main

import (
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/judge"
	"github.com/eventrouter/router/internal/terminal"
)

// Progress is shown on a terminal once a command has taken progressAfter, and renewed every progressEvery.
const (
	progressAfter = 2 * time.Second
	progressEvery = 250 * time.Millisecond
)

// progress is one line on standard error that says how far a command is. A nil one shows nothing.
type progress struct {
	w     io.Writer
	doing string
	total int
	began time.Time
	done  atomic.Int64

	stop, stopped chan struct{}
	shown         bool // belongs to whoever draws: first begin, then run, then end
}

// progress begins to show what a command is doing, if standard error is a terminal that can erase a line and nobody asked
// for JSON. A total of 0 is one that is not known. Whoever begins ends it, before the command writes anything else there.
func (a *cli) progress(doing string, total int) *progress {
	if a.json || os.Getenv("TERM") == "dumb" || !terminal.Is(a.stderr) {
		return nil
	}
	if a.began.IsZero() {
		a.began = time.Now()
	}
	p := &progress{w: terminal.Bare(a.stderr), doing: doing, total: total, began: a.began}
	p.begin()
	return p
}

// writing is progress for what writes to standard output meanwhile. Where that is a terminal, it is progress enough; where
// it is a pipe, whoever reads that may write to the same terminal.
func (a *cli) writing(doing string, total int) *progress {
	if terminal.Is(a.stdout) || isPipe(terminal.Bare(a.stdout)) {
		return nil
	}
	return a.progress(doing, total)
}

func isPipe(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

func (p *progress) begin() {
	p.stop, p.stopped = make(chan struct{}), make(chan struct{})
	wait := time.Until(p.began.Add(progressAfter))
	if wait <= 0 { // the steps before this one took that long
		p.draw()
		wait = progressEvery
	}
	go p.run(p.stop, time.NewTimer(wait))
}

func (p *progress) run(stop <-chan struct{}, next *time.Timer) {
	defer close(p.stopped)
	defer next.Stop()
	for {
		select {
		case <-stop:
			return
		case <-next.C:
			p.draw()
			next.Reset(progressEvery)
		}
	}
}

// draw writes the line over the one before.
func (p *progress) draw() {
	p.shown = true
	text := p.doing
	if p.total > 0 {
		text += fmt.Sprintf(" %s of %s", grouped(int(p.done.Load())), grouped(p.total))
	}
	fmt.Fprintf(p.w, "\r%s, %d s\x1b[K", text, int(time.Since(p.began).Seconds()))
}

// step says that so many more of the total are done.
func (p *progress) step(n int) {
	if p != nil {
		p.done.Add(int64(n))
	}
}

// end erases the line and returns when no more is written. It may be called again.
func (p *progress) end() {
	if p == nil || p.stop == nil {
		return
	}
	close(p.stop)
	p.stop = nil
	<-p.stopped
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// each goes through a list and shows how far it is; the line is gone behind the loop.
func each[E any](p *progress, list []E) iter.Seq2[int, E] {
	return func(yield func(int, E) bool) {
		defer p.end()
		for i, e := range list {
			if !yield(i, e) {
				return
			}
			p.step(1)
		}
	}
}

// runTests judges every event of every test and shows how far it is.
func (a *cli) runTests(cfg *config.Config) []judge.TestResult {
	total := 0
	for i := range cfg.Tests {
		total += len(cfg.Tests[i].Samples)
	}
	p := a.progress("testing", total)
	defer p.end()
	return judge.Tests(cfg, p.step)
}

// grouped writes a number with a comma between thousands.
func grouped(n int) string {
	digits := fmt.Sprint(n)
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out.WriteByte(',')
		}
		out.WriteRune(d)
	}
	return out.String()
}
