package bindings

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrStopped fails the events that were still pending when the router was stopped before their delivery.
var ErrStopped = errors.New("router stopped before the event was delivered")

// Reason is why an event could not be delivered for good, as dead letters carry it in dlqreason. It is an open set:
// operators filter by it, so a value keeps its meaning forever.
type Reason string

// The reasons.
const (
	ReasonMalformed      Reason = "malformed"      // the message is not a CloudEvent
	ReasonUnmatched      Reason = "unmatched"      // no route matched and the policy says dead_letter or reject
	ReasonRejected       Reason = "rejected"       // the target refused the event
	ReasonTooLarge       Reason = "too_large"      // the event is larger than the target takes
	ReasonUnencodable    Reason = "unencodable"    // the target's binding cannot carry the event
	ReasonAddress        Reason = "bad_address"    // a subject, topic, key or path could not be rendered for the event
	ReasonTransform      Reason = "bad_set"        // a route's set, attribute_types or sample could not be applied
	ReasonClassification Reason = "classification" // the sink does not accept data that is classified like this
	ReasonExhausted      Reason = "exhausted"      // retries ran out
	ReasonExpired        Reason = "expired"        // the event's expirytime had passed
)

// PermanentError is a failure that no repetition can mend.
type PermanentError struct {
	Reason Reason
	// Code is the target's own code, such as an HTTP status or a Kafka error name; it may be empty.
	Code string
	Err  error
}

// Permanent says that err cannot be mended by repeating. A nil err gives nil.
func Permanent(reason Reason, code string, err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{Reason: reason, Code: code, Err: err}
}

// Error returns the text of the cause.
func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *PermanentError) Unwrap() error { return e.Err }

// RetryAfterError is a transient failure that says when to try again.
type RetryAfterError struct {
	After time.Duration
	// Target is true where the target as a whole wants a pause, and not only this event.
	Target bool
	Err    error
}

// RetryAfter says that this event is not worth another attempt before d has passed. A nil err gives nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &RetryAfterError{After: d, Err: err}
}

// PauseTarget says that the target wants no event at all before d has passed. A nil err gives nil.
func PauseTarget(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &RetryAfterError{After: d, Target: true, Err: err}
}

// Error returns the text of the cause.
func (e *RetryAfterError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RetryAfterError) Unwrap() error { return e.Err }

// CodeError is a transient failure with the target's own code, for dead letters after exhausted retries.
type CodeError struct {
	Code string
	Err  error
}

// Error returns the text of the cause.
func (e *CodeError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *CodeError) Unwrap() error { return e.Err }

// NotSentError is a transient failure of an event that the sink did not try to send: an earlier one of its key had
// failed, or there was no connection. It does not count as an attempt.
type NotSentError struct{ Err error }

// NotSent says that the event never left. A nil err gives nil.
func NotSent(err error) error {
	if err == nil {
		return nil
	}
	return &NotSentError{Err: err}
}

// Error returns the text of the cause.
func (e *NotSentError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *NotSentError) Unwrap() error { return e.Err }

// BatchError has one entry for each event of a Send, nil where the event was confirmed.
type BatchError []error

// Error lists the distinct causes with how often each occurred.
func (e BatchError) Error() string {
	count := map[string]int{}
	var order []string
	for _, err := range e {
		if err == nil {
			continue
		}
		s := err.Error()
		if count[s] == 0 {
			order = append(order, s)
		}
		count[s]++
	}
	parts := make([]string, 0, len(order))
	for _, s := range order {
		parts = append(parts, fmt.Sprintf("%s (%d events)", s, count[s]))
	}
	return strings.Join(parts, "; ")
}

// FieldError is a mistake in a binding's configuration, or something its environment lacks. Field is the path of the
// YAML key below the binding's own block ("tls.ca"), so that the loader can name the line.
type FieldError struct {
	Field string
	Err   error
	// Environment is true where the configuration is well formed and the machine is not as it says: a port in use,
	// a file that is missing. The command then exits with 3 instead of 2.
	Environment bool
}

// Error returns the field and the cause.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Err.Error()
	}
	return e.Field + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *FieldError) Unwrap() error { return e.Err }

// Invalid returns a FieldError for a wrong configuration value.
func Invalid(field, format string, args ...any) error {
	return &FieldError{Field: field, Err: fmt.Errorf(format, args...)}
}

// Missing returns a FieldError for something the environment lacks.
func Missing(field string, err error) error {
	return &FieldError{Field: field, Err: err, Environment: true}
}
