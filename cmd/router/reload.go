package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"

	"github.com/eventrouter/router/internal/admin"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/pipeline"
)

// settleTime is how long a file must be left alone before it is read again: editors and ConfigMaps change several
// things in a row.
const settleTime = 250 * time.Millisecond

// reloads counts how the attempts to take over a changed configuration went.
type reloads struct {
	mu  sync.Mutex // guards sum
	sum admin.Reloads
}

func (r *reloads) figures() admin.Reloads {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sum
}

func (r *reloads) book(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Last = err
	if err != nil {
		r.sum.Failed++
	} else {
		r.sum.Done++
	}
}

// watch reads the configuration again at a hangup and when one of its files changes, until ctx is done; the channel is
// closed then.
func (a *app) watch(ctx context.Context, in *instance, paths []string, hangups <-chan os.Signal) <-chan struct{} {
	files, err := watchFolders(paths)
	if err != nil {
		in.log.Warn("the configuration is not watched; send SIGHUP after a change", zap.Error(err))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var changes chan fsnotify.Event
		var troubles chan error
		if files != nil {
			defer files.Close()
			changes, troubles = files.Events, files.Errors
		}
		quiet := time.NewTimer(0)
		quiet.Stop()
		defer quiet.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				a.reload(in, paths, true)
			case e := <-changes:
				if e.Op != fsnotify.Chmod {
					quiet.Reset(settleTime)
				}
			case err := <-troubles:
				in.log.Warn("watching the configuration", zap.Error(err))
			case <-quiet.C:
				a.reload(in, paths, false)
			}
		}
	}()
	return done
}

// watchFolders watches the folders of the files, not the files: a ConfigMap and many editors put a new file in the
// place of the old one.
func watchFolders(paths []string) (*fsnotify.Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		if info, err := os.Stat(p); err != nil || !info.IsDir() {
			p = filepath.Dir(p)
		}
		if err := w.Add(p); err != nil {
			w.Close()
			return nil, err
		}
	}
	return w, nil
}

// reload takes over the routes of the configuration as it is now. Whatever is wrong with it, the router runs on with
// what it has. Unless it was asked for, a file that changed without changing the configuration is passed over.
func (a *app) reload(in *instance, paths []string, asked bool) {
	cfg, err := config.Load(paths, a.env)
	if err == nil && !asked && sameRoutes(cfg, in.cfg) && needsRestart(cfg, in.cfg) == nil {
		if in.reloads.figures().Last != nil {
			in.reloads.book(nil) // a mistake was taken back
		}
		return
	}
	if err == nil {
		err = in.takeOver(cfg)
	}
	in.reloads.book(err)
	if err != nil {
		in.log.Error("configuration not taken over; the one before still runs", zap.Error(err))
		return
	}
	for _, w := range cfg.Warnings {
		in.log.Warn("configuration", zap.String("warning", w.Error()))
	}
	in.log.Info("configuration taken over", zap.Int("routes", len(cfg.Routes)))
}

// takeOver replaces the routes by those of cfg, if its tests pass and nothing else has changed.
func (in *instance) takeOver(cfg *config.Config) error {
	if err := needsRestart(cfg, in.cfg); err != nil {
		return err
	}
	if results := runTests(cfg); failedTests(results) > 0 {
		var failed []string
		for _, r := range results {
			if !r.OK {
				failed = append(failed, fmt.Sprintf("%s: %s: %s", r.Place, r.Name, r.summary()))
			}
		}
		return errors.New(count(len(failed), "test") + " failed: " + strings.Join(failed, "; "))
	}
	if err := in.pipeline.SetRoutes(cfg.Table, policy(cfg.Unmatched)); err != nil {
		return err
	}
	in.cfg = cfg
	return nil
}

// needsRestart says what differs that a running router does not take over, nil if there is nothing.
func needsRestart(now, before *config.Config) error {
	var changed []string
	for _, part := range []struct {
		name        string
		now, before any
	}{
		{"sources", now.Sources, before.Sources},
		{"sinks", now.Sinks, before.Sinks},
		{"dead_letter", now.DeadLetter, before.DeadLetter},
		{"retry", now.Retry, before.Retry},
		{"limits", now.Limits, before.Limits},
		{"embedded", now.Embedded, before.Embedded},
		{"admin", now.Admin, before.Admin},
		{"log", now.Log, before.Log},
		{"shutdown", now.Shutdown, before.Shutdown},
	} {
		if !reflect.DeepEqual(part.now, part.before) {
			changed = append(changed, part.name)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return fmt.Errorf("a change of %s needs a restart", strings.Join(changed, ", "))
}

// sameRoutes reports whether two configurations route alike. Where in the files their rules stand does not matter.
func sameRoutes(a, b *config.Config) bool {
	if a.Unmatched != b.Unmatched || len(a.Rules) != len(b.Rules) {
		return false
	}
	for i := range a.Rules {
		x, y := a.Rules[i], b.Rules[i]
		if x.Name != y.Name || x.When.String() != y.When.String() || x.Stop != y.Stop || x.Drop != y.Drop ||
			!reflect.DeepEqual(x.From, y.From) || !reflect.DeepEqual(x.To, y.To) || x.RewriteSource != y.RewriteSource ||
			pipeline.SetKey(x) != pipeline.SetKey(y) {
			return false
		}
	}
	return true
}
