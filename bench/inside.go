package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/kafka"
	"github.com/eventrouter/router/bindings/nats"
	"github.com/eventrouter/router/pipeline"
	"github.com/eventrouter/router/routing"
)

// inside is a run of the router's packages in this process, under the profiler.
type inside struct {
	pair, kafka, url, topic, group string
	events                         int
	dir                            string
}

// profileRun lets a child run the router's packages and leaves its profiles in a folder.
func (l *lab) profileRun(ctx context.Context, j job, keys int) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	dir, err := filepath.Abs(filepath.Join(l.o.profile, fmt.Sprintf("%s-%d", j.pair, keys)))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	a, err := l.watch(ctx, j)
	if err != nil {
		return err
	}
	defer a.stop()
	group := "bench-" + strconv.Itoa(os.Getpid()) + "-" + j.pair + strconv.Itoa(keys)
	p, err := startProcess(l.dir, l.self, childArg, dir, j.pair, l.kafka.Addr, l.nats.URL, j.topic, group, strconv.Itoa(j.events))
	if err != nil {
		return err
	}
	defer p.kill()
	span, err := a.await(ctx)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.tail())
	}
	r, err := p.finish()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.tail())
	}
	n := float64(j.events)
	fmt.Printf("kafka -> %s, %s: %.0f events/s, %.2f µs CPU and %.1f allocations per event; profiles in %s\n",
		j.pair, keyText(keys), n/span.Seconds(), r.CPUSeconds*1e6/n, float64(r.allocs)/n, dir)
	return nil
}

// runInside wires one route as the router does with its defaults and runs until every delivery is confirmed.
func runInside(in inside) error {
	p, err := in.pipeline()
	if err != nil {
		return err
	}
	profile, err := os.Create(filepath.Join(in.dir, "cpu.pprof"))
	if err != nil {
		return err
	}
	defer func() { _ = profile.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	before := mallocs()
	if err := pprof.StartCPUProfile(profile); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for p.Ledger().Sinks[0].Delivered < int64(in.events) {
		select {
		case err := <-done:
			return errors.Join(errors.New("the pipeline ended"), err)
		case <-tick.C:
		}
	}
	pprof.StopCPUProfile()
	used := mallocs() - before
	cancel()
	if err := errors.Join(<-done, in.writeAllocs()); err != nil {
		return err
	}
	fmt.Printf("{\"mallocs\":%d}\n", used)
	return nil
}

func (in *inside) writeAllocs() error {
	f, err := os.Create(filepath.Join(in.dir, "allocs.pprof"))
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}

func (in *inside) pipeline() (*pipeline.Pipeline, error) {
	const timeout = 30 * time.Second
	source, err := kafka.NewSource(
		kafka.SourceConfig{Brokers: strings.Split(in.kafka, ","), Topics: bindings.Strings{in.topic}, Group: in.group},
		bindings.SourceSettings{
			Name: "in", Log: zap.NewNop(), Window: bindings.NewWindow(16_384, 64<<20), MaxEvent: 1 << 20, MaxAttributes: 64,
		})
	if err != nil {
		return nil, err
	}
	target := nats.SinkConfig{URL: in.url, Subject: subject}
	if in.pair == toStream {
		target.Stream = stream
	}
	sink, err := nats.NewSink(target, bindings.SinkSettings{Name: "out", Log: zap.NewNop(), Timeout: timeout, Concurrency: 2}, nil)
	if err != nil {
		return nil, err
	}
	table, problems := routing.Compile([]routing.Rule{{Name: "all", From: []string{"in"}, To: []string{"out"}}}, []string{"in"}, []string{"out"})
	if len(problems) > 0 {
		return nil, fmt.Errorf("routes: %v", problems)
	}
	return pipeline.New(pipeline.Settings{
		Sources: []pipeline.Source{{Name: "in", Source: source}},
		Sinks: []pipeline.Sink{{
			Name: "out", Sink: sink, Concurrency: 2, BatchEvents: 512, BatchBytes: 4 << 20, Timeout: timeout,
			DeadLetter: pipeline.Policy{Action: pipeline.Hold},
		}},
		Table: table, DeadLetter: pipeline.Policy{Action: pipeline.Hold}, Log: zap.NewNop(),
	})
}
