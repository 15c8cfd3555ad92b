package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// ensureStream returns nil if the source's stream is there, which it creates if it may.
func (s *Source) ensureStream(ctx context.Context, nc *natsgo.Conn) (*jetstream.StreamInfo, error) {
	return streamInfo(ctx, nc, s.cfg.Stream, s.cfg.Create, s.cfg.Subjects)
}

// ensureStream returns the configuration of a stream, creating it as streamInfo does.
func ensureStream(ctx context.Context, nc *natsgo.Conn, name string, create *StreamConfig, subjects []string) (*jetstream.StreamConfig, error) {
	info, err := streamInfo(ctx, nc, name, create, subjects)
	if err != nil {
		return nil, err
	}
	return &info.Config, nil
}

// streamInfo returns what is known of a stream, creating it with the default subjects if it is not there and create is
// not nil.
func streamInfo(ctx context.Context, nc *natsgo.Conn, name string, create *StreamConfig, subjects []string) (*jetstream.StreamInfo, error) {
	js, err := jetStream(nc)
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) && create != nil {
		stream, err = js.CreateStream(ctx, create.jetStream(name, subjects))
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			// Somebody else created it in between.
			stream, err = js.Stream(ctx, name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("nats: stream %s: %w", name, unprefixed(err))
	}
	return stream.CachedInfo(), nil
}

// unprefixed takes the client's own "nats: " from an error that gets ours.
func unprefixed(err error) error {
	if text, ok := strings.CutPrefix(err.Error(), "nats: "); ok {
		return &clientError{text, err}
	}
	return err
}

type clientError struct {
	text string
	err  error
}

func (e *clientError) Error() string { return e.text }
func (e *clientError) Unwrap() error { return e.err }

func (c *StreamConfig) jetStream(name string, subjects []string) jetstream.StreamConfig {
	cfg := jetstream.StreamConfig{
		Name: name, Subjects: subjects, Replicas: max(c.Replicas, 1), MaxAge: c.MaxAge, MaxBytes: int64(c.MaxBytes),
		MaxMsgs: c.MaxMessages, MaxMsgSize: int32(min(c.MaxMessageSize, 1<<31-1)), Duplicates: c.DuplicateWindow,
		Discard: jetstream.DiscardNew,
	}
	if len(c.Subjects) > 0 {
		cfg.Subjects = c.Subjects
	}
	switch {
	case c.MaxAge < 0:
		cfg.MaxAge = 0
	case c.MaxAge == 0:
		cfg.MaxAge = defaultMaxAge
	}
	for _, limit := range []*int64{&cfg.MaxBytes, &cfg.MaxMsgs} {
		if *limit == 0 {
			*limit = -1
		}
	}
	if cfg.MaxMsgSize == 0 {
		cfg.MaxMsgSize = -1
	}
	if c.Storage == "memory" {
		cfg.Storage = jetstream.MemoryStorage
	}
	if c.Discard == "old" {
		cfg.Discard = jetstream.DiscardOld
	}
	switch c.Retention {
	case "workqueue":
		cfg.Retention = jetstream.WorkQueuePolicy
	case "interest":
		cfg.Retention = jetstream.InterestPolicy
	}
	return cfg
}

// ensureConsumer makes the durable consumer what the source needs. Of one that is there, only the settings that belong
// to the source are changed; where it began stays. One that was deleted while the source ran begins after the message
// that the source has done last, unless that is 0.
func (s *Source) ensureConsumer(ctx context.Context, nc *natsgo.Conn, after uint64) error {
	js, err := jetStream(nc)
	if err != nil {
		return err
	}
	want := jetstream.ConsumerConfig{Durable: s.cfg.Durable, AckPolicy: jetstream.AckExplicitPolicy}
	switch {
	case after > 0:
		want.DeliverPolicy, want.OptStartSeq = jetstream.DeliverByStartSequencePolicy, after+1
	case s.cfg.Start == "new":
		want.DeliverPolicy = jetstream.DeliverNewPolicy
	}
	have, err := js.Consumer(ctx, s.cfg.Stream, s.cfg.Durable)
	switch {
	case err == nil:
		want = have.CachedInfo().Config
	case !errors.Is(err, jetstream.ErrConsumerNotFound):
		return s.consumerError(err)
	}
	if want.AckPolicy != jetstream.AckExplicitPolicy {
		return s.consumerError(errors.New("exists with another ack policy than explicit"))
	}
	before := want
	want.AckWait, want.MaxDeliver, want.MaxAckPending, want.BackOff = s.cfg.AckWait, -1, s.cfg.MaxAckPending, nil
	want.FilterSubject, want.FilterSubjects = "", s.cfg.Subjects
	if len(s.cfg.Subjects) == 1 {
		want.FilterSubject, want.FilterSubjects = s.cfg.Subjects[0], nil
	}
	if err == nil && sameConsumer(&before, &want) {
		return nil
	}
	if err == nil && !sameSubjects(&before, &want) {
		s.log.Warn("nats: the subjects of the durable change; of an added one, messages before the durable's place are not read",
			zap.String("durable", s.cfg.Durable), zap.Strings("were", filters(&before)), zap.Strings("are", filters(&want)),
			zap.Uint64("place", have.CachedInfo().Delivered.Stream))
	}
	if _, err := js.CreateOrUpdateConsumer(ctx, s.cfg.Stream, want); err != nil {
		return s.consumerError(err)
	}
	return nil
}

func sameConsumer(a, b *jetstream.ConsumerConfig) bool {
	return sameSubjects(a, b) && a.AckWait == b.AckWait && a.MaxDeliver == b.MaxDeliver && a.MaxAckPending == b.MaxAckPending &&
		len(a.BackOff) == 0
}

func sameSubjects(a, b *jetstream.ConsumerConfig) bool { return slices.Equal(filters(a), filters(b)) }

// filters returns the subjects that a durable takes of its stream, none for all.
func filters(c *jetstream.ConsumerConfig) []string {
	if c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}

func (s *Source) consumerError(err error) error {
	return fmt.Errorf("nats: stream %s: durable %s: %w", s.cfg.Stream, s.cfg.Durable, unprefixed(err))
}

// warnStream says what of a target stream's configuration weakens the router's promise.
func warnStream(log *zap.Logger, c *jetstream.StreamConfig) {
	if c.Storage == jetstream.MemoryStorage {
		log.Warn("nats: the stream is kept in memory; a restart of the server loses acknowledged events", zap.String("stream", c.Name))
	}
	if c.Discard == jetstream.DiscardOld && (c.MaxMsgs > 0 || c.MaxBytes > 0 || c.MaxMsgsPerSubject > 0) {
		log.Warn("nats: the stream deletes its oldest messages when it is full", zap.String("stream", c.Name))
	}
	if c.Duplicates > 0 && c.Duplicates < time.Minute {
		log.Warn("nats: the stream's duplicate window is shorter than a minute; repeated attempts may store an event twice",
			zap.String("stream", c.Name), zap.Duration("window", c.Duplicates))
	}
}
