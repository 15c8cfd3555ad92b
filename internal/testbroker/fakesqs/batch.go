package fakesqs

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

type batchInput[E any] struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []E
}

type handleEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout *int
}

type handleInput struct {
	handleEntry
	QueueURL string `json:"QueueUrl"`
}

type failure struct {
	ID          string `json:"Id"`
	Code        string
	Message     string
	SenderFault bool
}

// batchAnswer collects what becomes of the entries.
type batchAnswer struct {
	Successful []any
	Failed     []failure
}

var entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func checkIDs(ids []string) error {
	switch {
	case len(ids) == 0:
		return fail("EmptyBatchRequest", "There should be at least one entry in the request.")
	case len(ids) > 10:
		return fail("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent "+strconv.Itoa(len(ids))+".")
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if !entryID.MatchString(id) {
			return fail("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return fail("BatchEntryIdsNotDistinct", "Id "+id+" repeated.")
		}
		seen[id] = true
	}
	return nil
}

// run performs the entries one by one, as the fault wants it. do returns the entry's line in Successful.
func (a *batchAnswer) run(f *Fault, ids []string, do func(i int, id string) (any, error)) {
	a.Successful, a.Failed = []any{}, []failure{}
	for i, id := range ids {
		o := f.outcome(i)
		if o.Answer == AnswerUnknown {
			id = "unknown-" + id
		}
		line, err := any(map[string]string{"Id": id}), error(nil)
		if o.Performed {
			line, err = do(i, id)
		}
		if o.Answer == AnswerMissing {
			continue
		}
		if o.Answer == AnswerFailed || o.Answer == AnswerBoth {
			a.Failed = append(a.Failed, failure{id, o.Code, "scripted failure", o.SenderFault})
		}
		switch {
		case o.Answer == AnswerFailed:
		case err != nil:
			a.Failed = append(a.Failed, failureOf(id, err))
		default:
			a.Successful = append(a.Successful, line)
		}
	}
}

func failureOf(id string, err error) failure {
	var e *Error
	if !errors.As(err, &e) {
		return failure{ID: id, Code: "InternalFailure", Message: err.Error()}
	}
	return failure{ID: id, Code: e.Shape, Message: e.Message, SenderFault: e.Status < 500}
}

func (s *Server) sendBatch(in batchInput[sendEntry], f *Fault) (any, error) {
	total := 0
	ids := make([]string, len(in.Entries))
	for i := range in.Entries {
		ids[i] = in.Entries[i].ID
		total += sizeOf(&in.Entries[i])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkIDs(ids); err != nil {
		return nil, err
	}
	if total > maxMessage {
		return nil, fail("BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes. You have sent "+strconv.Itoa(total)+" bytes.")
	}
	a := new(batchAnswer)
	a.run(f, ids, func(i int, id string) (any, error) {
		e := in.Entries[i]
		e.ID = id
		return s.accept(q, &e)
	})
	return a, nil
}

// handles runs a batch of operations on receipt handles.
func (s *Server) handles(in batchInput[handleEntry], f *Fault, do func(*queue, *handleEntry) error) (any, error) {
	ids := make([]string, len(in.Entries))
	for i := range in.Entries {
		ids[i] = in.Entries[i].ID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkIDs(ids); err != nil {
		return nil, err
	}
	a := new(batchAnswer)
	a.run(f, ids, func(i int, id string) (any, error) {
		return map[string]string{"Id": id}, do(q, &in.Entries[i])
	})
	return a, nil
}

func (s *Server) deleteBatch(in batchInput[handleEntry], f *Fault) (any, error) {
	return s.handles(in, f, s.deleteOne)
}

func (s *Server) changeBatch(in batchInput[handleEntry], f *Fault) (any, error) {
	return s.handles(in, f, s.changeOne)
}

func (s *Server) deleteMessage(in handleInput) (any, error) { return s.single(in, s.deleteOne) }

func (s *Server) changeVisibility(in handleInput) (any, error) { return s.single(in, s.changeOne) }

func (s *Server) single(in handleInput, do func(*queue, *handleEntry) error) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return struct{}{}, do(q, &in.handleEntry)
}

// lookup returns the message of a receipt handle, nil if it is gone, and whether the handle is its newest.
func (q *queue) lookup(handle string) (m *message, newest bool, err error) {
	raw, err := base64.StdEncoding.DecodeString(handle)
	id, _, ok := strings.Cut(string(raw), "/")
	if err != nil || !ok {
		return nil, false, fail("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
	}
	m = q.byID[id]
	return m, m != nil && m.handle == handle, nil
}

// deleteOne deletes by handle. With an old handle a standard queue reports success and deletes nothing; a FIFO queue
// says that the handle has expired.
func (s *Server) deleteOne(q *queue, in *handleEntry) error {
	m, newest, err := q.lookup(in.ReceiptHandle)
	switch {
	case err != nil:
		return err
	case m == nil:
		return nil
	case q.fifo && (!newest || !m.inFlight(s.now())):
		return invalid("Value " + in.ReceiptHandle + " for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.")
	case !newest:
		return nil
	}
	q.remove(m)
	q.total++
	return nil
}

func (s *Server) changeOne(q *queue, in *handleEntry) error {
	if in.VisibilityTimeout == nil {
		return fail("MissingParameter", "The request must contain the parameter VisibilityTimeout.")
	}
	d := time.Duration(*in.VisibilityTimeout) * time.Second
	if d < 0 || d > maxVisibility {
		return invalid("Value " + strconv.Itoa(*in.VisibilityTimeout) + " for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.")
	}
	m, newest, err := q.lookup(in.ReceiptHandle)
	now := s.now()
	switch {
	case err != nil:
		return err
	case m == nil || !newest:
		return invalid("Value " + in.ReceiptHandle + " for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.")
	case !m.inFlight(now):
		return fail("MessageNotInflight", "The message referred to is not in flight.")
	case now.Add(d).Sub(m.received) > maxVisibility:
		return invalid("Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
	}
	m.visible = now.Add(d)
	if d == 0 {
		m.visible = now
	}
	q.wake()
	return nil
}
