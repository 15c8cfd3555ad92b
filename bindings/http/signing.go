package http

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	nethttp "net/http"
	"strconv"
	"strings"
	"time"

	"github.com/eventrouter/router/bindings/security"
)

// The headers of Standard Webhooks.
const (
	webhookID        = "Webhook-Id"
	webhookTimestamp = "Webhook-Timestamp"
	webhookSignature = "Webhook-Signature"
)

// maxSignatures bounds how many signatures of a request are looked at.
const maxSignatures = 8

// parseKeys returns the bytes of signing keys: base64 behind whsec_, the text itself otherwise.
func parseKeys(secrets []security.Secret) ([][]byte, error) {
	if len(secrets) == 0 {
		return nil, errors.New("a key is needed")
	}
	keys := make([][]byte, 0, len(secrets))
	for _, s := range secrets {
		text, coded := strings.CutPrefix(s.Reveal(), "whsec_")
		key := []byte(text)
		if coded {
			var err error
			if key, err = base64.StdEncoding.Strict().DecodeString(text); err != nil {
				return nil, errors.New("what follows whsec_ is not base64")
			}
		}
		if len(key) == 0 {
			return nil, errors.New("a key is empty")
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// sign returns the Standard Webhooks signatures of a message, one for each key: "v1,BASE64 v1,BASE64".
func sign(keys [][]byte, id, timestamp string, body []byte) string {
	var b strings.Builder
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("v1,")
		b.WriteString(base64.StdEncoding.EncodeToString(standardMAC(key, id, timestamp, body)))
	}
	return b.String()
}

// standardMAC is HMAC-SHA256 over "id.timestamp.body".
func standardMAC(key []byte, id, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{id, ".", timestamp, "."} {
		mac.Write([]byte(part))
	}
	mac.Write(body)
	return mac.Sum(nil)
}

// verifier checks the signature of incoming requests.
type verifier struct {
	keys      [][]byte
	header    string // canonical name of a sha256=HEX header; empty for Standard Webhooks
	tolerance time.Duration
	unsigned  bool     // binary mode is taken although its attributes are not signed
	replays   *replays // nil where no id is signed
}

// newVerifier returns the verifier of a validated configuration, nil without one.
func newVerifier(c *HMAC) (*verifier, error) {
	if c == nil {
		return nil, nil
	}
	keys, err := parseKeys(c.Secrets)
	if err != nil {
		return nil, err
	}
	v := &verifier{keys: keys, tolerance: c.Tolerance, unsigned: c.Attributes == attributesUnsigned}
	if c.Header != "" {
		v.header = nethttp.CanonicalHeaderKey(c.Header)
	}
	if v.tolerance == 0 {
		v.tolerance = defaultTolerance
	}
	if v.header == "" {
		v.replays = newReplays(v.tolerance)
	}
	return v, nil
}

// answerUnsigned is for binary mode with a signature: it covers the body, and the attributes are beside it.
var answerUnsigned = refuse(nethttp.StatusUnsupportedMediaType,
	"the signature does not cover ce- headers, so that anybody who saw a request could change them: send the event in structured "+
		"or batched mode (Content-Type: application/cloudevents+json), where the signed body holds its attributes")

// covers returns nil where the signature covers all of the event. A nil verifier asks for none.
func (v *verifier) covers(h nethttp.Header) *answer {
	if v == nil || v.unsigned {
		return nil
	}
	if _, _, structured, _ := mode(h); structured { // admit has refused what mode does
		return nil
	}
	for key := range h {
		if len(key) >= len(prefix) && strings.EqualFold(key[:len(prefix)], prefix) {
			return answerUnsigned
		}
	}
	return nil // no CloudEvent: what adapters and wrap make of it is in the body
}

// admit checks the signature of a request and that it is no replay. The function that it returns has to be called with
// the request's fate.
func (v *verifier) admit(h nethttp.Header, body []byte, now time.Time) (finish func(accepted bool), refused *answer) {
	if v == nil {
		return func(bool) {}, nil
	}
	if err := v.verify(h, body, now); err != nil {
		return nil, refuse(nethttp.StatusUnauthorized, "%s", err)
	}
	if v.replays == nil {
		return func(bool) {}, nil
	}
	// One key for all: a message with two signatures would pass twice, once with each.
	f := fingerprint(standardMAC(v.keys[0], single(h, webhookID), single(h, webhookTimestamp), body)[:len(fingerprint{})])
	if !v.replays.begin(f, now) {
		return nil, refuse(nethttp.StatusConflict, "this message was taken before, with the same webhook-id and webhook-timestamp")
	}
	return func(accepted bool) { v.replays.finish(f, accepted) }, nil
}

// errSignature says nothing of why: every detail would help to forge one.
var errSignature = errors.New("the signature is missing or wrong")

// verify checks the signature of body, which is the body as it was sent.
func (v *verifier) verify(h nethttp.Header, body []byte, now time.Time) error {
	if v.header != "" {
		return v.verifyPlain(h, body)
	}
	id, timestamp := single(h, webhookID), single(h, webhookTimestamp)
	// A point in the id would let id and timestamp be shifted against each other under the same signature.
	if id == "" || strings.Contains(id, ".") {
		return errSignature
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > v.tolerance {
		return errSignature
	}
	given := candidates(single(h, webhookSignature))
	if len(given) == 0 {
		return errSignature
	}
	for _, key := range v.keys {
		if matches(given, standardMAC(key, id, timestamp, body)) {
			return nil
		}
	}
	return errSignature
}

// candidates returns the decoded v1 signatures of a header; v1a and other versions are another kind of key.
func candidates(header string) [][]byte {
	var out [][]byte
	n := 0
	for part := range strings.SplitSeq(header, " ") {
		if n++; n > maxSignatures {
			break
		}
		text, ok := strings.CutPrefix(part, "v1,")
		if !ok {
			continue
		}
		if mac, err := base64.StdEncoding.DecodeString(text); err == nil && len(mac) == sha256.Size {
			out = append(out, mac)
		}
	}
	return out
}

// matches compares in constant time.
func matches(given [][]byte, want []byte) bool {
	ok := false
	for _, mac := range given {
		ok = hmac.Equal(mac, want) || ok
	}
	return ok
}

// verifyPlain checks a sha256=HEX header over the body alone.
func (v *verifier) verifyPlain(h nethttp.Header, body []byte) error {
	text, ok := strings.CutPrefix(single(h, v.header), "sha256=")
	mac, err := hex.DecodeString(text)
	if !ok || err != nil {
		return errSignature
	}
	for _, key := range v.keys {
		m := hmac.New(sha256.New, key)
		m.Write(body)
		if hmac.Equal(mac, m.Sum(nil)) {
			return nil
		}
	}
	return errSignature
}

// single returns the value of a header that is there exactly once, and the empty string otherwise.
func single(h nethttp.Header, key string) string {
	if v := h[key]; len(v) == 1 {
		return v[0]
	}
	return ""
}
