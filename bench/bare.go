package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"
)

// childArg makes this program a contestant in place of the benchmark.
const childArg = "contestant"

// What a contestant does, its first argument; a folder for profiles makes it run the router's packages.
const (
	translating = "-translating"
	dataOnly    = "-data-only"
)

// childFigures is what a contestant says of itself.
type childFigures struct {
	// Mallocs is how many objects were allocated from the start of the loop to its end.
	Mallocs uint64 `json:"mallocs"`
}

// child is the loop under way.
type child struct {
	ctx    context.Context
	cl     *kgo.Client
	nc     *natsgo.Conn
	js     jetstream.JetStream // nil for core NATS
	events int
	// dataOnly leaves the attributes out.
	dataOnly bool
	acks     []jetstream.PubAckFuture
}

// runChild moves that many events and prints its figures: poll, translate, publish, wait until the server has them,
// commit.
func runChild(args []string) error {
	if len(args) != 7 {
		return errors.New("a contestant needs: what, pair, kafka, nats, topic, group, events")
	}
	events, err := strconv.Atoi(args[6])
	if err != nil {
		return err
	}
	what, pair, kafka, url, topic, group := args[0], args[1], args[2], args[3], args[4], args[5]
	if what != translating && what != dataOnly {
		return runInside(inside{pair, kafka, url, topic, group, events, what})
	}
	c := &child{ctx: context.Background(), events: events, dataOnly: what == dataOnly}
	if c.nc, err = natsgo.Connect(url); err != nil {
		return err
	}
	defer c.nc.Close()
	if pair == toStream {
		if c.js, err = jetstream.New(c.nc); err != nil {
			return err
		}
	}
	c.cl, err = kgo.NewClient(kgo.SeedBrokers(strings.Split(kafka, ",")...), kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer c.cl.Close()
	before := mallocs()
	for c.events > 0 {
		if err := c.poll(); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(childFigures{Mallocs: mallocs() - before})
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// poll moves what one poll brings.
func (c *child) poll() error {
	fetches := c.cl.PollFetches(c.ctx)
	if err := fetches.Err(); err != nil {
		return err
	}
	c.acks = c.acks[:0]
	for it := fetches.RecordIter(); !it.Done(); {
		if err := c.publish(it.Next()); err != nil {
			return err
		}
		c.events--
	}
	if err := c.confirm(); err != nil {
		return err
	}
	return c.cl.CommitUncommittedOffsets(c.ctx)
}

// publish translates the headers and nothing else: no validation, no percent-coding.
func (c *child) publish(r *kgo.Record) error {
	m := &natsgo.Msg{Subject: subject, Data: r.Value}
	if !c.dataOnly {
		m.Header = c.translate(r)
	}
	if c.js == nil {
		return c.nc.PublishMsg(m)
	}
	// The client holds 4,000 publishes at most, and by default fails after a short wait for room.
	ack, err := c.js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute))
	c.acks = append(c.acks, ack)
	return err
}

func (c *child) translate(r *kgo.Record) natsgo.Header {
	to := make(natsgo.Header, len(r.Headers)+1)
	for i := range r.Headers {
		h := &r.Headers[i]
		name := h.Key
		if attribute, ok := strings.CutPrefix(name, "ce_"); ok {
			name = "ce-" + attribute
		}
		to[name] = []string{string(h.Value)}
		if c.js != nil && name == "ce-id" {
			to[jetstream.MsgIDHeader] = to[name]
		}
	}
	return to
}

// confirm waits until the server has everything that was published.
func (c *child) confirm() error {
	if c.js == nil {
		return c.nc.Flush()
	}
	for _, ack := range c.acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return fmt.Errorf("publish: %w", err)
		}
	}
	return nil
}
