package app

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/internal/admin"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/judge"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/internal/wire"
)

// sayAgain is how long a refusal that was logged answers a SIGHUP that gets the same one: who writes the file and sends the
// signal sees it once.
const sayAgain = 5 * time.Second

// reloads counts how the attempts to apply a changed configuration went.
type reloads struct {
	mu  sync.Mutex // guards sum
	sum admin.Reloads
	// said is when the last refusal was logged; it belongs to whoever reloads.
	said time.Time
}

// repeats reports whether a refusal was logged already: a change is often seen in several steps, and beside a SIGHUP.
func (r *reloads) repeats(err error, asked bool) bool {
	last := r.figures().Last
	return last != nil && last.Error() == err.Error() && (!asked || time.Since(r.said) < sayAgain)
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

// errSame says that a file changed and the configuration did not.
var errSame = errors.New("the configuration is the same")

// reload applies the routes and tests of the configuration as it is now. Whatever is wrong with it, the router runs on
// with what it has. Unless it was asked for, a file that changed without changing the configuration is passed over.
func (in *Instance) reload(paths []string, asked bool) {
	routes, err := in.reread(paths, asked)
	freeMemory(max(routes, in.routes.count))
	switch {
	case errors.Is(err, errSame):
		if in.reloads.figures().Last != nil {
			in.reloads.book(nil) // a mistake was taken back
		}
	case err == nil:
		in.reloads.book(nil)
	default:
		again := in.reloads.repeats(err, asked)
		if asked || !again {
			in.reloads.book(err)
		}
		if !again {
			in.reloads.said = time.Now()
			in.log.Error("configuration not applied; the one before still runs", zap.Error(err))
		}
	}
}

// reread loads the configuration and takes it over. Nothing of it is reachable afterwards but what runs.
func (in *Instance) reread(paths []string, asked bool) (routes int, err error) {
	cfg, err := config.Load(paths, in.env)
	if err != nil {
		return 0, err
	}
	mark := markRoutes(cfg)
	restart := needsRestart(cfg, in.wiring.Config())
	if restart == nil {
		restart = in.files.changed(markFiles(cfg, in.env), in.log)
	}
	if !asked && mark == in.routes && restart == nil {
		return mark.count, errSame
	}
	if restart != nil {
		return mark.count, restart
	}
	if err := in.takeOver(cfg); err != nil {
		return mark.count, err
	}
	in.routes = mark
	for _, w := range cfg.Warnings {
		in.log.Warn("configuration", zap.String("warning", w.Error()))
	}
	in.log.Info("configuration applied", zap.Int("routes", mark.count))
	return mark.count, nil
}

// takeOver replaces the routes by those of cfg, if its tests pass. Nothing else may have changed.
func (in *Instance) takeOver(cfg *config.Config) error {
	if results := judge.Tests(cfg, nil); judge.FailedTests(results) > 0 {
		var failed []string
		for _, r := range results {
			if !r.OK {
				failed = append(failed, fmt.Sprintf("%s: %s: %s", r.Place, r.Name, r.Summary()))
			}
		}
		return errors.New(phrase.Count(len(failed), "test") + " failed: " + strings.Join(failed, "; "))
	}
	return in.pipeline.SetRoutes(cfg.Table, wire.Policy(cfg.Unmatched))
}

// reloaded are the top-level keys that a running router takes from a changed configuration.
var reloaded = []string{"routes", "unmatched", "tests"}

// needsRestart says what differs that a running router does not apply, nil if there is nothing. A new key belongs to
// it unless it is reloaded.
func needsRestart(now, before *config.Config) error {
	var changed []string
	a, b := reflect.ValueOf(now).Elem(), reflect.ValueOf(before).Elem()
	for i := range a.NumField() {
		f := a.Type().Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || key == "-" || slices.Contains(reloaded, key) {
			continue
		}
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			changed = append(changed, key)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return fmt.Errorf("a change of %s needs a restart", strings.Join(changed, ", "))
}
