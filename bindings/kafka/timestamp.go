package kafka

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/eventrouter/router/envelope"
)

// timeMode is where the timestamp of a record comes from.
type timeMode uint8

const (
	timeKeep  timeMode = iota // of the record that the event came in, else now
	timeNow                   // when it is sent
	timeEvent                 // of the event's time, else now
)

// compileTimestamp reads the timestamp setting, which was checked.
func compileTimestamp(setting string) timeMode {
	switch setting {
	case "now":
		return timeNow
	case "event":
		return timeEvent
	}
	return timeKeep
}

// latestTime is the last timestamp that the client can write, in milliseconds: it counts in nanoseconds.
const latestTime = int64(^uint64(0)>>1) / int64(time.Millisecond)

// millis returns a record's timestamp as an event's metadata has it. What old or odd clients write for "none" is 0.
func millis(r *kgo.Record) int64 { return max(r.Timestamp.UnixMilli(), 0) }

// timestamp returns when the record of e was made, in the sense of the setting. own is false where that is now.
func (c *encoder) timestamp(e *envelope.Event, now time.Time) (t time.Time, own bool) {
	var ms int64
	switch {
	case c.time == timeKeep && e.Meta.Transport == kind:
		ms = e.Meta.Timestamp
	case c.time == timeEvent:
		ms = eventTime(e.Time)
	}
	if ms <= 0 || ms > latestTime {
		return now, false
	}
	return time.UnixMilli(ms), true
}

// eventTime returns the time attribute in milliseconds, 0 if there is none that can be read: a leap second cannot.
func eventTime(text string) int64 {
	if text == "" {
		return 0
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		if t, err = time.Parse(time.RFC3339, strings.ToUpper(text)); err != nil {
			return 0
		}
	}
	return t.UnixMilli()
}

// renewAtOnce is how many records that were refused for their timestamps get the present time together. Looking for
// the ones at fault among so few would cost more requests than it is worth where a whole backlog is too old.
const renewAtOnce = 16

// outOfTime reports whether refused records are few enough, were all refused for their timestamps, and one of them has
// a timestamp of its own.
func outOfTime(refused []*slot) bool {
	own := false
	for _, s := range refused {
		if !errors.Is(s.err, kerr.InvalidTimestamp) {
			return false
		}
		own = own || s.ownTime
	}
	return own && len(refused) <= renewAtOnce
}

// renewTime gives records the present time and sends them once more. An event that arrives with another timestamp is
// better than one that does not arrive; what is refused again is refused for good.
func (p *producer) renewTime(refused []*slot) {
	now := time.Now()
	for _, s := range refused {
		s.record.Timestamp, s.ownTime = now, false
	}
	p.renewed = refused[0].record.Topic
}

// tellRenewed logs that records got another timestamp than their own, from time to time.
func (s *Sink) tellRenewed(topic string) {
	err := fmt.Errorf("topic %s refused the timestamp of a record (message.timestamp.before.max.ms or after.max.ms); "+
		"the event was written with the present time", topic)
	s.mu.Lock()
	fresh := s.renewed.fresh(err, time.Now())
	s.mu.Unlock()
	if fresh {
		s.settings.Log.Warn("kafka: timestamps are not kept", zap.Error(err))
	}
}
