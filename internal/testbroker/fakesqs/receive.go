package fakesqs

import (
	"context"
	"crypto/md5" //nolint:gosec // the protocol's own checksum
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

type receiveInput struct {
	QueueURL                    string `json:"QueueUrl"`
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type receivedMessage struct {
	MessageID              string `json:"MessageId"`
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string    `json:",omitempty"`
	MessageAttributes      map[string]attribute `json:",omitempty"`
	MD5OfMessageAttributes string               `json:",omitempty"`
}

func (in *receiveInput) check() error {
	for _, p := range []struct {
		name     string
		value    *int
		min, max int
	}{
		{"MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 10},
		{"VisibilityTimeout", in.VisibilityTimeout, 0, int(maxVisibility / time.Second)},
		{"WaitTimeSeconds", in.WaitTimeSeconds, 0, 20},
	} {
		if p.value != nil && (*p.value < p.min || *p.value > p.max) {
			return invalid(fmt.Sprintf("Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.", *p.value, p.name, p.min, p.max))
		}
	}
	return nil
}

// receive answers with what is visible, or waits for something to become so.
func (s *Server) receive(ctx context.Context, in receiveInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	var end time.Time
	for first := true; ; first = false {
		s.mu.Lock()
		q, err := s.find(in.QueueURL)
		if err != nil {
			s.mu.Unlock()
			return nil, err
		}
		now := s.now()
		if first {
			wait := q.seconds("ReceiveMessageWaitTimeSeconds")
			if in.WaitTimeSeconds != nil {
				wait = time.Duration(*in.WaitTimeSeconds) * time.Second
			}
			end = now.Add(wait)
		}
		got, err := s.take(q, &in, now)
		next := q.nextVisible(now, end)
		changed, advanced := q.changed, s.advanced
		s.mu.Unlock()
		if err != nil || len(got) > 0 || !now.Before(end) {
			return map[string]any{"Messages": got}, err
		}
		if !sleep(ctx, next.Sub(now), changed, advanced) {
			return nil, ctx.Err()
		}
	}
}

func sleep(ctx context.Context, d time.Duration, changed, advanced <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-advanced:
	case <-ctx.Done():
		return false
	}
	return true
}

// nextVisible returns when the next hidden message appears, end at the latest.
func (q *queue) nextVisible(now, end time.Time) time.Time {
	for _, m := range q.messages {
		if !m.deleted && m.visible.After(now) && m.visible.Before(end) {
			end = m.visible
		}
	}
	return end
}

// take hands out up to the asked number of visible messages. The caller holds the lock.
func (s *Server) take(q *queue, in *receiveInput, now time.Time) ([]receivedMessage, error) {
	limit := 1
	if in.MaxNumberOfMessages != nil {
		limit = *in.MaxNumberOfMessages
	}
	timeout := q.seconds("VisibilityTimeout")
	if in.VisibilityTimeout != nil {
		timeout = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	if q.full(now) {
		if q.fifo { // the service says nothing here, the queue just looks empty
			return nil, nil
		}
		return nil, fail("OverLimit", "Too many messages in flight for queue.")
	}
	locked := q.lockedGroups(now)
	var got []receivedMessage
	var worn []*message
	for _, m := range q.messages {
		if len(got) == limit {
			break
		}
		if m.deleted || locked[m.group] {
			continue
		}
		if m.visible.After(now) {
			if q.fifo { // what comes after a delayed message waits for it
				locked[m.group] = true
			}
			continue
		}
		if s.wornOut(q, m) {
			worn = append(worn, m)
			continue
		}
		got = append(got, s.hand(m, in, now, timeout))
	}
	for _, m := range worn {
		s.redrive(q, m, now)
	}
	return got, nil
}

// full reports whether as many messages are in flight as the service allows.
func (q *queue) full(now time.Time) bool {
	if len(q.byID) < maxInFlight {
		return false
	}
	_, inFlight, _ := q.counts(now)
	return inFlight >= maxInFlight
}

// lockedGroups returns the FIFO groups that have a message in flight; nothing of them is handed out.
func (q *queue) lockedGroups(now time.Time) map[string]bool {
	locked := map[string]bool{}
	if q.fifo {
		for _, m := range q.messages {
			if !m.deleted && m.inFlight(now) {
				locked[m.group] = true
			}
		}
	}
	return locked
}

// wornOut reports whether a message was received so often that the redrive policy takes it.
func (s *Server) wornOut(q *queue, m *message) bool {
	if q.attrs["RedrivePolicy"] == "" {
		return false
	}
	name, limit := q.redrivePolicy()
	return s.queues[name] != nil && limit > 0 && m.count >= limit
}

// redrive moves a message to the dead-letter queue.
func (s *Server) redrive(q *queue, m *message, now time.Time) {
	name, _ := q.redrivePolicy()
	q.remove(m)
	moved := *m
	moved.deleted, moved.handle, moved.count, moved.visible, moved.origin = false, "", 0, now, q.attrs["QueueArn"]
	s.queues[name].add(&moved)
}

// hand gives the message to a consumer under a new receipt handle.
func (s *Server) hand(m *message, in *receiveInput, now time.Time, timeout time.Duration) receivedMessage {
	m.count++
	if m.first.IsZero() {
		m.first = now
	}
	m.received, m.visible = now, now.Add(timeout)
	m.handle = base64.StdEncoding.EncodeToString([]byte(m.id + "/" + strconv.Itoa(m.count)))
	sum := md5.Sum([]byte(m.body))
	out := receivedMessage{
		MessageID: m.id, ReceiptHandle: m.handle, Body: m.body, MD5OfBody: hex.EncodeToString(sum[:]),
		Attributes: map[string]string{}, MessageAttributes: map[string]attribute{},
	}
	for k, v := range m.system() {
		if wanted(slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames), k) {
			out.Attributes[k] = v
		}
	}
	for k, v := range m.attrs {
		if wanted(in.MessageAttributeNames, k) {
			out.MessageAttributes[k] = v
		}
	}
	out.MD5OfMessageAttributes = attributesMD5(out.MessageAttributes)
	return out
}

func (m *message) system() map[string]string {
	all := map[string]string{
		"SenderId":                         "AIDAFAKE",
		"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.count),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
	}
	if m.group != "" {
		all["MessageGroupId"] = m.group
	}
	if m.dedup != "" {
		all["MessageDeduplicationId"] = m.dedup
		all["SequenceNumber"] = fmt.Sprintf("%020d", m.seq)
	}
	if m.origin != "" {
		all["DeadLetterQueueSourceArn"] = m.origin
	}
	return all
}

// wanted reports whether a list of asked attribute names, with All, .* and prefixes such as a.*, covers a name.
func wanted(asked []string, name string) bool {
	return slices.ContainsFunc(asked, func(a string) bool {
		if prefix, ok := strings.CutSuffix(a, ".*"); ok {
			return strings.HasPrefix(name, prefix)
		}
		return a == "All" || a == name
	})
}
