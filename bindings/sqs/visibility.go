package sqs

import (
	"container/heap"
	"context"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"
)

// entryIDs name the entries of a batch request by their place in it.
var entryIDs = [maxBatch]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}

// placeOf returns the place of an entry in its request, -1 for an id that was never sent.
func placeOf(id *string, n int) int {
	if id == nil || len(*id) != 1 {
		return -1
	}
	if i := int((*id)[0]) - '0'; i >= 0 && i < n {
		return i
	}
	return -1
}

// verdict is what an answer says of an entry. The zero value is an entry that the answer does not mention, and that
// is pending (invariant 8).
type verdict uint8

const (
	unknown verdict = iota // not mentioned, or the call failed: try again
	done                   // confirmed
	refused                // failed for good: the receipt handle is no longer valid
)

// failedEntry judges a failed entry.
func failedEntry(f *types.BatchResultErrorEntry) verdict {
	if f.SenderFault && (f.Code == nil || !throttled(bareCode(*f.Code))) {
		return refused
	}
	return unknown
}

// judge reconciles an answer with the n entries of its request (invariant 8): what it lists as failed has failed even
// if it lists it as successful too, and what it does not list is unknown.
func judge(n int, successful []*string, failed []types.BatchResultErrorEntry) (verdicts [maxBatch]verdict) {
	for _, id := range successful {
		if i := placeOf(id, n); i >= 0 {
			verdicts[i] = done
		}
	}
	for i := range failed {
		if place := placeOf(failed[i].Id, n); place >= 0 {
			verdicts[place] = failedEntry(&failed[i])
		}
	}
	return verdicts
}

// visibilityChange is one entry of a call, as it was when the call was made.
type visibilityChange struct {
	h      *held
	handle string
	phase  phase
	to     time.Duration
}

// keeper extends the visibility of what is held and makes visible again what failed. Several run at once, over one ledger.
type keeper struct {
	ledger *ledger
	client *awssqs.Client
	url    string
	log    *zap.Logger
}

// run works until nothing is held any more, or until ctx is done.
func (k *keeper) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		changes, wait := k.ledger.dueChanges(time.Now())
		if len(changes) > 0 {
			k.change(ctx, changes)
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-k.ledger.change:
		case <-k.ledger.empty:
			return
		case <-ctx.Done():
		}
	}
}

// dueChanges takes up to ten messages whose visibility is to be changed, or says how long to wait for the first. Once
// one is due, those that soon will be go along.
func (l *ledger) dueChanges(now time.Time) (changes []visibilityChange, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.dues) == 0 {
		return nil, time.Hour
	}
	if wait = l.dues[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	for horizon := now.Add(l.visibility / 10); len(l.dues) > 0 && len(changes) < maxBatch; {
		h := l.dues[0]
		if h.due.After(horizon) {
			break
		}
		heap.Pop(&l.dues)
		to := l.visibility
		if h.phase == releasing {
			to = h.delay
		} else if left := maxVisibility - now.Sub(h.received) - time.Second; left < to {
			// The service hides a message for twelve hours at most. It comes back then, and is adopted.
			if to = left; to < time.Second {
				continue
			}
		}
		h.changing = true
		changes = append(changes, visibilityChange{h, h.handle, h.phase, to})
	}
	if len(l.dues) > 0 {
		poke(l.change) // for the next keeper
	}
	return changes, 0
}

// change makes one call and writes its outcome into the ledger.
func (k *keeper) change(ctx context.Context, changes []visibilityChange) {
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(changes))
	for i := range changes {
		entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
			Id: &entryIDs[i], ReceiptHandle: &changes[i].handle, VisibilityTimeout: wholeSeconds(changes[i].to),
		}
	}
	start := time.Now()
	// A call that hangs must not cost the visibility of everything else.
	ctx, cancel := context.WithTimeout(ctx, max(k.ledger.visibility/4, time.Second))
	defer cancel()
	out, err := k.client.ChangeMessageVisibilityBatch(ctx, &awssqs.ChangeMessageVisibilityBatchInput{QueueUrl: &k.url, Entries: entries})
	var verdicts [maxBatch]verdict
	if err != nil {
		k.log.Warn("sqs: the visibility of messages could not be changed; it is tried again", zap.Int("messages", len(changes)), zap.Error(err))
	} else {
		ids := make([]*string, len(out.Successful))
		for i := range out.Successful {
			ids[i] = out.Successful[i].Id
		}
		verdicts = judge(len(changes), ids, out.Failed)
	}
	k.ledger.changed(changes, verdicts, start)
}

// wholeSeconds rounds up, so that nothing becomes visible too early.
func wholeSeconds(d time.Duration) int32 {
	return int32(max(0, d+time.Second-1) / time.Second)
}

// changed writes the outcome of a visibility call that was started at start.
func (l *ledger) changed(changes []visibilityChange, verdicts [maxBatch]verdict, start time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		c.h.changing = false
		if c.h.phase == forgotten {
			continue
		}
		if c.h.handle != c.handle || c.h.phase != c.phase && c.h.phase == releasing {
			l.schedule(c.h) // it was adopted or released meanwhile, which set when it is due
			continue
		}
		if c.phase == releasing {
			l.released(c.h, verdicts[i], start)
		} else {
			l.extended(c, verdicts[i], start)
		}
	}
}

func (l *ledger) released(h *held, v verdict, start time.Time) {
	if v != unknown || start.After(h.until) { // given back, or visible by itself
		l.forget(h)
		return
	}
	h.tries++
	h.due = start.Add(backoff(h.tries, 100*time.Millisecond, 5*time.Second))
	l.schedule(h)
}

func (l *ledger) extended(c *visibilityChange, v verdict, start time.Time) {
	switch v {
	case done:
		c.h.until, c.h.due = start.Add(c.to), start.Add(l.visibility/2)
	case unknown:
		c.h.due = start.Add(min(time.Second, l.visibility/8))
	case refused:
		return // its visibility lapsed; it comes again and is adopted with the new handle
	}
	l.schedule(c.h)
}
