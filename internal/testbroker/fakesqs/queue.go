package fakesqs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxMessage is the service's limit of a message and of the sum of a batch, in bytes.
	maxMessage = 1 << 20
	// maxInFlight is how many messages of one queue may be received and not yet deleted.
	maxInFlight = 120_000
	// dedupWindow is how long a FIFO queue remembers a deduplication id.
	dedupWindow = 5 * time.Minute
	// maxVisibility is the longest visibility timeout, and the longest that a message can be kept from its receipt on.
	maxVisibility = 12 * time.Hour
)

type queue struct {
	name     string
	fifo     bool
	attrs    map[string]string
	messages []*message // in order of arrival; deleted ones are taken out by compact
	byID     map[string]*message
	deleted  int // deleted messages still in the slice
	total    int // messages ever deleted by a client
	dedup    map[string]*message
	changed  chan struct{} // closed and replaced whenever something may have become visible
}

type message struct {
	id, body, group, dedup string
	seq                    int64
	attrs                  map[string]attribute
	sent, first, received  time.Time // first and last receipt are zero until then
	visible                time.Time // when it can be received, again
	count                  int
	handle                 string
	deleted                bool
	origin                 string // ARN of the queue that redrive moved it from
}

// inFlight reports whether the message is with a consumer.
func (m *message) inFlight(now time.Time) bool { return m.handle != "" && m.visible.After(now) }

var defaultAttributes = map[string]string{
	"VisibilityTimeout": "30", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
	"DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": "0",
}

func newQueue(name string, attrs map[string]string, now time.Time) *queue {
	q := &queue{
		name: name, fifo: strings.HasSuffix(name, ".fifo"), attrs: map[string]string{}, byID: map[string]*message{},
		dedup: map[string]*message{}, changed: make(chan struct{}),
	}
	maps.Copy(q.attrs, defaultAttributes)
	q.attrs["CreatedTimestamp"] = strconv.FormatInt(now.Unix(), 10)
	q.attrs["QueueArn"] = "arn:aws:sqs:" + Region + ":" + Account + ":" + name
	if q.fifo {
		q.attrs["FifoQueue"] = "true"
		q.attrs["ContentBasedDeduplication"] = "false"
	}
	maps.Copy(q.attrs, attrs)
	return q
}

func (q *queue) number(name string) int {
	n, _ := strconv.Atoi(q.attrs[name]) // checkAttributes lets only numbers in
	return n
}

func (q *queue) seconds(name string) time.Duration {
	return time.Duration(q.number(name)) * time.Second
}

func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *queue) remove(m *message) {
	if m.deleted {
		return
	}
	m.deleted = true
	delete(q.byID, m.id)
	q.deleted++
	if q.deleted > 64 && q.deleted > len(q.messages)/2 {
		q.messages = slices.DeleteFunc(q.messages, func(m *message) bool { return m.deleted })
		q.deleted = 0
	}
	q.wake() // a FIFO group may be free now
}

func (q *queue) add(m *message) {
	q.messages = append(q.messages, m)
	q.byID[m.id] = m
	q.wake()
}

// counts returns the messages that can be received, are with a consumer, and are delayed.
func (q *queue) counts(now time.Time) (visible, inFlight, delayed int) {
	for _, m := range q.messages {
		switch {
		case m.deleted:
		case m.inFlight(now):
			inFlight++
		case m.visible.After(now):
			delayed++
		default:
			visible++
		}
	}
	return visible, inFlight, delayed
}

// redrivePolicy returns the name of the dead-letter queue and the receive count above which messages go there.
func (q *queue) redrivePolicy() (target string, limit int) {
	var p struct {
		Target string          `json:"deadLetterTargetArn"`
		Max    json.RawMessage `json:"maxReceiveCount"`
	}
	if json.Unmarshal([]byte(q.attrs["RedrivePolicy"]), &p) != nil {
		return "", 0
	}
	limit, _ = strconv.Atoi(strings.Trim(string(p.Max), `"`))
	return p.Target[strings.LastIndexByte(p.Target, ':')+1:], limit
}

var attributeRanges = map[string][2]int{
	"VisibilityTimeout": {0, 43200}, "MaximumMessageSize": {1024, maxMessage}, "MessageRetentionPeriod": {60, 1209600},
	"DelaySeconds": {0, 900}, "ReceiveMessageWaitTimeSeconds": {0, 20},
}

func checkAttributes(name string, attrs map[string]string) error {
	for k, v := range attrs {
		if r, ok := attributeRanges[k]; ok {
			if n, err := strconv.Atoi(v); err != nil || n < r[0] || n > r[1] {
				return fail("InvalidAttributeValue", fmt.Sprintf("Invalid value for the parameter %s.", k))
			}
			continue
		}
		switch k {
		case "FifoQueue", "ContentBasedDeduplication":
			if !strings.HasSuffix(name, ".fifo") {
				return fail("InvalidAttributeName", "Unknown Attribute "+k+".")
			}
		case "RedrivePolicy", "Policy", "KmsMasterKeyId", "SqsManagedSseEnabled", "DeduplicationScope", "FifoThroughputLimit", "RedriveAllowPolicy":
		default:
			return fail("InvalidAttributeName", "Unknown Attribute "+k+".")
		}
	}
	return nil
}

// nameOf returns the queue's name from its URL.
func nameOf(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

func (s *Server) queueURL(name string) string { return s.url + "/" + Account + "/" + name }

// find returns the queue of a URL. The caller holds the lock.
func (s *Server) find(url string) (*queue, error) {
	q := s.queues[nameOf(url)]
	if q == nil {
		return nil, fail("QueueDoesNotExist", "The specified queue does not exist.")
	}
	return q, nil
}
