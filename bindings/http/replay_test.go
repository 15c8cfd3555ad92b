package http

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// One captured body passed with a forged ce-type: the signature covers the body, and in binary mode the attributes are
// beside it. Requests that are no CloudEvents have no such attributes.
func TestSignatureDoesNotCoverForgedAttributes(t *testing.T) {
	signed := func(body string) string {
		m := hmac.New(sha256.New, []byte("key"))
		m.Write([]byte(body))
		return "x-hub-signature-256: sha256=" + hex.EncodeToString(m.Sum(nil)) + "\n"
	}
	wrap := func(s *bindings.SourceSettings) {
		s.Wrap = func(e *envelope.Event) error {
			e.ID, e.Source, e.Type = "1", "/s", "wrapped"
			return nil
		}
	}
	for _, tt := range []struct {
		name, attributes, headers, body string
		want                            int
	}{
		{"binary", "", minimal, "x", 415},
		{"binary with a forged type", "", strings.Replace(minimal, "ce-type: t", "ce-type: refund", 1), "x", 415},
		{"one header is enough", "", "Ce-Type: refund\n", "x", 415},
		{"binary, signed", "signed", minimal, "x", 415},
		{"binary, stated", "unsigned", minimal, "x", 204},
		{"structured", "", structuredType, minimalJSON, 204},
		{"structured beside forged headers", "", structuredType + minimal, minimalJSON, 204},
		{"batch", "", "Content-Type: application/cloudevents-batch+json\n", "[" + minimalJSON + "]", 204},
		{"no CloudEvent, wrapped", "", "Content-Type: application/json\n", `{"a":1}`, 204},
		{"wrong signature", "", structuredType + "x-hub-signature-256: sha256=00\n", minimalJSON, 401},
	} {
		p := build(t, SourceConfig{Auth: &SourceAuth{HMAC: &HMAC{
			Secrets: secrets("key"), Header: "X-Hub-Signature-256", Attributes: tt.attributes,
		}}}, wrap).start(t)
		headers := tt.headers
		if !strings.Contains(headers, "x-hub") {
			headers += signed(tt.body)
		}
		got := post(t, p.url(), headers, tt.body)
		if got.status != tt.want || got.status == 415 && !strings.Contains(got.body, "structured") {
			t.Errorf("%s: %d %s, want %d", tt.name, got.status, got.body, tt.want)
		}
		if n := len(p.events()); (n == 1) != (tt.want == 204) {
			t.Errorf("%s: %d events were taken", tt.name, n)
		}
	}
}

// A signed request that somebody had seen passed again for as long as its time was within the tolerance. A repetition by
// the sender has a time of its own, and one of a request that was not accepted passes as it is.
func TestReplayedRequestIsRefused(t *testing.T) {
	p := build(t, SourceConfig{Auth: &SourceAuth{HMAC: &HMAC{Secrets: secrets("whsec_a2V5", "other")}}}, nil)
	p.start(t)
	request := func(id string, ago time.Duration, keys ...string) (headers string) {
		stamp := strconv.FormatInt(time.Now().Add(-ago).Unix(), 10)
		var raw [][]byte
		for _, k := range keys {
			raw = append(raw, []byte(k))
		}
		return structuredType + fmt.Sprintf("webhook-id: %s\nwebhook-timestamp: %s\nwebhook-signature: %s\n", id, stamp,
			sign(raw, id, stamp, []byte(minimalJSON)))
	}
	settle := func(f func(*bindings.Batch)) {
		p.mu.Lock()
		p.settle = f
		p.mu.Unlock()
	}
	first, two, failed := request("m1", 0, "key"), request("m2", 0, "key", "other"), request("m3", 0, "key")
	// The same message under the other of its two signatures.
	both := strings.Split(strings.TrimSpace(two[strings.LastIndex(two, ": ")+2:]), " ")
	for i, tt := range []struct {
		name, headers string
		err           error
		want          int
	}{
		{"first", first, nil, 204},
		{"again", first, nil, 409},
		{"a repetition of the sender", request("m1", 2*time.Second, "key"), nil, 204},
		{"another id", two, nil, 204},
		{"with one of two signatures", strings.Replace(two, both[0]+" ", "", 1), nil, 409},
		{"with the other", strings.Replace(two, " "+both[1], "", 1), nil, 409},
		{"not delivered", failed, errors.New("down"), 503},
		{"repeated as it was", failed, nil, 204},
		{"and once more", failed, nil, 409},
	} {
		settle(nil)
		if tt.err != nil {
			settle(failing(tt.err))
		}
		if got := post(t, p.url(), tt.headers, minimalJSON); got.status != tt.want {
			t.Errorf("%d %s: %d %s, want %d", i, tt.name, got.status, got.body, tt.want)
		}
	}
}

// What is remembered is bounded, and held for as long as a message could pass.
func TestRememberedMessagesAreBounded(t *testing.T) {
	r := newReplays(time.Minute)
	now := time.Unix(1_700_000_000, 0)
	name := func(i int) fingerprint {
		return fingerprint{byte(i), byte(i >> 8), byte(i >> 16), 1}
	}
	take := func(i int) bool {
		f := name(i)
		ok := r.begin(f, now)
		if ok {
			r.finish(f, true)
		}
		return ok
	}
	if !take(1) || take(1) {
		t.Error("a message is not remembered")
	}
	now = now.Add(2 * time.Minute) // its time was a minute ahead, and it is a minute late now
	if take(1) {
		t.Error("a message was forgotten while its time still passes")
	}
	for i := range 2*maxRemembered + 10 {
		take(i + 2)
	}
	if n := len(r.current) + len(r.previous); n > 2*maxRemembered || len(r.pending) != 0 {
		t.Errorf("%d messages are remembered, %d are pending", n, len(r.pending))
	}
}
