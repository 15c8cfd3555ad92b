package kafka

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// newcomers are the records of topics that a client has not met. The client keeps them aside until it has the topic's
// partitions and then moves them there one by one, so that a Flush which runs already sends the first of them without
// the rest. They have to be in their places before Flush begins; newcomers tell when they are.
type newcomers struct {
	met  map[string]struct{} // topics
	last string              // one of them, empty for none

	waiting atomic.Bool // whether aside may have elements: a glance for the records that are no newcomers
	mu      sync.Mutex  // guards aside
	aside   map[*kgo.Record]struct{}
	settled chan struct{} // has one element when aside has become empty
}

func newNewcomers() *newcomers {
	return &newcomers{met: map[string]struct{}{}, aside: map[*kgo.Record]struct{}{}, settled: make(chan struct{}, 1)}
}

// know reports whether the client has met a topic. Most Sends have one.
func (n *newcomers) know(topic string) bool {
	if topic == n.last {
		return true
	}
	_, ok := n.met[topic]
	if ok {
		n.last = topic
	}
	return ok
}

// learn notes the topics of confirmed records. The client has met those, whatever became of the others.
func (n *newcomers) learn(slots []*slot) {
	for _, s := range slots {
		if s.state != confirmed || n.know(s.record.Topic) {
			continue
		}
		if len(n.met) >= maxTopics {
			clear(n.met)
		}
		n.met[s.record.Topic] = struct{}{}
	}
}

// forget drops the topics of failed records: what was there may have been deleted.
func (n *newcomers) forget(slots []*slot) {
	for _, s := range slots {
		if s.state == failed {
			delete(n.met, s.record.Topic)
			n.last = ""
		}
	}
}

// expect names the records, before the client gets them.
func (n *newcomers) expect(slots []*slot) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range slots {
		n.aside[&s.record] = struct{}{}
	}
	n.waiting.Store(true)
}

// wait returns true when each of them is in its place or has failed, false when ctx is done first.
func (n *newcomers) wait(ctx context.Context) bool {
	select {
	case <-n.settled:
		n.waiting.Store(false)
		return true
	case <-ctx.Done():
		return false
	}
}

// OnProduceRecordPartitioned is called by the client when a record is in its place.
func (n *newcomers) OnProduceRecordPartitioned(r *kgo.Record, _ int32) { n.settle(r) }

// settle takes note that a record is in its place or has failed.
func (n *newcomers) settle(r *kgo.Record) {
	if !n.waiting.Load() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.aside[r]; !ok {
		return
	}
	if delete(n.aside, r); len(n.aside) == 0 {
		n.settled <- struct{}{}
	}
}
