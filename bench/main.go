// Command bench compares the router with the shortest program that does the same job by hand: a loop over the client
// libraries of franz-go and nats.go. Both move the same events from the same Kafka topic to the same nats-server, in
// turn, as processes of their own, and arrivals are counted on the far side. See README.md beside it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// options are the flags.
type options struct {
	events, size, rounds, keys int
	pairs                      []string
	asJSON                     bool
	kafka, nats                string
	router, profile            string
}

// The contestants. A round runs each of them once; bare runs twice, so that the two show the noise of the machine.
const (
	bare   = "bare"
	again  = "bare again"
	floor  = "data only" // bare without the attributes: nothing is translated, and less is sent
	router = "router"
)

var contestants = []string{bare, router, again, floor}

// The jobs: where the events of the Kafka topic go.
const (
	toCore   = "core"
	toStream = "jetstream"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == childArg {
		if err := runChild(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, flags())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func flags() *options {
	var o options
	var pairs string
	flag.IntVar(&o.events, "n", 300_000, "events of a run")
	flag.IntVar(&o.size, "size", 1024, "bytes of an event's data")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; each runs every contestant once")
	flag.IntVar(&o.keys, "keys", -1, "distinct record keys, 0 for none; by default both none and 1000 are measured")
	flag.StringVar(&pairs, "pairs", "core,jetstream", "what to measure: core, jetstream")
	flag.BoolVar(&o.asJSON, "json", false, "print every run as a line of JSON in place of the tables")
	flag.StringVar(&o.kafka, "kafka", "", "addresses of a Kafka to use in place of an own one")
	flag.StringVar(&o.nats, "nats", "", "URL of a NATS server with JetStream to use in place of an own one")
	flag.StringVar(&o.router, "router", "", "a router's binary; by default it is built of cmd/router")
	flag.StringVar(&o.profile, "profile", "",
		"a folder: run the router's packages once inside of a child of this program and write cpu.pprof and allocs.pprof there")
	flag.Parse()
	o.pairs = strings.Split(pairs, ",")
	return &o
}

// run fills the topics and measures.
func run(ctx context.Context, o *options) error {
	for _, p := range o.pairs {
		if p != toCore && p != toStream {
			return fmt.Errorf("-pairs: %q is neither core nor jetstream", p)
		}
	}
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer l.close()
	variants := []int{0, 1000}
	if o.keys >= 0 {
		variants = []int{o.keys}
	}
	for _, keys := range variants {
		topic, err := l.fill(ctx, keys)
		if err != nil {
			return err
		}
		for _, pair := range o.pairs {
			if err := l.measure(ctx, pair, topic, keys); err != nil {
				return err
			}
		}
	}
	return nil
}

// measure runs all rounds of a pair and prints them.
func (l *lab) measure(ctx context.Context, pair, topic string, keys int) error {
	j := job{pair: pair, topic: topic, events: l.o.events, bytes: int64(l.o.events) * int64(l.o.size)}
	if l.o.profile != "" {
		return l.profileRun(ctx, j, keys)
	}
	var all []result
	for round := range l.o.rounds {
		order := slices.Clone(contestants)
		if round%2 == 1 {
			slices.Reverse(order) // what drifts, drifts against both
		}
		for _, who := range order {
			r, err := l.once(ctx, j, who)
			if err != nil {
				return fmt.Errorf("%s to %s: %w", who, pair, err)
			}
			r.Pair, r.Keys, r.Round, r.Who = pair, keys, round+1, who
			all = append(all, r)
			if l.o.asJSON {
				if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
					return err
				}
			}
		}
	}
	if !l.o.asJSON {
		report(os.Stdout, pair, keys, all)
	}
	return nil
}
