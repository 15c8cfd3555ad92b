package nats

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/bindings/template"
)

// embeddedURL is the url that means the server inside the process.
const embeddedURL = "embedded"

// The defaults.
const (
	defaultAckWait       = 30 * time.Second
	defaultMaxAckPending = 65_536
	defaultPrefetch      = 1024
	defaultPrefetchBytes = 8 << 20
	defaultPending       = 65_536
	defaultPendingBytes  = 64 << 20
	defaultTimeout       = 10 * time.Second
	defaultMaxAge        = 7 * 24 * time.Hour

	maxCredentials = 1 << 20 // of a file, in bytes
)

// SourceConfig is what a user writes for a NATS source: subjects for core NATS, a stream for JetStream.
type SourceConfig struct {
	// URL is one or several server addresses, separated by commas, or "embedded" for the server inside the process.
	URL string `yaml:"url,omitempty"`
	// Creds is a credentials file; it is read again at every reconnect.
	Creds string `yaml:"creds,omitempty" file:"connect"`
	// NKey is a file with an nkey seed.
	NKey string `yaml:"nkey,omitempty" file:"start"`
	// Token authenticates with a token.
	Token security.Secret `yaml:"token,omitempty"`
	// User authenticates with a user name and Password.
	User string `yaml:"user,omitempty"`
	// Password belongs to User.
	Password security.Secret `yaml:"password,omitempty"`
	// TLS turns on TLS.
	TLS *security.TLS `yaml:"tls,omitempty"`
	// Subjects are what to subscribe to, wildcards allowed. With a stream they filter it; none means all of it.
	Subjects bindings.Strings `yaml:"subjects,omitempty"`
	// Queue is the queue group that shares the messages of core subjects among its members.
	Queue string `yaml:"queue,omitempty"`
	// Stream makes this a JetStream source: messages of that stream, acknowledged after delivery.
	Stream string `yaml:"stream,omitempty"`
	// Durable is the name of the consumer that keeps the position, "router-" and the source's name by default.
	// Sources of the same durable share its messages.
	Durable string `yaml:"durable,omitempty"`
	// Start is where a new consumer begins: all (the default) or new.
	Start string `yaml:"start,omitempty"`
	// AckWait is how long the server waits for an acknowledgement or a sign of life before it delivers a message
	// again, 30s by default, at least 1s. The source extends it for as long as it holds a message.
	AckWait time.Duration `yaml:"ack_wait,omitempty"`
	// MaxAckPending bounds the unacknowledged messages of the durable over all its readers, 65536 by default. 1 keeps
	// strict order also with several of them, one message at a time.
	MaxAckPending int `yaml:"max_ack_pending,omitempty"`
	// Prefetch bounds the messages asked for but not yet handed on, 1024 by default.
	Prefetch int `yaml:"prefetch,omitempty"`
	// PrefetchBytes bounds their bytes, 8MiB by default. A larger message is fetched alone.
	PrefetchBytes bindings.Size `yaml:"prefetch_bytes,omitempty"`
	// Pending bounds the messages that wait in a core subscription's buffer, 65536 by default; what comes beyond is
	// dropped and counted.
	Pending int `yaml:"pending,omitempty"`
	// PendingBytes bounds the bytes of that buffer, 64MiB by default.
	PendingBytes bindings.Size `yaml:"pending_bytes,omitempty"`
	// Create creates the stream if it is not there. An existing stream is never changed.
	Create *StreamConfig `yaml:"create,omitempty"`
}

// SinkConfig is what a user writes for a NATS sink.
type SinkConfig struct {
	// URL is one or several server addresses, separated by commas, or "embedded" for the server inside the process.
	URL string `yaml:"url,omitempty"`
	// Creds is a credentials file; it is read again at every reconnect.
	Creds string `yaml:"creds,omitempty" file:"connect"`
	// NKey is a file with an nkey seed.
	NKey string `yaml:"nkey,omitempty" file:"start"`
	// Token authenticates with a token.
	Token security.Secret `yaml:"token,omitempty"`
	// User authenticates with a user name and Password.
	User string `yaml:"user,omitempty"`
	// Password belongs to User.
	Password security.Secret `yaml:"password,omitempty"`
	// TLS turns on TLS.
	TLS *security.TLS `yaml:"tls,omitempty"`
	// Subject is where to publish: a template such as "acme.{type}".
	Subject string `yaml:"subject,omitempty"`
	// Stream makes every publish acknowledged by that JetStream stream; without it delivery is at most once.
	Stream string `yaml:"stream,omitempty"`
	// Create creates the stream if it is not there. An existing stream is never changed.
	Create *StreamConfig `yaml:"create,omitempty"`
}

// StreamConfig says how to create a stream that is not there.
type StreamConfig struct {
	// Subjects are the subjects the stream takes; by default the source's subjects, or the sink's subject with
	// everything after its literal prefix as a wildcard.
	Subjects bindings.Strings `yaml:"subjects,omitempty"`
	// Storage is file (the default) or memory.
	Storage string `yaml:"storage,omitempty"`
	// Retention is limits (the default), workqueue or interest.
	Retention string `yaml:"retention,omitempty"`
	// Replicas is how many servers keep a copy, 1 by default.
	Replicas int `yaml:"replicas,omitempty"`
	// MaxAge is how long a message is kept, 168h by default; a negative value means forever.
	MaxAge time.Duration `yaml:"max_age,omitempty"`
	// MaxBytes bounds the stream's size; 0 is no bound.
	MaxBytes bindings.Size `yaml:"max_bytes,omitempty"`
	// MaxMessages bounds the number of messages; 0 is no bound.
	MaxMessages int64 `yaml:"max_messages,omitempty"`
	// MaxMessageSize is the largest message taken; 0 is the server's limit.
	MaxMessageSize bindings.Size `yaml:"max_message_size,omitempty"`
	// Discard says what a full stream does: refuse new messages (new, the default), so that an outage downstream
	// becomes back-pressure, or delete the oldest ones (old).
	Discard string `yaml:"discard,omitempty"`
	// DuplicateWindow is how long message ids are remembered, 2m by default. A repetition after that is stored again.
	DuplicateWindow time.Duration `yaml:"duplicate_window,omitempty"`
}

// Validate reports every mistake in the configuration that can be seen without the network.
func (c *SourceConfig) Validate() error {
	errs := []error{c.auth().validate(c.URL)}
	add := func(err error) { errs = append(errs, err) }
	for _, s := range c.Subjects {
		if err := checkFilter(s); err != nil {
			add(bindings.Invalid("subjects", "%w", err))
		}
	}
	if c.Stream == "" {
		errs = append(errs, c.validateCore()...)
		return errors.Join(errs...)
	}
	add(checkName("stream", c.Stream))
	add(checkName("durable", c.Durable))
	if c.Queue != "" {
		add(bindings.Invalid("queue", "is for core subjects; readers of a stream share a durable"))
	}
	if c.Pending != 0 || c.PendingBytes != 0 {
		add(bindings.Invalid("pending", "is for core subjects; a stream has prefetch"))
	}
	if c.Start != "" && c.Start != "all" && c.Start != "new" {
		add(bindings.Invalid("start", "%q is neither all nor new", c.Start))
	}
	if c.AckWait != 0 && c.AckWait < time.Second {
		add(bindings.Invalid("ack_wait", "%s is shorter than 1s", c.AckWait))
	}
	if c.MaxAckPending < 0 {
		add(bindings.Invalid("max_ack_pending", "%d is negative", c.MaxAckPending))
	}
	if c.Prefetch < 0 || c.Prefetch > 65_536 {
		add(bindings.Invalid("prefetch", "%d is not between 1 and 65536", c.Prefetch))
	}
	add(c.Create.validate(len(c.Subjects) > 0))
	return errors.Join(errs...)
}

func (c *SourceConfig) validateCore() (errs []error) {
	if len(c.Subjects) == 0 {
		errs = append(errs, bindings.Invalid("subjects", "is missing; core NATS needs subjects, JetStream a stream"))
	}
	for field, set := range map[string]bool{
		"durable": c.Durable != "", "ack_wait": c.AckWait != 0, "start": c.Start != "", "create": c.Create != nil,
		"max_ack_pending": c.MaxAckPending != 0, "prefetch": c.Prefetch != 0, "prefetch_bytes": c.PrefetchBytes != 0,
	} {
		if set {
			errs = append(errs, bindings.Invalid(field, "needs stream"))
		}
	}
	if c.Queue != "" {
		if err := checkFilter(c.Queue); err != nil || strings.ContainsAny(c.Queue, "*>") {
			errs = append(errs, bindings.Invalid("queue", "%q is not a queue name", c.Queue))
		}
	}
	if c.Pending < 0 {
		errs = append(errs, bindings.Invalid("pending", "%d is negative", c.Pending))
	}
	return errs
}

// Validate reports every mistake in the configuration that can be seen without the network.
func (c *SinkConfig) Validate() error {
	errs := []error{c.auth().validate(c.URL)}
	if _, err := c.subject(); err != nil {
		errs = append(errs, err)
	}
	if c.Stream != "" {
		errs = append(errs, checkName("stream", c.Stream), c.Create.validate(true))
	} else if c.Create != nil {
		errs = append(errs, bindings.Invalid("create", "needs stream"))
	}
	return errors.Join(errs...)
}

// DefaultSubjects are what a stream that is created for this sink takes unless create says otherwise: the subject, or
// everything below the literal tokens that a template begins with. They are nil for a subject that Validate refuses.
func (c *SinkConfig) DefaultSubjects() []string {
	t, err := c.subject()
	if err != nil {
		return nil
	}
	if text, ok := t.Static(); ok {
		return []string{text}
	}
	p := t.Prefix()
	return []string{p[:strings.LastIndexByte(p, '.')+1] + ">"}
}

// subject compiles the subject template. Its literal prefix is checked here, so that a subject which could never be
// allowed is found at load.
func (c *SinkConfig) subject() (*template.Template, error) {
	if c.Subject == "" {
		return nil, bindings.Invalid("subject", "is missing")
	}
	t, err := template.Compile(c.Subject, template.NATSSubject)
	if err != nil {
		return nil, bindings.Invalid("subject", "%w", err)
	}
	if text, ok := t.Static(); ok {
		if err := checkSubject([]byte(text)); err != nil {
			return nil, bindings.Invalid("subject", "%w", err)
		}
	} else if p := t.Prefix(); p != "" && reserved(p[0]) {
		return nil, bindings.Invalid("subject", "%w", errReserved)
	}
	return t, nil
}

func (c *StreamConfig) validate(haveSubjects bool) error {
	if c == nil {
		return nil
	}
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, bindings.Invalid("create."+field, format, args...))
	}
	for _, s := range c.Subjects {
		if err := checkFilter(s); err != nil {
			bad("subjects", "%w", err)
		}
	}
	if len(c.Subjects) == 0 && !haveSubjects {
		bad("subjects", "is missing")
	}
	for field, v := range map[string]struct{ got, a, b, c string }{
		"storage":   {c.Storage, "file", "memory", "file"},
		"retention": {c.Retention, "limits", "workqueue", "interest"},
		"discard":   {c.Discard, "new", "old", "new"},
	} {
		if v.got != "" && v.got != v.a && v.got != v.b && v.got != v.c {
			bad(field, "%q is not a choice", v.got)
		}
	}
	if c.Replicas < 0 || c.Replicas > 5 {
		bad("replicas", "%d is not between 1 and 5", c.Replicas)
	}
	if c.DuplicateWindow != 0 && c.DuplicateWindow < 100*time.Millisecond {
		bad("duplicate_window", "%s is shorter than 100ms", c.DuplicateWindow)
	}
	if c.MaxMessages < 0 {
		bad("max_messages", "%d is negative", c.MaxMessages)
	}
	return errors.Join(errs...)
}

// auth is the part of a configuration that says where the server is and who we are.
type auth struct {
	creds, nkey, user string
	token, password   security.Secret
	tls               *security.TLS
}

func (c *SourceConfig) auth() auth { return auth{c.Creds, c.NKey, c.User, c.Token, c.Password, c.TLS} }

func (c *SinkConfig) auth() auth { return auth{c.Creds, c.NKey, c.User, c.Token, c.Password, c.TLS} }

func (a auth) validate(addresses string) error {
	var errs []error
	ways := 0
	for _, set := range []bool{a.creds != "", a.nkey != "", !a.token.IsZero(), a.user != ""} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		errs = append(errs, bindings.Invalid("", "creds, nkey, token and user exclude each other"))
	}
	if !a.password.IsZero() && a.user == "" {
		errs = append(errs, bindings.Invalid("password", "needs user"))
	}
	switch addresses {
	case "":
		errs = append(errs, bindings.Invalid("url", "is missing"))
	case embeddedURL:
		if ways > 0 || a.tls != nil {
			errs = append(errs, bindings.Invalid("url", "the embedded server takes neither credentials nor tls"))
		}
	default:
		for one := range strings.SplitSeq(addresses, ",") {
			if !validURL(strings.TrimSpace(one)) {
				// The address is not shown: it may hold a password.
				errs = append(errs, bindings.Invalid("url", `is not a list of addresses such as nats://host:4222, nor "embedded"`))
				break
			}
		}
	}
	return errors.Join(errs...)
}

func validURL(s string) bool {
	if !strings.Contains(s, "://") {
		s = "nats://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || strings.Count(u.Host, ":") > 1 && u.Host[0] != '[' {
		return false
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return true
	}
	return false
}

// checkFiles reports the files a configuration names that cannot be read.
func (a auth) checkFiles() error {
	for field, path := range map[string]string{"creds": a.creds, "nkey": a.nkey} {
		if path == "" {
			continue
		}
		if _, err := security.ReadFile(path, maxCredentials); err != nil {
			return bindings.Missing(field, err)
		}
	}
	return nil
}
