package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// settleTime is how long a file must be left alone before it is read again: editors and ConfigMaps change several
// things in a row. One that is never left alone is read after longestSettle all the same.
const (
	settleTime    = 250 * time.Millisecond
	longestSettle = 2 * time.Second
)

// settling waits until what changes is left alone.
type settling struct {
	*time.Timer
	since time.Time // the first change that was not read yet; zero if there is none
}

func newSettling() *settling {
	s := &settling{Timer: time.NewTimer(0)}
	s.Stop()
	return s
}

// changed puts the reading off, though not forever.
func (s *settling) changed() {
	if s.since.IsZero() {
		s.since = time.Now()
	}
	s.Reset(min(settleTime, time.Until(s.since.Add(longestSettle))))
}

// read says that what changed up to now is being read.
func (s *settling) read() {
	s.Stop()
	s.since = time.Time{}
}

// Watch reads the configuration again at a hangup and when one of its files changes, until ctx is done; the channel is
// closed then.
func (in *Instance) Watch(ctx context.Context, paths []string, hangups <-chan os.Signal) <-chan struct{} {
	if in.read == nil {
		in.read = Record(&in.env)
	}
	folders, err := watchFolders(paths)
	if err != nil {
		in.log.Warn("the configuration is not watched; send SIGHUP after a change", zap.Error(err))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if folders != nil {
			defer folders.Close()
		}
		w := watcher{in: in, paths: paths, quiet: newSettling(), folders: folders}
		defer w.quiet.Stop()
		w.run(ctx, hangups)
	}()
	return done
}

// watcher is one run of Watch.
type watcher struct {
	in    *Instance
	paths []string
	quiet *settling
	// folders is nil if nothing can be watched; lost says that one of them was gone at the last look.
	folders *fsnotify.Watcher
	lost    bool
}

// run waits for changes and hangups.
func (w *watcher) run(ctx context.Context, hangups <-chan os.Signal) {
	var changes chan fsnotify.Event
	var troubles chan error
	if w.folders != nil {
		changes, troubles = w.folders.Events, w.folders.Errors
	}
	files := w.in.read.named(w.paths)
	reload := func(asked bool) {
		w.quiet.read()
		w.in.read.forget()
		w.in.reload(w.paths, asked)
		files = w.in.read.named(w.paths)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			reload(true)
		case e := <-changes:
			if e.Op != fsnotify.Chmod && files.has(e.Name) {
				w.quiet.changed()
			}
		case err := <-troubles:
			if errors.Is(err, fsnotify.ErrEventOverflow) { // whatever was lost may have been one of the files
				w.quiet.changed()
				continue
			}
			w.in.log.Warn("watching the configuration", zap.Error(err))
		case <-w.quiet.C:
			lost := w.folders != nil && watchAll(w.folders, w.paths) != nil // those that were removed or renamed
			if !lost || !w.lost {
				reload(false)
			}
			if w.lost = lost; lost {
				w.quiet.Reset(longestSettle)
			}
		}
	}
}

// watchFolders watches the folders of the files, not the files: a ConfigMap and many editors put a new file in the
// place of the old one.
func watchFolders(paths []string) (*fsnotify.Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	if err := watchAll(w, paths); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// watchAll watches the folders of the paths, as far as they are not watched.
func watchAll(w *fsnotify.Watcher, paths []string) error {
	for _, p := range paths {
		if !isFolder(p) {
			p = filepath.Dir(p)
		}
		if err := w.Add(absolute(p)); err != nil {
			return err
		}
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// absolute returns the path from the root on; it is the path itself where nobody knows the working directory.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}
