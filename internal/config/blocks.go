package config

import (
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/http"
	"github.com/eventrouter/router/bindings/kafka"
	"github.com/eventrouter/router/bindings/nats"
	"github.com/eventrouter/router/bindings/sqs"
	"github.com/eventrouter/router/bindings/stdout"
)

// Source is where events come from: exactly one transport, and what is common to all. It holds no places of the file,
// so that two sources are equal exactly if they are configured alike.
type Source struct {
	// Kafka reads topics as a member of a consumer group.
	Kafka *kafka.SourceConfig `yaml:"kafka,omitempty"`
	// NATS reads core subjects or a JetStream stream.
	NATS *nats.SourceConfig `yaml:"nats,omitempty"`
	// SQS reads an Amazon SQS queue.
	SQS *sqs.SourceConfig `yaml:"sqs,omitempty"`
	// HTTP takes POST requests.
	HTTP *http.SourceConfig `yaml:"http,omitempty"`

	// Wrap makes an event of a message that is not a CloudEvent: attributes and the templates of their values. Type
	// and source are required; id is the message's position by default. Absent, such a message is malformed.
	Wrap map[string]string `yaml:"wrap,omitempty"`
	// Adapters are the foreign formats to recognise where a message is not a CloudEvent, before wrap: sns, eventbridge, s3.
	Adapters []string `yaml:"adapters,omitempty"`
	// Isolation is shared: the slowest sink sets the pace once the window is full. A cursor per sink is not built yet.
	Isolation string `yaml:"isolation,omitempty"`
	// Window bounds what the source has in flight.
	Window Window `yaml:"window,omitempty"`
	// Strict refuses whatever breaks the specification; true by default.
	Strict *bool `yaml:"strict,omitempty"`
}

// Window bounds what a source has in flight.
type Window struct {
	// Events is the most events.
	Events int `yaml:"events,omitempty"`
	// Bytes is the most bytes.
	Bytes bindings.Size `yaml:"bytes,omitempty"`
}

// Sink is where events go: exactly one transport, and what is common to all. It holds no places of the file, so that
// two sinks are equal exactly if they are configured alike.
type Sink struct {
	// Kafka produces to a topic.
	Kafka *kafka.SinkConfig `yaml:"kafka,omitempty"`
	// NATS publishes to a core subject or into a JetStream stream.
	NATS *nats.SinkConfig `yaml:"nats,omitempty"`
	// SQS sends to an Amazon SQS queue.
	SQS *sqs.SinkConfig `yaml:"sqs,omitempty"`
	// HTTP posts to a URL.
	HTTP *http.SinkConfig `yaml:"http,omitempty"`
	// Stdout writes one JSON event per line to standard output.
	Stdout *stdout.SinkConfig `yaml:"stdout,omitempty"`

	// Mode is the content mode: binary, structured or, over HTTP only, batch. The default is the transport's.
	Mode string `yaml:"mode,omitempty"`
	// Format is the event format of structured and batch mode: json (default), protobuf, xml or avro. SQS takes json and
	// xml, because its messages are text; NATS and stdout take json; avro has no batch.
	Format string `yaml:"format,omitempty"`
	// OrderBy is what keeps its order: key (default), partition, subject, source, partitionkey or none.
	OrderBy string `yaml:"order_by,omitempty"`
	// Concurrency is how many sends run at once at most.
	Concurrency int `yaml:"concurrency,omitempty"`
	// Batch bounds how many events one send takes.
	Batch Batch `yaml:"batch,omitempty"`
	// Timeout bounds one attempt.
	Timeout time.Duration `yaml:"timeout,omitempty"`
	// Rate is the most events that are sent in a time, such as 100/s; absent, there is no limit.
	Rate bindings.Rate `yaml:"rate,omitempty"`
	// Retry is how a failed delivery to this sink is repeated; absent, as the top-level retry says.
	Retry *Retry `yaml:"retry,omitempty"`
	// DeadLetter is what becomes of an event that this sink can never take: the name of a sink, hold or drop; absent,
	// what the top-level dead_letter says.
	DeadLetter string `yaml:"dead_letter,omitempty"`
	// Start is whether the sources wait for this sink when the router starts: now (default), they do not, and only what is
	// for this sink waits until it was reached; or wait.
	Start string `yaml:"start,omitempty"`
	// Expired is what becomes of an event whose expirytime has passed, looked at before every attempt: deliver (default),
	// drop or dead_letter.
	Expired string `yaml:"expired,omitempty"`
	// DataRef is what becomes of the data of an event whose dataref says where the same data is: forward (default), drop_data,
	// or drop_data_when_too_large, which sends the event without it only where it is refused for its size. Data is never
	// fetched.
	DataRef string `yaml:"dataref,omitempty"`
	// Accepts is which classified data may go here; absent, the dataclassification extension is not looked at.
	Accepts *Accepts `yaml:"accepts,omitempty"`
}

// Accepts is which classified data may go to a sink. What it does not list is refused for good, dead letters included; an
// event without dataclassification passes.
type Accepts struct {
	// DataClassification are the levels, such as public and internal; [] is none.
	DataClassification []string `yaml:"dataclassification,omitempty"`
	// DataRegulation are the regulations that may apply to the data, such as gdpr; absent, none.
	DataRegulation []string `yaml:"dataregulation,omitempty"`
}

// Batch bounds how many events one send takes.
type Batch struct {
	// Events is the most events of one send.
	Events int `yaml:"events,omitempty"`
	// Bytes is the most bytes of one send.
	Bytes bindings.Size `yaml:"bytes,omitempty"`
	// Linger is how long to wait for a batch to fill; by default a send takes what has gathered during the last one.
	Linger time.Duration `yaml:"linger,omitempty"`
}

// validator is what every transport's configuration offers.
type validator interface{ Validate() error }

// Kind returns the transport's key, such as kafka, and is empty where none is given.
func (s *Source) Kind() string { return firstKind(s.kinds()) }

// Kind returns the transport's key, such as kafka, and is empty where none is given.
func (s *Sink) Kind() string { return firstKind(s.kinds()) }

// kind is a transport's key with its configuration, nil where it is not given.
type kind struct {
	name   string
	config validator
}

func (s *Source) kinds() []kind {
	return []kind{
		{"kafka", present(s.Kafka)}, {"nats", present(s.NATS)}, {"sqs", present(s.SQS)}, {"http", present(s.HTTP)},
	}
}

func (s *Sink) kinds() []kind {
	return []kind{
		{"kafka", present(s.Kafka)},
		{"nats", present(s.NATS)},
		{"sqs", present(s.SQS)},
		{"http", present(s.HTTP)},
		{"stdout", present(s.Stdout)},
	}
}

// present turns a nil pointer into a nil interface.
func present[T any, P interface {
	*T
	validator
}](p P) validator {
	if p == nil {
		return nil
	}
	return p
}

func firstKind(kinds []kind) string {
	for _, k := range kinds {
		if k.config != nil {
			return k.name
		}
	}
	return ""
}
