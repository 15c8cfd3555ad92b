package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
)

const (
	// stallAfter is how long a source waits for room before that is said: a window that is full for a moment is how
	// back-pressure works.
	stallAfter = 5 * time.Second
	// stallLook is how often the windows are looked at.
	stallLook = time.Second
)

// stall is a source that has stopped reading because its window is full.
type stall struct {
	since  time.Time
	window WindowFigures
	// sink has the most legs in flight of that source, empty where the dead-letter policy has them; cause is its last
	// failure, nil if it is only slow.
	sink  string
	legs  int64
	cause error
}

// Error describes the stall.
func (s *stall) Error() string {
	text := fmt.Sprintf("has stopped reading for %s: its window is full (%d of %d events, %d of %d bytes)",
		time.Since(s.since).Round(time.Second), s.window.Events, s.window.MaxEvents, s.window.Bytes, s.window.MaxBytes)
	if s.sink == "" {
		return text + "; dead_letter: hold, or the sink of the dead letters, has them"
	}
	text += fmt.Sprintf("; sink %s has %d of the events", s.sink, s.legs)
	if s.cause != nil {
		text += ": " + s.cause.Error()
	}
	return text
}

// stalled returns what keeps the source with that number from reading, nil if it reads.
func (p *Pipeline) stalled(source int) *stall {
	w := p.settings.Sources[source].Window
	if w == nil {
		return nil
	}
	u := w.Usage()
	if u.Waiting.IsZero() || time.Since(u.Waiting) < stallAfter {
		return nil
	}
	st := &stall{since: u.Waiting, window: *windowFigures(w)}
	for i, l := range p.lanes {
		if n := p.stats.pendings[source][i].Load(); n > st.legs {
			st.sink, st.legs, st.cause = l.sink.Name, n, l.trouble(p)
		}
	}
	return st
}

// trouble returns why the lane's sink does not take events, nil if nothing is known.
func (l *lane) trouble(p *Pipeline) error {
	if !l.open.Load() {
		return p.health.troubleOf("sink " + l.sink.Name)
	}
	return l.report.failing()
}

// watchWindows logs when a source stops reading because its window is full, and when it reads again.
func (p *Pipeline) watchWindows(ctx context.Context) {
	if !slices.ContainsFunc(p.settings.Sources, func(s Source) bool { return s.Window != nil }) {
		return
	}
	tick := time.NewTicker(stallLook)
	defer tick.Stop()
	told := make([]bool, len(p.settings.Sources))
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i, src := range p.settings.Sources {
			switch st := p.stalled(i); {
			case st != nil && !told[i]:
				p.log.Warn("source has stopped reading: its window is full", zap.String("source", src.Name),
					zap.String("sink", st.sink), zap.Int64("sink_in_flight", st.legs), zap.Int("events", st.window.Events),
					zap.Int("max_events", st.window.MaxEvents), zap.Int("bytes", st.window.Bytes),
					zap.Int("max_bytes", st.window.MaxBytes), zap.Error(st.cause))
				told[i] = true
			case st == nil && told[i]:
				p.log.Info("source reads again", zap.String("source", src.Name))
				told[i] = false
			}
		}
	}
}
