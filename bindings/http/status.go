package http

import (
	"fmt"
	nethttp "net/http"
	"strconv"
	"strings"
	"time"

	"github.com/eventrouter/router/bindings"
)

// maxRetryAfter bounds how long a target can make the router wait.
const maxRetryAfter = time.Hour

// credentialFloor is the least pause after 401 and 403: a credential is renewed by people or by another system, and
// asking every 100 ms meanwhile looks like an attack.
const credentialFloor = 30 * time.Second

// classify turns a response's status into the outcome of the attempt: nil for a confirmation. text is what the target
// said, for the error.
//
// The table is the web hook specification's with Knative's transient codes: a 2xx confirms; 404, 408, 409, 425, 429
// and all 5xx are worth repeating; redirects are forbidden there and never followed here, because a POST would become
// a GET without its event; everything else is a refusal for good, 410 included.
func classify(status int, h nethttp.Header, text string, now time.Time) error {
	if status >= 200 && status < 300 {
		return nil
	}
	code := strconv.Itoa(status)
	err := fmt.Errorf("the target answered %s", strings.TrimSpace(code+" "+nethttp.StatusText(status)))
	if text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	if !transient(status) {
		reason := bindings.ReasonRejected
		if status == nethttp.StatusRequestEntityTooLarge || status == nethttp.StatusRequestHeaderFieldsTooLarge {
			reason = bindings.ReasonTooLarge
		}
		return bindings.Permanent(reason, code, err)
	}
	err = &bindings.CodeError{Code: code, Err: err}
	after, given := retryAfter(single(h, "Retry-After"), now)
	if status == nethttp.StatusUnauthorized || status == nethttp.StatusForbidden {
		after, given = max(after, credentialFloor), true
	}
	switch {
	case !given:
		return err
	case pausesAll(status):
		return bindings.PauseTarget(err, after)
	default:
		return bindings.RetryAfter(err, after)
	}
}

// transient reports whether a repetition can help.
func transient(status int) bool {
	switch status {
	case nethttp.StatusUnauthorized, nethttp.StatusForbidden, nethttp.StatusNotFound, nethttp.StatusRequestTimeout,
		nethttp.StatusConflict, nethttp.StatusTooEarly, nethttp.StatusTooManyRequests:
		return true
	}
	return status >= 500 || status < 200 // below 200 nothing was answered yet
}

// retryAfter reads a Retry-After header: seconds, or a date.
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter), true
	}
	at, err := nethttp.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}

// pausesAll reports whether a refusal is about the target as a whole: then no other event is tried before the time.
func pausesAll(status int) bool {
	return status == nethttp.StatusTooManyRequests || status == nethttp.StatusServiceUnavailable
}
