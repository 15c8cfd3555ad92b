package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

const (
	// commitEvery is how often settled positions are stored: what a crash delivers twice at most, beside the window.
	commitEvery = 250 * time.Millisecond
	// commitWithin bounds one commit; the next one carries the same positions and newer ones.
	commitWithin = 10 * time.Second
	// leaveWithin bounds how long a stop waits for the group.
	leaveWithin = 3 * time.Second
	// drainWithin bounds how long a revocation waits for batches in the pipeline. It holds up the whole group, so it
	// ends well inside rebalanceWithin.
	drainWithin = 20 * time.Second
	// holdAtMost is how many records a partition may have delivered behind one that is not done before it is no
	// longer fetched. Only an event that failed for good gets there: the window is smaller.
	holdAtMost = 100_000
)

// offsets are positions by topic and partition, in the client's shape.
type offsets = map[string]map[int32]kgo.EpochOffset

type topicPartition struct {
	topic     string
	partition int32
}

// committer owns the live trackers and is the only one that commits. The client's own marks are not used: they
// accept records of partitions that were revoked.
type committer struct {
	log *zap.Logger
	// send stores positions and returns what could not be stored: the client's synchronous commit. It is set before
	// the first revocation or commit.
	send  func(context.Context, offsets) (offsets, error)
	drain time.Duration // how long revoked waits
	bound time.Duration // commitWithin, shorter in tests

	// committing is held from collecting positions to the broker's answer, so that an older position is never sent
	// after a newer one, nor any after its partition was given up.
	committing sync.Mutex
	failing    bool // guarded by committing: the last commit failed

	mu   sync.Mutex // guards live
	live map[topicPartition]*tracker
}

func newCommitter(log *zap.Logger, drain time.Duration) *committer {
	return &committer{log: log, drain: drain, bound: commitWithin, live: map[topicPartition]*tracker{}}
}

// assigned starts a tracker for each partition that was given to us.
func (c *committer) assigned(partitions map[string][]int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic, ps := range partitions {
		for _, p := range ps {
			c.live[topicPartition{topic, p}] = newTracker(topic, p)
		}
	}
}

// tracker returns the tracker of a partition, nil if it is not ours.
func (c *committer) tracker(topic string, partition int32) *tracker {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live[topicPartition{topic, partition}]
}

// trackers returns all live trackers.
func (c *committer) trackers() []*tracker {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*tracker, 0, len(c.live))
	for _, t := range c.live {
		all = append(all, t)
	}
	return all
}

// take removes and returns the trackers of partitions.
func (c *committer) take(partitions map[string][]int32) []*tracker {
	c.mu.Lock()
	defer c.mu.Unlock()
	var taken []*tracker
	for topic, ps := range partitions {
		for _, p := range ps {
			if t := c.live[topicPartition{topic, p}]; t != nil {
				taken = append(taken, t)
				delete(c.live, topicPartition{topic, p})
			}
		}
	}
	return taken
}

// revoked gives partitions up in good order: no intake, a bounded wait for what is in the pipeline, one last commit.
// What is still out after the wait is delivered again by the next owner.
func (c *committer) revoked(ctx context.Context, partitions map[string][]int32) {
	gone := c.take(partitions)
	limit, cancel := context.WithTimeout(ctx, c.drain)
	defer cancel()
	waits := make([]<-chan struct{}, len(gone))
	for i, t := range gone {
		waits[i] = t.fence()
	}
	for _, idle := range waits {
		select {
		case <-idle:
		case <-limit.Done():
		}
	}
	c.committing.Lock()
	defer c.committing.Unlock()
	c.store(ctx, gone, (*tracker).end)
}

// lost drops partitions that are somebody else's already. Committing for them could overwrite the new owner's
// position.
func (c *committer) lost(partitions map[string][]int32) {
	for _, t := range c.take(partitions) {
		t.end()
	}
}

// commit stores what was settled since the last time.
func (c *committer) commit(ctx context.Context) {
	c.committing.Lock()
	defer c.committing.Unlock()
	c.store(ctx, c.trackers(), (*tracker).position)
}

// store commits the positions of trackers. The caller holds committing.
func (c *committer) store(ctx context.Context, ts []*tracker, position func(*tracker) (kgo.EpochOffset, bool)) {
	var all offsets
	for _, t := range ts {
		p, fresh := position(t)
		if !fresh {
			continue
		}
		if all == nil {
			all = offsets{}
		}
		if all[t.topic] == nil {
			all[t.topic] = map[int32]kgo.EpochOffset{}
		}
		all[t.topic][t.partition] = p
	}
	if all == nil {
		return
	}
	limit, cancel := context.WithTimeout(ctx, c.bound)
	defer cancel()
	refused, err := c.send(limit, all)
	for _, t := range ts {
		p, sent := all[t.topic][t.partition]
		if _, bad := refused[t.topic][t.partition]; sent && !bad {
			t.confirm(p)
		}
	}
	c.report(err)
}

// report logs when commits begin to fail and when they work again, not each of them. Nothing is lost by a commit that
// failed: the position is sent again, and a restart delivers from the stored one.
func (c *committer) report(err error) {
	switch {
	case err != nil && !c.failing:
		c.log.Warn("positions could not be stored; events since the last stored one are delivered again after a restart",
			zap.Error(err))
	case err == nil && c.failing:
		c.log.Info("positions are stored again")
	}
	c.failing = err != nil
}

// clientCommit returns the send function of a client.
func clientCommit(cl *kgo.Client) func(context.Context, offsets) (offsets, error) {
	return func(ctx context.Context, all offsets) (refused offsets, err error) {
		done := func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, cerr error) {
			if cerr != nil {
				refused, err = all, fmt.Errorf("kafka: commit: %w", cerr)
				return
			}
			refused, err = refusals(resp)
		}
		cl.CommitOffsetsSync(ctx, all, done)
		return refused, err
	}
}

// refusals returns which positions a broker did not store.
func refusals(resp *kmsg.OffsetCommitResponse) (offsets, error) {
	var refused offsets
	var errs []error
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			err := kerr.ErrorForCode(p.ErrorCode)
			if err == nil {
				continue
			}
			if refused == nil {
				refused = offsets{}
			}
			if refused[t.Topic] == nil {
				refused[t.Topic] = map[int32]kgo.EpochOffset{}
			}
			refused[t.Topic][p.Partition] = none
			errs = append(errs, fmt.Errorf("kafka: commit topic %s partition %d: %w", t.Topic, p.Partition, err))
		}
	}
	return refused, errors.Join(errs...)
}
