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
	// commitEvery is how often settled positions are stored, with the ledgers of what is done beyond them: what was done
	// since then is what a crash repeats.
	commitEvery = 250 * time.Millisecond
	// commitWithin bounds one commit; the next one carries the same positions and newer ones.
	commitWithin = 10 * time.Second
	// leaveWithin bounds how long a stop waits for the group.
	leaveWithin = 3 * time.Second
	// drainWithin bounds how long a revocation waits for batches in the pipeline. It holds up the whole group, so it
	// ends well inside rebalanceWithin.
	drainWithin = 20 * time.Second
	// holdAtMost is how many records a partition may have delivered from one that is not done on, before it is no
	// longer fetched: an event that stays pending keeps room in the window for itself alone. It bounds the memory of
	// their marks, and what is repeated where the ledger has no place for it.
	holdAtMost = 100_000
	// parkedFor is how long what is known of a partition that was taken away is kept for its return.
	parkedFor = 10 * time.Minute
	// leastLimit is the least that metadata is shortened to when brokers refuse it.
	leastLimit = 64
)

// offsets are positions by topic and partition, in the client's shape.
type offsets = map[string]map[int32]kgo.EpochOffset

type topicPartition struct {
	topic     string
	partition int32
}

// stores are what one commit carries: positions and, with each, the text that is stored with it.
type stores struct {
	positions offsets
	texts     map[topicPartition]string
}

// add puts a position in.
func (s *stores) add(tp topicPartition, position kgo.EpochOffset, text string) {
	if s.positions == nil {
		s.positions, s.texts = offsets{}, map[topicPartition]string{}
	}
	if s.positions[tp.topic] == nil {
		s.positions[tp.topic] = map[int32]kgo.EpochOffset{}
	}
	s.positions[tp.topic][tp.partition] = position
	s.texts[tp] = text
}

// refusals are why offsets were not committed.
type refusals map[topicPartition]error

// committer owns the live trackers and is the only one that commits. The client's own marks are not used: they
// accept records of partitions that were revoked.
type committer struct {
	log *zap.Logger
	// send stores positions and returns which could not be stored: the client's synchronous commit. It is set before
	// the first revocation or commit. An error is one of the request as a whole.
	send  func(context.Context, stores) (refusals, error)
	sinks func() *sinkSet
	drain time.Duration // how long revoked waits
	bound time.Duration // commitWithin, shorter in tests

	// committing is held from collecting positions to the broker's answer, so that an older position is never sent
	// after a newer one, nor any after its partition was given up.
	committing sync.Mutex
	failing    bool         // guarded by committing: the last commit failed
	writer     ledgerWriter // guarded by committing
	overflow   complaint    // guarded by committing

	mu   sync.Mutex // guards what follows
	live map[topicPartition]*tracker
	// parked are trackers of partitions that were taken away, and since when.
	parked map[topicPartition]parkedTracker
}

type parkedTracker struct {
	*tracker
	since time.Time
}

func newCommitter(log *zap.Logger, drain time.Duration, sinks func() *sinkSet) *committer {
	return &committer{
		log: log, drain: drain, bound: commitWithin, sinks: sinks, writer: ledgerWriter{limit: metadataLimit},
		live: map[topicPartition]*tracker{}, parked: map[topicPartition]parkedTracker{},
	}
}

// assigned starts a tracker for each partition that was given to us.
func (c *committer) assigned(partitions map[string][]int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic, ps := range partitions {
		for _, p := range ps {
			tp := topicPartition{topic, p}
			if t := c.live[tp]; t != nil {
				c.park(tp, t)
			}
			c.live[tp] = newTracker(topic, p)
		}
	}
}

// park keeps the tracker of a partition that is not ours any more, if it knows anything. The caller holds mu.
func (c *committer) park(tp topicPartition, t *tracker) {
	if !t.park() {
		return
	}
	if earlier, ok := c.parked[tp]; ok {
		earlier.drop()
	}
	c.parked[tp] = parkedTracker{t, time.Now()}
}

// fetched takes what is stored of a partition that was assigned, and returns where to read it from: from there on, or
// behind what this process has emitted since.
func (c *committer) fetched(tp topicPartition, stored kgo.EpochOffset, text string) kgo.EpochOffset {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.live[tp]
	if t == nil {
		return stored
	}
	from, ledger := stored, decodeLedger(text, stored.Offset)
	if earlier, ok := c.parked[tp]; ok {
		delete(c.parked, tp)
		if next, ok := earlier.resume(stored); ok {
			t, from = earlier.tracker, next
			c.live[tp] = t
		}
	}
	t.inherit(stored, ledger)
	return from
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

// keep parks trackers that were taken.
func (c *committer) keep(ts []*tracker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range ts {
		c.park(topicPartition{t.topic, t.partition}, t)
	}
}

// forget drops what was parked too long ago.
func (c *committer) forget(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for tp, t := range c.parked {
		if now.Sub(t.since) > parkedFor {
			t.drop()
			delete(c.parked, tp)
		}
	}
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
	c.store(ctx, gone, true)
	c.keep(gone)
}

// lost parks partitions that are somebody else's already. Committing for them could overwrite the new owner's
// position.
func (c *committer) lost(partitions map[string][]int32) { c.keep(c.take(partitions)) }

// commit stores what was settled since the last time; last is set when there is no next one.
func (c *committer) commit(ctx context.Context, last bool) {
	c.committing.Lock()
	defer c.committing.Unlock()
	c.store(ctx, c.trackers(), last)
	c.forget(time.Now())
}

// store commits for trackers. The caller holds committing.
func (c *committer) store(ctx context.Context, ts []*tracker, last bool) {
	var all stores
	c.writer.sinks = c.sinks()
	due := map[*tracker]commitment{}
	left := int64(0)
	for _, t := range ts {
		if d, ok := t.commitment(&c.writer, time.Now(), last); ok {
			due[t] = d
			left += d.left
			all.add(topicPartition{t.topic, t.partition}, d.position, d.note.text)
		}
	}
	if len(due) == 0 {
		return
	}
	limit, cancel := context.WithTimeout(ctx, c.bound)
	defer cancel()
	refused, err := c.send(limit, all)
	if c.shorten(refused, &all, due) {
		refused, err = c.send(limit, all)
	}
	for t, d := range due {
		if e := refused[topicPartition{t.topic, t.partition}]; err == nil && e == nil {
			t.confirm(d)
		}
	}
	c.report(errors.Join(append([]error{err}, refused.errors()...)...))
	c.warn(left)
}

// shorten takes the ledgers away from what was refused because of their length, so that the positions are stored, and
// makes later ones shorter. It reports whether there were any.
func (c *committer) shorten(refused refusals, all *stores, due map[*tracker]commitment) bool {
	long := false
	for t, d := range due {
		tp := topicPartition{t.topic, t.partition}
		if errors.Is(refused[tp], kerr.OffsetMetadataTooLarge) && d.note.text != "" {
			d.note.text, long = "", true
			due[t] = d
			all.texts[tp] = ""
		}
	}
	if long {
		c.writer.limit = max(c.writer.limit/2, leastLimit)
	}
	return long
}

// warn says now and then that ledgers have no place for all that is done.
func (c *committer) warn(left int64) {
	if left == 0 {
		return
	}
	if c.overflow.fresh(errOverflow, time.Now()) {
		c.log.Warn("too many events wait between events that are done; a restart repeats some of what was confirmed",
			zap.Int64("offsets", left), zap.Int("metadata_limit", c.writer.limit))
	}
}

// errOverflow stands for a full ledger where complaints are limited.
var errOverflow = errors.New("the ledger is full")

// report logs when commits begin to fail and when they work again, not each of them. Nothing is lost by a commit that
// failed: the position is sent again, and a restart delivers from the stored one.
func (c *committer) report(err error) {
	switch {
	case err != nil && !c.failing:
		c.log.Warn("offset commit failed; events since the last committed offset are delivered again after a restart",
			zap.Error(err))
	case err == nil && c.failing:
		c.log.Info("offset commits succeed again")
	}
	c.failing = err != nil
}

// clientCommit returns the send function of a client.
func clientCommit(cl *kgo.Client) func(context.Context, stores) (refusals, error) {
	return func(ctx context.Context, all stores) (refused refusals, err error) {
		ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
			for i := range req.Topics {
				t := &req.Topics[i]
				for j := range t.Partitions {
					t.Partitions[j].Metadata = new(all.texts[topicPartition{t.Topic, t.Partitions[j].Partition}])
				}
			}
			return nil
		})
		done := func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, cerr error) {
			if err = cerr; err == nil {
				refused = refusedBy(resp)
			}
		}
		if cl.CommitOffsetsSync(ctx, all.positions, done); err != nil {
			return nil, fmt.Errorf("kafka: commit: %w", err)
		}
		return refused, nil
	}
}

// refusedBy returns which positions a broker did not store.
func refusedBy(resp *kmsg.OffsetCommitResponse) refusals {
	var refused refusals
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				if refused == nil {
					refused = refusals{}
				}
				refused[topicPartition{t.Topic, p.Partition}] = err
			}
		}
	}
	return refused
}

// errors returns one error for each position.
func (r refusals) errors() []error {
	var errs []error
	for tp, err := range r {
		errs = append(errs, fmt.Errorf("kafka: commit topic %s partition %d: %w", tp.topic, tp.partition, err))
	}
	return errs
}
