package http

import (
	"crypto/sha256"
	"crypto/subtle"
	nethttp "net/http"
	"slices"
	"strings"

	"github.com/eventrouter/router/bindings/security"
)

// maxCredential bounds the credential that is looked at; a longer one is wrong anyway.
const maxCredential = 4096

// authenticator decides who may send. Credentials are kept and compared as digests, so that neither their length nor
// their beginning can be told from the time a refusal takes.
type authenticator struct {
	bearer [][sha256.Size]byte
	basic  [][sha256.Size]byte
	names  []string
}

// newAuthenticator returns the authenticator of a validated configuration, nil without one.
func newAuthenticator(c *SourceAuth) *authenticator {
	if c == nil {
		return nil
	}
	a := &authenticator{names: c.ClientNames}
	for _, s := range c.Bearer {
		a.bearer = append(a.bearer, sha256.Sum256([]byte(s.Reveal())))
	}
	if c.Basic != nil {
		a.basic = append(a.basic, basicDigest(c.Basic.Username, c.Basic.Password))
	}
	return a
}

func basicDigest(username string, password security.Secret) [sha256.Size]byte {
	return sha256.Sum256([]byte(username + ":" + password.Reveal()))
}

// check returns nil where the request may send.
func (a *authenticator) check(r *nethttp.Request) *answer {
	if a == nil {
		return nil
	}
	if len(a.names) > 0 && !a.certified(r) {
		return refuse(nethttp.StatusForbidden, "the client certificate names nobody who may send here")
	}
	if len(a.bearer) == 0 && len(a.basic) == 0 {
		return nil
	}
	if a.authorized(r) {
		return nil
	}
	no := refuse(nethttp.StatusUnauthorized, "Authorization: the credential is missing or wrong")
	no.auth = `Basic realm="events"`
	if len(a.bearer) > 0 {
		no.auth = `Bearer realm="events"`
	}
	return no
}

// authorized looks at the one credential a request may present, in the header or, for web hooks, in the query.
func (a *authenticator) authorized(r *nethttp.Request) bool {
	header := r.Header["Authorization"]
	token, inQuery := queryToken(r)
	switch {
	case len(header) > 1 || len(header) == 1 && inQuery:
		return false
	case inQuery:
		return oneOf(a.bearer, token)
	case len(header) == 0:
		return false
	}
	scheme, credential, _ := strings.Cut(header[0], " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return oneOf(a.bearer, strings.TrimSpace(credential))
	case strings.EqualFold(scheme, "Basic"):
		user, password, ok := r.BasicAuth()
		return ok && oneOf(a.basic, user+":"+password)
	}
	return false
}

// queryToken returns the access_token parameter. A malformed query has none.
func queryToken(r *nethttp.Request) (string, bool) {
	if !strings.Contains(r.URL.RawQuery, "access_token") {
		return "", false
	}
	values := r.URL.Query()["access_token"]
	if len(values) != 1 {
		return "", len(values) > 1
	}
	return values[0], true
}

// oneOf compares in constant time with every accepted credential.
func oneOf(accepted [][sha256.Size]byte, given string) bool {
	if given == "" || len(given) > maxCredential {
		return false
	}
	digest := sha256.Sum256([]byte(given))
	found := 0
	for i := range accepted {
		found |= subtle.ConstantTimeCompare(accepted[i][:], digest[:])
	}
	return found == 1
}

// certified reports whether the verified client certificate carries one of the names.
func (a *authenticator) certified(r *nethttp.Request) bool {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return false
	}
	leaf := r.TLS.VerifiedChains[0][0]
	for _, name := range leaf.DNSNames {
		if slices.ContainsFunc(a.names, func(n string) bool { return strings.EqualFold(n, name) }) {
			return true
		}
	}
	for _, u := range leaf.URIs {
		if slices.Contains(a.names, u.String()) {
			return true
		}
	}
	return false
}
