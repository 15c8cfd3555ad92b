package kafka

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/bindings/template"
)

// kind is the transport's name in Event.Meta.
const kind = "kafka"

// shortestSession and longestSession bound session_timeout, wider than brokers do by default.
const (
	shortestSession = time.Second
	longestSession  = time.Hour
)

// SASL is how the client authenticates to the brokers.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism string `yaml:"mechanism,omitempty"`
	// Username is the account's name.
	Username string `yaml:"username,omitempty"`
	// Password is the account's password.
	Password security.Secret `yaml:"password,omitempty"`
}

// SourceConfig is the kafka block of a source.
type SourceConfig struct {
	// Brokers are the addresses to start from, as host:port.
	Brokers bindings.Strings `yaml:"brokers,omitempty" commas:"split"`
	// Topics are the topics to read.
	Topics bindings.Strings `yaml:"topics,omitempty" commas:"split"`
	// TopicsRegex reads every topic whose whole name it matches, in place of topics (RE2).
	TopicsRegex string `yaml:"topics_regex,omitempty"`
	// Group is the consumer group, which owns the position.
	Group string `yaml:"group,omitempty"`
	// Start is where a group without a position begins: earliest (default) or latest.
	Start string `yaml:"start,omitempty"`
	// IsolationLevel is read_committed (default) or read_uncommitted.
	IsolationLevel string `yaml:"isolation_level,omitempty"`
	// InstanceID makes the process a static member of the group, so that a quick restart moves no partitions. It
	// must be different for every process.
	InstanceID string `yaml:"instance_id,omitempty"`
	// SessionTimeout is how long the group waits for this process when it has died, by default 10s. Brokers take 6s to
	// 30m unless they are told otherwise.
	SessionTimeout time.Duration `yaml:"session_timeout,omitempty"`
	// TLS encrypts the connection; an empty block uses the system's certificate authorities.
	TLS *security.TLS `yaml:"tls,omitempty"`
	// SASL authenticates the client.
	SASL *SASL `yaml:"sasl,omitempty"`
}

// SinkConfig is the kafka block of a sink.
type SinkConfig struct {
	// Brokers are the addresses to start from, as host:port.
	Brokers bindings.Strings `yaml:"brokers,omitempty" commas:"split"`
	// Topic is the topic to write to, as a template.
	Topic string `yaml:"topic,omitempty"`
	// Topics are what may be written where the topic is a template: names, or patterns in which an asterisk stands for
	// any characters. An event for another topic fails for good. Without them every topic may be written.
	Topics bindings.Strings `yaml:"topics,omitempty" commas:"split"`
	// Key is where the record key comes from: keep (default; the source's key if it was Kafka, null otherwise),
	// partitionkey, subject, none, or a template such as "{nats.subject}".
	Key string `yaml:"key,omitempty"`
	// Timestamp is where the record's timestamp comes from: keep (default; the source's if it was Kafka, else the time
	// of sending), now, or event (the event's time attribute, else the time of sending).
	Timestamp string `yaml:"timestamp,omitempty"`
	// Compression is snappy (default), lz4, zstd, gzip or none.
	Compression string `yaml:"compression,omitempty"`
	// Acks is who must have the record before it counts as delivered: all (default; the in-sync replicas), leader,
	// or none, with which a lost connection loses events. Without all, events of one key are sent one after the other.
	Acks string `yaml:"acks,omitempty"`
	// ExactlyOnce would write in transactions together with the source's position. It is not available yet.
	ExactlyOnce bool `yaml:"exactly_once,omitempty"`
	// TLS encrypts the connection; an empty block uses the system's certificate authorities.
	TLS *security.TLS `yaml:"tls,omitempty"`
	// SASL authenticates the client.
	SASL *SASL `yaml:"sasl,omitempty"`
}

// Validate checks the block without touching network or files. The errors are FieldErrors.
func (c *SourceConfig) Validate() error {
	errs := connectionErrors(c.Brokers, c.SASL)
	switch {
	case len(c.Topics) > 0 && c.TopicsRegex != "":
		errs = append(errs, bindings.Invalid("topics_regex", "topics and topics_regex exclude each other"))
	case len(c.Topics) == 0 && c.TopicsRegex == "":
		errs = append(errs, bindings.Invalid("topics", "topics or topics_regex is required"))
	}
	for i, topic := range c.Topics {
		if err := checkTopic(topic); err != nil {
			errs = append(errs, bindings.Invalid(fmt.Sprintf("topics[%d]", i), "%w", err))
		}
	}
	if _, err := regexp.Compile(c.TopicsRegex); err != nil {
		errs = append(errs, bindings.Invalid("topics_regex", "%w", err))
	}
	if c.Group == "" {
		errs = append(errs, bindings.Invalid("group", "a consumer group is required"))
	}
	errs = append(errs,
		oneOf("start", c.Start, "earliest", "latest"),
		oneOf("isolation_level", c.IsolationLevel, "read_committed", "read_uncommitted"))
	if d := c.SessionTimeout; d != 0 && (d < shortestSession || d > longestSession) {
		errs = append(errs, bindings.Invalid("session_timeout", "%s is not between %s and %s", d, shortestSession, longestSession))
	}
	return errors.Join(errs...)
}

// session returns the session timeout.
func (c *SourceConfig) session() time.Duration {
	if c.SessionTimeout == 0 {
		return defaultSession
	}
	return c.SessionTimeout
}

// Validate checks the block without touching network or files. The errors are FieldErrors.
func (c *SinkConfig) Validate() error {
	errs := connectionErrors(c.Brokers, c.SASL)
	if c.Topic == "" {
		errs = append(errs, bindings.Invalid("topic", "a topic is required"))
	} else if t, err := template.Compile(c.Topic, template.KafkaTopic); err != nil {
		errs = append(errs, bindings.Invalid("topic", "%w", err))
	} else if name, static := t.Static(); static {
		if err := checkTopic(name); err != nil {
			errs = append(errs, bindings.Invalid("topic", "%w", err))
		}
	}
	errs = append(errs, c.checkAllowed()...)
	if _, _, err := compileKey(c.Key); err != nil {
		errs = append(errs, bindings.Invalid("key", "%w", err))
	}
	errs = append(errs,
		oneOf("compression", c.Compression, "snappy", "lz4", "zstd", "gzip", "none"),
		oneOf("timestamp", c.Timestamp, "keep", "now", "event"),
		oneOf("acks", c.Acks, "all", "leader", "none"))
	if c.ExactlyOnce {
		errs = append(errs, bindings.Invalid("exactly_once", "not yet available; delivery is at least once"))
	}
	return errors.Join(errs...)
}

// connectionErrors checks what sources and sinks have in common.
func connectionErrors(brokers []string, s *SASL) []error {
	var errs []error
	if len(brokers) == 0 {
		errs = append(errs, bindings.Invalid("brokers", "at least one address is required"))
	}
	for i, b := range brokers {
		host, port, err := net.SplitHostPort(b)
		if n, perr := strconv.Atoi(port); err != nil || perr != nil || host == "" || n < 1 || n > 65535 ||
			strings.ContainsAny(b, "/@ ") {
			errs = append(errs, bindings.Invalid(fmt.Sprintf("brokers[%d]", i), "%s is not an address such as kafka-1:9092", shown(b)))
		}
	}
	if s == nil {
		return errs
	}
	if s.Mechanism == "" {
		errs = append(errs, bindings.Invalid("sasl.mechanism", "a mechanism is required: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"))
	}
	errs = append(errs, oneOf("sasl.mechanism", s.Mechanism, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"))
	if s.Username == "" {
		errs = append(errs, bindings.Invalid("sasl.username", "a user name is required"))
	}
	if s.Password.IsZero() {
		errs = append(errs, bindings.Invalid("sasl.password", "a password is required"))
	}
	return errs
}

// shown quotes an address without what may be a user name and a password.
func shown(address string) string {
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		address = "…" + address[at:]
	}
	return strconv.Quote(address)
}

// oneOf accepts the empty value, which stands for the default, and the given ones.
func oneOf(field, value string, allowed ...string) error {
	if value == "" {
		return nil
	}
	if slices.Contains(allowed, value) {
		return nil
	}
	return bindings.Invalid(field, "%q is not one of %s", value, strings.Join(allowed, ", "))
}

// checkTopic applies the brokers' own rule for topic names.
func checkTopic(name string) error {
	if name == "" || len(name) > 249 || name == "." || name == ".." {
		return fmt.Errorf("%q is not a topic name, which has 1 to 249 characters and is neither one dot nor two", name)
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return fmt.Errorf("%q is not a topic name: letters, digits, '.', '_' and '-' only", name)
		}
	}
	return nil
}

// compression returns the codecs to prefer; brokers that lack the first get the next.
func (c *SinkConfig) compression() []kgo.CompressionCodec {
	codec := map[string]kgo.CompressionCodec{
		"": kgo.SnappyCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(),
		"zstd": kgo.ZstdCompression(), "gzip": kgo.GzipCompression(), "none": kgo.NoCompression(),
	}[c.Compression]
	return []kgo.CompressionCodec{codec, kgo.NoCompression()}
}
