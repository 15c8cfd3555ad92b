package fakesqs

import (
	"errors"
	nethttp "net/http"
)

// Error is an answer with an AWS error.
type Error struct {
	// Shape is the error's name in the service model, such as "QueueDoesNotExist"; Query is its older name in the
	// query protocol, where it differs.
	Shape, Query string
	Message      string
	// Status is the HTTP status, 400 if it is 0.
	Status int
}

// Error returns the name and the message.
func (e *Error) Error() string { return e.Shape + ": " + e.Message }

func (e *Error) query() string {
	if e.Query != "" {
		return e.Query
	}
	return e.Shape
}

// queryNames are the errors that the query protocol calls otherwise.
var queryNames = map[string]string{
	"QueueDoesNotExist":            "AWS.SimpleQueueService.NonExistentQueue",
	"EmptyBatchRequest":            "AWS.SimpleQueueService.EmptyBatchRequest",
	"TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
	"BatchEntryIdsNotDistinct":     "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
	"BatchRequestTooLong":          "AWS.SimpleQueueService.BatchRequestTooLong",
	"InvalidBatchEntryId":          "AWS.SimpleQueueService.InvalidBatchEntryId",
	"MessageNotInflight":           "AWS.SimpleQueueService.MessageNotInflight",
	"QueueNameExists":              "QueueAlreadyExists",
	"UnsupportedOperation":         "AWS.SimpleQueueService.UnsupportedOperation",
}

func fail(shape, message string) *Error {
	return &Error{Shape: shape, Query: queryNames[shape], Message: message}
}

func invalid(message string) *Error { return fail("InvalidParameterValue", message) }

func writeError(w nethttp.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Shape: "InternalFailure", Message: err.Error(), Status: nethttp.StatusInternalServerError}
	}
	status, party := e.Status, "Sender"
	if status == 0 {
		status = nethttp.StatusBadRequest
	}
	if status >= nethttp.StatusInternalServerError {
		party = "Receiver"
	}
	w.Header().Set("x-amzn-query-error", e.query()+";"+party)
	writeJSON(w, status, map[string]string{"__type": "com.amazonaws.sqs#" + e.Shape, "message": e.Message})
}
