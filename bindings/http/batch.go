package http

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	nethttp "net/http"
	"net/url"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// sendBatch sends all events in one request, unless one of them goes elsewhere than the others.
func (s *Sink) sendBatch(ctx context.Context, events []*envelope.Event) error {
	u, m, err := s.prepareBatch(events)
	if err != nil {
		// What cannot be addressed must not keep the others from being sent: each goes alone.
		return s.sendSingly(ctx, events)
	}
	err = s.post(ctx, u, m, s.batchID(events))
	var permanent *bindings.PermanentError
	if len(events) > 1 && errors.As(err, &permanent) && aboutContent(permanent.Code) {
		// One event that the target does not take must not take the others with it. Nothing of the batch was accepted,
		// so that this repeats no delivery.
		return s.sendSingly(ctx, events)
	}
	return err
}

// aboutContent reports whether a refusal is for what was sent, and not for all that is sent to this target.
func aboutContent(code string) bool { return code == "400" || code == "413" || code == "422" }

// prepareBatch renders the common address and the body. It fails if there is no common address.
func (s *Sink) prepareBatch(events []*envelope.Event) (*url.URL, *message, error) {
	u, err := s.address(events[0])
	if err != nil {
		return nil, nil, err
	}
	for _, e := range events {
		other, err := s.address(e)
		if err != nil || other.String() != u.String() || e.Malformed != nil {
			return nil, nil, errors.New("no batch")
		}
	}
	m := &message{Header: make(nethttp.Header, 8)}
	if err := encodeBatch(m, events, s.format); err != nil {
		return nil, nil, err
	}
	return u, m, nil
}

// sendSingly sends each event as a batch of its own.
func (s *Sink) sendSingly(ctx context.Context, events []*envelope.Event) error {
	errs := make(bindings.BatchError, len(events))
	failed := false
	for i, e := range events {
		one := events[i : i+1]
		u, m, err := s.prepareBatch(one)
		switch {
		case e.Malformed != nil:
			err = s.sendOne(ctx, e)
		case err == nil:
			err = s.post(ctx, u, m, s.batchID(one))
		}
		errs[i], failed = err, failed || err != nil
	}
	if !failed {
		return nil
	}
	return errs
}

func (s *Sink) deliveryID(e *envelope.Event) string {
	var room [256]byte
	return string(bindings.AppendDeliveryID(room[:0], s.settings.Name, e))
}

// batchID is the delivery id of a batch: that of its event, or a digest over those of all.
func (s *Sink) batchID(events []*envelope.Event) string {
	if len(events) == 1 {
		return s.deliveryID(events[0])
	}
	h := sha256.New()
	for _, e := range events {
		h.Write([]byte(s.deliveryID(e))) // all of one length, so that no other list gives the same bytes
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
