package kafka

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
)

// begin makes "start: latest" hold for what is there when the group begins, and for that alone: where the group has no
// position in any of the source's topics, the ends of all partitions are stored for it before anything is read. So a
// partition or a topic that appears later has no position, and is read from its start. It tries until ctx is done, which
// is its error.
func (r *run) begin(ctx context.Context) error {
	if r.source.cfg.Start != "latest" {
		return nil
	}
	for {
		err := r.beginOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if r.complaint.fresh(err, time.Now()) {
			r.source.settings.Log.Warn("the end of the topics could not be stored as the group's beginning; trying again", zap.Error(err))
		}
		pause(ctx, errorPause)
	}
}

func (r *run) beginOnce(ctx context.Context) error {
	var last trouble
	cl, done, err := asker(ctx, r.source.opts, &last)
	if err != nil {
		return err
	}
	defer done()
	if err := r.beginWith(ctx, kadm.NewClient(cl)); err != nil {
		return fmt.Errorf("kafka: group %s: %w", r.source.cfg.Group, last.explain(err))
	}
	return nil
}

func (r *run) beginWith(ctx context.Context, adm *kadm.Client) error {
	topics, err := r.source.topics(ctx, adm)
	if err != nil || len(topics) == 0 {
		return err
	}
	if begun, err := r.begun(ctx, adm, topics); err != nil || begun {
		return err
	}
	ends, err := r.source.ends(ctx, adm, topics)
	if err != nil {
		return err
	}
	stored, err := adm.CommitOffsets(ctx, r.source.cfg.Group, ends.Offsets())
	if err == nil {
		err = stored.Error()
	}
	if !errors.Is(err, kerr.UnknownMemberID) {
		return err
	}
	// The group has members. Either one of them was here first, and the group has begun meanwhile, or they read other
	// topics: this one begins then as a member, with what it is assigned.
	begun, err := r.begun(ctx, adm, topics)
	if err == nil && !begun {
		r.begins = offsets{}
		ends.Each(func(o kadm.ListedOffset) {
			if r.begins[o.Topic] == nil {
				r.begins[o.Topic] = map[int32]kgo.EpochOffset{}
			}
			r.begins[o.Topic][o.Partition] = kgo.EpochOffset{Epoch: o.LeaderEpoch, Offset: o.Offset}
		})
	}
	return err
}

// topics returns the topics that the source reads now.
func (s *Source) topics(ctx context.Context, adm *kadm.Client) ([]string, error) {
	if s.cfg.TopicsRegex == "" {
		return s.cfg.Topics, nil
	}
	matches, err := regexp.Compile(s.wholeName())
	if err != nil {
		return nil, err
	}
	all, err := adm.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	var topics []string
	for _, name := range all.Names() {
		if matches.MatchString(name) {
			topics = append(topics, name)
		}
	}
	return topics, nil
}

// begun reports whether the group has a position in any of the topics.
func (r *run) begun(ctx context.Context, adm *kadm.Client, topics []string) (bool, error) {
	stored, err := adm.FetchOffsets(ctx, r.source.cfg.Group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, topic := range topics {
		for _, o := range stored[topic] {
			if o.Err != nil {
				return false, o.Err
			}
			if o.At >= 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// ends returns the ends of all partitions: the last stable ones, unless the source reads what is uncommitted.
func (s *Source) ends(ctx context.Context, adm *kadm.Client, topics []string) (kadm.ListedOffsets, error) {
	list := adm.ListCommittedOffsets
	if s.cfg.IsolationLevel == "read_uncommitted" {
		list = adm.ListEndOffsets
	}
	ends, err := list(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	return ends, err
}

// wholeName returns the regular expression of the topics' names.
func (s *Source) wholeName() string { return "^(?:" + s.cfg.TopicsRegex + ")$" }
