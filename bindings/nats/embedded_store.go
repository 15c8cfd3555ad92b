package nats

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
)

// The store is looked at every watchEvery. A server that no longer writes is restarted as soon as the disk has room, and
// at most every longestRestart if its writes go on failing. An error that stays is logged every storeLogEvery.
const (
	watchEvery     = time.Second
	longestRestart = 30 * time.Second
	storeLogEvery  = time.Minute
)

// A sixteenth of the disk stays free, and no more than mostReserve: the server needs it to acknowledge, to delete, and to
// start again.
const mostReserve = 64 << 20

// disk is the filesystem of the store, in bytes.
type disk struct{ size, free int64 }

func (d disk) reserve() int64 { return min(d.size/16, mostReserve) }

func (d disk) String() string {
	if d.size == 0 {
		return "the room on its disk is not known here"
	}
	return "disk: " + roughly(d.free) + " free of " + roughly(d.size)
}

// roughly writes a number of bytes with about four digits.
func roughly(n int64) string {
	unit := int64(1)
	for n/unit >= 10_000 && unit < 1<<30 {
		unit <<= 10
	}
	return bindings.Size(n / unit * unit).String()
}

// storeState is what is known of the store.
type storeState struct {
	mu  sync.Mutex // guards err
	err error

	// What follows belongs to the watch.
	logged   time.Time
	restarts int
	next     time.Time // of the next restart
	healthy  time.Time // since when all is well
}

// Health returns why the store takes nothing at the moment, with its folder and the room on its disk; nil if it does, or
// is not in use. It is at most a second old.
func (e *Embedded) Health() error {
	e.state.mu.Lock()
	defer e.state.mu.Unlock()
	return e.state.err
}

// watch looks after the store until quit is closed.
func (e *Embedded) watch(quit, watched chan struct{}) {
	defer close(watched)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
			e.look(time.Now())
		}
	}
}

// look finds out how the store is, and does what helps.
func (e *Embedded) look(now time.Time) {
	d, known := diskOf(e.dir)
	cause := broken(e.running.Load())
	if cause != nil && (!known || d.free >= d.reserve()) && !now.Before(e.state.next) {
		cause = e.restart(now, cause)
	}
	switch {
	case cause != nil:
		cause = fmt.Errorf("nats: embedded store %s does not write, and is restarted when there is room (%s): %w", e.dir, d, cause)
	case known && d.free < d.reserve():
		cause = fmt.Errorf("nats: embedded store %s takes nothing while the disk is nearly full (%s, less than %s); make room or enlarge it",
			e.dir, d, roughly(d.reserve()))
	default:
		cause = e.checkBound(d, known)
	}
	e.report(now, d, cause)
}

// broken returns why a server writes to its store no more, nil if it does. A write error stays with a stream, and one
// that says "no space left" may disable JetStream as a whole: neither passes without a restart.
func broken(srv *server.Server) error {
	if srv == nil {
		return errors.New("the server did not start again")
	}
	if !srv.JetStreamEnabled() {
		return errors.New("JetStream was disabled after an error")
	}
	h := srv.Healthz(&server.HealthzOptions{Details: true})
	for i := range h.Errors {
		if strings.Contains(h.Errors[i].Error, " write error: ") {
			return errors.New(h.Errors[i].Error)
		}
	}
	return nil
}

// restart replaces the server. Connections to it are lost and come back: what is under way is repeated, and what was
// acknowledged is in the store.
func (e *Embedded) restart(now time.Time, cause error) error {
	e.log.Warn("embedded nats-server: restarting, because it does not write any more", zap.String("store", e.dir), zap.Error(cause))
	e.state.restarts++
	e.state.next = now.Add(min(watchEvery<<min(e.state.restarts, 10), longestRestart))
	e.stop()
	if err := e.launch(); err != nil {
		return err
	}
	return broken(e.srv)
}

// checkBound reports a store that has reached its bound, after raising one that nobody stated if the disk has grown.
func (e *Embedded) checkBound(d disk, known bool) error {
	srv := e.running.Load()
	if info, err := srv.Jsz(nil); err == nil { // else JetStream has just been disabled, which the next look sees
		used, limit := int64(info.Store), info.Config.MaxStore
		if known && e.cfg.MaxStore == 0 && used > limit/8*7 {
			limit = e.raise(srv, limit, share(d.free+used))
		}
		if used > limit {
			return fmt.Errorf("nats: embedded store %s is full: it has %s, and max_store is %s (%s); raise max_store, or let streams delete",
				e.dir, roughly(used), roughly(limit), d)
		}
	}
	return nil
}

// raise gives a running server a bound that is larger by more than the disk's use fluctuates, and returns the one that
// it has.
func (e *Embedded) raise(srv *server.Server, from, to int64) int64 {
	if to <= from+from/64 {
		return from
	}
	o, err := e.options()
	if err == nil {
		o.JetStreamMaxStore = to
		err = srv.ReloadOptions(o)
	}
	if err != nil {
		e.log.Warn("embedded nats-server: the bound of the store cannot be raised", zap.String("store", e.dir), zap.Error(err))
		return from
	}
	return to
}

// bound is the bound of the store for a server that starts: what the user says, or a share of the disk, 0 if it cannot be
// known.
func (e *Embedded) bound() int64 {
	if d, ok := diskOf(e.dir); ok && e.cfg.MaxStore == 0 {
		return max(1, share(d.free+sizeOf(e.dir)))
	}
	return int64(e.cfg.MaxStore)
}

// share is how much of the bytes that the store has or could have it may use. The rest is for what the server keeps
// beside the messages, for deleted messages whose files are not rewritten yet, and for others.
func share(bytes int64) int64 { return bytes / 4 * 3 }

// sizeOf adds up the files below a folder.
func sizeOf(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, f fs.DirEntry, err error) error {
		if err != nil || !f.Type().IsRegular() {
			return nil //nolint:nilerr // a file that went meanwhile has no size
		}
		if info, err := f.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

// report keeps and logs how the store is.
func (e *Embedded) report(now time.Time, d disk, err error) {
	s := &e.state
	s.mu.Lock()
	before := s.err
	s.err = err
	s.mu.Unlock()
	room := []zap.Field{zap.String("store", e.dir), zap.Int64("free", d.free), zap.Int64("size", d.size)}
	switch {
	case err != nil && (before == nil || now.Sub(s.logged) >= storeLogEvery):
		s.logged = now
		e.log.Error("embedded store takes nothing", append(room, zap.Error(err))...)
	case err == nil && before != nil:
		s.healthy = now
		e.log.Info("embedded store recovered", room...)
	case err == nil && s.restarts > 0 && now.Sub(s.healthy) >= storeLogEvery:
		s.restarts = 0
	}
}
