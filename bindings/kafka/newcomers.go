package kafka

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// longestPatience is how long records that could be sent wait for others whose topics the brokers do not tell of. A topic
// that does not exist fails sooner.
const longestPatience = 2 * time.Second

// lookAgain is how often newcomers whose time is over look whether one of them keeps others waiting.
const lookAgain = 5 * time.Millisecond

// maxMissed is how many topics a client may have asked for in vain before it is given up: it goes on asking for each.
const maxMissed = 64

// newcomers are the records of topics that a client has not met. The client keeps them aside until it has the topic's
// partitions and then moves them there one by one, so that a Flush which runs already sends the first of them without
// the rest. They have to be in their places before Flush begins; newcomers tell when they are.
type newcomers struct {
	met  map[string]struct{} // topics
	last string              // one of them, empty for none

	missed int // topics that were given up or are not there

	// topics are the new ones of the Send, each with what gives its records up.
	topics map[string]newTopic

	waiting atomic.Bool   // whether aside may have elements: a glance for the records that are no newcomers
	settled chan struct{} // has one element when aside has become empty

	mu       sync.Mutex // guards what follows
	aside    map[*kgo.Record]struct{}
	expected int // how many there were
}

// newTopic is what the records of a topic are produced with.
type newTopic struct {
	ctx    context.Context
	giveUp context.CancelFunc
}

func newNewcomers() *newcomers {
	return &newcomers{
		met: map[string]struct{}{}, topics: map[string]newTopic{}, aside: map[*kgo.Record]struct{}{},
		settled: make(chan struct{}, 1),
	}
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

// expect names the records, before the client gets them.
func (n *newcomers) expect(ctx context.Context, slots []*slot) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range slots {
		n.aside[&s.record] = struct{}{}
		if _, ok := n.topics[s.record.Topic]; !ok {
			own, giveUp := context.WithCancel(ctx)
			n.topics[s.record.Topic] = newTopic{own, giveUp}
		}
	}
	n.expected = len(n.aside)
	n.waiting.Store(true)
}

// context returns what to produce the records of a new topic with.
func (n *newcomers) context(topic string) context.Context { return n.topics[topic].ctx }

// wait returns true when each of the records is in its place or has failed, false when ctx is done first. When others
// could be sent meanwhile, of topics that are known or have come to be known, it gives up those that are still aside.
func (n *newcomers) wait(ctx context.Context, others bool) bool {
	late := time.NewTimer(patienceOf(ctx))
	defer late.Stop()
	for {
		select {
		case <-n.settled:
			n.waiting.Store(false)
			return true
		case <-late.C:
			n.giveUp(others)
			late.Reset(lookAgain) // until there are others
		case <-ctx.Done():
			return false
		}
	}
}

// giveUp makes the client fail what is still aside, if there are others. The client moves all records of a topic to their
// places at once, or fails all of them.
func (n *newcomers) giveUp(others bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !others && len(n.aside) == n.expected {
		return
	}
	for r := range n.aside {
		n.topics[r.Topic].giveUp()
	}
}

// learn ends the Send: the client has met the topics of confirmed records, whatever became of the others.
func (n *newcomers) learn(slots []*slot) {
	for _, s := range slots {
		if s.state == failed && isAbsent(s.err) {
			if _, counted := n.topics[s.record.Topic]; counted {
				n.topics[s.record.Topic].giveUp()
				delete(n.topics, s.record.Topic)
				n.missed++
			}
		}
		if s.state != confirmed || n.know(s.record.Topic) {
			continue
		}
		if len(n.met) >= maxTopics {
			clear(n.met)
			n.last = ""
		}
		n.met[s.record.Topic] = struct{}{}
	}
	n.release()
}

// release frees what the topics of the Send were produced with.
func (n *newcomers) release() {
	for _, t := range n.topics {
		t.giveUp()
	}
	clear(n.topics)
}

// OnProduceRecordPartitioned is called by the client when a record is in its place.
func (n *newcomers) OnProduceRecordPartitioned(r *kgo.Record, _ int32) { n.settle(r) }

// settle takes note that a record is in its place or has failed, and reports whether it was still aside.
func (n *newcomers) settle(r *kgo.Record) bool {
	if !n.waiting.Load() {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.aside[r]; !ok {
		return false
	}
	if delete(n.aside, r); len(n.aside) == 0 {
		select { // never blocks: it runs while the client holds locks
		case n.settled <- struct{}{}:
		default:
		}
	}
	return true
}
