package http

import (
	"context"
	"errors"
	"fmt"
	"math"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/time/rate"

	"github.com/eventrouter/router/bindings"
)

// The headers of the web hook handshake.
const (
	requestOrigin = "Webhook-Request-Origin"
	requestRate   = "Webhook-Request-Rate"
	allowedOrigin = "Webhook-Allowed-Origin"
	allowedRate   = "Webhook-Allowed-Rate"
)

// perMinute is a rate in the unit of the handshake, rounded down: who is granted 1.9 may not send 2.
func perMinute(r bindings.Rate) int {
	// The small term takes back what dividing "1/m" by 60 and multiplying again loses.
	return int(math.Floor(float64(r)*60 + 1e-9))
}

// allows reports whether a sender's name is one of the allowed ones. Names are compared whole: a comparison by prefix
// would give consent to example.com.evil.org.
func (w *SourceWebhook) allows(origin string) bool {
	return slices.ContainsFunc(w.AllowedOrigins, func(a string) bool { return a == "*" || strings.EqualFold(a, origin) })
}

// handshake answers a sender that asks for consent. The consent is in the headers; the status is for people. A
// callback address in the request is not called: that would let anybody make the router send requests anywhere.
func (w *SourceWebhook) handshake(rw nethttp.ResponseWriter, r *nethttp.Request) *answer {
	rw.Header().Set("Allow", "POST, OPTIONS")
	if _, asked := r.Header[requestOrigin]; !asked {
		return nil
	}
	origin := single(r.Header, requestOrigin)
	if origin == "" || !w.allows(origin) {
		return refuse(nethttp.StatusForbidden, "WebHook-Request-Origin: this origin may not send here")
	}
	granted := "*"
	if w.AllowedRate != 0 {
		granted = strconv.Itoa(perMinute(w.AllowedRate))
	}
	rw.Header().Set(allowedOrigin, origin)
	rw.Header().Set(allowedRate, granted)
	return nil
}

// consent is what a target answered to the router's own handshake.
type consent struct {
	limit rate.Limit
}

// readConsent reads the answer to a handshake in which origin asked for the given rate, 0 for none.
func readConsent(h nethttp.Header, origin string, asked bindings.Rate) (consent, error) {
	got := single(h, allowedOrigin)
	if got == "" {
		return consent{}, errors.New("the target gave no consent: WebHook-Allowed-Origin is missing")
	}
	if got != "*" && !strings.EqualFold(got, origin) {
		return consent{}, errors.New("the target gave consent to another origin")
	}
	limit := rate.Inf
	if asked != 0 {
		limit = rate.Limit(asked)
	}
	switch text := strings.TrimSpace(single(h, allowedRate)); {
	case len(h[allowedRate]) == 0 || text == "*":
	default:
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil || n == 0 {
			return consent{}, errors.New("the target gave no consent: WebHook-Allowed-Rate is neither a positive number nor *")
		}
		limit = min(limit, rate.Limit(float64(n)/60))
	}
	return consent{limit}, nil
}

// handshake asks the target for consent and keeps what it granted.
func (s *Sink) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodOptions, s.target.fixed.String(), nil)
	if err != nil {
		return s.wrap(err)
	}
	s.identify(req.Header)
	req.Header.Set(requestOrigin, s.webhook.Origin)
	if s.webhook.Rate != 0 {
		req.Header.Set(requestRate, strconv.Itoa(perMinute(s.webhook.Rate)))
	}
	resp, err := s.transport().RoundTrip(req)
	if err != nil {
		return s.wrap(err)
	}
	finish(resp, cancel)
	if resp.StatusCode >= 500 {
		return s.wrap(fmt.Errorf("handshake: %s", resp.Status))
	}
	c, err := readConsent(resp.Header, s.webhook.Origin, s.webhook.Rate)
	if err != nil {
		return s.wrap(fmt.Errorf("handshake: %s: %w", resp.Status, err))
	}
	s.granted.Store(rate.NewLimiter(c.limit, 1))
	return nil
}
