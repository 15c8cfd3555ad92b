package sqs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

var (
	errEarlier = bindings.NotSent(errors.New("sqs: an earlier event of the same message group was not accepted, so this one was not sent"))
	errMissing = errors.New("the answer does not mention the event")
)

// scratch is what one Send works with; it is reused. The AWS SDK has copied a message into its request before the call
// returns, so that nothing refers to the buffers afterwards.
type scratch struct {
	format  envelope.Format
	n       int        // how many events the Send has
	msgs    []*message // one for each, and spare ones
	sent    []bool     // whether the event was put into a request
	errs    bindings.BatchError
	picked  []int // the events of the current request
	entries []types.SendMessageBatchRequestEntry
}

func (sc *scratch) begin(n int) {
	for len(sc.msgs) < n {
		sc.msgs = append(sc.msgs, newMessage(sc.format))
		sc.sent = append(sc.sent, false)
	}
	clear(sc.sent)
	sc.n, sc.errs = n, nil
}

func (sc *scratch) fail(i int, err error) {
	if sc.errs == nil { // not recycled: the caller keeps it
		sc.errs = make(bindings.BatchError, sc.n)
	}
	sc.errs[i] = err
}

func (sc *scratch) err(i int) error {
	if sc.errs == nil {
		return nil
	}
	return sc.errs[i]
}

// failRest fails what was not sent yet.
func (sc *scratch) failRest(err error) {
	for i := range sc.n {
		if !sc.sent[i] && sc.err(i) == nil {
			sc.fail(i, err)
		}
	}
	for _, i := range sc.picked { // cut has marked them as sent
		if sc.err(i) == nil {
			sc.fail(i, err)
		}
	}
}

func (sc *scratch) result() error {
	if sc.errs == nil {
		return nil
	}
	return sc.errs
}

// cut picks the events of the next request, up to ten and up to 1 MiB, and reports whether there are any. For a FIFO
// queue a group goes into a request once, and not at all behind an event of it that failed and will be tried again.
func (sc *scratch) cut(fifo bool) bool {
	sc.picked = sc.picked[:0]
	bytes := 0
	for i := 0; i < sc.n && len(sc.picked) < maxBatch; i++ {
		if sc.sent[i] || sc.err(i) != nil {
			continue
		}
		m := sc.msgs[i]
		if fifo {
			switch {
			case sc.blocked(i):
				sc.fail(i, errEarlier)
				continue
			case sc.picks(m.group):
				continue
			}
		}
		if bytes+m.size > maxMessage {
			break
		}
		bytes += m.size
		sc.picked = append(sc.picked, i)
	}
	for _, i := range sc.picked {
		sc.sent[i] = true
	}
	return len(sc.picked) > 0
}

// blocked reports whether an event before i of the same group failed and will be tried again. One that failed for good
// holds up nobody: its place in the order is the dead letter.
func (sc *scratch) blocked(i int) bool {
	for j := range i {
		if err := sc.err(j); err != nil && sc.msgs[j].group == sc.msgs[i].group && !errors.As(err, new(*bindings.PermanentError)) {
			return true
		}
	}
	return false
}

func (sc *scratch) picks(group string) bool {
	for _, i := range sc.picked {
		if sc.msgs[i].group == group {
			return true
		}
	}
	return false
}

// request sends the picked events and records the outcome of each.
func (s *Sink) request(ctx context.Context, q *queue, sc *scratch) {
	err := s.send(ctx, q, sc, sc.picked)
	if err == nil {
		return
	}
	if reason, ok := contentFault(codeOf(err)); ok {
		if len(sc.picked) == 1 {
			sc.fail(sc.picked[0], bindings.Permanent(reason, codeOf(err), s.ref.wrap("send", err)))
			return
		}
		// The service refused the request for the content of one entry and does not say which. Alone, each can be told.
		for k := range sc.picked {
			s.alone(ctx, q, sc, sc.picked[k:k+1])
		}
		return
	}
	for _, i := range sc.picked {
		sc.fail(i, s.transient(err))
	}
}

func (s *Sink) alone(ctx context.Context, q *queue, sc *scratch, one []int) {
	err := s.send(ctx, q, sc, one)
	if err == nil {
		return
	}
	if reason, ok := contentFault(codeOf(err)); ok {
		sc.fail(one[0], bindings.Permanent(reason, codeOf(err), s.ref.wrap("send", err)))
		return
	}
	sc.fail(one[0], s.transient(err))
}

// transient wraps the failure of a whole call. Whether the service did what was asked is not known (invariant 8), and
// what it does not permit today an operator may permit tomorrow.
func (s *Sink) transient(err error) error {
	if code := codeOf(err); code != "" {
		return &bindings.CodeError{Code: code, Err: s.ref.wrap("send", err)}
	}
	return s.ref.wrap("send", err)
}

// send makes one call for the events of those indexes. The error is that of the call; what the answer says of an entry
// goes into sc.
func (s *Sink) send(ctx context.Context, q *queue, sc *scratch, picked []int) error {
	sc.entries = sc.entries[:0]
	for place, i := range picked {
		m := sc.msgs[i]
		entry := types.SendMessageBatchRequestEntry{Id: &entryIDs[place], MessageBody: &m.body, MessageAttributes: m.attrs}
		if m.group != "" {
			entry.MessageGroupId = &m.group
		}
		if m.dedup != "" {
			entry.MessageDeduplicationId = &m.dedup
		}
		sc.entries = append(sc.entries, entry)
	}
	out, err := s.client.SendMessageBatch(ctx, &awssqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: sc.entries})
	if err != nil {
		return err
	}
	var accounted [maxBatch]bool
	for i := range out.Successful {
		if place := placeOf(out.Successful[i].Id, len(picked)); place >= 0 {
			accounted[place] = true
		}
	}
	for i := range out.Failed {
		if place := placeOf(out.Failed[i].Id, len(picked)); place >= 0 {
			accounted[place] = true
			sc.fail(picked[place], s.entryError(&out.Failed[i]))
		}
	}
	for place, i := range picked {
		if !accounted[place] {
			sc.fail(i, s.ref.wrap("send", errMissing))
		}
	}
	return nil
}

// entryError classifies a failed entry.
func (s *Sink) entryError(f *types.BatchResultErrorEntry) error {
	code, message := "", ""
	if f.Code != nil {
		code = bareCode(*f.Code)
	}
	if f.Message != nil {
		message = *f.Message
	}
	err := s.ref.wrap("send", fmt.Errorf("%s: %s", code, message))
	if !f.SenderFault || throttled(code) || lacksRights(code) {
		return &bindings.CodeError{Code: code, Err: err}
	}
	reason, ok := contentFault(code)
	if !ok {
		reason = bindings.ReasonRejected
	}
	return bindings.Permanent(reason, code, err)
}

// lacksRights reports whether an error code is about rights or keys, which an operator mends while the event waits.
func lacksRights(code string) bool {
	code = strings.ToLower(code)
	return strings.HasPrefix(code, "kms") || strings.Contains(code, "accessdenied")
}

// contentFault reports whether an error code is about what a message holds, so that the same message would fail again.
func contentFault(code string) (bindings.Reason, bool) {
	switch code {
	case "InvalidMessageContents":
		return bindings.ReasonUnencodable, true
	case "BatchRequestTooLong", "MessageTooLong":
		return bindings.ReasonTooLarge, true
	case "InvalidParameterValue", "InvalidAttributeValue", "InvalidParameterCombination", "MissingParameter":
		return bindings.ReasonRejected, true
	}
	return "", false
}
