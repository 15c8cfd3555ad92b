package http

import (
	"encoding/json"
	"errors"
	"fmt"
	nethttp "net/http"
	"strconv"
	"strings"
	"time"

	"github.com/eventrouter/router/bindings"
)

// How long a sender is asked to wait: short where room may come at once, longer where a delivery is stuck.
const (
	retryOverload = time.Second
	retryPending  = 5 * time.Second
)

// maxDetail bounds how much of a request's own text an answer repeats.
const maxDetail = 512

// answer is what a request gets; nil is 204 without content.
type answer struct {
	status int
	detail string
	retry  time.Duration // Retry-After, 0 for none
	allow  string        // Allow, for 405
	auth   string        // WWW-Authenticate, for 401
	close  bool          // end the connection
}

// Error returns the detail, so that an answer can travel as the error that asks for it.
func (a *answer) Error() string { return a.detail }

// refuse returns the answer with that status.
func refuse(status int, format string, args ...any) *answer {
	return &answer{status: status, detail: fmt.Sprintf(format, args...)}
}

var (
	answerOverload = &answer{
		status: nethttp.StatusTooManyRequests, retry: retryOverload,
		detail: "the source has as much in flight as it may have",
	}
	answerShare = &answer{
		status: nethttp.StatusTooManyRequests, retry: retryOverload,
		detail: "as much is arriving from this address as may at once",
	}
	answerDraining = &answer{
		status: nethttp.StatusServiceUnavailable, retry: retryPending, close: true,
		detail: "the router is not taking events: it is starting or stopping",
	}
	answerPending = &answer{
		status: nethttp.StatusServiceUnavailable, retry: retryPending,
		detail: "the events were not delivered everywhere in time; they may still be",
	}
)

// problem is an RFC 9457 problem document.
type problem struct {
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Instance string `json:"instance,omitempty"`
}

// write sends the answer; nil is 204. request is the id by which a log can be searched, it may be empty.
func (a *answer) write(w nethttp.ResponseWriter, request string) {
	if a == nil {
		w.WriteHeader(nethttp.StatusNoContent)
		return
	}
	h := w.Header()
	if a.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(a.retry/time.Second)))
	}
	if a.allow != "" {
		h.Set("Allow", a.allow)
	}
	if a.auth != "" {
		h.Set("WWW-Authenticate", a.auth)
	}
	if a.close {
		h.Set("Connection", "close")
	}
	p := problem{Title: nethttp.StatusText(a.status), Status: a.status, Detail: clip(a.detail, maxDetail)}
	if request != "" {
		p.Instance = "urn:request:" + request
	}
	body, err := json.Marshal(p)
	if err != nil { // a struct of strings and a number always marshals
		body = nil
	}
	h.Set(contentType, "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
	w.Write(body) //nolint:errcheck // the sender has gone, there is nobody to tell
}

// clip returns at most n bytes of s, cut between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// decodeAnswer says what a message that could not be decoded gets.
func decodeAnswer(err error) *answer {
	var a *answer
	var unsupported *unsupportedError
	var count *countError
	switch {
	case errors.As(err, &a):
		return a
	case errors.As(err, &unsupported):
		return refuse(nethttp.StatusUnsupportedMediaType, "%s", unsupported.what)
	case errors.As(err, &count):
		return refuse(count.status, "%s", count.what)
	}
	return refuse(nethttp.StatusBadRequest, "%s", err)
}

// outcome says what a settled batch gets: nil for 204. One event whose outcome is open makes the whole request
// repeatable, because only a repetition can bring that event through; otherwise the first refusal counts.
func outcome(b *bindings.Batch) *answer {
	if !b.Failed() {
		return nil
	}
	var first *answer
	for i := range b.Events {
		a := outcomeOf(b.Err(i))
		if a == nil {
			continue
		}
		if a.status == nethttp.StatusServiceUnavailable {
			return a
		}
		if first == nil {
			first = a
			if len(b.Events) > 1 {
				first.detail = fmt.Sprintf("event %d of the batch: %s", i, a.detail)
			}
		}
	}
	return first
}

// outcomeOf says what one event's error means for its sender. Texts of errors stay inside: they speak of targets.
func outcomeOf(err error) *answer {
	var permanent *bindings.PermanentError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bindings.ErrStopped):
		return answerDraining
	case !errors.As(err, &permanent):
		return answerPending
	}
	switch permanent.Reason {
	case bindings.ReasonUnmatched:
		return refuse(nethttp.StatusUnprocessableEntity, "no route takes this event")
	case bindings.ReasonMalformed:
		return refuse(nethttp.StatusBadRequest, "the message is not a CloudEvent")
	case bindings.ReasonTooLarge:
		return refuse(nethttp.StatusRequestEntityTooLarge, "the event is larger than a target takes")
	default:
		return refuse(nethttp.StatusUnprocessableEntity, "the event cannot be delivered: %s", permanent.Reason)
	}
}
