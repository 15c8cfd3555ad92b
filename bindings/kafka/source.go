package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
	"github.com/eventrouter/router/envelope"
)

const (
	// pollRecords, batchEvents and batchBytes bound a poll and a batch. A batch is the records of one partition of
	// one poll, cut where it would be too large for the window to have a say.
	pollRecords = 2048
	batchEvents = 512
	batchBytes  = 1 << 20
	// freeBatches is how many batches are kept for reuse; more are left to the collector.
	freeBatches = 256
	// errorPause keeps a fetch error that is reported at once from becoming a busy loop.
	errorPause = 250 * time.Millisecond
	// defaultSession is how long the group waits for a member that has died. Longer ones delay everybody after a crash;
	// shorter ones take a paused machine for a dead one.
	defaultSession = 10 * time.Second
	// longestHeartbeat is how often a member says that it is there, a third of a session if that is shorter.
	longestHeartbeat = 3 * time.Second
	// rebalanceWithin is how long the group waits for members to give partitions up.
	rebalanceWithin = time.Minute
)

// Source reads topics as a member of a consumer group.
type Source struct {
	cfg      SourceConfig
	settings bindings.SourceSettings
	decoder  decoder
	adapters adapter.Set
	opts     []kgo.Opt     // of the connection
	drain    time.Duration // drainWithin, shorter in tests
	bound    time.Duration // commitWithin, shorter in tests
	failed   func(error)   // nil, or what is told of a position that is gone
}

// NewSource returns a source. It does not touch the network; the group is joined by Run. Errors are FieldErrors.
func NewSource(cfg SourceConfig, s bindings.SourceSettings) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	opts, err := connect(cfg.Brokers, cfg.TLS, cfg.SASL)
	if err != nil {
		return nil, err
	}
	adapters, err := adapter.Parse(s.Adapters)
	if err != nil {
		return nil, err
	}
	if s.Log == nil {
		s.Log = zap.NewNop()
	}
	return &Source{
		cfg: cfg, settings: s, adapters: adapters, opts: opts, drain: drainWithin, bound: commitWithin,
		decoder: decoder{
			source:   s.Name,
			options:  envelope.Options{Lenient: s.Lenient, MaxAttributes: s.MaxAttributes},
			maxEvent: s.MaxEvent,
		},
	}, nil
}

// OnFailure sets what is told of a position that is gone, before Run returns.
func (s *Source) OnFailure(report func(error)) { s.failed = report }

// Ready returns nil once a broker answers and has all configured topics.
func (s *Source) Ready(ctx context.Context) error { return reach(ctx, s.opts, s.cfg.Topics...) }

// run is one run of a source: what lives from joining the group to leaving it.
type run struct {
	source    *Source
	emit      func(*bindings.Batch)
	client    *kgo.Client
	cancel    context.CancelFunc // ends what the client waits for
	committer *committer
	home      sync.WaitGroup // batches in the pipeline
	polled    []delivery     // of the current poll
	complaint complaint

	mu   sync.Mutex // guards free
	free []*batch
}

// delivery is what one poll brought of one partition.
type delivery struct {
	tracker *tracker
	first   uint64 // delivery number of records[0]
	records []*kgo.Record
}

// batch is the settler of its own events.
type batch struct {
	bindings.Batch
	run     *run
	tracker *tracker
	first   uint64        // delivery number of the first record
	spans   adapter.Spans // which events came from which record
	bytes   int           // taken from the window
}

// Run joins the group and reads until ctx is done; then it waits for its batches, commits and leaves. It returns an
// error when a position is no longer in the log, or a topic was deleted and made again: what was there is lost, and going
// on would hide it.
func (s *Source) Run(ctx context.Context, emit func(*bindings.Batch)) error {
	r := &run{source: s, emit: emit}
	if err := r.start(); err != nil {
		return err
	}
	stop := make(chan struct{})
	var background sync.WaitGroup
	background.Go(func() { r.keepCommitting(stop) })

	err := r.read(ctx)
	if err != nil && s.failed != nil {
		s.failed(err) // the batches may not come home before the router stops
	}

	// The order matters: batches first, then the positions they settled, then the group. Until then the client goes
	// on with its heartbeats, so that no other member starts on the same records.
	r.home.Wait()
	close(stop)
	background.Wait()
	r.committer.commit(context.WithoutCancel(ctx))
	r.leave()
	return err
}

// leave leaves the group and closes the client. A join that is under way waits for other members, for as long as their
// sessions last; the stop does not.
func (r *run) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	r.client.AllowRebalance()
	if err := r.client.LeaveGroupContext(ctx); err != nil {
		r.source.settings.Log.Info("the group was not left in time; it waits for this member's session to end", zap.Error(err))
	}
	// Close waits for the group without a bound: for a join that is under way, as long as the sessions of members that
	// are gone last. Ending the client's context ends that.
	r.cancel()
	r.client.Close()
}

// start makes the client, which joins the group by itself from here on.
func (r *run) start() error {
	s := r.source
	r.committer = newCommitter(s.settings.Log, s.drain)
	r.committer.bound = s.bound
	ctx, cancel := context.WithCancel(context.Background())
	// The callbacks wait until the client is set: they may come before NewClient has returned.
	ready := make(chan struct{})
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
	start, isolation := kgo.NewOffset().AtStart(), kgo.ReadCommitted()
	if s.cfg.Start == "latest" {
		start = kgo.NewOffset().AtEnd()
	}
	if s.cfg.IsolationLevel == "read_uncommitted" {
		isolation = kgo.ReadUncommitted()
	}
	opts := append([]kgo.Opt{
		kgo.ConsumerGroup(s.cfg.Group),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(s.cfg.session()), kgo.HeartbeatInterval(min(s.cfg.session()/3, longestHeartbeat)),
		kgo.RebalanceTimeout(rebalanceWithin),
		kgo.DisableAutoCommit(),
		// Held for microseconds only, from a poll to the note in the trackers: without it a partition could be taken
		// away and given back in between, and old records would be noted under the new assignment.
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchIsolationLevel(isolation),
		kgo.ConsumeStartOffset(start),
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
		return append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics("^(?:"+s.cfg.TopicsRegex+")$"))
	}
	return append(opts, kgo.ConsumeTopics(s.cfg.Topics...))
}

// read polls and emits until ctx is done or a position is lost.
func (r *run) read(ctx context.Context) error {
	for {
		fetches := r.client.PollRecords(ctx, pollRecords)
		r.note(fetches)
		r.client.AllowRebalance()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end that was asked for is no failure
		}
		if err := r.check(ctx, fetches); err != nil {
			return err
		}
		for i := range r.polled {
			if err := r.deliver(ctx, &r.polled[i]); err != nil {
				return nil //nolint:nilerr // ctx is done; what was not emitted is not done, so no commit passes it
			}
		}
	}
}

// note enters what was polled into the trackers. Rebalances are blocked meanwhile, so it neither waits nor decodes.
func (r *run) note(fetches kgo.Fetches) {
	clear(r.polled)
	r.polled = r.polled[:0]
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		t := r.committer.tracker(p.Topic, p.Partition)
		if t == nil {
			return
		}
		if first, ok := t.add(p.Records); ok {
			r.polled = append(r.polled, delivery{t, first, p.Records})
		}
	})
	for i := range r.polled {
		r.restrain(r.polled[i].tracker)
	}
}

// restrain stops fetching a partition whose position is held by an event that failed for good, before the list of
// what is done behind it grows without bound. The committer's tick lets go again.
func (r *run) restrain(t *tracker) {
	n, offset := t.held()
	if n < holdAtMost || !t.setPaused(true) {
		return
	}
	r.client.PauseFetchPartitions(map[string][]int32{t.topic: {t.partition}})
	r.source.settings.Log.Error("partition is not read further until its position moves on",
		zap.String("topic", t.topic), zap.Int32("partition", t.partition), zap.Int64("held_by_offset", offset),
		zap.Int("records_behind", n))
}

// release resumes partitions whose position has moved on.
func (r *run) release() {
	for _, t := range r.committer.trackers() {
		if n, _ := t.held(); n < holdAtMost/2 && t.setPaused(false) {
			r.client.ResumeFetchPartitions(map[string][]int32{t.topic: {t.partition}})
		}
	}
}

// keepCommitting stores positions until stop is closed.
func (r *run) keepCommitting(stop <-chan struct{}) {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.committer.commit(context.Background())
			r.release()
		case <-stop:
			return
		}
	}
}

// deliver emits a delivery in batches, waiting for the window before each. The error is that of ctx.
func (r *run) deliver(ctx context.Context, d *delivery) error {
	for len(d.records) > 0 {
		b := r.batch()
		n := r.fill(b, d.records)
		if err := r.source.settings.Window.Acquire(ctx, len(b.Events), b.bytes); err != nil {
			r.recycle(b)
			return err
		}
		b.Hold(r.source.settings.Window, b.bytes)
		if !d.tracker.emit() {
			b.Free()
			r.recycle(b)
			return nil // the partition is somebody else's now
		}
		b.tracker, b.first = d.tracker, d.first
		d.records, d.first = d.records[n:], d.first+uint64(n)
		r.home.Add(1)
		r.emit(&b.Batch)
	}
	return nil
}

// fill decodes what makes the next batch and returns how many records that is. A record that is several events may
// fill it early.
func (r *run) fill(b *batch, records []*kgo.Record) int {
	n, size := r.source.cut(records)
	most, _ := r.source.bounds()
	for i, rec := range records[:n] {
		r.decode(&b.Batch, rec)
		b.spans = b.spans.Add(i, len(b.Events))
		if len(b.Events) < most || i+1 == n {
			continue
		}
		for _, rest := range records[i+1 : n] {
			size -= recordSize(rest)
		}
		n = i + 1
		break
	}
	b.bytes = size
	return n
}

// cut returns how many records make the next batch, and their bytes: no more than the window's bounds, which a larger
// batch would pass when nothing else is in flight.
func (s *Source) cut(records []*kgo.Record) (n, size int) {
	maxEvents, maxBytes := s.bounds()
	for n < len(records) && n < maxEvents {
		next := recordSize(records[n])
		if n > 0 && size+next > maxBytes {
			break
		}
		size += next
		n++
	}
	return n, size
}

// bounds returns how large a batch may be.
func (s *Source) bounds() (events, bytes int) {
	events, bytes = s.settings.Window.Bounds()
	return atMost(events, batchEvents), atMost(bytes, batchBytes)
}

// atMost returns the smaller of a bound and a default; a bound of 0 is none.
func atMost(bound, def int) int {
	if bound == 0 {
		return def
	}
	return min(bound, def)
}

// decode makes events of a record, whatever it takes: there is no way around the pipeline. It is one event, unless an
// adapter says otherwise.
func (r *run) decode(b *bindings.Batch, rec *kgo.Record) {
	e := b.Add()
	mediaType, err := r.source.decoder.decode(e, rec)
	if err == nil {
		return
	}
	keepHeaders(e, rec, false)
	err = r.source.adapters.Adapt(b, adapter.Message{Body: rec.Value, Err: err, Options: r.source.decoder.options})
	if err != nil {
		e = &b.Events[len(b.Events)-1]
		r.source.settings.Refuse(e, rec.Value, mediaType, err)
		if e.Malformed != nil {
			keepHeaders(e, rec, true) // nothing of it is lost
		}
	}
}

// batch returns an empty batch.
func (r *run) batch() *batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.free); n > 0 {
		b := r.free[n-1]
		r.free = r.free[:n-1]
		return b
	}
	b := &batch{run: r}
	b.Events = make([]envelope.Event, 0, 64)
	b.Init(b)
	return b
}

// Settle takes the batch home. The events' memory is the collector's; their structs are used again.
func (b *batch) Settle(*bindings.Batch) {
	r := b.run
	b.tracker.settle(b.first, &b.Batch, b.spans)
	b.Free()
	r.recycle(b)
	r.home.Done()
}

// recycle empties a batch and keeps it for reuse.
func (r *run) recycle(b *batch) {
	b.tracker, b.spans = nil, b.spans[:0]
	b.Reset()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.free) < freeBatches {
		r.free = append(r.free, b)
	}
}

// check judges what a poll reported beside records. Only a position or a topic that is gone ends the run: everything else
// the client tries again, or an operator mends.
func (r *run) check(ctx context.Context, fetches kgo.Fetches) error {
	var fatal, passing error
	fetches.EachError(func(topic string, partition int32, err error) {
		var lost *kgo.ErrDataLoss
		var session *kgo.ErrGroupSession
		switch {
		case errors.Is(err, kerr.OffsetOutOfRange):
			fatal = errors.Join(fatal, fmt.Errorf(
				"kafka: topic %s partition %d: %s is no longer in the log, so events were lost; set the group's offset to go on: %w",
				topic, partition, r.describe(topic, partition), err))
		case errors.Is(err, kerr.UnknownTopicID):
			// The client never reads the new one. It refuses to store positions of the old one, which would skip what is
			// in the new one.
			fatal = errors.Join(fatal, fmt.Errorf("kafka: topic %s was deleted and made again, so what was not read of the old one "+
				"is lost; a restart reads the new one, from where start says: %w", topic, err))
		case errors.As(err, &lost):
			fatal = errors.Join(fatal, fmt.Errorf(
				"kafka: topic %s partition %d: the log was cut back from offset %d to %d, so events may be lost: %w",
				topic, partition, lost.ConsumedTo, lost.ResetTo, err))
		case errors.As(err, &session):
			passing = r.source.explain(session.Err)
		default:
			passing = fmt.Errorf("kafka: topic %s partition %d: %w", topic, partition, err)
		}
	})
	if fatal != nil {
		return fatal
	}
	if r.complaint.fresh(passing, time.Now()) {
		r.source.settings.Log.Warn("records could not be fetched; the client tries again", zap.Error(passing))
	}
	if passing != nil && len(r.polled) == 0 {
		pause(ctx, errorPause)
	}
	return nil
}

// explain names what a user can do about an error of the group.
func (s *Source) explain(err error) error {
	switch {
	case errors.Is(err, kerr.InvalidSessionTimeout):
		return fmt.Errorf("kafka: group %s: the brokers refuse session_timeout %s: set one between their "+
			"group.min.session.timeout.ms and group.max.session.timeout.ms: %w", s.cfg.Group, s.cfg.session(), err)
	case errors.Is(err, kerr.FencedInstanceID):
		return fmt.Errorf("kafka: group %s: another process uses instance_id %s: give each process its own: %w",
			s.cfg.Group, s.cfg.InstanceID, err)
	}
	return fmt.Errorf("kafka: group %s: %w", s.cfg.Group, err)
}

// describe names the position that a partition was to be read from.
func (r *run) describe(topic string, partition int32) string {
	if t := r.committer.tracker(topic, partition); t != nil {
		if offset, ok := t.next(); ok {
			return fmt.Sprintf("offset %d", offset)
		}
	}
	if p, ok := r.client.CommittedOffsets()[topic][partition]; ok {
		return fmt.Sprintf("offset %d", p.Offset)
	}
	return "the position"
}

// pause waits, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
