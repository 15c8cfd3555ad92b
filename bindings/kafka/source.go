package kafka

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

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
	sinks    atomic.Pointer[sinkSet]
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
	src := &Source{
		cfg: cfg, settings: s, adapters: adapters, opts: opts, drain: drainWithin, bound: commitWithin,
		decoder: decoder{
			source:   s.Name,
			options:  envelope.Options{Lenient: s.Lenient, MaxAttributes: s.MaxAttributes},
			maxEvent: s.MaxEvent,
		},
	}
	src.sinks.Store(new(sinkSet))
	return src, nil
}

// OnPlan takes note of the sinks and of the routes' fingerprint. See bindings.PlanFollower.
func (s *Source) OnPlan(p bindings.Plan) {
	set := &s.settings
	decoding := fmt.Sprintf("%q %q %q %t %d %d %s", s.cfg.IsolationLevel, set.Name, set.Adapters, set.Lenient, set.MaxEvent, set.MaxAttributes, set.Identity)
	s.sinks.Store(s.sinks.Load().follow(p, decoding))
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
	begins    offsets        // where partitions begin that the group has no position of; nil for their start
	home      sync.WaitGroup // batches in the pipeline
	polled    []delivery     // of the current poll
	complaint complaint

	mu   sync.Mutex // guards free
	free []*batch
}

// delivery is what one poll brought of one partition.
type delivery struct {
	tracker    *tracker
	generation uint32
	first      uint64 // delivery number of records[0]
	records    []*kgo.Record
	prior      *prior // nil, or what is known of records
}

// Run joins the group and reads until ctx is done; then it waits for its batches, commits and leaves. It returns an
// error when a position is no longer in the log, or a topic was deleted and recreated: what was there is lost, and going
// on would hide it.
func (s *Source) Run(ctx context.Context, emit func(*bindings.Batch)) error {
	r := &run{source: s, emit: emit}
	if err := r.begin(ctx); err != nil {
		return nil //nolint:nilerr // ctx is done
	}
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
	r.committer.commit(context.WithoutCancel(ctx), true)
	r.leave()
	return err
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
	for _, fetch := range fetches {
		for _, topic := range fetch.Topics {
			for _, p := range topic.Partitions {
				if t := r.committer.tracker(topic.Topic, p.Partition); t != nil && len(p.Records) > 0 {
					t.identify(topic.TopicID)
					r.notePartition(t, p.Records)
				}
			}
		}
	}
	for i := range r.polled {
		r.restrain(r.polled[i].tracker)
	}
}

func (r *run) notePartition(t *tracker, records []*kgo.Record) {
	generation, known := t.assignment()
	sinks := r.source.sinks.Load()
	if first, ok := t.add(records, sinks); ok {
		r.polled = delivery{t, generation, first, records, known}.split(r.polled, sinks)
	}
}

// split appends the delivery to ds without the records that all sinks have.
func (d delivery) split(ds []delivery, sinks *sinkSet) []delivery {
	if d.prior == nil {
		return append(ds, d)
	}
	from := 0
	for i := range len(d.records) + 1 {
		if i < len(d.records) && !d.prior.judge(sinks, d.records[i].Offset, d.records[i].LeaderEpoch).all {
			continue
		}
		if i > from {
			part := d
			part.first, part.records = d.first+uint64(from), d.records[from:i]
			ds = append(ds, part)
		}
		from = i + 1
	}
	return ds
}

// restrain stops fetching a partition whose position is held by an event that stays pending, before the list of
// what is done behind it grows without bound: what is done gives its room in the window back. The committer's tick lets
// go again.
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
			r.committer.commit(context.Background(), false)
			r.release()
		case <-stop:
			return
		}
	}
}

// deliver emits a delivery in batches, waiting for the window before each. The error is that of ctx.
func (r *run) deliver(ctx context.Context, d *delivery) error {
	for len(d.records) > 0 {
		most, err := r.source.limit(ctx)
		if err != nil {
			return err
		}
		b := r.batch()
		n := r.fill(b, d, most)
		if err := r.source.settings.Window.Acquire(ctx, len(b.Events), b.bytes); err != nil {
			r.recycle(b)
			return err
		}
		b.Hold(r.source.settings.Window, b.bytes)
		if !d.tracker.emit(d.generation, d.first+uint64(n)) {
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
func (r *run) fill(b *batch, d *delivery, most limit) int {
	n, size := most.cut(d.records)
	var sinks *sinkSet
	if d.prior != nil {
		sinks = r.source.sinks.Load()
		b.SkipBy(sinks.routes)
	}
	for i, rec := range d.records[:n] {
		r.decode(&b.Batch, rec)
		if d.prior != nil {
			r.skip(&b.Batch, b.spans.First(i), d.prior.judge(sinks, rec.Offset, rec.LeaderEpoch))
		}
		b.spans = b.spans.Add(i, len(b.Events))
		if len(b.Events) < most.events || i+1 == n {
			continue
		}
		for _, rest := range d.records[i+1 : n] {
			size -= recordSize(rest)
		}
		n = i + 1
		break
	}
	b.bytes = size
	return n
}

// skip tells the pipeline which sinks have the events from first on.
func (r *run) skip(b *bindings.Batch, first int, v skips) {
	for e := first; e < len(b.Events); e++ {
		b.SkipSinks(e, v.sinks)
	}
}

// limit is how large a batch may be.
type limit struct{ events, bytes int }

// limit waits for room in the window and returns how large the next batch may be. The error is that of ctx.
func (s *Source) limit(ctx context.Context) (limit, error) {
	events, bytes, err := s.settings.Window.Await(ctx)
	return limit{min(events, batchEvents), min(bytes, batchBytes)}, err
}

// cut returns how many records make the next batch, at least one, and their bytes.
func (l limit) cut(records []*kgo.Record) (n, size int) {
	for n < len(records) && n < l.events {
		next := recordSize(records[n])
		if n > 0 && size+next > l.bytes {
			break
		}
		size += next
		n++
	}
	return n, size
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
