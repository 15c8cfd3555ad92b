package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/http"
	"github.com/eventrouter/router/bindings/kafka"
	"github.com/eventrouter/router/bindings/nats"
	"github.com/eventrouter/router/bindings/sqs"
	"github.com/eventrouter/router/bindings/stdout"
	"github.com/eventrouter/router/envelope/format"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/pipeline"
)

// The defaults of what a source has in flight and of an attempt of a sink.
const (
	defaultWindowEvents = 16_384
	defaultWindowBytes  = 64 << 20
	defaultEvent        = 1 << 20
	defaultAttributes   = 64
	defaultTimeout      = 30 * time.Second
	defaultMaxAfter     = 5 * time.Minute
)

// laneDefaults are how a sink of each kind is driven unless the configuration says otherwise: what its protocol
// batches well, and how many sends at once it takes to keep it busy.
func laneDefaults(kind string, mode bindings.Mode) (concurrency, events, bytes int) {
	switch {
	case kind == "kafka", kind == "nats":
		return 2, 512, 4 << 20
	case kind == "sqs":
		return 8, 10, 1 << 20
	case kind == "http" && mode == bindings.ModeBatch:
		return 4, 100, 1 << 20
	case kind == "http":
		return 16, 1, 4 << 20
	default:
		return 1, 256, 1 << 20
	}
}

// Wiring turns a configuration into running parts. It is the only place that knows all transports.
type Wiring struct {
	cfg      *config.Config
	log      *zap.Logger
	stdout   io.Writer
	embedded *nats.Embedded
	ports    *http.ServerPool
	ingress  map[string]*http.Source
	closers  []func()
}

// New starts nothing: parts are made when they are asked for. A stdout sink writes to stdout.
func New(cfg *config.Config, log *zap.Logger, stdout io.Writer) (*Wiring, error) {
	w := &Wiring{cfg: cfg, log: log, stdout: stdout, ports: http.NewServerPool(), ingress: map[string]*http.Source{}}
	var err error
	if w.embedded, err = nats.NewEmbedded(cfg.Embedded); err != nil {
		return nil, w.Locate("embedded", err)
	}
	w.embedded.LogTo(log)
	w.closers = append(w.closers, w.embedded.Close)
	return w, nil
}

// Close releases what was wired and never ran, and what outlives the pipeline.
func (w *Wiring) Close() {
	for _, done := range slices.Backward(w.closers) {
		done()
	}
}

// Settings builds every part. Errors of several parts are reported together, each with the line that asked for it.
func (w *Wiring) Settings() (pipeline.Settings, error) {
	s := pipeline.Settings{
		Table: w.cfg.Table, Log: w.log, Drain: w.cfg.Shutdown.Drain,
		Unmatched: Policy(w.cfg.Unmatched), DeadLetter: Policy(w.cfg.DeadLetter),
	}
	var errs []error
	for _, name := range w.cfg.SinkNames() {
		sink, err := w.Sink(name)
		if err != nil {
			errs = append(errs, w.Locate("sinks."+name+"."+w.cfg.SinkKind(name), err))
			continue
		}
		s.Sinks = append(s.Sinks, sink)
	}
	for _, name := range w.cfg.SourceNames() {
		c := w.cfg.Sources[name]
		window := bindings.NewWindow(
			orDefault(c.Window.Events, defaultWindowEvents), orDefault(int(c.Window.Bytes), defaultWindowBytes))
		src, err := w.Source(name, window)
		if err != nil {
			errs = append(errs, w.Locate("sources."+name+"."+w.cfg.SourceKind(name), err))
			continue
		}
		s.Sources = append(s.Sources, pipeline.Source{Name: name, Source: src, Window: window})
	}
	return s, errors.Join(errs...)
}

// Locate puts the place of the configuration before an error of the part that it configures.
func (w *Wiring) Locate(path string, err error) error {
	part := path
	var field *bindings.FieldError
	if errors.As(err, &field) && field.Field != "" {
		path += "." + field.Field
		return fmt.Errorf("%s: %s: %w", w.cfg.Pos(path), path, &bindings.FieldError{Err: w.cfg.ErrorAsWritten(part, field.Err), Environment: field.Environment})
	}
	return fmt.Errorf("%s: %s: %w", w.cfg.Pos(path), path, w.cfg.ErrorAsWritten(part, err))
}

// Policy turns the word of the configuration into the pipeline's policy.
func Policy(word string) pipeline.Policy {
	switch word {
	case "drop":
		return pipeline.Policy{Action: pipeline.Drop}
	case "hold":
		return pipeline.Policy{Action: pipeline.Hold}
	case "reject":
		return pipeline.Policy{Action: pipeline.Reject}
	case "dead_letter":
		return pipeline.Policy{Action: pipeline.ToDead}
	}
	return pipeline.Policy{Action: pipeline.ToSink, Sink: word}
}

// Source makes a source, whose port is then bound.
func (w *Wiring) Source(name string, window *bindings.Window) (bindings.Source, error) {
	c := w.cfg.Sources[name]
	s := bindings.SourceSettings{
		Name: name, Log: w.log.With(zap.String("source", name)),
		Window:        window,
		MaxEvent:      orDefault(int(w.cfg.Limits.Event), defaultEvent),
		MaxAttributes: orDefault(w.cfg.Limits.Attributes, defaultAttributes),
		Lenient:       c.Strict != nil && !*c.Strict,
		Adapters:      c.Adapters,
		Identity:      made(c.Wrap),
	}
	var err error
	if s.Wrap, err = newWrap(c.Wrap); err != nil {
		return nil, err
	}
	switch {
	case c.Kafka != nil:
		return kafka.NewSource(*c.Kafka, s)
	case c.NATS != nil:
		return nats.NewSource(*c.NATS, s, w.embedded)
	case c.SQS != nil:
		return sqs.NewSource(*c.SQS, s)
	default:
		src, err := w.ports.NewSource(*c.HTTP, s)
		if err != nil {
			return nil, err
		}
		w.ingress[name] = src
		w.closers = append(w.closers, func() { _ = src.Close() }) // after Run it does nothing
		return src, nil
	}
}

// Sink makes a sink and says how it is driven. Whoever asks for it closes it.
func (w *Wiring) Sink(name string) (pipeline.Sink, error) {
	c := w.cfg.Sinks[name]
	mode := map[string]bindings.Mode{
		"binary": bindings.ModeBinary, "structured": bindings.ModeStructured, "batch": bindings.ModeBatch,
	}[c.Mode]
	concurrency, events, bytes := laneDefaults(c.Kind(), mode)
	retry := w.cfg.Retry
	if c.Retry != nil {
		retry = *c.Retry
	}
	dead := w.cfg.DeadLetter
	if c.DeadLetter != "" {
		dead = c.DeadLetter
	}
	p := pipeline.Sink{
		Name: name, Identity: identity(&c),
		Order: map[string]pipeline.Order{
			"partition": pipeline.OrderPartition, "subject": pipeline.OrderSubject, "source": pipeline.OrderSource,
			"partitionkey": pipeline.OrderPartitionKey, "none": pipeline.OrderNone,
		}[c.OrderBy],
		Concurrency: orDefault(c.Concurrency, concurrency),
		BatchEvents: orDefault(c.Batch.Events, events),
		BatchBytes:  orDefault(int(c.Batch.Bytes), bytes),
		Linger:      c.Batch.Linger,
		AwaitReady:  c.Start == "wait",
		Timeout:     orDefault(c.Timeout, defaultTimeout),
		Rate:        float64(c.Rate),
		Retry: pipeline.Retry{
			Initial: retry.Initial, Max: retry.Max, For: retry.For, Attempts: retry.Attempts,
			MaxAfter: orDefault(retry.MaxAfter, defaultMaxAfter),
		},
		DeadLetter: Policy(dead),
		Expired:    map[string]pipeline.Expired{"drop": pipeline.DropExpired, "dead_letter": pipeline.LetterExpired}[c.Expired],
		DataRef: map[string]pipeline.DataRef{
			"drop_data": pipeline.DropData, "drop_data_when_too_large": pipeline.DropTooLarge,
		}[c.DataRef],
	}
	if c.Accepts != nil {
		p.Accepts = &pipeline.Accepts{Levels: c.Accepts.DataClassification, Regulations: c.Accepts.DataRegulation}
	}
	var err error
	f, _ := format.ByName(c.Format) // Load has reported unknown names
	p.Sink, err = w.target(&c, bindings.SinkSettings{
		Name: name, Log: w.log.With(zap.String("sink", name)), Mode: mode, Format: f, Timeout: p.Timeout,
		Concurrency: p.Concurrency,
	})
	return p, err
}

// made returns the text of a block.
func made(block any) string {
	text, err := json.Marshal(block)
	if err != nil {
		panic(err) // blocks of a configuration are data
	}
	return string(text)
}

// identity returns where a sink sends to and how, without secrets.
func identity(c *config.Sink) string {
	return made([]any{c.Kafka, c.NATS, c.SQS, c.HTTP, c.Stdout, c.Mode, c.Format})
}

// target makes the sink itself.
func (w *Wiring) target(c *config.Sink, s bindings.SinkSettings) (bindings.Sink, error) {
	switch {
	case c.Kafka != nil:
		return kafka.NewSink(*c.Kafka, s)
	case c.NATS != nil:
		return nats.NewSink(*c.NATS, s, w.embedded)
	case c.SQS != nil:
		return sqs.NewSink(*c.SQS, s)
	case c.HTTP != nil:
		return http.NewSink(*c.HTTP, s)
	default:
		return stdout.NewSink(*c.Stdout, w.stdout, s)
	}
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Ready asks a part once whether it is ready.
func Ready(ctx context.Context, part any, limit time.Duration) error {
	r, ok := part.(bindings.Readier)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return r.Ready(ctx)
}
