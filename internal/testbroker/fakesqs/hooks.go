package fakesqs

import (
	"context"
	"encoding/json"
	nethttp "net/http"
	"time"
)

// Call is a request as a hook sees it.
type Call struct {
	// Op is the operation; Number counts its calls from 1.
	Op     string
	Number int
	// Queue is the name of the queue that the request is about.
	Queue string
	// Entries are what a batch request lists, in its order; one entry for the single-message operations.
	Entries []Entry
}

// Entry is one line of a batch request. Which fields are set depends on the operation.
type Entry struct {
	ID, Body, Group, Dedup, Handle string
	Visibility                     int
}

// Outcome is what becomes of an entry of a batch request.
type Outcome struct {
	// Performed says that the server does what the entry asks for, whatever it answers.
	Performed bool
	// Answer is how the entry appears in the answer.
	Answer Answer
	// Code and SenderFault are those of an AnswerFailed.
	Code        string
	SenderFault bool
}

// Answer is how an entry appears in the answer to a batch request.
type Answer uint8

// The answers. AnswerNormal reports what happened; AnswerMissing leaves the entry out; AnswerUnknown reports it under an
// id that was not asked for; AnswerFailed lists it as failed; AnswerBoth lists it as successful and as failed.
const (
	AnswerNormal Answer = iota
	AnswerMissing
	AnswerUnknown
	AnswerFailed
	AnswerBoth
)

// Fault is what goes wrong with a call.
type Fault struct {
	// Delay passes before anything else.
	Delay time.Duration
	// Err answers with this error and does nothing.
	Err *Error
	// LostAnswer does what the call asks for and then breaks the connection.
	LostAnswer bool
	// ErrAfter does what the call asks for and then answers with this error.
	ErrAfter *Error
	// Entries decides about entries of a batch by their index in the request. Those it lacks go their normal way.
	Entries map[int]Outcome
}

// Hook looks at a call and returns what goes wrong with it, nil if nothing does. Hooks run on the goroutine of the
// request and outside the server's lock, so they may call the server.
type Hook func(Call) *Fault

// OnCall sets the hook of an operation; nil removes it.
func (s *Server) OnCall(op string, hook Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks[op] = hook
}

// record counts the call and describes it.
func (s *Server) record(op string, body []byte) Call {
	var in struct {
		sendEntry
		QueueURL          string `json:"QueueUrl"`
		QueueName         string
		ReceiptHandle     string
		VisibilityTimeout int
		Entries           []struct {
			sendEntry
			ReceiptHandle     string
			VisibilityTimeout int
		}
	}
	_ = json.Unmarshal(body, &in) // a request that does not parse is refused later, with its reason
	c := Call{Op: op, Queue: in.QueueName}
	if c.Queue == "" {
		c.Queue = nameOf(in.QueueURL)
	}
	for _, e := range in.Entries {
		c.Entries = append(c.Entries, Entry{e.ID, e.MessageBody, e.MessageGroupID, e.MessageDeduplicationID, e.ReceiptHandle, e.VisibilityTimeout})
	}
	if c.Entries == nil && (in.MessageBody != "" || in.ReceiptHandle != "") {
		c.Entries = []Entry{{"", in.MessageBody, in.MessageGroupID, in.MessageDeduplicationID, in.ReceiptHandle, in.VisibilityTimeout}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[op]++
	c.Number = s.calls[op]
	return c
}

func (s *Server) consult(c Call) *Fault {
	s.mu.Lock()
	hook := s.hooks[c.Op]
	s.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(c)
}

// wait lets the fault's delay pass and reports whether the client is still there.
func (f *Fault) wait(ctx context.Context) bool {
	if f == nil || f.Delay <= 0 {
		return true
	}
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *Fault) before(w nethttp.ResponseWriter) (answered bool) {
	if f == nil || f.Err == nil {
		return false
	}
	writeError(w, f.Err)
	return true
}

func (f *Fault) after(w nethttp.ResponseWriter) (answered bool) {
	switch {
	case f == nil:
		return false
	case f.LostAnswer:
		panic(nethttp.ErrAbortHandler)
	case f.ErrAfter != nil:
		writeError(w, f.ErrAfter)
		return true
	}
	return false
}

func (f *Fault) outcome(i int) Outcome {
	if f != nil {
		if o, ok := f.Entries[i]; ok {
			return o
		}
	}
	return Outcome{Performed: true}
}
