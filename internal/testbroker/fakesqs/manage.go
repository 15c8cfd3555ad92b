package fakesqs

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

type queueInput struct {
	QueueName      string
	QueueURL       string `json:"QueueUrl"`
	Attributes     map[string]string
	AttributeNames []string
}

// CreateQueue makes a queue and returns its URL. A name that ends in .fifo makes a FIFO queue.
func (s *Server) CreateQueue(t testing.TB, name string, attrs map[string]string) string {
	t.Helper()
	if _, err := s.createQueue(queueInput{QueueName: name, Attributes: attrs}); err != nil {
		t.Fatalf("fakesqs: create queue %s: %v", name, err)
	}
	return s.queueURL(name)
}

// Depth returns how many messages of a queue can be received, are in flight, and are delayed.
func (s *Server) Depth(name string) (visible, inFlight, delayed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[name]; q != nil {
		return q.counts(s.now())
	}
	return 0, 0, 0
}

// Deleted returns how many messages of a queue clients have deleted.
func (s *Server) Deleted(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[name]; q != nil {
		return q.total
	}
	return 0
}

// Bodies returns the bodies of the messages in a queue, in order of arrival, whatever their visibility.
func (s *Server) Bodies(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	if q := s.queues[name]; q != nil {
		for _, m := range q.messages {
			if !m.deleted {
				out = append(out, m.body)
			}
		}
	}
	return out
}

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$|^[A-Za-z0-9_-]{1,75}\.fifo$`)

func (s *Server) createQueue(in queueInput) (any, error) {
	if !queueName.MatchString(in.QueueName) {
		return nil, invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	if in.Attributes["FifoQueue"] == "true" != strings.HasSuffix(in.QueueName, ".fifo") && in.Attributes["FifoQueue"] != "" {
		return nil, invalid("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix")
	}
	if err := checkAttributes(in.QueueName, in.Attributes); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[in.QueueName]
	if q == nil {
		q = newQueue(in.QueueName, in.Attributes, s.now())
		s.queues[in.QueueName] = q
	}
	for k, v := range in.Attributes {
		if q.attrs[k] != v {
			return nil, fail("QueueNameExists", "A queue already exists with the same name and a different value for attribute "+k)
		}
	}
	return map[string]string{"QueueUrl": s.queueURL(in.QueueName)}, nil
}

func (s *Server) deleteQueue(in queueInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	delete(s.queues, q.name)
	q.wake()
	return struct{}{}, nil
}

func (s *Server) getQueueURL(in queueInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(in.QueueName); err != nil {
		return nil, err
	}
	return map[string]string{"QueueUrl": s.queueURL(in.QueueName)}, nil
}

func (s *Server) listQueues(in struct{ QueueNamePrefix string }) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	urls := []string{}
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if strings.HasPrefix(name, in.QueueNamePrefix) {
			urls = append(urls, s.queueURL(name))
		}
	}
	return map[string]any{"QueueUrls": urls}, nil
}

func (s *Server) getQueueAttributes(in queueInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(q.attrs)
	visible, inFlight, delayed := q.counts(s.now())
	all["ApproximateNumberOfMessages"] = strconv.Itoa(visible)
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(inFlight)
	all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(delayed)
	if !slices.Contains(in.AttributeNames, "All") {
		maps.DeleteFunc(all, func(k, _ string) bool { return !slices.Contains(in.AttributeNames, k) })
	}
	return map[string]any{"Attributes": all}, nil
}

func (s *Server) setQueueAttributes(in queueInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkAttributes(q.name, in.Attributes); err != nil {
		return nil, err
	}
	maps.Copy(q.attrs, in.Attributes)
	return struct{}{}, nil
}

func (s *Server) purgeQueue(in queueInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	for _, m := range slices.Clone(q.messages) {
		q.remove(m)
	}
	return struct{}{}, nil
}
