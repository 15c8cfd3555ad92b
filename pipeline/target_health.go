package pipeline

import "time"

const (
	// breakAfter is how many Sends in a row must fail as a whole before a shard pauses: until then a failure delays only the
	// key it hit.
	breakAfter = 3
	// repeatShare bounds what repetitions that fail take of a worker's time while other events wait for their first attempt:
	// one part in so many.
	repeatShare = 20
)

// targetHealth is what a shard knows of its target. Whether the target is down only events tell that are sent for the
// first time: one that failed before may fail for its own sake, and says nothing of what the target does with others.
type targetHealth struct {
	failures int   // consecutive Sends of fresh events that failed as a whole
	failing  int64 // since when, in Unix nanoseconds
	healthy  int64 // when the target last took or judged an event
	paused   int64 // no Send before this time; 0 unless the target is taken to be down
	pauses   int   // consecutive ones

	repeats  int   // consecutive Sends of nothing but repetitions that failed as a whole
	repeatAt int64 // no repetition before this time
	yieldAt  int64 // nor before this time, while fresh events wait
}

// verdict is what one Send says of the target.
type verdict struct {
	// answered is true if an event was confirmed or refused for its own sake; repeated, if one of them had failed before.
	answered, repeated bool
	// fresh is true if an event failed that had not failed before, for another reason than an earlier one's failure.
	fresh bool
	// began and ended are when the Send did.
	began, ended int64
}

// down reports whether the target is taken to be down, so that the next Send is a probe.
func (h *targetHealth) down() bool { return h.paused != 0 }

// barred returns until when no repetition may go; others says whether fresh events wait.
func (h *targetHealth) barred(others bool) int64 {
	if others {
		return max(h.repeatAt, h.yieldAt)
	}
	return h.repeatAt
}

// observe takes note of a Send.
func (h *targetHealth) observe(v verdict, retry Retry) {
	switch {
	case v.answered:
		if v.repeated || h.down() {
			h.repeatAt, h.yieldAt = 0, 0
		}
		h.failures, h.repeats, h.paused, h.pauses, h.healthy = 0, 0, 0, 0, v.ended
	case v.fresh || h.down():
		if h.failures++; h.failures == 1 {
			h.failing = v.began
		}
		// A target that took events a moment ago and answers at once is more likely to dislike these ones than to be down.
		grace := int64(retry.Initial)
		if h.down() || h.failures >= breakAfter && v.ended-max(h.failing, h.healthy) >= grace {
			h.pauses++
			h.paused = v.ended + int64(backoff(retry, h.pauses))
		}
	default:
		h.yieldAt = v.ended + (repeatShare-1)*max(v.ended-v.began, int64(time.Microsecond))
		if h.repeats++; h.repeats >= breakAfter {
			h.repeatAt = v.ended + int64(backoff(retry, h.repeats-breakAfter+1))
		}
	}
}
