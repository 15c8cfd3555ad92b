package sqs

import (
	"context"
	"slices"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"
)

// deleteLinger is how long confirmed messages wait for company before they are deleted.
const deleteLinger = 5 * time.Millisecond

// deletion is one entry of a delete call, as it was when the call was made.
type deletion struct {
	h      *held
	handle string
}

// deleter deletes what was confirmed. Several run at once, over one ledger.
type deleter struct {
	ledger *ledger
	client *awssqs.Client
	url    string
	log    *zap.Logger
}

// run works until nothing is held any more, or until ctx is done.
func (d *deleter) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		cut, wait := d.ledger.cutDeletes(time.Now())
		if len(cut) > 0 {
			d.delete(ctx, cut)
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-d.ledger.delete:
		case <-d.ledger.empty:
			return
		case <-ctx.Done():
		}
	}
}

// cutDeletes takes up to ten messages to delete, or says how long to wait. A message is in there once, so that no
// request names one twice.
func (l *ledger) cutDeletes(now time.Time) (cut []deletion, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ready, wait := 0, time.Hour
	flush := l.closing
	for _, h := range l.deletes {
		if d := h.ready.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		if ready++; ready == maxBatch {
			flush = true
			break
		}
		if d := h.since.Add(deleteLinger).Sub(now); d > 0 {
			wait = min(wait, d)
		} else {
			flush = true
		}
	}
	if ready == 0 || !flush {
		return nil, wait
	}
	l.deletes = slices.DeleteFunc(l.deletes, func(h *held) bool {
		if len(cut) == maxBatch || h.ready.After(now) {
			return false
		}
		cut = append(cut, deletion{h, h.handle})
		return true
	})
	if len(l.deletes) > 0 {
		poke(l.delete) // for the next deleter
	}
	return cut, 0
}

// delete makes one call and writes its outcome into the ledger.
func (d *deleter) delete(ctx context.Context, cut []deletion) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(cut))
	for i := range cut {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: &entryIDs[i], ReceiptHandle: &cut[i].handle}
	}
	out, err := d.client.DeleteMessageBatch(ctx, &awssqs.DeleteMessageBatchInput{QueueUrl: &d.url, Entries: entries})
	var verdicts [maxBatch]verdict
	if err != nil {
		d.log.Warn("sqs: delivered messages could not be deleted; it is tried again", zap.Int("messages", len(cut)), zap.Error(err))
	} else {
		ids := make([]*string, len(out.Successful))
		for i := range out.Successful {
			ids[i] = out.Successful[i].Id
		}
		verdicts = judge(len(cut), ids, out.Failed)
	}
	if n := d.ledger.deleted(cut, verdicts, time.Now()); n > 0 {
		d.log.Warn("sqs: the queue refused to delete delivered messages; they will be delivered again unless they are gone",
			zap.Int("messages", n))
	}
}

// deleted writes the outcome of a delete call and returns how many messages were given up.
func (l *ledger) deleted(cut []deletion, verdicts [maxBatch]verdict, now time.Time) (refusals int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range cut {
		h := cut[i].h
		switch {
		case h.handle != cut[i].handle: // delivered again meanwhile, so that the call deleted nothing
			h.ready, h.since = now, now
		case verdicts[i] == unknown:
			h.tries++
			h.ready = now.Add(backoff(h.tries, 100*time.Millisecond, 10*time.Second))
		default:
			if verdicts[i] == refused {
				refusals++
			}
			l.forget(h)
			continue
		}
		l.deletes = append(l.deletes, h)
		poke(l.delete)
	}
	return refusals
}
