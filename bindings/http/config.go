package http

import (
	"errors"
	"net"
	"strings"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/envelope"
)

// Defaults of an ingress.
const (
	defaultMaxBody        = 1 << 20
	defaultReplyTimeout   = 25 * time.Second
	defaultMaxConnections = 4096
	defaultMaxSecure      = 1536 // with TLS, where a connection that sends nothing takes twice as much
	defaultTolerance      = 5 * time.Minute
)

// SourceConfig is an HTTP ingress: one path on one port.
type SourceConfig struct {
	// Listen is the address to listen on, such as ":8080" or "127.0.0.1:8080". Several sources may share it.
	Listen string `yaml:"listen,omitempty"`
	// TLS serves HTTPS (HTTP/2 and HTTP/1.1). With ca, clients must present a certificate that it signed.
	TLS *security.TLS `yaml:"tls,omitempty"`
	// Auth is who may send; absent, everybody may.
	Auth *SourceAuth `yaml:"auth,omitempty"`
	// Path is the exact path that takes events; "/" by default.
	Path string `yaml:"path,omitempty"`
	// Webhook answers the web hook specification's handshake, by which a sender asks for consent.
	Webhook *SourceWebhook `yaml:"webhook,omitempty"`
	// HeaderEncoding is how ce- header values are decoded: strict (percent-decoding, malformed values are refused),
	// lenient (malformed values are kept as they came) or raw (no decoding, for senders that do not encode).
	HeaderEncoding string `yaml:"header_encoding,omitempty"`
	// MaxBody is the largest request body, after decompression; 1MiB by default.
	MaxBody *bindings.Size `yaml:"max_body,omitempty"`
	// MaxConnections is how many connections the port holds open at once; 4096 by default, 1536 with TLS.
	MaxConnections int `yaml:"max_connections,omitempty"`
	// MaxConnectionsPerAddress is how many of them one address may have; half of max_connections by default. Where all
	// senders come through one proxy, it is their number together.
	MaxConnectionsPerAddress int `yaml:"max_connections_per_address,omitempty"`
	// MaxArrivingPerAddress is how many bytes of bodies may be arriving from one address at once; half of the window's bytes
	// by default. One request alone may be larger.
	MaxArrivingPerAddress *bindings.Size `yaml:"max_arriving_per_address,omitempty"`
	// ReplyTimeout is how long a request waits for its events to be delivered before it is answered with 503; 25s by
	// default.
	ReplyTimeout time.Duration `yaml:"reply_timeout,omitempty"`
}

// SourceAuth is what a request must present. Where both bearer and basic are given, either will do; client_names and
// hmac are asked for in addition.
type SourceAuth struct {
	// Bearer are the accepted tokens, in the Authorization header or the access_token query parameter.
	Bearer []security.Secret `yaml:"bearer,omitempty"`
	// Basic is the accepted user name and password.
	Basic *Basic `yaml:"basic,omitempty"`
	// HMAC is the signature that every body must have.
	HMAC *HMAC `yaml:"hmac,omitempty"`
	// ClientNames are the DNS names or URIs of which a client certificate must carry one. It needs tls.ca.
	ClientNames []string `yaml:"client_names,omitempty"`
}

// Basic is a user name and a password.
type Basic struct {
	// Username is the user name.
	Username string `yaml:"username,omitempty"`
	// Password is the password.
	Password security.Secret `yaml:"password,omitempty"`
}

// HMAC is a signature over the body as it was sent.
type HMAC struct {
	// Secrets are the accepted keys; several while a key is being replaced. A key that begins with whsec_ is base64.
	Secrets []security.Secret `yaml:"secrets,omitempty"`
	// Header, when set, is a header with sha256=HEX over the body alone, such as X-Hub-Signature-256. Absent, the
	// Standard Webhooks headers webhook-id, webhook-timestamp and webhook-signature are expected.
	Header string `yaml:"header,omitempty"`
	// Tolerance is how far webhook-timestamp may be from now; 5m by default.
	Tolerance time.Duration `yaml:"tolerance,omitempty"`
	// Attributes is signed (default), which refuses binary mode because the signature covers the body alone, or unsigned,
	// which takes binary events whose attributes anybody could have changed.
	Attributes string `yaml:"attributes,omitempty"`
}

// The words of attributes.
const (
	attributesSigned   = "signed"
	attributesUnsigned = "unsigned"
)

// checkAttributes checks the word of attributes below key.
func checkAttributes(key, word string) []error {
	if word == "" || word == attributesSigned || word == attributesUnsigned {
		return nil
	}
	return []error{bindings.Invalid(key+".attributes", "%q is not signed or unsigned", word)}
}

// SourceWebhook is the receiver's part of the web hook handshake.
type SourceWebhook struct {
	// AllowedOrigins are the senders' names that get consent; "*" for all.
	AllowedOrigins []string `yaml:"allowed_origins,omitempty"`
	// AllowedRate is the rate that is granted, told per minute; absent, it is unlimited.
	AllowedRate bindings.Rate `yaml:"allowed_rate,omitempty"`
}

// Validate reports every mistake in the configuration.
func (c *SourceConfig) Validate() error {
	var errs []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, bindings.Invalid("listen", "%q is not an address such as :8080 or 127.0.0.1:8080", c.Listen))
	}
	if c.Path != "" && (!strings.HasPrefix(c.Path, "/") || strings.ContainsAny(c.Path, "?#{}")) {
		errs = append(errs, bindings.Invalid("path", "%q is not an absolute path without query and placeholders", c.Path))
	}
	if _, ok := headerCodings[c.HeaderEncoding]; !ok {
		errs = append(errs, bindings.Invalid("header_encoding", "%q is not strict, lenient or raw", c.HeaderEncoding))
	}
	errs = append(errs, stated("max_body", c.MaxBody)...)
	errs = append(errs, stated("max_arriving_per_address", c.MaxArrivingPerAddress)...)
	if c.MaxConnections < 0 {
		errs = append(errs, bindings.Invalid("max_connections", "must not be negative"))
	}
	if c.MaxConnectionsPerAddress < 0 {
		errs = append(errs, bindings.Invalid("max_connections_per_address", "must not be negative"))
	}
	if c.ReplyTimeout < 0 {
		errs = append(errs, bindings.Invalid("reply_timeout", "must not be negative"))
	}
	if c.TLS != nil && (c.TLS.Cert == "" || c.TLS.Key == "") {
		errs = append(errs, bindings.Invalid("tls", "a server needs cert and key"))
	}
	errs = append(errs, c.Auth.validate(c.TLS)...)
	if w := c.Webhook; w != nil {
		if len(w.AllowedOrigins) == 0 {
			errs = append(errs, bindings.Invalid("webhook.allowed_origins", "at least one origin is needed, or \"*\""))
		}
		if w.AllowedRate != 0 && perMinute(w.AllowedRate) < 1 {
			errs = append(errs, bindings.Invalid("webhook.allowed_rate", "must be at least 1/m"))
		}
	}
	return errors.Join(errs...)
}

// stated checks a size that may be left away: that is how to get the default, not 0.
func stated(key string, size *bindings.Size) []error {
	if size == nil || *size > 0 {
		return nil
	}
	return []error{bindings.Invalid(key, "must be more than 0; remove the key for the default")}
}

// arriving returns what may arrive from one address at once: as stated, or half of the window's bytes. 0 is no bound.
func arriving(c *SourceConfig, window int) int {
	if c.MaxArrivingPerAddress != nil {
		return int(*c.MaxArrivingPerAddress)
	}
	return (window + 1) / 2
}

// headerCodings are the values of header_encoding.
var headerCodings = map[string]envelope.HeaderCoding{
	"": envelope.HeaderStrict, "strict": envelope.HeaderStrict, "lenient": envelope.HeaderLenient, "raw": envelope.HeaderRaw,
}

func (a *SourceAuth) validate(tls *security.TLS) []error {
	if a == nil {
		return nil
	}
	var errs []error
	if len(a.Bearer) == 0 && a.Basic == nil && a.HMAC == nil && len(a.ClientNames) == 0 {
		errs = append(errs, bindings.Invalid("auth", "one of bearer, basic, hmac and client_names is needed"))
	}
	for _, s := range a.Bearer {
		if s.IsZero() {
			errs = append(errs, bindings.Invalid("auth.bearer", "a token is empty"))
		}
	}
	if a.Basic != nil {
		errs = append(errs, a.Basic.validate()...)
	}
	if a.HMAC != nil {
		if _, err := parseKeys(a.HMAC.Secrets); err != nil {
			errs = append(errs, bindings.Invalid("auth.hmac.secrets", "%w", err))
		}
		if a.HMAC.Tolerance < 0 {
			errs = append(errs, bindings.Invalid("auth.hmac.tolerance", "must not be negative"))
		}
		errs = append(errs, checkAttributes("auth.hmac", a.HMAC.Attributes)...)
	}
	if len(a.ClientNames) > 0 && (tls == nil || tls.CA == "") {
		errs = append(errs, bindings.Invalid("auth.client_names", "needs tls.ca, which asks clients for a certificate"))
	}
	return errs
}

func (b *Basic) validate() []error {
	var errs []error
	if b.Username == "" || strings.Contains(b.Username, ":") {
		errs = append(errs, bindings.Invalid("auth.basic.username", "must not be empty or hold a colon"))
	}
	if b.Password.IsZero() {
		errs = append(errs, bindings.Invalid("auth.basic.password", "must not be empty"))
	}
	return errs
}

// SinkConfig is an HTTP target that events are posted to.
type SinkConfig struct {
	// URL is the target, http or https. Its path and query may hold placeholders such as {type}; its host may not.
	URL string `yaml:"url,omitempty"`
	// TLS is how to authenticate the target and the router itself.
	TLS *security.TLS `yaml:"tls,omitempty"`
	// Auth is what the requests present.
	Auth *SinkAuth `yaml:"auth,omitempty"`
	// Headers are sent with every request. Their values are treated as secrets.
	Headers map[string]security.Secret `yaml:"headers,omitempty"`
	// Sign signs every request as Standard Webhooks describes.
	Sign *Sign `yaml:"sign,omitempty"`
	// Webhook asks the target for consent before the first delivery, as the web hook specification describes.
	Webhook *SinkWebhook `yaml:"webhook,omitempty"`
	// MaxHeader is how many bytes of header a binary request may have, its first line and its end included, 8KiB by
	// default, which is what the strictest of the common servers and proxies take. An event with more leaves structured.
	MaxHeader *bindings.Size `yaml:"max_header,omitempty"`
	// Network is where the target may be: any (default), or public, which takes addresses of the public internet alone,
	// looked at after the name was resolved.
	Network string `yaml:"network,omitempty"`
}

// SinkAuth is a credential; one of them is given.
type SinkAuth struct {
	// Bearer is a token for the Authorization header.
	Bearer security.Secret `yaml:"bearer,omitempty"`
	// Basic is a user name and password.
	Basic *Basic `yaml:"basic,omitempty"`
}

// Sign is the key of the signature.
type Sign struct {
	// Secret is the key. One that begins with whsec_ is base64.
	Secret security.Secret `yaml:"secret,omitempty"`
	// Secrets are further keys to sign with, while a key is being replaced.
	Secrets []security.Secret `yaml:"secrets,omitempty"`
	// Attributes, unsigned, says that binary mode is meant although its attributes are not signed.
	Attributes string `yaml:"attributes,omitempty"`
}

// SinkWebhook is the sender's part of the web hook handshake.
type SinkWebhook struct {
	// Origin is the DNS name by which the sending system is known to the target.
	Origin string `yaml:"origin,omitempty"`
	// Rate is the rate to ask for; the target may grant less. Absent, none is asked for.
	Rate bindings.Rate `yaml:"rate,omitempty"`
}

// Validate reports every mistake in the configuration.
func (c *SinkConfig) Validate() error {
	var errs []error
	target, err := parseTarget(c.URL)
	if err != nil {
		errs = append(errs, err)
	}
	if c.Auth != nil {
		switch {
		case c.Auth.Basic != nil && !c.Auth.Bearer.IsZero():
			errs = append(errs, bindings.Invalid("auth", "bearer and basic exclude each other"))
		case c.Auth.Basic != nil:
			errs = append(errs, c.Auth.Basic.validate()...)
		case c.Auth.Bearer.IsZero():
			errs = append(errs, bindings.Invalid("auth", "one of bearer and basic is needed"))
		case !headerSafe(c.Auth.Bearer.Reveal()):
			errs = append(errs, bindings.Invalid("auth.bearer", "the token cannot be a header value"))
		}
	}
	for name, value := range c.Headers {
		if err := checkHeader(name, value.Reveal(), c.Auth != nil); err != nil {
			errs = append(errs, bindings.Invalid("headers."+name, "%w", err))
		}
	}
	if c.Sign != nil {
		if _, err := parseKeys(c.Sign.keys()); err != nil {
			errs = append(errs, bindings.Invalid("sign.secret", "%w", err))
		}
		errs = append(errs, checkAttributes("sign", c.Sign.Attributes)...)
	}
	if w := c.Webhook; w != nil {
		if w.Origin == "" || !headerSafe(w.Origin) || strings.ContainsAny(w.Origin, "/: ") {
			errs = append(errs, bindings.Invalid("webhook.origin", "%q is not a DNS name", w.Origin))
		}
		if w.Rate != 0 && perMinute(w.Rate) < 1 {
			errs = append(errs, bindings.Invalid("webhook.rate", "must be at least 1/m"))
		}
		if target != nil && target.path != nil {
			errs = append(errs, bindings.Invalid("webhook", "consent is given to one address: the url must not hold placeholders"))
		}
	}
	errs = append(errs, stated("max_header", c.MaxHeader)...)
	if c.Network != "" && c.Network != "any" && c.Network != "public" {
		errs = append(errs, bindings.Invalid("network", "%q is not any or public", c.Network))
	}
	return errors.Join(errs...)
}

// keys returns all keys of the signature.
func (s *Sign) keys() []security.Secret {
	if s.Secret.IsZero() {
		return s.Secrets
	}
	return append([]security.Secret{s.Secret}, s.Secrets...)
}

// reservedHeaders are set by the binding itself or by net/http; a user's value would break framing or identity.
var reservedHeaders = map[string]bool{
	"host": true, "content-length": true, "transfer-encoding": true, "content-encoding": true, "content-type": true,
	"connection": true, "trailer": true, "upgrade": true, "te": true, "expect": true, "idempotency-key": true,
	"keep-alive": true, "proxy-connection": true,
}

// checkHeader says why a configured header cannot be sent.
func checkHeader(name, value string, auth bool) error {
	lower := strings.ToLower(name)
	switch {
	case !isToken(name):
		return errors.New("is not a header name")
	case reservedHeaders[lower] || strings.HasPrefix(lower, "ce-") || strings.HasPrefix(lower, "webhook-"):
		return errors.New("is set by the router itself")
	case auth && lower == "authorization":
		return errors.New("is set by auth already")
	case !headerSafe(value):
		return errors.New("the value holds characters that a header cannot")
	}
	return nil
}

// isToken reports whether s is an RFC 9110 token.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// headerSafe reports whether s can be a header value as it is and arrives as it was: visible ASCII and inner blanks.
func headerSafe(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return strings.Trim(s, " \t") == s
}
