package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
)

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
			fatal = errors.Join(fatal, fmt.Errorf("kafka: topic %s was deleted and recreated, so what was not read of the old one "+
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
