package wire

import (
	"context"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/pipeline"
)

// reachLimit is how long Reach waits for a broker or target.
const reachLimit = 10 * time.Second

// Reached is what Reach found of one part.
type Reached struct {
	Part  string `json:"part"`
	Place string `json:"place"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	// Limit is the largest message that a sink's target takes, where it is known, and LimitFrom says who says so.
	Limit     int    `json:"limit,omitempty"`
	LimitFrom string `json:"limit_from,omitempty"`
}

// Reach reaches every part of a configuration at once and says what it found. A part that cannot be made, such as an ingress
// whose port a running router has, is a finding like any other.
func Reach(ctx context.Context, cfg *config.Config, stdout io.Writer) ([]Reached, error) {
	w, err := New(cfg, zap.NewNop(), stdout)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	var list []Reached
	var parts []any
	var paths []string
	var sinks []pipeline.Sink
	add := func(name, path string, part any, err error) {
		r := Reached{Part: name, Place: cfg.Pos(path).String(), OK: err == nil}
		if err != nil {
			r.Error, part = cfg.AsWritten(path, err.Error()), nil
		}
		list, parts, paths = append(list, r), append(parts, part), append(paths, path)
	}
	for _, name := range cfg.SinkNames() {
		sink, err := w.Sink(name)
		add("sink "+name, "sinks."+name, sink.Sink, err)
		if err == nil {
			sinks = append(sinks, sink)
		}
	}
	for _, name := range cfg.SourceNames() {
		src, err := w.Source(name, bindings.NewWindow(0, 0))
		add("source "+name, "sources."+name, src, err)
	}
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Go(func() {
			if err := Ready(ctx, part, reachLimit); err != nil {
				list[i].OK, list[i].Error = false, cfg.AsWritten(paths[i], err.Error())
			} else if limited, ok := part.(bindings.Limited); ok {
				limit := limited.Limit()
				list[i].Limit, list[i].LimitFrom = limit.Bytes, limit.From
			}
		})
	}
	wg.Wait()
	CloseSinks(ctx, sinks)
	return list, nil
}
