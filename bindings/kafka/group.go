package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

const (
	// defaultSession is how long the group waits for a member that has died. Longer ones delay everybody after a crash;
	// shorter ones take a paused machine for a dead one.
	defaultSession = 10 * time.Second
	// longestHeartbeat is how often a member says that it is there, a third of a session if that is shorter.
	longestHeartbeat = 3 * time.Second
	// rebalanceWithin is how long the group waits for members to give partitions up.
	rebalanceWithin = time.Minute
	// lookForNew is how often new topics and partitions are looked for.
	lookForNew = 5 * time.Second
)

// leave leaves the group and closes the client. A join that is under way waits for other members, for as long as their
// sessions last; the stop does not.
func (r *run) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	r.client.AllowRebalance()
	if err := r.client.LeaveGroupContext(ctx); err != nil {
		r.source.settings.Log.Info("leaving the consumer group timed out; the group waits for this member's session to end", zap.Error(err))
	}
	// Close waits for the group without a bound: for a join that is under way, as long as the sessions of members that
	// are gone last. Ending the client's context ends that.
	r.cancel()
	r.client.Close()
}

// start makes the client, which joins the group by itself from here on.
func (r *run) start() error {
	s := r.source
	r.committer = newCommitter(s.settings.Log, s.drain, s.sinks.Load)
	r.committer.bound = s.bound
	ctx, cancel := context.WithCancel(context.Background())
	// The callbacks wait until the client is set: they may come before NewClient has returned.
	ready := make(chan struct{})
	var fetched map[topicPartition]string // from one callback to the next, on the same goroutine
	defer close(ready)
	opts := append(s.groupOptions(),
		kgo.WithContext(ctx),
		kgo.WithLogger(&trouble{log: s.settings.Log}),
		kgo.OnPartitionsAssigned(func(_ context.Context, cl *kgo.Client, p map[string][]int32) {
			r.committer.assigned(p)
			cl.ResumeFetchPartitions(p)
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, p map[string][]int32) {
			<-ready
			r.committer.revoked(ctx, p)
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, p map[string][]int32) {
			r.committer.lost(p)
		}),
		kgo.OnOffsetsFetched(func(_ context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
			fetched = storedTexts(resp)
			return nil
		}),
		kgo.AdjustFetchOffsetsFn(func(ctx context.Context, from map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			<-ready
			r.resume(ctx, from, fetched)
			return from, nil
		}),
	)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		cancel()
		return fmt.Errorf("kafka: %w", err)
	}
	r.client, r.cancel, r.committer.send = cl, cancel, clientCommit(cl)
	return nil
}

// groupOptions returns the client options of a member that commits by itself.
func (s *Source) groupOptions() []kgo.Opt {
	isolation := kgo.ReadCommitted()
	if s.cfg.IsolationLevel == "read_uncommitted" {
		isolation = kgo.ReadUncommitted()
	}
	opts := append([]kgo.Opt{
		kgo.ConsumerGroup(s.cfg.Group),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(s.cfg.session()), kgo.HeartbeatInterval(min(s.cfg.session()/3, longestHeartbeat)),
		kgo.RebalanceTimeout(rebalanceWithin),
		kgo.MetadataMaxAge(lookForNew), kgo.MetadataMinAge(lookForNew / 2),
		kgo.DisableAutoCommit(),
		// Held for microseconds only, from a poll to the note in the trackers: without it a partition could be taken
		// away and given back in between, and old records would be noted under the new assignment.
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchIsolationLevel(isolation),
		// With start: latest too: where the group begins is stored before (begin), and what appears later is read from
		// its start.
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		// What the client holds beside the window: two fetches of 8 MiB, and no single batch that unpacks to more
		// than 64 MiB.
		kgo.FetchMaxBytes(8 << 20), kgo.FetchMaxPartitionBytes(1 << 20), kgo.MaxConcurrentFetches(2),
		kgo.MaxDecompressBatchBytes(64 << 20),
	}, s.opts...)
	if s.cfg.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(s.cfg.InstanceID))
	}
	if s.cfg.TopicsRegex != "" {
		return append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(s.wholeName()))
	}
	return append(opts, kgo.ConsumeTopics(s.cfg.Topics...))
}

// resume sets where newly assigned partitions are read from.
func (r *run) resume(ctx context.Context, from map[string]map[int32]kgo.Offset, texts map[topicPartition]string) {
	begun := false
	for topic, ps := range from {
		for p, at := range ps {
			tp := topicPartition{topic, p}
			stored := at.EpochOffset()
			if stored.Offset < 0 {
				stored = none
			}
			next := r.committer.fetched(tp, stored, texts[tp])
			if begin, ok := r.begins[topic][p]; ok && next == none {
				r.committer.tracker(topic, p).startAt(begin)
				next, begun = begin, true
			}
			if next != none && next != stored {
				ps[p] = kgo.NewOffset().At(next.Offset).WithEpoch(next.Epoch)
			}
		}
	}
	if begun {
		r.committer.commit(ctx, false) // before anything is read: a crash must not begin once more
	}
}

// storedTexts returns what is stored with the positions of a response.
func storedTexts(resp *kmsg.OffsetFetchResponse) map[topicPartition]string {
	texts := map[topicPartition]string{}
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if p.Metadata != nil {
					texts[topicPartition{t.Topic, p.Partition}] = *p.Metadata
				}
			}
		}
	}
	return texts
}
