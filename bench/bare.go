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

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"
)

// childArg makes this program a contestant in place of the benchmark.
const childArg = "contestant"

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
	acks   []jetstream.PubAckFuture
}

// runChild moves that many events and prints its figures: poll, translate, publish, wait until the server has them,
// commit.
func runChild(args []string) error {
	if len(args) < 6 {
		return errors.New("a contestant needs: pair, kafka, nats, topic, group, events")
	}
	events, err := strconv.Atoi(args[5])
	if err != nil {
		return err
	}
	pair, kafka, url, topic, group := args[0], args[1], args[2], args[3], args[4]
	if len(args) == 7 {
		return runInside(inside{pair, kafka, url, topic, group, events, args[6]})
	}
	c := &child{ctx: context.Background(), events: events}
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
	m := &natsgo.Msg{Subject: subject, Data: r.Value, Header: make(natsgo.Header, len(r.Headers)+1)}
	for i := range r.Headers {
		h := &r.Headers[i]
		name := h.Key
		if attribute, ok := strings.CutPrefix(name, "ce_"); ok {
			name = "ce-" + attribute
		}
		m.Header[name] = []string{string(h.Value)}
		if c.js != nil && name == "ce-id" {
			m.Header[jetstream.MsgIDHeader] = m.Header[name]
		}
	}
	if c.js == nil {
		return c.nc.PublishMsg(m)
	}
	ack, err := c.js.PublishMsgAsync(m)
	c.acks = append(c.acks, ack)
	return err
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
