package pipeline

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
)

// errConnecting is the state of a part that has not answered yet.
var errConnecting = errors.New("not connected yet")

// errSubscribing is the state of a source whose broker was reached and that does not get what is sent there yet.
var errSubscribing = errors.New("reached, but not reading yet")

// readyAttempt bounds one attempt to reach a broker, so that readyz can name what is wrong while it hangs.
const readyAttempt = 10 * time.Second

// Status is whether a source or sink is ready, and if not, why.
type Status struct {
	Name string // "sink bus", "source orders"
	// Err is why the part keeps the router from being ready, nil if it does not.
	Err error
	// Trouble is what an operator should know although the router is ready: a sink that was not reached yet, a source that
	// waits for room.
	Trouble error
}

// health is what readyz shows.
type health struct {
	mu    sync.Mutex // guards parts
	parts []part
}

// part is the state of a source or sink.
type part struct {
	Status
	final bool // it failed for good; what else it reports comes too late
}

// set sets the state of a part, unless it has failed for good.
func (h *health) set(name string, err error) { h.put(part{Status{Name: name, Err: err}, false}) }

// trouble sets what is wrong with a part that does not keep the router from being ready.
func (h *health) trouble(name string, err error) {
	h.put(part{Status{Name: name, Trouble: err}, false})
}

// fail sets the last state of a part.
func (h *health) fail(name string, err error) { h.put(part{Status{Name: name, Err: err}, true}) }

func (h *health) put(p part) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.parts, func(known part) bool { return known.Name == p.Name })
	switch {
	case i < 0:
		h.parts = append(h.parts, p)
	case p.final || !h.parts[i].final:
		h.parts[i] = p
	}
}

// troubleOf returns the error or the trouble of a part.
func (h *health) troubleOf(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.parts {
		if p.Name == name {
			return cmp.Or(p.Err, p.Trouble)
		}
	}
	return nil
}

// Health returns the state of every sink and source, sinks first, each in the order of the configuration. The router
// is ready when none has an error.
func (p *Pipeline) Health() []Status {
	p.health.mu.Lock()
	known := slices.Clone(p.health.parts)
	p.health.mu.Unlock()
	status := func(name string) Status {
		for _, s := range known {
			if s.Name == name {
				return s.Status
			}
		}
		return Status{Name: name, Err: errConnecting}
	}
	var all []Status
	for _, l := range p.lanes {
		all = append(all, status("sink "+l.sink.Name))
	}
	for i, s := range p.settings.Sources {
		st := status("source " + s.Name)
		if stall := p.stalled(i); stall != nil && st.Err == nil {
			st.Trouble = stall
		}
		all = append(all, st)
	}
	return all
}

// opening is the start of the sinks.
type opening struct {
	all     sync.WaitGroup // one for each sink that is being asked
	awaited sync.WaitGroup // those of them that the sources wait for
}

// wait returns when no sink is asked any more.
func (o *opening) wait() { o.all.Wait() }

// await returns true once every sink that the sources wait for is ready, false if ctx was done before.
func (o *opening) await(ctx context.Context) bool {
	o.awaited.Wait()
	return ctx.Err() == nil
}

// openSinks asks every sink until it is ready or ctx is done. What is for a sink waits in its lane until then.
func (p *Pipeline) openSinks(ctx context.Context) *opening {
	o := &opening{}
	for _, l := range p.lanes {
		name := "sink " + l.sink.Name
		r, ok := l.sink.Sink.(bindings.Readier)
		if !ok {
			p.health.set(name, nil)
			continue
		}
		l.open.Store(false)
		state := p.health.trouble
		if l.sink.AwaitReady {
			state = p.health.set
			o.awaited.Add(1)
		}
		state(name, errConnecting)
		o.all.Go(func() {
			if p.awaitReady(ctx, name, r, state) {
				p.health.set(name, nil)
				l.open.Store(true)
				l.wakeAll()
			}
			if l.sink.AwaitReady {
				o.awaited.Done()
			}
		})
	}
	return o
}

// awaitReady repeats Ready with back-off until it returns nil or ctx is done. What it waits for it tells state.
func (p *Pipeline) awaitReady(ctx context.Context, name string, r bindings.Readier, state func(string, error)) bool {
	var throttle logThrottle
	for attempt := 1; ; attempt++ {
		tryCtx, cancel := context.WithTimeout(ctx, readyAttempt)
		err := r.Ready(tryCtx)
		cancel()
		if err == nil {
			return true
		}
		state(name, err)
		if ctx.Err() != nil {
			return false
		}
		if throttle.allow(time.Now()) {
			p.log.Warn("not ready, trying again", zap.String("part", name), zap.Error(err))
		}
		if !sleep(ctx, backoff(Retry{Initial: 200 * time.Millisecond, Max: 5 * time.Second}, attempt)) {
			return false
		}
	}
}

// sleep waits for d; false if ctx was done before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
