package sqs

import (
	"errors"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
)

const (
	defaultVisibility = time.Minute
	defaultWait       = 20 * time.Second
	defaultReceivers  = 4

	minVisibility = 2 * time.Second
	maxVisibility = 12 * time.Hour // the service's limit, from the receipt on
	maxWait       = 20 * time.Second
	maxReceivers  = 64
)

// SourceConfig is what a user configures of an SQS source. Credentials come from the AWS default credential chain.
type SourceConfig struct {
	// Queue is the queue's name, URL or ARN. A name that ends in .fifo is a FIFO queue.
	Queue string `yaml:"queue,omitempty"`
	// Region is the AWS region. By default it is that of the queue's URL or ARN, else that of the AWS configuration
	// (AWS_REGION).
	Region string `yaml:"region,omitempty"`
	// Endpoint is the base URL of the service, for emulators and private endpoints. By default AWS decides, or the
	// queue's URL where it does not belong to AWS.
	Endpoint string `yaml:"endpoint,omitempty"`
	// Visibility is how long a received message stays hidden from others, in whole seconds from 2s to 12h, by default
	// 1m. It is extended while the message is being delivered, so it need not cover slow sinks; it is how long messages
	// stay hidden after a crash.
	Visibility time.Duration `yaml:"visibility,omitempty"`
	// Wait is how long a receive waits for messages, in whole seconds from 1s to 20s, by default 20s.
	Wait time.Duration `yaml:"wait,omitempty"`
	// Receivers is how many receives run at once, from 1 to 64, by default 4.
	Receivers int `yaml:"receivers,omitempty"`
}

// Validate lists everything that is wrong with the configuration.
func (c SourceConfig) Validate() error {
	_, err := parseQueue(c.Queue)
	return errors.Join(err, validEndpoint(c.Endpoint),
		inSeconds("visibility", c.Visibility, minVisibility, maxVisibility),
		inSeconds("wait", c.Wait, time.Second, maxWait),
		inRange("receivers", c.Receivers, 1, maxReceivers))
}

func (c SourceConfig) withDefaults() SourceConfig {
	if c.Visibility == 0 {
		c.Visibility = defaultVisibility
	}
	if c.Wait == 0 {
		c.Wait = defaultWait
	}
	if c.Receivers == 0 {
		c.Receivers = defaultReceivers
	}
	return c
}

// The ways to fill a FIFO queue's deduplication id.
const (
	dedupID      = "id"      // the delivery id: the same for every attempt to deliver the event by this sink
	dedupContent = "content" // none: the queue's content-based deduplication makes it of the body
	dedupNone    = "none"    // a random one: nothing is deduplicated, not even retries
)

// SinkConfig is what a user configures of an SQS sink. Credentials come from the AWS default credential chain.
type SinkConfig struct {
	// Queue is the queue's name, URL or ARN. A name that ends in .fifo is a FIFO queue.
	Queue string `yaml:"queue,omitempty"`
	// Region is the AWS region. By default it is that of the queue's URL or ARN, else that of the AWS configuration
	// (AWS_REGION).
	Region string `yaml:"region,omitempty"`
	// Endpoint is the base URL of the service, for emulators and private endpoints. By default AWS decides, or the
	// queue's URL where it does not belong to AWS.
	Endpoint string `yaml:"endpoint,omitempty"`
	// GroupID is a template for the message group, such as "{subject}". A result that is not a valid group id is
	// replaced by its SHA-256 in hexadecimal. By default events of a FIFO queue are grouped by their partitionkey, else
	// by the ordering key of the source they came from, else by their source attribute. A standard queue has groups
	// only where this is set; it uses them for fair queueing.
	GroupID string `yaml:"group_id,omitempty"`
	// Dedup is what a FIFO queue removes duplicates by, within its five minutes: "id" (the default) by a digest of the
	// sink's name and the event's source and id, "content" by the body, which needs content-based deduplication to be
	// on in the queue, or "none".
	Dedup string `yaml:"dedup,omitempty"`
}

// Validate lists everything that is wrong with the configuration.
func (c SinkConfig) Validate() error {
	ref, err := parseQueue(c.Queue)
	errs := []error{err, validEndpoint(c.Endpoint)}
	if c.GroupID != "" {
		if _, err := template.Compile(c.GroupID, template.Raw); err != nil {
			errs = append(errs, bindings.Invalid("group_id", "%w", err))
		}
	}
	switch c.Dedup {
	case "":
	case dedupID, dedupContent, dedupNone:
		if ref.name != "" && !ref.fifo() {
			errs = append(errs, bindings.Invalid("dedup", "only FIFO queues remove duplicates, and %q is none", ref.name))
		}
	default:
		errs = append(errs, bindings.Invalid("dedup", "%q is none of id, content, none", c.Dedup))
	}
	return errors.Join(errs...)
}

func inSeconds(field string, d, low, high time.Duration) error {
	if d != 0 && (d < low || d > high || d%time.Second != 0) {
		return bindings.Invalid(field, "%v is not a number of whole seconds from %v to %v", d, low, high)
	}
	return nil
}

func inRange(field string, n, low, high int) error {
	if n != 0 && (n < low || n > high) {
		return bindings.Invalid(field, "%d is not between %d and %d", n, low, high)
	}
	return nil
}
